"""Subgroups: who belongs to them, what is told of them, and what is refused."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from test_outcomes_against_theory import DEFINITIONS, EXITS, HORIZON_MONTHS, STATES, plainly, wandering
from test_outcomes_by_hand import ASKED, FIVE_ROWS, stays, values
from test_outcomes_by_hand import EXITS as EXITS_BY_HAND
from test_outcomes_by_hand import STATES as STATES_BY_HAND

from hcc_sim.analyses.compare import Comparison
from hcc_sim.analyses.strategies import Run, asked_by, simulate_strategies
from hcc_sim.analyses.timing import timing
from hcc_sim.engine import Program, attributes_at_start
from hcc_sim.history import Stays
from hcc_sim.outcomes import Tally, contrasts, curves, same_fate_of_others, same_patients, summary, with_subgroups
from hcc_sim.outcomes.hcc import CONVERTED, ENROLLED, EVERYBODY
from hcc_sim.parameters import load_calibration
from hcc_sim.pathway.hcc import DEATHS
from hcc_sim.scenario import Scenario, load_scenario, scenario_schema
from hcc_sim.subgroups import subgroups_by, values_at_start

ROOT = Path(__file__).resolve().parent.parent
CALIBRATION = load_calibration(ROOT / "calibration")
OLD_OR_YOUNG = with_subgroups(ASKED, ("old", "young"))


@pytest.fixture
def load(tmp_path: Path):
    """Load a scenario from further lines."""

    def from_text(*lines: str, strategies: str = "{at once: {}, never: {surgery.delay: never}}", patients: int = 3_000):
        path = tmp_path / "scenario.yaml"
        path.write_text("\n".join(("title: T", "regimen: haic_lenvatinib_pd1", f"strategies: {strategies}", *lines)))
        return load_scenario(path, calibration=CALIBRATION, patients=patients)

    return from_text


def truths(*them: int) -> np.ndarray:
    return np.array(them, np.bool_)


# --- by hand ----------------------------------------------------------------------------------------------------------


def test_five_rows_by_subgroup():
    """Patient 0 converts at 6 months and dies at 30; patient 1 grows again at 10 and lives on: see FIVE_ROWS."""
    tally = Tally(OLD_OR_YOUNG, STATES_BY_HAND, EXITS_BY_HAND, 48.0)
    tally.add(FIVE_ROWS, 0, 2, {"old": truths(1, 0), "young": truths(0, 1)})
    frame = summary({"s": tally})
    old, young, all_who_convert, old_who_convert, young_who_convert = (
        values(frame, name)
        for name in (
            "everybody, old",
            "everybody, young",
            "who convert",
            "who convert, old",
            "who convert, young",
        )
    )
    assert old["OS: at 36 months"] == 0
    assert young["OS: at 36 months"] == 1
    assert (old["OS: restricted mean to 48 months"], young["OS: restricted mean to 48 months"]) == (30, 48)
    assert (old["converted"], young["converted"]) == (1, 0)
    assert (old["regrown"], young["regrown"]) == (0, 1)
    assert (old["disease-free: to 48 months"], young["disease-free: to 48 months"]) == (21, 0)
    assert old_who_convert == pytest.approx(all_who_convert, nan_ok=True)
    assert math.isnan(young_who_convert["converted"]), "there is nobody"
    assert tally.follow_up_months["who convert, old"] == 42
    assert tally.follow_up_months["who convert, young"] == 48


def test_one_group_may_be_asked_of_without_its_rest():
    tally = Tally(with_subgroups(ASKED, ["old"]), STATES_BY_HAND, EXITS_BY_HAND, 48.0)
    tally.add(FIVE_ROWS, 0, 2, {"old": truths(0, 0), "never asked of": truths(1, 1)})
    assert tally.members["everybody, old"].sum() == 0
    assert [p.name for p in tally.definitions.populations][-2:] == ["everybody, old", "who convert, old"]


@pytest.mark.parametrize(
    ("subgroups", "said"),
    [
        ({}, "it is not told who belongs to: old, young"),
        ({"old": truths(1, 0)}, "it is not told who belongs to: young"),
        ({"old": truths(1, 0), "young": truths(1)}, "'young' is told by a row of 2 truths, one for each patient"),
        ({"old": truths(1, 0), "young": np.array([0.0, 1.0])}, "'young' is told by a row of 2 truths"),
    ],
)
def test_who_belongs_must_be_told(subgroups: dict[str, np.ndarray], said: str):
    tally = Tally(OLD_OR_YOUNG, STATES_BY_HAND, EXITS_BY_HAND, 48.0)
    with pytest.raises(ValueError, match=said):
        tally.add(FIVE_ROWS, 0, 2, subgroups)
    assert tally.patients == 0


def test_who_starts_with_the_event_has_it_in_his_subgroup_only():
    tally = Tally(OLD_OR_YOUNG, STATES_BY_HAND, EXITS_BY_HAND, 48.0)
    dead = stays((0, "dead", 0.0, 48.0, None, None), (1, "therapy", 0.0, 48.0, None, None))
    tally.add(dead, 0, 2, {"old": truths(0, 1), "young": truths(1, 0)})
    assert tally.days["everybody, young", "OS"][0, 0] == 1
    assert tally.days["everybody, old", "OS"].sum() == 0


def test_outcomes_of_one_population_are_those_of_its_subgroups():
    asked = replace(ASKED, shares=(replace(ASKED.shares[0], of=("everybody",)),))
    tally = Tally(with_subgroups(asked, ["old"]), STATES_BY_HAND, EXITS_BY_HAND, 48.0)
    assert list(tally.happened) == [("everybody", "converted"), ("everybody, old", "converted")]


def test_who_and_others_are_compared_within_the_subgroup():
    """Under `a` and `b` only patient 1, young, differs: he never converts and dies at another time."""

    def dying_at(months: float, old: tuple[int, int] = (1, 0)) -> Tally:
        record = stays(
            (0, "therapy", 0.0, 6.0, "converted", "response"),
            (0, "converted", 6.0, 48.0, None, None),
            (1, "therapy", 0.0, months, "dead", "death"),
        )
        tally = Tally(OLD_OR_YOUNG, STATES_BY_HAND, EXITS_BY_HAND, 48.0)
        tally.add(record, 0, 2, {"old": truths(*old), "young": ~truths(*old)})
        return tally

    both = {"a": dying_at(20.0), "b": dying_at(30.0)}
    assert not same_fate_of_others(both, "who convert")
    assert same_fate_of_others(both, "who convert, old")
    assert not same_fate_of_others(both, "who convert, young")
    assert all(same_patients(both).values())
    other = same_patients({"a": dying_at(20.0), "b": dying_at(20.0, old=(1, 1))})
    assert other == {
        "everybody": True,
        "who convert": True,
        "everybody, old": False,
        "everybody, young": False,
        "who convert, old": True,
        "who convert, young": True,
    }


# --- a plain reading --------------------------------------------------------------------------------------------------

PARTS = ("rare", "common", "none")


def memberships(patients: int, first: int = 0) -> dict[str, np.ndarray]:
    number = np.arange(first, first + patients)
    rare = number * 2_654_435_761 % 1_000 < 150
    return {"rare": rare, "common": ~rare, "none": np.zeros(patients, np.bool_)}


def tally_in_chunks(record: Stays, patients: int, chunk: int) -> Tally:
    tally = Tally(with_subgroups(DEFINITIONS, PARTS), STATES, EXITS, HORIZON_MONTHS)
    for first in range(0, patients, chunk):
        here = min(chunk, patients - first)
        start, stop = np.searchsorted(record.patient, [first, first + here])
        tally.add(record[slice(int(start), int(stop))], first, here, memberships(here, first))
    return tally


@pytest.mark.parametrize("patients", [7, 900])
def test_subgroups_are_those_of_a_plain_reading(patients: int):
    record = wandering(patients, seed=11)
    tally = tally_in_chunks(record, patients, 1_000)
    for name, inside in memberships(patients).items():
        chosen = record[inside[record.patient.astype(np.intp)]]
        chosen = replace(chosen, patient=np.unique(chosen.patient, return_inverse=True)[1].astype(np.uint64))
        for whole in DEFINITIONS.populations:
            plain = plainly(chosen, int(inside.sum()), whole)
            here = f"{whole.name}, {name}"
            assert tally.members[here].sum() == len(plain["zero"])
            for share in DEFINITIONS.shares:
                assert tally.at_risk[here, share.name].sum() == len(plain.get(share.name, []))
                assert tally.happened[here, share.name].sum() == sum(plain.get(share.name, []))
            for endpoint in DEFINITIONS.endpoints:
                times = np.array(plain.get(endpoint.name, []))
                had = np.cumsum(tally.days[here, endpoint.name].sum(axis=0))
                assert np.array_equal(had, np.searchsorted(np.sort(times), tally.grid_months + 1e-7, side="right"))
                mean = np.minimum(times, 120).sum()
                assert tally.months[here, endpoint.name, 120.0].sum() == pytest.approx(mean)
            for time in DEFINITIONS.times:
                expected = sum(plain.get(time.name, []))
                assert tally.months[here, time.name, 120.0].sum() == pytest.approx(expected, abs=1e-9)


def test_parts_make_the_whole():
    tally = tally_in_chunks(wandering(5_000, seed=3), 5_000, 1_000)
    for whole in DEFINITIONS.populations:
        one, rest = (f"{whole.name}, {name}" for name in ("rare", "common"))
        assert np.array_equal(tally.members[one] + tally.members[rest], tally.members[whole.name])
        assert min(tally.members[one].sum(), tally.members[rest].sum()) > 100
        for counts in (tally.days, tally.happened, tally.at_risk):
            keys = [what for population, what in counts if population == whole.name]
            for what in keys:
                assert np.array_equal(counts[one, what] + counts[rest, what], counts[whole.name, what])


def test_chunks_change_no_bit_of_a_subgroup():
    patients = 12_500
    record = wandering(patients, seed=7)
    whole = tally_in_chunks(record, patients, patients + 500)
    for chunk in (1_000, 7_000):
        part = tally_in_chunks(record, patients, chunk)
        assert all(same_patients({"whole": whole, "part": part}).values())
        assert all(same_fate_of_others({"whole": whole, "part": part}, p.name) for p in whole.definitions.populations)
        for tell in (summary, curves):
            assert tell({"s": part}).to_csv() == tell({"s": whole}).to_csv()


# --- by attributes ----------------------------------------------------------------------------------------------------


def test_names_say_what_parts():
    def names(attribute: str, *cuts: float) -> list[str]:
        return [part.name for part in subgroups_by(attribute, cuts)]

    assert names("age", 60) == ["age below 60", "age 60 or more"]
    assert names("PVTT type", 1, 3) == ["PVTT type below 1", "PVTT type from 1 to below 3", "PVTT type 3 or more"]
    assert names("log10 AFP", 2.6020599913279625)[0] == "log10 AFP below 2.6020599913279625"
    for flag in ("male", "HBV", "extrahepatic spread", "portal vein thrombus", "off drugs"):
        assert names(flag, 1) == [f"not {flag}", flag]
    for grade in ("ECOG", "BCLC stage", "Child-Pugh points above 5", "tumour number"):
        assert names(grade, 1) == [f"{grade} below 1", f"{grade} 1 or more"]
    assert names("male", 0.5) == ["male below 0.5", "male 0.5 or more"]


def test_every_value_is_in_one_part():
    parts = subgroups_by("age", [40, 60.5, 70])
    ages = np.array([-np.inf, 18.0, 40.0, np.nextafter(40.0, 0.0), 60.5, 70.0, 69.9, 1e300])
    inside = np.array([part.holds(ages) for part in parts])
    assert inside.argmax(axis=0).tolist() == [0, 0, 1, 0, 2, 3, 2, 3]
    assert (inside.sum(axis=0) == 1).all()


def test_what_parts_patients_differs_at_their_start(load):
    """What is said to be 0 or 1 is, and nothing that differs between patients is left out."""
    from hcc_sim.engine import starting_attributes
    from hcc_sim.scenario import programs

    opened = (
        "parameters: {population.resectable_share: 0.3, population.pvtt_share: 0.5, systemic.later_share: 0.5,"
        " liver_directed.share: 0.5, watching.liver_directed_share: 0.5, adjuvant.continued_share: 0.5,"
        " necrosis_test.share_tested: 0.5, population.spread_share: 0.5, population.small_remnant_share: 0.5,"
        " population.central_share: 0.5, population.child_pugh_above_5_share: 0.5, population.ecog_above_0_share: 0.5}"
    )
    scenario = load(opened)
    program = next(iter(programs(scenario).values()))
    names = program.attribute_names
    found = starting_attributes(program, names, seed=1, patients=3_000)
    known = values_at_start()
    for name, numbers in zip(names, found, strict=True):
        assert name in known or len(set(numbers)) == 1, name
        assert name not in known or len(set(numbers)) > 1, name
        assert not known.get(name) or set(numbers) == {0.0, 1.0}, name


def one_by_one(scenario: Scenario, kept: dict[str, list[Stays]], programs: dict[str, Program]) -> dict:
    """Restricted to 60 months, months lived from the start, and whether converted, by subgroup: patient by patient."""
    found: dict[tuple[str, str], list[tuple[float, bool]]] = {}
    for name, parts in kept.items():
        program = programs[name]
        for part in parts:
            frame = part.to_frame(program.state_names, program.exit_names)
            for patient, rows in frame.groupby("patient"):
                given = None if scenario.patients is None else scenario.patients.frame(int(patient), 1)
                at = attributes_at_start(program, seed=scenario.seed, patient=int(patient), attributes=given)
                dead = rows[rows["next_state"].isin(DEATHS)]["left_months"]
                lived = min(float(dead.iloc[0]) if len(dead) else 60.0, 60.0)
                converted = bool((rows["next_state"] == "treated tumour").any())
                size = "small" if at["tumour size"] < 6 else "medium" if at["tumour size"] < 10.5 else "large"
                for group in ("male" if at["male"] == 1.0 else "female", size):
                    found.setdefault((name, group), []).append((lived, converted))
    return found


@pytest.mark.parametrize("from_file", [False, True], ids=["drawn", "file"])
def test_a_scenario_by_subgroup_is_that_of_a_loop_over_patients(load, tmp_path: Path, from_file: bool):
    lines = ["subgroups: {male: [1], tumour size: [6, 10.5]}"]
    if from_file:
        rows = [f"{i % 3 % 2},{4 + i % 9}" for i in range(35)]
        (tmp_path / "p.csv").write_text("\n".join(["male,tumour_size_cm", *rows]))
        lines.append("population: {file: p.csv}")
    scenario = load(*lines, patients=700)
    kept: dict[str, list[Stays]] = {}
    programs: dict[str, Program] = {}

    def keep(name: str, program: Program, part: Stays) -> None:
        kept.setdefault(name, []).append(part)
        programs[name] = program

    frame = summary(simulate_strategies(scenario, keep=keep))
    told = {
        "female": "not male",
        "male": "male",
        "small": "tumour size below 6",
        "medium": "tumour size from 6 to below 10.5",
        "large": "tumour size 10.5 or more",
    }
    plain = one_by_one(scenario, kept, programs)
    assert len(plain) == 10
    for (name, group), lives in plain.items():
        lived, converted = zip(*lives, strict=True)
        found = values(frame[frame["strategy"] == name], f"{EVERYBODY}, {told[group]}")
        assert len(lives) > 20
        assert found["OS: restricted mean to 60 months"] == pytest.approx(sum(lived) / len(lived), rel=1e-12)
        assert found["converted"] == sum(converted) / len(converted)


def test_subgroups_change_no_row_of_the_whole_and_no_bit_by_chunks(load):
    plain = simulate_strategies(load(patients=4_500))
    scenario = load("subgroups: {age: [60], PVTT type: [1, 3]}", patients=4_500)
    wholes = {name: tally.members.keys() for name, tally in plain.items()}
    told = set()
    for chunk, threads in ((1_000, 1), (3_000, 2), (50_000, 1)):
        tallies = simulate_strategies(scenario, chunk=chunk, threads=threads)
        told.add((summary(tallies).to_csv(), contrasts(tallies).to_csv(), curves(tallies).to_csv()))
        for table in (summary, contrasts, curves):
            frame = table(tallies)
            whole = frame[frame["population"].isin(list(wholes["never"]))].reset_index(drop=True)
            assert whole.equals(table(plain))
            assert set(frame["population"]) == {
                f"{population}{part}"
                for population in (CONVERTED, EVERYBODY)
                for part in (
                    "",
                    ", age below 60",
                    ", age 60 or more",
                    ", PVTT type below 1",
                    ", PVTT type from 1 to below 3",
                    ", PVTT type 3 or more",
                )
            }
    assert len(told) == 1


def test_a_run_that_goes_on_has_the_same_subgroups(load):
    scenario = load("subgroups: {age: [60]}", "population: {start: after surgery}", patients=3_000)
    run = Run(scenario)
    run.up_to(1_000)
    run.up_to(3_000)
    assert summary(run.tallies).equals(summary(simulate_strategies(scenario)))
    assert f"{ENROLLED}, age below 60" in run.tallies["never"].members


def test_what_is_asked_otherwise_asks_of_no_subgroup(load):
    """Turned values and sweeps do without; nothing is computed for them."""
    scenario = load("subgroups: {age: [60]}", patients=1_000)
    whole = asked_by(replace(scenario, subgroups=()))
    tallies = simulate_strategies(scenario, whole)
    assert list(tallies["never"].members) == [CONVERTED, EVERYBODY]
    assert timing(scenario, delays_months=[1.0, 2.0]).outcomes


def comparison(scenario: Scenario) -> Comparison:
    return Comparison(scenario, simulate_strategies(scenario), ())


def test_strategies_that_differ_in_who_belongs_are_told(load):
    """Of other ages under the second: others convert, which is told anyhow, and of everybody others are above 60."""
    older = "{as they are: {}, older: {population.age_mean: 60 years}}"
    told = [note for note in comparison(load("subgroups: {age: [60]}", strategies=older)).notes() if "belongs" in note]
    assert told == [
        "Strategies differ in who belongs to: everybody, age below 60; everybody, age 60 or more: results there "
        "compare different patients, and a difference may be theirs."
    ]
    same = comparison(load("subgroups: {age: [60]}")).notes()
    assert not any("belongs" in note for note in same)


def test_notes_name_subgroups_that_lack_something_once(load):
    few = comparison(load("subgroups: {age: [20, 60]}", patients=2_000))
    notes = few.notes()
    assert sum("age" in note for note in notes) == 1
    told = next(note for note in notes if "age" in note)
    assert told.startswith("Subgroups too small to tell everything of, what is missing being empty in the tables: conv")
    assert "converted, age below 20; " in told
    plain = comparison(load(patients=2_000)).notes()
    assert [note for note in notes if "age" not in note] == list(plain)


def test_the_schema_knows_the_attributes():
    entry = scenario_schema()["properties"]["subgroups"]
    assert {"age", "male", "PVTT type"} < set(entry["propertyNames"]["enum"])
    assert "converted" not in entry["propertyNames"]["enum"]
    assert entry["additionalProperties"]["items"]["type"] == "number"
    assert entry["additionalProperties"]["minItems"] == 1


# --- large counts -----------------------------------------------------------------------------------------------------


def test_counts_do_not_overflow():
    """More than 65,535 patients of each group die on the same day."""
    from test_outcomes_against_theory import LIFETIME, lifetimes

    chunk, chunks = 1_000_000, 7
    tally = Tally(LIFETIME, ["alive", "dead"], ["death"], HORIZON_MONTHS)
    record = lifetimes(np.full(chunk, 1.0))
    for first in range(0, chunk * chunks, chunk):
        tally.add(replace(record, patient=record.patient + np.uint64(first)), first, chunk)
    days = tally.days["everybody", "OS"]
    assert days.max() == chunk * chunks // 100 > np.iinfo(np.uint16).max
    assert days.sum() == chunk * chunks
