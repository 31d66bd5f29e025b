"""What a fit says of itself: parameters spent, posterior predictive checks, the ridge, regimens of the network."""

from __future__ import annotations

import math
import os
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from scipy import stats
from test_calibration_fit import closed_form, straight

from hcc_sim.calibration.checks import ALL, effective_by_arm, predictive_checks
from hcc_sim.calibration.fit import Fit, fit, model_of, sizes_of
from hcc_sim.calibration.only_in_network import NEAR, _root
from hcc_sim.calibration.parallel import FORKS, MANY, in_parallel
from hcc_sim.calibration.posterior import FARTHEST_Z, Posterior, draw_posterior
from hcc_sim.calibration.reproduce import MORE, Predictions, predict_draws, unflagged
from hcc_sim.calibration.ridge import EFFECTS, SELECTING, SIZES, RidgePoint, ridge_of
from hcc_sim.calibration.solve import KINDS_OF_LUCK, Search
from hcc_sim.calibration.statistics import Predicted
from hcc_sim.calibration.three_ways import at_ends_of_follow_up
from hcc_sim.figures import Evidence
from hcc_sim.parameters import Calibration
from hcc_sim.pathway.hcc import EFFECT_OF_SURGERY
from hcc_sim.quantiles import CENTRAL
from hcc_sim.report.ridge_plot import ridge_plot

CALIBRATION = Path(__file__).parents[1] / "calibration"


# --- parameters spent, and predictive checks --------------------------------------------------------------------------


def test_parameters_spent_by_arms_add_up(known: Calibration, evidence: Evidence):
    model, search = straight(known, evidence)
    mean, _ = closed_form(model, search)
    posterior = draw_posterior(search, search.at(mean), np.ones(4, dtype=bool), 10, seed=1)
    by_arm = effective_by_arm(search, posterior)
    assert {one.arm for one in by_arm} == {"launch/tace+lenvatinib", "launch/lenvatinib"}
    assert sum(one.figures for one in by_arm) == len(model.targets)
    assert sum(one.effective_parameters for one in by_arm) == pytest.approx(posterior.effective_parameters)


@pytest.mark.parametrize("factor", [0.0, 1.0, 3.0])
def test_predictive_checks_tell_errors_that_are_too_large_or_too_small(
    known: Calibration, evidence: Evidence, factor: float
):
    """Reports that lie `factor` times as far from the draws as their errors say: p is 1/2 on average at 1."""
    levels = (np.arange(1000) + 0.5) / 1000
    _, search = straight(known, evidence)
    lower = np.linalg.cholesky(search.covariance)
    noise = np.random.Generator(np.random.PCG64(3)).standard_normal((2000, len(search.covariance)))
    predicted = search.observed + factor * noise @ lower.T
    checks = predictive_checks(search, SimpleNamespace(predicted=predicted))
    assert checks[0].kind == ALL
    assert sum(one.figures for one in checks[1:]) == checks[0].figures
    assert (checks[0].p < 0.001) == (factor > 1.0)
    assert {one.kind for one in checks[1:]} == {target.figure.measure for target in search.model.targets}
    for one in checks:
        expected = stats.chi2.sf(factor**2 * stats.chi2.ppf(levels, one.figures), one.figures).mean()
        assert one.p == pytest.approx(expected, abs=4.0 * 0.29 / math.sqrt(2000))
        band = 4.0 * factor**2 * math.sqrt(2.0 * one.figures / 2000)
        assert one.distance == pytest.approx(factor**2 * one.figures, abs=max(band, 1e-9))


def test_doubts_are_told(known: Calibration, evidence: Evidence):
    model, search = straight(known, evidence)
    mean, _ = closed_form(model, search)
    sound = draw_posterior(search, search.at(mean), np.ones(4, dtype=bool), 10, seed=1)
    assert sound.doubts == ()
    values = {name: getattr(sound, name) for name in ("predicted", "weights", "covariance", "slope", "told")}
    at_the_edge = Posterior(draws=np.full_like(sound.draws, FARTHEST_Z), off=sound.off, **values)
    assert [text.partition(" ")[0] for text in at_the_edge.doubts] == ["100%"]
    off = Posterior(draws=sound.draws, off=np.full(10, 0.8), **values)
    assert off.doubts == ("draws lie 0.80 prior standard deviations from their roots (median)",)


def test_the_luck_of_the_simulation_is_added_to_the_errors(known: Calibration, evidence: Evidence):
    """Predictions that other luck moves by known amounts; a target that some luck cannot tell keeps its own error."""
    model, search = straight(known, evidence)
    before = search.covariance.copy()
    numbers = np.random.Generator(np.random.PCG64(8))
    moves = numbers.standard_normal((KINDS_OF_LUCK, len(model.targets)))
    moves[3, 1] = math.nan

    def with_luck(kind: int) -> object:
        told = zip(model.predict(np.zeros(4)), moves[kind - 1], strict=True)
        moved = [Predicted(p.working + move, p.printed) for p, move in told]
        return SimpleNamespace(predict=lambda _: moved)

    model.with_luck = with_luck
    search.count_luck(np.zeros(4))
    added = search.covariance - before
    kept = [i for i in range(len(moves[0])) if i != 1]
    assert added[np.ix_(kept, kept)] == pytest.approx(np.cov(moves[:, kept], rowvar=False))
    assert not added[1].any()
    assert not added[:, 1].any()


def test_what_goes_with_what_is_kept_for_beliefs(compared: Fit):
    """Correlations to first order, with the standard deviations of the ledger."""
    spread = {entry.name: entry.sd_ratio for entry in compared.ledger}
    owners = {one.name: one.owner for one in compared.quantities}
    assert set(compared.covariance) == {n for n, owner in owners.items() if not owner and not n.startswith("trial.")}
    places = {one.name: one for one in compared.quantities}
    for name, row in compared.covariance.items():
        assert row[name] == pytest.approx(spread[name] ** 2, abs=1e-5)
        for other, value in row.items():
            one, two = places[name], places[other]
            weights = np.zeros((2, len(compared.unknowns)))
            weights[0, list(one.places)], weights[1, list(two.places)] = one.weights, two.weights
            c = weights @ compared.posterior.covariance @ weights.T
            expected = c[0, 1] / math.sqrt(c[0, 0] * c[1, 1]) * spread[name] * spread[other] * one.spread * two.spread
            assert value == pytest.approx(expected, abs=1e-5)
    assert sum(abs(value) > 0.05 for row in compared.covariance.values() for value in row.values()) > 100


def test_arms_that_are_not_told_well_enough_get_more_patients(
    known: Calibration, evidence: Evidence, monkeypatch: pytest.MonkeyPatch
):
    model, _ = model_of(known, evidence, ("zhang_2016", "launch"), patients=200, seed=2)
    draws = np.random.default_rng(3).normal(0.0, 0.3, (6, len(model.unknowns)))

    def told(sure: float, patients: int = 200) -> Predictions:
        monkeypatch.setattr("hcc_sim.calibration.reproduce.SURE", sure)
        return predict_draws(model.with_patients(patients), draws)

    few, many = told(math.inf), told(0.0)
    assert np.array_equal(many.means, told(math.inf, MORE * 200).means, equal_nan=True)
    assert np.nanmedian(many.errors / few.errors) < 0.6
    errors = np.array([target.reading.error for target in model.targets])
    limit = 0.5 * float(np.nanmax(few.errors / errors))  # some arms are beyond it, some are not
    some = told(limit)
    again = {target.study for target, error in zip(model.targets, few.errors / errors, strict=True) if error > limit}
    assert again == {"zhang_2016"}
    of_zhang = np.array([target.study == "zhang_2016" for target in model.targets])
    assert np.array_equal(some.means, np.where(of_zhang, many.means, few.means), equal_nan=True)
    assert np.array_equal(some.errors, np.where(of_zhang, many.errors, few.errors), equal_nan=True)


def test_what_lies_far_off_without_a_flag_is_named(compared: Fit):
    targets = list(compared.targets)[:3]
    rows = [SimpleNamespace(z=z) for z in (3.5, -3.5, 2.9)]
    flags = zip(targets, ([], ["why"], []), strict=True)
    flagged = [replace(t, figure=t.figure.model_copy(update={"flags": f})) for t, f in flags]
    assert unflagged(flagged, rows) == [targets[0].figure.id]


def test_ratios_by_follow_up_come_from_either_end_of_its_prior(known: Calibration, evidence: Evidence):
    model, _ = model_of(known, evidence, ("launch",), patients=3000, seed=2)
    names = [unknown.name for unknown in model.unknowns]
    point = np.zeros(len(names))
    point[names.index("launch/tace+lenvatinib: progression.median_of_non_responders")] = 2.0
    ends = at_ends_of_follow_up(model, point)
    for at, sign in ((0, -1.0), (1, 1.0)):
        z = point.copy()
        z[names.index("trial.follow_up")] = sign * CENTRAL
        assert model.trial_values(z)["trial.follow_up"] == pytest.approx((10.0, 40.0)[at])
        for target, told in zip(model.targets, model.predict(z), strict=True):
            if target.versus is not None:
                assert ends[target.figure.id][at] == told.printed
    assert any(abs(short - long) > 1e-3 for short, long in ends.values())


# --- effect of surgery against selection ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def compared(known: Calibration, evidence: Evidence) -> Fit:
    return fit(known, evidence, ("zhang_2016", "launch"), draws=2, patients=300, seed=2)


def test_the_ridge_is_a_full_grid_sought_from_point_to_point(
    known: Calibration, evidence: Evidence, monkeypatch: pytest.MonkeyPatch
):
    sizes, effects = (0.0, 1.0, 2.0, 4.0), (0.4, 1.0, 2.5)
    monkeypatch.setattr("hcc_sim.calibration.ridge.EFFECTS", effects)

    def ridge_with(jacobians: int) -> list[RidgePoint]:
        monkeypatch.setattr("hcc_sim.calibration.ridge.JACOBIANS", jacobians)
        return fit(known, evidence, ("zhang_2016",), draws=2, patients=200, seed=2, ridge=True).ridge

    rough, ridge = ridge_with(0), ridge_with(1)
    assert sizes == SIZES
    assert [(p.selection, p.effect) for p in ridge] == [(s, e) for s in sizes for e in effects]
    assert np.isfinite([point.objective for point in ridge]).all()
    assert np.mean([p.objective for p in ridge]) < np.mean([p.objective for p in rough])


def test_the_ridge_is_sought_only_when_asked_for(compared: Fit):
    assert compared.ridge == []


def test_at_the_best_point_the_ridge_has_its_sum_of_squares_without_what_is_held(
    known: Calibration, evidence: Evidence, monkeypatch: pytest.MonkeyPatch
):
    model, _ = model_of(known, evidence, ("zhang_2016", "launch"), patients=300, seed=2)
    search = Search(model, sizes_of(evidence))
    best = search.run(np.zeros(len(model.unknowns)))
    place = {one.name: one.places[0] for one in model.quantities if not one.owner}
    held = [place[name] for name in (EFFECT_OF_SURGERY, *SELECTING)]
    z = best.z.copy()
    z[held] = (0.8, -0.7, 0.6)  # a place where what is held has squares that would show
    there = search.at(z)
    effect = next(one for one in model.quantities if one.name == EFFECT_OF_SURGERY).value(z)
    monkeypatch.setattr("hcc_sim.calibration.ridge.STEPS", 0)
    monkeypatch.setattr("hcc_sim.calibration.ridge.SIZES", (1.0, 3.0))
    monkeypatch.setattr("hcc_sim.calibration.ridge.EFFECTS", (effect,))
    posterior = SimpleNamespace(told=search.told, slope=model.slopes(z, search.told))
    same, selected = ridge_of(search, there, posterior)
    assert same.objective == pytest.approx(there.objective - float(np.sum(z[held] ** 2)), abs=1e-6)
    assert abs(selected.objective - same.objective) > 0.01


def test_there_is_no_ridge_without_a_comparison(known: Calibration, evidence: Evidence):
    assert fit(known, evidence, ("launch",), draws=2, patients=100, seed=2, ridge=True).ridge == []


def test_the_ridge_is_drawn_along_the_best_of_its_grid():
    """A valley along ln effect = 0.3 selection - 0.5, of the quadratic that the shades are."""
    points = [
        {"selection": s, "effect": e, "objective": 200.0 + 4.0 * (math.log(e) - 0.3 * s + 0.5) ** 2}
        for s in SIZES
        for e in EFFECTS
    ]
    plot = ridge_plot(points, {"family": "log-normal", "low": 0.5, "high": 2.0, "z": -0.4, "sd_ratio": 0.9})
    left, right = plot.axes
    (line,) = (one for one in left.lines if len(one.get_xdata()) == len(SIZES))
    best = [min(EFFECTS, key=lambda e: abs(math.log(e) - 0.3 * s + 0.5)) for s in SIZES]
    assert list(line.get_ydata()) == best
    assert sum(text.get_text() == "0.0" for text in left.texts) >= 1
    assert [one.get_label() for one in right.lines] == ["prior", "posterior"]


# --- regimens that the network alone knows ----------------------------------------------------------------------------


@pytest.mark.parametrize("asked", [-1.2, -0.1, 0.0, 0.7])
def test_the_progression_is_found_that_shows_a_ratio(asked: float):
    calls = []

    def ratio(z: float) -> float:
        calls.append(z)
        return 0.3 - 0.6 * z + 0.05 * z**2

    z, reached = _root(ratio, 0.0, asked)
    assert ratio(z) == pytest.approx(reached)
    assert abs(reached - asked) < NEAR
    assert len(calls) < 10


def test_a_ratio_that_no_progression_shows_is_missed_and_told():
    z, reached = _root(lambda z: -0.2 - 0.1 * math.tanh(z), 0.0, -2.0)
    assert reached == pytest.approx(-0.3, abs=0.001)
    assert abs(z) <= FARTHEST_Z


def test_a_study_with_one_figure_is_fitted(known: Calibration, evidence: Evidence):
    found = fit(known, evidence, ("qin_2021",), draws=2, patients=100, seed=2)
    assert sum(target.fitted for target in found.targets) == 1


# --- in parallel ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("items", [0, 1, 7, MANY + 3])
def test_results_come_in_the_order_of_the_items(items: int):
    assert list(in_parallel(lambda x: x * x, range(items))) == [x * x for x in range(items)]


@pytest.mark.skipif(not FORKS or (os.cpu_count() or 1) < 2, reason="needs forks and two processors")
def test_long_items_are_worked_on_elsewhere():
    assert os.getpid() not in list(in_parallel(lambda _: os.getpid(), range(4), long=True))
    assert set(in_parallel(lambda _: os.getpid(), range(4))) == {os.getpid()}
    with pytest.raises(ZeroDivisionError):
        list(in_parallel(lambda x: 1 // x, range(4), long=True))
