"""Parameters: named numbers with unit, kind, source and uncertainty, and the calibration files they are read from."""

import hashlib
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from .errors import InputError, MachineError, Problem, Problems, nearest
from .items import Item
from .quantiles import value_of
from .strict_yaml import Document, read_yaml
from .units import UNITS, is_money, shown

KINDS = ("reported", "calibrated", "assumed")
SUPPORTS = ("source", "seen", "memory")
CALIBRATION_FILES = ("sources.yaml", "parameters.yaml", "populations.yaml", "regimens.yaml", "life_table.yaml")
ECONOMICS = "economics.yaml"
"""Prices, utilities and what is used: parameters of no fit; a folder may do without."""

_ON_POSITIVE = ("fixed", "log-normal", "log-uniform", "uniform")
_ON_LINE = ("fixed", "normal", "uniform")
_FAMILIES: Mapping[str, tuple[str, ...]] = {
    "months": _ON_POSITIVE,
    "years": ("fixed", "normal", "uniform"),
    "cm": ("fixed", "normal", "uniform"),
    "probability": ("fixed", "beta", "logit-normal", "uniform"),
    "hazard ratio": _ON_POSITIVE,
    "odds ratio": _ON_POSITIVE,
    "log hazard ratio": _ON_LINE,
    "log odds": _ON_LINE,
    "per month": _ON_POSITIVE,
    "number": _ON_LINE,
    "positive number": _ON_POSITIVE,
    "count": ("fixed",),
    "utility": ("fixed", "beta", "logit-normal", "uniform"),
}


def families(unit: str) -> tuple[str, ...]:
    """The distributions that suit a unit."""
    return _ON_POSITIVE if is_money(unit) else _FAMILIES[unit]


@dataclass(frozen=True)
class Distribution:
    """The uncertainty of a parameter, in its unit.

    ``low`` and ``high`` are the central 95% interval, for ``uniform`` and ``log-uniform`` the bounds; for ``fixed``
    both are the value itself.
    """

    family: str
    low: float
    high: float


@dataclass(frozen=True)
class Source:
    """A document or study that numbers are taken from."""

    key: str
    citation: str
    doi: str = ""
    url: str = ""
    document: str = ""
    note: str = ""


@dataclass(frozen=True)
class Parameter:
    """A named number: value in its unit, what it means, where it comes from, how uncertain it is.

    ``kind`` is ``reported``, ``calibrated`` or ``assumed``. ``decision`` marks what a strategy chooses: it is never
    sampled. ``of_arm`` marks what each regimen has its own value of. ``distribution`` is None where the value is held.
    ``bounds`` are what is accepted, in the unit. ``set_by`` says which layer the value comes from: ``default``,
    ``fit``, ``preset NAME``, ``regimen NAME``, ``scenario``, ``strategy NAME``, ``--set`` or ``turning``.
    ``economic`` marks what values stays and moves no patient: prices, utilities, doses.
    """

    name: str
    value: float
    unit: str
    kind: str
    meaning: str
    sources: tuple[str, ...] = ()
    where: str = ""
    reason: str = ""
    derivation: str = ""
    support: str = ""
    distribution: Distribution | None = None
    decision: bool = False
    of_arm: bool = False
    bounds: tuple[float, float] = (-math.inf, math.inf)
    set_by: str = "default"
    economic: bool = False

    def read(self, value: object) -> float:
        """The number, in this parameter's unit, of a value from a file; ValueError for the person who wrote it."""
        number = UNITS[self.unit].read(value)
        if not self.bounds[0] <= number <= self.bounds[1]:
            low, high = (UNITS[self.unit].format(bound) for bound in self.bounds)
            raise ValueError(f"given {shown(value)}, which is out of bounds; accepted: {low} to {high}")
        return number

    def text(self) -> str:
        """The value for a reader, durations with their unit."""
        return UNITS[self.unit].format(self.value)


class Parameters(Mapping[str, Parameter]):
    """An immutable set of parameters by name."""

    def __init__(self, entries: Mapping[str, Parameter]) -> None:
        self._entries = dict(entries)

    def __getitem__(self, name: str) -> Parameter:
        return self._entries[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def __repr__(self) -> str:
        return f"Parameters({len(self)} entries)"

    def value(self, name: str) -> float:
        """The value of one parameter in its unit; InputError with the nearest name if there is none."""
        self._check_names([name], "")
        return self._entries[name].value

    def values_only(self) -> dict[str, float]:
        """Name -> value, each in its parameter's unit."""
        return {name: parameter.value for name, parameter in self._entries.items()}

    def with_entries(self, entries: Mapping[str, Parameter]) -> "Parameters":
        """A copy in which these parameters replace those of the same name; InputError for unknown names."""
        self._check_names(entries, "")
        return Parameters({**self._entries, **entries})

    def with_values(self, values: Mapping[str, float], set_by: str, *, decision: bool = False) -> "Parameters":
        """A copy in which these values, each in its parameter's unit, replace the old ones.

        A value set so is held: it loses distribution and source, which belonged to the old value, and becomes
        ``assumed`` with the reason "set by ...". ``decision`` marks it as a strategy's choice (a decision stays one).
        InputError for unknown names and for values outside unit or bounds.
        """
        self._check_names(values, set_by)
        problems = Problems()
        entries = {}
        for name, value in values.items():
            old = self._entries[name]
            if not (UNITS[old.unit].holds(value) and old.bounds[0] <= value <= old.bounds[1]):
                accepted = " to ".join(UNITS[old.unit].format(bound) for bound in old.bounds)
                problems.add(Problem(set_by, None, name, f"{value} is out of range; accepted: {accepted} ({old.unit})"))
            entries[name] = replace(
                old, value=float(value), kind="assumed", sources=(), where="", derivation="", support="",
                reason=f"set by {set_by}", distribution=None, decision=decision or old.decision, set_by=set_by,
            )  # fmt: skip
        problems.raise_if_any()
        return Parameters({**self._entries, **entries})

    def of_pathway(self) -> "Parameters":
        """Those that move patients: all but the economic ones."""
        return Parameters({name: parameter for name, parameter in self._entries.items() if not parameter.economic})

    def unknown(self, name: str) -> str:
        """What to tell somebody who wrote a parameter name that does not exist."""
        listing = f"`hcc-sim scenarios --parameters` lists all {len(self)}."
        return " ".join(filter(None, (f"unknown parameter {shown(name)}.", nearest(name, self._entries), listing)))

    def _check_names(self, names: Any, set_by: str) -> None:
        problems = Problems()
        for name in names:
            if name not in self._entries:
                problems.add(Problem(set_by, None, name if set_by else "", self.unknown(name)))
        problems.raise_if_any()


@dataclass(frozen=True)
class NamedSet:
    """A regimen or a population preset: named parameter values that replace the defaults.

    ``borrowed`` are notes on numbers taken from elsewhere, to be shown with every headline.  ``fitted`` names the study
    arm whose fitted value a parameter takes; ``given`` is what patients get, as regimens of studies are
    named, such as ``haic+lenvatinib+pd1``.
    """

    name: str
    title: str
    description: str
    sources: tuple[str, ...]
    borrowed: tuple[str, ...]
    entries: Mapping[str, Parameter]
    fitted: Mapping[str, str] = field(default_factory=dict)
    given: str = ""


@dataclass(frozen=True)
class LifeTable:
    """Background mortality: central death rates per year of the age groups that begin at ``ages_years``."""

    title: str
    source: str
    support: str
    ages_years: tuple[float, ...]
    female_per_year: tuple[float, ...]
    male_per_year: tuple[float, ...]


@dataclass(frozen=True)
class Calibration:
    """What the calibration folder says; ``sha256`` is over the bytes of the files that were read."""

    parameters: Parameters
    regimens: Mapping[str, NamedSet]
    populations: Mapping[str, NamedSet]
    sources: Mapping[str, Source]
    life_table: LifeTable
    folder: Path
    sha256: str


def data_folder(name: Literal["calibration", "scenarios"]) -> Path:
    """The folder in use: that of the working directory if it holds what belongs there, else the packaged one.

    In a source checkout, which packages nothing, the repository's own. MachineError if there is none at all.
    """
    content = {"calibration": "sources.yaml", "scenarios": "*.yaml"}[name]
    package = Path(__file__).resolve().parent
    for folder in (Path(name), package / "_data" / name, package.parent.parent / name):
        if folder.is_dir() and next(folder.glob(content), None):
            return folder
    raise MachineError(f"no folder '{name}' here or in the installed package; install hcc-sim anew")


def load_calibration(folder: Path | str | None = None) -> Calibration:
    """Read the files of a calibration folder (default: ``data_folder("calibration")``).

    InputError with every problem of all files, each with file and line.
    """
    folder = data_folder("calibration") if folder is None else Path(folder)
    problems = Problems()
    documents: dict[str, Document] = {}
    files = (*CALIBRATION_FILES, *([ECONOMICS] if (folder / ECONOMICS).is_file() else []))
    for file in files:
        try:
            documents[file] = read_yaml(folder / file)
        except InputError as error:
            for problem in error.problems:
                problems.add(problem)
    problems.raise_if_any()
    sources, parameters, populations, regimens, life_table = (
        Item(documents[f], (), problems) for f in CALIBRATION_FILES
    )

    known = {item.name: _read_source(item) for item in sources.items()}
    items = list(parameters.items())
    economic = list(Item(documents[ECONOMICS], (), problems).items()) if ECONOMICS in documents else []
    for twice in {item.name for item in items} & {item.name for item in economic}:
        next(item for item in economic if item.name == twice).problem("is a parameter of parameters.yaml already")
    read = {i.name: p for i in items if (p := _read_parameter(i, known))}
    read |= {i.name: replace(p, economic=True) for i in economic if (p := _read_parameter(i, known))}
    defaults = Parameters(read)
    incomplete = {item.name for item in (*items, *economic)} - set(read)  # told already, not again where they are set

    def read_sets(items: Item, layer: str) -> Mapping[str, NamedSet]:
        return {i.name: _read_set(i, f"{layer} {i.name}", defaults, known, incomplete) for i in items.items()}

    calibration = Calibration(
        parameters=defaults,
        populations=read_sets(populations, "preset"),
        regimens=read_sets(regimens, "regimen"),
        sources=known,
        life_table=_read_life_table(life_table, known),
        folder=folder,
        sha256=sha256_of(document.content for document in documents.values()),
    )
    problems.raise_if_any()
    return calibration


def sha256_of(contents: Iterator[bytes] | list[bytes]) -> str:
    """One hash over several contents in order: the SHA-256 of their SHA-256s, so that no boundary can shift."""
    return hashlib.sha256(b"".join(hashlib.sha256(content).digest() for content in contents)).hexdigest()


def _read_source(item: Item) -> Source:
    texts = ("doi", "url", "document", "note")
    if not item.expect(("citation",), texts):
        return Source(item.name, "")
    return Source(item.name, item.text("citation"), **{key: item.text(key) for key in texts})


def _read_life_table(item: Item, known: Mapping[str, Source]) -> LifeTable:
    columns = ("ages_years", "female_per_year", "male_per_year")
    if not item.expect(("title", "source", "support", *columns)):
        return LifeTable("", "", "", (), (), ())
    numbers = {column: _read_numbers(item, column) for column in columns}
    if len({len(column) for column in numbers.values()}) > 1:
        item.problem(f"{', '.join(columns)} must be equally long", columns[0])
    ages = numbers["ages_years"]
    if list(ages) != sorted(set(ages)):
        item.problem("ages must rise", "ages_years")
    _check_sources(item, item.texts("source"), known)
    return LifeTable(item.text("title"), item.text("source"), item.one_of("support", SUPPORTS), **numbers)


def _read_numbers(item: Item, key: str) -> tuple[float, ...]:
    """A list of finite numbers that are not negative."""
    given = item.data.get(key)
    if not isinstance(given, list) or not given:
        item.problem(f"given {shown(given)}; accepted: a list of numbers", key)
        return ()
    for position, value in enumerate(given):
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0.0 <= value < math.inf:
            item.problem(f"given {shown(value)}; accepted: a number, 0 or above", key, position)
            return ()
    return tuple(map(float, given))


_EVIDENCE = ("source", "where", "reason", "derivation", "support", "distribution")


def _read_parameter(item: Item, known: Mapping[str, Source]) -> Parameter | None:
    """A parameter of parameters.yaml; None if too much is missing to make one.

    One that is calibrated may leave its value to the fit; before, it has the median of its distribution, the prior.
    """
    to_be_fitted = isinstance(item.data, dict) and item.data.get("kind") == "calibrated" and "value" not in item.data
    required = ("unit", "kind", "meaning", "distribution") if to_be_fitted else ("value", "unit", "kind", "meaning")
    if not item.expect(required, (*_EVIDENCE, "decision", "of_arm", "bounds")):
        return None
    unit = item.data["unit"] if is_money(str(item.data.get("unit"))) else item.one_of("unit", tuple(UNITS))
    if item.name == "regimen":
        item.problem("'regimen' cannot be the name of a parameter: strategies use it to name their regimen")
    if not unit or any(key not in item.data for key in required):
        return None
    decision, of_arm = item.flag("decision"), item.flag("of_arm")
    blank = Parameter(item.name, math.nan, unit, "", item.text("meaning"), decision=decision, of_arm=of_arm)
    blank = replace(blank, bounds=_read_bounds(item, blank))
    return _read_fitted(item, blank) if to_be_fitted else _with_evidence(item, blank, (), known)


def _read_fitted(item: Item, blank: Parameter) -> Parameter | None:
    distribution = read_distribution(item, blank, math.nan)
    if "reason" not in item.data:
        item.problem("a value that is left to the fit needs the reason of its prior")
    if distribution is None or distribution.family == "fixed":
        if distribution is not None:
            item.problem("a value that is left to the fit needs a prior that is not fixed", "distribution")
        return None
    median = value_of(distribution.family, distribution.low, distribution.high)(0.0)
    return replace(blank, value=median, kind="calibrated", reason=item.text("reason"), distribution=distribution)


def _read_bounds(item: Item, parameter: Parameter) -> tuple[float, float]:
    unit = UNITS[parameter.unit]
    bounds = item.data.get("bounds")
    if "bounds" not in item.data:
        return unit.low, unit.high
    if not isinstance(bounds, list) or len(bounds) != 2:
        item.problem(f"given {shown(bounds)}; accepted: [low, high]", "bounds")
        return unit.low, unit.high
    low, high = item.number(parameter.read, "bounds", 0), item.number(parameter.read, "bounds", 1)
    if low >= high:
        item.problem("the lower bound must lie below the upper one", "bounds")
    return low, high


def _read_set(
    item: Item, layer: str, defaults: Parameters, known: Mapping[str, Source], incomplete: set[str]
) -> NamedSet:
    """A regimen or preset; entries keep unit, meaning and bounds; reported ones may use the set's source."""
    if not item.expect(("title", "description"), ("source", "borrowed", "parameters", "fitted", "given")):
        return NamedSet(item.name, "", "", (), (), {})
    if not {"parameters", "fitted"} & set(item.data):
        item.problem("parameters missing")
    sources = item.texts("source")
    _check_sources(item, sources, known)
    entries = {}
    inner = Item(item.document, (*item.keys, "parameters"), item.problems)
    for entry in inner.items() if "parameters" in item.data else ():
        if entry.name not in defaults:
            if entry.name not in incomplete:
                entry.problem(defaults.unknown(entry.name))
        elif entry.expect(("value", "kind"), _EVIDENCE) and "value" in entry.data:
            blank = replace(defaults[entry.name], set_by=layer)
            entries[entry.name] = _with_evidence(entry, blank, sources, known)
    return NamedSet(
        name=item.name,
        title=item.text("title"),
        description=item.text("description"),
        sources=sources,
        borrowed=item.texts("borrowed"),
        entries=entries,
        fitted=_read_fitted_arms(item, defaults, entries) if "fitted" in item.data else {},
        given=item.text("given"),
    )


def _read_fitted_arms(item: Item, defaults: Parameters, entries: Mapping[str, Parameter]) -> dict[str, str]:
    """Parameter -> study arm, of parameters that each regimen has its own value of."""
    arms = Item(item.document, (*item.keys, "fitted"), item.problems)
    accepted = tuple(name for name, parameter in defaults.items() if parameter.of_arm)
    if not arms.expect((), accepted):
        return {}
    for name in set(arms.data) & set(entries):
        arms.problem("has a value of its own under parameters; keep one of them", name)
    return {name: arms.text(name) for name in accepted if name in arms.data}


def _with_evidence(
    item: Item, blank: Parameter, default_sources: tuple[str, ...], known: Mapping[str, Source]
) -> Parameter:
    """The parameter with the value, kind, origin and uncertainty that this entry states."""
    kind = item.one_of("kind", KINDS)
    sources = item.texts("source")
    _check_sources(item, sources, known)
    if kind in ("reported", "calibrated"):
        sources = sources or default_sources
        if not sources and "source" not in item.data:
            item.problem(f"a {kind} value needs its source (a key of sources.yaml)", "kind")
    if kind == "assumed" and "reason" not in item.data:
        item.problem("an assumed value needs its reason", "kind")
    if kind == "calibrated" and "derivation" not in item.data:
        item.problem("a calibrated value needs its derivation", "kind")
    value = item.number(blank.read, "value")
    distribution = read_distribution(item, blank, value)
    if "distribution" not in item.data and kind in ("calibrated", "assumed") and not blank.decision:
        item.problem(f"needs a distribution, as every {kind} value that no strategy decides", "value")
    return replace(
        blank, value=value, kind=kind, sources=sources, where=item.text("where"), reason=item.text("reason"),
        derivation=item.text("derivation"), support=item.one_of("support", SUPPORTS), distribution=distribution,
    )  # fmt: skip


def _check_sources(item: Item, sources: tuple[str, ...], known: Mapping[str, Source]) -> None:
    for source in sources:
        if source not in known:
            item.problem(f"unknown source {shown(source)}. {nearest(source, known)} See sources.yaml", "source")


def read_distribution(item: Item, parameter: Parameter, value: float) -> Distribution | None:
    """The distribution an entry states, if any; its family suits the unit and its interval holds the value."""
    if "distribution" not in item.data:
        return None
    inner = Item(item.document, (*item.keys, "distribution"), item.problems)
    if not inner.expect(("family",), ("low", "high")):
        return None
    family = inner.one_of("family", families(parameter.unit))
    if family == "fixed":
        if "low" in inner.data or "high" in inner.data:
            inner.problem("a fixed value has neither low nor high")
        return Distribution("fixed", value, value)
    if not family or "low" not in inner.data or "high" not in inner.data:
        if family:
            inner.problem("low and high missing: the central 95% interval, or the bounds of a uniform")
        return None
    low, high = inner.number(parameter.read, "low"), inner.number(parameter.read, "high")
    if low >= high:
        inner.problem("low must lie below high")
    elif not low <= value <= high and not any(map(math.isnan, (low, value, high))):
        inner.problem(f"the value {UNITS[parameter.unit].format(value)} must lie between low and high")
    if math.isinf(high) or math.isinf(low):
        inner.problem("low and high must be finite")
    if (family.startswith("log") and low <= 0) or (family in ("beta", "logit-normal") and not 0 < low < high < 1):
        ends = "above 0" if family in ("log-normal", "log-uniform") else "strictly between 0 and 1"
        inner.problem(f"low and high of {family} must lie {ends}")
    return Distribution(family, low, high)
