"""Roads beside the central line: closed unless they are asked for, and what each number does where they are open."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest
from test_hcc_choices import NO_EFFECT_OF_DRUGS, PATIENTS, same, simulated, who
from test_hcc_pathway import EXITS, NEARLY_ALL_CONVERT, NEVER

from hcc_sim.history import Stays

ALL_CYCLES = {"liver_directed.share": 1.0, "liver_directed.start": 0.5, "liver_directed.interval": 1.0}
NO_EFFECT_OF_CYCLES = {
    "liver_directed.effect_of_stopping_on_progression": 1.0,
    "liver_directed.effect_of_stopping_on_response": 1.0,
    "liver_directed.effect_of_stopping_on_regrowth": 1.0,
    "decompensation.log_hazard_ratio_per_cycle": 0.0,
    "surgery.unfit_log_odds_per_cycle": 0.0,
}
CLOSED: Mapping[str, Mapping[str, float]] = {
    "cycles that nobody has": {
        "liver_directed.interval": 0.3,
        "liver_directed.effect_of_stopping_on_progression": 9.0,
        "decompensation.log_hazard_ratio_per_cycle": 2.0,
    },
    "a later start that nobody has": {"systemic.start": 9.0},
    "a switch that never comes": {"switch.response_probability": 0.9, "switch.effect_on_progression": 0.1},
    "cytoreduction that never comes": {"cytoreduction.death": 0.9, "cytoreduction.effect_on_progression": 0.1},
    "holds that do not happen": {"hold.duration": 9.0},
    "remnants that are large": {"remnant.death": 0.9, "remnant.success_share": 0.1, "remnant.growth_time": 9.0},
    "transplantation that nobody has": {"transplantation.death": 0.9, "transplantation.effect_on_outgrowth": 0.1},
    "ablation that nobody has": {"ablation.death": 0.9, "ablation.incomplete_share": 0.9},
    "neoadjuvant therapy that nobody has": {"neoadjuvant.share": 1.0, "neoadjuvant.effect_on_outgrowth": 0.1},
}


def times(stays: Stays, exit: str) -> dict[int, float]:
    """Patient -> when a stay first ended by the exit."""
    rows = np.flatnonzero(stays.ended_by == EXITS.index(exit))[::-1]
    return dict(zip(stays.patient[rows].tolist(), stays.left_months[rows].tolist(), strict=True))


def is_share(part: int, whole: int, expected: float, least: int = 200) -> bool:
    """Within 4 standard errors, of enough."""
    error = np.sqrt(expected * (1.0 - expected) / whole)
    return whole >= least and abs(part / whole - expected) < 4 * error


@pytest.mark.parametrize("road", CLOSED)
def test_a_road_that_is_closed_changes_nothing(road: str):
    assert same(simulated()[1], simulated(CLOSED[road])[1])


# --- therapy ----------------------------------------------------------------------------------------------------------


def test_cycles_come_at_their_dates_and_end_after_the_last():
    stays, _ = simulated(ALL_CYCLES, {"liver_directed.most_cycles": 3.0, "surgery.delay": NEVER})
    rows = stays.ended_by == EXITS.index("liver-directed cycle")
    assert set(times(stays, "first liver-directed cycle").values()) == {0.5}
    assert set(np.unique(stays.left_months[rows]).round(9)) == {1.5, 2.5}
    assert np.unique(stays.patient[rows], return_counts=True)[1].max() == 2
    assert set(np.round(list(times(stays, "liver-directed therapy ends").values()), 9)) == {3.5}
    assert len(who(stays, "first liver-directed cycle")) > 0.9 * PATIENTS


def test_cycles_without_any_effect_change_no_fate():
    assert same(simulated()[1], simulated(ALL_CYCLES, NO_EFFECT_OF_CYCLES)[1])


@pytest.mark.parametrize(
    ("effect", "number"),
    [
        ("liver_directed.effect_of_stopping_on_progression", 3.0),
        ("liver_directed.effect_of_stopping_on_response", 0.3),
        ("decompensation.log_hazard_ratio_per_cycle", 0.5),
    ],
)
def test_each_effect_of_cycles_does(effect: str, number: float):
    few = {"liver_directed.most_cycles": 2.0}
    assert not same(simulated()[1], simulated(ALL_CYCLES, few, NO_EFFECT_OF_CYCLES, {effect: number})[1])


def test_who_has_too_little_liver_has_no_cycle():
    nobody = simulated(ALL_CYCLES, {"liver_directed.highest_child_pugh_score": 4.0})[0]
    assert not who(nobody, "first liver-directed cycle")
    some = who(simulated(ALL_CYCLES, {"liver_directed.highest_child_pugh_score": 5.0})[0], "first liver-directed cycle")
    assert 0.6 < len(some) / PATIENTS < 0.7, "a few of the seven in ten progress or die before"


def test_cycles_stop_at_conversion_if_they_do_not_go_on_while_watched():
    watched = {"surgery.delay": NEVER, "liver_directed.most_cycles": 1000.0}
    for share, expected in ((0.0, False), (1.0, True)):
        stays, arm = simulated(ALL_CYCLES, watched, {"watching.liver_directed_share": share})
        rows = stays.ended_by == EXITS.index("liver-directed cycle")
        after = stays.left_months[rows] > arm.conversion[stays.patient[rows].astype(int)]
        assert after.any() == expected


def test_systemic_therapy_that_begins_later_begins_at_its_date():
    stays, arm = simulated({"systemic.later_share": 1.0, "systemic.start": 2.0}, NO_EFFECT_OF_DRUGS)
    assert set(times(stays, "systemic therapy begins").values()) == {2.0}
    assert not same(arm, simulated(NO_EFFECT_OF_DRUGS)[1]), "toxicity cannot come before"
    harmless = NO_EFFECT_OF_DRUGS | {"toxicity.rate": 0.0, "sterilisation.rate": 0.0}
    later = simulated({"systemic.later_share": 1.0, "systemic.start": 2.0}, harmless, {"surgery.delay": NEVER})[1]
    assert np.array_equal(later.response, simulated(harmless, {"surgery.delay": NEVER})[1].response)


def test_systemic_therapy_that_was_to_begin_later_does_not_begin_after_drugs_have_stopped():
    """Stopped for good at conversion in a deep response, before the date on which they would have begun."""
    late = {"systemic.later_share": 1.0, "systemic.start": 12.0}
    stays, arm = simulated(late, {"surgery.delay": NEVER, "drugs.stop_above_depth": -100.0})
    begun = times(stays, "systemic therapy begins")
    converted_before = np.flatnonzero(arm.conversion < 12.0)
    assert len(converted_before) > 300
    assert not set(begun) & set(converted_before.tolist())
    assert begun


def test_drugs_that_are_held_are_given_again():
    stays, _ = simulated({"hold.rate": 0.1, "hold.duration": 0.5})
    held, again = times(stays, "drugs held"), times(stays, "drugs again")
    both = set(held) & set(again)
    assert len(both) > 1000
    assert {round(again[p] - held[p], 9) for p in both} == {0.5}


def test_a_second_regimen_is_for_those_without_a_response():
    share = {"switch.after": 3.0, "switch.response_probability": 0.4, "response.log_odds_aggressiveness": 0.0}
    stays, _ = simulated(share)
    switched, responded = times(stays, "no response yet"), times(stays, "response")
    assert set(switched.values()) == {3.0}
    assert not set(switched) & set(responded)
    assert is_share(len(who(stays, "will respond to the second regimen")), len(switched), 0.4)
    assert who(stays, "response after the switch") <= set(switched)
    assert len(who(stays, "response after the switch")) > 100


# --- to surgery, or not -----------------------------------------------------------------------------------------------


def test_cytoreductive_surgery_comes_at_the_plateau_of_those_who_stay_unresectable():
    stays, _ = simulated({"cytoreduction.after": 2.0, "cytoreduction.death": 0.25})
    done, died = times(stays, "bulk of the tumour removed"), who(stays, "death around cytoreductive surgery")
    response = times(stays, "response")
    assert {round(done[p] - response[p], 9) for p in done} == {2.0}
    assert is_share(len(died), len(died) + len(done), 0.25, least=100)
    assert not set(done) & who(stays, "can become resectable")


def test_the_stricter_the_criteria_the_fewer_convert():
    converted = [who(simulated({"conversion.least_depth": d})[0], "criteria met") for d in (-10.0, 0.0, 1.0, 10.0)]
    assert converted[0] > converted[1] > converted[2] > converted[3] == set()
    assert len(converted[2]) > 100


def test_a_complete_response_may_be_kept_and_drugs_stopped():
    stays, _ = simulated({"surgery.spared_above_depth": -10.0})
    assert not who(stays, "accepts surgery")
    assert len(who(stays, "complete response kept")) > 1000
    assert len(who(stays, "accepts salvage")) > 100
    stopped, _ = simulated({"surgery.spared_above_depth": -10.0, "drugs.stop_above_depth": -10.0})
    assert not who(stopped, "sterilisation"), "nothing is left that kills the tumour"
    assert who(stays, "sterilisation")


def test_who_has_a_thrombus_too_far_along_is_watched():
    nobody_beyond = simulated({"surgery.highest_pvtt_type": 4.0})[0]
    assert not who(nobody_beyond, "thrombus too far along")
    none = simulated({"surgery.highest_pvtt_type": -1.0})[0]
    assert not who(none, "accepts surgery")
    some = simulated({"surgery.highest_pvtt_type": 2.0})[0]
    left_out, offered = len(who(some, "thrombus too far along")), len(who(some, "no test"))
    assert 0.05 < left_out / (left_out + offered) < 0.3


SMALL = {"population.small_remnant_share": 1.0, "remnant.growth_time": 1.25, "remnant.death": 0.2}


def test_a_small_remnant_is_made_to_grow_before_surgery():
    stays, _ = simulated(NEARLY_ALL_CONVERT, SMALL, {"remnant.success_share": 0.6})
    begun, measured = times(stays, "remnant is made to grow"), times(stays, "remnant measured")
    assert {round(measured[p] - begun[p], 9) for p in measured} == {1.25}
    assert is_share(len(who(stays, "death by the procedure for the remnant")), len(measured), 0.2)
    survived = who(stays, "procedure for the remnant survived")
    enough = who(stays, "remnant large enough")
    assert is_share(len(enough), len(survived), 0.6)
    operated = who(stays, "survives the operation") | who(stays, "perioperative death")
    assert operated <= enough
    assert not who(stays, "watched on") & who(stays, "accepts salvage"), "who is unfit stays so"


def test_what_is_done_instead_of_resection_is_done_to_its_share():
    stays, _ = simulated(
        NEARLY_ALL_CONVERT,
        {"transplantation.share": 0.3, "ablation.share": 0.2, "transplantation.death": 0.2, "ablation.death": 0.1},
    )
    counts = {name: len(who(stays, name)) for name in ("transplanted", "ablated", "resected")}
    for name, share in (("transplanted", 0.3), ("ablated", 0.2), ("resected", 0.5)):
        assert is_share(counts[name], sum(counts.values()), share)
    assert is_share(len(who(stays, "death around transplantation")), counts["transplanted"], 0.2)
    assert is_share(len(who(stays, "death around ablation")), counts["ablated"], 0.1)
    replaced, regrowth = times(stays, "liver replaced"), times(stays, "local regrowth")
    assert not [p for p in replaced if regrowth.get(p, 0.0) > replaced[p]]
    incomplete, complete = times(stays, "incomplete ablation"), times(stays, "complete ablation")
    assert is_share(len(incomplete), len(incomplete) + len(complete), 0.2)
    assert [p for p in incomplete if regrowth.get(p, 0.0) > incomplete[p]]
    assert not [p for p in complete if regrowth.get(p, 0.0) > complete[p]]


def test_a_new_liver_wears_less():
    fates = [
        len(who(simulated({"transplantation.share": share, "transplantation.death": 0.017})[0], "decompensation"))
        for share in (0.0, 1.0)
    ]
    assert fates[1] < 0.8 * fates[0]


# --- resectable from the start ----------------------------------------------------------------------------------------

RESECTABLE = {"population.resectable_share": 1.0, "surgery.theatre_wait": 0.7}


def test_who_is_resectable_already_has_surgery_and_no_therapy():
    stays, arm = simulated(RESECTABLE, {"resectable.occult_share": 0.35})
    assert len(who(stays, "is resectable already")) == PATIENTS
    assert not who(stays, "will respond") | who(stays, "toxicity") | who(stays, "criteria met")
    assert is_share(len(who(stays, "occult disease")), PATIENTS, 0.35)
    assert set(np.round(arm.operation[np.isfinite(arm.operation)], 9)) == {0.7}
    assert len(who(stays, "relapse seen after surgery")) > 1000


def test_neoadjuvant_therapy_takes_its_time_and_kills_its_share():
    first = {"neoadjuvant.share": 0.5, "neoadjuvant.duration": 2.0, "neoadjuvant.dead_share": 0.3}
    stays, arm = simulated(RESECTABLE, first)
    had = who(stays, "neoadjuvant therapy first")
    assert is_share(len(had), PATIENTS, 0.5)
    dates = {round(float(arm.operation[p]), 9) for p in had if np.isfinite(arm.operation[p])}
    assert dates == {2.7}
    finished = who(stays, "neoadjuvant therapy ends")
    assert is_share(len(who(stays, "tumour dead by neoadjuvant therapy")), len(finished), 0.3)
    assert who(stays, "pathological complete response") <= who(stays, "tumour dead by neoadjuvant therapy")
    better = simulated(RESECTABLE, first, {"neoadjuvant.effect_on_outgrowth": 0.2})[1]
    worse = simulated(RESECTABLE, first, {"neoadjuvant.effect_on_outgrowth": 2.0})[1]
    assert (better.recurrence >= worse.recurrence).mean() > 0.95
    assert (better.recurrence > worse.recurrence).any()


def test_a_second_conversion_leads_from_the_next_line_to_surgery():
    stays, _ = simulated({"second_conversion.rate": 0.05, "salvage.death": 0.2})
    again, died = (
        who(stays, "operated after a second conversion"),
        who(stays, "death around surgery after a second conversion"),
    )
    assert again <= who(stays, "next line")
    assert is_share(len(died), len(stays.patient[stays.ended_by == EXITS.index("second conversion")]), 0.2)
    assert len(who(stays, "follow-up scan") & again) > 50
