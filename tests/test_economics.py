"""Deciding between strategies: closed forms, a worked frontier, an independent library; no two ways disagree."""

from __future__ import annotations

import math
from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from heormodel import cea as heormodel_cea
from heormodel import voi as heormodel_voi
from heormodel.models import Outcomes
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm

from hcc_sim.economics import (
    CostsAndEffects,
    acceptability,
    acceptability_frontier,
    best_by_threshold,
    expected_loss,
    increments,
    net_health_benefit,
    net_monetary_benefit,
    pair,
    price_range,
    value_of_perfect_information,
)
from hcc_sim.economics.net_benefit import gain_where_best

quick = settings(max_examples=300, deadline=None, derandomize=True, database=None)
THRESHOLDS = [0.0, 1.0, 500.0, 12_516.0, 37_547.0, 1e6]

NAMES = tuple("ABCDEFGH")
WHOLE = st.integers(-20, 20).map(float)


@st.composite
def base_cases(draw: st.DrawFn) -> CostsAndEffects:
    """Whole numbers, so that strategies tie, dominate and lie on one line often."""
    count = draw(st.integers(1, 8))
    numbers = st.lists(WHOLE, min_size=count, max_size=count)
    return CostsAndEffects(NAMES[:count], draw(numbers), draw(numbers))


@st.composite
def many_draws(draw: st.DrawFn) -> CostsAndEffects:
    """Skewed draws of two to five strategies."""
    count, size, seed = draw(st.integers(2, 5)), draw(st.integers(2, 60)), draw(st.integers(0, 2**32 - 1))
    random = np.random.default_rng(seed)
    costs = random.gamma(2.0, 10_000.0, (size, count)) * random.uniform(0.5, 2.0, count)
    effects = random.lognormal(0.0, 0.5, (size, count)) + random.uniform(0.0, 1.0, count)
    return CostsAndEffects(NAMES[:count], costs, effects)


def outcomes(table: CostsAndEffects) -> Outcomes:
    costs = pd.DataFrame(table.costs, columns=list(table.strategies))
    return Outcomes.from_wide(costs, pd.DataFrame(table.effects, columns=list(table.strategies)))


# --- the frontier -----------------------------------------------------------------------------------------------------


def test_a_worked_frontier():
    """A (0, 0), B (100, 2), C (250, 3), D (300, 5), E (400, 4.5), F (1000, 6), worked by hand.

    E costs more than D and does less.  C costs 150 for one unit after B, D 50 for two after C: a mixture of B and D
    dominates C.  Left: B at 50, D at 200 / 3, F at 700 a unit.
    """
    table = CostsAndEffects("ABCDEF", [0, 100, 250, 300, 400, 1000], [0, 2, 3, 5, 4.5, 6])
    rows = {row.strategy: row for row in increments(table)}
    assert [row.strategy for row in increments(table)] == list("ABCDEF")
    assert rows["E"].status == "dominated"
    assert rows["E"].versus == "D"
    assert rows["C"].status == "extendedly dominated"
    assert rows["C"].versus == "B and D"
    assert math.isnan(rows["A"].icer)
    assert {n: (rows[n].versus, rows[n].icer) for n in "BDF"} == {
        "B": ("A", 50.0),
        "D": ("B", pytest.approx(200 / 3)),
        "F": ("D", 700.0),
    }
    assert rows["D"].incremental_cost == 200.0
    assert rows["D"].incremental_effect == 3.0


@quick
@given(base_cases())
def test_the_frontier_is_what_a_search_over_mixtures_finds(table: CostsAndEffects):
    """On it is who no other strategy and no mixture of two others beats or equals."""
    costs, effects = table.mean_costs, table.mean_effects
    seen: set[tuple[float, float]] = set()
    for row in increments(table):
        c, e = row.cost, row.effect
        others = [k for k in range(len(costs)) if (costs[k], effects[k]) != (c, e)]
        beaten = any(costs[k] <= c and effects[k] >= e for k in others)
        mixed = any(
            min(effects[j], effects[k]) < e < max(effects[j], effects[k])
            and (costs[j] - c) * (effects[k] - e) - (costs[k] - c) * (effects[j] - e) != 0
            and _mixture_cost(costs, effects, j, k, e) < c
            for j, k in combinations(others, 2)
        )
        expected = "dominated" if beaten else "extendedly dominated" if mixed else "on the frontier"
        if (c, e) in seen and not beaten:
            expected = "equal to another"
        seen.add((c, e))
        assert row.status == expected


def _mixture_cost(costs: np.ndarray, effects: np.ndarray, j: int, k: int, effect: float) -> float:
    part = (effect - effects[j]) / (effects[k] - effects[j])
    return float(costs[j] + part * (costs[k] - costs[j]))


@quick
@given(base_cases(), st.floats(0.0, 100.0))
def test_ratios_and_net_benefit_never_disagree(table: CostsAndEffects, threshold: float):
    benefit = threshold * table.mean_effects - table.mean_costs
    best = next(one for one in best_by_threshold(table) if one.from_threshold <= threshold <= one.to_threshold)
    assert benefit[table.place(best.strategy)] == pytest.approx(benefit.max(), abs=1e-9)
    ratios = [row.icer for row in increments(table) if not math.isnan(row.icer)]
    assert ratios == sorted(ratios)
    assert all(ratio > 0.0 for ratio in ratios)


@quick
@given(base_cases())
def test_statuses_and_ratios_are_those_of_heormodel(table: CostsAndEffects):
    theirs = heormodel_cea.icer_table(
        pd.DataFrame({"cost": table.mean_costs, "effect": table.mean_effects}, index=list(table.strategies))
    )
    words = {"on the frontier": "ND", "dominated": "D", "equal to another": "D", "extendedly dominated": "ED"}
    ours = {row.strategy: row for row in increments(table)}
    on_frontier = {name for name, row in ours.items() if words[row.status] == "ND"}
    assert on_frontier == set(theirs.index[theirs["status"] == "ND"])
    for name in on_frontier:
        assert ours[name].icer == pytest.approx(theirs.loc[name, "icer"], nan_ok=True)


@pytest.mark.parametrize(
    ("cost", "effect", "icer", "reading"),
    [
        (100.0, 2.0, 50.0, "costs this for a unit gained"),
        (-100.0, -2.0, 50.0, "saves this for a unit lost"),
        (-100.0, 2.0, None, "dominates"),
        (0.0, 2.0, None, "dominates"),
        (100.0, -2.0, None, "is dominated"),
        (100.0, 0.0, None, "is dominated"),
        (0.0, 0.0, None, "no difference"),
    ],
)
def test_a_ratio_is_told_only_where_it_is_a_price(cost: float, effect: float, icer: float | None, reading: str):
    found = pair(CostsAndEffects("AB", [cost, 0.0], [effect, 0.0]), "A", "B")
    assert found.reading.startswith(reading)
    assert math.isnan(found.icer) if icer is None else found.icer == icer


# --- net benefit and uncertainty --------------------------------------------------------------------------------------


@quick
@given(many_draws())
def test_curves_loss_and_perfect_information_are_those_of_heormodel(table: CostsAndEffects):
    theirs = outcomes(table)
    for threshold in THRESHOLDS[1:]:
        assert np.allclose(net_monetary_benefit(table, threshold), heormodel_cea.nmb(theirs, threshold))
        assert np.allclose(net_health_benefit(table, threshold), heormodel_cea.nhb(theirs, threshold))
    assert np.allclose(acceptability(table, THRESHOLDS), heormodel_cea.ceac(theirs, THRESHOLDS))
    assert np.allclose(expected_loss(table, THRESHOLDS), heormodel_cea.expected_loss(theirs, THRESHOLDS))
    assert np.allclose(gain_where_best(table, THRESHOLDS).sum(axis=1), expected_loss(table, THRESHOLDS)[:, 0])
    frontier = heormodel_cea.ceaf(theirs, THRESHOLDS)
    assert [one.strategy for one in acceptability_frontier(table, THRESHOLDS)] == list(frontier["intervention"])
    assert [one.acceptability for one in acceptability_frontier(table, THRESHOLDS)] == pytest.approx(
        list(frontier["prob"])
    )
    values = [one.value for one in value_of_perfect_information(table, THRESHOLDS)]
    assert values == pytest.approx(list(heormodel_voi.evpi(theirs, THRESHOLDS)), abs=1e-6)


@quick
@given(many_draws())
def test_what_must_hold_of_any_draws(table: CostsAndEffects):
    assert np.allclose(acceptability(table, THRESHOLDS).sum(axis=1), 1.0)
    loss = expected_loss(table, THRESHOLDS)
    assert (loss >= 0.0).all()
    for row, value, best in zip(
        loss, value_of_perfect_information(table, THRESHOLDS), acceptability_frontier(table, THRESHOLDS), strict=True
    ):
        assert value.value == pytest.approx(row.min(), abs=1e-6)
        assert row[table.place(best.strategy)] == pytest.approx(row.min(), abs=1e-6)


NORMAL_DRAWS = 400_000


def test_perfect_information_and_acceptability_of_a_normal_difference():
    """max(0, X), X ~ N(m, s): its mean is m Phi(m / s) + s phi(m / s); B is best with probability Phi(m / s)."""
    mean, sd, threshold = 500.0, 1500.0, 20_000.0
    difference = np.random.default_rng(20240502).normal(mean, sd, NORMAL_DRAWS)
    effects = np.column_stack((np.zeros(NORMAL_DRAWS), difference / threshold))
    table = CostsAndEffects("AB", np.zeros_like(effects), effects)
    (found,) = value_of_perfect_information(table, threshold)
    exact = mean * norm.cdf(mean / sd) + sd * norm.pdf(mean / sd) - mean
    assert abs(found.value - exact) < 4.0 * found.standard_error
    assert found.standard_error < 0.01 * exact
    share = norm.cdf(mean / sd)
    assert abs(acceptability(table, threshold)[0, 1] - share) < 4.0 * math.sqrt(share * (1 - share) / NORMAL_DRAWS)


def test_a_mean_of_ratios_would_give_another_answer():
    """Two draws: ratios 10 / 1 and 10 / 0.1 have the mean 55; the ratio of means is 20 / 1.1."""
    table = CostsAndEffects("AB", [[0, 10], [0, 10]], [[0, 1.0], [0, 0.1]])
    assert increments(table)[1].icer == pytest.approx(20 / 1.1)


def test_equal_strategies_share_draws_and_cost_nothing_to_choose_between():
    table = CostsAndEffects("ABC", [[1.0, 1.0, 9.0]] * 4, [[2.0, 2.0, 0.0]] * 4)
    assert acceptability(table, [0.0, 100.0]).tolist() == [[0.5, 0.5, 0.0]] * 2
    assert [one.value for one in value_of_perfect_information(table, [0.0, 100.0])] == [0.0, 0.0]
    assert [row.status for row in increments(table)] == ["on the frontier", "equal to another", "dominated"]


def test_nobody_knows_the_error_of_one_draw():
    assert math.isnan(value_of_perfect_information(CostsAndEffects("AB", [1, 2], [1, 2]), 3.0)[0].standard_error)


# --- where the choice turns -------------------------------------------------------------------------------------------


def test_the_choice_turns_at_the_ratios_of_the_frontier():
    table = CostsAndEffects("ABCDEF", [0, 100, 250, 300, 400, 1000], [0, 2, 3, 5, 4.5, 6])
    assert [(one.strategy, one.from_threshold, one.to_threshold) for one in best_by_threshold(table)] == [
        ("A", 0.0, 50.0),
        ("B", 50.0, pytest.approx(200 / 3)),
        ("D", pytest.approx(200 / 3), 700.0),
        ("F", 700.0, math.inf),
    ]


@quick
@given(base_cases(), st.lists(st.integers(0, 5).map(float), min_size=8, max_size=8), st.integers(0, 30))
def test_within_the_range_of_prices_a_strategy_is_best_and_outside_it_is_not(
    table: CostsAndEffects, amounts: list[float], threshold: int
):
    quantities = np.array(amounts[: len(table.strategies)])
    price = 10.0

    def is_best(at: float) -> bool:
        costs = table.mean_costs + quantities * (at - price)
        benefit = threshold * table.mean_effects - costs
        return benefit[0] >= benefit.max() - 1e-9

    found = price_range(table, "A", quantities, price, threshold)
    if found is None:
        assert not any(is_best(at) for at in np.linspace(0.0, 500.0, 101))
        return
    low, high = found
    assert is_best(low)
    assert is_best(min(high, 1e6))
    assert is_best((low + min(high, low + 10.0)) / 2.0)
    assert low <= 0.0 or not is_best(low - 0.01)
    assert high == math.inf or not is_best(high + 0.01)


# --- what can be wrong ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda: CostsAndEffects((), [], []), "there is no strategy"),
        (lambda: CostsAndEffects(("a", "b", "a"), [1, 2, 3], [1, 2, 3]), "named twice: 'a'"),
        (lambda: CostsAndEffects("ab", [1, 2, 3], [1, 2]), "costs have the shape (1, 3); they need (draws, 2)"),
        (lambda: CostsAndEffects("ab", [1, math.nan], [1, 2]), "costs of 'b' in draw 0 are nan"),
        (lambda: CostsAndEffects("ab", [[1, 2]], [[1, 2], [3, math.inf]]), "effects of 'b' in draw 1 are inf"),
        (lambda: CostsAndEffects("ab", [[1, 2]], [[1, 2], [3, 4]]), "1 draws of costs and 2 of effects"),
        (lambda: pair(CostsAndEffects("ab", [1, 2], [1, 2]), "a", "c"), "no strategy 'c'; there are 'a', 'b'"),
        (lambda: net_monetary_benefit(CostsAndEffects("a", [1], [1]), -1.0), "the threshold is -1.0; it must be"),
        (lambda: acceptability(CostsAndEffects("a", [1], [1]), [1.0, math.nan]), "the threshold is nan"),
        (lambda: net_health_benefit(CostsAndEffects("a", [1], [1]), 0.0), "the threshold is 0: net health benefit"),
        (lambda: price_range(CostsAndEffects("ab", [1, 2], [1, 2]), "a", [1.0], 1.0, 1.0), "quantities are [1.]"),
        (lambda: price_range(CostsAndEffects("ab", [1, 2], [1, 2]), "a", [1.0, -1.0], 1.0, 1.0), "quantities are"),
        (lambda: price_range(CostsAndEffects("ab", [1, 2], [1, 2]), "a", [1.0, 1.0], -1.0, 1.0), "the price is -1.0"),
    ],
)
def test_what_cannot_be_decided_on_is_refused(make, told: str):
    with pytest.raises(ValueError) as error:  # noqa: PT011
        make()
    assert told in str(error.value)
