"""Sparing surgery by a test, and therapy after it: off by default, and what each number does when it is on."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

import numpy as np
import pytest
from test_hcc_pathway import EXITS, PATHWAY, SEED, values_of

from hcc_sim.calibration.trial import Arm, arm_of
from hcc_sim.engine import compile_pathway, simulate_all
from hcc_sim.history import Stays

PATIENTS = 6_000
TESTED = {"necrosis_test.share_tested": 1.0}
ALL = {"adjuvant.share_after_viable_tumour": 1.0, "adjuvant.share_after_complete_response": 1.0}
HARMLESS = {
    "adjuvant.effect_on_outgrowth": 1.0,
    "adjuvant.effect_on_new_primary": 1.0,
    "adjuvant.effect_afterwards": 1.0,
    "adjuvant.effect_on_decompensation": 1.0,
}
NO_EFFECT_OF_DRUGS = {
    f"drugs.withdrawal_effect_on_{what}": 1.0
    for what in ("progression", "response", "regrowth", "outgrowth", "new_primary", "decompensation")
}
TIMES = ("death", "progression", "response", "conversion", "operation", "resection", "recurrence", "repeat")


def simulated(*changes: Mapping[str, float]) -> tuple[Stays, Arm]:
    return _simulated(
        tuple(sorted({"surgery.delay": 0.0, **{k: v for one in changes for k, v in one.items()}}.items()))
    )


@lru_cache(maxsize=64)
def _simulated(changes: tuple[tuple[str, float], ...]) -> tuple[Stays, Arm]:
    program = compile_pathway(PATHWAY, values_of(dict(changes)))
    stays = simulate_all(program, seed=SEED, patients=PATIENTS, horizon_months=360.0)
    return stays, arm_of(stays, program, PATIENTS)


def who(stays: Stays, exit: str) -> set[int]:
    return set(stays.patient[stays.ended_by == EXITS.index(exit)].tolist())


def same(one: Arm, other: Arm) -> bool:
    return all(np.array_equal(getattr(one, name), getattr(other, name)) for name in TIMES)


# --- a test for necrosis ----------------------------------------------------------------------------------------------


def test_a_test_that_nobody_has_changes_nothing():
    assert same(simulated()[1], simulated({"necrosis_test.sensitivity": 0.1, "necrosis_test.specificity": 0.1})[1])


def test_a_test_that_always_knows_spares_the_dead_and_only_them():
    stays, _ = simulated(TESTED, {"necrosis_test.sensitivity": 1.0, "necrosis_test.specificity": 1.0})
    assert not who(stays, "spared though viable")
    assert not who(stays, "taken for viable")
    spared, dead = who(stays, "spared, the tumour being dead"), who(stays, "dead tumour tested")
    assert spared == dead
    assert len(spared) > 100
    decided = who(stays, "accepts surgery") | who(stays, "declines surgery") | who(stays, "unfit for surgery")
    assert not spared & decided


def test_a_test_that_finds_everything_viable_is_no_test():
    blind = simulated(TESTED, {"necrosis_test.sensitivity": 1.0, "necrosis_test.specificity": 0.0})[1]
    assert same(simulated()[1], blind)


@pytest.mark.parametrize(
    ("name", "yes", "no"),
    [
        ("necrosis_test.sensitivity", "viable tumour found", "spared though viable"),
        ("necrosis_test.specificity", "spared, the tumour being dead", "taken for viable"),
    ],
)
def test_shares_of_a_test_are_those_given(name: str, yes: str, no: str):
    stays, _ = simulated(TESTED, {name: 0.8})
    right, wrong = len(who(stays, yes)), len(who(stays, no))
    assert right / (right + wrong) == pytest.approx(0.8, abs=4 * np.sqrt(0.16 / (right + wrong)))
    assert right + wrong > 300


def test_the_spared_may_still_be_operated_at_relapse():
    stays, _ = simulated(TESTED, {"necrosis_test.sensitivity": 0.0, "necrosis_test.specificity": 1.0})
    assert len(who(stays, "spared though viable") & who(stays, "accepts salvage")) > 50
    assert not who(stays, "accepts surgery")


# --- therapy after surgery --------------------------------------------------------------------------------------------


def test_adjuvant_therapy_that_nobody_has_changes_nothing():
    others = {"adjuvant.effect_on_outgrowth": 0.1, "adjuvant.toxicity_rate": 1.0, "adjuvant.duration": 99.0}
    assert same(simulated()[1], simulated(others)[1])


def test_adjuvant_therapy_without_any_effect_changes_no_fate():
    stays, arm = simulated(ALL, HARMLESS)
    assert len(who(stays, "adjuvant begins")) > 500
    assert same(simulated()[1], arm)


def test_the_conversion_regimen_may_go_on_as_adjuvant_therapy():
    """Then patients are on drugs again from its start to its end, which shows where being off drugs does anything."""
    on = {"adjuvant.continued_share": 1.0}
    harmless = simulated(ALL, HARMLESS, NO_EFFECT_OF_DRUGS)[1]
    assert same(harmless, simulated(ALL, HARMLESS, NO_EFFECT_OF_DRUGS, on)[1])
    helped = simulated(ALL, HARMLESS, on, {"drugs.withdrawal_effect_on_outgrowth": 3.0})[1]
    without = simulated(ALL, HARMLESS, {"drugs.withdrawal_effect_on_outgrowth": 3.0})[1]
    assert (helped.recurrence >= without.recurrence).mean() > 0.98
    assert (helped.recurrence > without.recurrence).sum() > 100
    assert same(simulated()[1], simulated(on)[1]), "nobody has adjuvant therapy"


def test_it_begins_and_ends_at_its_dates():
    stays, arm = simulated(
        ALL, HARMLESS, {"adjuvant.start": 1.5, "adjuvant.duration": 6.0, "adjuvant.toxicity_rate": 1e-9}
    )
    for exit, months in (("adjuvant begins", 1.5), ("adjuvant ends", 7.5)):
        rows = stays.ended_by == EXITS.index(exit)
        patients = stays.patient[rows].astype(int)
        assert stays.left_months[rows] - arm.resection[patients] == pytest.approx(months, abs=1e-9)
        assert len(patients) > 400
    assert who(stays, "adjuvant ends") <= who(stays, "adjuvant begins")


def test_it_is_given_by_what_the_specimen_shows():
    stays, arm = simulated({"adjuvant.share_after_complete_response": 1.0})
    complete = set(np.flatnonzero(arm.complete_pathological_response).tolist())
    assert who(stays, "adjuvant therapy planned after pCR") <= complete
    assert not who(stays, "adjuvant therapy planned")
    stays, _ = simulated({"adjuvant.share_after_viable_tumour": 1.0})
    assert not who(stays, "adjuvant begins") & complete
    assert len(who(stays, "adjuvant begins")) > 500


def test_complications_rule_it_out():
    stays, _ = simulated(ALL, {"adjuvant.ruled_out_by_complication": 1.0})
    assert not who(stays, "adjuvant begins") & who(stays, "major complication")
    stays, _ = simulated(ALL, {"adjuvant.ruled_out_by_complication": 0.0})
    assert who(stays, "adjuvant begins") & who(stays, "major complication")


HALVED = {"adjuvant.effect_on_outgrowth": 0.5}
NOTHING_ELSE = {"resection.r1_share": 0.0, "salvage.r1_share": 0.0, "new_primary.rate": 1e-9}
"""Regrowth of a remnant and new primaries are held back too, and would send patients on other ways."""


def outgrowth(*changes: Mapping[str, float]) -> np.ndarray:
    """When occult disease first grows out, seen or not; infinite where it does not."""
    stays, _ = simulated(ALL, HARMLESS, NOTHING_ELSE, *changes)
    times = np.full(PATIENTS, np.inf)
    rows = stays.ended_by == EXITS.index("occult outgrowth")
    np.minimum.at(times, stays.patient[rows].astype(int), stays.left_months[rows])
    return times


def test_what_holds_outgrowth_back_makes_it_earlier_for_nobody():
    assert (outgrowth(HALVED) >= outgrowth()).all()
    assert (outgrowth(HALVED) > outgrowth()).sum() > 50


def test_an_effect_that_is_made_up_for_afterwards_hastens_what_it_delayed():
    undone = outgrowth(HALVED, {"adjuvant.effect_afterwards": 2.0})
    assert (undone <= outgrowth(HALVED)).all()
    assert (undone < outgrowth(HALVED)).sum() > 50


def test_toxicity_ends_it():
    stays, _ = simulated(ALL, HARMLESS, {"adjuvant.toxicity_rate": 0.2, "adjuvant.duration": 12.0})
    toxic, ended = who(stays, "adjuvant toxicity"), who(stays, "adjuvant ends")
    assert not toxic & ended
    assert len(toxic) > 3 * len(ended)
