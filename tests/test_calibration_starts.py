"""Trials whose patients are resectable from the start: what is held, what each has for itself, what is read."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from hcc_sim.calibration import statistics
from hcc_sim.calibration.fit import model_of
from hcc_sim.calibration.model import Model
from hcc_sim.calibration.posterior import FARTHEST_Z
from hcc_sim.calibration.prior import load_priors
from hcc_sim.calibration.starts import OWN, STARTS, start_of
from hcc_sim.calibration.targets import targets_of
from hcc_sim.engine import compile_pathway
from hcc_sim.figures import Evidence
from hcc_sim.parameters import Calibration

STUDIES = ("neoadjuvant_3dcrt_2019", "storm", "reflect", "chong_2018")


@pytest.fixture(scope="module")
def model(known: Calibration, evidence: Evidence) -> Model:
    return model_of(known, evidence, STUDIES, patients=4_000, seed=5)[0]


def test_who_starts_how():
    assert start_of("storm/observation") is STARTS["observation"]
    assert start_of("adjuvant tace+ici") is STARTS["adjuvant"]
    assert start_of("neoadjuvant_3dcrt_2019/resection") is STARTS["resection"]
    assert start_of("reflect/lenvatinib") is None
    assert start_of("resection+haic+radiotherapy") is None, "those were converted"


def test_what_is_held_and_what_is_own(model: Model):
    z = np.zeros(len(model.unknowns))
    for arm in model.arms:
        values, start = model.values(z, arm), start_of(arm)
        assert values["population.resectable_share"] == (0.0 if start is None else 1.0)
        assert values["neoadjuvant.share"] == float(arm.endswith("neoadjuvant 3dcrt"))
        assert values["adjuvant.share_after_viable_tumour"] == float("adjuvant sorafenib" in arm)
    names = {one.name for one in model.quantities}
    assert not OWN & names, "common to nobody"
    assert "adjuvant sorafenib: adjuvant.effect_on_outgrowth" in names
    assert "neoadjuvant 3dcrt: neoadjuvant.dead_share" in names
    assert not [name for name in names if name.startswith(("storm/observation: ", "observation: "))]
    assert {name for name in names if name.startswith("storm: ")} == {
        "storm: study.resectable_occult_log_odds",
        "storm: study.resectable_outgrowth_factor",
        "storm: study.resectable_death_factor",
    }
    assert {name.partition(": ")[2] for name in names if name.startswith("chong_2018: ")} == {
        *(f"study.resectable_{what}" for what in ("occult_log_odds", "outgrowth_factor", "death_factor")),
        "study.death_factor",
        "study.dead_log_odds",
    }, "one of its arms was converted, the other resectable"


@pytest.mark.parametrize(
    ("name", "parameter", "rises"),
    [
        ("storm: study.resectable_occult_log_odds", "resectable.occult_share", True),
        ("storm: study.resectable_outgrowth_factor", "outgrowth.median", True),
        ("storm: study.resectable_death_factor", "death.median_after_relapse", True),
    ],
)
def test_effects_of_a_study_act_in_its_arms_alone(model: Model, name: str, parameter: str, rises: bool):
    z = np.zeros(len(model.unknowns))
    place = next(one for one in model.quantities if one.name == name).places[0]
    moved = z.copy()
    moved[place] = 1.0
    for arm in model.arms:
        before, after = model.values(z, arm)[parameter], model.values(moved, arm)[parameter]
        assert (after > before) == (rises and arm.startswith("storm/"))


def test_the_ratio_of_an_adjuvant_trial_follows_its_effect(model: Model):
    quantity = next(
        one for one in model.quantities if one.name == "storm/adjuvant sorafenib: adjuvant.effect_on_outgrowth"
    )
    target = next(t for t in model.targets if t.figure.id.startswith("storm.rfs.hazard_ratio"))
    place = model.targets.index(target)
    ratios = []
    for step in (-2.0, 0.0, 2.0):
        z = np.zeros(len(model.unknowns))
        z[list(quantity.places)] = step
        ratios.append(model.predict(z)[place].working)
    assert ratios[0] < ratios[1] < ratios[2]
    assert ratios[0] < -0.1


def test_adjuvant_trials_count_from_resection_and_neoadjuvant_ones_from_the_start(model: Model):
    read = {
        t.figure.id: t.statistic.read.args[0] for t in model.targets if t.study in ("neoadjuvant_3dcrt_2019", "storm")
    }
    of = {identifier.split(".")[1]: times for identifier, times in read.items()}
    assert of["rfs"] is statistics.recurrence_free_survival
    assert of["os"] is statistics.overall_survival
    assert of["dfs"] is statistics.progression_free_survival


def test_of_two_looks_at_the_same_patients_the_later_counts(evidence: Evidence):
    targets, left = targets_of(evidence)
    assert "imbrave050.rfs.hazard_ratio.later" in {t.figure.id for t in targets}
    (why,) = [one.why for one in left if one.figure.id == "imbrave050.rfs.hazard_ratio.first_interim"]
    assert why == "overtaken by imbrave050.rfs.hazard_ratio.later, a later look at the same patients"


def test_nothing_waits_for_patients_who_start_otherwise(evidence: Evidence):
    assert not [one.figure.id for one in targets_of(evidence)[1] if "start otherwise" in one.why]


# --- a median where other causes are censored -------------------------------------------------------------------------


def arm_with(model: Model, death: list[float], other: list[bool]):
    base = model.simulate(np.zeros(len(model.unknowns)), "storm/observation")
    n = len(death)
    short = {name: getattr(base, name)[:n] for name in vars(base)}
    return replace(
        base, **short | {"death": np.array(death), "resection": np.zeros(n), "of_other_causes": np.array(other)}
    )


def test_a_disease_specific_median_is_that_of_the_product_limit_estimate(model: Model):
    """By hand: 5/6 = .833 at 2; censored at 4; .833 x 3/4 = .625 at 6; x 2/3 = .417 at 8; censored at 9; 0 at 12."""
    arm = arm_with(model, [2.0, 4.0, 6.0, 8.0, 9.0, 12.0], [False, True, False, False, True, False])
    at = statistics.disease_specific_median(statistics.survival_after_resection, 7.0, 1.0)({}, arm)
    assert at.printed == 8.0
    assert at.working == pytest.approx(np.log(7.0) + np.log(0.625 / 0.375) / (2.0 * np.log(2.0)))
    nobody = arm_with(model, [2.0, 4.0, 6.0, 8.0, 9.0, 12.0], [False] * 6)
    plain = statistics.median(statistics.survival_after_resection, 7.0, 1.0)({}, nobody)
    specific = statistics.disease_specific_median(statistics.survival_after_resection, 7.0, 1.0)({}, nobody)
    assert specific.working == pytest.approx(plain.working)
    everybody = arm_with(model, [2.0, 4.0], [True, True])
    assert (
        statistics.disease_specific_median(statistics.survival_after_resection, 7.0, 1.0)({}, everybody).printed
        == np.inf
    )


# --- no draw may be impossible ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("z", [-FARTHEST_Z, FARTHEST_Z])
def test_the_farthest_draws_still_make_a_pathway(known: Calibration, model: Model, z: float):
    """All uncertain parameters at once at the same end: weights of a branch must not sum to more than 1."""
    values = dict(model.held)
    for prior in load_priors(known.folder, known.parameters).values():
        if prior.parameter:
            values[prior.parameter] = prior.at(z)
    compile_pathway(model.pathway, values)


# --- slopes -----------------------------------------------------------------------------------------------------------


def test_what_is_left_out_of_slopes_for_closed_roads_is_nothing(model: Model, monkeypatch: pytest.MonkeyPatch):
    z = np.zeros(len(model.unknowns))
    arms = model.clusters[0]
    everything = np.arange(len(z))
    screened = model._slopes_of_cluster(z, arms, everything)
    names = {model.unknowns[place].name for place in model._idle(z, arms[0])}
    assert "transplantation.death" in names
    assert not {"death.shape", "decompensation.median", "sterilisation.rate"} & names
    monkeypatch.setattr(Model, "_idle", lambda *_: frozenset())
    plain = model._slopes_of_cluster(z, arms, everything)
    assert screened.keys() <= plain.keys()
    for number, slope in plain.items():
        assert np.array_equal(np.nan_to_num(slope), np.nan_to_num(screened.get(number, np.zeros(len(z)))))
