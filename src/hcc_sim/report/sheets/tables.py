"""Outcomes and contrasts: the rows of the files, of the primary population and of everybody."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from hcc_sim.outcomes.hcc import EVERYBODY
from hcc_sim.report.sheets.paper import MONEY, PLAIN, QALYS, SHARE, YEARS, Sheet
from hcc_sim.units import is_money

if TYPE_CHECKING:
    from hcc_sim.analyses.compare import Comparison

_SHOWN = {"share": SHARE, "QALY": QALYS, "years": YEARS}
_NOTE = "low and high: the value -+ 1.96 Monte-Carlo standard errors; parameters are held at their base values."


def write_outcomes(sheet: Sheet, comparison: Comparison, labels: Mapping[str, str]) -> None:
    """What became of patients under each strategy."""
    top = sheet.head("Outcomes", (_NOTE,))
    sheet.texts(top, 0, ("population", "outcome", "strategy"), "heading")
    sheet.texts(top, 3, ("value", "standard error", "low", "high"), "heading of numbers")
    sheet.text(top, 7, "unit", "heading")
    row, shown = top, (comparison.primary, EVERYBODY)
    for told in comparison.tables.summary.rows:
        if told.population in shown:
            row += 1
            sheet.texts(row, 0, (told.population, told.outcome, labels[told.strategy]))
            _numbers(sheet, row, 3, (told.value, told.mc_se, told.low, told.high), told.unit)
            sheet.text(row, 7, told.unit)
    sheet.widths((0, 0, 16), (1, 1, 46), (2, 2, 26), (3, 6, 14), (7, 7, 12))
    sheet.inner.autofilter(top, 0, max(row, top + 1), 7)
    sheet.repeat(top, top)


def write_contrasts(sheet: Sheet, comparison: Comparison, labels: Mapping[str, str]) -> None:
    """Strategy against strategy."""
    top = sheet.head(
        "Contrasts: the outcome under a strategy minus the same under another",
        (f"The same patients, with the same luck, under both. {_NOTE}",),
    )
    sheet.texts(top, 0, ("population", "outcome", "strategy", "versus"), "heading")
    sheet.texts(top, 4, ("difference", "standard error", "low", "high"), "heading of numbers")
    sheet.text(top, 8, "unit", "heading")
    row, shown = top, (comparison.primary, EVERYBODY)
    for told in comparison.tables.contrasts.rows:
        if told.population in shown:
            row += 1
            sheet.texts(row, 0, (told.population, told.outcome, labels[told.strategy], labels[told.versus]))
            _numbers(sheet, row, 4, (told.difference, told.mc_se, told.low, told.high), told.unit)
            sheet.text(row, 8, told.unit)
    sheet.widths((0, 0, 16), (1, 1, 46), (2, 3, 26), (4, 7, 14), (8, 8, 12))
    sheet.inner.autofilter(top, 0, max(row, top + 1), 8)
    sheet.repeat(top, top)


def _numbers(sheet: Sheet, row: int, column: int, values: tuple[float, ...], unit: str) -> None:
    shown = MONEY if is_money(unit) else _SHOWN.get(unit, PLAIN)
    for place, value in enumerate(values):
        sheet.number(row, column + place, value, shown)
