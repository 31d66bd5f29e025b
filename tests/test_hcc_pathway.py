"""The biology of the HCC pathway: what must hold of every patient, whatever the numbers; and of the shipped numbers.

Histories are read from stays.  Each statement about luck or truth stands beside a wrong model that must break it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import pairwise, permutations
from math import inf, log, sqrt
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracle import life as oracle_life

from hcc_sim.engine import compile_pathway, simulate_all
from hcc_sim.history import Stays
from hcc_sim.outcomes import Tally, contrasts, same_patients, summary
from hcc_sim.outcomes.hcc import BEYOND_CURE, CONVERTED, EVERYBODY, HCC_OUTCOMES, SEEN
from hcc_sim.parameters import load_calibration
from hcc_sim.pathway.hcc import DEATHS
from hcc_sim.pathway.hcc.patient import nothing_unseen
from hcc_sim.pathway.model import BACK, Branch, Delay, Pathway, State, condition
from hcc_sim.scenario import hcc_pathway_of, load_scenario
from hcc_sim.units import DAYS_PER_MONTH

ROOT = Path(__file__).resolve().parent.parent
CALIBRATION = load_calibration(ROOT / "calibration")
PATHWAY = hcc_pathway_of(CALIBRATION)
HORIZON_MONTHS = 360.0
SEED = 20240502
NEVER = inf
HARDLY_EVER = 1e12
"""A median in months that nobody lives to see."""

WAITS = {"at once": 0.0, "42 days": 42 / DAYS_PER_MONTH, "298 days": 298 / DAYS_PER_MONTH, "never": NEVER}
TUMOUR_EVENTS = ("progression", "local regrowth", "occult outgrowth", "new primary")
SEEING = ("seen on the scan", "seen by the marker", "false alarm believed")
TREATED = ("accepts salvage", "relapse removed")
MARGINS = ("R0", "R1", "R1 at salvage")
STOPS_DRUGS = ("toxicity", "therapy ends", "therapy ends while watched", "accepts surgery", "accepts salvage")

NO_FALSE_ALARMS = {"imaging.false_positive_rate": 0.0, "marker.false_positive_rate": 0.0}
NO_EFFECTS = {
    "surgery.effect": 1.0,
    "surgery.effect_on_decompensation": 1.0,
    "complication.effect_on_decompensation": 1.0,
    **{name: 1.0 for name in CALIBRATION.parameters if name.startswith("drugs.withdrawal_effect")},
}
NO_RELAPSE = {"regrowth.median": HARDLY_EVER, "outgrowth.median": HARDLY_EVER, "new_primary.rate": 0.0}
BUSY = {"regrowth.median": 8.0, "outgrowth.median": 5.0, "new_primary.rate": 0.03, "imaging.sensitivity": 0.3}
"""Tumour events come fast and are found late, so that much happens unseen."""
NEARLY_ALL_CONVERT = {
    "response.probability": 0.99,
    "conversion.convertible_share": 0.99,
    "progression.median_of_non_responders": HARDLY_EVER,
    "toxicity.rate": 0.0,
}


class Row(NamedTuple):
    state: str
    entered: float
    left: float
    to: str | None
    by: str | None


Life = list[Row]


INSTEAD_OF_THE_FIT = {
    "response.probability": 0.573,
    "response.median_time": 1.659,
    "progression.median_of_non_responders": 7.23,
    "conversion.convertible_share": 0.95,
    "conversion.dead_share": 0.27,
    "conversion.occult_share": 0.4,
    "regrowth.median": 26.0,
    "outgrowth.median": 12.0,
    "resection.death": 0.017,
    "death.median_after_progression": 11.1,
    "death.median_after_relapse": 20.0,
}
"""Numbers near those of a strong regimen, so that what is tested here does not move with a new fit."""

CENTRAL_LINE = {
    "second_conversion.rate": 0.0,
    "surgery.unfit_log_odds_per_child_pugh_point": 0.0,
    "surgery.unfit_log_odds_per_ecog_grade": 0.0,
}
"""Other roads closed, whose own tests are in test_hcc_choices.py."""


def values_of(*changes: Mapping[str, float]) -> dict[str, float]:
    """Numbers of an advanced population under a strong regimen, with changes."""
    parameters = CALIBRATION.parameters.with_entries(CALIBRATION.populations["advanced_hbv_china"].entries)
    numbers = parameters.values_only() | INSTEAD_OF_THE_FIT | CENTRAL_LINE
    for change in changes:
        assert set(change) <= set(numbers), "a misspelt parameter would change nothing"
        numbers |= change
    return numbers


def stays_of(
    values: Mapping[str, float],
    patients: int,
    seed: int = SEED,
    horizon: float = HORIZON_MONTHS,
    pathway: Pathway = PATHWAY,
) -> Stays:
    program = compile_pathway(pathway, values)
    return simulate_all(program, seed=seed, patients=patients, horizon_months=horizon, threads=1)


STATES = compile_pathway(PATHWAY, values_of()).state_names
EXITS = compile_pathway(PATHWAY, values_of()).exit_names


def lives_in(stays: Stays, patients: int) -> list[Life]:
    states, exits = [*STATES, None], [*EXITS, None]
    lives: list[Life] = [[] for _ in range(patients)]
    columns = (stays.patient, stays.state, stays.entered_months, stays.left_months, stays.next_state, stays.ended_by)
    for patient, state, entered, left, to, by in zip(*(c.tolist() for c in columns), strict=True):
        lives[patient].append(Row(states[state], entered, left, states[to], exits[by]))
    return lives


def lives_of(values: Mapping[str, float], patients: int, **options) -> list[Life]:
    return lives_in(stays_of(values, patients, **options), patients)


def tally_of(values: Mapping[str, float], patients: int) -> Tally:
    tally = Tally(HCC_OUTCOMES, STATES, EXITS, HORIZON_MONTHS)
    tally.add(stays_of(values, patients), 0, patients)
    return tally


def with_state(changed: State) -> Pathway:
    """The pathway with one state in place of that of its name."""
    assert changed.name in STATES
    return replace(PATHWAY, states=tuple(changed if s.name == changed.name else s for s in PATHWAY.states))


def state_of(name: str) -> State:
    return next(state for state in PATHWAY.states if state.name == name)


def with_arm(state: str, arm: str, **changes) -> Pathway:
    """The pathway with one arm of a branch changed."""
    (branch,) = state_of(state).exits
    assert isinstance(branch, Branch)
    assert arm in [a.name for a in branch.arms]
    arms = tuple(replace(a, **changes) if a.name == arm else a for a in branch.arms)
    return with_state(replace(state_of(state), exits=(replace(branch, arms=arms),)))


def first(life: Life, *exits: str) -> float:
    """When a stay first ends by one of the exits; inf if none does."""
    return next((row.left for row in life if row.by in exits), inf)


def ended_by(life: Life) -> list[str | None]:
    return [row.by for row in life]


def death(life: Life) -> float:
    return life[-1].left if life[-1].to in DEATHS else inf


def test_the_names_that_these_tests_read_exist():
    """A misspelt exit would be absent from every history, and its test green."""
    assert {*TUMOUR_EVENTS, *SEEING, *TREATED, *MARGINS, *STOPS_DRUGS, *SEEN, *DONE, *ENDS_THE_SAMENESS} <= set(EXITS)
    assert {*REDRAWN, *SALVAGE_DECIDED, *BY_SALVAGE.values(), *BY_SALVAGE} <= set(EXITS)
    assert {*DEATHS, *BEYOND_CURE} <= set(STATES)


# --- surgery and tumour events ----------------------------------------------------------------------------------------


PERFECT_SURGERY = {
    "resection.r1_share": 0.0,
    "salvage.r1_share": 0.0,
    "resection.death": 0.0,
    "salvage.death": 0.0,
    "repeat.death": 0.0,
    "imaging.sensitivity": 1.0,  # no progression is missed when resection criteria are met
    "conversion.occult_share": 0.0,
    "relapse.occult_again_share": 0.0,
    "new_primary.rate": 0.0,
    **NO_FALSE_ALARMS,
}


def relapsed_after_surgery(changes: Mapping[str, float], wait: float) -> tuple[int, int]:
    """How many were operated, and how many of them had a tumour event later, or were told of one."""
    operated = relapsed = 0
    for life in lives_of(values_of(PERFECT_SURGERY, {"surgery.delay": wait}, changes), 4_000):
        exits = ended_by(life)
        margin = next((i for i, by in enumerate(exits) if by in MARGINS), None)
        if margin is not None:
            operated += 1
            relapsed += bool({*TUMOUR_EVENTS, "relapse seen after surgery"} & set(exits[margin:]))
    return operated, relapsed


@pytest.mark.parametrize("wait", WAITS)
def test_after_perfect_surgery_nobody_relapses(wait: str):
    operated, relapsed = relapsed_after_surgery({}, WAITS[wait])
    assert operated > 300
    assert relapsed == 0


@pytest.mark.parametrize(
    ("flaw", "wait"),
    [
        ({"resection.r1_share": 0.06}, "at once"),
        ({"salvage.r1_share": 0.06}, "never"),
        ({"conversion.occult_share": 0.05}, "at once"),
        ({"relapse.occult_again_share": 0.05}, "never"),
        ({"new_primary.rate": 0.001}, "at once"),
        ({"imaging.sensitivity": 0.85}, "at once"),
        ({"imaging.false_positive_rate": 0.02}, "at once"),
    ],
)
def test_after_surgery_with_one_flaw_somebody_does(flaw: dict[str, float], wait: str):
    assert relapsed_after_surgery(flaw, WAITS[wait])[1] > 0


def untreated_until(life: Life) -> float:
    """When the patient dies, is no longer observed, or has a relapse treated that was one and no false alarm."""
    told = None
    for row in life:
        if row.by in SEEING:
            told = row.by
        if row.by in TREATED and told != "false alarm believed":
            return row.left
    return life[-1].left


def compared_fates(changes: Mapping[str, float], event: str, patients: int = 10_000) -> tuple[int, int, int]:
    """Ordered pairs of strategies in which a patient's first event is compared; how many differ; of how many patients.

    Under the one strategy the event comes while the patient is untreated for relapse; under the other he is alive and
    untreated at that time, so that it must come then.
    """
    lives = [lives_of(values_of(changes, {"surgery.delay": wait}), patients) for wait in WAITS.values()]
    pairs = differing = 0
    compared = set()
    for patient, his in enumerate(zip(*lives, strict=True)):
        when = [(first(life, event), untreated_until(life)) for life in his]
        for (time, until), (other_time, other_until) in permutations(when, 2):
            if time < until and time < other_until:
                pairs += 1
                differing += time != other_time
                compared.add(patient)
    return pairs, differing, len(compared)


@pytest.mark.parametrize("event", ["occult outgrowth", "new primary"])
def test_what_is_in_the_patient_comes_at_the_same_time_under_every_strategy(event: str):
    """To the last bit, with surgery and drugs without effect.  Of each patient all pairs of strategies are compared."""
    pairs, differing, patients = compared_fates(NO_EFFECTS, event)
    assert patients > 600
    assert pairs > 5_000
    assert differing == 0


@pytest.mark.parametrize(
    ("effect", "event"),
    [
        ("surgery.effect", "occult outgrowth"),
        ("surgery.effect", "new primary"),
        ("drugs.withdrawal_effect_on_outgrowth", "occult outgrowth"),
        ("drugs.withdrawal_effect_on_new_primary", "new primary"),
    ],
)
def test_with_an_effect_of_surgery_or_drugs_it_does_not(effect: str, event: str):
    """Nobody stops drugs but for surgery here."""
    _, differing, _ = compared_fates({**NO_EFFECTS, "toxicity.rate": 0.0, effect: 0.7}, event, 2_000)
    assert differing > 100


def test_where_surgery_protects_no_outgrowth_comes_earlier_for_being_operated():
    changes = {**NO_EFFECTS, "surgery.effect": 0.7}
    operated, watched = (lives_of(values_of(changes, {"surgery.delay": wait}), 4_000) for wait in (0.0, NEVER))
    later = 0
    for one, other in zip(operated, watched, strict=True):
        time = first(one, "occult outgrowth")
        if time < min(untreated_until(one), untreated_until(other)):
            assert first(other, "occult outgrowth") <= time
            later += first(other, "occult outgrowth") < time
    assert later > 100


# --- what is seen -----------------------------------------------------------------------------------------------------


SAME_WATCH = {
    **NEARLY_ALL_CONVERT,
    **NO_EFFECTS,
    **NO_FALSE_ALARMS,
    "conversion.dead_share": 1.0,  # no regrowth; and no occult disease: new primaries come at one constant rate
    "conversion.occult_share": 0.0,
    "new_primary.rate": 0.01,
    "surgery.declined_share": 0.0,
    "surgery.unfit_share": 0.0,
    "resection.death": 0.0,
    "watching.interval": 3.0,
    "watching.marker_interval": NEVER,
    "follow_up.early_interval": 3.0,
    "follow_up.late_interval": 3.0,
    "decompensation.median": HARDLY_EVER,
    "death.median_after_relapse": HARDLY_EVER,  # nobody leaves between event and visit
    "other_causes.hazard_ratio": 1e-9,
}


def delays_of_detection(wait: float, seed: int, changes: Mapping[str, float], patients: int = 8_000) -> np.ndarray:
    """Months from a patient's first new primary to its being seen: while watched, or (operated) after surgery only."""
    delays = []
    values = values_of(SAME_WATCH, {"surgery.delay": wait}, changes)
    for life in lives_of(values, patients, seed=seed, horizon=2_000.0):
        since = first(life, "new primary")
        begun = first(life, *MARGINS) if wait == 0.0 else 0.0
        if begun < since < 1_500.0:
            delays.append(next(r.left for r in life if r.left > since and r.by == "seen on the scan") - since)
    return np.array(delays)


def ks_distance(one: np.ndarray, other: np.ndarray) -> float:
    points = np.concatenate([one, other])
    at = [np.searchsorted(np.sort(sample), points, side="right") / len(sample) for sample in (one, other)]
    return float(np.max(np.abs(at[0] - at[1])))


def ks_limit(one: np.ndarray, other: np.ndarray, chance: float = 1e-4) -> float:
    """The distance that two samples of one distribution exceed with this chance (asymptotic, one term)."""
    return sqrt(-log(chance / 2) / 2 * (1 / len(one) + 1 / len(other)))


def test_equal_schedules_find_disease_equally_late_before_and_after_surgery():
    """One schedule counts from conversion, the other from surgery.  The events come at one constant rate, so that both
    start at a random point of an interval; different seeds make the samples independent.  With some 7,700 a side the
    limit is 0.036; intervals a tenth longer move the distribution by 0.07, sensitivity 0.75 for 0.85 by 0.10: see next.
    """
    watched, operated = delays_of_detection(NEVER, 1, {}), delays_of_detection(0.0, 2, {})
    assert min(len(watched), len(operated)) > 6_000
    assert ks_limit(watched, operated) < 0.04
    assert ks_distance(watched, operated) < ks_limit(watched, operated)
    # A scan every 3 months of sensitivity 0.85: half an interval, and 0.15/0.85 further ones.
    expected = 3.0 * (0.5 + 0.15 / 0.85)
    for sample in (watched, operated):
        assert abs(sample.mean() - expected) < 4 * sample.std() / sqrt(len(sample)) + 0.02 * expected  # scatter


@pytest.mark.parametrize(
    "difference",
    [{"follow_up.early_interval": 3.3, "follow_up.late_interval": 3.3}, {"imaging.sensitivity": 0.75}],
)
def test_unequal_schedules_do_not(difference: dict[str, float]):
    watched, operated = delays_of_detection(NEVER, 1, {}), delays_of_detection(0.0, 2, difference)
    assert ks_distance(watched, operated) > ks_limit(watched, operated)


def test_every_schedule_counts_from_its_own_beginning():
    """Without scatter all dates are whole intervals: of therapy from its start, of watching from conversion, of
    follow-up from the last curative treatment."""
    intervals = {
        "therapy scan": "therapy.scan_interval",
        "assessment": "therapy.scan_interval",
        "watching scan": "watching.interval",
        "false alarm of a scan": "watching.interval",
        "marker test": "watching.marker_interval",
        "false alarm of a marker": "watching.marker_interval",
        "follow-up scan": "follow_up.early_interval",
        "false alarm in follow-up": "follow_up.early_interval",
    }
    values = values_of({"visits.scatter": 0.0, "surgery.delay": WAITS["298 days"], "follow_up.late_interval": 3.0})
    seen: Counter[str] = Counter()
    for life in lives_of(values, 4_000):
        begun = dict.fromkeys(intervals, 0.0)
        for row in life:
            if row.by == "criteria met":
                begun |= {name: row.left for name in intervals if name not in ("therapy scan", "assessment")}
            if row.by in (*MARGINS, "relapse removed"):
                begun |= {name: row.left for name in intervals if "follow-up" in name}
            if row.by in intervals:
                visits = (row.left - begun[row.by]) / values[intervals[row.by]]
                assert visits == pytest.approx(round(visits), abs=1e-6), row
                assert round(visits) >= 1
                seen[row.by] += 1
    assert set(seen) == set(intervals)


DONE = (
    "criteria met",
    "toxicity",
    "therapy ends",
    "therapy ends while watched",
    "date for surgery",
    "accepts surgery",
    "declines surgery",
    "unfit for surgery",
    "drugs washed out",
    "theatre slot",
    "survives the operation",
    *MARGINS,
    "major complication",
    "no major complication",
)
"""What is done to a patient, or decided, while nobody knows of a tumour event."""

ENDS_THE_SAMENESS = (*SEEING, "found and resected too", "operation abandoned", "decompensation")


def acts_compared(
    changes: Mapping[str, float], without: Mapping[str, float], pathway: Pathway = PATHWAY, patients: int = 3_000
) -> tuple[int, int]:
    """Acts under way while a tumour event was unseen; and patients to whom something else is done than `without` it.

    Compared until, in either life, something is seen or taken to be seen, or he dies or decompensates.
    """
    with_events = lives_of(values_of(changes), patients, pathway=pathway)
    without_events = lives_of(values_of(changes, without), patients, pathway=pathway)
    unseen = differing = 0
    for one, other in zip(with_events, without_events, strict=True):
        until = min(f(life) for life in (one, other) for f in (death, lambda life: first(life, *ENDS_THE_SAMENESS)))
        done, elsewhere = ([(r.by, r.left) for r in life if r.by in DONE and r.left < until] for life in (one, other))
        differing += done != elsewhere
        event = first(one, *TUMOUR_EVENTS)
        unseen += sum(time > event for _, time in done)
    return unseen, differing


@pytest.mark.parametrize("wait", WAITS)
def test_a_tumour_event_that_nobody_has_seen_changes_nothing_that_is_done(wait: str):
    ends = {"therapy.duration": 9.0, "watching.therapy_duration": 4.0}
    unseen, differing = acts_compared({**BUSY, "surgery.delay": WAITS[wait], **ends}, NO_RELAPSE)
    assert unseen > 100
    assert differing == 0


def test_a_date_for_surgery_that_knew_of_unseen_disease_would_be_noticed():
    """The wrong model: no surgery where something is unseen."""
    converted = state_of("converted")
    date, *others = converted.exits
    assert isinstance(date, Delay)
    knowing = with_state(replace(converted, exits=(replace(date, when=condition(date.when) & nothing_unseen), *others)))
    changes = {**BUSY, "surgery.delay": WAITS["298 days"]}
    assert acts_compared(changes, NO_RELAPSE, knowing)[1] > 50


HARDLY_SEEN = {"imaging.sensitivity": 0.3}
NO_PROGRESSION = {"progression.median_of_non_responders": HARDLY_EVER}


def test_a_progression_that_nobody_has_seen_changes_nothing_that_is_done():
    """Whom the scan shows to be free of progression is assessed for resection, whether he is or not."""
    unseen, differing = acts_compared(HARDLY_SEEN, NO_PROGRESSION, patients=6_000)
    assert unseen > 1_000
    assert differing == 0


def test_an_assessment_that_knew_of_unseen_progression_would_be_noticed():
    """The wrong model: after a missed scan all goes on as before, only those free of progression are assessed."""
    knowing = with_arm("nothing shown", "assessed as if free of progression", to=BACK)
    assert acts_compared(HARDLY_SEEN, NO_PROGRESSION, knowing, patients=6_000)[1] > 50


def hidden_at_salvage(pathway: Pathway = PATHWAY) -> tuple[int, int, int]:
    """Of those whose disease elsewhere was seen and who are operated for it: all; in whom some stays hidden though none
    came after it was seen; and in whom what came while he waited for the operation stays hidden."""
    salvaged = old = new = 0
    for life in lives_of(values_of(NO_FALSE_ALARMS, {"surgery.delay": NEVER}), 8_000, pathway=pathway):
        elsewhere, seen = first(life, "occult outgrowth", "new primary"), first(life, *SEEING)
        operation = first(life, "survives the operation")
        if elsewhere < seen <= first(life, "accepts salvage") < operation < inf:
            salvaged += 1
            later = any(r.by in ("occult outgrowth", "new primary") and seen < r.left < operation for r in life)
            old += "stays hidden" in ended_by(life) and not later
            new += "stays hidden" in ended_by(life) and later
    return salvaged, old, new


def test_salvage_removes_what_was_seen():
    """Disease elsewhere that was there when the relapse was seen does not stay hidden at the salvage operation; what
    came later may."""
    salvaged, old, new = hidden_at_salvage()
    assert salvaged > 100
    assert old == 0
    assert new > 0


def test_a_salvage_that_forgot_what_was_seen_would_be_noticed():
    assert hidden_at_salvage(with_arm("relapse while watched", "salvage surgery offered", does=()))[1] > 20


def deviation(drawn: list[tuple[bool, float]]) -> float:
    """By how many standard errors the number to whom it happened differs from the sum of their probabilities."""
    happened, expected = sum(h for h, _ in drawn), sum(p for _, p in drawn)
    return (happened - expected) / sqrt(sum(p * (1 - p) for _, p in drawn))


def shifted(weight: float, shift: float) -> float:
    """The probability of an arm of this weight and shift where the other arms keep theirs."""
    moved = weight * np.exp(shift)
    return float(moved / (moved + 1 - weight))


def relapses(life: Life) -> Iterator[tuple[Row, dict[str, float]]]:
    """Each relapse that is seen after conversion, and what was there unseen: since when, by type."""
    unseen: dict[str, float] = {}
    for row in life:
        if row.by in TUMOUR_EVENTS:
            unseen.setdefault(row.by, row.left)
        elif row.by == "criteria met" and "progression" in unseen:  # it was missed, and is disease elsewhere now
            unseen = {"occult outgrowth": unseen["progression"]}
        elif row.by in MARGINS:
            unseen.pop("local regrowth", None)
        elif row.by in ("found and resected too", "nothing unseen elsewhere"):
            unseen = {name: since for name, since in unseen.items() if name == "local regrowth"}
        elif row.state in ("relapse while watched", "relapse after surgery"):
            yield row, dict(unseen)
        if row.by in ("salvage surgery offered", "relapse removed"):
            unseen = {}


CURABLE = {"relapse while watched": "salvage.curable_share", "relapse after surgery": "repeat.curable_share"}


def test_the_chance_of_cure_falls_with_the_age_of_the_oldest_disease_unseen():
    """The share treated with curative intent is that of the formula, with ages read from the stays.

    The age of the youngest instead, or no extra fall where disease has grown out elsewhere, is noticed.
    """
    falls = {"relapse.curable_log_odds_per_month": -0.25, "relapse.curable_log_odds_outgrowth": -0.8}
    rarely_seen = {"imaging.sensitivity": 0.2, "follow_up.early_interval": 6.0, "death.median_after_relapse": 60.0}
    values = values_of(BUSY, falls, rarely_seen, {"surgery.delay": WAITS["298 days"], "new_primary.rate": 0.1})
    right: dict[str, list[tuple[bool, float]]] = {state: [] for state in CURABLE}
    youngest, anywhere = [], []
    for life in lives_of(values, 20_000):
        for row, unseen in relapses(life):
            cured = row.by in ("salvage surgery offered", "curative treatment again")
            ages = [row.left - since for since in unseen.values()] or [0.0]  # none: a false alarm
            elsewhere = -0.8 * ("occult outgrowth" in unseen)
            share = values[CURABLE[row.state]]
            right[row.state].append((cured, shifted(share, -0.25 * max(ages) + elsewhere)))
            youngest.append((cured, shifted(share, -0.25 * min(ages) + elsewhere)))
            anywhere.append((cured, shifted(share, -0.25 * max(ages))))
    for drawn in right.values():
        assert len(drawn) > 2_000
        assert abs(deviation(drawn)) < 4
    assert abs(deviation(youngest)) > 4
    assert abs(deviation(anywhere)) > 4


def test_months_on_therapy_make_unfit_and_raise_the_risk_of_the_operation():
    """Counted until drugs stop, by toxicity or for surgery; also at salvage.  Months since the start are noticed."""
    wear = {"surgery.unfit_log_odds_per_month_on_therapy": 0.15, "resection.death_log_odds_per_month_on_therapy": 0.15}
    certain = {"surgery.declined_share": 0.0, "salvage.declined_share": 0.0, "toxicity.rate": 0.05}
    values = values_of(wear, certain, {"surgery.delay": WAITS["298 days"]})
    unfit, death_, wrong = [], [], []
    for life in lives_of(values, 20_000):
        stopped = decided = inf
        for row in life:
            if row.by in STOPS_DRUGS:
                stopped = min(stopped, row.left)
            if row.state in ("surgical decision", "salvage decision") and row.by != "still unfit":
                decided = row.left
                happened = row.by in ("unfit for surgery", "unfit for salvage")
                unfit.append((happened, shifted(values["surgery.unfit_share"], 0.15 * min(stopped, decided))))
                wrong.append((happened, shifted(values["surgery.unfit_share"], 0.15 * decided)))
            if row.state == "resection":
                happened = row.to == "dead around an operation"
                share = values["salvage.death" if "accepts salvage" in ended_by(life) else "resection.death"]
                death_.append((happened, shifted(share, 0.15 * min(stopped, decided))))
    assert min(len(unfit), len(death_)) > 5_000
    assert abs(deviation(unfit)) < 4
    assert abs(deviation(death_)) < 4
    assert abs(deviation(wrong)) > 4


# --- salvage ----------------------------------------------------------------------------------------------------------

BY_SALVAGE = {"perioperative death": "perioperative death at salvage", "R1": "R1 at salvage"}
SALVAGE_DECIDED = ("still unfit", "declines salvage", "unfit for salvage", "accepts salvage")
REDRAWN = ("occult disease again", "no occult disease now")


def test_those_who_are_salvaged_die_and_have_positive_margins_by_their_own_parameters():
    """Each share of its own, here far apart, is met among those of its kind; the other one is not."""
    flat = {"resection.death_log_odds_per_month_on_therapy": 0.0, "regrowth.median": 8.0}
    own = {"resection.death": 0.05, "salvage.death": 0.3, "resection.r1_share": 0.4, "salvage.r1_share": 0.1}
    values = values_of(flat, own, {"surgery.delay": WAITS["298 days"]})
    died: dict[bool, list[bool]] = {False: [], True: []}
    positive: dict[bool, list[bool]] = {False: [], True: []}
    for life in lives_of(values, 10_000):
        salvaged = False
        for row in life:
            salvaged |= row.by == "accepts salvage"
            if row.state == "resection":
                died[salvaged].append(
                    row.by == ("perioperative death at salvage" if salvaged else "perioperative death")
                )
                assert died[salvaged][-1] == (row.to == "dead around an operation")
            if row.state == "margin":
                positive[salvaged].append(row.by == ("R1 at salvage" if salvaged else "R1"))
                assert positive[salvaged][-1] == (row.by != "R0")
    for happened, name in ((died, "death"), (positive, "r1_share")):
        shares = {False: values[f"resection.{name}"], True: values[f"salvage.{name}"]}
        for salvaged, drawn in happened.items():
            assert len(drawn) > 500
            assert abs(deviation([(h, shares[salvaged]) for h in drawn])) < 4
            assert abs(deviation([(h, shares[not salvaged]) for h in drawn])) > 8


def test_who_is_unfit_stays_so():
    """Who was unfit at his date is never operated; when salvage is offered he, and nobody else, is still unfit."""
    often = {"surgery.unfit_share": 0.4, "surgery.delay": 0.0, "salvage.curable_share": 0.95}
    offered: Counter[bool] = Counter()
    for life in lives_of(values_of(often), 6_000):
        unfit = "unfit for surgery" in ended_by(life)
        assert not (unfit and "theatre slot" in ended_by(life))
        for row in life:
            if row.state == "salvage decision":
                assert row.by in SALVAGE_DECIDED
                assert (row.by == "still unfit") == unfit
                assert row.by != "still unfit" or row.to == "beyond cure"
                offered[unfit] += 1
    assert min(offered.values()) > 50  # those who declined are the others


def test_whoever_was_not_unfit_is_asked_again_at_salvage():
    """The chance of being unfit at salvage is the parameter's, of those who had declined as of those never asked."""
    flat = {
        "surgery.unfit_log_odds_per_month_on_therapy": 0.0,
        "surgery.unfit_share": 0.3,
        "salvage.declined_share": 0.2,
    }
    for changes in ({"surgery.delay": NEVER}, {"surgery.delay": 0.0, "surgery.declined_share": 0.6}):
        lives = lives_of(values_of(flat, changes), 6_000)
        decided = [row for life in lives for row in life if row.state == "salvage decision" and row.by != "still unfit"]
        assert len(decided) > 300
        assert abs(deviation([(row.by == "unfit for salvage", 0.3) for row in decided])) < 4
        assert abs(deviation([(row.by == "declines salvage", 0.2) for row in decided])) < 4


def left_behind(life: Life) -> Iterator[tuple[Row, bool, bool]]:
    """Each passage after a curative treatment: whether a true relapse was treated, and occult disease before it."""
    told: str | None = None
    occult = treated = False
    for row in life:
        if row.by in SEEING:
            told = row.by
        if row.by in ("salvage surgery offered", "relapse removed"):
            treated |= told != "false alarm believed"
        if row.state == "disease left behind":
            yield row, treated, occult
            treated = False
        if row.by in ("occult disease", "occult disease again"):
            occult = True
        elif row.by in ("occult outgrowth", "no occult disease now"):
            occult = False


def test_occult_disease_is_drawn_anew_after_a_true_relapse_and_only_then():
    """Whatever was there before: with the same chance where there was some and where there was none.  After a false
    alarm, or surgery at its date, all stays as it was, also where a relapse had been treated before."""
    alarms = {"imaging.false_positive_rate": 0.03, "imaging.false_alarm_believed": 0.5, "repeat.curable_share": 0.9}
    changes = {"surgery.delay": WAITS["298 days"], "relapse.occult_again_share": 0.3, "new_primary.rate": 0.03}
    drawn: dict[bool, list[tuple[bool, float]]] = {False: [], True: []}
    untouched: Counter[str] = Counter()
    for life in lives_of(values_of(alarms, changes, {"death.median_after_relapse": 60.0}), 10_000):
        before = False
        for row, treated, occult in left_behind(life):
            assert (row.by in REDRAWN) == treated
            if treated:
                drawn[occult].append((row.by == "occult disease again", 0.3))
                before = True
            else:
                assert row.by == "no relapse treated: as it was"
                untouched["again" if before else "first"] += 1
    for happened in drawn.values():
        assert len(happened) > 300
        assert abs(deviation(happened)) < 4
    assert min(untouched["first"], untouched["again"]) > 100


# --- disease beyond cure ----------------------------------------------------------------------------------------------

TO_BEYOND_CURE = {
    "progression seen",
    "window lost",
    "still unfit",
    "declines salvage",
    "unfit for salvage",
    "operation abandoned",
    "relapse beyond cure",
}


def test_all_whose_disease_is_beyond_cure_come_to_one_question():
    """Too ill for more with one chance, whatever led there."""
    changes = {"surgery.unfit_share": 0.3, "regrowth.median": 10.0, "resection.found_resectable_share": 0.3}
    values = values_of(changes, {"surgery.delay": WAITS["298 days"]})
    drawn: dict[str, list[tuple[bool, float]]] = {name: [] for name in TO_BEYOND_CURE}
    for life in lives_of(values, 20_000):
        for before, row in pairwise(life):
            if row.state == "beyond cure":
                drawn[before.by or ""].append((row.by == "too ill for more", values["relapse.supportive_share"]))
            assert row.state not in BEYOND_CURE or before.state in ("beyond cure", row.state)
    for happened in drawn.values():
        assert len(happened) > 50
        assert abs(deviation(happened)) < 4


@pytest.mark.parametrize(
    ("effect", "event"),
    [
        ("drugs.withdrawal_effect_on_decompensation", "decompensation"),
        ("drugs.withdrawal_effect_on_outgrowth", "occult outgrowth"),
    ],
)
def test_a_next_line_is_therapy_again_and_supportive_care_is_none(effect: str, event: str):
    """Where an event needs drugs, those operated have none until their next line; a failing liver ends therapy too."""
    often = {"decompensation.median": 30.0, "relapse.supportive_share": 0.4, "new_primary.rate": 0.02}
    early = {"surgery.delay": 0.0, "repeat.curable_share": 0.01, "relapse.occult_again_share": 0.9}
    struck: Counter[str] = Counter()
    for life in lives_of(values_of(often, early, {effect: 1e-9, "death.median_after_relapse": 60.0}), 8_000):
        if first(life, *MARGINS) < inf:
            struck.update(row.state for row in life if row.by == event and row.left > first(life, *MARGINS))
    assert set(struck) == {"next-line therapy"}
    assert struck["next-line therapy"] > 100


# --- death of cancer --------------------------------------------------------------------------------------------------


def clocks_of_death(life: Life) -> Iterator[tuple[str, float]]:
    """Death of cancer: by which law, and how long after the oldest disease that was there without a break."""
    since: dict[str, float] = {}
    known_since: float | None = None  # what is seen stays, beyond cure for ever, before salvage until it is removed
    for row in life:
        if row.by in TUMOUR_EVENTS:
            since.setdefault(row.by, row.left)
        elif row.by == "criteria met" and "progression" in since:  # it was missed, and is disease elsewhere now
            since = {"occult outgrowth": since["progression"]}
        elif row.by in MARGINS:
            since.pop("local regrowth", None)
            known_since = None
        elif row.by in ("found and resected too", "nothing unseen elsewhere"):
            since = {name: time for name, time in since.items() if name == "local regrowth"}
        elif row.by == "relapse removed":
            since = {}
        elif row.by == "death of cancer":
            law = "after relapse" if first(life, "criteria met") < inf else "after progression"
            yield law, row.left - (min(since.values()) if known_since is None else known_since)
        seen = row.by == "salvage surgery offered" or (row.to in BEYOND_CURE and row.to != row.state)
        if seen and since:
            known_since = min(since.values()) if known_since is None else known_since
            since = {}


def outgrowth_beside_missed_progression(life: Life) -> bool:
    """Whether occult disease grew out before surgery in one whose progression had been missed, and both stayed."""
    grown = first(life, "progression") < first(life, "occult outgrowth") < first(life, "survives the operation") < inf
    return grown and "stays hidden" in ended_by(life)


def test_death_of_cancer_counts_from_the_oldest_disease_that_is_there():
    """With a shape of 200 all die nearly at the median, so that a wrong origin of the clock shows as another time."""
    sharp = {"death.shape": 200.0, "death.log_hazard_ratio_aggressiveness": 0.0}
    medians = {"after progression": 30.0, "after relapse": 40.0}
    lengths = {"death.median_after_progression": 30.0, "death.median_after_relapse": 40.0, "repeat.curable_share": 0.8}
    died: Counter[str] = Counter()
    rarely_found = {"resection.found_share": 0.3}
    values = values_of(BUSY, sharp, lengths, rarely_found, {"surgery.delay": WAITS["298 days"]})
    for life in lives_of(values, 10_000):
        for law, months in clocks_of_death(life):
            assert 0.93 * medians[law] < months < 1.03 * medians[law]
            died[law] += 1
            died.update({"stays hidden", "accepts salvage", "assessed as if free of progression"} & set(ended_by(life)))
    assert min(died["after progression"], died["after relapse"]) > 1_000
    assert min(died["stays hidden"], died["accepts salvage"]) > 100
    assert died["assessed as if free of progression"] > 50


def test_outgrowth_in_one_whose_progression_was_missed_does_not_make_his_disease_younger():
    sharp = {"death.shape": 200.0, "death.log_hazard_ratio_aggressiveness": 0.0, "death.median_after_relapse": 40.0}
    hidden = {"imaging.sensitivity": 0.1, "resection.found_share": 0.02}
    early = {"outgrowth.median": 4.0, "conversion.occult_share": 0.9, "surgery.delay": 6.0}
    both = 0
    for life in lives_of(values_of(sharp, hidden, early, {"marker.sensitivity": 0.05}), 6_000):
        if outgrowth_beside_missed_progression(life):
            for _, months in clocks_of_death(life):
                assert months < 1.03 * 40.0
                both += 1
    assert both > 20


# --- the dial of timing -----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def waits() -> dict[str, list[Life]]:
    """4,000 lives under each wait, with the shipped numbers."""
    return {name: lives_of(values_of({"surgery.delay": wait}), 4_000) for name, wait in WAITS.items()}


def test_surgery_is_decided_at_its_delay_after_conversion_for_all_who_are_still_there(waits):
    for name, lives in waits.items():
        decided = 0
        for life in lives:
            date = first(life, "criteria met") + WAITS[name]
            gone = next((row.left for row in life if row.to in NO_LONGER_WATCHED), HORIZON_MONTHS)
            if first(life, "date for surgery") < inf:
                assert first(life, "date for surgery") == date
                decided += 1
            elif date < inf:
                assert gone <= date
        assert decided == 0 if name == "never" else decided > 500


NO_LONGER_WATCHED = ("relapse while watched", "decompensated liver", *DEATHS)


def test_a_delay_beyond_the_horizon_is_never():
    late, never = (stays_of(values_of({"surgery.delay": wait}), 2_000) for wait in (HORIZON_MONTHS + 1, NEVER))
    for column in ("patient", "state", "entered_months", "left_months", "next_state", "ended_by"):
        assert np.array_equal(getattr(late, column), getattr(never, column))


def test_fewer_are_resected_the_longer_one_waits(waits):
    resected = [sum(first(life, *MARGINS) < inf for life in lives) for lives in waits.values()]
    assert resected == sorted(resected, reverse=True)
    assert resected[0] > 1.5 * resected[-1] > 0


def test_strategies_do_not_change_who_converts_and_when(waits):
    conversions = [[first(life, "criteria met") for life in lives] for lives in waits.values()]
    assert all(c == conversions[0] for c in conversions)
    assert 1_000 < sum(c < inf for c in conversions[0]) < 3_000


def test_who_never_converts_has_one_history_under_all_strategies(waits):
    spared = 0
    for his in zip(*waits.values(), strict=True):
        if first(his[0], "criteria met") == inf:
            assert all(life == his[0] for life in his)
            spared += 1
    assert spared > 1_000


def test_equal_strategies_differ_by_exactly_nothing_and_a_further_one_moves_no_number():
    patients = 2_000
    tallies = {name: tally_of(values_of({"surgery.delay": wait}), patients) for name, wait in (("a", 1.0), ("b", 1.0))}
    both = contrasts(tallies).dropna(subset="difference")
    assert len(both) > 50
    assert (both["difference"] == 0.0).all()
    assert (both["mc_se"].dropna() == 0.0).all()
    assert same_patients(tallies) == {CONVERTED: True, EVERYBODY: True}

    more = {**tallies, "c": tally_of(values_of({"surgery.delay": NEVER}), patients)}
    kept = summary(more)
    assert kept[kept["strategy"] != "c"].reset_index(drop=True).equals(summary(tallies))
    against = contrasts(more).dropna(subset="difference")
    assert (against[against["strategy"] == "c"]["difference"] != 0.0).any(), "another strategy must differ"


# --- what holds of every life -----------------------------------------------------------------------------------------


def contradictions(life: Life) -> Iterator[str]:
    """What in a life contradicts what its own rows say of the patient: a second, plain book-keeping of the truth."""
    active: set[str] = set()
    viable = in_place = True
    known = remnant = occult = converted = unfit = salvage = relapse_treated = convertible = False
    cycles = held = switched = cytoreduced = False
    off_drugs = "systemic therapy begins" in ended_by(life)
    if life[0].entered != 0.0 or life[0].state != PATHWAY.start:
        yield "does not begin at the start"
    for row, following in pairwise(life):
        if (row.left, row.to) != (following.entered, following.state):
            yield "stays do not join"
        if row.to in DEATHS:
            yield "goes on after death"
    if life[-1].to not in DEATHS and (life[-1].left, life[-1].to) != (HORIZON_MONTHS, None):
        yield "ends neither dead nor at the horizon"
    for row in life:
        if not row.entered <= row.left <= HORIZON_MONTHS:
            yield "a stay of negative length, or beyond the horizon"
        match row.by:
            case "toxicity" | "therapy ends" | "therapy ends while watched" | "accepts surgery" | "accepts salvage":
                if off_drugs and not (row.by or "").startswith("accepts"):
                    yield f"{row.by}: drugs were stopped before"
                if row.by == "therapy ends while watched" and not (converted and in_place):
                    yield "therapy ends of one who is not watched"
                if row.by == "accepts salvage":
                    salvage = True
                    if unfit:
                        yield "salvage of one who is unfit"
                if row.by == "accepts surgery" and (unfit or salvage):
                    yield "surgery of one who is unfit, or was salvaged"
                off_drugs, held = True, False
            case "is resectable already":
                converted = off_drugs = True
            case "systemic therapy begins":
                off_drugs = False
            case "drugs held":
                if off_drugs:
                    yield "drugs held that were stopped before"
                off_drugs = held = True
            case "drugs again":
                if not held:
                    yield "drugs again that were not held"
                off_drugs = held = False
            case "first liver-directed cycle":
                if cycles:
                    yield "a first cycle twice"
                cycles = True
            case "liver-directed cycle" | "liver-directed therapy ends" if not cycles:
                yield f"{row.by}: no cycle came before"
            case "liver-directed therapy ends":
                cycles = False
            case "no response yet":
                if switched or converted:
                    yield "a second regimen twice, or after conversion"
                switched = True
            case "response" if switched:
                yield "a response to the first regimen after the second began"
            case "response after the switch" if not switched:
                yield "a response to a second regimen that there was not"
            case "bulk of the tumour removed":
                if convertible or converted or cytoreduced:
                    yield "cytoreductive surgery twice, or of one who can become resectable"
                cytoreduced = True
            case "operated after a second conversion":
                converted = relapse_treated = off_drugs = True
                viable = in_place = known = remnant = False
                active.clear()
            case "tumour dead by neoadjuvant therapy":
                viable = False
            case "liver replaced" | "complete ablation" | "incomplete ablation":
                if not in_place:
                    yield "the treated tumour is removed twice"
                in_place = known = False
                remnant = row.by == "incomplete ablation" and viable
                active.discard("local regrowth")
            case "watched on":
                unfit = True
            case "can become resectable":
                convertible = True
            case "unfit for surgery":
                unfit = True
            case "still unfit" if not unfit:
                yield "still unfit: was not before"
            case "declines salvage" | "unfit for salvage" if unfit:
                yield f"{row.by}: he is unfit for good"
            case "assessment" if active or not convertible or converted:
                yield "an assessment of one who has progressed, cannot become resectable, or has"
            case "assessed as if free of progression" if active != {"progression"} or not convertible or converted:
                yield "a scan that missed nothing leads to an assessment"
            case "criteria met":
                if converted:
                    yield "converts twice"
                if not convertible:
                    yield "converts though it cannot"
                converted = True
                if active:  # the last scan missed it
                    active = {"occult outgrowth"}
            case "treated tumour dead" | "sterilisation":
                if not (viable and in_place) or (row.by == "sterilisation" and off_drugs):
                    yield f"{row.by}: there was no viable tumour, or no therapy"
                viable = False
            case "occult disease":
                occult = True
            case "occult disease again" | "no occult disease now":
                if not relapse_treated:
                    yield f"{row.by}: no relapse was treated"
                occult, relapse_treated = row.by == "occult disease again", False
            case "no relapse treated: as it was" if relapse_treated:
                yield "as it was, after a relapse was treated"
            case "progression":
                if converted:
                    yield "progression under therapy after conversion"
                if active:
                    yield "progression of what has progressed"
                active.add(row.by)
            case "local regrowth":
                if not (converted and viable and (in_place or remnant)):
                    yield "regrowth of a tumour that is dead or removed"
                if known:
                    yield "regrowth in a patient whose disease is seen"
                active.add(row.by)
            case "occult outgrowth":
                if not occult:
                    yield "outgrowth of what is not there"
                occult = False
                active.add(row.by)
            case "new primary":
                active.add(row.by)
            case "perioperative death" | "R1" if salvage:
                yield f"{row.by}: it was a salvage operation"
            case "perioperative death at salvage" if not salvage:
                yield "death at a salvage that was none"
            case "R0" | "R1" | "R1 at salvage":
                if not in_place:
                    yield "the treated tumour is removed twice"
                if row.by == "R1 at salvage" and not salvage:
                    yield "a margin of a salvage that was none"
                in_place = known = False
                remnant = row.by != "R0" and viable
                active.discard("local regrowth")
            case "salvage surgery offered":
                relapse_treated = known = bool(active)
                active.clear()
            case "found and resected too" | "nothing unseen elsewhere":
                active -= {"occult outgrowth", "new primary"}
            case "relapse removed":
                relapse_treated |= bool(active)
                active.clear()
                remnant = False
            case "pathological complete response":
                if viable:
                    yield "complete response of a viable tumour"
            case "viable tumour in the specimen":
                if not viable:
                    yield "viable cells of a dead tumour"
            case "seen on the scan" | "seen by the marker" | "missed":
                if not active:
                    yield f"{row.by}: nothing is there"
            case "false alarm of a scan" | "false alarm of a marker" | "false alarm in follow-up":
                if active:
                    yield f"{row.by}: it is none, something is there"
            case "relapse seen while watched" if not in_place:
                yield "watched without a tumour"
            case "relapse seen after surgery" if in_place:
                yield "relapse after surgery with the tumour in place"
            case "death of cancer":
                if not active and not known:
                    yield "death of cancer without active disease"
        if row.to in BEYOND_CURE and row.to != row.state and active:
            known = True
            active.clear()
        if row.to in ("next-line therapy", "supportive care", "decompensated liver"):
            off_drugs = row.to != "next-line therapy"


OF_CHOICES = {
    "to be tested", "viable tumour tested", "dead tumour tested", "viable tumour found",
    "spared though viable", "spared, the tumour being dead", "taken for viable", "adjuvant therapy planned",
    "adjuvant therapy planned after pCR", "adjuvant begins", "adjuvant ends", "adjuvant toxicity",
    "first liver-directed cycle", "liver-directed cycle", "liver-directed therapy ends", "systemic therapy begins",
    "drugs held", "drugs again", "no response yet", "will respond to the second regimen",
    "will not respond to it either", "response after the switch", "the response has come to a plateau",
    "death around cytoreductive surgery", "bulk of the tumour removed", "complete response kept",
    "thrombus too far along", "is resectable already", "surgery first", "neoadjuvant therapy first",
    "neoadjuvant therapy ends", "tumour dead by neoadjuvant therapy", "tumour viable after neoadjuvant therapy",
    "remnant is made to grow", "remnant measured", "death by the procedure for the remnant",
    "procedure for the remnant survived", "remnant large enough", "remnant still too small", "too small for salvage",
    "watched on", "transplanted", "death around transplantation", "liver replaced", "ablated", "death around ablation",
    "ablation survived", "incomplete ablation", "complete ablation", "second conversion",
    "death around surgery after a second conversion", "operated after a second conversion",
}  # fmt: skip
"""Exits that only a strategy's choice opens: see test_hcc_choices."""


def test_no_life_contradicts_itself(waits):
    causes = Counter(life[-1].by for lives in waits.values() for life in lives)
    for lives in waits.values():
        for patient, life in enumerate(lives):
            assert not list(contradictions(life)), patient
    expected = ("death of cancer", "death of liver failure", "perioperative death", "death of other causes", None)
    assert all(causes[cause] > 20 for cause in expected), "every end must have been seen"
    seen = Counter(by for lives in waits.values() for life in lives for by in set(ended_by(life)))
    untaken = {"therapy ends", "therapy ends while watched", *OF_CHOICES}  # therapy goes on here, choices are off
    assert set(EXITS) - set(seen) <= untaken, "an exit that nobody takes is not tested"


def test_nobody_progresses_under_therapy_twice(waits):
    assert not any(ended_by(life).count("progression") > 1 for life in waits["at once"])


def test_the_book_keeping_sees_what_it_should():
    """A life with one row falsified contradicts itself."""
    life = lives_of(values_of({"surgery.delay": 0.0}), 200)
    cured = next(x for x in life if {"treated tumour dead", "pathological complete response"} <= set(ended_by(x)))
    alive = [row._replace(by="treated tumour viable") if row.by == "treated tumour dead" else row for row in cured]
    assert "complete response of a viable tumour" in list(contradictions(alive))
    dying = next(x for x in life if x[-1].by == "death of cancer" and first(x, "criteria met") == inf)
    spared = [row._replace(by="toxicity") if row.by == "progression" else row for row in dying]
    assert "death of cancer without active disease" in list(contradictions(spared))

    def falsified(old: str, new: str) -> list[str]:
        true = next(x for x in watched if old in ended_by(x))
        return list(contradictions([row._replace(by=new) if row.by == old else row for row in true]))

    watched = lives_of(values_of({"surgery.delay": WAITS["298 days"]}), 2_000)
    assert "R1: it was a salvage operation" in falsified("R1 at salvage", "R1")
    assert "a margin of a salvage that was none" in falsified("R1", "R1 at salvage")
    assert "salvage of one who is unfit" in falsified("still unfit", "accepts salvage")
    assert "still unfit: was not before" in falsified("declines salvage", "still unfit")
    assert "as it was, after a relapse was treated" in falsified(
        "occult disease again", "no relapse treated: as it was"
    )
    assert "occult disease again: no relapse was treated" in falsified(
        "no relapse treated: as it was", "occult disease again"
    )


MOVED_TO = {
    "therapy.duration": 6.0,
    "watching.therapy_duration": 3.0,
    "surgery.delay": 2.0,
    "repeat.death": 0.1,
    "surgery.highest_pvtt_type": 1.0,
}
"""Where a third more would be never again, or move too few."""


EVERYTHING_ON = {
    "surgery.delay": WAITS["298 days"],
    "necrosis_test.share_tested": 0.5,
    "adjuvant.share_after_viable_tumour": 0.5,
    "adjuvant.share_after_complete_response": 0.5,
    "adjuvant.continued_share": 0.5,
    "population.resectable_share": 0.3,
    "population.small_remnant_share": 0.4,
    "population.ecog_above_1_share": 0.5,
    "ablation.death": 0.1,
    "cytoreduction.death": 0.2,
    "liver_directed.share": 0.5,
    "liver_directed.start": 1.0,
    "liver_directed.most_cycles": 2.0,
    "liver_directed.highest_child_pugh_score": 5.0,
    "watching.liver_directed_share": 0.5,
    "systemic.later_share": 0.4,
    "hold.rate": 0.2,
    "switch.after": 4.0,
    "conversion.least_depth": -0.5,
    "surgery.spared_above_depth": 1.5,
    "surgery.highest_pvtt_type": 3.0,
    "remnant.death": 0.3,
    "drugs.stop_above_depth": 1.0,
    "second_conversion.rate": 0.03,
    "transplantation.share": 0.3,
    "ablation.share": 0.3,
    "cytoreduction.after": 2.0,
    "neoadjuvant.share": 0.5,
    "surgery.unfit_log_odds_per_cycle": 0.4,
    "surgery.unfit_log_odds_per_child_pugh_point": 0.5,
    "surgery.unfit_log_odds_per_ecog_grade": 0.4,
}


@pytest.fixture(scope="module")
def shipped() -> Stays:
    return stays_of(values_of(EVERYTHING_ON), 10_000)


OF_LABELS = ("hbv", "tumour_size", "tumour_number", "above_", "log10_afp", "central")
LABELS = [name for name in PATHWAY.parameters() if name.startswith(tuple(f"population.{of}" for of in OF_LABELS))]
"""What makes attributes that are reported, and by which stages are derived, but that change nobody's fate."""


@pytest.mark.parametrize("name", sorted(set(PATHWAY.parameters()) - set(LABELS)))
def test_every_number_matters_to_somebody(name: str, shipped: Stays):
    """A parameter that moves no history is not wired to what it means."""
    number = values_of(EVERYTHING_ON)[name]
    changed = MOVED_TO.get(name, number * 1.3 if not 0.7 < number <= 1.0 else number * 0.7)
    other = stays_of(values_of(EVERYTHING_ON, {name: changed}), 10_000)
    assert (
        len(other) != len(shipped)
        or (other.left_months != shipped.left_months).any()
        or (other.ended_by != shipped.ended_by).any()
    )


def test_every_parameter_is_one_of_the_pathway():
    assert set(PATHWAY.parameters()) == set(CALIBRATION.parameters.of_pathway())


UNCERTAIN = {
    name: (p.distribution.low, p.distribution.high)
    for name, p in CALIBRATION.parameters.of_pathway().items()
    if p.distribution is not None and p.distribution.family != "fixed"
}
DECISIONS = {
    "surgery.delay": [0.0, 0.5, 9.8, 40.0, NEVER],
    "watching.interval": [1.0, 2.0, 6.0, NEVER],
    "watching.marker_interval": [0.9, 3.0, NEVER],
    "therapy.duration": [0.0, 3.0, 24.0, NEVER],
    "watching.therapy_duration": [0.0, 4.0, NEVER],
    "necrosis_test.share_tested": [0.0, 0.5, 1.0],
    "adjuvant.share_after_viable_tumour": [0.0, 1.0],
    "adjuvant.share_after_complete_response": [0.0, 1.0],
    "adjuvant.start": [0.0, 1.4],
    "adjuvant.duration": [0.0, 6.0, NEVER],
    "adjuvant.continued_share": [0.0, 0.5],
    "liver_directed.share": [0.0, 1.0],
    "liver_directed.start": [0.0, 2.0],
    "liver_directed.interval": [0.7, 1.5],
    "liver_directed.most_cycles": [1.0, 4.0],
    "liver_directed.highest_child_pugh_score": [5.0, 9.0],
    "watching.liver_directed_share": [0.0, 1.0],
    "systemic.later_share": [0.0, 0.5],
    "systemic.start": [0.0, 1.5],
    "switch.after": [0.0, 3.0, NEVER],
    "conversion.least_depth": [-10.0, 0.0],
    "surgery.spared_above_depth": [1.0, 10.0],
    "surgery.highest_pvtt_type": [0.0, 4.0],
    "drugs.stop_above_depth": [0.5, 10.0],
    "transplantation.share": [0.0, 0.4],
    "ablation.share": [0.0, 0.4],
    "cytoreduction.after": [0.0, 3.0, NEVER],
    "neoadjuvant.share": [0.0, 0.5],
}
OTHER_ROADS = {
    "population.resectable_share": [0.0, 0.5],
    "population.small_remnant_share": [0.0, 0.5],
    "hold.rate": [0.0, 0.2],
}
PLACES = st.dictionaries(st.sampled_from(sorted(UNCERTAIN)), st.sampled_from([0.0, 1.0]) | st.floats(0.0, 1.0))
CHOICES = st.fixed_dictionaries({name: st.sampled_from(options) for name, options in (DECISIONS | OTHER_ROADS).items()})


@settings(max_examples=100, deadline=None, derandomize=True, database=None)
@given(PLACES, CHOICES, st.booleans(), st.integers(0, 2**64 - 1))
def test_any_numbers_within_their_uncertainty_give_lives_that_hold(
    places: dict[str, float], choices: dict[str, float], all_at_once: bool, seed: int
):
    """Parameters anywhere in their intervals (some, or every one at an end) and any decision: the run does not stop."""
    assert set(DECISIONS) == {name for name, p in CALIBRATION.parameters.of_pathway().items() if p.decision}
    if all_at_once:
        ends = np.random.default_rng(seed).integers(0, 2, len(UNCERTAIN))
        places = dict(zip(UNCERTAIN, ends.astype(float).tolist(), strict=True)) | places
    numbers = {name: low + places[name] * (high - low) for name, (low, high) in UNCERTAIN.items() if name in places}
    values = values_of(numbers, choices)
    patients = 300
    stays = stays_of(values, patients, seed=seed)
    for patient, life in enumerate(lives_in(stays, patients)):
        assert not list(contradictions(life)), patient

    alive = (stays.entered_months[:, None] <= MOMENTS) & (stays.left_months[:, None] > MOMENTS)
    dead = np.isin(stays.next_state, [STATES.index(name) for name in DEATHS])
    dead_by = (stays.left_months[dead][:, None] <= MOMENTS).sum(axis=0)
    assert (alive.sum(axis=0) + dead_by == patients).all(), "occupancy"

    tally = Tally(HCC_OUTCOMES, STATES, EXITS, HORIZON_MONTHS)
    tally.add(stays, 0, patients)
    for population in (CONVERTED, EVERYBODY):
        progression_free, failure_free, overall = (
            tally.months[population, name, HORIZON_MONTHS] for name in ("PFS", "failure-free", "OS")
        )
        assert (progression_free <= failure_free + 1e-9).all()
        assert (failure_free <= overall + 1e-9).all()


MOMENTS = np.array([0.0, 1.0, 5.5, 17.0, 60.0, 200.0, 359.9])


# --- engine and oracle ------------------------------------------------------------------------------------------------


def scenario_strategies() -> dict[str, dict[str, float]]:
    scenario = load_scenario(ROOT / "scenarios" / "surgical-timing.yaml", calibration=CALIBRATION)
    return {strategy.name: strategy.parameters.values_only() for strategy in scenario.strategies}


@pytest.mark.parametrize("strategy", scenario_strategies())
def test_the_engine_equals_the_oracle_stay_for_stay(strategy: str):
    values = scenario_strategies()[strategy]
    lives = lives_of(values, 100)
    for patient, life in enumerate(lives):
        assert oracle_life(PATHWAY, values, SEED, patient, HORIZON_MONTHS) == life, patient
    assert sum(first(life, "criteria met") < inf for life in lives) > 30, (
        "nobody's history would depend on the strategy"
    )


# --- the reported figures ---------------------------------------------------------------------------------------------


def test_surgery_comes_three_to_four_months_after_the_start_give_or_take():
    """Reported medians of the time from start to surgery; the model's is later by about a month."""
    lives = lives_of(values_of({"surgery.delay": 0.0}), 6_000)
    operated = [first(life, "theatre slot") for life in lives if first(life, "theatre slot") < inf]
    assert 3.0 < np.median(operated) < 5.5
    assert np.quantile(operated, 0.02) > 1.4
