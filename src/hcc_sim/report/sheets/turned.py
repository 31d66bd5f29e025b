"""The sheets of parameters that were turned: one by one, over a grid, along their ranges; and of delays of surgery."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import groupby, product
from typing import TYPE_CHECKING

import numpy as np

from hcc_sim.report.sheets.paper import MONEY, PLAIN, QALYS, SHARE, Sheet, digits, near, span
from hcc_sim.units import is_money

if TYPE_CHECKING:
    from hcc_sim.analyses.grid import Grid
    from hcc_sim.analyses.one_way import OneWay
    from hcc_sim.analyses.optimal_timing import Delayed, OptimalTiming
    from hcc_sim.analyses.study.objective import Objective
    from hcc_sim.analyses.threshold import Thresholds

MOST_BARS = 20
"""Parameters in a chart."""


def shown_as(unit: str) -> str:
    """The number format of an outcome in a unit."""
    money = is_money(unit.partition(" at ")[0])
    return MONEY if money else {"QALY": QALYS, "share": SHARE}.get(unit, PLAIN)


def ranks(row: int, column: int, first: int, last: int) -> str:
    """A formula: 1 for the largest of a column, equal ones sharing a rank."""
    return f"SUMPRODUCT(({span(first, column, last, column)}>{near(row, column)})*1)+1"


# --- one by one -------------------------------------------------------------------------------------------------------


def write_one_way(sheet: Sheet, reading: OneWay, labels: Mapping[str, str]) -> None:
    """A row for each parameter, the strongest first; how far the difference moves is worked out here."""
    objective = reading.objective
    header = sheet.head(
        f"{objective.name.capitalize()} ({objective.unit}): {labels[reading.strategy]} minus {labels[reading.versus]}",
        (
            "Each parameter to either end of its own interval, all else at its base value, the same "
            f"{reading.study.patients:,} patients. Other outcomes: one-way.csv. A chart is beside the table.",
        ),
    )
    sheet.texts(header, 0, ("parameter", "source", "kind", "unit"), "heading")
    titles = ("low", "base", "high", "at low", "at base", "at high", "standard error", "span", "rank", "low minus base",
              "high minus base", "turns at")  # fmt: skip
    sheet.texts(header, 4, titles, "heading of numbers")
    sheet.texts(header, 16, ("best at low", "best at high"), "heading")
    first, shown = header + 1, shown_as(objective.unit)
    last = header + len(reading.swings)
    for row, one in enumerate(reading.swings, first):
        sheet.texts(row, 0, (one.parameter, one.source, one.kind, one.unit))
        for column, value in enumerate((one.low, one.base, one.high), 4):
            sheet.number(row, column, value, digits(value))
        for column, value in enumerate((one.at_low, one.at_base, one.at_high, one.mc_se), 7):
            sheet.number(row, column, value, shown)
        if math.isfinite(one.span):
            three = f"{near(row, 7)}:{near(row, 9)}"
            sheet.formula(row, 11, f"MAX({three})-MIN({three})", one.span, shown)
            rank = sum(other.span > one.span for other in reading.swings) + 1
            sheet.formula(row, 12, ranks(row, 11, first, last), rank, "0")
            sheet.formula(row, 13, f"{near(row, 7)}-{near(row, 8)}", one.at_low - one.at_base, shown)
            sheet.formula(row, 14, f"{near(row, 9)}-{near(row, 8)}", one.at_high - one.at_base, shown)
        sheet.number(row, 15, one.turns_at, digits(one.turns_at))
        sheet.texts(row, 16, (labels[one.best_at_low], labels[one.best_at_high]))
    sheet.widths((0, 0, 46), (1, 3, 16), (4, 15, 12), (16, 17, 22))
    sheet.repeat(header, header, 1)
    if reading.moving:
        _tornado(sheet, header, min(len(reading.moving), MOST_BARS), objective)


def _tornado(sheet: Sheet, header: int, bars: int, objective: Objective) -> None:
    chart = sheet.book.workbook.add_chart({"type": "bar", "subtype": "clustered"})
    for column, colour in ((13, "#0072B2"), (14, "#D55E00")):
        chart.add_series({
            "name": [sheet.name, header, column], "categories": [sheet.name, header + 1, 0, header + bars, 0],
            "values": [sheet.name, header + 1, column, header + bars, column], "overlap": 100, "gap": 40,
            "fill": {"color": colour},
        })  # fmt: skip
    chart.set_title({"name": f"What {objective.name} hangs on", "name_font": {"size": 12}})
    chart.set_x_axis({"name": f"moved from the base case, {objective.unit}", "num_format": shown_as(objective.unit)})
    chart.set_y_axis({"reverse": True, "label_position": "low", "num_font": {"size": 8}})
    chart.set_legend({"position": "bottom"})
    chart.set_size({"width": 820, "height": 160 + 24 * bars})
    sheet.inner.insert_chart(header, 19, chart)


# --- over a grid, along ranges ----------------------------------------------------------------------------------------


def write_grid(sheet: Sheet, reading: Grid, labels: Mapping[str, str]) -> None:
    """A row for each point; the difference and the best strategy are worked out here."""
    objective, names = reading.objective, reading.table.shape.strategies
    header = sheet.head(
        f"{objective.name.capitalize()} ({objective.unit}) over a grid",
        (
            f"The same {reading.study.patients:,} patients at every point. Difference: "
            f"{labels[reading.strategy]} minus {labels[reading.versus]}.",
        ),
    )
    several = len(reading.axes)
    named = [f"{axis.quantity.name} ({axis.quantity.unit})" for axis in reading.axes]
    sheet.texts(header, 0, named, "heading of numbers")
    _value_headings(sheet, header, several, names, labels)
    beyond = several + len(names)
    sheet.texts(header, beyond + 1, ("difference", "standard error"), "heading of numbers")
    values, shown = objective.values(reading.table), shown_as(objective.unit)
    cells = reading.tables()["grid"].rows
    points = product(*(axis.values for axis in reading.axes))
    one, other = (several + names.index(name) for name in (reading.strategy, reading.versus))
    for row, (point, of, cell) in enumerate(zip(points, values, cells, strict=True), header + 1):
        for column, value in enumerate(point):
            sheet.number(row, column, value, digits(value))
        _write_values(sheet, row, header, several, of, objective, [labels[name] for name in names])
        if math.isfinite(cell.difference):
            sheet.formula(row, beyond + 1, f"{near(row, one)}-{near(row, other)}", cell.difference, shown)
        sheet.number(row, beyond + 2, cell.mc_se, shown)
    sheet.widths((0, several - 1, 22), (several, beyond - 1, 16), (beyond, beyond, 24), (beyond + 1, beyond + 2, 14))
    sheet.inner.autofilter(header, 0, header + len(cells), beyond + 2)
    sheet.repeat(header, header)


def write_thresholds(sheet: Sheet, reading: Thresholds, labels: Mapping[str, str]) -> None:
    """Every point of every parameter with the best strategy worked out; then the regions that follow from them."""
    objective, names = reading.objective, reading.table.shape.strategies
    header = sheet.head(
        f"The best strategy by {objective.name} ({objective.unit}) along each parameter, all else at its base value",
        (f"The same {reading.study.patients:,} patients at every point. Below: between which values each is best.",),
    )
    sheet.texts(header, 0, ("parameter", "unit"), "heading")
    sheet.text(header, 2, "value", "heading of numbers")
    _value_headings(sheet, header, 3, names, labels)
    row = header
    for axis in reading.axes:
        for value, of in zip(axis.values, reading.along(axis), strict=True):
            row += 1
            sheet.texts(row, 0, (axis.quantity.name, axis.quantity.unit))
            sheet.number(row, 2, value, digits(value))
            _write_values(sheet, row, header, 3, of, objective, [labels[name] for name in names])
    below = row + 2
    sheet.text(below, 0, "Regions: turns lie on straight lines between points, on the distribution's scale", "bold")
    sheet.texts(below + 1, 0, ("parameter", "unit"), "heading")
    sheet.texts(below + 1, 2, ("from", "to", "standard error of from", "largest lead"), "heading of numbers")
    sheet.text(below + 1, 6, "best", "heading", indent=1)
    for row, one in enumerate(reading.regions, below + 2):
        sheet.texts(row, 0, (one.parameter, one.unit))
        for column, value in ((2, one.from_value), (3, one.to_value), (4, one.from_mc_se)):
            sheet.number(row, column, value, digits(value))
        sheet.number(row, 5, one.lead, shown_as(objective.unit))
        sheet.text(row, 6, labels[one.strategy])
    sheet.widths((0, 0, 46), (1, 1, 14), (2, 2 + len(names), 16), (3 + len(names), max(3 + len(names), 6), 24))
    sheet.repeat(header, header, 1)


def _value_headings(sheet: Sheet, row: int, first: int, names: Sequence[str], labels: Mapping[str, str]) -> None:
    sheet.texts(row, first, (labels[name] for name in names), "heading of numbers")
    sheet.text(row, first + len(names), "best", "heading", indent=1)


def _write_values(
    sheet: Sheet, row: int, header: int, first: int, values: Sequence[float] | np.ndarray, objective: Objective,
    labels: Sequence[str],
) -> None:  # fmt: skip
    """Of each strategy, and which is the best; nothing where one of them is not known."""
    several = len(labels)
    for place, value in enumerate(values):
        sheet.number(row, first + place, float(value), shown_as(objective.unit))
    if not np.isfinite(values).all():
        return
    own, headings = (span(at, first, at, first + several - 1) for at in (row, header))
    extreme = "MIN" if objective.less_is_better else "MAX"
    formula = f"INDEX({headings},1,MATCH({extreme}({own}),{own},0))"
    sheet.formula(row, first + several, formula, labels[objective.best(np.asarray(values))], indent=1)


# --- delays -----------------------------------------------------------------------------------------------------------


def write_delays(sheet: Sheet, reading: OptimalTiming) -> None:
    """Every outcome at every delay; differences from the first, and which is the best, are worked out here."""
    header = sheet.head(
        "What each delay of surgery is expected to bring",
        (
            f"Means over {reading.table.draws:,} draws of everything uncertain, the same {reading.study.patients:,} "
            "patients in each; low and high: the central 95% of draws. Chance: that the expectation is best, as far as "
            "so many draws can tell.",
        ),
    )
    sheet.texts(header, 0, ("patients", "outcome", "unit"), "heading")
    titles = ("delay, months", "seen every, months", "mean", "standard error", "low", "high", "minus the first",
              "standard error", "best in draws", "chance")  # fmt: skip
    sheet.texts(header, 3, titles, "heading of numbers")
    sheet.text(header, 13, "best expectation", "heading", indent=1)
    row = header + 1
    for _, members in groupby(reading.rows, key=lambda one: (one.patients, one.outcome, one.unit)):
        row = _write_block(sheet, row, list(members))
    sheet.widths((0, 0, 24), (1, 1, 44), (2, 2, 28), (3, 12, 13), (13, 13, 16))
    sheet.inner.autofilter(header, 0, max(row - 1, header + 1), 13)
    sheet.repeat(header, header, 2)


def _write_block(sheet: Sheet, first: int, rows: Sequence[Delayed]) -> int:
    """One outcome of the same patients; the row below."""
    last, shown = first + len(rows) - 1, shown_as(rows[0].unit)
    means = span(first, 5, last, 5)
    known = all(math.isfinite(one.mean) for one in rows)
    highest = max(one.mean for one in rows) if known else math.nan
    for row, one in enumerate(rows, first):
        sheet.texts(row, 0, (one.patients, one.outcome, one.unit))
        sheet.number(row, 3, one.delay_months, PLAIN)
        sheet.number(row, 4, one.interval_months, PLAIN)
        for column, value in ((5, one.mean), (6, one.standard_error), (7, one.low), (8, one.high)):
            sheet.number(row, column, value, shown)
        if known:
            sheet.formula(row, 9, f"{near(row, 5)}-{near(first, 5)}", one.difference, shown)
            best = "best" if one.mean == highest else ""
            sheet.formula(row, 13, f'IF({near(row, 5)}=MAX({means}),"best","")', best, indent=1)
        sheet.number(row, 10, one.difference_standard_error, shown)
        sheet.number(row, 11, one.share_best, SHARE)
        sheet.number(row, 12, one.chance_optimal, SHARE)
    return last + 1
