"""The fit that scenarios stand on: conditional values by hand, then the committed fit under scenarios of all kinds."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from hcc_sim.analyses.compare import compare
from hcc_sim.analyses.turning import TIMING_ASSUMPTIONS
from hcc_sim.calibration import statistics
from hcc_sim.calibration.trial import simulate_arm
from hcc_sim.errors import InputError
from hcc_sim.fit_in_use import FitInUse, Quantity, check_pathway, fit_in_use, sealed
from hcc_sim.laws import LogNormal
from hcc_sim.layers import AROUND_SURGERY
from hcc_sim.parameters import Calibration, Distribution, load_calibration
from hcc_sim.pathway.hcc import AGGRESSIVENESS
from hcc_sim.pathway.model import Pathway, Set
from hcc_sim.quantiles import value_of
from hcc_sim.scenario import Scenario, hcc_pathway_of, load_scenario, programs

CALIBRATION = Path(__file__).parents[1] / "calibration"

# --- by hand ----------------------------------------------------------------------------------------------------------


def quantity(name: str, z: float, *, family: str = "log-normal", low: float = 0.5, high: float = 2.0) -> Quantity:
    value = value_of(family, low, high)(z)
    prior = Distribution(family, low, high)
    return Quantity(name, name, prior, value, z, -2.0, 2.5, (0.9 * value, 1.1 * value), "partly", ("launch.os.x",))


def by_hand(covariance: dict[str, dict[str, float]]) -> FitInUse:
    names = dict.fromkeys([*covariance, *(other for row in covariance.values() for other in row)])
    quantities = {name: quantity(name, 0.1 * number) for number, name in enumerate(names)}
    return FitInUse(Path("here"), quantities, covariance, {}, {})


def test_nothing_moves_without_another_belief():
    fit = by_hand({"a": {"a": 0.8, "b": 0.3}})
    assert fit.shifts({}) == {}
    assert fit.shifts({"unknown to the fit": 2.0}) == {}


def test_one_belief_moves_the_others_by_regression():
    fit = by_hand({"a": {"a": 0.8, "b": 0.3}})
    z = 1.0  # of the belief; the mean of the draws is 0
    shifts = fit.shifts({"a": fit.quantities["a"].at(z)})
    assert shifts == pytest.approx({"b": 0.3 / 0.8 * z})


def test_two_beliefs_count_for_what_they_share_once():
    rows = {"a": {"a": 0.8, "b": 0.5, "c": 0.3}, "b": {"a": 0.5, "b": 0.9, "c": -0.2}}
    fit = by_hand(rows)
    off = np.array([1.0, -0.5 - 0.1])
    beliefs = {"a": fit.quantities["a"].at(1.0), "b": fit.quantities["b"].at(-0.5)}
    expected = np.array([0.3, -0.2]) @ np.linalg.inv([[0.8, 0.5], [0.5, 0.9]]) @ off
    assert fit.shifts(beliefs) == pytest.approx({"c": expected})
    alone = 0.3 / 0.8 * 1.0 - 0.2 / 0.9 * -0.6
    assert abs(expected - alone) > 0.1


def test_beliefs_that_no_draw_comes_near_count_as_the_nearest():
    fit = by_hand({"a": {"a": 0.8, "b": 0.3}})
    far = {"a": fit.quantities["a"].at(6.0)}
    assert fit.outside(far) == ("a",)
    assert fit.outside({"a": fit.quantities["a"].at(2.4)}) == ()
    assert fit.shifts(far) == pytest.approx({"b": 0.3 / 0.8 * 2.5})


# --- the committed fit ------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def calibration() -> Calibration:
    return load_calibration(CALIBRATION)


@pytest.fixture(scope="module")
def fit(calibration: Calibration) -> FitInUse:
    found = fit_in_use(calibration)
    assert found is not None
    return found


Load = Callable[..., Scenario]


@pytest.fixture
def load(tmp_path: Path, calibration: Calibration) -> Load:
    def loaded(text: str = "", *, regimen: str = "regimen: haic_lenvatinib_pd1", **settings: str) -> Scenario:
        path = tmp_path / "mine.yaml"
        strategies = "" if "strategies:" in text else "strategies: {at once: {surgery.delay: 0 days}}\n"
        path.write_text(f"title: mine\n{regimen}\n{strategies}{text}", encoding="utf-8")
        overrides = {name.replace("__", "."): value for name, value in settings.items()}
        return load_scenario(path, calibration=calibration, overrides=overrides, patients=200)

    return loaded


def test_the_committed_fit_is_not_stale(calibration: Calibration, fit: FitInUse):
    check_pathway(fit, calibration, hcc_pathway_of(calibration))
    assert fit.summary["doubts"] == []
    assert fit.summary["draws"] >= 200


def changed_pathways(pathway: Pathway) -> dict[str, Pathway]:
    """The pathway with one thing changed, of each kind that a fit hangs on."""
    toxicity = replace(pathway.laws["toxicity"], make=LogNormal.from_median)
    stronger = replace(pathway.everywhere[0], hazard_ratios={})
    return {
        "attributes": replace(pathway, attributes={**pathway.attributes, "tumour in place": 0}),
        "laws": replace(pathway, laws={**pathway.laws, "toxicity": toxicity}),
        "everywhere": replace(pathway, everywhere=(stronger,)),
        "at_start": replace(pathway, at_start=(*pathway.at_start, Set("male", 1))),
        "states": replace(pathway, states=pathway.states[::-1]),
    }


@pytest.mark.parametrize("what", ["attributes", "laws", "everywhere", "at_start", "states"])
def test_a_pathway_that_has_changed_is_refused(calibration: Calibration, fit: FitInUse, what: str):
    other = changed_pathways(hcc_pathway_of(calibration))[what]
    with pytest.raises(InputError, match="the pathway has changed since: hcc-sim calibrate"):
        check_pathway(fit, calibration, other)


def test_nothing_is_simulated_on_the_fit_of_another_pathway(load: Load):
    scenario = load()
    assert scenario.fit is not None
    other = replace(scenario.fit, summary={**scenario.fit.summary, "hash": "0"})
    with pytest.raises(InputError, match="the pathway has changed since"):
        programs(replace(scenario, fit=other))


@pytest.mark.parametrize(
    ("file", "old", "new", "told"),
    [
        ("figures/launch.yaml", "value: 17.8\n", "value: 17.9\n", "is stale"),
        ("priors.yaml", "low: 6 weeks", "low: 5 weeks", "is stale"),
        ("parameters.yaml", "value: 0.85\n", "value: 0.86\n", "is stale"),
        ("fitted/fit.json", '"seed": 20240502', '"seed": 20240503', "it was changed by hand"),
        ("fitted/fit.json", "{", "", "cannot be read"),
    ],
)
def test_a_fit_that_is_not_of_these_files_is_refused(tmp_path: Path, file: str, old: str, new: str, told: str):
    folder = Path(shutil.copytree(CALIBRATION, tmp_path / "calibration"))
    path = folder / file
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(InputError, match=rf"{told}.*: hcc-sim calibrate --calibration "):
        fit_in_use(load_calibration(folder))


def test_a_fit_of_some_studies_is_not_that_of_all(tmp_path: Path):
    folder = Path(shutil.copytree(CALIBRATION, tmp_path / "calibration"))
    path = folder / "fitted" / "fit.json"
    summary = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps(sealed(summary | {"studies": ["launch"]})), encoding="utf-8")
    with pytest.raises(InputError, match="a fit of launch only"):
        fit_in_use(load_calibration(folder))


def test_words_and_regimens_do_not_make_it_stale(tmp_path: Path):
    folder = Path(shutil.copytree(CALIBRATION, tmp_path / "calibration"))
    for file, old, new in (
        ("parameters.yaml", "meaning: Youngest patient", "meaning: The youngest patient"),
        ("regimens.yaml", "title: Lenvatinib + TACE", "title: TACE + lenvatinib"),
        ("priors.yaml", "# --- of every study", "# --- once more, of every study"),
    ):
        path = folder / file
        text = path.read_text(encoding="utf-8")
        assert old in text
        path.write_text(text.replace(old, new), encoding="utf-8")
    for path in (folder / "figures").iterdir():  # as a checkout on Windows has it
        path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    assert fit_in_use(load_calibration(folder)) is not None


def test_no_fit_is_told_with_the_command_that_makes_one(tmp_path: Path):
    folder = Path(shutil.copytree(CALIBRATION, tmp_path / "calibration", ignore=shutil.ignore_patterns("fitted")))
    with pytest.raises(InputError, match="holds no fit: hcc-sim calibrate --calibration "):
        fit_in_use(load_calibration(folder))


def test_the_base_case_is_the_mean_of_the_draws(load: Load, fit: FitInUse):
    import pyarrow.parquet as pq

    (strategy,) = load().strategies
    draws = pq.read_table(CALIBRATION / "fitted" / "draws.parquet").to_pydict()
    for name in ("surgery.effect", "death.median_after_progression", "regrowth.median"):
        one = fit.quantities[name]
        z = np.mean([one.score(value) for value in draws[name]])
        assert strategy.parameters.value(name) == pytest.approx(one.at(z), rel=1e-6)
        assert strategy.parameters[name].set_by == "fit"
    of_arm = strategy.parameters["response.probability"]
    assert of_arm.value == fit.quantities["fu_2023/haic+lenvatinib+pd1: response.probability"].value
    assert of_arm.set_by == "regimen haic_lenvatinib_pd1"


def test_what_no_figure_tells_is_its_prior_to_the_last_digits(load: Load, fit: FitInUse, calibration: Calibration):
    parameters = load().strategies[0].parameters
    name = "salvage.curable_share"
    prior = calibration.parameters[name].distribution
    assert prior is not None
    assert parameters.value(name) == pytest.approx(value_of(prior.family, prior.low, prior.high)(0.0), rel=1e-9)
    told = parameters[name].distribution
    assert told is not None
    assert (told.low, told.high) == pytest.approx((prior.low, prior.high), rel=1e-6)
    assert parameters[name].kind == "assumed"


def test_kinds_say_what_was_learned(load: Load):
    parameters = load().strategies[0].parameters
    learned = parameters["death.median_after_progression"]
    assert learned.kind == "calibrated"
    assert learned.sources
    assert "most is told by" in learned.derivation
    assert parameters["surgery.effect"].kind == "assumed"
    assert parameters["visits.scatter"].set_by == "default", "trials' eyes are not the scenario's"


def test_a_belief_moves_what_was_fitted_with_it(load: Load, fit: FitInUse):
    before, after = load().strategies[0].parameters, load(progression__shape="1.3").strategies[0].parameters
    moved = {name for name in before if before.value(name) != after.value(name)}
    expected = fit.shifts({"progression.shape": 1.3})
    assert {"death.median_after_progression", "progression.median_of_non_responders"} < moved
    for name in ("death.median_after_progression", "fu_2023/haic+lenvatinib+pd1: progression.median_of_non_responders"):
        one = fit.quantities[name]
        assert after.value(name.rpartition(" ")[2]) == pytest.approx(one.at(one.z + expected[name]))
    in_the_file = load("parameters: {progression.shape: 1.3}\n").strategies[0].parameters
    assert in_the_file.values_only() == after.values_only()


@pytest.mark.parametrize(
    ("text", "set"),
    [
        ("strategies: {at once: {surgery.delay: 0 days, progression.shape: 1.3}}\n", {"progression.shape"}),
        ("parameters: {conversion.occult_share: 0.3}\n", {"conversion.occult_share"}),
        ("parameters: {population.age_mean: 70 years}\n", {"population.age_mean"}),
    ],
)
def test_decisions_questions_and_populations_move_nothing_else(load: Load, text: str, set: set[str]):
    before, after = load().strategies[0].parameters, load(text).strategies[0].parameters
    assert {name for name in before if before.value(name) != after.value(name)} == set


def test_a_strategy_that_repeats_the_scenarios_belief_differs_in_nothing(load: Load):
    text = "parameters: {progression.shape: 1.3}\nstrategies: {a: {progression.shape: 1.3}, b: {}}\n"
    a, b = load(text).strategies
    assert a.parameters.values_only() == b.parameters.values_only()
    held = load("strategies: {a: {surgery.effect: 1}, b: {}}\n", surgery__effect="20")
    assert held.fit_not_renewed == ("surgery.effect",)


@pytest.mark.parametrize("name", sorted(set(TIMING_ASSUMPTIONS) - {AGGRESSIVENESS}))
def test_turning_an_assumption_is_setting_it(load: Load, calibration: Calibration, name: str):
    prior = calibration.parameters[name].distribution
    assert prior is not None
    value = value_of(prior.family, prior.low, prior.high)(0.7)
    (base,) = load().strategies
    text = f"{value!r} months" if calibration.parameters[name].unit == "months" else repr(value)
    (told,) = load(**{name.replace(".", "__"): text}).strategies
    turned = base.layers.parameters({name: told.parameters.value(name)})
    assert turned.values_only() == told.parameters.values_only()


def test_values_beyond_the_draws_are_told_in_the_headline(load: Load):
    assert load(surgery__effect="0.9").fit_not_renewed == ()
    far = load(surgery__effect="20")
    assert far.fit_not_renewed == ("surgery.effect",)
    assert compare(far).headline().endswith("Fit not renewed for surgery.effect: held where no draw of it lies.")


# --- regimens ---------------------------------------------------------------------------------------------------------


def test_a_regimen_is_one_put_together_one_of_the_documents_or_one_arm(load: Load, fit: FitInUse):
    name = "progression.median_of_non_responders"
    for regimen, owner in (
        ("lenvatinib_tace", "launch/tace+lenvatinib"),
        ("launch/tace+lenvatinib", "launch/tace+lenvatinib"),
        ("tace+lenvatinib", "tace+lenvatinib"),
    ):
        (strategy,) = load(regimen=f"regimen: {regimen}").strategies
        assert strategy.parameters.value(name) == fit.quantities[f"{owner}: {name}"].value
        assert strategy.layers.regimen.grade == "calibrated"


def test_a_regimen_is_the_mean_of_its_arms(fit: FitInUse):
    arms = fit.regimens["lenvatinib"].arms
    assert len(arms) > 2
    for name in ("response.probability", "progression.median_of_non_responders"):
        mean = np.mean([fit.quantities[f"{arm}: {name}"].z for arm in arms])
        assert fit.quantities[f"lenvatinib: {name}"].z == pytest.approx(mean, abs=1e-9)


def test_a_regimen_of_the_network_shows_its_ratio(load: Load, fit: FitInUse):
    (strategy,) = load(regimen="regimen: donafenib").strategies
    assert strategy.layers.regimen.grade == "network"
    assert strategy.parameters["progression.median_of_non_responders"].sources == ("qin_2021",)
    assert any("By the network alone: a hazard ratio of 0.85" in note for note in strategy.layers.regimen.borrowed)
    pathway = hcc_pathway_of(load().calibration)
    both = [load(regimen=f"regimen: {name}").strategies[0].parameters for name in ("donafenib", "sorafenib")]
    arms = [simulate_arm(pathway, parameters.values_only(), seed=5, patients=20_000) for parameters in both]
    found = statistics.contrast(statistics.overall_survival)({"trial.follow_up": 20.0}, *arms)
    asked = next(one for one in fit.summary["only_in_network"] if one["regimen"] == "donafenib")
    assert found.working == pytest.approx(asked["mean"], abs=0.1)  # the base case is a mean of z, not of the ratio
    assert abs(found.working + asked["mean"]) > 0.2


def test_what_no_figure_tells_of_a_regimen_is_said(load: Load):
    (strategy,) = load(regimen="regimen: launch/lenvatinib").strategies
    (note,) = strategy.layers.regimen.borrowed
    assert note.startswith("Hardly any figure tells conversion.convertible_share of launch/lenvatinib: ")
    (own,) = load("parameters: {conversion.convertible_share: 0.1}\n", regimen="regimen: launch/lenvatinib").strategies
    assert own.layers.regimen.borrowed == (), "the user told it"


def test_a_regimen_that_is_only_described_needs_numbers(load: Load, fit: FitInUse):
    described = next(key for key, one in fit.regimens.items() if one.grade == "described" and not one.arms)
    with pytest.raises(InputError) as error:
        load(regimen=f"regimen: {described}")
    assert f"of '{described}' (described) no figure tells response.probability" in str(error.value)
    own = (
        "{response.probability: 0.4, progression.median_of_non_responders: 6 months, conversion.convertible_share: 0.3}"
    )
    assert load(f"parameters: {own}\n", regimen=f"regimen: {described}").strategies[0].parameters


def test_a_described_regimen_keeps_what_figures_tell_of_it(load: Load):
    """Of TACE, radiotherapy and avelumab in sequence response and conversion are printed, no survival time."""
    with pytest.raises(InputError, match=r"\(described\) no figure tells progression\.median_of_non_responders; give"):
        load(regimen="regimen: tace+sbrt+avelumab")
    own = "parameters: {progression.median_of_non_responders: 8 months}\n"
    (strategy,) = load(own, regimen="regimen: tace+sbrt+avelumab").strategies
    assert strategy.parameters["response.probability"].kind == "calibrated"


def test_without_a_regimen_the_missing_numbers_are_named(load: Load):
    with pytest.raises(InputError, match=r"no regimen is named to tell response\.probability, progression\.median"):
        load(regimen="")


def test_a_regimen_that_is_unknown_is_told_with_the_nearest(load: Load):
    with pytest.raises(InputError, match="Did you mean 'tace\\+lenvatinib'"):
        load(regimen="regimen: tace+lenvatinip")


def test_a_calibration_without_priors_asks_for_no_fit(tmp_path: Path):
    small = load_calibration(Path(__file__).parent / "data" / "calibration")
    assert fit_in_use(small) is None


def test_every_fitted_regimen_runs(load: Load, fit: FitInUse):
    for key, one in fit.regimens.items():
        around_surgery = key.split(" ")[0] in (*AROUND_SURGERY, "resection", "observation")
        known = any(name.startswith(f"{key}: ") for name in fit.quantities)
        if one.grade in ("calibrated", "network") and known and not around_surgery:
            assert programs(load(regimen=f'regimen: "{key}"'))


def test_the_summary_is_small_enough_to_be_read_at_every_start():
    text = (CALIBRATION / "fitted" / "fit.json").read_text(encoding="utf-8")
    assert len(text) < 2_000_000
    assert all(math.isfinite(one["value"]) for one in json.loads(text)["ledger"])
