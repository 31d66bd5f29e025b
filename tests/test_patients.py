"""Patients from a file, patients who have come to a state, and parameters that a scenario asks to turn."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from hcc_sim.analyses import turning
from hcc_sim.analyses.compare import compare
from hcc_sim.analyses.strategies import primary_population, simulate_strategies
from hcc_sim.engine import attributes_at_start
from hcc_sim.errors import InputError
from hcc_sim.outcomes import same_fate_of_others
from hcc_sim.outcomes.hcc import CONVERTED, ENROLLED, EVERYBODY
from hcc_sim.patients import COLUMNS, read_patients
from hcc_sim.scenario import Scenario, load_scenario, programs

ROOT = Path(__file__).parent.parent
TIMING = ROOT / "scenarios" / "surgical-timing.yaml"
ROWS = {"age_years": [41.5, 72.0, 55.0], "male": [1, 0, 1], "pvtt_type": [0, 4, 2], "afp_ng_per_ml": [10, 400.0, 1e5]}


@pytest.fixture
def load(tmp_path: Path):
    def from_text(text: str, **options) -> Scenario:
        path = tmp_path / "mine.yaml"
        path.write_text(f"title: mine\nextends: {TIMING}\n{text}", encoding="utf-8")
        return load_scenario(path, **options)

    return from_text


# --- a file of patients -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ending", ["csv", "CSV", "parquet"])
def test_rows_are_read_and_taken_in_turn(tmp_path: Path, ending: str):
    path = tmp_path / f"patients.{ending}"
    if ending == "parquet":
        pq.write_table(pa.table(ROWS), path)
    else:
        pd.DataFrame(ROWS).to_csv(path, index=False)
    found = read_patients(path)
    assert found.rows == 3
    frame = found.frame(5, 4)
    assert list(frame["age"]) == [55.0, 41.5, 72.0, 55.0]
    assert list(frame["PVTT type"]) == [2.0, 0.0, 4.0, 2.0]
    assert frame["log10 AFP"].to_numpy() == pytest.approx(np.log10([1e5, 10, 400, 1e5]))


def test_each_patient_begins_as_his_row_says_whatever_the_chunks(load, tmp_path: Path):
    pd.DataFrame(ROWS).to_csv(tmp_path / "three.csv", index=False)
    scenario = load("population: {file: three.csv, size: 25000}\n")
    assert scenario.patients is not None
    program = next(iter(programs(scenario).values()))
    for patient in (0, 1, 5, 24_999):
        given = scenario.patients.frame(patient, 1)
        born = attributes_at_start(program, seed=scenario.seed, patient=patient, attributes=given)
        assert born["age"] == ROWS["age_years"][patient % 3]
        assert born["male"] == ROWS["male"][patient % 3]
        assert born["portal vein thrombus"] == (ROWS["pvtt_type"][patient % 3] > 0)
    small = simulate_strategies(scenario, chunk=1_000, threads=1)
    large = simulate_strategies(scenario, chunk=50_000, threads=2)
    for name, tally in small.items():
        assert all(np.array_equal(tally.members[p], large[name].members[p]) for p in tally.members)
        assert all(np.array_equal(tally.months[key], large[name].months[key]) for key in tally.months)


def test_a_file_changes_the_hash_of_the_scenario(load, tmp_path: Path):
    hashes = []
    for age in ("50", "51"):
        (tmp_path / "one.csv").write_text(f"age_years\n{age}\n")
        hashes.append(load("population: {file: one.csv}\n").sha256)
    assert hashes[0] != hashes[1]


def test_those_of_a_file_live_as_the_same_drawn_from_the_population(load, tmp_path: Path):
    """What is given instead of drawn moves no other luck: the drawn attributes, given, make the same histories."""
    drawn = load("", patients=3_000)
    program = next(iter(programs(drawn).values()))
    born = pd.DataFrame(attributes_at_start(program, seed=drawn.seed, patient=p) for p in range(3_000))
    columns = {column.name: born[column.attribute] for column in COLUMNS if not column.logarithm}
    pd.DataFrame(columns).to_csv(tmp_path / "drawn.csv", index=False, float_format="%.17g")
    given = load("population: {file: drawn.csv}\n", patients=3_000)
    one, other = simulate_strategies(drawn), simulate_strategies(given)
    for name, tally in one.items():
        assert all(np.array_equal(tally.months[key], other[name].months[key]) for key in tally.months)


WRONG = {
    "age_years\n": "holds no patient",
    "": "is empty; it needs columns among age_years",
    "age\n50\n": "1: age: unknown column 'age'. Accepted: age_years",
    "male,male\n1,1\n": "1: male: stands twice",
    "age_years\n50\n12\n": "3: age_years: given 12; accepted: a number from 18 to 100",
    "age_years\nold\n": "2: age_years: given 'old'; accepted: a number from 18 to 100",
    "age_years,male\n50,\n": "2: male: is empty; accepted: a whole number from 0 to 1",
    "ecog\n1.5\n": "2: ecog: given 1.5; accepted: a whole number from 0 to 4",
    "ecog,male\n1\n": "2: has 1 cells, the heading has 2",
    "age_years\nnan\n": "2: age_years: given 'nan'; accepted",
    'age_years\n"50\n': ":2: is not CSV",
    '"age_years\n': ":1: is not CSV",
    "age_years\n5_5\n": "2: age_years: given '5_5'",
    "age_years\ninf\n": "2: age_years: given 'inf'",
    'age_years,male\n"50\n",1\n5,1\n': "4: age_years: given 5",
}


@pytest.mark.parametrize("text", WRONG)
def test_what_is_wrong_with_a_file_is_told(load, tmp_path: Path, text: str):
    (tmp_path / "wrong.csv").write_text(text)
    with pytest.raises(InputError) as caught:
        load("population: {file: wrong.csv}\n")
    assert WRONG[text] in str(caught.value)
    assert str(tmp_path / "wrong.csv") in str(caught.value)


def test_all_that_is_wrong_is_told_at_once(load, tmp_path: Path):
    (tmp_path / "wrong.csv").write_text("age_years,male\n12,1\n50,3\n")
    with pytest.raises(InputError) as caught:
        load("population: {file: wrong.csv}\nturn: [nonsense]\n")
    assert len(caught.value.problems) == 3


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("absent.csv", None, "cannot be read: No such file"),
        ("patients.xlsx", b"", "is neither a .csv nor a .parquet file"),
        ("latin.csv", "age_years\n50\nä\n".encode("latin-1"), ":3: is not UTF-8"),
        ("no.parquet", b"age_years\n50\n", "is not a Parquet file"),
    ],
)
def test_a_file_that_is_none_is_refused(load, tmp_path: Path, name: str, content: bytes | None, told: str):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError) as caught:
        load(f"population: {{file: {name}}}\n")
    assert told in str(caught.value)
    assert name.startswith("latin") or "mine.yaml:3: population.file: " in str(caught.value), "told where it is named"


# --- patients who have come to a state --------------------------------------------------------------------------------


def test_a_study_that_enrolled_at_conversion_sees_the_converted(load):
    enrolled = simulate_strategies(load("population: {start: treated tumour}\n", patients=5_000))
    assert primary_population(enrolled) == ENROLLED
    for tally in enrolled.values():
        assert tally.digest(ENROLLED) == tally.digest(CONVERTED)
        assert np.array_equal(tally.days[ENROLLED, "OS"], tally.days[CONVERTED, "OS"])


@pytest.mark.usefixtures("quick")
def test_where_strategies_lead_others_to_a_state_it_is_said(load):
    compared = compare(load("population: {start: after surgery}\n", patients=5_000))
    assert compared.primary == ENROLLED
    assert "Strategies differ in who comes to 'after surgery', or when" in compared.notes()[0]
    assert "after coming to 'after surgery'" in compared.headline()


def test_an_unknown_state_is_refused_with_the_nearest(load):
    with pytest.raises(InputError, match=r"given 'after surgary'\. Did you mean 'after surgery'\?"):
        programs(load("population: {start: after surgary}\n"))
    with pytest.raises(InputError, match="given 'dead of cancer'"):
        programs(load("population: {start: dead of cancer}\n"))


# --- whose results are primary ----------------------------------------------------------------------------------------


def test_where_only_the_fates_of_the_unconverted_differ_everybody_is_primary(load):
    other = "strategies: {early: {cytoreduction.after: 3 months}}\n"
    tallies = simulate_strategies(load(other, patients=5_000))
    assert not same_fate_of_others(tallies, CONVERTED)
    assert primary_population(tallies) == EVERYBODY
    without = {name: tally for name, tally in tallies.items() if name != "early"}
    assert same_fate_of_others(without, CONVERTED)
    assert primary_population(without) == CONVERTED


# --- what is turned ---------------------------------------------------------------------------------------------------


def test_parameters_that_are_asked_for_are_turned_and_told(load, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(turning, "TIMING_ASSUMPTIONS", turning.TIMING_ASSUMPTIONS[:2])  # of those not asked for
    asked = ("surgery.effect", "resection.death", "imaging.sensitivity")
    compared = compare(load(f"turn: [{', '.join(asked)}]\n", patients=5_000))
    assert {t.parameter.name for t in compared.turnings} == {*asked, "aggressiveness"}
    told = {compared.strongest_assumption(), compared.effect_of_surgery(), *compared.turned_as_asked()} - {""}
    assert len(told) == 3
    assert not compare(load("", patients=2_000)).turned_as_asked()


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("[surgery.efect]", "turn[0]: unknown parameter 'surgery.efect'. Did you mean 'surgery.effect'"),
        ("[surgery.delay]", "turn[0]: given 'surgery.delay', which is held or decided"),
        ("[surgery.effect, population.age_sd]", "turn[1]: given 'population.age_sd', which is held or decided"),
        ("surgery.effect", "turn: given 'surgery.effect'; accepted: the parameters"),
        ("[3]", "turn[0]: given 3"),
    ],
)
def test_what_cannot_be_turned_is_refused(load, given: str, told: str):
    with pytest.raises(InputError) as caught:
        load(f"turn: {given}\n")
    assert told in str(caught.value)


# --- adjuvant therapies of the fit ------------------------------------------------------------------------------------


def test_an_adjuvant_therapy_brings_its_fitted_effect_and_is_given_to_all(load):
    ici, none, own = load(
        "strategies:\n  ici: {adjuvant: adjuvant ici}\n  none: {}\n"
        "  own: {adjuvant: adjuvant ici, adjuvant.share_after_complete_response: 0}\n"
        "without: [opportunistic, wait 42 days, wait 298 days, conservative]\n"
    ).strategies
    assert (ici.around_surgery, none.around_surgery) == ({"adjuvant": "adjuvant ici"}, {})
    fit = ici.layers.fit
    assert fit is not None
    fitted = fit.quantities["adjuvant ici: adjuvant.effect_on_outgrowth"].value
    assert ici.parameters["adjuvant.effect_on_outgrowth"].value == fitted
    assert ici.parameters["adjuvant.effect_on_outgrowth"].set_by == "adjuvant ici"
    for share in ("adjuvant.share_after_viable_tumour", "adjuvant.share_after_complete_response"):
        assert (ici.parameters[share].value, none.parameters[share].value) == (1.0, 0.0)
    assert own.parameters["adjuvant.share_after_complete_response"].value == 0.0, "a strategy may say to whom"
    assert none.parameters["adjuvant.effect_on_outgrowth"].set_by != "adjuvant ici"


def test_a_neoadjuvant_therapy_is_named_in_the_same_way(load):
    first = load("neoadjuvant: neoadjuvant 3dcrt\n").strategies[0]
    assert first.parameters["neoadjuvant.share"].value == 1.0
    assert first.parameters["neoadjuvant.effect_on_outgrowth"].set_by == "neoadjuvant 3dcrt"
    assert first.parameters["neoadjuvant.dead_share"].set_by == "neoadjuvant 3dcrt"


def test_an_adjuvant_therapy_for_all_strategies(load):
    assert [s.around_surgery for s in load("adjuvant: adjuvant tace\n").strategies] == [
        {"adjuvant": "adjuvant tace"}
    ] * 4


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("adjuvant: adjuvant icu\n", "adjuvant: unknown adjuvant therapy 'adjuvant icu'. Did you mean 'adjuvant ici'?"),
        ("adjuvant: lenvatinib\n", "unknown adjuvant therapy 'lenvatinib'"),
        ("strategies: {a: {adjuvant: 3}}\n", "strategies.a.adjuvant: unknown adjuvant therapy 3"),
        ("adjuvant: 3\n", "adjuvant: given 3; accepted: the adjuvant therapy"),
    ],
)
def test_an_unknown_adjuvant_therapy_is_refused(load, text: str, told: str):
    with pytest.raises(InputError) as caught:
        load(text)
    assert told in str(caught.value)
