"""Read a scenario file: check it whole; join defaults, preset, regimen, scenario, strategy, ``--set`` and pathway."""

import hashlib
import json
import os.path
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    FiniteFloat,
    ValidationError,
    WithJsonSchema,
)
from pydantic.fields import FieldInfo

from .errors import InputError, Problem, Problems, nearest
from .fit_in_use import DESCRIBED, FitInUse, check_pathway, fit_in_use
from .layers import AROUND_SURGERY, NO_REGIMEN, Layers, Regimen, with_remarks
from .parameters import Calibration, LifeTable, NamedSet, Parameters, load_calibration
from .patients import Patients, read_patients
from .strict_yaml import Document, Keys, dotted, read_scalar, read_yaml
from .units import DURATION_PATTERN, UNITS, parse_duration, shown

if TYPE_CHECKING:
    from .engine import Program
    from .pathway.model import Pathway
    from .subgroups import Subgroup

MOST_FILES = 10
MOST_PATIENTS = 10**12
HIGHEST_SEED = 2**64 - 1
LONGEST_HORIZON_MONTHS = 1200.0
MOST_SUBGROUPS = 20
"""Each is tallied by day, in some 13 MB for each strategy at a horizon of 30 years."""

_HORIZON_TEXT = "a duration above 0 and at most 100 years, such as '30 years'"
_SIZE_TEXT = "a whole number from 1 to 1,000,000,000,000"
_SEED_TEXT = "a whole number from 0 to 18,446,744,073,709,551,615"
_CUTS_TEXT = "a list of finite numbers that rise, at least one, such as [60]"
_NAME_TEXT = "a name, one line of text that is not empty and neither begins nor ends with a blank"
_NAME_PATTERN = r"^\S(.*\S)?$"


@dataclass(frozen=True)
class Strategy:
    """A named set of parameter values, joined with everything it builds on.

    ``parameters`` are what the model uses; ``given`` is what the strategy itself sets, in each parameter's unit (these
    are decisions); ``regimen`` is the strategy's own or the scenario's, empty if neither names one;
    ``around_surgery`` are adjuvant and neoadjuvant therapies named in the same way, by their kind; ``layers`` are what
    the parameters were put together from, to do so again where one of them is turned.
    """

    name: str
    parameters: Parameters
    given: Mapping[str, float]
    regimen: str
    around_surgery: Mapping[str, str]
    layers: Layers


@dataclass(frozen=True)
class Scenario:
    """A scenario that was checked and can be run.

    ``size`` in patients; ``horizon_months`` from each patient's start; ``start`` is the state in which patients
    begin, empty for the pathway's own; ``preset`` and ``regimen`` are empty if none is named; ``turn`` are parameters
    across whose uncertainty the answer is told, empty for the usual ones; ``subgroups`` are those of whom outcomes are
    told apart; ``patients`` are those of a file, if one is named; ``strategies`` in the order of the file; ``files``
    the file and what it extends, outermost first; ``sha256`` over the bytes of these files and the overrides (size and
    seed given on the command line are fields of their own).
    """

    title: str
    question: str
    description: str
    size: int
    seed: int
    horizon_months: float
    start: str
    preset: str
    regimen: str
    strategies: tuple[Strategy, ...]
    turn: tuple[str, ...]
    subgroups: "tuple[Subgroup, ...]"
    patients: Patients | None
    overrides: Mapping[str, float]
    files: tuple[Path, ...]
    sha256: str
    calibration: Calibration
    fit: FitInUse | None = None

    @property
    def fit_not_renewed(self) -> tuple[str, ...]:
        """Assumptions held at values that no draw of the fit comes near: what the fit says is not renewed for them."""
        if self.fit is None:
            return ()
        return tuple(dict.fromkeys(name for one in self.strategies for name in self.fit.outside(one.layers.beliefs)))


# --- the shape of the file --------------------------------------------------------------------------------------------


def _name(value: str) -> str:
    if not value or value != value.strip() or not value.isprintable():
        raise ValueError(f"given {shown(value)}")
    return value


def _horizon(value: object) -> float:
    months = parse_duration(value)
    if not 0 < months <= LONGEST_HORIZON_MONTHS:
        raise ValueError(f"given {shown(value)}")
    return months


def _cuts(value: list[float]) -> list[float]:
    if any(not low < high for low, high in pairwise(value)):
        raise ValueError(f"given {', '.join(map(shown, value))}, which do not rise")
    return value


Text = Annotated[str, Field(strict=True, min_length=1, pattern=r"\S")]
Name = Annotated[str, AfterValidator(_name), WithJsonSchema({"type": "string", "pattern": _NAME_PATTERN})]
Horizon = Annotated[
    float,
    BeforeValidator(_horizon),
    WithJsonSchema(
        {"type": "string", "pattern": DURATION_PATTERN.replace("never|", ""), "examples": ["30 years", "120 months"]}
    ),
]
Cuts = Annotated[list[FiniteFloat], Field(min_length=1), AfterValidator(_cuts)]
# values of parameters are checked against the parameter's unit, which the shape of the file does not know
ParameterValue = Annotated[Any, WithJsonSchema({"type": ["number", "string"]})]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class Population(_Part):
    """Who is simulated."""

    size: int = Field(default=100_000, ge=1, le=MOST_PATIENTS, description=f"patients per strategy, {_SIZE_TEXT}")
    preset: Text = Field(default="", description="the name of a population of populations.yaml")
    start: Text = Field(default="", description="the state in which patients begin, by default the pathway's first")
    file: Text = Field(
        default="",
        description="a CSV or Parquet file with a row for each patient, a path relative to this file; `size` patients "
        "take its rows in turn",
    )


class Run(_Part):
    """How the simulation is run."""

    horizon: Horizon = Field(default=360.0, description=f"time simulated for each patient, {_HORIZON_TEXT}")
    seed: int = Field(default=1, ge=0, le=HIGHEST_SEED, description=f"the seed of all luck, {_SEED_TEXT}")


class ScenarioFile(_Part):
    """A scenario of hcc-sim: population, regimen, strategies, what to run."""

    title: Text = Field(description="one line that names the scenario, text")
    question: Text = Field(default="", description="the question that the scenario answers, text")
    description: Text = Field(default="", description="what else a reader should know, text")
    extends: Text = Field(default="", description="the file this one builds on, a path relative to this file")
    without: list[Name] = Field(default=[], description="inherited strategies to leave out, a list of names")
    population: Population = Field(default_factory=Population, description="who is simulated, a mapping")
    regimen: Text = Field(
        default="",
        description="the conversion treatment: a regimen of regimens.yaml, of the documents, or a study's arm",
    )
    adjuvant: Text = Field(
        default="", description="the adjuvant therapy of all who are operated, one of the fit such as 'adjuvant ici'"
    )
    neoadjuvant: Text = Field(
        default="",
        description="the therapy before surgery of all who are resectable from the start, one of the fit such as "
        "'neoadjuvant 3dcrt'",
    )
    parameters: dict[str, ParameterValue] = Field(
        default={}, description="values for all strategies, a mapping of parameter names to values"
    )
    strategies: dict[Name, dict[str, ParameterValue]] = Field(
        default={}, description="what is compared, a mapping of names to parameter values (and, if its own, a regimen)"
    )
    turn: list[Text] = Field(
        default=[],
        description="the parameters across whose uncertainty the answer is told, a list of names "
        "(by default those on which timing hangs)",
    )
    subgroups: dict[str, Cuts] = Field(
        default={},
        description="attributes at the start by whose cut points outcomes are told apart as well, each with "
        f"{_CUTS_TEXT}",
    )
    run: Run = Field(default_factory=Run, description="how it is run, a mapping")


def scenario_schema(calibration: Calibration | None = None) -> dict[str, Any]:
    """JSON Schema (draft 2020-12) of a scenario file, for editors.

    With a calibration it also knows every parameter with its unit, and the names of regimens and presets.
    """
    schema = ScenarioFile.model_json_schema()
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, "title": "hcc-sim scenario"}
    del schema["required"]  # what a file leaves out may come from the file it extends
    for part in (schema, *schema["$defs"].values()):
        for entry in part["properties"].values():
            if entry.get("default") in ("", [], {}):
                del entry["default"]
    schema["$defs"]["Run"]["properties"]["horizon"]["default"] = "30 years"
    values: dict[str, Any] = {"type": "object", "additionalProperties": {"type": ["number", "string"]}}
    regimen: dict[str, Any] = {"type": "string", "description": "the strategy's own regimen, instead of the scenario's"}
    if calibration is not None:
        values["additionalProperties"] = False
        values["properties"] = {
            name: {**UNITS[p.unit].schema, "title": f"{name} ({p.unit})", "description": f"{p.meaning} [{p.unit}]"}
            for name, p in calibration.parameters.items()
        }
        for entry in (regimen, schema["properties"]["regimen"]):
            entry["examples"] = list(calibration.regimens)  # regimens of the documents and arms of studies go as well
        schema["$defs"]["Population"]["properties"]["preset"]["enum"] = list(calibration.populations)
    schema["properties"]["parameters"] |= values
    own = {"regimen": regimen} | {
        kind: {"type": "string", "description": f"the strategy's own {kind} therapy"} for kind in AROUND_SURGERY
    }
    strategy = {**values, "title": "Strategy", "properties": {**values.get("properties", {}), **own}}
    schema["properties"]["strategies"]["additionalProperties"] = strategy
    schema["properties"]["strategies"]["propertyNames"] = {"pattern": _NAME_PATTERN}
    schema["properties"]["subgroups"]["propertyNames"] = {"enum": list(_attributes_at_start())}
    del schema["properties"]["strategies"]["patternProperties"]  # what it matches, additionalProperties would not see
    return schema


# --- the chain of files -----------------------------------------------------------------------------------------------


class _Chain:
    """The file and those it extends, merged; knows in which file and line each entry stands."""

    def __init__(self, path: Path, problems: Problems) -> None:
        self.problems = problems
        self.documents: list[Document] = []  # outermost first
        self.complete = True  # False where a file of the chain could not be read
        self._load(path)
        if not self.documents:
            problems.raise_if_any()
        self.data: dict[str, Any] = {}
        for depth in reversed(range(len(self.documents))):
            self._merge_file(depth)

    def problem(self, keys: Keys, message: str) -> None:
        """Note a problem with these keys, in the outermost file that holds them, or most of them."""
        for end in range(len(keys), -1, -1):
            for depth, document in enumerate(self.documents):
                if document.has(keys[:end]):
                    self._problem_in(depth, keys, message)
                    return

    def _problem_in(self, depth: int, keys: Keys, message: str) -> None:
        document = self.documents[depth]
        extends = f" ({self._files(depth + 1)})" if depth else ""
        self.problems.add(Problem(document.file, document.line(keys), dotted(keys), message + extends))

    def _files(self, count: int, *further: Path) -> str:
        return "extends: " + " -> ".join([*(document.file for document in self.documents[:count]), *map(str, further)])

    def _load(self, path: Path) -> None:
        visited: list[str] = []
        while (document := self._read(path)) is not None:
            if (real := os.path.realpath(path)) in visited:
                return self._broken(f"circular, leads back to {path}; a file cannot build on itself")
            if len(self.documents) == MOST_FILES:
                return self._broken(f"more than {MOST_FILES} files extend one another")
            visited.append(real)
            self.documents.append(document)
            if "extends" not in document.data:
                return None
            extends = document.data["extends"]
            if not isinstance(extends, str) or not extends.strip():
                return self._broken(f"given {shown(extends)}; accepted: {_describe(('extends',))}")
            path = Path(os.path.normpath(path.parent / extends))
        return None

    def _broken(self, message: str) -> None:
        """Note that the innermost file so far cannot be extended as it says."""
        self.complete = False
        self._problem_in(len(self.documents) - 1, ("extends",), message)

    def _read(self, path: Path) -> Document | None:
        try:
            document = read_yaml(path)
            if not isinstance(document.data, dict):
                message = f"given {shown(document.data)}; accepted: a mapping that begins with 'title: ...'"
                raise InputError(document.problem((), message))
        except InputError as error:
            self.complete = False
            for problem in error.problems:
                if self.documents and problem.line is None:  # of the whole file: shown where it is named
                    self._broken(f"{problem.file} {problem.message}; the path is relative to this file")
                    continue
                extends = f" ({self._files(len(self.documents), path)})" if self.documents else ""
                self.problems.add(Problem(problem.file, problem.line, problem.key, problem.message + extends))
            return None
        return document

    def _merge_file(self, depth: int) -> None:
        document = self.documents[depth]
        for keys in _nulls(document.data, ()):
            fix = "write {} for a strategy that sets nothing" if keys[0] == "strategies" else "give a value"
            self._problem_in(depth, keys, f"has no value (null); {fix}, or remove the key")
        if "without" in document.data:
            self._drop(depth, document.data["without"])
        self.data = _merged(self.data, document.data)
        if depth:  # a file's own affair, not inherited
            self.data.pop("without", None)
            self.data.pop("extends", None)

    def _drop(self, depth: int, without: Any) -> None:
        if not isinstance(without, list):
            return self._problem_in(depth, ("without",), f"given {shown(without)}; accepted: {_describe(('without',))}")
        inherited = self.data.get("strategies", {})
        kept = dict(inherited) if isinstance(inherited, dict) else {}
        for number, name in enumerate(without):
            if isinstance(name, str) and name in kept:
                del kept[name]
            elif self.complete or not isinstance(name, str):
                hint = nearest(name, kept) if isinstance(name, str) else ""
                known = f"Inherited: {', '.join(kept)}" if kept else "Nothing is inherited"
                message = " ".join(f"unknown strategy {shown(name)}. {hint} {known}".split())
                self._problem_in(depth, ("without", number), message)
        if isinstance(inherited, dict):
            self.data["strategies"] = kept
        return None


def _nulls(data: Any, keys: Keys) -> Iterator[Keys]:
    if data is None:
        yield keys
    elif isinstance(data, dict | list):
        for key, value in data.items() if isinstance(data, dict) else enumerate(data):
            yield from _nulls(value, (*keys, key))


def _merged(old: Any, new: Any) -> Any:
    if not (isinstance(old, dict) and isinstance(new, dict)):
        return new
    return {**old, **{key: _merged(old.get(key), value) for key, value in new.items()}}


# --- checking ---------------------------------------------------------------------------------------------------------


def load_scenario(
    path: Path | str,
    *,
    calibration: Calibration | Path | str | None = None,
    overrides: Mapping[str, str] | None = None,
    patients: int | None = None,
    seed: int | None = None,
) -> Scenario:
    """Read and check a scenario file.

    ``calibration`` is one already loaded, or its folder; ``overrides`` maps parameter names to text as after
    ``--set``; ``patients`` and ``seed`` replace those of the file. Raises InputError with all problems of the file
    (and of what it extends), each with file, line, key, what was given and what is accepted.
    """
    if not isinstance(calibration, Calibration):
        calibration = load_calibration(calibration)
    problems = Problems()
    chain = _Chain(Path(path), problems)
    file = _check_shape(chain)
    fit = None
    try:
        fit = fit_in_use(calibration)
    except InputError as error:  # told with what is wrong with the file; the rest of it cannot be checked
        for problem in error.problems:
            problems.add(problem)
        problems.raise_if_any()
    check = _ParameterCheck(calibration, fit, chain)
    common = check.values(("parameters",))
    settings = check.overrides(overrides or {})
    check.turned()
    check.subgroups()
    patients_of_file = check.patients()
    preset = check.preset()
    regimen = check.regimen(("regimen",))
    given = {}
    own_regimens = {}
    around = check.around_surgery(())
    own_around = {}
    for name in chain.data["strategies"] if isinstance(chain.data.get("strategies"), dict) else ():
        given[name] = check.values(("strategies", name))
        own_regimens[name] = check.regimen(("strategies", name, "regimen")) or regimen or NO_REGIMEN
        own_around[name] = {**around, **check.around_surgery(("strategies", name))}
        check.completes(own_regimens[name], name, {**common, **given[name], **settings})
    if not given and chain.complete and isinstance(chain.data.get("strategies", {}), dict):
        chain.problem(("strategies",), "no strategy remains; name at least one, such as 'operate at once: {}'")
    _check_option("--patients", patients, 1, MOST_PATIENTS, _SIZE_TEXT, problems)
    _check_option("--seed", seed, 0, HIGHEST_SEED, _SEED_TEXT, problems)
    problems.raise_if_any()
    assert file is not None

    def strategy(name: str) -> Strategy:
        chosen = own_regimens[name]
        around = own_around[name]
        layers = Layers(name, calibration.parameters, fit, preset, chosen, around, common, given[name], settings)
        parameters = layers.parameters()
        layers = replace(layers, regimen=with_remarks(chosen, parameters, fit))
        return Strategy(name, parameters, given[name], chosen.name, around, layers)

    return Scenario(
        title=file.title,
        question=file.question,
        description=file.description,
        size=file.population.size if patients is None else patients,
        seed=file.run.seed if seed is None else seed,
        horizon_months=file.run.horizon,
        start=file.population.start,
        preset=file.population.preset,
        regimen=file.regimen,
        strategies=tuple(strategy(name) for name in given),
        turn=tuple(dict.fromkeys(file.turn)),
        subgroups=_subgroups(file.subgroups),
        patients=patients_of_file,
        overrides=settings,
        files=tuple(Path(document.file) for document in chain.documents),
        sha256=_hash(chain, overrides or {}, patients_of_file),
        calibration=calibration,
        fit=fit,
    )


def _hash(chain: _Chain, overrides: Mapping[str, str], patients: Patients | None) -> str:
    hashes = [hashlib.sha256(document.content).hexdigest() for document in chain.documents]
    hashes += [] if patients is None else [patients.sha256]
    return hashlib.sha256(json.dumps([hashes, sorted(overrides.items())]).encode()).hexdigest()


def _check_option(option: str, value: object, low: int, high: int, accepted: str, problems: Problems) -> None:
    is_whole = isinstance(value, int) and not isinstance(value, bool)
    if value is not None and not (is_whole and low <= value <= high):  # type: ignore[operator]
        problems.add(Problem(option, None, "", f"given {shown(value)}; accepted: {accepted}"))


class _ParameterCheck:
    """Checks what needs the calibration: names of parameters, regimens and presets, and values in their units."""

    def __init__(self, calibration: Calibration, fit: FitInUse | None, chain: _Chain) -> None:
        self.calibration = calibration
        self.parameters = calibration.parameters
        self.fit = fit
        self.chain = chain

    def values(self, keys: Keys) -> dict[str, float]:
        """The parameter values under these keys, each in its unit."""
        read = {}
        written = _at(self.chain.data, keys)
        for name, value in written.items() if isinstance(written, dict) else ():
            if value is None or (name in ("regimen", *AROUND_SURGERY) and keys[0] == "strategies"):
                continue
            if name not in self.parameters:
                self.chain.problem((*keys, name), self.parameters.unknown(name))
                continue
            try:
                read[name] = self.parameters[name].read(value)
            except ValueError as error:
                self.chain.problem((*keys, name), str(error))
        return read

    def turned(self) -> None:
        """Note a problem for each parameter to be turned that is not there, or that has no uncertainty."""
        names = _at(self.chain.data, ("turn",))
        for place, name in enumerate(names if isinstance(names, list) else ()):
            if not isinstance(name, str):
                continue  # told with the shape of the file
            if name not in self.parameters:
                self.chain.problem(("turn", place), self.parameters.unknown(name))
                continue
            prior = self.parameters[name].distribution
            if self.parameters[name].decision or prior is None or prior.family == "fixed":
                told = f"given {shown(name)}, which is held or decided; name one with a distribution"
                self.chain.problem(("turn", place), told)

    def subgroups(self) -> None:
        """Note a problem for each attribute that does not part patients at their start, and for too many parts."""
        given = _at(self.chain.data, ("subgroups",))
        parts = 0
        for name, cuts in given.items() if isinstance(given, dict) else ():
            parts += len(cuts) + 1 if isinstance(cuts, list) else 0
            if name not in (known := _attributes_at_start()):
                told = f"unknown attribute {shown(name)}. {nearest(name, known)} Accepted: {', '.join(known)}"
                self.chain.problem(("subgroups", name), " ".join(told.split()))
        if parts > MOST_SUBGROUPS:
            told = f"given cut points for {parts} subgroups; accepted: at most {MOST_SUBGROUPS} in all"
            self.chain.problem(("subgroups",), told)

    def patients(self) -> Patients | None:
        """The patients of the file that the population names, None if it names none or the file is wrong."""
        keys = ("population", "file")
        name = _at(self.chain.data, keys)
        if not isinstance(name, str) or not name.strip():
            return None
        document = next(one for one in self.chain.documents if one.has(keys))
        try:
            return read_patients(Path(document.file).parent / name)
        except InputError as error:
            for problem in error.problems:
                if problem.line is None and not problem.key:  # of the whole file: told where it is named
                    self.chain.problem(keys, f"{problem.file} {problem.message}; the path is relative to this file")
                else:
                    self.chain.problems.add(problem)
            return None

    def preset(self) -> NamedSet | None:
        """The preset that the population names, None if it names none."""
        keys, known = ("population", "preset"), self.calibration.populations
        name = _at(self.chain.data, keys)
        if isinstance(name, str) and name in known:
            return known[name]
        if name is not None:
            self._unknown(keys, name, known, "")
        return None

    def regimen(self, keys: Keys) -> Regimen | None:
        """The regimen named there, None if none is: put together in regimens.yaml, one of the fit, or a study's arm."""
        name = _at(self.chain.data, keys)
        if name is None:
            return None
        fit = self.fit
        of_arm = tuple(parameter.name for parameter in self.parameters.values() if parameter.of_arm)
        if isinstance(name, str) and name in self.calibration.regimens:
            return self._put_together(keys, self.calibration.regimens[name])
        if fit is not None and isinstance(name, str):
            if name in fit.arms:
                return Regimen(name, fit.grade_of_arm(name), (), {}, dict.fromkeys(of_arm, name))
            if name in fit.regimens:
                grade = fit.regimens[name].grade
                known = [one for one in of_arm if fit.tells(name, one, priors_too=grade != DESCRIBED)]
                return Regimen(name, grade, (), {}, dict.fromkeys(known, name))
        further = "" if fit is None else "; or a regimen of `hcc-sim evidence regimens`, or a study's arm"
        self._unknown(keys, name, {**self.calibration.regimens, **(fit.regimens if fit else {})}, further)
        return None

    def around_surgery(self, keys: Keys) -> dict[str, str]:
        """The therapies around surgery named at these keys, by their kind: such of whose effect the fit has draws."""
        found = {}
        for kind in AROUND_SURGERY:
            name = _at(self.chain.data, (*keys, kind))
            if name is None or (not keys and not isinstance(name, str)):
                continue  # told with the shape of the file
            effect = f"{kind}.effect_on_outgrowth"
            fit = self.fit
            known = [key for key in fit.regimens if fit.tells(key, effect, priors_too=True)] if fit else []
            if name in known:
                found[kind] = str(name)
                continue
            hint = nearest(name, known) if isinstance(name, str) else ""
            accepted = f"Accepted: {', '.join(known) or 'none, for no fit is in use'}"
            told = f"unknown {kind} therapy {shown(name)}. {hint} {accepted}"
            self.chain.problem((*keys, kind), " ".join(told.split()))
        return found

    def _unknown(self, keys: Keys, name: object, known: Mapping[str, object], further: str) -> None:
        what = f"{keys[-1]} {shown(name)}. {nearest(name, known) if isinstance(name, str) else ''}"
        listed = self.calibration.regimens if keys[-1] == "regimen" else known
        accepted = f"Accepted: {', '.join(listed) or 'none exists'}{further}"
        self.chain.problem(keys, " ".join(f"unknown {what} {accepted}".split()))

    def _put_together(self, keys: Keys, named: NamedSet) -> Regimen:
        """A regimen of regimens.yaml, whose arms must be those of the fit."""
        for parameter, arm in named.fitted.items():
            if self.fit is None or arm not in self.fit.arms:
                hint = nearest(arm, self.fit.arms) if self.fit else "no fit is in use (priors.yaml asks for one)."
                told = f"'{named.name}' of regimens.yaml takes {parameter} from '{arm}', which no fit has. {hint}"
                self.chain.problem(keys, told.strip())
        grade = "calibrated" if named.fitted else ""
        return Regimen(named.name, grade, named.borrowed, named.entries, named.fitted)

    def completes(self, regimen: Regimen, strategy: str, values: Mapping[str, float]) -> None:
        """Note a problem where a strategy lacks what each regimen has its own value of, or a fit that is not there."""
        told = {*regimen.entries, *regimen.fitted, *values}
        if self.fit is None:
            of_a_fit = [p.name for p in self.parameters.values() if p.kind == "calibrated" and not p.derivation]
            if missing := [name for name in of_a_fit if name not in told]:
                fix = "give values under parameters, or a folder whose priors.yaml asks for a fit"
                self.chain.problem(("strategies", strategy), f"{', '.join(missing)} left to a fit; {fix}")
            return
        missing = [name for name, parameter in self.parameters.items() if parameter.of_arm and name not in told]
        if not missing:
            return
        known = (
            f"of '{regimen.name}' ({regimen.grade}) no figure tells" if regimen.name else "no regimen is named to tell"
        )
        keys = (
            ("strategies", strategy, "regimen")
            if _at(self.chain.data, ("strategies", strategy, "regimen"))
            else ("regimen",)
        )
        fix = "give your own values under parameters" + ("" if regimen.name else ", or name a regimen")
        self.chain.problem(keys, f"{known} {', '.join(missing)}; {fix}")

    def overrides(self, overrides: Mapping[str, str]) -> dict[str, float]:
        """The values of ``--set name=text``, each in its unit."""
        read = {}
        for name, text in overrides.items():
            try:
                if name not in self.parameters:
                    raise ValueError(self.parameters.unknown(name))
                read[name] = self.parameters[name].read(read_scalar(text.strip()))
            except ValueError as error:
                self.chain.problems.add(Problem("--set", None, name, str(error)))
        return read


def _subgroups(given: Mapping[str, Sequence[float]]) -> "tuple[Subgroup, ...]":
    if not given:
        return ()
    from .subgroups import subgroups_by

    return tuple(part for name, cuts in given.items() for part in subgroups_by(name, cuts))


def _attributes_at_start() -> Sequence[str]:
    from .subgroups import values_at_start

    return list(values_at_start())


def _at(data: Any, keys: Keys) -> Any:
    for key in keys:
        try:
            data = data[key]
        except (KeyError, IndexError, TypeError):
            return None
    return data


def _check_shape(chain: _Chain) -> ScenarioFile | None:
    """The merged data as a model; None, and problems noted, if its shape is wrong."""
    try:
        return ScenarioFile.model_validate(chain.data)
    except ValidationError as error:
        for fault in error.errors(include_url=False, include_context=False):
            of_key = fault["loc"][0] == "strategies" and len(fault["loc"]) == 3  # the third is "[key]"
            keys = fault["loc"][:-1] if of_key else fault["loc"]
            given = keys[-1] if of_key else _at(chain.data, keys)
            if fault["type"] == "missing":
                if chain.complete:
                    chain.problem(keys, f"missing; accepted: {_describe(keys)}")
            elif fault["type"] == "extra_forbidden":
                chain.problem(keys, _unknown_key(keys))
            elif given is not None:  # null was noted where it stands
                reason = f"given {shown(given)}{_hint(given)}"
                if fault["type"] == "value_error":
                    reason = fault["msg"].removeprefix("Value error, ")
                chain.problem(keys, f"{reason}; accepted: {_NAME_TEXT if of_key else _describe(keys)}")
    return None


def _hint(given: object) -> str:
    """The commonest ways to write a number as text, or the reverse."""
    if isinstance(given, str) and isinstance(_number(given), int | float):
        return " (text: remove the quotes)"
    if isinstance(given, float) and given.is_integer() and given < 1e20:
        return f" (write {given:.0f})"
    return ""


def _number(text: str) -> object:
    try:
        return read_scalar(text)
    except ValueError:
        return None


def _fields(keys: Keys) -> Mapping[str, FieldInfo]:
    """The fields of the part of the file at these keys, none if it has no fixed ones."""
    fields: Mapping[str, FieldInfo] = ScenarioFile.model_fields
    for key in keys:
        part = fields[str(key)].annotation if key in fields else None
        fields = part.model_fields if isinstance(part, type) and issubclass(part, BaseModel) else {}
    return fields


def _describe(keys: Keys) -> str:
    """What is accepted at these keys, in the words of the schema."""
    for end in range(len(keys), 0, -1):
        field = _fields(keys[: end - 1]).get(str(keys[end - 1]))
        if field is not None:
            return str(field.description)
    return "a mapping"


def _unknown_key(keys: Keys) -> str:
    names = list(_fields(keys[:-1]))
    name = str(keys[-1])
    if name == "economics" and len(keys) == 1:
        return "unknown key 'economics': costs and QALYs come with a later version; remove it for now"
    return " ".join(f"unknown key {shown(name)}. {nearest(name, names)} Accepted: {', '.join(names)}".split())


# --- joining with the pathway -----------------------------------------------------------------------------------------


def hcc_pathway_of(calibration: Calibration) -> "Pathway":
    """The pathway with the background mortality of the calibration."""
    return _hcc_pathway_with(calibration.life_table)


@lru_cache(maxsize=1)
def _hcc_pathway_with(table: LifeTable) -> "Pathway":
    """Built and checked once: many programs are compiled from it, one for each strategy and each turn of a value."""
    from .laws import PiecewiseExponential
    from .pathway.hcc import hcc_pathway

    return hcc_pathway(
        PiecewiseExponential.from_life_table(table.ages_years, table.female_per_year),
        PiecewiseExponential.from_life_table(table.ages_years, table.male_per_year),
    )


def programs(scenario: Scenario) -> "dict[str, Program]":
    """The pathway compiled for every strategy of a scenario, in its order.

    Raises InputError where the values of a strategy do not fit the pathway, all strategies at once.
    """
    from .engine import compile_pathway
    from .pathway.model import PathwayError

    file = str(scenario.files[0])
    problems = Problems()
    pathway = hcc_pathway_of(scenario.calibration)
    states = {state.name: state for state in pathway.states if not state.final}
    if scenario.start and scenario.start not in states:
        told = f"given '{scenario.start}'. {nearest(scenario.start, states)} Accepted: {', '.join(states)}"
        problems.add(Problem(file, None, "population.start", " ".join(told.split())))
    if scenario.fit is not None:
        check_pathway(scenario.fit, scenario.calibration, pathway)
    compiled = {}
    refused: dict[str, list[str]] = {}
    for strategy in scenario.strategies:
        try:
            compiled[strategy.name] = compile_pathway(pathway, strategy.parameters.values_only())
        except PathwayError as error:
            for problem in error.problems:
                refused.setdefault(problem, []).append(strategy.name)
    for problem, names in refused.items():
        problems.add(Problem(file, None, "strategies", f"{problem} (in {', '.join(names)})"))
    problems.raise_if_any()
    return compiled
