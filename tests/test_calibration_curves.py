"""Curves fitted to what is reported of one arm: closed forms, exact recovery, weights, and figures refused."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from hcc_sim.calibration.curves import FAMILIES, FamilyFit, Landmark, Median, Point, Range, fit_curves
from hcc_sim.laws import Exponential, GeneralisedGamma, Gompertz, Law, LogLogistic, LogNormal, Weibull

LAWS: dict[str, Law] = {
    "exponential": Exponential(0.06),
    "weibull": Weibull(1.4, 18.0),
    "gompertz": Gompertz(0.03, 0.04),
    "log-logistic": LogLogistic(1.8, 12.0),
    "log-normal": LogNormal(2.4, 0.9),
    "generalised gamma": GeneralisedGamma(2.6, 0.7, 0.5),
}


def median(law: Law, patients: float = 150) -> Median:
    return Median("median", law.median(), patients=patients)


def landmark(law: Law, months: float, patients: float = 150) -> Landmark:
    return Landmark(f"at {months:g}", months, 100.0 * law.survival(months), patients=patients)


def fit_of(family: str, *points: Point) -> FamilyFit:
    (fit,) = fit_curves(points, families=[family]).fits
    return fit


# --- closed forms and recovery ----------------------------------------------------------------------------------------


def test_one_median_is_an_exponential_law() -> None:
    fits = fit_curves([Median("m", 12.0, patients=80)])
    assert fits.weights == {"exponential": 1.0}
    assert fits.fits[0].law.median() == pytest.approx(12.0)
    assert fits.left_out == {name: f"{f.parameters} parameters" for name, f in FAMILIES.items() if f.parameters > 1}


@pytest.mark.parametrize("family", [name for name, family in FAMILIES.items() if family.parameters == 2])
def test_median_and_landmark_in_closed_form(family: str) -> None:
    truth = LAWS[family]
    fit = fit_of(family, landmark(truth, 24.0), median(truth))
    assert fit.deviance == pytest.approx(0.0, abs=1e-16)
    assert fit.law.quantile(0.9) == pytest.approx(truth.quantile(0.9), rel=1e-9)


@pytest.mark.parametrize("family", list(LAWS))
def test_figures_without_error_give_their_law(family: str) -> None:
    truth = LAWS[family]
    points = [median(truth), *(landmark(truth, months) for months in (6.0, 12.0, 24.0, 36.0))]
    fit = fit_of(family, *points)
    assert fit.law.median() == pytest.approx(truth.median(), rel=0.005)
    months = np.linspace(1.0, 60.0, 60)
    assert np.abs(fit.law.survival(months) - truth.survival(months)).max() < 0.003
    assert fit.fitted[0] == pytest.approx(truth.median(), rel=0.005)
    assert fit.fitted[1:] == pytest.approx([point.percent for point in points[1:]], abs=0.3)


def test_two_landmarks_suffice_for_two_parameters() -> None:
    truth = LAWS["weibull"]
    assert fit_of("weibull", landmark(truth, 6.0), landmark(truth, 24.0)).law.median() == pytest.approx(truth.median())


def test_ranges_pull_the_curve_inside() -> None:
    law = fit_of("exponential", Range("median", 10.0, 14.0), Range("two years", 20.0, 30.0, months=24.0)).law
    assert 10.0 < law.median() < 14.0
    assert 0.2 < law.survival(24.0) < 0.3


def test_deviance_of_one_misfit_is_its_square_in_standard_errors() -> None:
    """Two figures of the same patients: the variance of H at the first is shared, but for 5%."""
    points = [Median("m", 12.0, patients=100, events=100), Landmark("l", 24.0, 15.0, patients=100)]
    fit = fit_of("exponential", *points)
    h = np.array([math.log(2.0), -math.log(0.15)])
    variance = np.array([0.01, 0.85 / (0.15 * 100)])  # of H
    covariance = np.array([[variance[0], 0.95 * variance[0]], [0.95 * variance[0], variance[1]]])
    covariance /= np.outer(h, h)
    off = np.log(fit.law.cumulative_hazard(np.array([12.0, 24.0]))) - np.log(h)
    assert fit.deviance == pytest.approx(off @ np.linalg.solve(covariance, off))
    ones = np.ones(2)
    best = ones @ np.linalg.solve(covariance, np.log(h / [12.0, 24.0])) / (ones @ np.linalg.solve(covariance, ones))
    assert math.log(fit.law.rate_per_month) == pytest.approx(best, abs=1e-6)


def test_an_interval_weighs_as_it_is_narrow() -> None:
    landmarks = [Landmark("a", 6.0, 70.0, patients=60), Landmark("b", 24.0, 35.0, patients=60)]
    narrow, wide = (
        fit_of("weibull", Median("m", 9.0, interval=interval, level=95), *landmarks).law.median()
        for interval in ((8.8, 9.2), (5.0, 16.0))
    )
    assert abs(narrow - 9.0) < 0.2 < abs(wide - 9.0)


# --- weights ----------------------------------------------------------------------------------------------------------


def test_two_figures_do_not_separate_families() -> None:
    truth = LAWS["weibull"]
    weights = fit_curves([median(truth), landmark(truth, 24.0)]).weights
    assert weights["exponential"] == 0.0
    assert {weights[name] for name, family in FAMILIES.items() if family.parameters == 2} == {0.25}


@pytest.mark.parametrize("family", ["weibull", "log-normal", "exponential"])
def test_many_precise_figures_find_the_family(family: str) -> None:
    truth = LAWS[family]
    points = [median(truth, 5000), *(landmark(truth, months, 5000) for months in (3.0, 6.0, 12.0, 24.0, 36.0, 48.0))]
    fits = fit_curves(points)
    assert sum(fits.weights.values()) == pytest.approx(1.0)
    assert max(fits.weights, key=lambda name: fits.weights[name]) == family


def test_a_parameter_costs_the_logarithm_of_how_many_figures_there_are() -> None:
    truth = LAWS["exponential"]
    fits = fit_curves([median(truth), *(landmark(truth, months) for months in (6.0, 24.0))])
    weights = fits.weights
    assert [fit.deviance for fit in fits.fits if fit.family in ("exponential", "weibull")] == pytest.approx([0.0, 0.0])
    assert weights["exponential"] / weights["weibull"] == pytest.approx(math.sqrt(3.0))


def test_inflation_multiplies_the_variance() -> None:
    """A figure of half the patients has twice the variance."""
    truth, other = LAWS["weibull"], Landmark("other", 24.0, 25.0, patients=80)
    halved = fit_curves([median(truth, 50), landmark(truth, 6.0, 60), other])
    doubled = [replace(point, inflation=2.0) for point in (median(truth, 100), landmark(truth, 6.0, 120))]
    inflated = fit_curves([*doubled, other])
    assert inflated.weights == pytest.approx(halved.weights)
    ranges = [[Range("r", 10.0, 14.0, inflation=i), other, landmark(truth, 6.0)] for i in (1.0, 2.0)]
    assert fit_of("exponential", *ranges[0]).deviance > fit_of("exponential", *ranges[1]).deviance > 0.0


def test_few_patients_separate_less() -> None:
    truth = LAWS["weibull"]
    by_size = [
        fit_curves([median(truth, n), *(landmark(truth, months, n) for months in (6.0, 24.0))]).weights["log-normal"]
        for n in (30, 3000)
    ]
    assert by_size[0] > 10 * by_size[1]


# --- refused ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("points", "message"),
    [
        ([], "no figures"),
        ([Median("m", 40.0, patients=50)], "m: 40 months lie beyond the follow-up of 36 months"),
        ([Landmark("a", 12.0, 40.0, patients=50), Landmark("b", 24.0, 45.0, patients=50)], "a, b: survival rises"),
        ([Median("m", 12.0, patients=50), Landmark("b", 24.0, 55.0, patients=50)], "m, b: survival rises"),
        ([Range("r", 10.0, 14.0), Landmark("b", 24.0, 55.0, patients=50)], "r, b: survival rises"),
        ([Median("m", 12.0, patients=50), Landmark("b", 24.0, 50.0, patients=50)], "m, b: survival stands still"),
        ([Median("m", 12.0, patients=50), Median("n", 14.0, patients=50)], "m, n: survival stands still"),
        ([Landmark("a", 12.0, 80.0, patients=50), Landmark("b", 24.0, 80.0, patients=50)], "a, b: survival stands"),
        ([Landmark("a", 12.0, 80.0, patients=50), Landmark("b", 24.0, 79.99, patients=50)], "a, b: no weibull law"),
        ([Range("r", 30.0, 20.0, months=12.0)], "r: 30 to 20 is no range"),
        ([Median("m", 0.0, patients=50)], "m: a time in months"),
        ([Median("m", 12.0)], "m: a median needs"),
        ([Landmark("a", 12.0, 40.0)], "a: survival at a time needs"),
        ([Landmark("a", 12.0, 140.0, patients=50)], "a: survival lies between"),
    ],
)
def test_figures_refused_by_name(points: list[Point], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        fit_curves(points, follow_up_months=36.0)


def test_too_few_figures_for_a_family() -> None:
    with pytest.raises(ValueError, match="weibull: 2 parameters, but figures at 1 times only: m, again"):
        fit_curves([Median("m", 12.0, patients=50), Median("again", 12.0, patients=60)], families=["weibull"])
    with pytest.raises(ValueError, match="unknown family"):
        fit_curves([Median("m", 12.0, patients=50)], families=["gamma"])


def test_survival_of_all_patients_has_an_error() -> None:
    points = [Landmark("all", 3.0, 100.0, patients=40), Landmark("later", 24.0, 40.0, patients=40)]
    assert 90.0 < fit_of("weibull", *points).fitted[0] < 100.0
