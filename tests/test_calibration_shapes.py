"""Shapes from medians and hazard ratios: the closed form, simulated trials, awkward trials, and the real evidence."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from test_calibration_sampling import cox_log_ratio, kaplan_meier_log_median, sorted_trials

from hcc_sim.calibration import shapes
from hcc_sim.calibration.sampling import Reading, events_of_ratio
from hcc_sim.calibration.shapes import (
    LOG_SHAPES,
    MedianFigure,
    Prior,
    RatioFigure,
    Trial,
    contrast_information,
    covariance,
    log_likelihood,
    pooled,
    shapes_of,
    trials_of,
)
from hcc_sim.figures import Evidence, Figure, Study, load_evidence
from hcc_sim.parameters import load_calibration

CALIBRATION = Path(__file__).parents[1] / "calibration"
OS, PFS = "overall survival", "progression-free survival"
LN2 = math.log(2.0)


def trial(name: str, treated: float, control: float, ratio: float, error: float = 0.15, patients: int = 150) -> Trial:
    reading = Reading(math.log(ratio), error, "log", "interval")
    arms = MedianFigure(treated, patients=patients), MedianFigure(control, patients=patients)
    return Trial(name, (arms[0],), arms[1], (RatioFigure(reading),))


def agreeing(shape: float, number: int = 6) -> list[Trial]:
    """Trials whose figures fit the shape exactly."""
    medians = np.linspace(1.3, 2.2, number)
    return [trial(f"t{i}", 10.0 * m, 10.0, m**-shape) for i, m in enumerate(medians)]


# --- one trial --------------------------------------------------------------------------------------------------------


def test_likelihood_of_one_trial_is_the_closed_form() -> None:
    one = trial("one", 15.0, 10.0, 0.6)
    events = events_of_ratio(0.15, 150, 150)[0]
    q = 150 / events
    variance = 2.0 / (150 * q / (2**q - 1)) / LN2**2 - 0.15**2
    x = np.array([-1.0, 0.0, 0.4, 1.0])
    k = np.exp(x)
    expected = np.log(k) - 0.5 * (math.log(0.6) - k * math.log(10 / 15)) ** 2 / variance
    found = log_likelihood(one, x)
    assert found - found[0] == pytest.approx(expected - expected[0], abs=1e-4)


def test_downweighting_doubles_variances_and_adjustment_adds_to_the_ratio() -> None:
    one = trial("one", 15.0, 10.0, 0.6)
    doubled = Trial(
        "one", (replace(one.treated[0], inflation=2.0),), replace(one.control, inflation=2.0),
        (replace(one.ratios[0], inflation=2.0, discrepancy=0.1),),
    )  # fmt: skip
    assert covariance(doubled, 1.2) == pytest.approx(2.0 * covariance(one, 1.2) + np.diag([0.0, 0.0, 0.01]))


def test_shared_control_counts_once() -> None:
    first, second = trial("a", 15.0, 10.0, 0.6), trial("b", 12.0, 10.0, 0.8)
    both = Trial("both", first.treated + second.treated, first.control, first.ratios + second.ratios)
    matrix = covariance(both, 1.3)
    assert matrix.shape == (5, 5)
    assert matrix[3, 4] == pytest.approx(1.0 / events_of_ratio(0.15, 150, 150)[1])
    assert contrast_information(matrix, 1.3).shape == (2, 2)
    apart = log_likelihood(first, LOG_SHAPES) + log_likelihood(second, LOG_SHAPES)
    joint = log_likelihood(both, LOG_SHAPES)
    assert not np.allclose(np.diff(apart), np.diff(joint), atol=1e-3)


# --- many trials ------------------------------------------------------------------------------------------------------


def simulated(rng: np.random.Generator, trials: int, patients: int, shape: float, spread: float) -> list[Trial]:
    """Trials of Weibull patients, a third of them censored, with Kaplan-Meier medians and Cox estimates."""
    made = []
    for i in range(trials):
        k, ratio = shape * math.exp(spread * rng.standard_normal()), math.exp(rng.normal(-0.3, 0.15))
        times, event, treated = sorted_trials(rng, 1, patients, k, ratio)
        medians = [math.exp(kaplan_meier_log_median(times, event, arm, patients)[0]) for arm in (treated, ~treated)]
        events = [(event & arm).sum() for arm in (treated, ~treated)]
        error = math.sqrt(1 / events[0] + 1 / events[1])
        estimate = math.exp(cox_log_ratio(event, treated, patients)[0])
        made.append(trial(str(i), *medians, estimate, error, patients))
    return made


def test_shapes_of_simulated_trials_are_recovered(monkeypatch: pytest.MonkeyPatch) -> None:
    """200 trials of 2 x 80: the band sees an error of 15%, and one where the contrast of the medians is flat."""
    truth, spread = 1.4, 0.15
    trials = simulated(np.random.default_rng(77), 200, 80, truth, spread)
    found = pooled(trials, OS)
    band = 4.0 * found.log_typical.sd
    assert band < 0.15, "too few trials to see an error of 15%"
    assert abs(found.log_typical.mean - math.log(truth)) < band
    assert found.spread.low < spread < found.spread.high
    assert found.new_study.low < truth < found.new_study.high
    monkeypatch.setattr(shapes, "contrast_information", lambda matrix, shape: np.eye(1))
    wrong = pooled(trials, OS)
    assert abs(wrong.log_typical.mean - math.log(truth)) > band


def test_exact_figures_give_their_shape() -> None:
    found = pooled(agreeing(1.5, 12), OS, prior=Prior(log_shape_sd=5.0, spread=0.02))
    assert found.typical.low < 1.5 < found.typical.high


def test_one_trial_against_a_direct_integral() -> None:
    one, prior = trial("one", 15.0, 10.0, 0.6), Prior()
    found = pooled([one], OS, prior=prior)
    tau = shapes.SPREADS
    sd = np.sqrt(prior.log_shape_sd**2 + tau**2)[:, None]
    of_log_shape = np.exp(-0.5 * (tau / prior.spread) ** 2) @ (np.exp(-0.5 * (LOG_SHAPES / sd) ** 2) / sd)
    weights = of_log_shape * np.exp(log_likelihood(one, LOG_SHAPES))
    assert found.studies["one"].mean == pytest.approx(weights @ np.exp(LOG_SHAPES) / weights.sum(), rel=5e-3)


def test_medians_alike_do_not_blow_up() -> None:
    without = pooled(agreeing(1.4), OS)
    for ratio in (0.8, 1.0):
        found = pooled([*agreeing(1.4), trial("alike", 10.0, 10.0, ratio)], OS)
        alike = found.studies["alike"]
        assert 0.5 < alike.low < alike.mean < alike.high < 4.0
        assert alike.sd > found.studies["t5"].sd
        assert abs(found.log_typical.mean - without.log_typical.mean) < without.log_typical.sd


def test_contradicting_signs_stay_in() -> None:
    without = pooled(agreeing(1.4), PFS)
    found = pooled([*agreeing(1.4), trial("against", 7.0, 10.0, 0.75)], PFS)
    assert found.studies["against"].mean < 0.9 * found.typical.mean
    assert found.studies["against"].low > 0.0
    assert found.typical.mean < without.typical.mean
    assert found.spread.mean > without.spread.mean


def test_same_input_same_bits() -> None:
    assert pooled(agreeing(1.2), OS) == pooled(agreeing(1.2), OS)


# --- figures ----------------------------------------------------------------------------------------------------------


def figure(number: int, measure: str, **other: object) -> Figure:
    given = {
        "id": f"s.{measure}.n{number}", "document": "invented", "where": "nowhere", "endpoint": OS, "measure": measure,
        "unit": "ratio" if measure == "hazard_ratio" else "months", "support": "memory", "kind": "reported",
        "status": "use", "reason": "an example",
    }  # fmt: skip
    return Figure.model_validate(given | other)


def made(*ratios: dict, status: str = "use") -> Evidence:
    """A study of arms a, b and control c with 100 patients each and medians 15, 12 and 10 months."""
    figures = [
        figure(i, "median", regimen=arm, value=value, status=status)
        for i, (arm, value) in enumerate(zip("abc", (15, 12, 10), strict=True))
    ]
    usual = {"value": 0.7, "interval": [0.5, 0.98], "level": 95, "comparator": "c"}
    figures += [figure(i, "hazard_ratio", **(usual | ratio)) for i, ratio in enumerate(ratios)]
    arms = [{"regimen": arm, "patients": 100} for arm in "abc"]
    study = {"study": "s", "title": "s", "design": "randomised", "population": "nobody", "arms": arms}
    return Evidence({"s": Study.model_validate(study | {"figures": figures})}, {})


def test_trials_are_read_from_figures() -> None:
    evidence = made({"regimen": "a"}, {"regimen": "b", "status": "down-weight", "adjusted": True})
    (one,), left_out = trials_of(evidence, OS, 0.1)
    assert (one.name, len(one.treated), one.control.patients, left_out) == ("s", 2, 100, {})
    assert [ratio.inflation for ratio in one.ratios] == [1.0, 2.0]
    assert [ratio.discrepancy for ratio in one.ratios] == [0.0, 0.1]
    assert set(shapes_of(evidence, OS).studies) == {"s"}


def test_figures_that_cannot_be_used_are_named() -> None:
    none = {"interval": None, "level": None}
    evidence = made({"regimen": "a"}, {"regimen": "b"} | none, {"regimen": "d"}, {"regimen": "b", "status": "exclude"})
    trials, left_out = trials_of(evidence, OS, 0.1)
    assert len(trials) == 1
    assert set(left_out) == {"s.hazard_ratio.n1", "s.hazard_ratio.n2"}
    with pytest.raises(ValueError, match="no hazard ratio has the medians"):
        shapes_of(made({"regimen": "a"}, status="context"), OS)
    with pytest.raises(ValueError, match="a shape is of"):
        shapes_of(evidence, "objective response")


def test_shapes_of_the_evidence() -> None:
    evidence = load_evidence(CALIBRATION, load_calibration(CALIBRATION).sources)
    survival, progression = (shapes_of(evidence, endpoint) for endpoint in (OS, PFS))
    assert survival.typical.low < 1.5 < survival.typical.high
    assert progression.typical.low < 1.0 < progression.typical.high
    assert survival.log_typical.sd < 0.15
    assert survival.typical.mean > progression.typical.mean
    # Medians that are alike, and one contrast that points the other way, are among the studies.
    assert {"agirrezabal_2024", "leap_002", "emerald1", "meyer_2013"} <= set(progression.studies)
    assert all(math.isfinite(study.sd) for study in (*survival.studies.values(), *progression.studies.values()))
