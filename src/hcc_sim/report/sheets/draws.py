"""What uncertainty about parameters means for the choice: draws, acceptability curves, expected loss, all live."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from hcc_sim.economics import (
    CostsAndEffects,
    acceptability,
    acceptability_frontier,
    expected_loss,
    value_of_perfect_information,
)
from hcc_sim.economics.net_benefit import DEFINITIONS, gain_where_best
from hcc_sim.report.sheets.paper import INPUT, MONEY, QALYS, WHOLE, Sheet, letters, near, span

MOST_DRAWS = 10_000
"""Curves go through all draws at every threshold, which makes a spreadsheet of more slow."""
MOST_LIVE = 12
"""Strategies for which curves are formulas: each is compared with each in every draw."""
STEPS = 40


def write_draws(sheet: Sheet, draws: CostsAndEffects, labels: Mapping[str, str], every: int) -> None:
    """A row for each draw, and names for the columns of costs and effects that the curves use; `every`: of how many."""
    of = "" if draws.draws == every else f", the first of {every:,}; CEAC is of these, all files of all"
    names = draws.strategies
    header = 1 + sheet.head(
        f"Draws of the uncertain parameters: costs ({draws.currency or 'money'}) and effects ({draws.effect}) per "
        "patient",
        (
            f"{draws.draws:,} draws{of}; the same for all strategies. Other programs read them from CSV: "
            "docs/economics.md.",
        ),
    )
    sheet.headings(header, ("draw",))
    sheet.groups(header, (("cost", 1), ("effect", 1 + len(names))), [labels[name] for name in names])
    first = header + 2
    last = first + draws.draws - 1
    sheet.text(header + 1, 0, "mean", "bold")
    for what, begin, values, shown in (
        ("cost", 1, draws.costs, MONEY),
        ("effect", 1 + len(names), draws.effects, QALYS),
    ):
        means = values.mean(axis=0)
        style = sheet.book.style({"num_format": shown})
        for place in range(len(names)):
            column = begin + place
            where = span(first, column, last, column)
            sheet.book.workbook.define_name(f"{what}_{place + 1}", f"='{sheet.name}'!{where}")
            sheet.formula(header + 1, column, f"AVERAGE({where})", float(means[place]), shown, bold=True)
            sheet.inner.write_column(first, column, values[:, place].tolist(), style)
    sheet.inner.write_column(first, 0, range(1, draws.draws + 1))
    sheet.widths((0, 0, 9), (1, 2 * len(names), 15))
    sheet.repeat(header - 1, header + 1, 1)


def write_curves(
    sheet: Sheet, draws: CostsAndEffects, labels: Mapping[str, str], thresholds: Sequence[float], cells: Sequence[str]
) -> None:
    """At the scenario's thresholds, then along a grid: acceptability, its frontier, expected loss, and a picture."""
    names, live = draws.strategies, len(draws.strategies) <= MOST_LIVE
    several = len(names)
    step = _round_step(2.0 * max(thresholds, default=50_000.0) / STEPS)
    grid = [step * k for k in range(STEPS + 1)]
    at = [*thresholds, *grid]
    notes = [
        f"Acceptability: {DEFINITIONS['acceptability']}. Frontier: {DEFINITIONS['acceptability frontier']}.",
        f"Expected loss: {DEFINITIONS['expected loss']}. Its least is the expected value of perfect information "
        "(EVPI), per patient.",
        "Thresholds rise in steps of the yellow cell; the first rows are at those of Net benefit. A picture is below."
        if live
        else f"With more than {MOST_LIVE} strategies these are numbers of the run, not formulas.",
    ]
    step_row = 1 + sheet.head("Cost-effectiveness acceptability and expected loss over thresholds", notes)
    header, first = step_row + 3, step_row + 4
    sheet.text(step_row, 0, "step", "bold")
    sheet.number(step_row, 1, step, MONEY, INPUT)
    share, best, frontier = 1, 1 + several, 2 + several
    loss, evpi, error, benefit = 3 + several, 3 + 2 * several, 4 + 2 * several, 5 + 2 * several
    above = benefit + several
    sheet.headings(header, ("threshold",))
    groups = (("acceptability", share), ("expected loss", loss), ("expected net benefit", benefit))
    sheet.groups(header, groups, [labels[name] for name in names])
    if several > 1:
        title = "where it is best: net benefit above the first's, mean of all draws"
        sheet.groups(header, ((title, above),), [labels[name] for name in names[1:]])
    for column, title in ((best, "highest expected"), (frontier, "frontier"), (evpi, "EVPI"), (error, "error of EVPI")):
        sheet.text(header - 1, column, "", "heading")
        sheet.text(header, column, title, "heading" if column == best else "heading of numbers")
    shares, losses, gains = acceptability(draws, at), expected_loss(draws, at), gain_where_best(draws, at)
    optima, values = acceptability_frontier(draws, at), value_of_perfect_information(draws, at)
    weights = [_weight(place, several) for place in range(several)]
    for k, threshold in enumerate(at):
        row = first + k
        _write_threshold(sheet, row, k - len(thresholds), threshold, cells[k] if k < len(thresholds) else "", step_row)
        put = sheet.formula if live else _as_number(sheet)
        here = f"$A{row + 1}"
        of_benefit = span_in_row(row, benefit, several)
        for s in range(several):
            weight = weights[s].replace("@", here)
            put(row, share + s, f"SUMPRODUCT({weight})/ROWS(cost_1)", float(shares[k, s]), "0.000")
            means = f"{here}*AVERAGE(effect_{s + 1})-AVERAGE(cost_{s + 1})"
            put(row, benefit + s, means, threshold * draws.mean_effects[s] - draws.mean_costs[s], MONEY)
            more = f"{near(row, benefit + s)}-${letters(benefit)}{row + 1}"
            best_above = f"SUM({span_in_row(row, above, several - 1)})" if several > 1 else "0"
            put(row, loss + s, f"MAX(0,{best_above}-({more}))", float(losses[k, s]), MONEY)
            if s:
                gap = f"({here}*(effect_{s + 1}-effect_1)-(cost_{s + 1}-cost_1))"
                put(row, above + s - 1, f"SUMPRODUCT({weight}*{gap})/ROWS(cost_1)", float(gains[k, s]), MONEY)
        place = f"MATCH(MAX({of_benefit}),{of_benefit},0)"
        headings = span(header, share, header, share + several - 1)
        put(row, best, f"INDEX({headings},1,{place})", labels[optima[k].strategy], indent=1)
        put(row, frontier, f"INDEX({span_in_row(row, share, several)},1,{place})", optima[k].acceptability, "0.000")
        put(row, evpi, f"MIN({span_in_row(row, loss, several)})", values[k].value, MONEY)
        sheet.number(row, error, values[k].standard_error, MONEY)
    sheet.widths((0, 0, 12), (1, several, 13), (best, best, 20), (frontier, above + several, 13))
    sheet.repeat(header - 1, header, 1)
    sheet.inner.print_area(0, 0, first + len(at) + 24, error)
    sheet.inner.set_h_pagebreaks([first + len(at)])
    _draw(sheet, header, first + len(thresholds), len(grid), several, draws, first + len(at) + 1)


def _as_number(sheet: Sheet) -> Callable[..., None]:
    """Writes what a formula would come to."""

    def put(row: int, column: int, _: str, value: float | str, shown: str = MONEY, **_further: Any) -> None:
        if isinstance(value, str):
            sheet.text(row, column, value)
        else:
            sheet.number(row, column, value, shown)

    return put


def _write_threshold(sheet: Sheet, row: int, k: int, threshold: float, cell: str, step_row: int) -> None:
    """From the sheet of net benefit, or k steps."""
    formula = cell or f"{k}*$B${step_row + 1}"
    sheet.formula(row, 0, formula, threshold, WHOLE)


def _weight(s: int, several: int) -> str:
    """Of each draw the part that goes to a strategy: 1 where it alone is best, a share where equal ones are, else 0.

    '@' stands for the threshold.  Net benefit is written as `net_monetary_benefit` forms it, so that ties are the same.
    """

    def benefit(of: int) -> str:
        return f"@*effect_{of + 1}-cost_{of + 1}"

    others = [of for of in range(several) if of != s]
    if not others:
        return "(cost_1=cost_1)*1"
    is_best = "*".join(f"({benefit(s)}>={benefit(of)})" for of in others)
    equal = "+".join(f"({benefit(s)}={benefit(of)})" for of in others)
    return f"{is_best}/(1+{equal})"


def span_in_row(row: int, first: int, several: int) -> str:
    """$A1:$B1."""
    return f"${letters(first)}{row + 1}:${letters(first + several - 1)}{row + 1}"


def _round_step(step: float) -> float:
    """The next higher of 1, 2, 2.5, 5 times a power of ten."""
    power = 10.0 ** math.floor(math.log10(step))
    return next(nice * power for nice in (1.0, 2.0, 2.5, 5.0, 10.0) if nice * power >= step)


def _draw(sheet: Sheet, header: int, first: int, points: int, several: int, draws: CostsAndEffects, below: int) -> None:
    chart = sheet.book.workbook.add_chart({"type": "line"})
    for place in range(several):
        column = 1 + place
        chart.add_series({
            "name": [sheet.name, header, column],
            "categories": [sheet.name, first, 0, first + points - 1, 0],
            "values": [sheet.name, first, column, first + points - 1, column],
            "line": {"width": 2},
        })  # fmt: skip
    money = f", {draws.currency}" if draws.currency else ""
    chart.set_title({"name": "Cost-effectiveness acceptability", "name_font": {"size": 12}})
    chart.set_x_axis({"name": f"threshold for a {draws.effect}{money}", "num_format": "#,##0", "interval_unit": 5,
                      "position_axis": "on_tick"})  # fmt: skip
    chart.set_y_axis({"name": "share of draws", "min": 0, "max": 1, "num_format": "0%"})
    chart.set_legend({"position": "bottom"})
    chart.set_size({"width": 900, "height": 420})
    sheet.inner.insert_chart(below, 0, chart)
