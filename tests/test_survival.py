"""Survival of the censored: textbook values, statsmodels, closed forms, and coverage by simulation."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.duration.survfunc import CumIncidenceRight, SurvfuncRight

from hcc_sim.outcomes.survival import aalen_johansen, kaplan_meier, numbers_at_risk, ratios_by_period

quick = settings(max_examples=150, deadline=None, derandomize=True, database=None)

FREIREICH = {
    # E. J. Freireich and others, Blood 21 (1963) 699-716: weeks of remission under 6-mercaptopurine, + censored
    "months": [6, 6, 6, 6, 7, 9, 10, 10, 11, 13, 16, 17, 19, 20, 22, 23, 25, 32, 32, 34, 35],
    "events": [1, 1, 1, 0, 1, 0, 1, 0, 0, 1, 1, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0],
}


@st.composite
def people(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    """Times with many ties, and causes 0 (censored), 1 and 2; some event at least."""
    n = draw(st.integers(2, 40))
    times = np.array(draw(st.lists(st.integers(1, 12), min_size=n, max_size=n)), dtype=float)
    causes = np.array(draw(st.lists(st.integers(0, 2), min_size=n, max_size=n)))
    causes[0] = 1
    return times, causes


def test_a_textbook_curve():
    """As printed of these data in textbooks: 0.857 (0.0764), 0.807 (0.0869) ... 0.448 (0.1346); median 23."""
    curve = kaplan_meier(**FREIREICH)
    assert curve.months.tolist() == [6, 7, 10, 13, 16, 22, 23]
    assert curve.at_risk.tolist() == [21, 17, 15, 12, 11, 7, 6]
    assert curve.events.tolist() == [3, 1, 1, 1, 1, 1, 1]
    assert curve.survival.round(3).tolist() == [0.857, 0.807, 0.753, 0.690, 0.627, 0.538, 0.448]
    assert curve.error.round(4).tolist() == [0.0764, 0.0869, 0.0963, 0.1068, 0.1141, 0.1282, 0.1346]
    median, low, high = curve.median()
    assert (median, low) == (23, 13)
    assert high == math.inf


@quick
@given(people())
def test_a_curve_is_that_of_statsmodels(given_people: tuple[np.ndarray, np.ndarray]):
    times, causes = given_people
    curve, theirs = kaplan_meier(times, causes > 0), SurvfuncRight(times, (causes > 0).astype(int))
    shown = theirs.n_events > 0
    assert curve.months == pytest.approx(theirs.surv_times[shown])
    assert curve.survival == pytest.approx(theirs.surv_prob[shown])
    assert curve.at_risk == pytest.approx(theirs.n_risk[shown])
    alive = curve.survival > 1e-12
    assert curve.error[alive] == pytest.approx(theirs.surv_prob_se[shown][alive])


@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # of theirs, where all who are left have their event
@quick
@given(people())
def test_incidence_is_that_of_statsmodels(given_people: tuple[np.ndarray, np.ndarray]):
    times, causes = given_people
    found, theirs = aalen_johansen(times, causes), CumIncidenceRight(times, causes)
    for cause in range(1, int(causes.max()) + 1):
        at = [found.at(cause, t)[0] for t in theirs.times]
        assert at == pytest.approx(theirs.cinc[cause - 1])


@quick
@given(people())
def test_incidences_and_survival_sum_to_one(given_people: tuple[np.ndarray, np.ndarray]):
    times, causes = given_people
    found, curve = aalen_johansen(times, causes), kaplan_meier(times, causes > 0)
    assert found.share.sum(axis=0) + curve.survival == pytest.approx(np.ones(len(curve.months)))
    alone = aalen_johansen(times, (causes > 0).astype(int))
    assert alone.share[0] == pytest.approx(1.0 - curve.survival)
    alive = curve.survival > 1e-12
    assert alone.error[0][alive] == pytest.approx(curve.error[alive], abs=1e-9)


@quick
@given(people(), st.lists(st.integers(1, 4), min_size=40, max_size=40))
def test_a_weight_is_so_many_people(given_people: tuple[np.ndarray, np.ndarray], many: list[int]):
    times, causes = given_people
    weights = np.array(many[: len(times)])
    weighted, repeated = (
        kaplan_meier(times, causes > 0, weights),
        kaplan_meier(np.repeat(times, weights), np.repeat(causes, weights) > 0),
    )
    for name in ("months", "survival", "error", "at_risk", "events"):
        assert getattr(weighted, name) == pytest.approx(getattr(repeated, name))
    one, other = (
        aalen_johansen(times, causes, weights),
        aalen_johansen(np.repeat(times, weights), np.repeat(causes, weights)),
    )
    assert one.share == pytest.approx(other.share)
    assert one.error == pytest.approx(other.error)


def test_without_censoring_it_is_a_share():
    """Survival is the share that lives on, its error that of a share; the mean is the mean, its error that of one."""
    times = np.arange(1.0, 21.0)
    curve = kaplan_meier(times, np.ones(20))
    share = 1.0 - np.arange(1, 21) / 20.0
    assert curve.survival == pytest.approx(share, abs=1e-12)
    assert curve.error == pytest.approx(np.sqrt(share * (1.0 - share) / 20.0), abs=1e-9)
    mean, error = curve.restricted_mean(20.0)
    assert mean == pytest.approx(times.mean())
    assert error == pytest.approx(times.std() / math.sqrt(20.0))
    short, _ = curve.restricted_mean(7.5)
    assert short == pytest.approx(np.minimum(times, 7.5).mean())


def test_who_comes_late_is_not_at_risk_before():
    """By hand: at 2 only the first is in view, at 5 the first has gone and two others are."""
    curve = kaplan_meier([2.0, 5.0, 6.0], [1, 1, 0], entered=[0.0, 2.0, 4.0])
    assert curve.at_risk.tolist() == [1.0, 2.0]
    assert curve.survival.tolist() == [0.0, 0.0]
    assert numbers_at_risk([0.0, 2.0, 3.0, 5.0, 5.5, 7.0], [2.0, 5.0, 6.0], entered=[0.0, 2.0, 4.0]).tolist() == [
        1.0,
        1.0,
        1.0,
        2.0,
        1.0,
        0.0,
    ]
    assert numbers_at_risk([0.0, 6.0, 30.0], FREIREICH["months"]).tolist() == [21.0, 21.0, 4.0]


REPLICATES = 1_500


def test_intervals_hold_as_often_as_they_say():
    """Exponential survival and two causes under uniform censoring, 80 people: 95% intervals, errors of means."""
    random = np.random.default_rng(20240502)
    truth, at, n = math.exp(-0.08 * 10.0), 10.0, 80
    incidence = 0.05 / 0.08 * (1.0 - truth)
    held, medians, means, shares = 0, 0, [], []
    for _ in range(REPLICATES):
        event, censored = random.exponential(1 / 0.08, n), random.uniform(5.0, 40.0, n)
        cause = np.where(random.random(n) < 0.05 / 0.08, 1, 2)
        times, had = np.minimum(event, censored), event <= censored
        curve = kaplan_meier(times, had)
        told = curve.at(at)
        held += told.low <= truth <= told.high
        _, low, high = curve.median()
        medians += low <= math.log(2.0) / 0.08 <= high
        mean, error = curve.restricted_mean(at)
        means.append((mean - (1.0 - truth) / 0.08) / error)
        share, error = aalen_johansen(times, np.where(had, cause, 0)).at(1, at)
        shares.append((share - incidence) / error)
    band = 4.0 * math.sqrt(0.95 * 0.05 / REPLICATES)
    assert abs(held / REPLICATES - 0.95) < band
    assert abs(medians / REPLICATES - 0.95) < band + 0.01
    for scores in (means, shares):
        assert abs(np.mean(scores)) < 4.0 / math.sqrt(REPLICATES) + 0.05
        assert abs(np.std(scores) - 1.0) < 4.0 / math.sqrt(2.0 * REPLICATES) + 0.03


@pytest.mark.parametrize("n", range(2, 200, 2))
def test_a_median_is_where_survival_is_one_half_whatever_the_rounding(n: int):
    assert kaplan_meier(np.arange(1.0, n + 1.0), np.ones(n)).median()[0] == n / 2


@quick
@given(people(), st.integers(0, 2**32 - 1))
def test_weights_need_not_be_whole_and_nobody_counts_for_nothing(
    given_people: tuple[np.ndarray, np.ndarray], seed: int
):
    times, causes = given_people
    weights = np.random.default_rng(seed).random(len(times)) + 0.01
    curve = kaplan_meier(times, np.ones(len(times)), weights)
    assert curve.survival[-1] == 0.0
    assert (np.diff(curve.survival) < 0.0).all()
    assert curve.at(99.0).value == 0.0
    more = [np.append(x, [y, y]) for x, y in ((times, 30.0), (causes, 1), (weights, 0.0))]
    for one, other in (
        (kaplan_meier(times, causes > 0, weights), kaplan_meier(more[0], more[1] > 0, more[2])),
        (aalen_johansen(times, causes, weights), aalen_johansen(*more)),
    ):
        for name in vars(one):
            assert np.array_equal(getattr(one, name), getattr(other, name)), name


def test_a_hazard_ratio_that_changes_is_seen_by_period():
    """Hazards equal for a year, then half: ratios of 1 and 0.5."""
    random = np.random.default_rng(5)
    n = 20_000
    budget = random.exponential(size=(2, n))
    first = np.where(budget[0] < 1.2, budget[0] / 0.1, 12.0 + (budget[0] - 1.2) / 0.05)
    other = budget[1] / 0.1
    had = np.ones(n, dtype=bool)
    early, late = ratios_by_period(first, had, other, had, [12.0])
    assert (early.from_months, early.to_months, late.from_months, late.to_months) == (0.0, 12.0, 12.0, math.inf)
    assert abs(early.ratio.log_ratio) < 4.0 * early.ratio.error
    assert abs(late.ratio.log_ratio - math.log(0.5)) < 4.0 * late.ratio.error
    assert late.ratio.error < 0.03
    assert sum(early.ratio.events) + sum(late.ratio.events) == 2 * n


def test_beyond_follow_up_nothing_is_told():
    curve = kaplan_meier(**FREIREICH)
    assert math.isnan(curve.at(36.0).value)
    assert curve.at(35.0).value == curve.survival[-1]
    assert curve.at(5.0) == (1.0, 0.0, 1.0, 1.0)
    with pytest.raises(ValueError, match="nobody is followed for 40 months; the longest is 35"):
        curve.restricted_mean(40.0)
    everybody = kaplan_meier([1.0, 2.0], [1, 1])
    assert everybody.at(50.0).value == 0.0
    assert everybody.restricted_mean(50.0)[0] == 1.5
    assert math.isnan(kaplan_meier([1.0, 2.0], [0, 0]).at(50.0).value)
    assert kaplan_meier([0.0, 2.0], [1, 1], entered=[0.0, 0.0]).survival.tolist() == [0.5, 0.0]
    incidence = aalen_johansen([1.0, 2.0, 3.0], [1, 2, 0])
    assert incidence.at(1, 3.0)[0] == pytest.approx(1 / 3)
    assert math.isnan(incidence.at(1, 3.5)[0])
    assert aalen_johansen([1.0, 2.0], [1, 2]).at(2, 50.0)[0] == pytest.approx(0.5)
    nobody = kaplan_meier([1.0, 2.0], [0, 0])
    assert nobody.median() == (math.inf, math.inf, math.inf)
    assert nobody.restricted_mean(2.0) == (2.0, 0.0)


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda: kaplan_meier([], []), "there is nobody"),
        (lambda: kaplan_meier([1, 2], [1]), "events have the shape (1,), months (2,)"),
        (lambda: kaplan_meier([1, -2], [1, 1]), "months must be at least 0 and finite"),
        (lambda: kaplan_meier([1, math.nan], [1, 1]), "months must be at least 0 and finite"),
        (lambda: kaplan_meier([1, 2], [1, 1], weights=[1, -1]), "weights must be at least 0 and finite"),
        (lambda: kaplan_meier([1, 2], [1, 1], entered=[0, 3]), "person 1 leaves at 2 and comes at 3 months"),
        (lambda: kaplan_meier([1, 2], [1, math.nan]), "events must be told of everybody"),
        (lambda: kaplan_meier([1, 2], [1, 1], weights=[0, 0]), "there is nobody: all weights are 0"),
        (lambda: kaplan_meier([1, 2], [1, 1]).restricted_mean(-1.0), "the mean is restricted to -1.0 months"),
        (lambda: aalen_johansen([1, 2], [1, 0]).at(2, 1.0), "there is no cause 2; causes are 1 to 1"),
        (lambda: aalen_johansen([1, 2], [1, 0.5]), "a cause is 0 (censored), 1, 2"),
        (lambda: ratios_by_period(*[np.ones(2)] * 4, [5.0, 3.0]), "cuts must rise from above 0; they are [5.0, 3.0]"),
    ],
)
def test_what_is_no_survival_is_refused(make, told: str):
    with pytest.raises(ValueError) as error:  # noqa: PT011
        make()
    assert told in str(error.value)
