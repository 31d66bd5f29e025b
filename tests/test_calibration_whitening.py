"""Errors of all targets together: what is read off the same patients goes together, and whitening takes it apart."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from scipy import linalg, stats

from hcc_sim.calibration import sampling, statistics
from hcc_sim.calibration.sampling import Reading
from hcc_sim.calibration.targets import Target, targets_of
from hcc_sim.calibration.whitening import ADJUSTED_DISCREPANCY, Whitening, covariance_of
from hcc_sim.figures import Figure, load_evidence
from hcc_sim.parameters import load_calibration

CALIBRATION = Path(__file__).parents[1] / "calibration"
Floats = np.ndarray
OS, PFS = "overall survival", "progression-free survival"


def target(
    arm: str,
    value: float,
    error: float,
    versus: str | None = None,
    endpoint: str = OS,
    *,
    adjusted: bool = False,
    subset: str | None = None,
) -> Target:
    """A median of an arm, or its hazard ratio against another; both of study `s`, unless the arm names one."""
    study = arm.partition("/")[0] if "/" in arm else "s"
    arm, versus = (name if name is None or "/" in name else f"s/{name}" for name in (arm, versus))
    measure, times = ("median", statistics.overall_survival) if versus is None else ("hazard_ratio", None)
    figure = Figure(
        id="s.x", document="d", where="w", regimen="r", comparator=versus, endpoint=endpoint, measure=measure,
        value=value, unit="months", adjusted=adjusted, subset=subset, support="source", kind="reported", status="use",
        reason="an example",
    )  # fmt: skip
    statistic = statistics.median(times, value, 1.0) if times else statistics.contrast(statistics.overall_survival)
    return Target(study, str(arm), versus, figure, statistic, Reading(math.log(value), error, "log", "interval"))


TREATED, CONTROL, RATIO = target("a", 20, 0.12), target("c", 14, 0.11), target("a", 0.65, 0.15, "c")
SIZES = {"s/a": 150.0, "s/c": 100.0}


def correlation(covariance: Floats) -> Floats:
    spread = np.sqrt(np.diag(covariance))
    return covariance / np.outer(spread, spread)


# --- one contrast -----------------------------------------------------------------------------------------------------


def test_medians_and_ratio_of_a_contrast():
    """A longer treated median goes with a lower ratio, a longer control median with a higher one."""
    covariance = covariance_of([TREATED, CONTROL, RATIO], SIZES)
    treated_events, control_events = sampling.events_of_ratio(0.15, 150.0, 100.0)
    assert np.diag(covariance) == pytest.approx([0.12**2, 0.11**2, 0.15**2])
    assert covariance[0, 1] == 0.0
    assert covariance[0, 2] == pytest.approx(-1.0 / (1.5 * treated_events))
    assert covariance[1, 2] == pytest.approx(1.0 / (1.5 * control_events))
    assert_array_equal(covariance, covariance.T)


def test_it_is_the_covariance_of_the_contrast():
    treated, control = sampling.events_of_ratio(0.15, 150.0, 100.0)
    readings = [TREATED.reading], CONTROL.reading, [RATIO.reading]
    expected = sampling.covariance_of_trial(*readings, [treated], control, 1.5)
    assert covariance_of([TREATED, CONTROL, RATIO], SIZES) == pytest.approx(expected)


def test_the_shape_goes_with_the_endpoint():
    of_survival = covariance_of([TREATED, CONTROL, RATIO], SIZES)
    three = [target("a", 20, 0.4, None, PFS), target("c", 14, 0.4, None, PFS), target("a", 0.65, 0.15, "c", PFS)]
    assert covariance_of(three, SIZES)[0, 2] == pytest.approx(1.5 * of_survival[0, 2])


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0)])
def test_the_order_of_targets_does_not_matter(order: tuple[int, int, int]):
    three = [TREATED, CONTROL, RATIO]
    expected = covariance_of(three, SIZES)[np.ix_(order, order)]
    assert covariance_of([three[i] for i in order], SIZES) == pytest.approx(expected)


def test_sizes_that_are_not_known_are_equal():
    three = [TREATED, CONTROL, RATIO]
    expected = covariance_of(three, {"s/a": 70.0, "s/c": 70.0})
    assert covariance_of(three, {}) == pytest.approx(expected)
    assert covariance_of(three, {"s/c": 70.0}) == pytest.approx(expected)
    assert covariance_of(three, SIZES) != pytest.approx(expected)


@pytest.mark.parametrize(
    "targets",
    [
        pytest.param([TREATED, RATIO], id="no median of the control"),
        pytest.param([CONTROL, RATIO], id="no median of the treated"),
        pytest.param([TREATED, CONTROL], id="no ratio"),
        pytest.param([target("a", 9, 0.1, None, PFS), CONTROL, RATIO], id="another endpoint"),
        pytest.param([target("t/a", 9, 0.1), target("t/c", 9, 0.1), RATIO], id="another study"),
        pytest.param([replace(TREATED, study="t"), CONTROL, RATIO], id="told by another study of a borrowed arm"),
        pytest.param([], id="nothing"),
    ],
)
def test_without_all_three_errors_are_apart(targets: list[Target]):
    assert_array_equal(covariance_of(targets, SIZES), np.diag([one.reading.error**2 for one in targets]))


def test_an_adjusted_ratio_is_less_sure_and_shares_no_more():
    adjusted = target("a", 0.65, 0.15, "c", adjusted=True)
    plain, less = (covariance_of([TREATED, CONTROL, one], SIZES) for one in (RATIO, adjusted))
    assert less[2, 2] == pytest.approx(0.15**2 + ADJUSTED_DISCREPANCY**2)
    assert less[:2] == pytest.approx(plain[:2])


def test_a_ratio_that_claims_too_much_stays_positive_definite():
    """An interval of the ratio far narrower than the medians allow, and medians narrower than their events."""
    for errors in ((0.5, 0.5, 0.03), (0.02, 0.02, 0.4), (0.3, 0.01, 0.3)):
        three = [target("a", 20, errors[0]), target("c", 14, errors[1]), target("a", 0.65, errors[2], "c")]
        assert np.linalg.eigvalsh(covariance_of(three, SIZES)).min() > 0.0


def test_two_arms_with_one_control():
    second, ratio = target("b", 17, 0.13), target("b", 0.8, 0.16, "c")
    names = ["a", "b", "c", "a:c", "b:c"]
    together = correlation(covariance_of([TREATED, second, CONTROL, RATIO, ratio], SIZES | {"s/b": 90.0}))
    sign = {(names[i], names[j]): np.sign(together[i, j]) for i in range(5) for j in range(i)}
    assert sign == {
        ("b", "a"): 0, ("c", "a"): 0, ("c", "b"): 0,
        ("a:c", "a"): -1, ("a:c", "b"): 0, ("a:c", "c"): 1,
        ("b:c", "a"): 0, ("b:c", "b"): -1, ("b:c", "c"): 1, ("b:c", "a:c"): 1,
    }  # fmt: skip


def test_two_ratios_of_the_same_two_arms():
    """As of two documents, or adjusted and not: both share the patients of both medians."""
    covariance = covariance_of([TREATED, CONTROL, RATIO, target("a", 0.62, 0.15, "c")], SIZES)
    assert covariance[0, 2] == pytest.approx(covariance[0, 3])
    assert covariance[0, 2] < 0


def test_a_median_of_a_part_of_the_arm_is_none_of_the_contrast():
    covariance = covariance_of([TREATED, CONTROL, RATIO, target("a", 9, 0.3, subset="men")], SIZES)
    assert covariance[:3, :3] == pytest.approx(covariance_of([TREATED, CONTROL, RATIO], SIZES))


# --- the evidence -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def targets() -> list[Target]:
    return targets_of(load_evidence(CALIBRATION, load_calibration(CALIBRATION).sources))[0]


@pytest.fixture(scope="module")
def covariance(targets: list[Target]) -> Floats:
    evidence = load_evidence(CALIBRATION, load_calibration(CALIBRATION).sources)
    sizes = {
        f"{study.study}/{arm.regimen}": float(arm.patients)
        for study in evidence.studies.values()
        for arm in study.arms
        if arm.patients is not None
    }
    return covariance_of(targets, sizes)


def test_the_evidence_has_a_positive_definite_covariance(targets: list[Target], covariance: Floats):
    assert covariance.shape == (len(targets), len(targets))
    assert_array_equal(covariance, covariance.T)
    assert np.linalg.eigvalsh(correlation(covariance)).min() > 0.01
    assert np.abs(correlation(covariance) - np.eye(len(targets))).max() < 0.99


def test_no_error_is_made_smaller(targets: list[Target], covariance: Floats):
    for place, one in enumerate(targets):
        adjusted = one.versus is not None and one.figure.adjusted
        extra = ADJUSTED_DISCREPANCY if adjusted else 0.0
        assert covariance[place, place] == pytest.approx(one.reading.error**2 + extra**2)


def test_only_medians_and_ratios_of_one_study_go_together(targets: list[Target], covariance: Floats):
    beside = [(i, j) for i, j in zip(*np.nonzero(covariance), strict=True) if i < j]
    assert len(beside) > 60
    for i, j in beside:
        one, other = targets[i], targets[j]
        assert (one.study, one.figure.endpoint) == (other.study, other.figure.endpoint)
        assert {one.figure.measure, other.figure.measure} <= {"median", "hazard_ratio"}
        assert one.versus is not None or other.versus is not None


def test_signs_in_every_contrast_of_the_evidence(targets: list[Target], covariance: Floats):
    complete = 0
    for number, ratio in enumerate(targets):
        if ratio.versus is None:
            continue
        trial = ratio.study, ratio.figure.endpoint
        of_trial = [(i, t) for i, t in enumerate(targets) if (t.study, t.figure.endpoint) == trial]
        medians = {t.arm: i for i, t in of_trial if t.figure.measure == "median"}
        of_both = medians.get(ratio.arm), medians.get(ratio.versus)
        if None in of_both:
            assert np.count_nonzero(covariance[number]) == 1
            continue
        complete += 1
        assert covariance[number, of_both[0]] < 0, ratio.figure.id
        assert covariance[number, of_both[1]] > 0, ratio.figure.id
    assert complete > 30


# --- whitening --------------------------------------------------------------------------------------------------------

DRAWS = 20_000


def furthest_from_independent(whitened: Floats) -> float:
    """The entry of the sample covariance furthest from the identity, in its standard error.

    Of unit normal numbers a product has variance 1 and a square 2, so that errors are sqrt(1 / n) and sqrt(2 / n).
    """
    size, draws = whitened.shape
    off = whitened @ whitened.T / draws - np.eye(size)
    error = np.sqrt((1.0 + np.eye(size)) / draws)
    return float(np.abs(off / error).max())


def band(size: int) -> float:
    """What the furthest of all entries passes once in a thousand times (Bonferroni)."""
    return float(stats.norm.isf(0.5 * 0.001 / (size * (size + 1) / 2)))


def correlated_noise(covariance: Floats) -> Floats:
    """By the symmetric root, not the triangular one under test."""
    draws = np.random.default_rng(5).standard_normal((len(covariance), DRAWS))
    return linalg.sqrtm(covariance).real @ draws


def test_whitened_noise_is_independent(covariance: Floats):
    noise = correlated_noise(covariance)
    size = len(covariance)
    assert band(size) / math.sqrt(DRAWS) < 0.05  # a correlation that this would see
    assert furthest_from_independent(Whitening.of(covariance)(noise)) < band(size)
    alone = Whitening.of(np.diag(np.diag(covariance)))
    assert furthest_from_independent(alone(noise)) > 2.0 * band(size)  # correlations left out are seen
    larger = Whitening.of(1.2 * covariance)
    assert furthest_from_independent(larger(noise)) > 2.0 * band(size)  # and so is a wrong size


def test_whitened_differences_are_those_of_the_density(covariance: Floats):
    """Their sum of squares is the one in the exponent of the normal density."""
    differences = np.random.default_rng(6).standard_normal(len(covariance)) * 0.3
    whitened = Whitening.of(covariance)(differences)
    assert whitened.shape == differences.shape
    expected = stats.multivariate_normal(cov=covariance).logpdf(differences)
    constant = -0.5 * np.linalg.slogdet(2.0 * math.pi * covariance)[1]
    assert constant - 0.5 * float(whitened @ whitened) == pytest.approx(expected)


def test_columns_are_whitened_one_by_one(covariance: Floats):
    whitening = Whitening.of(covariance)
    columns = np.random.default_rng(8).standard_normal((len(covariance), 3))
    together = whitening(columns)
    assert together.shape == columns.shape
    for place in range(3):
        assert together[:, place] == pytest.approx(whitening(columns[:, place]))


def test_the_root_is_that_of_the_covariance(covariance: Floats):
    lower = Whitening.of(covariance).lower
    assert_array_equal(lower, np.tril(lower))
    assert lower @ lower.T == pytest.approx(covariance, abs=1e-12)


@pytest.mark.parametrize("wrong", [[[1.0, 2.0], [2.0, 1.0]], [[1.0, 0.0], [0.0, 0.0]]])
def test_what_is_not_positive_definite_is_refused(wrong: list[list[float]]):
    with pytest.raises(np.linalg.LinAlgError):
        Whitening.of(np.array(wrong))
