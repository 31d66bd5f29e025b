"""What a fit says of itself: parameters spent, posterior predictive checks, the ridge, regimens of the network."""

from __future__ import annotations

import math
import os
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from scipy import stats
from test_calibration_fit import closed_form, straight

from hcc_sim.calibration.checks import ALL, effective_by_arm, predictive_checks
from hcc_sim.calibration.fit import Fit, fit
from hcc_sim.calibration.only_in_network import NEAR, _root
from hcc_sim.calibration.parallel import FORKS, MANY, in_parallel
from hcc_sim.calibration.posterior import FARTHEST_Z, Posterior, draw_posterior
from hcc_sim.calibration.ridge import EFFECTS, SIZES
from hcc_sim.figures import Evidence, load_evidence
from hcc_sim.parameters import Calibration, load_calibration
from hcc_sim.report.ridge_plot import ridge_plot

CALIBRATION = Path(__file__).parents[1] / "calibration"


@pytest.fixture(scope="module")
def known() -> Calibration:
    return load_calibration(CALIBRATION)


@pytest.fixture(scope="module")
def evidence(known: Calibration) -> Evidence:
    return load_evidence(CALIBRATION, known.sources)


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


# --- effect of surgery against selection ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def compared(known: Calibration, evidence: Evidence) -> Fit:
    return fit(known, evidence, ("zhang_2016", "launch"), draws=2, patients=300, seed=2)


def test_the_ridge_is_a_full_grid_around_the_best_point(compared: Fit):
    assert [(p.selection, p.effect) for p in compared.ridge] == [(s, e) for s in SIZES for e in EFFECTS]
    objectives = np.array([point.objective for point in compared.ridge])
    assert np.isfinite(objectives).all()
    near = next(p.objective for p in compared.ridge if (p.selection, p.effect) == (1.0, 1.0))
    assert near == pytest.approx(compared.objective, abs=4.0)


def test_there_is_no_ridge_without_a_comparison(known: Calibration, evidence: Evidence):
    assert fit(known, evidence, ("launch",), draws=2, patients=100, seed=2).ridge == []


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
