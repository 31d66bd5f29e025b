"""One suite for every law.  To add a law, add a line to EXAMPLES, with its cumulative hazard written in mpmath."""

import math
import pickle
from collections.abc import Callable
from dataclasses import dataclass

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hcc_sim.elementary import log
from hcc_sim.laws import (
    CuredShare,
    Exponential,
    Gompertz,
    Law,
    LogNormal,
    PiecewiseExponential,
    Weibull,
    cumulative_hazard,
    inverse_cumulative_hazard,
    tabulate,
)
from hcc_sim.luck import luck

INF, NAN = math.inf, math.nan
LN2 = math.log(2)

# UN World Population Prospects 2022, China 2020-2025, central death rates per year of ages 30-34, 35-39 ... 100+.
AGES_YEARS = tuple(range(30, 105, 5))
MALE_PER_YEAR = (
    *(0.00098, 0.00115, 0.00189, 0.00306, 0.00523, 0.00769, 0.01363, 0.02144),
    *(0.03466, 0.05588, 0.09736, 0.16234, 0.27209, 0.46676, 0.64336),
)
FEMALE_PER_YEAR = (
    *(0.00058, 0.00067, 0.00100, 0.00151, 0.00246, 0.00358, 0.00643, 0.01068),
    *(0.01927, 0.03415, 0.06546, 0.11454, 0.19634, 0.32540, 0.48601),
)
MALE = PiecewiseExponential.from_life_table(AGES_YEARS, MALE_PER_YEAR)
HUMPED = PiecewiseExponential((0, 2, 7, 23), (0, 0.08, 0, 0.03))
FADING = PiecewiseExponential((0, 12, 60), (0.05, 0.01, 0))


def log_normal_truth(mean, sd):
    def hazard(t):
        z = (mpmath.log(t) - mean) / sd
        return -mpmath.log1p(-mpmath.ncdf(z)) if z < 0 else -mpmath.log(mpmath.erfc(z / mpmath.sqrt(2)) / 2)

    return hazard


def piecewise_truth(law):
    ends = (*law.breaks_months[1:], mpmath.inf)

    def hazard(t):
        pieces = zip(law.breaks_months, ends, law.rates_per_month, strict=True)
        return mpmath.fsum(rate * (min(t, end) - start) for start, end, rate in pieces if t > start)

    return hazard


def cured_truth(hazard, cured):
    return lambda t: -mpmath.log1p((1 - mpmath.mpf(cured)) * mpmath.expm1(-hazard(t)))


@dataclass(frozen=True)
class Example:
    law: Law
    hazard: Callable
    """H(t) by mpmath."""
    total: float = INF
    mean: float = INF
    remembers: bool = True
    """False where the past does not matter (exponential)."""


EXAMPLES = {
    "exponential": Example(Exponential(0.03), lambda t: mpmath.mpf(0.03) * t, mean=1 / 0.03, remembers=False),
    "weibull, falling": Example(
        Weibull(0.8, 20), lambda t: (t / 20) ** mpmath.mpf(0.8), mean=20 * math.gamma(1 + 1 / 0.8)
    ),
    "weibull, rising": Example(
        Weibull(1.5, 14.5), lambda t: (t / 14.5) ** mpmath.mpf(1.5), mean=14.5 * math.gamma(1 + 1 / 1.5)
    ),
    "gompertz, rising": Example(
        Gompertz(0.08, 0.01),
        lambda t: mpmath.mpf(0.01) / mpmath.mpf(0.08) * mpmath.expm1(mpmath.mpf(0.08) * t),
        mean=float(mpmath.exp(0.125) * mpmath.e1(0.125) / 0.08),
    ),
    "gompertz, defective": Example(
        Gompertz(-0.05, 0.06),
        lambda t: mpmath.mpf(0.06) / mpmath.mpf(-0.05) * mpmath.expm1(mpmath.mpf(-0.05) * t),
        total=1.2,
    ),
    "gompertz, flat": Example(Gompertz(0, 0.04), lambda t: mpmath.mpf(0.04) * t, mean=25, remembers=False),
    "log-normal": Example(LogNormal(2.3, 0.9), log_normal_truth(2.3, 0.9), mean=math.exp(2.3 + 0.405)),
    "log-normal, wide": Example(LogNormal(4, 2.5), log_normal_truth(4, 2.5), mean=math.exp(4 + 3.125)),
    "piecewise, humped": Example(
        HUMPED, piecewise_truth(HUMPED), mean=2 - math.expm1(-0.4) / 0.08 + math.exp(-0.4) * (16 + 1 / 0.03)
    ),
    "piecewise, fading": Example(FADING, piecewise_truth(FADING), total=1.08),
    "life table": Example(
        MALE, piecewise_truth(MALE), mean=float(mpmath.quad(MALE.survival, [0, *MALE.breaks_months[1:], 3000]))
    ),
    "cured weibull": Example(
        CuredShare(Weibull(1.5, 14.5), 0.3),
        cured_truth(lambda t: (t / 14.5) ** mpmath.mpf(1.5), 0.3),
        total=-math.log(0.3),
    ),
    "mostly cured exponential": Example(
        CuredShare(Exponential(0.2), 0.6), cured_truth(lambda t: mpmath.mpf(0.2) * t, 0.6), total=-math.log(0.6)
    ),
    "hardly cured log-normal": Example(
        CuredShare(LogNormal(2.3, 0.9), 1e-15), cured_truth(log_normal_truth(2.3, 0.9), 1e-15), total=-math.log(1e-15)
    ),
}
TIMES = (1e-300, 1e-100, 1e-12, 1e-3, 0.5, 1.0, 2.0, 7.0, 11.9, 23.0, 60.0, 420.0, 721.0, 1200.0)

every_example = pytest.mark.parametrize("example", EXAMPLES.values(), ids=EXAMPLES)


@pytest.fixture(autouse=True)
def _sixty_digits():
    with mpmath.workdps(60):
        yield


def close(value, truth, relative=1e-12):
    """Equal within a relative error, or both too small for a double."""
    return abs(value - truth) <= relative * abs(truth) + 1e-307


# --- every law --------------------------------------------------------------------------------------------------------


@every_example
def test_cumulative_hazard_is_the_formula(example):
    for t in TIMES:
        truth = example.hazard(mpmath.mpf(t))
        assert close(example.law.cumulative_hazard(t), truth), (t, truth)


@every_example
def test_ends_of_time(example):
    law = example.law
    assert law.cumulative_hazard(0.0) == 0.0
    assert math.copysign(1, law.cumulative_hazard(0.0)) == 1
    assert law.cumulative_hazard(INF) == pytest.approx(example.total, rel=1e-13)
    assert law.inverse_cumulative_hazard(0.0) == 0.0
    assert law.inverse_cumulative_hazard(INF) == INF
    assert law.survival(0.0) == 1.0
    assert law.survival(INF) == pytest.approx(math.exp(-example.total), rel=1e-12)
    if example.total < INF:
        assert law.inverse_cumulative_hazard(example.total * (1 + 1e-12)) == INF
        assert law.inverse_cumulative_hazard(example.total * (1 - 1e-3)) < INF
    else:
        assert law.inverse_cumulative_hazard(700.0) < INF
    assert math.isnan(law.cumulative_hazard(NAN))
    assert math.isnan(law.inverse_cumulative_hazard(NAN))


@every_example
def test_inverse_of_the_cumulative_hazard(example):
    for h in (1e-300, 1e-12, 1e-3, 0.1, 0.399, 0.5, 0.9, 1.0, 3.0, 30.0, 300.0):
        t = example.law.inverse_cumulative_hazard(h)
        if h > example.total:
            assert t == INF
        elif t > 1e-300:
            # Steepness turns the rounding of t into an error of H: hence one unit in the last place of t each way.
            slack = abs(example.hazard(t * (1 + mpmath.mpf(4e-16))) - example.hazard(t))
            assert abs(example.hazard(mpmath.mpf(t)) - h) <= 2e-12 * h + slack, h


@every_example
def test_quantiles_are_where_survival_says(example):
    shares = np.linspace(0.001, 0.999, 500)
    times = example.law.quantile(shares)
    reached = shares < 1 - math.exp(-example.total)
    assert np.all(np.isinf(times[~reached]))
    assert np.allclose(example.law.survival(times[reached]), 1 - shares[reached], rtol=1e-11, atol=0)
    assert example.law.quantile(0.0) == 0.0
    assert example.law.median() == pytest.approx(example.law.quantile(0.5), rel=1e-12)


@every_example
def test_mean(example):
    assert example.law.mean() == pytest.approx(example.mean, rel=1e-11)


@every_example
def test_scalars_arrays_and_compiled_calls_have_the_same_bits(example):
    others = [other.law for other in EXAMPLES.values()]
    laws = tabulate([*others, example.law])
    times = np.array([*TIMES, 0.0, INF, NAN])
    hazards = example.law.cumulative_hazard(times)
    back = example.law.inverse_cumulative_hazard(np.array([*TIMES, 0.0, INF, NAN]))
    for i, t in enumerate(times):
        one = np.array([example.law.cumulative_hazard(float(t)), cumulative_hazard(laws, len(others), t)])
        assert one.tobytes() == np.array([hazards[i]] * 2).tobytes() or np.isnan([*one, hazards[i]]).all()
        one = np.array(
            [example.law.inverse_cumulative_hazard(float(t)), inverse_cumulative_hazard(laws, len(others), t)]
        )
        assert one.tobytes() == np.array([back[i]] * 2).tobytes() or np.isnan([*one, back[i]]).all()
    assert example.law.survival(times.reshape(1, -1)).shape == (1, times.size)
    assert isinstance(example.law.survival(3), float)


@every_example
def test_what_lies_outside_is_refused_by_people_and_nan_when_compiled(example):
    with pytest.raises(ValueError, match=r"at least 0, not -1\.0"):
        example.law.cumulative_hazard(np.array([1.0, -1.0]))
    with pytest.raises(ValueError, match="at least 0"):
        example.law.inverse_cumulative_hazard(-1e-300)
    with pytest.raises(ValueError, match=r"between 0 and 1, not 1\.5"):
        example.law.quantile(1.5)
    laws = tabulate([example.law])
    assert math.isnan(cumulative_hazard(laws, 0, -1.0))
    assert math.isnan(inverse_cumulative_hazard(laws, 0, -1.0))


@every_example
def test_laws_are_values(example):
    copy = pickle.loads(pickle.dumps(example.law))
    assert copy == example.law
    assert hash(copy) == hash(example.law)
    assert copy.survival(10.0) == example.law.survival(10.0)


# --- conditional draws: the clock started earlier ---------------------------------------------------------------------

DRAWS = 20_000
# Kolmogorov: P(D > d) is close to 2 exp(-2 n d^2); one in 10,000, were the seed not fixed.
KS_BAND = math.sqrt(math.log(2e4) / 2 / DRAWS)
BUDGETS = np.array([-log(luck(11, patient, "event:conditional", 0)) for patient in range(DRAWS)])


def distance_from_parent_curve(example, already_months, draws):
    """Largest gap between the draws' distribution and 1 - S(s + x) / S(s) by mpmath, at 200 points."""
    ordered = np.sort(draws)
    worst = 0.0
    for rank in range(DRAWS // 400, DRAWS, DRAWS // 200):
        if ordered[rank] < INF:
            spent = example.hazard(mpmath.mpf(already_months + ordered[rank])) - example.hazard(
                mpmath.mpf(already_months)
            )
            worst = max(worst, abs(float(-mpmath.expm1(-spent)) - (rank + 0.5) / DRAWS))
    return worst


@every_example
def test_conditional_draws_follow_the_parent_curve(example):
    assert KS_BAND < 0.016, "too few draws to see 1.6 percentage points"
    law = example.law
    already = law.quantile(0.3)
    draws = law.inverse_cumulative_hazard(law.cumulative_hazard(already) + BUDGETS) - already
    with mpmath.workdps(20):
        assert distance_from_parent_curve(example, already, draws) < KS_BAND
        never = math.exp(-example.total) / 0.7
        assert abs(np.mean(np.isinf(draws)) - never) < 4 * math.sqrt(never * (1 - never) / DRAWS) + 1e-300
        # The wrong model: the clock starts anew.
        anew = law.inverse_cumulative_hazard(BUDGETS)
        assert (distance_from_parent_curve(example, already, anew) > KS_BAND) == example.remembers


# --- properties -------------------------------------------------------------------------------------------------------

months = st.floats(0, 1200)
rates = st.floats(1e-6, 5)
plain_laws = st.one_of(
    st.builds(Exponential, rates),
    st.builds(Weibull, st.floats(0.2, 6), st.floats(0.1, 600)),
    st.builds(Gompertz, st.floats(-0.3, 0.3), rates),
    st.builds(LogNormal, st.floats(-2, 6), st.floats(0.05, 3)),
    st.lists(st.tuples(st.floats(0.01, 200), st.one_of(st.just(0.0), rates)), min_size=1, max_size=8).map(
        lambda pieces: PiecewiseExponential(
            (0.0, *np.cumsum([width for width, _ in pieces[1:]])), [rate for _, rate in pieces]
        )
    ),
)
any_law = st.one_of(plain_laws, st.builds(CuredShare, plain_laws, st.floats(0, 0.99)))
quick = settings(max_examples=300, deadline=None, derandomize=True)


@quick
@given(any_law, months, months)
def test_cumulative_hazard_never_falls(law, a, b):
    early, late = law.cumulative_hazard(min(a, b)), law.cumulative_hazard(max(a, b))
    assert early >= 0
    assert late >= early * (1 - 1e-13)


@quick
@given(any_law, st.floats(1e-200, 30), st.floats(1e-200, 30))
def test_inverse_never_falls(law, a, b):
    assert law.inverse_cumulative_hazard(max(a, b)) >= law.inverse_cumulative_hazard(min(a, b)) * (1 - 1e-12)


@quick
@given(any_law, st.floats(1e-200, 30))
def test_inverse_is_the_first_time_the_hazard_is_reached(law, h):
    t = law.inverse_cumulative_hazard(h)
    if t == INF:
        assert law.cumulative_hazard(INF) <= h * (1 + 1e-13)
    elif t > 1e-290:
        assert law.cumulative_hazard(t * (1 + 1e-12)) >= h * (1 - 1e-10)
        assert law.cumulative_hazard(t * (1 - 1e-12)) <= h * (1 + 1e-10)


@quick
@given(plain_laws, months)
def test_inverse_leads_back(law, t):
    h = law.cumulative_hazard(t)
    if h < law.cumulative_hazard(INF):
        # Never later than t; earlier only where the hazard between is nothing.
        back = law.inverse_cumulative_hazard(h)
        assert back <= t * (1 + 1e-12) or law.cumulative_hazard(back) <= h * (1 + 1e-12)
        assert law.cumulative_hazard(back) == pytest.approx(h, rel=1e-10, abs=1e-300)


# --- single laws ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("rates_per_year", "expected"), [(MALE_PER_YEAR, 19.9), (FEMALE_PER_YEAR, 24.0)])
def test_life_expectancy_at_60(rates_per_year, expected):
    table = PiecewiseExponential.from_life_table(AGES_YEARS, rates_per_year)
    ages = np.linspace(720, 720 + 12 * 70, 12 * 70 * 10 + 1)
    survival = table.survival(ages) / table.survival(720.0)
    assert abs(np.trapezoid(survival, ages) / 12 - expected) < 0.05
    # The wrong model: rates shifted by one group of five years.
    late = PiecewiseExponential.from_life_table(AGES_YEARS, (rates_per_year[0], *rates_per_year[:-1]))
    assert abs(np.trapezoid(late.survival(ages) / late.survival(720.0), ages) / 12 - expected) > 0.05


def test_life_table_below_its_first_age():
    table = PiecewiseExponential.from_life_table((30, 35), (0.0012, 0.012))
    assert table.cumulative_hazard(12 * 35.0) == pytest.approx(35 * 0.0012)
    assert table.cumulative_hazard(12 * 36.0) == pytest.approx(35 * 0.0012 + 0.012)


def test_flat_parts_of_the_hazard():
    assert HUMPED.inverse_cumulative_hazard(0.0) == 0.0
    assert HUMPED.inverse_cumulative_hazard(1e-300) == 2.0
    assert HUMPED.inverse_cumulative_hazard(HUMPED.cumulative_hazard(7.0)) == 7.0
    assert HUMPED.inverse_cumulative_hazard(HUMPED.cumulative_hazard(15.0)) == 7.0
    assert HUMPED.inverse_cumulative_hazard(0.4 + 1e-9) > 23.0
    assert FADING.inverse_cumulative_hazard(FADING.cumulative_hazard(INF)) == 60.0


def test_a_piece_never_hands_over_late():
    # Rounding alone would put one in six of these times behind the break.
    rng = np.random.default_rng(5)
    for start, width, rate in rng.random((500, 3)):
        law = PiecewiseExponential((0, start, 1 + width), (0.5, 0.01 + rate, 0))
        assert law.inverse_cumulative_hazard(law.cumulative_hazard(INF)) <= 1 + width


@pytest.mark.parametrize(
    "law",
    [
        Exponential(0),
        Gompertz(0.1, 0),
        Gompertz(0, 0),
        Gompertz(-0.1, 0),
        PiecewiseExponential((0, 5), (0, 0)),
        CuredShare(Weibull(1, 10), 1),
        CuredShare(Exponential(0), 0.5),
    ],
)
def test_never(law):
    assert law.cumulative_hazard(INF) == 0.0
    assert law.survival(1200.0) == 1.0
    assert law.inverse_cumulative_hazard(0.0) == 0.0
    assert law.inverse_cumulative_hazard(1e-300) == INF
    assert law.mean() == INF
    assert math.isnan(law.cumulative_hazard(NAN))


def test_cured_plateau():
    law = CuredShare(LogNormal(2, 0.5), 0.25)
    assert law.survival(1e9) == pytest.approx(0.25, rel=1e-14)
    assert law.quantile(0.7500001) == INF
    assert law.quantile(0.7499999) < INF
    t = 8.0
    assert law.survival(t) == pytest.approx(0.25 + 0.75 * LogNormal(2, 0.5).survival(t), rel=1e-14)
    # The wrong model: a hazard thinned by the cured share has no plateau.
    assert LogNormal(2, 0.5).survival(1e9) ** 0.75 < 0.2


def test_cured_twice_is_cured_once_with_both_shares():
    twice, once = CuredShare(CuredShare(Weibull(1.2, 9), 0.5), 0.2), CuredShare(Weibull(1.2, 9), 0.6)
    assert twice.survival(20.0) == pytest.approx(once.survival(20.0), rel=1e-15)
    assert CuredShare(Weibull(1.2, 9), 0).survival(20.0) == Weibull(1.2, 9).survival(20.0)
    assert CuredShare(Weibull(1.2, 9), 0).mean() == Weibull(1.2, 9).mean()


def test_equal_laws_have_equal_numbers_in_a_table_and_others_have_not():
    same = [HUMPED, PiecewiseExponential((0, 2, 4, 7, 23), (0, 0.08, 0.08, 0, 0.03))]
    same += [Gompertz(-0.0, 0.1), Gompertz(0.0, 0.1)]
    same += [Exponential(0.1), PiecewiseExponential((0, 9), (0.1, 0.1))]
    laws = tabulate([MALE, *same, CuredShare(MALE, 0.1)])
    row = [(int(family), numbers.tobytes()) for family, numbers in zip(laws.family, laws.numbers, strict=True)]
    assert row[1] == row[2]
    assert row[3] == row[4]
    assert row[5] == row[6]
    assert len(set(row)) == 5
    assert len(laws.breaks) == len(MALE.breaks_months) + len(HUMPED.breaks_months)
    assert tabulate([]).numbers.shape == (0, 4)


# --- constructors -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "law",
    [
        Exponential.from_median(11.3),
        Weibull.from_median(11.3, 1.5),
        Gompertz.from_median(11.3, 0.07),
        Gompertz.from_median(11.3, -0.07),
        Gompertz.from_median(11.3, 0),
        LogNormal.from_median(11.3, 0.9),
    ],
)
def test_from_median(law):
    assert law.median() == pytest.approx(11.3, rel=1e-14)
    assert law.survival(11.3) == pytest.approx(0.5, rel=1e-14)


@pytest.mark.parametrize("family", [Weibull, Gompertz, LogNormal])
@pytest.mark.parametrize(
    ("landmark_months", "landmark_survival"),
    [(24, 0.1), (24, 0.3), (24, 0.45), (24, 1e-6), (3, 0.95), (3, 0.8), (3, 0.55), (3, 1 - 1e-9), (24, 0.2349370)],
)
def test_from_median_and_landmark(family, landmark_months, landmark_survival):
    law = family.from_median_and_landmark(11.3, landmark_months, landmark_survival)
    assert law.median() == pytest.approx(11.3, rel=1e-12)
    assert 1 - law.survival(landmark_months) == pytest.approx(1 - landmark_survival, rel=1e-6)
    assert law.survival(landmark_months) == pytest.approx(landmark_survival, rel=1e-10)


def test_gompertz_through_an_exponential_curve_is_flat():
    law = Gompertz.from_median_and_landmark(10, 20, 0.25)
    assert abs(law.shape_per_month) < 1e-14
    assert law.rate_per_month == pytest.approx(LN2 / 10)


def test_gompertz_refuses_what_only_an_absurd_shape_could_do():
    with pytest.raises(ValueError, match="no usable law has its median at 10"):
        Gompertz.from_median_and_landmark(10, 10.001, 0.01)


@pytest.mark.parametrize("family", [Weibull, Gompertz, LogNormal])
@pytest.mark.parametrize(
    ("median", "landmark", "survival", "reason"),
    [
        (10, 24, 0.6, "at 24 months must be below 0.5"),
        (10, 5, 0.4, "at 5 months must be above 0.5"),
        (10, 24, 0.5, "must be below"),
        (10, 5, 0.5, "must be above"),
        (10, 10, 0.5, "they must differ"),
        (10, 24, 0, "between 0 and 1, both excluded"),
        (10, 24, 1, "between 0 and 1, both excluded"),
        (10, 24, NAN, "between 0 and 1, both excluded"),
        (0, 24, 0.2, "median_months must be finite and above 0"),
        (10, INF, 0.2, "landmark_months must be finite and above 0"),
    ],
)
def test_points_that_no_curve_joins_are_refused(family, median, landmark, survival, reason):
    with pytest.raises(ValueError, match=reason) as caught:
        family.from_median_and_landmark(median, landmark, survival)
    assert family.__name__ in str(caught.value)


@pytest.mark.parametrize(
    ("build", "reason"),
    [
        (lambda: Exponential(-1), "Exponential: rate_per_month must be finite and at least 0, not -1"),
        (lambda: Exponential(NAN), "rate_per_month"),
        (lambda: Exponential.from_median(0), "median_months must be finite and above 0, not 0"),
        (lambda: Weibull(0, 1), "Weibull: shape must be finite and above 0"),
        (lambda: Weibull(1, INF), "scale_months"),
        (lambda: Weibull.from_median(-1, 1), "median_months"),
        (lambda: Weibull.from_median(1, 0), "shape"),
        (lambda: Gompertz(NAN, 1), "shape_per_month must be finite"),
        (lambda: Gompertz(0.1, -1), "rate_per_month"),
        (lambda: Gompertz.from_median(INF, 0.1), "median_months"),
        (lambda: LogNormal(INF, 1), "log_mean must be finite"),
        (lambda: LogNormal(0, 0), "log_sd"),
        (lambda: PiecewiseExponential((), ()), "at least one"),
        (lambda: PiecewiseExponential((0, 1), (1,)), "2 breaks, 1 rates"),
        (lambda: PiecewiseExponential((1, 2), (1, 1)), "must start at 0"),
        (lambda: PiecewiseExponential((0, 2, 2), (1, 1, 1)), "rise"),
        (lambda: PiecewiseExponential((0, INF), (1, 1)), "finite"),
        (lambda: PiecewiseExponential((0, 1), (1, -1)), "rates_per_month must be finite and at least 0, not -1"),
        (lambda: PiecewiseExponential.from_life_table((), ()), "ages"),
        (lambda: PiecewiseExponential.from_life_table((-1, 5), (1, 1)), "ages must be at least 0"),
        (lambda: CuredShare(Exponential(1), 1.01), "cured_share must lie between 0 and 1, not 1.01"),
        (lambda: CuredShare(Exponential(1), NAN), "cured_share"),
    ],
)
def test_wrong_numbers_are_refused(build, reason):
    with pytest.raises(ValueError, match=reason):
        build()
