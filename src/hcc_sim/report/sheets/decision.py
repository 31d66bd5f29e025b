"""The sheets on which strategies are decided between: increments and the frontier, net benefit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hcc_sim.economics import increments, pair
from hcc_sim.economics.increments import DEFINITION, Status
from hcc_sim.economics.net_benefit import DEFINITIONS
from hcc_sim.report.sheets.paper import INPUT, MONEY, QALYS, Cells, Sheet, fixed, letters, near, span

if TYPE_CHECKING:
    from hcc_sim.analyses.valuation import Valuation

HOLDS, FAILS = "yes", "no: run anew"
_COST, _COST_ERROR, _EFFECT, _EFFECT_ERROR, _VERSUS, _MORE_COST, _MORE_EFFECT, _RATIO, _READING = range(1, 10)


@dataclass(frozen=True)
class Totals:
    """Where costs and effects of each strategy stand on the sheet of increments."""

    sheet: Sheet
    rows: Mapping[str, int]

    def cost(self, strategy: str) -> str:
        """As other sheets name it."""
        return self.sheet.at(self.rows[strategy], _COST)

    def effect(self, strategy: str) -> str:
        """As other sheets name it."""
        return self.sheet.at(self.rows[strategy], _EFFECT)


def write_increments(
    sheet: Sheet, valuation: Valuation, costs: Cells, effects: Cells, labels: Mapping[str, str]
) -> Totals:
    """Every strategy against one chosen in a cell, then the frontier."""
    money, names = valuation.terms.money, list(valuation.strategies)
    chosen = 1 + sheet.head(
        f"Costs ({money}) and QALYs per patient, discounted, and what a QALY costs",
        ("Choose the strategy to compare with in the yellow cell; errors of all differences are in Contrasts.",),
    )
    header, first = chosen + 3, chosen + 4
    rows = {name: first + place for place, name in enumerate(names)}
    last = first + len(names) - 1
    of_names = span(first, 0, last, 0)
    reference = fixed(chosen, 1)
    sheet.text(chosen, 0, "compared with", "bold")
    sheet.text(chosen, 1, labels[names[0]], "input")
    sheet.inner.data_validation(chosen, 1, chosen, 1, {
        "validate": "list", "source": f"={of_names}", "error_title": "No strategy of this name",
        "error_message": "Choose one of the strategies in the table below.",
    })  # fmt: skip
    sheet.text(chosen + 1, 0, "its cost and QALYs")
    # EXACT, since a lookup would take * and ? in a name for any letters, and capitals for small ones
    is_it = f"EXACT({of_names},{reference})"
    for column, of, shown in ((1, _COST, MONEY), (2, _EFFECT, QALYS)):
        value = valuation.table.mean_costs[0] if of == _COST else valuation.table.mean_effects[0]
        total = f"SUMPRODUCT({is_it}*{span(first, of, last, of)})"
        formula = f"IF(SUMPRODUCT({is_it}*1)=1,{total},NA())"
        sheet.formula(chosen + 1, column, formula, float(value), shown)
    titles = ("cost", "standard error", "QALYs", "standard error", "versus", "cost more", "QALYs more", "ICER")
    sheet.texts(header, 1, titles, "heading of numbers")
    for column, title in ((0, "strategy"), (_VERSUS, "versus"), (_READING, "in words")):
        sheet.text(header, column, title, "heading", indent=min(column, 1))
    for name, row in rows.items():
        one, against = valuation.strategies[name], pair(valuation.table, name, names[0])
        sheet.text(row, 0, labels[name], "wrapped")
        sheet.formula(row, _COST, costs[name], one.cost().value, MONEY)
        sheet.number(row, _COST_ERROR, one.cost().mc_se, MONEY)
        sheet.formula(row, _EFFECT, effects[name], one.qaly().value, QALYS)
        sheet.number(row, _EFFECT_ERROR, one.qaly().mc_se, QALYS)
        sheet.formula(row, _VERSUS, reference, labels[names[0]], text_wrap=True, indent=1)
        cost, effect = near(row, _MORE_COST), near(row, _MORE_EFFECT)
        sheet.formula(row, _MORE_COST, f"{near(row, _COST)}-{fixed(chosen + 1, 1)}", against.incremental_cost, MONEY)
        sheet.formula(
            row, _MORE_EFFECT, f"{near(row, _EFFECT)}-{fixed(chosen + 1, 2)}", against.incremental_effect, QALYS
        )
        sheet.formula(row, _RATIO, f'IF({cost}*{effect}>0,{cost}/{effect},"")', against.icer, MONEY)
        sheet.formula(row, _READING, _in_words(cost, effect), against.reading, indent=1)
    totals = Totals(sheet, rows)
    after = _write_frontier(sheet, last + 2, valuation, rows, labels)
    sheet.inner.merge_range(after, 0, after, _READING, "")
    sheet.text(after, 0, DEFINITION, "note wrapped")
    sheet.widths((0, 0, 28), (1, _RATIO, 15), (_READING, _READING, 40))
    sheet.inner.set_row(after, 42)
    sheet.inner.freeze_panes(0, 1)
    return totals


def _in_words(cost: str, effect: str) -> str:
    """What `pair` says of two differences."""
    cases = (
        (f"AND({cost}=0,{effect}=0)", "no difference"),
        (f"AND({cost}<=0,{effect}>=0)", "dominates: costs no more and does no less"),
        (f"AND({effect}<=0,{cost}>=0)", "is dominated: costs no less and does no more"),
        (f"{effect}>0", "costs this for a unit gained (QALY)"),
    )
    text = '"saves this for a unit lost (QALY)"'
    for condition, words in reversed(cases):
        text = f'IF({condition},"{words}",{text})'
    return text


def _write_frontier(
    sheet: Sheet, top: int, valuation: Valuation, rows: Mapping[str, int], labels: Mapping[str, str]
) -> int:
    """Strategies in order of cost; the row below.

    Who dominates whom is as the run found it; a formula says of each whether that still holds at changed inputs.
    """
    steps, order = valuation.tables.increments.rows, increments(valuation.table)
    sheet.text(top, 0, "The frontier: strategies in order of cost, each against the one before on it", "bold")
    sheet.text(top + 1, 0, "Order and status are results of the run; whether they hold at changed inputs is "
               "worked out in the last column; where one does not, a new run finds the new ones.", "note")  # fmt: skip
    header, first = top + 2, top + 3
    sheet.texts(header, 0, ("strategy", "status", "versus"), "heading")
    titles = ("cost more", "standard error", "QALYs more", "standard error", "ICER", "standard error")
    sheet.texts(header, 3, titles, "heading of numbers")
    sheet.text(header, 9, "does the status hold?", "heading", indent=1)
    on = [step.strategy for step in order if step.status == Status.FRONTIER]
    for row, (told, step) in enumerate(zip(steps, order, strict=True), first):
        sheet.text(row, 0, labels[told.strategy], "wrapped")
        sheet.text(row, 1, told.status, "wrapped")
        sheet.text(row, 2, _versus(told.versus, labels), "wrapped")
        own = rows[told.strategy]
        ratio_before = ""
        if step.status == Status.FRONTIER and step.strategy != on[0]:
            other = rows[step.versus]
            place = on.index(step.strategy)
            for column, of, value, shown in (
                (3, _COST, told.incremental_cost, MONEY),
                (5, _EFFECT, told.incremental_qalys, QALYS),
            ):
                sheet.formula(row, column, f"{near(own, of)}-{near(other, of)}", value, shown)
            sheet.number(row, 4, told.incremental_cost_mc_se, MONEY)
            sheet.number(row, 6, told.incremental_qalys_mc_se, QALYS)
            sheet.formula(row, 7, f"{near(row, 3)}/{near(row, 5)}", told.icer, MONEY)
            sheet.number(row, 8, told.icer_mc_se, MONEY)
            if place > 1:
                ratio_before = near(first + [one.strategy for one in order].index(on[place - 1]), 7)
        holds = _holds(step.strategy, step.status, step.versus, on, rows, order_of=[one.strategy for one in order])
        if ratio_before:
            holds = f"AND({holds},{near(row, 7)}>={ratio_before})"
        sheet.formula(row, 9, f'IF({holds},"{HOLDS}","{FAILS}")', HOLDS, indent=1)
    return first + len(steps) + 1


def _versus(versus: str, labels: Mapping[str, str]) -> str:
    """Two names with ' and ' between where a mixture dominates."""
    if versus in labels or not versus:
        return labels.get(versus, "")
    pairs = (f"{labels[a]} and {labels[b]}" for a in labels for b in labels if f"{a} and {b}" == versus)
    return next(pairs, versus)


def _holds(
    strategy: str, status: Status, versus: str, on: Sequence[str], rows: Mapping[str, int], order_of: Sequence[str]
) -> str:
    """The condition under which a strategy stands where it stood."""
    cost, effect = near(rows[strategy], _COST), near(rows[strategy], _EFFECT)
    if status == Status.EXTENDED:  # above the line between its neighbours on the frontier
        place = order_of.index(strategy)
        before = [name for name in on if order_of.index(name) < place][-1]
        after = next(name for name in on if order_of.index(name) > place)
        c0, e0 = near(rows[before], _COST), near(rows[before], _EFFECT)
        c1, e1 = near(rows[after], _COST), near(rows[after], _EFFECT)
        above = f"({cost}-{c0})*({e1}-{e0})>=({c1}-{c0})*({effect}-{e0})"
        return f"AND({above},{cost}>={c0},{effect}<={e1})"
    if status == Status.FRONTIER and strategy == on[0]:
        costs = span(min(rows.values()), _COST, max(rows.values()), _COST)
        return f"{cost}<=MIN({costs})"
    other_cost, other_effect = near(rows[versus], _COST), near(rows[versus], _EFFECT)
    if status == Status.FRONTIER:
        return f"AND({cost}>={other_cost},{effect}>{other_effect})"
    if status == Status.EQUAL:
        return f"AND({cost}={other_cost},{effect}={other_effect})"
    return f"AND({cost}>={other_cost},{effect}<={other_effect})"


# --- net benefit ------------------------------------------------------------------------------------------------------


def write_net_benefit(sheet: Sheet, valuation: Valuation, totals: Totals, labels: Mapping[str, str]) -> list[str]:
    """Net benefit at each threshold; where the thresholds stand."""
    names, thresholds = list(valuation.strategies), valuation.terms.thresholds
    money, beside = valuation.terms.money, len(thresholds) + 2
    top = sheet.head(
        f"Net benefit per patient, discounted ({money} for a QALY in the first column)",
        ("Yellow: thresholds, to be changed. Standard errors are those of the run, at its thresholds and prices.",),
    )
    header = top
    sheet.text(header, 0, "threshold", "heading of numbers")
    sheet.texts(header, 1, (labels[name] for name in names), "heading of numbers")
    sheet.text(header, 1 + len(names), "highest", "heading", indent=1)
    blocks = (
        f"net monetary benefit, {money}: {DEFINITIONS['net monetary benefit']}",
        "standard error of the net monetary benefit",
        f"net health benefit, QALYs: {DEFINITIONS['net health benefit']}",
        f"short of the highest net monetary benefit, {money}",
        "standard error of what it is short of",
    )
    starts = [header + 1 + block * beside for block in range(len(blocks))]
    for start, title in zip(starts, blocks, strict=True):
        for column in range(2 + len(names)):
            sheet.text(start, column, title if column == 0 else "", "section")
    last = letters(len(names))
    told = {(row.threshold, row.strategy): row for row in valuation.tables.net_benefit.rows}
    headings = span(header, 1, header, len(names))
    for place, threshold in enumerate(thresholds):
        rows = [start + 1 + place for start in starts]
        sheet.number(rows[0], 0, threshold, MONEY, INPUT)
        for row in rows[1:]:
            sheet.formula(row, 0, near(rows[0], 0), threshold, MONEY)
        for column, name in enumerate(names, 1):
            benefit, one = told[threshold, name], valuation.strategies[name]
            cost, effect, at = totals.cost(name), totals.effect(name), f"$A{rows[0] + 1}"
            sheet.formula(rows[0], column, f"{at}*{effect}-{cost}", benefit.net_monetary_benefit, MONEY)
            sheet.number(rows[1], column, one.net_benefit(threshold).mc_se, MONEY)
            sheet.formula(rows[2], column, f"{effect}-{cost}/{at}", benefit.net_health_benefit, QALYS)
            own, highest = near(rows[0], column), f"MAX($B{rows[0] + 1}:${last}{rows[0] + 1})"
            sheet.formula(rows[3], column, f"{highest}-{own}", benefit.loss, MONEY)
            sheet.number(rows[4], column, benefit.loss_mc_se, MONEY)
        own = f"$B{rows[0] + 1}:${last}{rows[0] + 1}"
        best = f"INDEX({headings},1,MATCH(MAX({own}),{own},0))"
        sheet.formula(rows[0], 1 + len(names), best, labels[valuation.best(threshold)], indent=1)
    sheet.widths((0, 0, 14), (1, len(names), 16), (len(names) + 1, len(names) + 1, 24))
    sheet.repeat(header, header, 1)
    return [sheet.at(starts[0] + 1 + place, 0) for place in range(len(thresholds))]
