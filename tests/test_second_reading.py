"""Two blind readings of the documents, figure by figure: wherever they differ, it is settled, and nowhere else.

The first reading is the records of `calibration/figures/`, the second `calibration/second_reading/reading.csv`.  Its
column `figure` was added afterwards and names the record that a row is about, and after it the record whose p is
printed beside that figure as well (the first reading holds the p of a contrast there).  What the second reader's words
for studies, arms and endpoints mean is in `studies.csv`, `arms.csv` and `endpoints.csv`; a name of the vocabulary needs
no line there, and a name with neither a line nor a place in the vocabulary is a difference.
"""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from hcc_sim.figures import Evidence, Figure, Study

CALIBRATION = Path(__file__).parents[1] / "calibration"
SECOND = CALIBRATION / "second_reading"
CHANGED = "the record was changed"

Cells = dict[str, str]
Records = dict[str, tuple[Study, Figure]]

MEASURES = {
    "mean": "point", "dose": "point", "utility": "point", "cost": "point", "rate": "point", "reduction": "hazard_ratio",
}  # fmt: skip
"""Measures in the second reader's words; a difference is one of two arms and stands under the measure of its unit."""

UNITS = {
    "score": "none", "studies": "none", "utility": "none", "% points": "%", "% of tumours": "%",
    "% a year": "% per year", "sessions": "cycles", "x GDP per capita": "GDP per capita per QALY",
    "US$": "USD", "US$ per QALY": "USD per QALY", "US$ per session": "USD", "US$ per cycle": "USD",
    "US$ per month": "USD",
}  # fmt: skip


class Difference(NamedTuple):
    """Where the readings part: the record (empty if there is none), and what each has for a field."""

    figure: str
    document: str
    field: str
    first: str
    second: str


class Pair(NamedTuple):
    """A row of the second reading with the record it is about and all that belongs to them."""

    row: Cells
    study: Study
    figure: Figure
    beside: list[Figure]  # records whose p the row carries too
    rows: list[Cells]  # all rows about this record

    def silent(self, field: str) -> bool:
        """The row leaves a field blank that another place, read into the same record, fills."""
        return not self.row[field] and any(row[field] for row in self.rows)


class Words(NamedTuple):
    """What the second reader's words mean."""

    printed: dict[str, str]  # name, case folded -> regimen
    arms: dict[tuple[str, str], tuple[str, str]]  # (study or empty, name) -> (regimen, group)
    endpoints: dict[str, str]
    studies: dict[str, list[str]]

    def arm(self, study: str, said: str) -> tuple[str, str]:
        """Regimen and group of patients; the name itself where nothing says what it means."""
        for key in ((study, said), ("", said)):
            if key in self.arms:
                return self.arms[key]
        return self.printed.get(said.casefold(), said), ""


# --- reading ----------------------------------------------------------------------------------------------------------


def csv_rows(path: Path) -> list[Cells]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def records(evidence: Evidence) -> Records:
    return {figure.id: (study, figure) for study, figure in evidence.figures()}


@pytest.fixture(scope="module")
def words(evidence: Evidence) -> Words:
    names = ((name, key) for key, term in evidence.vocabulary.items() for name in (key, term.name, *term.printed))
    return Words(
        printed={name.casefold(): key for name, key in names},
        arms={(row["study"], row["said"]): (row["regimen"], row["group"]) for row in csv_rows(SECOND / "arms.csv")},
        endpoints={row["said"]: row["endpoint"] for row in csv_rows(SECOND / "endpoints.csv")},
        studies={row["said"]: row["study"].split() for row in csv_rows(SECOND / "studies.csv")},
    )


@pytest.fixture
def reading() -> list[Cells]:
    return csv_rows(SECOND / "reading.csv")


def settled_rows() -> dict[Difference, str]:
    rows = csv_rows(SECOND / "settled.csv")
    return {Difference(*(row[field] for field in Difference._fields)): row["settled"] for row in rows}


# --- field by field: what the first has and what the second has, or None if they agree --------------------------------


Two = tuple[str, str] | None


def number(cell: str) -> float | None:
    return float(cell) if cell else None


def shown(value: object) -> str:
    return "" if value is None else str(value)


def counts_events(pair: Pair) -> bool:
    """The row counts the patients of a share; the record holds them as its events."""
    return pair.row["measure"] == "count" and pair.figure.measure == "proportion"


def numbers(figure: Figure) -> tuple[float | None, float | None, float | None]:
    return figure.value, *(figure.interval or (None, None))


def has_number(figure: Figure) -> bool:
    return any(part is not None for part in numbers(figure))


def of_number(pair: Pair, place: int) -> Two:
    field = ("value", "low", "high")[place]
    first = numbers(pair.figure)[place] if not counts_events(pair) else (pair.figure.events, None, None)[place]
    return None if number(pair.row[field]) == first else (shown(first), pair.row[field])


def of_value(pair: Pair, _: Words) -> Two:
    return of_number(pair, 0)


def of_low(pair: Pair, _: Words) -> Two:
    return of_number(pair, 1)


def of_high(pair: Pair, _: Words) -> Two:
    return of_number(pair, 2)


def of_level(pair: Pair, _: Words) -> Two:
    level = shown(pair.figure.level)
    return None if pair.row["level"] == level or pair.silent("level") else (level, pair.row["level"])


def bare(p: str) -> str:
    return p.replace(" ", "").removeprefix("=")


def of_p(pair: Pair, _: Words) -> Two:
    printed = {bare(figure.p or "") for figure in (pair.figure, *pair.beside)}
    return None if bare(pair.row["p"]) in printed or pair.silent("p") else (shown(pair.figure.p), pair.row["p"])


def of_unit(pair: Pair, _: Words) -> Two:
    if not has_number(pair.figure):
        return None
    unit = "patients" if counts_events(pair) else shown(pair.figure.unit)
    return None if UNITS.get(pair.row["unit"], pair.row["unit"]) == unit else (unit, pair.row["unit"])


def of_time(pair: Pair, _: Words) -> Two:
    time = pair.figure.time_months
    return None if number(pair.row["time_months"]) == time else (shown(time), pair.row["time_months"])


def of_patients(pair: Pair, _: Words) -> Two:
    figure, sizes = pair.figure, {arm.regimen: arm.patients for arm in pair.study.arms}
    sides = (figure.regimen, figure.comparator if pair.row["versus"] else None)
    arms = [sizes.get(regimen) for regimen in sides if regimen is not None]
    known = [figure.patients] if figure.patients is not None else arms
    if not pair.row["patients"] or not known or None in known:
        return None
    first = " v ".join(map(str, known))
    return None if pair.row["patients"] == first else (first, pair.row["patients"])


def of_measure(pair: Pair, _: Words) -> Two:
    measure, said = pair.figure.measure, pair.row["measure"]
    fits = {MEASURES.get(said, said)}
    if said == "difference" and pair.figure.comparator is not None:
        fits = {"duration", "proportion", "point"}
    statement = measure == "direction" and not any(pair.row[field] for field in ("value", "low", "high"))
    return None if measure in fits or statement or counts_events(pair) else (measure, said)


def of_endpoint(pair: Pair, words: Words) -> Two:
    said = pair.row["endpoint"]
    return None if words.endpoints.get(said, said) == pair.figure.endpoint else (pair.figure.endpoint, said)


def of_criterion(pair: Pair, _: Words) -> Two:
    criterion = pair.figure.criterion if pair.figure.criterion != "not stated" else None
    same = pair.row["criterion"] == shown(criterion) or pair.silent("criterion")
    return None if same else (shown(criterion), pair.row["criterion"])


def of_arm(pair: Pair, words: Words) -> Two:
    regimen, group = words.arm(pair.row["study"], pair.row["arm"])
    known = not group or any(part.startswith(group) for part in pair.figure.id.split("."))
    if regimen == shown(pair.figure.regimen) and known:
        return None
    return shown(pair.figure.regimen) if known else pair.figure.id, pair.row["arm"]


def of_versus(pair: Pair, words: Words) -> Two:
    regimen, _ = words.arm(pair.row["study"], pair.row["versus"])
    statement_of_one_arm = not pair.row["versus"] and not has_number(pair.figure)
    if regimen == shown(pair.figure.comparator) or statement_of_one_arm:
        return None
    return shown(pair.figure.comparator), pair.row["versus"]


def of_study(pair: Pair, words: Words) -> Two:
    said = pair.row["study"]  # "document" where the second reader did not tell the study
    return None if pair.study.study in words.studies.get(said, [pair.study.study]) else (pair.study.study, said)


def of_document(pair: Pair, _: Words) -> Two:
    said = pair.row["document"]
    return None if said == pair.figure.document else (pair.figure.document, said)


FIELDS = {
    "document": of_document, "study": of_study, "arm": of_arm, "versus": of_versus, "endpoint": of_endpoint,
    "criterion": of_criterion, "measure": of_measure, "value": of_value, "low": of_low, "high": of_high,
    "level": of_level, "p": of_p, "unit": of_unit, "time_months": of_time, "patients": of_patients,
}  # fmt: skip


# --- all of them ------------------------------------------------------------------------------------------------------


def pairs(records: Records, reading: list[Cells]) -> Iterator[Pair]:
    """Every row of the second reading that is about a record of the first."""
    about: dict[str, list[Cells]] = {}
    for row in reading:
        about.setdefault(row["figure"].partition(" ")[0], []).append(row)
    for row in reading:
        if row["figure"]:
            key, *others = row["figure"].split()
            study, figure = records[key]
            yield Pair(row, study, figure, [records[other][1] for other in others], about[key])


def described(figure: Figure) -> str:
    value, low, high = numbers(figure)
    ends = " to ".join(shown(end) for end in (low, high)) if figure.interval is not None else ""
    return " ".join(filter(None, (shown(value), ends.strip(), shown(figure.unit))))


def only_in_one(records: Records, reading: list[Cells]) -> Iterator[Difference]:
    """Records with a number that no row is about, and rows that are about no record."""
    read = {row["figure"].partition(" ")[0] for row in reading}
    for key, (_, figure) in records.items():
        if has_number(figure) and key not in read:
            yield Difference(key, figure.document, "record", described(figure), "")
    for row in reading:
        if not row["figure"]:
            said = [row[field] for field in ("study", "arm", "endpoint", "value", "low", "high", "unit")]
            yield Difference("", row["document"], "record", "", " ".join(filter(None, said)))


def differences(records: Records, reading: list[Cells], words: Words) -> set[Difference]:
    found = set(only_in_one(records, reading))
    for pair in pairs(records, reading):
        for field, compare in FIELDS.items():
            two = compare(pair, words)
            if two is not None:
                found.add(Difference(pair.figure.id, pair.figure.document, field, *two))
    return found


class Tally(NamedTuple):
    """How much was read twice, and how often the readings parted."""

    figures: int  # records of the first reading with a number
    read_twice: int  # of them, those that a row of the second is about
    rows: int
    by_field: dict[str, int]  # differences, also those since settled by a change of the record


def tally(records: Records, reading: list[Cells], words: Words) -> Tally:
    with_number = {key for key, (_, figure) in records.items() if has_number(figure)}
    twice = with_number & {pair.figure.id for pair in pairs(records, reading)}
    parted = differences(records, reading, words) | set(settled_rows())
    return Tally(len(with_number), len(twice), len(reading), dict(Counter(one.field for one in parted)))


# --- tests ------------------------------------------------------------------------------------------------------------


def test_every_difference_is_settled_and_nothing_else(records: Records, reading: list[Cells], words: Words):
    settled = settled_rows()
    changed = {difference for difference, how in settled.items() if how.startswith(CHANGED)}
    assert differences(records, reading, words) - changed == set(settled) - changed
    assert all(how.strip() for how in settled.values())


def test_a_changed_record_agrees_now(records: Records, reading: list[Cells], words: Words):
    changed = {difference for difference, how in settled_rows().items() if how.startswith(CHANGED)}
    assert changed & differences(records, reading, words) == set()


def test_nothing_is_settled_twice():
    assert len(settled_rows()) == len(csv_rows(SECOND / "settled.csv"))


def test_every_record_and_every_row_is_accounted_for(records: Records, reading: list[Cells], words: Words):
    count = tally(records, reading, words)
    assert (count.figures, count.read_twice, count.rows) == (401, 393, 484)
    assert sum(not row["figure"] for row in reading) == 0


def test_the_words_of_the_second_reader_are_all_used(reading: list[Cells], words: Words):
    arms = {row[column] for row in reading for column in ("arm", "versus")}
    assert {said for _, said in words.arms} <= arms
    assert set(words.endpoints) == {row["endpoint"] for row in reading}
    assert set(words.studies) <= {row["study"] for row in reading}


def test_a_p_beside_a_figure_is_of_the_same_study_and_endpoint(records: Records, reading: list[Cells]):
    for pair in pairs(records, reading):
        for other in pair.beside:
            assert other.id.partition(".")[0] == pair.study.study
            assert (other.document, other.endpoint) == (pair.figure.document, pair.figure.endpoint)
            assert other.comparator is not None


def row_of(reading: list[Cells], figure: str) -> Cells:
    return next(row for row in reading if row["figure"].partition(" ")[0] == figure)


@pytest.mark.parametrize(
    ("figure", "field", "wrong"),
    [
        ("launch.os.median.tace_lenvatinib", "value", "17.3"),
        ("launch.os.hazard_ratio", "high", "0.62"),
        ("stah.os.hazard_ratio", "level", "95"),
        ("stah.os.hazard_ratio", "p", "0.029"),
        ("launch.os.median.tace_lenvatinib", "patients", "168"),
        ("chance2201.severe_adverse_event.proportion.ici_anti_vegf", "value", "81"),
        ("un_population_2022.mortality_rate.point.male_60_64", "value", "0.00643"),
        ("zhang_2016.os.survival_at.60.tace", "time_months", "36"),
        ("zhang_2021.time_to_response.median.haic_tki_ici", "unit", "months"),
        ("tai_2021.cr.proportion.tare_nivolumab", "endpoint", "partial response"),
    ],
)
def test_a_planted_slip_is_seen(
    records: Records, reading: list[Cells], words: Words, figure: str, field: str, wrong: str
):
    before = differences(records, reading, words)
    row_of(reading, figure)[field] = wrong
    (seen,) = differences(records, reading, words) - before
    assert (seen.figure, seen.field, seen.second) == (figure, field, wrong)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("launch.os.median.tace_lenvatinib", "launch.os.median.lenvatinib"),
        ("hbsn_21_288.os_after_recurrence.median.early", "hbsn_21_288.os_after_recurrence.median.late"),
        ("un_population_2022.mortality_rate.point.male_30_34", "un_population_2022.mortality_rate.point.female_30_34"),
    ],
)
def test_a_planted_swap_of_arms_is_seen(records: Records, reading: list[Cells], words: Words, one: str, other: str):
    before = differences(records, reading, words)
    first, second = row_of(reading, one), row_of(reading, other)
    first["arm"], second["arm"] = second["arm"], first["arm"]
    seen = differences(records, reading, words) - before
    assert {(one, "arm"), (other, "arm")} <= {(difference.figure, difference.field) for difference in seen}


def test_planted_sides_of_a_ratio_are_seen(records: Records, reading: list[Cells], words: Words):
    before = differences(records, reading, words)
    row = row_of(reading, "deng_2023.os.hazard_ratio")
    row["arm"], row["versus"] = row["versus"], row["arm"]
    assert {seen.field for seen in differences(records, reading, words) - before} == {"arm", "versus"}


def test_a_figure_left_out_of_either_reading_is_seen(records: Records, reading: list[Cells], words: Words):
    before = differences(records, reading, words)
    lost = "himalaya.os.median.durvalumab_tremelimumab"
    row_of(reading, lost)["figure"] = ""
    seen = differences(records, reading, words) - before
    assert {(difference.figure, difference.field) for difference in seen} == {(lost, "record"), ("", "record")}
