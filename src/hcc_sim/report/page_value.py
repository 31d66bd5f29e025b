"""Costs and QALYs on the page: what they are made of, increments, net benefit, what lies beyond the data."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from hcc_sim.economics.increments import DEFINITION
from hcc_sim.economics.net_benefit import DEFINITIONS
from hcc_sim.report.numbers import STANDARD_ERRORS
from hcc_sim.report.page_parts import Picture, Pictures, Table, Text, table_of
from hcc_sim.report.results_table import value_results

if TYPE_CHECKING:
    from hcc_sim.analyses.compare import Comparison
    from hcc_sim.outcomes import Estimate


def of_value(comparison: Comparison, pictures: Pictures) -> list[Text | Table | Picture]:
    """Everything about costs and QALYs; the scenario must have terms for them."""
    valuation = comparison.valuation
    assert valuation is not None
    terms, names = valuation.terms, list(valuation.strategies)
    about = (
        f"Perspective: {terms.perspective or 'not said'}. In {terms.money}, discounted at {terms.discount_costs:.1%} "
        f"(costs) and {terms.discount_effects:.1%} (effects) a year from each patient's start. Per patient who starts."
    )
    first = next(iter(valuation.strategies.values()))
    by_category = [
        [category, *(_money(one.category(category)) for one in valuation.strategies.values())]
        for category in first.categories
    ]
    total = [
        f"{one.cost().value:,.0f} ± {STANDARD_ERRORS * one.cost().mc_se:,.0f}" for one in valuation.strategies.values()
    ]
    by_item: dict[str, dict[str, str]] = {}
    for cost in valuation.tables.costs.rows:
        if cost.cost:
            told = f"{cost.units:,.2f} × {cost.price:,.2f} = {cost.cost:,.0f}"
            by_item.setdefault(f"{cost.item} ({cost.category})", {})[cost.strategy] = told
    by_health: dict[str, dict[str, str]] = {}
    for row in valuation.tables.qalys.rows:
        if row.years:
            told = f"{row.years:.3f} × {row.utility:.2f} = {row.qalys:.3f}"
            by_health.setdefault(row.health, {})[row.strategy] = told
    qalys = [
        f"{one.qaly().value:.3f} ± {STANDARD_ERRORS * one.qaly().mc_se:.3f}" for one in valuation.strategies.values()
    ]
    ageing = next(iter(valuation.strategies.values())).lost_share_per_year
    times = "Years × utility = QALYs, by health state" + (
        f"; ageing takes {ageing:.1%} a year besides" if ageing else ""
    )
    return [
        Text(about),
        *map(table_of, value_results(comparison)),
        *pictures.of(("costs-and-qalys", "Costs by category and QALYs by health state, a bar for each strategy")),
        Table(f"Costs by category, {terms.money}", ["", *names], [*by_category, ["all", *total]]),
        Table(
            f"Units × price = cost, {terms.money}; what nobody uses is left out",
            ["", *names],
            [[item, *(told.get(name, "") for name in names)] for item, told in by_item.items()],
        ),
        Table(
            times,
            ["", *names],
            [*([health, *(told.get(name, "") for name in names)] for health, told in by_health.items()),
             ["QALYs", *qalys]],
        ),
        Text(DEFINITION),
        _increments(comparison),
        *pictures.of(
            ("plane", "Strategies by costs and QALYs, the frontier and the thresholds"),
            ("net-benefit", "Net benefit of each strategy below the best, across thresholds"),
        ),
        Text("; ".join(f"{name}: {told}" for name, told in DEFINITIONS.items()) + "."),
        _beyond(comparison),
    ]  # fmt: skip


def _increments(comparison: Comparison) -> Table:
    assert comparison.valuation is not None
    rows = []
    for step in comparison.valuation.tables.increments.rows:
        icer = step.status
        if not math.isnan(step.icer):
            told_apart = abs(step.incremental_qalys) > STANDARD_ERRORS * step.incremental_qalys_mc_se
            error = f" ± {STANDARD_ERRORS * step.icer_mc_se:,.0f}"
            icer = f"{step.icer:,.0f}{error}" if told_apart else "QALYs not told apart"
        more = [
            "" if math.isnan(value) else f"{value:,.{places}f} ± {STANDARD_ERRORS * error:,.{places}f}"
            for value, error, places in (
                (step.incremental_cost, step.incremental_cost_mc_se, 0),
                (step.incremental_qalys, step.incremental_qalys_mc_se, 3),
            )
        ]
        rows.append([step.strategy, f"{step.cost:,.0f}", f"{step.qalys:.3f}", *more, icer, step.versus])
    columns = ["", "costs", "QALYs", "more costs", "more QALYs", "ICER, or why there is none", "against"]
    return Table(f"Incremental analysis, {comparison.valuation.terms.money} a QALY", columns, rows)


def _beyond(comparison: Comparison) -> Table:
    assert comparison.valuation is not None
    first = comparison.scenario.strategies[0].name
    rows = [
        [f"'{row.strategy}' minus '{row.versus}'", f"{row.past_years:g}", f"{row.incremental_qalys:+.3f}",
         f"{row.past:+.3f}", "-" if math.isnan(row.share) else f"{row.share:.0%}"]
        for row in comparison.valuation.tables.beyond.rows
        if row.versus == first
    ]  # fmt: skip
    columns = ["", "years", "difference in QALYs", "of it later", "share"]
    return Table(
        "How much of the difference in QALYs lies past 5 and 10 years, where few have been followed", columns, rows
    )


def _money(told: Estimate) -> str:
    return f"{told.value:,.0f} ± {STANDARD_ERRORS * told.mc_se:,.0f}"
