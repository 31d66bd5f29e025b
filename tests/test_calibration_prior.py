"""Priors on one scale: quantiles against scipy's distributions, and the file they are read from, with its faults."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from hcc_sim.calibration.prior import OF_ARM, Prior, load_priors
from hcc_sim.errors import InputError
from hcc_sim.fit_in_use import PRIORS
from hcc_sim.parameters import Calibration, Distribution, load_calibration
from hcc_sim.quantiles import CENTRAL, score_of

CALIBRATION = Path(__file__).parents[1] / "calibration"
FIXED = Distribution("fixed", 1.0, 1.0)
HELD = "visits.scatter"


@pytest.fixture(scope="module")
def calibration() -> Calibration:
    return load_calibration(CALIBRATION)


@pytest.fixture(scope="module")
def priors(calibration: Calibration) -> dict[str, Prior]:
    return load_priors(CALIBRATION, calibration.parameters)


# --- the file ---------------------------------------------------------------------------------------------------------


def test_every_uncertain_parameter_has_one_prior(calibration: Calibration, priors: dict[str, Prior]):
    setting: dict[str, list[str]] = {}
    for name, prior in priors.items():
        assert name == prior.name
        if prior.parameter:
            setting.setdefault(prior.parameter, []).append(name)
    for name, parameter in calibration.parameters.of_pathway().items():
        uncertain = parameter.distribution is not None and parameter.distribution.family != "fixed"
        if uncertain and not parameter.decision and name != HELD:
            (prior,) = setting.pop(name)
            assert prior == (OF_ARM + name if parameter.of_arm else name) or prior.startswith("trial.")
    assert not setting


def test_what_the_file_holds_fixed_has_no_prior(calibration: Calibration, priors: dict[str, Prior]):
    assert calibration.parameters[HELD].distribution != FIXED
    assert f"parameter: {HELD}" in (CALIBRATION / PRIORS).read_text(encoding="utf-8")
    assert not any(HELD in (prior.name, prior.parameter) for prior in priors.values())


def test_values_before_the_fit_are_near_the_middle_of_their_priors(calibration: Calibration):
    """Or a reader of the file would take one number for the model's and find another in a run."""
    for name, parameter in calibration.parameters.of_pathway().items():
        uncertain = parameter.distribution is not None and parameter.distribution.family != "fixed"
        if uncertain and not parameter.decision:
            prior = parameter.distribution
            assert abs(score_of(prior.family, prior.low, prior.high)(parameter.value)) < 0.26, name


def test_the_file_comes_before_parameters_yaml(calibration: Calibration, priors: dict[str, Prior]):
    assert next(iter(priors)) == "study.death_factor"
    assert priors["arm.response.probability"].parameter == "response.probability"
    assert "response.probability" not in priors
    named = priors["death.median_after_progression"]
    assert (named.parameter, named.distribution) == (named.name, Distribution("log-normal", 3.0, 20.0))
    assert named.reason.startswith("Median survival after progression")
    unnamed = priors["surgery.effect"]
    parameter = calibration.parameters["surgery.effect"]
    assert (unnamed.distribution, unnamed.reason) == (parameter.distribution, parameter.reason)
    assert list(priors).index("trial.follow_up") < list(priors).index("surgery.effect")


@pytest.mark.parametrize("change", [{"decision": True}, {"distribution": None}, {"distribution": FIXED}])
def test_what_is_decided_or_held_has_no_prior(calibration: Calibration, change: dict[str, object]):
    changed = replace(calibration.parameters["surgery.effect"], **change)
    parameters = calibration.parameters.with_entries({"surgery.effect": changed})
    assert "surgery.effect" not in load_priors(CALIBRATION, parameters)


def test_what_sets_no_parameter(priors: dict[str, Prior]):
    alone = {name for name, prior in priors.items() if not prior.parameter}
    of_resectable = {f"study.resectable_{what}" for what in ("occult_log_odds", "outgrowth_factor", "death_factor")}
    of_others = {"study.death_factor", "study.dead_log_odds", "trial.follow_up", "trial.recist_log_odds"}
    assert alone == of_resectable | of_others


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
trial.first:
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
            "priors.yaml:2: trial.first.parameter: unknown parameter 'surgery.efect'. Did you mean 'surgery.effect'? ",
        ),
        (
            "  parameter: surgery.effect\n",
            "",
            "priors.yaml:1: trial.first: unknown parameter 'trial.first'. ",
        ),
        (
            "unit: probability",
            "unit: probabilty",
            "priors.yaml:6: extra.second.unit: given 'probabilty'. Did you mean 'probability'? Accepted: months, ",
        ),
        ("  reason: an example\n", "", "priors.yaml:1: trial.first: reason missing"),
        ("reason: another", "reason: ''", "priors.yaml:7: extra.second.reason: given ''; accepted: text"),
        (
            "family: log-normal",
            "family: beta",
            "priors.yaml:4: trial.first.distribution.family: given 'beta'. Accepted: fixed, log-normal, ",
        ),
        (
            "family: beta",
            "family: log-normal",
            "priors.yaml:8: extra.second.distribution.family: given 'log-normal'. ",
        ),
        ("low: 0.5, high: 2", "low: 2, high: 0.5", "priors.yaml:4: trial.first.distribution: low must lie below high"),
        ("low: 0.5, high: 2", "low: 2, high: 2", "priors.yaml:4: trial.first.distribution: low must lie below high"),
        ("low: 0.5, high: 2", "low: 0.5", "priors.yaml:4: trial.first.distribution: low and high missing"),
        (
            "low: 0.5, high: 2",
            "low: -1, high: 2",
            "priors.yaml:4: trial.first.distribution.low: given -1, which is out of range",
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
        ("extra.second:", "trial.first:", "priors.yaml:5: trial.first: duplicate key"),
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
