"""What must hold of any valid scenario: numbers anywhere in their uncertainty, any decisions, any roads open."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_hcc_pathway import (
    CALIBRATION,
    CHOICES,
    DEATHS,
    EXITS,
    MOMENTS,
    PLACES,
    STATES,
    UNCERTAIN,
    lives_of,
    stays_of,
    values_of,
)

from hcc_sim.analyses.strategies import simulate_strategies
from hcc_sim.outcomes import contrasts, estimates_of, summary_table
from hcc_sim.scenario import load_scenario
from hcc_sim.units import UNITS

ROOT = Path(__file__).parent.parent
PATIENTS = 300
SEEDS = st.integers(0, 2**64 - 1)
quick = settings(max_examples=25, deadline=None, derandomize=True, database=None)


def numbers_at(places: dict[str, float]) -> dict[str, float]:
    """Values at these places of the intervals, 0 the low end and 1 the high."""
    return {name: low + places[name] * (high - low) for name, (low, high) in UNCERTAIN.items() if name in places}


@quick
@given(PLACES, CHOICES, SEEDS)
def test_occupancy_death_and_survival(places: dict[str, float], choices: dict[str, float], seed: int):
    """Everybody is in one place at a time, nobody leaves death, and no more are alive later."""
    stays = stays_of(values_of(numbers_at(places), choices), PATIENTS, seed=seed)
    there = (stays.entered_months[:, None] <= MOMENTS) & (stays.left_months[:, None] > MOMENTS)
    final = np.isin(stays.next_state, [STATES.index(name) for name in DEATHS])
    dead = (final[:, None] & (stays.left_months[:, None] <= MOMENTS)).sum(axis=0)
    assert (there.sum(axis=0) + dead == PATIENTS).all()
    assert (np.diff(there.sum(axis=0)) <= 0).all()
    assert not np.isin(stays.state, [STATES.index(name) for name in DEATHS]).any()
    last = np.r_[np.diff(stays.patient.astype(np.int64)) != 0, True]
    assert not (final & ~last).any()


EVENTS = {
    "new primary": "new_primary.rate",
    "toxicity": "toxicity.rate",
    "sterilisation": "sterilisation.rate",
    "adjuvant toxicity": "adjuvant.toxicity_rate",
    "drugs held": "hold.rate",
    "second conversion": "second_conversion.rate",
}


@quick
@given(PLACES, CHOICES, SEEDS, st.sampled_from(sorted(EVENTS)))
def test_half_the_hazard_makes_no_event_earlier_on_the_same_path(
    places: dict[str, float], choices: dict[str, float], seed: int, event: str
):
    common = {EVENTS[event]: 0.04}
    values = values_of(numbers_at(places), choices, common)
    half = {**values, EVENTS[event]: 0.02}
    later = 0
    for life, slower in zip(lives_of(values, PATIENTS, seed=seed), lives_of(half, PATIENTS, seed=seed), strict=True):
        same = next((at for at, (a, b) in enumerate(zip(life, slower, strict=False)) if a != b), None)
        if same is None:
            continue
        assert life[same].by == event, "nothing else may set histories apart"
        assert slower[same].by != event or slower[same].left > life[same].left
        later += 1
    assert later or not any(row.by == event for life in lives_of(values, PATIENTS, seed=seed) for row in life)


def test_twice_the_hazard_would_be_noticed():
    """The test before is not blind: with the hazard doubled instead, some events come earlier."""
    values = values_of({"surgery.delay": 0.0, "toxicity.rate": 0.02})
    earlier = 0
    doubled = lives_of({**values, "toxicity.rate": 0.04}, PATIENTS)
    for life, faster in zip(lives_of(values, PATIENTS), doubled, strict=True):
        same = next((at for at, (a, b) in enumerate(zip(life, faster, strict=False)) if a != b), None)
        earlier += same is not None and faster[same].by == "toxicity" and faster[same].left < life[same].left
    assert earlier > 10


NEVER_TAKEN = {
    "surgery.declined_share": "declines surgery",
    "surgery.unfit_share": "unfit for surgery",
    "resection.death": "perioperative death",
    "salvage.death": "perioperative death at salvage",
    "salvage.curable_share": "salvage surgery offered",
    "repeat.curable_share": "curative treatment again",
    "imaging.false_alarm_believed": "false alarm believed",
    "relapse.supportive_share": "too ill for more",
    "resection.major_complication": "major complication",
    "resection.found_share": "found elsewhere",
    "transplantation.death": "death around transplantation",
    "ablation.death": "death around ablation",
    "remnant.death": "death by the procedure for the remnant",
    "cytoreduction.death": "death around cytoreductive surgery",
    "neoadjuvant.dead_share": "tumour dead by neoadjuvant therapy",
    "switch.response_probability": "will respond to the second regimen",
}


@quick
@given(PLACES, CHOICES, SEEDS, st.sampled_from(sorted(NEVER_TAKEN)))
def test_an_exit_of_probability_0_is_never_taken(
    places: dict[str, float], choices: dict[str, float], seed: int, name: str
):
    stays = stays_of(values_of(numbers_at(places), choices, {name: 0.0}), PATIENTS, seed=seed)
    assert not (stays.ended_by == EXITS.index(NEVER_TAKEN[name])).any()


def written(values: dict[str, float]) -> str:
    """Values as a strategy of a scenario file says them."""
    parts = []
    for name, value in values.items():
        unit = CALIBRATION.parameters[name].unit
        assert UNITS[unit].holds(value)
        text = "never" if math.isinf(value) else f"{value!r}{' months' if unit == 'months' else ''}"
        parts.append(f"{name}: {text}")
    return "{" + ", ".join(parts) + "}"


@settings(max_examples=12, deadline=None, derandomize=True, database=None)
@given(PLACES, CHOICES, CHOICES, SEEDS)
def test_equal_strategies_do_not_differ_and_a_further_one_moves_nothing(
    tmp_path_factory: pytest.TempPathFactory, places: dict[str, float], one: dict, other: dict, seed: int
):
    population = {name: one.pop(name) for name in list(one) if name.startswith("population.")}
    other = {name: value for name, value in other.items() if not name.startswith("population.")}
    common = {k: v for k, v in {**numbers_at(places), **population}.items() if k not in one}
    text = (
        f"title: random\nextends: {ROOT / 'scenarios' / 'base' / 'china.yaml'}\nwithout: [opportunistic]\n"
        f"parameters: {written(common)}\nrun: {{seed: {seed}, horizon: 30 years}}\n"
        f"strategies:\n  a: {written(one)}\n  b: {written(one)}\n"
    )
    folder = tmp_path_factory.mktemp("random")
    (folder / "two.yaml").write_text(text)
    (folder / "three.yaml").write_text(text + f"  c: {written(other)}\n")
    two, three = (
        simulate_strategies(load_scenario(folder / f"{name}.yaml", calibration=CALIBRATION, patients=1_000))
        for name in ("two", "three")
    )
    for gap in contrasts(two).itertuples():
        assert gap.difference == 0.0 or math.isnan(gap.difference)
    rows = {(r.strategy, r.population, r.outcome): (r.value, r.mc_se) for r in summary_table(estimates_of(two)).rows}
    again = {(r.strategy, r.population, r.outcome): (r.value, r.mc_se) for r in summary_table(estimates_of(three)).rows}
    for key, told in rows.items():
        assert np.array_equal(told, again[key], equal_nan=True), key
