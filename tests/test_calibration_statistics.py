"""What a trial would report of arms written by hand, worked out by hand."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from functools import partial

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from hcc_sim.calibration import statistics as s
from hcc_sim.calibration.trial import Arm
from hcc_sim.outcomes.hazard_ratio import hazard_ratio

INF = math.inf
LN2 = math.log(2.0)
TIMES = ("death", "progression", "response", "conversion", "operation", "resection", "recurrence", "repeat")


def arm(patients: int, *, complete: list[bool] | None = None, **times: list[float]) -> Arm:
    """An arm in which nothing happened but what is given."""
    given = {name: np.array(times.get(name, [INF] * patients), dtype=float) for name in TIMES}
    assert all(len(column) == patients for column in given.values())
    assert set(times) <= set(TIMES)
    flags = np.array(complete if complete is not None else [False] * patients)
    return Arm(**given, complete_pathological_response=flags, of_other_causes=np.zeros(len(flags), dtype=bool))


def logit(share: float) -> float:
    return math.log(share / (1.0 - share))


def cloglog(share: float) -> float:
    return math.log(-math.log(share))


SIX = arm(
    6,
    #             dies at once  operated...             salvage  never
    death=[10.0, 6.0, 61.0, INF, 40.0, 20.0],
    progression=[4.0, INF, 30.0, INF, 12.0, 20.0],
    response=[INF, 2.0, 1.0, 2.5, 3.0, 3.0],
    conversion=[INF, 4.0, 3.0, 8.0, 5.0, 6.0],
    operation=[INF, 6.0, 5.0, 9.0, 13.0, INF],
    resection=[INF, INF, 5.0, 9.0, 13.0, INF],
    recurrence=[INF, INF, 30.0, INF, 37.0, INF],
    repeat=[INF, INF, 30.0, INF, INF, INF],
    complete=[False, False, True, False, False, False],
)
NOBODY = arm(4)


# --- whose time from when ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("times", "expected"),
    [
        (s.overall_survival, [10, 6, 61, INF, 40, 20]),
        (s.progression_free_survival, [4, 6, 30, INF, 12, 20]),
        (s.survival_after_resection, [None, None, 56, INF, 27, None]),
        (s.recurrence_free_survival, [None, None, 25, INF, 24, None]),
        (s.duration_of_response, [None, 4, 29, INF, 9, 17]),
        (s.time_to_response, [None, 2, 1, 2.5, 3, 3]),
        (s.time_to_surgery, [None, 6, 5, 9, 13, None]),
        (s.survival_after_progression, [6, None, 31, None, 28, None]),  # the last died as it was seen
        (partial(s.survival_after_recurrence, early=True), [None, None, None, None, 3, None]),
        (partial(s.survival_after_recurrence, early=False), [None, None, 31, None, None, None]),
        (partial(s.survival_by_operation, operated=True, among_converted=True), [None, 2, 58, INF, 35, None]),
        (partial(s.survival_by_operation, operated=False, among_converted=True), [None, None, None, None, None, 14]),
        (partial(s.survival_by_operation, operated=True, among_converted=False), [None, 6, 61, INF, 40, None]),
        (partial(s.survival_by_operation, operated=False, among_converted=False), [10, None, None, None, None, 20]),
    ],
)
def test_times_of_six(times: s.Times, expected: list[float | None]):
    months, members = times(SIX)
    assert_array_equal(members, [month is not None for month in expected])
    assert_array_equal(months[members], [month for month in expected if month is not None])


@pytest.mark.parametrize("after", [0.0, 23.9, 24.0, 24.1])
def test_early_ends_after_24_months(after: float):
    one = arm(1, death=[90.0], resection=[8.0], recurrence=[8.0 + after], operation=[8.0])
    early = after <= s.EARLY_MONTHS
    assert s.survival_after_recurrence(one, early=True)[1].tolist() == [early]
    assert s.survival_after_recurrence(one, early=False)[1].tolist() == [not early]
    assert s.relapsed(True, one).tolist() == [early]
    assert s.relapsed(False, one).tolist() == [not early]


def test_nobody_relapses_early_or_late_who_does_not_relapse():
    for early in (True, False):
        assert not s.relapsed(early, NOBODY).any()
        assert not s.survival_after_recurrence(NOBODY, early=early)[1].any()


# --- medians ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [0.7, 1.0, 1.5])
def test_where_half_survive_the_printed_median_it_is_predicted(shape: float):
    half = arm(6, death=[1.0, 2.0, 3.0, 15.0, 16.0, 40.0])
    found = s.median(s.overall_survival, 9.0, shape)({}, half)
    assert found == s.Predicted(math.log(9.0), 9.0)  # half of 3 and 15


def test_a_median_by_hand():
    """Two of six die by 3 months: ln 3 + ln 2 / (2 k ln 2), so that at shape 1.5 it is ln 3 + 1/3."""
    six = arm(6, death=[1.0, 2.0, 3.5, 15.0, 16.0, INF])
    found = s.median(s.overall_survival, 3.0, 1.5)({}, six)
    assert found.working == pytest.approx(math.log(3.0) + 1.0 / 3.0)
    assert found.printed == 9.25


def test_dead_at_the_printed_median_is_dead():
    found = s.median(s.overall_survival, 3.0, 1.0)({}, arm(4, death=[3.0, 3.0, 8.0, 9.0]))
    assert found.working == math.log(3.0)


def test_only_members_count():
    """Of the resected, survival is 56, never ending and 27 months."""
    found = s.median(s.survival_after_resection, 30.0, 1.0)({}, SIX)
    assert found.working == pytest.approx(math.log(30.0) + LN2 / (2.0 * LN2))
    assert found.printed == 56.0


@pytest.mark.parametrize("shape", [0.8, 1.0, 1.5])
@pytest.mark.parametrize("true_median", [6.0, 14.0])
def test_a_median_is_right_to_first_order(shape: float, true_median: float):
    """What remains for a Weibull sample is k (ln 2 - 1) / 2 x^2 at a distance x of ln m, plus cubes.

    With H = ln 2 exp(k x), logit S = -ln(exp(H) - 1) has at x = 0 the derivatives -2 k ln 2 and 2 k^2 ln 2 (ln 2 - 1).
    """
    n = 20_001
    evenly = (np.arange(n) + 0.5) / n  # quantiles instead of draws: no sampling error
    weibull = arm(n, death=list(true_median * (-np.log(evenly) / LN2) ** (1.0 / shape)))
    grain = 1.0 / (n * shape * LN2)  # of one patient in S, 4 dS / (2 k ln 2), halved
    for x in (-0.2, -0.05, 0.05, 0.2):
        printed = true_median * math.exp(x)
        off = s.median(s.overall_survival, printed, shape)({}, weibull).working - math.log(true_median)
        second = shape * (LN2 - 1.0) / 2.0 * x**2
        assert off == pytest.approx(second, abs=abs(shape**2 * x**3) + 2.0 * grain)
        assert abs(off) < 0.4 * abs(x)  # far nearer than the printed median itself
        wrong = s.median(s.overall_survival, printed, 2.0 * shape)({}, weibull).working - math.log(true_median)
        assert abs(wrong) > 0.4 * abs(x)  # another slope does not do


def test_a_median_that_all_or_nobody_outlive_stays_finite():
    later, sooner = arm(4, death=[50.0] * 4), arm(4, death=[1.0] * 4)
    high, low = (s.median(s.overall_survival, 10.0, 1.0)({}, one).working for one in (later, sooner))
    assert high - math.log(10.0) == pytest.approx(logit(3.5 / 4.0) / (2.0 * LN2))
    assert low - math.log(10.0) == pytest.approx(-logit(3.5 / 4.0) / (2.0 * LN2))


# --- middle -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("times", "middle"),
    [
        ([1.0, 2.0, 100.0], [2.0]),
        ([9.0, 2.0, 1.0, 4.0], [2.0, 4.0]),
        ([1.0, 2.0, 3.0, 4.0, 90.0], [2.0, 3.0, 4.0]),
        ([7.0, 6.0, 5.0, 4.0, 3.0, 2.0], [4.0, 5.0]),
        ([1.0, 1.0, 2.0, 3.0, 5.0, 8.0, 8.0], [2.0, 3.0, 5.0]),
        ([1.0, 2.0, 3.0, INF, INF], [2.0]),  # who never responds is no member
    ],
)
def test_the_middle_third(times: list[float], middle: list[float]):
    found = s.middle(s.time_to_response)({}, arm(len(times), response=times))
    assert found.working == pytest.approx(np.log(middle).mean())
    assert found.printed == pytest.approx(math.prod(middle) ** (1.0 / len(middle)))


@pytest.mark.parametrize("members", [0, 1, 2])
def test_fewer_than_three_have_no_middle(members: int):
    few = arm(4, response=[2.0] * members + [INF] * (4 - members))
    assert all(map(math.isnan, s.middle(s.time_to_response)({}, few)))


def test_heaps_go_over_smoothly():
    """As patients move from the scan at 2 months to that at 4 one by one, the median jumps once; this does not."""
    found = [
        s.middle(s.time_to_response)({}, arm(300, response=[2.0] * (300 - late) + [4.0] * late)).working
        for late in range(301)
    ]
    steps = np.diff(found)
    assert (found[0], found[-1]) == pytest.approx((math.log(2.0), math.log(4.0)))
    assert steps.min() >= -1e-12
    assert steps.max() == pytest.approx(LN2 / 100.0)


# --- landmarks --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("months", "alive"), [(5.9, 6), (6.0, 5), (10.0, 4), (39.0, 3), (60.9, 2), (61.0, 1)])
def test_a_landmark(months: float, alive: int):
    found = s.landmark(s.overall_survival, months)({}, SIX)
    assert found.printed == pytest.approx(100.0 * alive / 6.0)
    assert found.working == pytest.approx(cloglog(min(alive, 5.5) / 6.0))


def test_a_landmark_of_the_resected():
    found = s.landmark(s.survival_after_resection, 36.0)({}, SIX)  # 56, never, 27
    assert found.printed == pytest.approx(200.0 / 3.0)
    assert found.working == pytest.approx(cloglog(2.0 / 3.0))


def test_a_landmark_that_nobody_reaches_stays_finite():
    found = s.landmark(s.overall_survival, 10.0)({}, arm(4, death=[1.0] * 4))
    assert found == s.Predicted(pytest.approx(cloglog(0.125)), 0.0)


# --- shares -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("of", "members"),
    [
        (s.responded, [0, 1, 1, 1, 1, 1]),
        (s.converted, [0, 1, 1, 1, 1, 1]),
        (s.operated, [0, 1, 1, 1, 1, 0]),
        (s.resected, [0, 0, 1, 1, 1, 0]),
        (s.dead_around_operation, [0, 1, 0, 0, 0, 0]),
        (partial(s.relapsed, True), [0, 0, 0, 0, 1, 0]),
        (partial(s.relapsed, False), [0, 0, 1, 0, 0, 0]),
        (s.treated_again, [0, 0, 1, 0, 0, 0]),
    ],
)
def test_who(of: Callable[[Arm], s.Flags], members: list[int]):
    assert_array_equal(of(SIX), np.array(members, dtype=bool))


def test_treated_again_is_of_the_first_relapse():
    """A second relapse that is treated does not make the first one treated."""
    later = arm(1, resection=[5.0], recurrence=[30.0], repeat=[50.0])
    assert not s.treated_again(later).any()
    assert not s.treated_again(NOBODY).any()  # infinite twice is no relapse


@pytest.mark.parametrize(
    ("statistic", "of", "among"),
    [
        (s.share(s.operated), 4, 6),
        (s.share(s.dead_around_operation, s.operated), 1, 4),
        (s.share(lambda arm: arm.complete_pathological_response, s.resected), 1, 3),
        (s.share(s.responded, s.operated), 3.5, 4),  # all of them: half a patient less
        (s.share(s.dead_around_operation, s.resected), 0.5, 3),  # none: half a patient
        (s.share(s.treated_again, partial(s.relapsed, False)), 0.5, 1),
    ],
)
def test_a_share(statistic: s.Statistic, of: float, among: float):
    found = statistic({}, SIX)
    assert found.working == pytest.approx(logit(of / among))
    assert found.printed == pytest.approx(100.0 * of / among)
    assert not statistic.contrast


@pytest.mark.parametrize("shift", [-0.7, 0.0, 0.4])
def test_a_share_with_a_shift(shift: float):
    found = s.share(s.operated, shift="trial.of_this")({"trial.of_this": shift, "trial.other": 9.0}, SIX)
    assert found.working == pytest.approx(math.log(2.0) + shift)
    odds = 2.0 * math.exp(shift)
    assert found.printed == pytest.approx(100.0 * odds / (1.0 + odds))


def test_a_shift_that_has_no_value():
    with pytest.raises(KeyError, match=r"trial\.of_this"):
        s.share(s.operated, shift="trial.of_this")({}, SIX)


# --- contrasts --------------------------------------------------------------------------------------------------------

FOLLOW_UP = 20.0


def followed(months: np.ndarray, median: float) -> tuple[np.ndarray, np.ndarray]:
    """Patient i leaves at the median times 1/2 plus the fraction of (i + 1) golden sections."""
    ends = np.array([median * (0.5 + math.modf((i + 1) * (math.sqrt(5.0) - 1.0) / 2.0)[0]) for i in range(len(months))])
    return np.minimum(months, ends), months <= ends


def sampled(seed: int, rate: float, patients: int = 300) -> Arm:
    rng = np.random.default_rng(seed)
    death = rng.exponential(1.0 / rate, patients)
    return arm(patients, death=list(death), progression=list(death * rng.uniform(0.2, 1.5, patients)))


@pytest.mark.parametrize("median", [5.0, FOLLOW_UP, 60.0])
@pytest.mark.parametrize("times", [s.overall_survival, s.progression_free_survival])
def test_a_contrast_is_the_hazard_ratio_at_the_end_of_follow_up(times: s.Times, median: float):
    one, other = sampled(1, 0.05), sampled(2, 0.08, 250)
    statistic = s.contrast(times)
    assert statistic.contrast
    found = statistic({"trial.follow_up": median}, one, other)
    expected = hazard_ratio(*followed(times(one)[0], median), *followed(times(other)[0], median))
    assert found.working == pytest.approx(expected.log_ratio, abs=1e-9)
    assert found.printed == pytest.approx(math.exp(expected.log_ratio))
    assert found.working < 0  # of the first against the second
    assert statistic({"trial.follow_up": median}, other, one).working == pytest.approx(-found.working, abs=0.2)


def test_follow_up_matters():
    """Curves that part late: the longer they are watched, the more they differ."""
    rng = np.random.default_rng(3)
    early = rng.exponential(20.0, 2000)
    one, other = arm(2000, death=list(np.where(early > 12.0, early * 3.0, early))), arm(2000, death=list(early))
    found = [s.contrast(s.overall_survival)({"trial.follow_up": m}, one, other).working for m in (8.0, 24.0, 90.0)]
    assert found[0] == pytest.approx(0.0, abs=1e-9)  # nothing differs within 12 months
    assert found[0] > found[1] > found[2]


def test_follow_up_is_spread_evenly_around_its_median():
    forever = arm(1000)
    months, events = s._followed(*s.overall_survival(forever), FOLLOW_UP)
    assert not events.any()
    assert np.sort(months) == pytest.approx(FOLLOW_UP * (0.5 + (np.arange(1000) + 0.5) / 1000), abs=0.003 * FOLLOW_UP)


def test_a_contrast_takes_members_only():
    """Of the resected: 25, never, 24 months of one arm against 10 and 26 of the other."""
    other = arm(3, death=[INF, 20.0, 36.0], resection=[INF, 10.0, 10.0], operation=[INF, 10.0, 10.0])
    found = s.contrast(s.recurrence_free_survival)({"trial.follow_up": 1000.0}, SIX, other)
    events = np.array([True, False, True])
    expected = hazard_ratio(
        np.array([25.0, 500.0 + 1000.0 * math.modf(2 * s.GOLDEN)[0], 24.0]), events,
        np.array([10.0, 26.0]), np.array([True, True]),
    )  # fmt: skip
    assert expected.events == (2, 2)
    assert found.working == expected.log_ratio


# --- nobody there -----------------------------------------------------------------------------------------------------

OF_THE_RESECTED = {
    "median": s.median(s.survival_after_resection, 30.0, 1.0),
    "middle": s.middle(s.time_to_surgery),
    "landmark": s.landmark(s.recurrence_free_survival, 12.0),
    "share": s.share(s.dead_around_operation, s.operated),
    "shifted share": s.share(s.responded, s.resected, shift="trial.shift"),
    "early": s.median(partial(s.survival_after_recurrence, early=True), 10.0, 1.0),
    "late": s.share(s.treated_again, partial(s.relapsed, False)),
    "by operation": s.landmark(partial(s.survival_by_operation, operated=True, among_converted=True), 36.0),
}
VALUES = {"trial.follow_up": FOLLOW_UP, "trial.shift": 0.3}


@pytest.mark.parametrize("name", OF_THE_RESECTED)
def test_nobody_there_gives_no_number_and_no_complaint(name: str):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert all(map(math.isnan, OF_THE_RESECTED[name](VALUES, NOBODY)))


def test_nobody_in_either_arm():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = s.contrast(s.recurrence_free_survival)(VALUES, NOBODY, NOBODY)
    assert all(map(math.isnan, found))


def test_nobody_in_one_arm():
    found = s.contrast(s.recurrence_free_survival)(VALUES, NOBODY, SIX)
    assert all(map(math.isnan, found))
