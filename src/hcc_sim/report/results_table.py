"""What tables of results show, on the screen and in the report: a choice of outcomes, as texts under headings."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from hcc_sim.outcomes.hcc import EVERYBODY
from hcc_sim.report.numbers import STANDARD_ERRORS, decimals, signed_with_error, with_error
from hcc_sim.units import is_money

if TYPE_CHECKING:
    from hcc_sim.analyses.compare import Comparison

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


@dataclass(frozen=True)
class Results:
    """A table: a column for each of `names`; `signed` where its cells are differences."""

    title: str
    names: Sequence[str]
    cells: Cells
    sections: Sections
    signed: bool


class Line(NamedTuple):
    """A heading, which has no texts, or a label with a text for each name."""

    label: str
    texts: tuple[str, ...]


def primary_results(comparison: Comparison, population: str) -> Iterator[Results]:
    """Outcomes of the primary population, in words, and how they differ from the first strategy."""
    names = [strategy.name for strategy in comparison.scenario.strategies]
    told = comparison.tables
    values = {
        (row.outcome, row.strategy): (row.value, row.mc_se, row.unit)
        for row in told.summary.rows
        if row.population == comparison.primary
    }
    absent = {
        o for o in SHOWN_IF_ANY if all(value == 0.0 for (told_of, _), (value, *_) in values.items() if told_of == o)
    }
    values = {key: cell for key, cell in values.items() if key[0] not in absent}
    yield Results(f"Primary results: {population}", names, values, SECTIONS, signed=False)
    if len(names) > 1:
        differences = {
            (row.outcome, row.strategy): (row.difference, row.mc_se, row.unit)
            for row in told.contrasts.rows
            if row.population == comparison.primary and row.versus == names[0] and row.outcome not in absent
        }
        title = f"Difference from '{names[0]}': the same patients, the same luck (pp: percentage points)"
        yield Results(title, names[1:], differences, SECTIONS, signed=True)


def value_results(comparison: Comparison) -> Iterator[Results]:
    """Costs and QALYs of everybody, net benefit at each threshold, and differences; nothing where none are told."""
    valuation = comparison.valuation
    if valuation is None:
        return
    names, money = list(valuation.strategies), valuation.terms.money
    benefits = {
        f"at {threshold:,.0f} a QALY": {name: one.net_benefit(threshold) for name, one in valuation.strategies.items()}
        for threshold in valuation.terms.thresholds
    }
    rows = tuple(Row(label, (label,)) for label in benefits)
    sections = (*VALUE_SECTIONS, (Section(f"Net benefit, {_unit(money)}", rows),))
    values = {
        (row.outcome, row.strategy): (row.value, row.mc_se, row.unit)
        for row in comparison.tables.summary.rows
        if row.population == EVERYBODY
    }
    values |= {(label, n): (b.value, b.mc_se, money) for label, of in benefits.items() for n, b in of.items()}
    size = comparison.scenario.size
    title = f"Costs and QALYs per patient: all {size:,}, from the start of therapy on"
    yield Results(title, names, values, sections, signed=False)
    if len(names) > 1:
        differences = {
            (row.outcome, row.strategy): (row.difference, row.mc_se, row.unit)
            for row in comparison.tables.contrasts.rows
            if row.population == EVERYBODY and row.versus == names[0]
        }
        for label, of in benefits.items():
            gaps = {name: of[name] - of[names[0]] for name in names[1:]}
            differences |= {(label, name): (gap.value, gap.mc_se, money) for name, gap in gaps.items()}
        yield Results(f"Difference from '{names[0]}'", names[1:], differences, sections, signed=True)


def lines_of(results: Results, names: Sequence[str]) -> Iterator[Line]:
    """The lines of a table for some of its names."""
    told = {outcome for outcome, _ in results.cells}
    for alternatives in results.sections:
        section = next((s for s in alternatives if any(_found(row, told) for row in s.rows)), None)
        if section is None:
            continue
        yield Line((results.signed and section.heading_of_differences) or section.heading, ())
        for row in section.rows:
            if outcome := _found(row, told):
                cells = [results.cells.get((outcome, name)) for name in names]
                yield _line(row, cells, signed=results.signed)


def _found(row: Row, told: set[str]) -> str:
    return next((outcome for outcome in row.outcomes if outcome in told), "")


def _line(row: Row, cells: Sequence[Cell | None], *, signed: bool) -> Line:
    """The label, then value and 1.96 standard errors under each strategy."""
    unit = next(cell[2] for cell in cells if cell is not None)
    scale = _SCALES.get("money" if is_money(unit) else unit, 1.0)
    numbers = [(scale * c[0], scale * STANDARD_ERRORS * c[1]) if c else (math.nan, math.nan) for c in cells]
    places = decimals(error for _, error in numbers)
    written = signed_with_error if signed else with_error
    label = f"{row.label}, {_unit(unit, signed=signed)}" if row.says_unit else row.label
    return Line(label, tuple(written(value, error, places) for value, error in numbers))


_SCALES = {"share": 100.0, "money": 0.001}
"""What numbers of a unit are multiplied by to be shown."""


def _unit(unit: str, *, signed: bool = False) -> str:
    """`pp`: percentage points."""
    if is_money(unit):
        return f"1,000 {unit}"
    if unit == "share":
        return "pp" if signed else "%"
    return unit
