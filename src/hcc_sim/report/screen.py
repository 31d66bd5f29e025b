"""What `hcc-sim run` shows: who was simulated, the primary results, what they hang on, where the files lie."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rich.box import SIMPLE_HEAD
from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from hcc_sim.outcomes.hcc import EVERYBODY
from hcc_sim.report.numbers import STANDARD_ERRORS, decimals, signed_with_error, with_error
from hcc_sim.units import format_duration, is_money

if TYPE_CHECKING:
    from hcc_sim.analyses.compare import Comparison
    from hcc_sim.layers import Regimen
    from hcc_sim.scenario import Scenario

WIDEST = 100
LONGEST = 420
"""Letters of a statement on the screen: beyond it nobody reads on."""
NOT_ADVICE = "A model for research and teaching, not advice for a patient."
ONLY_MONTE_CARLO = "Monte-Carlo error only (± is 1.96 standard errors): parameters are held at their base values."
TERMS = (
    "OS overall survival. PFS progression-free survival; surgery is ignored. Failure-free: no relapse or progression "
    "beyond cure. Futile surgery: the treated tumour was already dead. Salvaged: operated because a relapse was seen "
    "while watched. Window lost: that relapse could no longer be operated."
)

_LABEL_WIDTH = 24
_CELL_WIDTH = (11, 16)


Cell = tuple[float, float, str]
"""Value, standard error, unit."""

Cells = Mapping[tuple[str, str], Cell]
"""(outcome, strategy) -> what is known of it."""


@dataclass(frozen=True)
class Row:
    """A row of the table: the first of `outcomes` that the summary holds; its unit, where no heading says it."""

    label: str
    outcomes: tuple[str, ...]
    says_unit: bool = False


@dataclass(frozen=True)
class Section:
    """Rows under a heading; `heading_of_differences` where the unit of differences is another."""

    heading: str
    rows: tuple[Row, ...]
    heading_of_differences: str = ""


def _months_of(months: int) -> Section:
    return Section(
        f"Months of the first {months}",
        (
            Row("alive", (f"OS: restricted mean to {months} months",)),
            Row("progression-free", (f"PFS: restricted mean to {months} months",)),
            Row("failure-free", (f"failure-free: restricted mean to {months} months",)),
            Row("no evidence of disease", (f"time without evidence of disease: to {months} months",)),
        ),
    )


Sections = Sequence[Sequence[Section]]

SECTIONS: Sections = (
    (
        Section(
            "Survival",
            (
                Row("OS median", ("OS: median",), says_unit=True),
                Row("OS at 3 years", ("OS: at 36 months",), says_unit=True),
                Row("OS at 5 years", ("OS: at 60 months",), says_unit=True),
                Row("PFS median", ("PFS: median",), says_unit=True),
            ),
        ),
    ),
    (_months_of(120), _months_of(60)),
    (
        Section(
            "Patients, %",
            (
                Row("converted", ("converted",)),
                Row("resected", ("resected",)),
                Row("pCR among the resected", ("pCR",)),
                Row("futile surgery", ("futile surgery",)),
                Row("spared surgery", ("spared surgery",)),
                Row("complete response kept", ("complete response kept",)),
                Row("second regimen", ("second regimen",)),
                Row("cytoreductive surgery", ("cytoreductive surgery",)),
                Row("neoadjuvant therapy", ("neoadjuvant therapy",)),
                Row("remnant too small", ("remnant too small",)),
                Row("transplanted", ("transplanted",)),
                Row("ablated", ("ablated",)),
                Row("second conversion", ("second conversion",)),
                Row("adjuvant therapy", ("adjuvant therapy",)),
                Row("perioperative death", ("dead around an operation",)),
                Row("salvaged", ("salvaged",)),
                Row("window lost", ("window lost",)),
                Row("relapsed", ("relapsed",)),
            ),
            "Patients, pp",
        ),
    ),
)
"""A choice of the outcomes of the primary population; the others are in summary.csv.

Of sections side by side the first is shown of which the summary holds a row: a short horizon leaves outcomes out.
"""


VALUE_SECTIONS: Sections = (
    (
        Section(
            "Discounted",
            (
                Row("costs", ("costs (discounted)",), says_unit=True),
                Row("QALYs", ("QALYs (discounted)",)),
                Row("life years", ("life years (discounted)",)),
            ),
        ),
    ),
)
"""Costs and QALYs, which are told of everybody."""

SHOWN_IF_ANY = (
    "spared surgery",
    "complete response kept",
    "second regimen",
    "cytoreductive surgery",
    "neoadjuvant therapy",
    "remnant too small",
    "transplanted",
    "ablated",
    "adjuvant therapy",
)
"""Outcomes of what most scenarios have none of."""


def overview(comparison: Comparison, folder: Path | None, files: Sequence[str] = (), *, width: int = WIDEST) -> Group:
    """Everything that `run` shows after a simulation; `folder` is where the files lie."""
    return Group(
        heading(comparison),
        *_tables(comparison, width),
        *_value_tables(comparison, width),
        _statements(comparison, folder, files),
        Text(f"\n{NOT_ADVICE}", style="italic"),
    )


def heading(comparison: Comparison) -> RenderableType:
    """Title, question and who was simulated."""
    scenario = comparison.scenario
    lines = [Text(scenario.title, style="bold")]
    if scenario.question:
        lines.append(Text(scenario.question, style="italic"))
    lines.append(Text(who(scenario)))
    return Group(*lines, "")


def who(scenario: Scenario) -> str:
    """Who was simulated, in one sentence."""
    parts = [f"{scenario.size:,} patient{'s' if scenario.size > 1 else ''} under each strategy, with the same luck"]
    if scenario.patients is not None:
        rows = scenario.patients.rows
        parts.append(f"from {scenario.patients.path.name} ({rows:,} row{'s' if rows > 1 else ''}, taken in turn)")
    if scenario.preset:
        parts.append(f"population {scenario.preset}")
    if regimens := regimens_in_words(scenario):
        parts.append(f"regimen {regimens}")
    parts.append(f"followed for {format_duration(scenario.horizon_months)}")
    parts.append(f"seed {scenario.seed}")
    return "; ".join(parts) + "."


def regimens_in_words(scenario: Scenario) -> str:
    """`haic+lenvatinib+pd1 (calibrated), ...`: the regimens in use, each with its grade; empty if there is none."""
    return ", ".join(f"{name} ({one.grade})" if one.grade else name for name, one in _regimens(scenario).items())


def _regimens(scenario: Scenario) -> dict[str, Regimen]:
    return {strategy.regimen: strategy.layers.regimen for strategy in scenario.strategies if strategy.regimen}


def population_in_words(comparison: Comparison) -> str:
    """`the 43,300 patients who convert, from conversion on`."""
    from hcc_sim.outcomes.hcc import CONVERTED, ENROLLED

    counts = {int(tally.members[comparison.primary].sum()) for tally in comparison.tallies.values()}
    count = counts.pop() if len(counts) == 1 else None
    patients = "patient" if count == 1 else "patients"
    number = "" if count is None else f"{count:,} "
    if comparison.primary == CONVERTED:
        return f"the {number}{patients} who convert{'s' if count == 1 else ''}, from conversion on"
    if comparison.primary == ENROLLED:
        return (
            f"the {number}{patients} who come{'s' if count == 1 else ''} to '{comparison.scenario.start}', from then on"
        )
    return f"{'the' if count == 1 else 'all'} {number}{patients}, from the start of therapy on"


# --- tables ---------------------------------------------------------------------------------------------------------


def _tables(comparison: Comparison, width: int) -> Iterator[RenderableType]:
    names = [strategy.name for strategy in comparison.scenario.strategies]
    population, told = comparison.primary, comparison.tables
    yield Text(f"Primary results: {population_in_words(comparison)}", style="bold")
    values = {
        (row.outcome, row.strategy): (row.value, row.mc_se, row.unit)
        for row in told.summary.rows
        if row.population == population
    }
    absent = {
        o for o in SHOWN_IF_ANY if all(value == 0.0 for (told_of, _), (value, *_) in values.items() if told_of == o)
    }
    values = {key: cell for key, cell in values.items() if key[0] not in absent}
    yield from _in_blocks(values, names, width, signed=False)
    if len(names) > 1:
        differences = {
            (row.outcome, row.strategy): (row.difference, row.mc_se, row.unit)
            for row in told.contrasts.rows
            if row.population == population and row.versus == names[0] and row.outcome not in absent
        }
        yield Text(
            f"Difference from '{names[0]}': the same patients, the same luck (pp: percentage points)",
            style="bold",
        )
        yield from _in_blocks(differences, names[1:], width, signed=True)


def _value_tables(comparison: Comparison, width: int) -> Iterator[RenderableType]:
    """Costs and QALYs of everybody, net benefit at each threshold, and differences; nothing where none are told."""
    valuation = comparison.valuation
    if valuation is None:
        return
    names, money = list(valuation.strategies), valuation.terms.money
    benefits = {
        f"at {threshold:,.0f} a QALY": {name: one.net_benefit(threshold) for name, one in valuation.strategies.items()}
        for threshold in valuation.terms.thresholds
    }
    rows = tuple(Row(label, (label,), says_unit=True) for label in benefits)
    sections = (*VALUE_SECTIONS, (Section("Net monetary benefit", rows),))
    yield Text(
        f"Costs and QALYs: all {comparison.scenario.size:,} patients, from the start of therapy on", style="bold"
    )
    values = {
        (row.outcome, row.strategy): (row.value, row.mc_se, row.unit)
        for row in comparison.tables.summary.rows
        if row.population == EVERYBODY
    }
    values |= {(label, n): (b.value, b.mc_se, money) for label, of in benefits.items() for n, b in of.items()}
    yield from _in_blocks(values, names, width, signed=False, sections=sections)
    if len(names) > 1:
        differences = {
            (row.outcome, row.strategy): (row.difference, row.mc_se, row.unit)
            for row in comparison.tables.contrasts.rows
            if row.population == EVERYBODY and row.versus == names[0]
        }
        for label, of in benefits.items():
            gaps = {name: of[name] - of[names[0]] for name in names[1:]}
            differences |= {(label, name): (gap.value, gap.mc_se, money) for name, gap in gaps.items()}
        yield Text(f"Difference from '{names[0]}'", style="bold")
        yield from _in_blocks(differences, names[1:], width, signed=True, sections=sections)


def _in_blocks(
    cells: Cells, names: Sequence[str], width: int, *, signed: bool, sections: Sections = SECTIONS
) -> Iterator[RenderableType]:
    """One table, or several below one another where the strategies do not fit side by side."""
    least, most = _CELL_WIDTH
    cell = min(max(least, *(len(word) for name in names for word in name.split())), most)
    beside = max((width - _LABEL_WIDTH) // (cell + 1), 1)
    size = math.ceil(len(names) / math.ceil(len(names) / beside))
    column = min((width - _LABEL_WIDTH) // size, cell + 4)
    for first in range(0, len(names), size):
        yield _table(cells, names[first : first + size], column, sections, signed=signed)
        yield Text("")


def _table(cells: Cells, names: Sequence[str], width: int, sections: Sections, *, signed: bool) -> Table:
    told = {outcome for outcome, _ in cells}
    drawn = Table(box=SIMPLE_HEAD, pad_edge=False, show_edge=False, padding=0)
    drawn.add_column("", width=_LABEL_WIDTH)
    for name in names:
        drawn.add_column(Text(name), justify="right", overflow="fold", width=width - 1)  # and a blank between columns
    for alternatives in sections:
        section = next((s for s in alternatives if any(_found(row, told) for row in s.rows)), None)
        if section is None:
            continue
        heading = signed and section.heading_of_differences
        drawn.add_row(Text(heading or section.heading, style="italic"))
        for row in section.rows:
            if outcome := _found(row, told):
                drawn.add_row(*_texts(row, [cells.get((outcome, name)) for name in names], signed=signed))
    return drawn


def _found(row: Row, told: set[str]) -> str:
    return next((outcome for outcome in row.outcomes if outcome in told), "")


def _texts(row: Row, cells: Sequence[Cell | None], *, signed: bool) -> Iterator[Text]:
    """The label, then value and 1.96 standard errors under each strategy."""
    unit = next(cell[2] for cell in cells if cell is not None)
    scale = _SCALES.get("money" if is_money(unit) else unit, 1.0)
    numbers = [(scale * c[0], scale * STANDARD_ERRORS * c[1]) if c else (math.nan, math.nan) for c in cells]
    places = decimals(error for _, error in numbers)
    written = signed_with_error if signed else with_error
    yield Text(f"  {row.label}, {_unit(unit, signed=signed)}" if row.says_unit else f"  {row.label}")
    for value, error in numbers:
        yield Text(written(value, error, places), no_wrap=True)


_SCALES = {"share": 100.0, "money": 0.001}
"""What numbers of a unit are multiplied by to be shown."""


def _unit(unit: str, *, signed: bool = False) -> str:
    """`pp`: percentage points."""
    if is_money(unit):
        return f"1,000 {unit}"
    if unit == "share":
        return "pp" if signed else "%"
    return unit


# --- statements -----------------------------------------------------------------------------------------------------


def _statements(comparison: Comparison, folder: Path | None, files: Sequence[str]) -> RenderableType:
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(no_wrap=True, style="bold")
    grid.add_column(overflow="fold")
    for label, text in statements(comparison):
        grid.add_row(
            Text(label), Text(text if len(text) <= LONGEST else f"{text[:LONGEST]} ... (all in manifest.json)")
        )
    if folder is not None:
        grid.add_row(Text("Files"), Text(f"in {folder}: {', '.join(files)}"))
    return grid


def statements(comparison: Comparison) -> Iterator[tuple[str, str]]:
    """What must be said beside the tables: a label and a sentence each."""
    scenario = comparison.scenario
    yield "Answer", comparison.headline()
    if strongest := comparison.strongest_assumption():
        yield "Hangs on", strongest
    if effect := comparison.effect_of_surgery():
        yield "Unknown", effect
    if unseen := comparison.unseen_differences():
        yield "Unseen", unseen
    if value := comparison.answer_of_value():
        yield "Value", value
    if strongest := comparison.strongest_assumption_of_value():
        yield "Hangs on", strongest
    for sentence in comparison.turned_as_asked():
        yield "Turned", sentence
    for text in borrowed(scenario):
        yield "Borrowed", text
    assumed, everything = assumed_count(scenario)
    yield "Assumed", f"{assumed} of the {everything} parameters are assumed, neither reported nor calibrated."
    if scenario.overrides:
        first = scenario.strategies[0].parameters
        yield "Set", ", ".join(f"{name} = {first[name].text()}" for name in scenario.overrides) + " for all strategies."
    yield "Error", ONLY_MONTE_CARLO
    yield "Terms", TERMS
    others = [p.name for p in comparison.definitions.populations if p.name != comparison.primary]
    for note in comparison.notes():
        if not any(f"{population}: " in note for population in others):
            yield "Note", note


def borrowed(scenario: Scenario) -> list[str]:
    """What the regimens in use take from elsewhere, each named."""
    return [f"{name}: {text}" for name, regimen in _regimens(scenario).items() for text in regimen.borrowed]


def assumed_count(scenario: Scenario) -> tuple[int, int]:
    """Parameters of kind `assumed` under any strategy, and all; what strategies decide is left out of both."""
    sets = [strategy.parameters for strategy in scenario.strategies]
    names = [name for name in sets[0] if not any(parameters[name].decision for parameters in sets)]
    return sum(any(parameters[name].kind == "assumed" for parameters in sets) for name in names), len(names)


class PlainConsole(Console):
    """A console that lets a broken pipe be dealt with by whoever called."""

    def on_broken_pipe(self) -> None:
        """Called by rich while the error is handled."""
        raise
