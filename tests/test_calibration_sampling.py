"""Sampling errors of reported figures: by hand, and against simulated trials with censoring."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import pytest

from hcc_sim.calibration.sampling import (
    Reading,
    covariance_of_trial,
    effective_patients,
    events_of_ratio,
    of_hazard_ratio,
    of_median,
    of_proportion,
    of_survival_at,
)

Z95, Z90 = 1.959963984540054, 1.6448536269514722
Z = 4.0
LN2 = math.log(2.0)


def log_reading(value: float, error: float) -> Reading:
    return Reading(math.log(value), error, "log", "interval")


# --- medians ----------------------------------------------------------------------------------------------------------


def test_median_from_its_interval_at_its_own_level() -> None:
    wide, narrow = (of_median(12.0, interval=[9.0, 16.0], level=level).error for level in (90, 95))
    assert wide == pytest.approx(math.log(16 / 9) / (2 * Z90))
    assert narrow == pytest.approx(math.log(16 / 9) / (2 * Z95))


def test_an_interval_claims_no_more_than_its_patients_tell() -> None:
    narrow = of_median(10.6, interval=(9.5, 11.7), level=95, patients=170, shape=1.0)
    assert narrow == of_median(10.6, patients=170, shape=1.0)
    assert narrow.error > of_median(10.6, interval=(9.5, 11.7), level=95).error
    wide = of_median(10.6, interval=(6.0, 18.0), level=95, patients=170, shape=1.0)
    assert wide == of_median(10.6, interval=(6.0, 18.0), level=95)


def test_median_with_one_end() -> None:
    assert of_median(12.0, interval=[9.0, None], level=95).error == pytest.approx(math.log(12 / 9) / Z95)


def test_median_from_patients_without_censoring() -> None:
    reading = of_median(12.0, patients=100, events=100, shape=1.5)
    assert reading.value == math.log(12.0)
    assert reading.error == pytest.approx(1.0 / (1.5 * LN2 * 10.0))
    # Turned round it is the binomial error of half of 100 on the logit scale.
    assert 2.0 * 1.5 * LN2 * reading.error == pytest.approx(math.sqrt(1 / 50 + 1 / 50))


@pytest.mark.parametrize(("patients", "events"), [(100, 100), (100, 70), (100, 50), (100, 30), (100, 10), (300, 1)])
def test_effective_patients_lie_between_events_and_patients(patients: float, events: float) -> None:
    n = effective_patients(patients, events)
    assert events <= n <= patients
    assert n <= 1.35 * events


def test_effective_patients_are_greenwoods_integral() -> None:
    hazard = np.linspace(0.0, LN2, 20001)
    integrand = np.exp(hazard) * np.exp(hazard * (100 / 60 - 1))  # 1 / (exp(-H) G)
    assert effective_patients(100, 60) == pytest.approx(100 / np.trapezoid(integrand, hazard), rel=1e-8)


def test_effective_patients_where_one_number_is_missing() -> None:
    assert effective_patients(None, 40) == 40
    assert effective_patients(90, None) == effective_patients(90, 60)


@pytest.mark.parametrize(
    "wrong",
    [
        {"median_months": 0.0, "patients": 10},
        {"median_months": 5.0},
        {"median_months": 5.0, "patients": 10, "shape": 0.0},
        {"median_months": 5.0, "interval": [4.0, 6.0]},
        {"median_months": 5.0, "interval": [6.0, 4.0], "level": 95},
        {"median_months": 5.0, "interval": [None, None], "level": 95},
        {"median_months": 5.0, "interval": [0.0, 6.0], "level": 95},
    ],
)
def test_median_refuses(wrong: dict) -> None:
    with pytest.raises(ValueError, match=r"median|shape|interval"):
        of_median(**wrong)


# --- shares -----------------------------------------------------------------------------------------------------------


def test_proportion() -> None:
    by_count, by_percent = of_proportion(50, count=20), of_proportion(50, percent=40.0)
    assert by_count == by_percent
    assert by_count.value == pytest.approx(math.log(20 / 30))
    assert by_count.error == pytest.approx(math.sqrt(1 / 20 + 1 / 30))


def test_proportion_of_none_and_all() -> None:
    none, every = of_proportion(20, count=0), of_proportion(20, percent=100.0)
    assert none.value == pytest.approx(math.log(0.5 / 20.5))
    assert (none.value, none.error) == pytest.approx((-every.value, every.error))


def test_survival_at_a_time() -> None:
    reading = of_survival_at(40.0, 80)
    assert reading.value == pytest.approx(math.log(-math.log(0.4)))
    assert reading.error == pytest.approx(math.sqrt(0.6 / (0.4 * 80)) / -math.log(0.4))
    width = math.log(math.log(0.3) / math.log(0.5))
    assert of_survival_at(40.0, interval=[30.0, 50.0], level=90).error == pytest.approx(width / (2 * Z90))
    assert math.isfinite(of_survival_at(100.0, 80).value)


def test_shares_refuse() -> None:
    for wrong in ({}, {"percent": 5.0, "count": 1}, {"count": 11}, {"percent": -1.0}):
        with pytest.raises(ValueError, match="proportion"):
            of_proportion(10, **wrong)
    for percent, patients in ((101.0, 10), (100.0, None), (50.0, None)):
        with pytest.raises(ValueError, match="survival"):
            of_survival_at(percent, patients)


# --- hazard ratios ----------------------------------------------------------------------------------------------------


def test_hazard_ratio_from_interval_events_and_p() -> None:
    assert of_hazard_ratio(0.7, [0.5, 0.98], 90).error == pytest.approx(math.log(0.98 / 0.5) / (2 * Z90))
    assert of_hazard_ratio(0.7, events=100).error == pytest.approx(0.2)
    assert of_hazard_ratio(0.7, events=100, allocation=(200, 100)).error == pytest.approx(math.sqrt(9 / 200))
    exact, bound = of_hazard_ratio(0.7, p="= 0.05"), of_hazard_ratio(0.7, p="< 0.05")
    assert exact.error == bound.error == pytest.approx(-math.log(0.7) / Z95)
    assert (exact.basis, bound.basis) == ("p", "bound on p")


@pytest.mark.parametrize(
    "wrong", [{"value": 0.0}, {"value": 0.7}, {"value": 1.0, "p": "= 1"}, {"value": 0.7, "p": "> 0.05"}]
)
def test_hazard_ratio_refuses(wrong: dict) -> None:
    with pytest.raises(ValueError, match="hazard ratio"):
        of_hazard_ratio(**wrong)


def test_events_of_a_ratio() -> None:
    treated, control = events_of_ratio(0.2, 200, 100)
    assert 1 / treated + 1 / control == pytest.approx(0.04)
    assert treated / control == pytest.approx(2.0)


# --- medians and ratios together --------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [0.2, 1.0, 3.0])
@pytest.mark.parametrize("error", [0.01, 0.1, 1.0])
def test_covariance_is_positive_definite_whatever_is_printed(shape: float, error: float) -> None:
    medians = [log_reading(10.0, error), log_reading(8.0, 0.5 * error), log_reading(7.0, error)]
    ratios = [log_reading(0.7, 0.2), log_reading(0.9, 0.05)]
    treated, control = events_of_ratio(0.2, 100, 50)
    one = covariance_of_trial(medians[:1], medians[2], ratios[:1], [treated], control, shape)
    several = covariance_of_trial(medians[:2], medians[2], ratios, [60, 50], 55, shape)
    for matrix in (one, several):
        assert np.array_equal(matrix, matrix.T)
        assert np.linalg.eigvalsh(matrix / np.sqrt(np.outer(matrix.diagonal(), matrix.diagonal()))).min() > 1e-3


def test_covariance_keeps_its_formula_where_errors_are_those_of_the_events() -> None:
    shape, ratio = 1.4, log_reading(0.7, 0.2)
    treated, control = events_of_ratio(0.2, 150, 100)
    medians = (of_median(12.0, patients=150, events=treated, shape=shape), of_median(9.0, events=control, shape=shape))
    matrix = covariance_of_trial(medians[:1], medians[1], [ratio], [treated], control, shape)
    assert matrix[0, 2] == pytest.approx(-1 / (shape * treated))
    assert matrix[1, 2] == pytest.approx(1 / (shape * control))
    assert matrix[0, 1] == 0.0
    assert matrix[2, 2] == pytest.approx(0.04)


Array = npt.NDArray[np.float64]


def sorted_trials(rng: np.random.Generator, trials: int, n: int, shape: float, ratio: float) -> tuple[Array, ...]:
    """Times, whether an event, whether treated, by time: trials of 2 n Weibull patients, censored in proportion."""
    treated = np.tile(np.repeat([True, False], n), (trials, 1))
    hazard = np.where(treated, ratio, 1.0)
    event = (rng.exponential(size=treated.shape) / hazard) ** (1 / shape)
    censored = (rng.exponential(size=treated.shape) / (0.5 * hazard)) ** (1 / shape)
    times = np.minimum(event, censored)
    order = np.argsort(times, axis=1)
    return tuple(np.take_along_axis(a, order, axis=1) for a in (times, event <= censored, treated))


def kaplan_meier_log_median(times: Array, event: Array, arm: Array, n: int) -> Array:
    at_risk = n - (np.cumsum(arm, axis=1) - arm)
    survival = np.cumprod(np.where(arm & event, 1.0 - 1.0 / np.maximum(at_risk, 1), 1.0), axis=1)
    return np.log(np.take_along_axis(times, np.argmax(survival <= 0.5, axis=1)[:, None], axis=1)[:, 0])


def cox_log_ratio(event: Array, treated: Array, n: int) -> Array:
    with_treatment = n - (np.cumsum(treated, axis=1) - treated)
    without = n - (np.cumsum(~treated, axis=1) - ~treated)
    beta = np.zeros(len(event))
    for _ in range(8):
        weight = with_treatment * np.exp(beta)[:, None]
        share = weight / (weight + without)
        score = (event * (treated - share)).sum(axis=1)
        beta += score / (event * share * (1.0 - share)).sum(axis=1)
    return beta


def test_covariance_against_simulated_trials() -> None:
    """4,000 trials of 2 x 300 Weibull patients, a third of them censored; bands by the products' own spread."""
    trials, n, shape, ratio = 4000, 300, 1.4, 0.75
    times, event, treated = sorted_trials(np.random.default_rng(20240), trials, n, shape, ratio)
    medians = [kaplan_meier_log_median(times, event, arm, n) for arm in (treated, ~treated)]
    beta = cox_log_ratio(event, treated, n)
    events = [(event & arm).sum(axis=1).mean() for arm in (treated, ~treated)]
    readings = [of_median(1.0, patients=n, events=d, shape=shape) for d in events]
    error = math.sqrt(1 / events[0] + 1 / events[1])
    expected = covariance_of_trial(readings[:1], readings[1], [log_reading(ratio, error)], events[:1], events[1], shape)
    centred = np.stack([column - column.mean() for column in (*medians, beta)])
    for i, j in ((0, 0), (1, 1), (2, 2), (0, 1), (0, 2), (1, 2)):
        products = centred[i] * centred[j]
        band = Z * products.std(ddof=1) / math.sqrt(trials)
        scale = math.sqrt(expected[i, i] * expected[j, j])
        assert band < 0.15 * scale, "too few trials to see an error of 15%"
        # Formulas for large samples near HR = 1: 4% of the scale is left to them.
        assert abs(products.mean() - expected[i, j]) < band + 0.04 * scale, (i, j)
        if (i, j) == (0, 2):
            # Wrong formulas must fail: the shape forgotten, and medians as if other patients had made them.
            for wrong in (-1.0 / events[0], 0.0):
                assert abs(products.mean() - wrong) > band + 0.04 * scale
