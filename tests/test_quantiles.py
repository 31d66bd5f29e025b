"""Values of a distribution as functions of a standard normal number: against scipy's distributions, and back."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import special, stats

from hcc_sim.quantiles import CENTRAL, FARTHEST, beta_of_interval, score_of, value_of


def middle_and_spread(low: float, high: float) -> tuple[float, float]:
    return (low + high) / 2, (high - low) / (2 * stats.norm.ppf(0.975))


def reference(family: str, low: float, high: float, share: float) -> float:
    """The quantile by scipy.stats."""
    match family:
        case "normal":
            middle, spread = middle_and_spread(low, high)
            return stats.norm(middle, spread).ppf(share)
        case "log-normal":
            middle, spread = middle_and_spread(math.log(low), math.log(high))
            return stats.lognorm(spread, scale=math.exp(middle)).ppf(share)
        case "logit-normal":
            middle, spread = middle_and_spread(special.logit(low), special.logit(high))
            return special.expit(stats.norm(middle, spread).ppf(share))
        case "uniform":
            return stats.uniform(low, high - low).ppf(share)
        case "log-uniform":
            return stats.loguniform(low, high).ppf(share)
        case "beta":
            return stats.beta(*beta_of_interval(low, high)).ppf(share)
    raise AssertionError(family)


EXAMPLES = [
    ("normal", -0.8, 0.0),
    ("normal", 50.0, 60.0),
    ("log-normal", 1.2, 20.0),
    ("log-normal", 0.005, 0.03),
    ("logit-normal", 0.03, 0.85),
    ("logit-normal", 0.003, 0.1),
    ("uniform", 0.0, 0.6),
    ("uniform", -2.0, 3.0),
    ("log-uniform", 0.01, 10.0),
    ("beta", 0.002, 0.03),
    ("beta", 0.08, 0.5),
    ("beta", 0.35, 0.65),
    ("beta", 0.75, 0.93),
]
of_each = pytest.mark.parametrize(("family", "low", "high"), EXAMPLES)


@of_each
def test_quantiles_are_those_of_scipy(family: str, low: float, high: float):
    quantile = value_of(family, low, high)
    for step in range(-30, 31):
        z = step / 10
        assert quantile(z) == pytest.approx(reference(family, low, high, stats.norm.cdf(z)), rel=1e-9, abs=1e-12)


@of_each
def test_another_family_would_be_seen(family: str, low: float, high: float):
    """The comparison above is sharp enough to tell each family from all others that its interval allows."""
    quantile = value_of(family, low, high)
    others = {"normal", "uniform"} | ({"log-normal", "log-uniform"} if low > 0 else set())
    others |= {"logit-normal", "beta"} if 0 < low < high < 1 else set()
    for other in others - {family}:
        assert abs(quantile(1.0) / reference(other, low, high, stats.norm.cdf(1.0)) - 1) > 1e-6


@of_each
def test_the_interval_is_central(family: str, low: float, high: float):
    quantile = value_of(family, low, high)
    ends = quantile(-CENTRAL), quantile(CENTRAL)
    if family == "uniform":
        assert ends == pytest.approx((low + 0.025 * (high - low), high - 0.025 * (high - low)))
        assert (quantile(-FARTHEST), quantile(FARTHEST)) == pytest.approx((low, high))
    elif family == "log-uniform":
        assert ends == pytest.approx((low * (high / low) ** 0.025, high * (low / high) ** 0.025))
        assert (quantile(-FARTHEST), quantile(FARTHEST)) == pytest.approx((low, high))
    else:
        assert ends == pytest.approx((low, high), rel=1e-7)


def test_the_rounded_and_the_exact_end_agree():
    assert stats.norm.ppf(0.975) == CENTRAL


@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.sampled_from(EXAMPLES), st.floats(-9, 9), st.floats(-9, 9))
def test_a_higher_z_is_no_lower_a_value(example: tuple[str, float, float], one: float, other: float):
    at = value_of(*example)
    low, high = at(min(one, other)), at(max(one, other))
    assert low <= high
    if abs(one - other) > 1e-3 and max(abs(one), abs(other)) < 6:
        assert low < high


@of_each
def test_values_stay_in_their_range_however_far_z(family: str, low: float, high: float):
    at = value_of(family, low, high)
    assert at(1e9) == at(FARTHEST)
    assert at(-1e9) == at(-FARTHEST)
    assert at(FARTHEST - 0.5) != at(-FARTHEST)
    if family in ("log-normal", "log-uniform", "logit-normal", "beta"):
        assert at(-1e9) > 0
    if family in ("logit-normal", "beta"):
        assert at(1e9) <= 1


@pytest.mark.parametrize("z", [6.0, 7.0, FARTHEST])
def test_the_upper_end_of_a_beta_distribution_is_as_exact_as_the_lower(z: float):
    """Beyond z = 6 a share next to 1 has lost most of its digits."""
    quantile, mirrored = (value_of("beta", *ends) for ends in ((0.75, 0.93), (0.07, 0.25)))
    assert 1.0 - quantile(z) == pytest.approx(mirrored(-z), rel=1e-6)
    assert mirrored(-z) == pytest.approx(stats.beta(*beta_of_interval(0.07, 0.25)).ppf(stats.norm.sf(z)), rel=1e-9)


@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.sampled_from(EXAMPLES), st.floats(-5, 5))
def test_a_value_tells_its_z(example: tuple[str, float, float], z: float):
    assert score_of(*example)(value_of(*example)(z)) == pytest.approx(z, abs=1e-5)


@of_each
def test_values_beyond_the_ends_have_the_farthest_z(family: str, low: float, high: float):
    score = score_of(family, low, high)
    if family != "normal":
        assert score(-1.0 if family != "uniform" else low - 1.0) == -FARTHEST
    if family not in ("normal", "log-normal"):
        assert score(1e9) == FARTHEST


def test_an_unknown_family():
    with pytest.raises(ValueError, match="no quantiles for the family 'gamma'"):
        value_of("gamma", 1.0, 2.0)


# --- beta distributions -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("low", "high"), [(0.002, 0.03), (0.08, 0.5), (0.35, 0.65), (0.75, 0.93), (1e-4, 2e-4), (0.01, 0.99)]
)
def test_a_beta_distribution_has_its_interval(low: float, high: float):
    fitted = stats.beta(*beta_of_interval(low, high))
    assert (fitted.cdf(low), fitted.sf(high)) == pytest.approx((0.025, 0.025), abs=1e-8)


@pytest.mark.parametrize(("a", "b"), [(2.0, 5.0), (0.7, 0.7), (30.0, 4.0), (200.0, 3000.0)])
def test_a_known_beta_distribution_comes_back(a: float, b: float):
    assert beta_of_interval(*stats.beta(a, b).ppf([0.025, 0.975])) == pytest.approx((a, b), rel=1e-5)


@pytest.mark.parametrize(("low", "high"), [(0.5, 0.4), (0.0, 0.5), (-0.1, 0.5), (0.2, 1.0), (0.2, 1.2)])
def test_an_impossible_interval_is_refused(low: float, high: float):
    with pytest.raises(ValueError, match=f"no beta distribution has the central 95% interval {low} to {high}"):
        beta_of_interval(low, high)


def test_an_interval_without_width_is_refused():
    with pytest.raises(ValueError, match="no beta distribution"):
        beta_of_interval(0.5, 0.5)


@pytest.mark.parametrize(("low", "high"), [(0.025, 0.975), (0.407, 0.41), (0.61, 0.613)])
def test_an_interval_that_is_met_exactly_is_not_refused(low: float, high: float):
    """As if the search had failed, because from the root nothing goes further; the first is of shapes 1 and 1."""
    fitted = stats.beta(*beta_of_interval(low, high))
    assert (fitted.cdf(low), fitted.sf(high)) == pytest.approx((0.025, 0.025), abs=1e-8)
