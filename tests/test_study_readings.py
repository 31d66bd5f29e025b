"""Readings of tables whose model is known: tornado, grid, thresholds, best delay, Sobol, Morris, information."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import product
from statistics import NormalDist

import numpy as np
import pytest
from study_tables import study_of, table_of, timing_scenario, uncertain, usual_measures

from hcc_sim.analyses import grid, one_way, screening, threshold
from hcc_sim.analyses.grid import Axis, Grid
from hcc_sim.analyses.morris import MorrisDesign
from hcc_sim.analyses.one_way import OneWay, pair_of
from hcc_sim.analyses.optimal_timing import OptimalTiming
from hcc_sim.analyses.psa import Probabilistic
from hcc_sim.analyses.screening import Screening
from hcc_sim.analyses.sobol import SobolDesign
from hcc_sim.analyses.study.design import Listed
from hcc_sim.analyses.study.objective import objective_of
from hcc_sim.analyses.study.sizes import Split
from hcc_sim.analyses.threshold import Thresholds
from hcc_sim.analyses.timing import DELAYS_MONTHS, swept_over
from hcc_sim.analyses.voi import EVERYTHING, PARAMETER, SOURCE, Information, Population
from hcc_sim.economics import CostsAndEffects
from hcc_sim.errors import InputError

LAMBDA = 37_547.0


def net_benefit():
    return objective_of(timing_scenario(), usual_measures())


# --- one-way ----------------------------------------------------------------------------------------------------------


def linear(quantities, coefficients, error=0.0):
    """QALYs of the first of two strategies are linear in what is turned; costs and the other's QALYs are 0."""
    design = one_way.design_of(quantities)
    base = np.array([one.base for one in quantities])
    values = np.where(np.isnan(design.values), base, design.values)
    gain = 1.0 + (values - base) @ np.array(coefficients)
    qalys = np.column_stack([gain, np.zeros(len(gain))])
    inputs = {one.name: values[:, k] for k, one in enumerate(quantities)}
    return design, table_of(("treat", "wait"), inputs, np.zeros_like(qalys), qalys, error=error)


def test_the_tornado_of_a_linear_model():
    quantities = (uncertain("a", 0, 10), uncertain("b", -1, 1), uncertain("c", 2, 4, base=2.5), uncertain("d", 0, 1))
    coefficients = (0.1, 2.0, -0.2, 0.0)
    design, table = linear(quantities, coefficients, error=0.01)
    reading = OneWay(study_of(design=design), table, quantities, net_benefit(), "treat", "wait")
    found = {one.parameter: one for one in reading.swings}
    assert [one.parameter for one in reading.swings] == ["b", "a", "c", "d"]
    for one, coefficient in zip(quantities, coefficients, strict=True):
        low = LAMBDA * (1 + coefficient * (one.distribution.low - one.base))
        high = LAMBDA * (1 + coefficient * (one.distribution.high - one.base))
        swing = found[one.name]
        assert (swing.at_low, swing.at_base, swing.at_high) == pytest.approx((low, LAMBDA, high))
        assert swing.span == pytest.approx(max(low, high, LAMBDA) - min(low, high, LAMBDA))
        # two strategies, costs and QALYs each with an error of 0.01
        assert swing.mc_se == pytest.approx(0.01 * math.sqrt(2 * (1 + LAMBDA**2)))
    assert found["b"].turns_at == pytest.approx(-0.5)
    assert (found["b"].best_at_low, found["b"].best_at_high) == ("wait", "treat")
    assert math.isnan(found["a"].turns_at)
    assert [one.parameter for one in reading.moving] == ["b", "a", "c"]
    told = " ".join(reading.sentences())
    assert "b would turn its sign" in told
    assert "another strategy would be best at an end of b" in told
    rows = reading.tables()["one-way"].rows
    assert len(rows) == len(quantities) * (1 + len(table.shape.outcomes))


def test_costs_are_better_lower():
    qalys = np.zeros((1, 3))
    table = table_of(("a", "b", "c"), {}, np.array([[5.0, 3.0, 9.0]]), qalys)
    cost = objective_of(timing_scenario(), usual_measures(), "cost")
    assert pair_of(table, cost) == ("b", "c")
    assert pair_of(table, net_benefit()) == ("b", "c")
    assert pair_of(table, objective_of(timing_scenario(), usual_measures(), "qaly")) == ("a", "a")


def test_an_outcome_that_is_not_kept_is_told():
    with pytest.raises(InputError, match="not kept"):
        objective_of(timing_scenario(), usual_measures(), "resectd", where="--outcome")


# --- grids and thresholds ---------------------------------------------------------------------------------------------


def test_a_grid_tells_where_each_is_best():
    axes = (Axis(uncertain("x", 0, 1), (0.0, 0.5, 1.0)), Axis(uncertain("y", 0, 3), (0.0, 1.0, 2.0, 3.0)))
    points = np.array(list(product(*(axis.values for axis in axes))))
    design = grid.design_of(axes)
    assert np.array_equal(design.values, points)
    qalys = np.column_stack([points[:, 0], points[:, 1] / 2])  # best: "one" where x > y / 2
    table = table_of(("one", "two"), {"x": points[:, 0], "y": points[:, 1]}, np.zeros_like(qalys), qalys)
    reading = Grid(study_of(design=design), table, axes, net_benefit(), "one", "two")
    expected = LAMBDA * (points[:, 0] - points[:, 1] / 2).reshape(3, 4)
    assert reading.differences() == pytest.approx(expected)
    assert np.array_equal(reading.best() == 0, expected >= 0.0)  # of equal ones the first
    rows = reading.tables()["grid"].rows
    assert [(row.first, row.second) for row in rows] == [tuple(point) for point in points]
    assert rows[5].best == ("one" if expected[1, 1] >= 0 else "two")


def test_steps_are_even_where_a_distribution_is_broad():
    hazard_ratio = uncertain("h", 0.25, 4.0, family="log-normal", unit="hazard ratio")
    assert grid.axis_of(hazard_ratio, 5).values == pytest.approx((0.25, 0.5, 1.0, 2.0, 4.0))
    share = uncertain("p", 0.0, 1.0, unit="probability")
    assert grid.axis_of(share, 3).values == pytest.approx((0.0, 0.5, 1.0))


def test_thresholds_of_three_straight_lines():
    """Net benefits 6, 2 + 2 x and 4 x: the first is best up to x = 2, the second nowhere, the third from 3/2 ...

    4 x = 6 at 3/2, where 2 + 2 x = 5: the second is never the best.
    """
    axis = Axis(uncertain("x", 0, 4), (0.0, 1.0, 2.0, 3.0, 4.0))
    x = np.array(axis.values)
    lines = np.column_stack([np.full(5, 6.0), 2 + 2 * x, 4 * x])
    table = table_of(("flat", "middle", "steep"), {"x": x}, -lines, np.zeros_like(lines), error=1e-6)
    reading = Thresholds(study_of(design=threshold.design_of([axis])), table, (axis,), net_benefit())
    assert [one.strategy for one in reading.regions] == ["flat", "steep"]
    first, second = reading.regions
    assert first.to_value == second.from_value == pytest.approx(1.5)
    assert (first.from_value, second.to_value) == (0.0, 4.0)
    # the contrast's error over its slope
    contrast = 1e-6 * math.sqrt(2 * (1 + LAMBDA**2))
    assert first.to_mc_se == pytest.approx(contrast / 4.0)
    needs = {one.strategy: one for one in reading.needs}
    assert needs["middle"].shortfall == pytest.approx(2.0)  # at x = 1 and x = 2 it lacks 2
    assert math.isnan(needs["middle"].from_value)
    assert (needs["steep"].from_value, needs["steep"].to_value) == pytest.approx((1.5, 4.0))
    assert second.lead == pytest.approx(6.0)
    assert "the best is 'flat' up to 1.5" in reading.sentences()[0]


def test_what_flips_by_chance_is_no_turn():
    """Two strategies that differ by noise only, and a third that overtakes both for certain at x = 3."""
    axis = Axis(uncertain("x", 0, 5), tuple(map(float, range(6))))
    x = np.array(axis.values)
    one = np.array([0.01, -0.01, 0.01, -0.01, 0.01, -0.01])
    lines = np.column_stack([one, -one, x - 3.0])
    names, error = ("one", "other", "third"), 0.02 / LAMBDA  # of a contrast 0.028
    table = table_of(names, {"x": x}, -lines, np.zeros_like(lines), error=error)
    found = Thresholds(study_of(design=threshold.design_of([axis])), table, (axis,), net_benefit()).regions
    assert len(found) == 2
    assert found[1].strategy == "third"
    assert found[0].to_value == pytest.approx(3.0, abs=0.05)
    sure = table_of(names, {"x": x}, -lines, np.zeros_like(lines), error=1e-9)
    found = Thresholds(study_of(design=threshold.design_of([axis])), sure, (axis,), net_benefit()).regions
    assert len(found) > 3, "told apart, every turn is one"


def test_thresholds_find_who_leads_between_two_points():
    """Between x = 0 and 1: 1 - x, 0.8 flat, x: the flat one leads from 0.2 to 0.8, though it is best at no point."""
    axis = Axis(uncertain("x", 0, 1), (0.0, 1.0))
    lines = np.array([[1.0, 0.8, 0.0], [0.0, 0.8, 1.0]])
    table = table_of(("falling", "flat", "rising"), {"x": np.array(axis.values)}, -lines, np.zeros_like(lines))
    reading = Thresholds(study_of(design=threshold.design_of([axis])), table, (axis,), net_benefit())
    assert [one.strategy for one in reading.regions] == ["falling", "flat", "rising"]
    assert [one.to_value for one in reading.regions] == pytest.approx([0.2, 0.8, 1.0])


def test_costs_have_thresholds_too():
    axis = Axis(uncertain("x", 0, 2), (0.0, 2.0))
    lines = np.array([[0.0, 1.0], [2.0, 1.0]])
    table = table_of(("rising", "flat"), {"x": np.array(axis.values)}, lines, np.zeros_like(lines))
    cost = objective_of(timing_scenario(), usual_measures(), "cost")
    reading = Thresholds(study_of(design=threshold.design_of([axis])), table, (axis,), cost)
    assert [one.strategy for one in reading.regions] == ["rising", "flat"]
    assert reading.regions[0].to_value == pytest.approx(1.0)


# --- the best delay ---------------------------------------------------------------------------------------------------


def test_the_best_delay_of_parabolas():
    """Net benefit -(delay - c)^2 with c drawn: the expectation is best nearest to the mean of c."""
    scenario = swept_over(timing_scenario(), "", (0.0, 1.0, 2.0, 3.0, 4.0))
    random = np.random.default_rng(1)
    centre = random.normal(2.2, 1.0, 400)
    delays = np.arange(5.0)
    benefit = -((delays - centre[:, np.newaxis]) ** 2)
    names = [strategy.name for strategy in scenario.strategies]
    table = table_of(names, {"c": centre}, np.zeros_like(benefit), benefit)
    reading = OptimalTiming(replace(study_of(), scenario=scenario), table, "opportunistic")
    best = reading.best[0]
    assert best.delay_months == 2.0
    assert best.chance_optimal > 0.99
    nearest = np.clip(np.rint(centre), 0, 4)
    assert best.share_best == pytest.approx(np.mean(nearest == 2))
    assert (best.best_in_draws_low, best.best_in_draws_median, best.best_in_draws_high) == (
        *(float(np.sort(nearest)[int(q * 399)]) for q in (0.25, 0.5, 0.75)),
    )
    rows = [row for row in reading.rows if row.outcome == best.outcome and row.unit == best.unit]
    assert sum(row.share_best for row in rows) == pytest.approx(1.0)
    assert sum(row.chance_optimal for row in rows) == pytest.approx(1.0)
    gap = benefit[:, 3] - benefit[:, 0]
    assert rows[3].difference == pytest.approx(LAMBDA * gap.mean())
    assert rows[3].difference_standard_error == pytest.approx(LAMBDA * gap.std(ddof=1) / 20.0)


def test_the_same_patients_in_all_draws_do_not_average_out():
    """QALYs 0 and 0.02 in every draw, each with an error of 0.01 by few patients: not told apart."""
    scenario = swept_over(timing_scenario(), "", (0.0, 1.0))
    qalys = np.repeat([[0.0, 0.02]], 100, axis=0)
    for error, apart in ((0.01, False), (0.001, True)):
        table = table_of([s.name for s in scenario.strategies], {}, np.zeros_like(qalys), qalys, error=error)
        reading = OptimalTiming(replace(study_of(), scenario=scenario), table, "opportunistic")
        best = next(one for one in reading.best if one.outcome == "QALYs (discounted)")
        row = next(row for row in reading.rows if row.outcome == best.outcome and row.delay_months == 1.0)
        assert row.difference_standard_error == pytest.approx(error * math.sqrt(2))
        assert (best.equal_from_months == best.equal_to_months) == apart
        # P(0.02 + error sqrt(2) Z > 0)
        expected = NormalDist().cdf(0.02 / (error * math.sqrt(2)))
        assert best.chance_optimal == pytest.approx(
            expected, abs=4 * math.sqrt(expected * (1 - expected) / 2_000) + 1e-9
        )


def test_delays_that_make_no_difference_are_not_told_apart():
    scenario = swept_over(timing_scenario(), "", (0.0, 1.0, math.inf))
    flat = np.repeat(np.random.default_rng(2).normal(size=(50, 1)), 3, axis=1)
    table = table_of([s.name for s in scenario.strategies], {}, np.zeros_like(flat), flat)
    best = OptimalTiming(replace(study_of(), scenario=scenario), table, "opportunistic").best[0]
    assert (best.equal_from_months, best.equal_to_months) == (0.0, math.inf)
    assert best.share_best == pytest.approx(1 / 3)


def test_every_delay_is_a_strategy_that_keeps_all_else():
    base = timing_scenario()
    swept = swept_over(base, "conservative", (0.0, 2.0), (1.0, 3.0))
    assert len(swept.strategies) == 4
    for strategy, (delay, interval) in zip(swept.strategies, product((0.0, 2.0), (1.0, 3.0)), strict=True):
        values = strategy.parameters.values_only()
        expected = base.strategies[3].parameters.values_only() | {
            "surgery.delay": delay,
            "watching.interval": interval,
        }
        assert values == expected
        assert strategy.layers.parameters().values_only() == expected
    assert len({strategy.name for strategy in swept.strategies}) == 4
    assert len(swept_over(base, "", DELAYS_MONTHS).strategies) == len(DELAYS_MONTHS)


# --- Sobol and Morris -------------------------------------------------------------------------------------------------


def ishigami(x):
    return np.sin(x[:, 0]) + 7.0 * np.sin(x[:, 1]) ** 2 + 0.1 * x[:, 2] ** 4 * np.sin(x[:, 0])


def screened(quantities, scheme, function):
    design = screening.design_of(quantities, scheme)
    gain = function(design.values) / LAMBDA
    qalys = np.column_stack([gain, np.zeros(len(gain))])
    inputs = dict(zip(design.columns, design.values.T, strict=True))
    table = table_of(("treat", "wait"), inputs, np.zeros_like(qalys), qalys)
    return Screening(study_of(design=design), table, scheme, (net_benefit(),), "treat", "wait")


def test_ishigami_through_the_path_of_a_study():
    """I. T. Ishigami and T. Homma (1990), a = 7, b = 0.1: shares of variance in closed form."""
    quantities = [uncertain(name, -math.pi, math.pi) for name in ("x1", "x2", "x3")]
    scheme = SobolDesign(("x1", "x2", "x3"), 2_048, 7)
    reading = screened(quantities, scheme, ishigami)
    rows = {row.parameter: row for row in reading.ranked()}
    assert list(rows) == ["x1", "x2", "x3"]
    for name, first, total in (("x1", 0.3139, 0.5576), ("x2", 0.4424, 0.4424), ("x3", 0.0, 0.2437)):
        # Scrambled points err by less than independent ones, whose standard error is about 0.03 here.
        assert rows[name].first_order == pytest.approx(first, abs=0.03)
        assert rows[name].total_order == pytest.approx(total, abs=0.03)
    contrast = [row for row in reading.rows if row.outcome == reading.headline]
    alone = [row for row in reading.rows if row.outcome.endswith(": treat")]
    for one, other in zip(contrast, alone, strict=True):
        # 'wait' minus 'treat' has the same shares as 'treat'
        assert one.total_order == pytest.approx(other.total_order, rel=1e-6)


def test_morris_of_a_linear_model_is_exact():
    quantities = [uncertain("a", 0.0, 10.0), uncertain("b", -1.0, 1.0), uncertain("c", 0.0, 1.0)]
    scheme = MorrisDesign(("a", "b", "c"), 6, 4, 3)
    reading = screened(quantities, scheme, lambda x: 2.0 * x[:, 0] - 3.0 * x[:, 1])
    rows = {row.parameter: row for row in reading.ranked()}
    # across the central 95% of a uniform distribution, wait minus treat
    assert rows["a"].mean == pytest.approx(-2.0 * 9.5, rel=1e-6)
    assert rows["b"].mean == pytest.approx(3.0 * 1.9, rel=1e-6)
    assert rows["c"].mean_absolute == pytest.approx(0.0, abs=1e-6)
    assert rows["a"].standard_deviation == pytest.approx(0.0, abs=1e-5)
    assert list(rows) == ["a", "b", "c"]


def test_a_scheme_takes_only_its_own_quantities():
    with pytest.raises(ValueError, match="not those of the scheme"):
        screening.design_of([uncertain("b", 0, 1), uncertain("a", 0, 1)], SobolDesign(("a", "b"), 8, 1))


# --- probabilistic, information ---------------------------------------------------------------------------------------

NORMAL_LOSS = 1.0 / math.sqrt(2.0 * math.pi)
"""E max(Z, 0) of a standard normal number."""


def normal_psa(draws=4_000, sd=(3.0, 1.0), noise=0.0, seed=11):
    """The incremental QALYs of 'treat' are x + y, independent and normal with mean 0; noise of few patients added."""
    random = np.random.default_rng(seed)
    x, y = random.normal(0, sd[0], draws), random.normal(0, sd[1], draws)
    gain = (x + y) / LAMBDA
    qalys = np.column_stack([np.zeros(draws), gain + noise / LAMBDA * random.normal(size=draws)])
    table = table_of(("wait", "treat"), {"x": x, "y": y}, np.zeros_like(qalys), qalys)
    base = table_of(("wait", "treat"), {}, np.zeros((1, 2)), np.zeros((1, 2)))
    # The error of a contrast is that of both strategies together.
    shape = table.noise.shape
    covariance = np.zeros(shape)
    place = table.shape.outcomes.index("QALYs (discounted)")
    covariance[0, 1, place, 1, place] = (noise / LAMBDA) ** 2
    return Probabilistic(study_of("psa"), replace(table, noise=covariance), base)


def test_information_of_two_normal_parameters():
    """EVPI = sqrt(9 + 1) / sqrt(2 pi), EVPPI = sd / sqrt(2 pi): within four standard errors that are small enough."""
    psa = normal_psa()
    quantities = {"x": uncertain("x", -6, 6), "y": replace(uncertain("y", -2, 2), source="prices")}
    reading = Information(psa, quantities, Population(1_000, 10))
    found = {(one.kind, one.known): one for one in reading.worths if one.threshold == LAMBDA}
    expected = {
        (EVERYTHING, EVERYTHING): math.sqrt(10.0) * NORMAL_LOSS,
        (PARAMETER, "x"): 3.0 * NORMAL_LOSS,
        (PARAMETER, "y"): 1.0 * NORMAL_LOSS,
        (SOURCE, "prices"): 1.0 * NORMAL_LOSS,
    }
    for key, value in expected.items():
        one = found[key]
        assert one.standard_error < 0.1
        assert abs(one.value - value) < 4.0 * one.standard_error, key
    everything = found[EVERYTHING, EVERYTHING]
    years = sum(1.05**-t for t in range(1, 11))
    assert everything.population_value == pytest.approx(1_000 * years * everything.value)
    ranked = [one.known for one in reading.ranked(PARAMETER)]
    assert ranked == ["x", "y"]


def test_information_is_told_in_health_too():
    """In QALYs, whatever they cost: here costs are 0, so that it is the value in money divided by the threshold."""
    psa = normal_psa()
    quantities = {"x": uncertain("x", -6, 6), "y": replace(uncertain("y", -2, 2), source="prices")}
    reading = Information(psa, quantities)
    money = {(one.kind, one.known): one.value for one in reading.worths if one.threshold == LAMBDA}
    qalys = {(one.kind, one.known): one.value for one in reading.effects if one.outcome == "QALYs (discounted)"}
    assert qalys == {key: pytest.approx(value / LAMBDA, rel=1e-6) for key, value in money.items()}
    assert {one.outcome for one in reading.effects} == {"QALYs (discounted)", "OS: restricted mean to 120 months"}
    assert all(one.value == 0.0 for one in reading.effects if one.outcome.startswith("OS")), "it is equal in all"
    assert "Were QALYs (discounted) all that counts" in reading.sentences()[-2]


def test_shares_of_variance_by_source():
    psa = normal_psa(noise=2.0)
    quantities = {"x": uncertain("x", -6, 6), "y": replace(uncertain("y", -2, 2), source="prices")}
    reading = Information(psa, quantities)
    shares = {one.source: one for one in reading.explained if one.outcome == "net monetary benefit"}
    assert shares["assumptions outside the fit"].share == pytest.approx(9 / 14, abs=0.04)
    assert shares["prices"].share == pytest.approx(1 / 14, abs=0.03)
    assert shares["few patients in a draw"].share == pytest.approx(4 / 14, abs=0.03)
    assert shares["together only, or by chance"].share == pytest.approx(0.0, abs=0.06)


def test_what_few_patients_add_to_perfect_information_is_told():
    """EVPI of N(0, 10 + noise^2) less that of N(0, 10): told from the noise alone, to first order."""
    noise = 1.5
    psa = normal_psa(noise=noise)
    (worth,) = [one for one in psa.perfect().rows if one.threshold == LAMBDA]
    excess = (math.sqrt(10 + noise**2) - math.sqrt(10)) * NORMAL_LOSS
    assert worth.by_noise == pytest.approx(excess, rel=0.2)
    (quiet,) = [one for one in normal_psa().perfect().rows if one.threshold == LAMBDA]
    assert quiet.by_noise == pytest.approx(0.0, abs=1e-9)


def test_the_summary_of_draws():
    psa = normal_psa(draws=500)
    rows = {(row.strategy, row.outcome): row for row in psa.summary().rows}
    qalys = psa.table.outcome("QALYs (discounted)")[:, 1]
    row = rows["treat", "QALYs (discounted)"]
    assert (row.value, row.mc_se) == pytest.approx((qalys.mean(), qalys.std(ddof=1) / math.sqrt(500)))
    assert (row.low, row.high) == pytest.approx(tuple(np.percentile(qalys, (2.5, 97.5))))
    contrast = {(r.outcome, r.strategy, r.versus): r for r in psa.contrasts().rows}
    assert contrast["QALYs (discounted)", "treat", "wait"].difference == pytest.approx(qalys.mean())
    benefit = contrast[f"net monetary benefit at {LAMBDA:g}", "treat", "wait"]
    assert benefit.difference == pytest.approx(LAMBDA * qalys.mean())
    assert isinstance(psa.costs_and_effects, CostsAndEffects)
    best = [row for row in psa.acceptability().rows if row.threshold == LAMBDA]
    assert {row.strategy: row.share_best for row in best}["treat"] == pytest.approx(np.mean(qalys > 0))


# --- sizes ------------------------------------------------------------------------------------------------------------


def test_the_share_of_noise_and_the_error_of_a_mean():
    """O'Hagan and others: the variance of a draw is tau^2 + sigma^2 / n."""
    split = Split("a", "b", "net monetary benefit", "", 4.0, 8_000.0, 40_000)
    assert split.noise_share(2_000) == pytest.approx(0.5)
    assert split.standard_error(2_000, 100) == pytest.approx(math.sqrt(8.0 / 100))
    assert split.noise_share(40_000) == pytest.approx(0.2 / 4.2)


def test_a_listed_design_has_an_identity_of_its_values():
    one, other = (Listed(("a",), np.array([[value]])) for value in (1.0, 1.0 + 1e-15))
    assert one.identity == Listed(("a",), np.array([[1.0]])).identity
    assert one.identity != other.identity
