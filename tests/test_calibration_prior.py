"""Priors on one scale: quantiles against scipy's distributions, and the file they are read from, with its faults."""

from __future__ import annotations

import math
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import special, stats

from hcc_sim.calibration.prior import (
    CENTRAL,
    FARTHEST,
    PRIORS,
    Prior,
    beta_of_interval,
    load_priors,
    quantiles_of,
)
from hcc_sim.errors import InputError
from hcc_sim.parameters import Calibration, Distribution, load_calibration

CALIBRATION = Path(__file__).parents[1] / "calibration"
OF_ARM = "arm."
FIXED = Distribution("fixed", 1.0, 1.0)


@pytest.fixture(scope="module")
def calibration() -> Calibration:
    return load_calibration(CALIBRATION)


@pytest.fixture(scope="module")
def priors(calibration: Calibration) -> dict[str, Prior]:
    return load_priors(CALIBRATION, calibration.parameters)


# --- quantiles --------------------------------------------------------------------------------------------------------


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
    quantile = quantiles_of(Distribution(family, low, high))
    for step in range(-30, 31):
        z = step / 10
        assert quantile(z) == pytest.approx(reference(family, low, high, stats.norm.cdf(z)), rel=1e-9, abs=1e-12)


@of_each
def test_another_family_would_be_seen(family: str, low: float, high: float):
    """The comparison above is sharp enough to tell each family from all others that its interval allows."""
    quantile = quantiles_of(Distribution(family, low, high))
    others = {"normal", "uniform"} | ({"log-normal", "log-uniform"} if low > 0 else set())
    others |= {"logit-normal", "beta"} if 0 < low < high < 1 else set()
    for other in others - {family}:
        assert abs(quantile(1.0) / reference(other, low, high, stats.norm.cdf(1.0)) - 1) > 1e-6


@of_each
def test_the_interval_is_central(family: str, low: float, high: float):
    quantile = quantiles_of(Distribution(family, low, high))
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
    at = Prior("", "", Distribution(*example), "").at
    low, high = at(min(one, other)), at(max(one, other))
    assert low <= high
    if abs(one - other) > 1e-3 and max(abs(one), abs(other)) < 6:
        assert low < high


@of_each
def test_values_stay_in_their_range_however_far_z(family: str, low: float, high: float):
    at = Prior("", "", Distribution(family, low, high), "").at
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
    quantile, mirrored = (quantiles_of(Distribution("beta", *ends)) for ends in ((0.75, 0.93), (0.07, 0.25)))
    assert 1.0 - quantile(z) == pytest.approx(mirrored(-z), rel=1e-6)
    assert mirrored(-z) == pytest.approx(stats.beta(*beta_of_interval(0.07, 0.25)).ppf(stats.norm.sf(z)), rel=1e-9)


def test_an_unknown_family():
    with pytest.raises(ValueError, match="no quantiles for the family 'gamma'"):
        quantiles_of(Distribution("gamma", 1.0, 2.0))


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


# --- the file ---------------------------------------------------------------------------------------------------------


def test_every_uncertain_parameter_has_one_prior(calibration: Calibration, priors: dict[str, Prior]):
    setting: dict[str, list[str]] = {}
    for name, prior in priors.items():
        assert name == prior.name
        if prior.parameter:
            setting.setdefault(prior.parameter, []).append(name)
    for name, parameter in calibration.parameters.items():
        uncertain = parameter.distribution is not None and parameter.distribution.family != "fixed"
        if uncertain and not parameter.decision:
            assert len(setting[name]) == 1, name
            (prior,) = setting.pop(name)
            assert prior == name or prior.startswith((OF_ARM, "trial."))
    assert all(len(names) == 1 for names in setting.values())
    # What is left is held, decided or calibrated, and set by a prior of the file alone.
    assert all((CALIBRATION / PRIORS).read_text(encoding="utf-8").count(f"\n{names[0]}:") for names in setting.values())


def test_the_file_comes_before_parameters_yaml(calibration: Calibration, priors: dict[str, Prior]):
    assert next(iter(priors)) == "arm.response.probability"
    assert priors["arm.response.probability"].parameter == "response.probability"
    assert "response.probability" not in priors
    named = priors["death.median_after_progression"]
    assert (named.parameter, named.distribution) == (named.name, Distribution("log-normal", 3.0, 20.0))
    assert named.reason.startswith("Median survival after progression")
    unnamed = priors["surgery.effect"]
    parameter = calibration.parameters["surgery.effect"]
    assert (unnamed.distribution, unnamed.reason) == (parameter.distribution, parameter.reason)
    assert list(priors).index("resection.death") < list(priors).index("surgery.effect")


@pytest.mark.parametrize("change", [{"decision": True}, {"distribution": None}, {"distribution": FIXED}])
def test_what_is_decided_or_held_has_no_prior(calibration: Calibration, change: dict[str, object]):
    changed = replace(calibration.parameters["surgery.effect"], **change)
    parameters = calibration.parameters.with_entries({"surgery.effect": changed})
    assert "surgery.effect" not in load_priors(CALIBRATION, parameters)


def test_what_sets_no_parameter(priors: dict[str, Prior]):
    alone = {name for name, prior in priors.items() if not prior.parameter}
    assert alone == {"study.death_factor", "study.dead_log_odds", "trial.follow_up", "trial.recist_log_odds"}


def test_every_prior_can_be_read_at_any_z_and_stays_within_bounds(
    calibration: Calibration, priors: dict[str, Prior]
):  # fmt: skip
    for prior in priors.values():
        at = prior.at
        values = [at(z) for z in (-4.5, -CENTRAL, 0.0, CENTRAL, 4.5)]
        assert values == sorted(set(values)), prior.name
        assert prior.distribution.low < values[2] < prior.distribution.high
        assert prior.reason.strip(), prior.name
        if prior.parameter:
            low, high = calibration.parameters[prior.parameter].bounds
            assert low <= values[1] <= values[3] <= high, prior.name


# --- faults of the file -----------------------------------------------------------------------------------------------

MORE = """\
extra.first:
  parameter: surgery.effect
  reason: an example
  distribution: {family: log-normal, low: 0.5, high: 2}
extra.second:
  unit: probability
  reason: another
  distribution: {family: beta, low: 20%, high: 0.5}
"""


def problems(folder: Path, old: str, new: str) -> list[str]:
    """Faults told once `MORE` is there, in which the first text is replaced by the second; lines from its first."""
    path = Path(shutil.copytree(CALIBRATION, folder / "calibration")) / PRIORS
    text = path.read_text(encoding="utf-8")
    assert MORE.count(old) == 1 or not old
    path.write_text(text.rstrip() + "\n" + MORE.replace(old, new), encoding="utf-8")
    try:
        load_priors(path.parent, load_calibration(path.parent).parameters)
    except InputError as error:
        before = len(text.rstrip().splitlines())
        return [
            f"{Path(p.file).name}:{p.line - before}: {p.key}: {p.message}" for p in error.problems if p.line is not None
        ]
    return []


def test_what_is_added_is_right(tmp_path: Path):
    assert problems(tmp_path, "", "") == []


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        (
            "parameter: surgery.effect",
            "parameter: surgery.efect",
            "priors.yaml:2: extra.first.parameter: unknown parameter 'surgery.efect'. Did you mean 'surgery.effect'? ",
        ),
        (
            "  parameter: surgery.effect\n",
            "",
            "priors.yaml:1: extra.first: unknown parameter 'extra.first'. ",
        ),
        (
            "unit: probability",
            "unit: probabilty",
            "priors.yaml:6: extra.second.unit: given 'probabilty'. Did you mean 'probability'? Accepted: months, ",
        ),
        ("  reason: an example\n", "", "priors.yaml:1: extra.first: reason missing"),
        ("reason: another", "reason: ''", "priors.yaml:7: extra.second.reason: given ''; accepted: text"),
        (
            "family: log-normal",
            "family: beta",
            "priors.yaml:4: extra.first.distribution.family: given 'beta'. Accepted: fixed, log-normal, ",
        ),
        (
            "family: beta",
            "family: log-normal",
            "priors.yaml:8: extra.second.distribution.family: given 'log-normal'. ",
        ),
        ("low: 0.5, high: 2", "low: 2, high: 0.5", "priors.yaml:4: extra.first.distribution: low must lie below high"),
        ("low: 0.5, high: 2", "low: 2, high: 2", "priors.yaml:4: extra.first.distribution: low must lie below high"),
        ("low: 0.5, high: 2", "low: 0.5", "priors.yaml:4: extra.first.distribution: low and high missing"),
        (
            "low: 0.5, high: 2",
            "low: -1, high: 2",
            "priors.yaml:4: extra.first.distribution.low: given -1, which is out of range",
        ),
        (
            "low: 20%",
            "low: 0",
            "priors.yaml:8: extra.second.distribution: low and high of beta must lie strictly between 0 and 1",
        ),
        (
            "  distribution: {family: beta, low: 20%, high: 0.5}\n",
            "",
            "priors.yaml:5: extra.second: distribution missing",
        ),
        (
            "reason: another",
            "raeson: another",
            "priors.yaml:7: extra.second.raeson: unknown key 'raeson'. Did you mean 'reason'? Accepted: ",
        ),
        ("extra.second:", "extra.first:", "priors.yaml:5: extra.first: duplicate key"),
    ],
)  # fmt: skip
def test_a_fault_is_told_with_line_and_key(tmp_path: Path, old: str, new: str, told: str):
    found = problems(tmp_path, old, new)
    assert any(one.startswith(told) for one in found), found


def test_all_faults_at_once(tmp_path: Path):
    new = MORE.replace("surgery.effect", "surgery.efect").replace("low: 20%", "low: 70%")
    found = problems(tmp_path, MORE, new)
    assert [one.partition(": ")[0] for one in found] == ["priors.yaml:2", "priors.yaml:8"]


def test_a_folder_without_priors(tmp_path: Path, calibration: Calibration):
    with pytest.raises(InputError, match=r"priors.yaml: does not exist"):
        load_priors(tmp_path, calibration.parameters)


BETA = "unit: probability\n  reason: another\n  distribution: {family: beta, low: 20%, high: 0.5}"
AGAIN = "parameter: surgery.effect\n  reason: another\n  distribution: {family: log-normal, low: 0.7, high: 3}"
SCATTER = "parameter: visits.scatter\n  reason: another\n  distribution: {family: uniform, low: 0, high: 5}"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        pytest.param("reason: an example", "unit: per month\n  reason: an example", id="not the unit of the parameter"),
        pytest.param(BETA, AGAIN, id="a parameter that has a prior already"),
        pytest.param("extra.second:", "surgery.unfit_share:", id="replaced by that of parameters.yaml"),
        pytest.param(BETA, SCATTER, id="beyond the bounds of the parameter"),
    ],
)
def test_a_contradiction_is_told(tmp_path: Path, old: str, new: str):
    assert problems(tmp_path, old, new) != []
