"""Outcomes of histories small enough to work out by hand, and what is refused."""

import math

import numpy as np
import pandas as pd
import pytest

from hcc_sim.history import Stays
from hcc_sim.outcomes import (
    Definitions,
    Endpoint,
    Population,
    Share,
    Tally,
    TimeIn,
    contrasts,
    curves,
    estimates,
    estimates_of,
    notes,
    restricted_mean,
    same_patients,
    summary,
)

STATES = ["therapy", "converted", "resection", "disease-free", "dead"]
EXITS = ["response", "surgery", "R0", "death", "local regrowth"]
DAYS_PER_MONTH = 365.25 / 12

EVERYBODY = Population("everybody", "from the start")
CONVERTED = Population("who convert", "from conversion", "converted")
OS = Endpoint(name="OS", meaning="death", entering=("dead",))
ASKED = Definitions(
    populations=(EVERYBODY, CONVERTED),
    endpoints=(OS,),
    shares=(
        Share(name="converted", meaning="", entering=("converted",)),
        Share(name="regrown", meaning="", ended_by=("local regrowth",)),
        Share(name="alive", meaning="", entering=("dead",), never=True),
        Share(name="died if converted", meaning="", entering=("dead",), among="converted"),
        Share(name="died if not regrown", meaning="", entering=("dead",), among="not regrown"),
        Share(name="not regrown", meaning="", ended_by=("local regrowth",), never=True),
    ),
    times=(
        TimeIn(name="in therapy", meaning="", states=("therapy",)),
        TimeIn(name="disease-free", meaning="", states=("disease-free",)),
    ),
    landmarks_months=(12, 24, 36, 60),
    restrictions_months=(24, math.inf),
)


def stays(*rows: tuple[int, str, float, float, str | None, str | None]) -> Stays:
    """Stays from rows (patient, state, entered, left, next state, ended by); None where the horizon ended it."""
    patient, state, entered, left, next_state, ended_by = zip(*rows, strict=True)
    return Stays(
        np.array(patient, np.uint64),
        np.array([STATES.index(s) for s in state], np.int16),
        np.array(entered, np.float64),
        np.array(left, np.float64),
        np.array([-1 if s is None else STATES.index(s) for s in next_state], np.int16),
        np.array([-1 if e is None else EXITS.index(e) for e in ended_by], np.int16),
    )


def tallied(record: Stays, patients: int, definitions: Definitions = ASKED, horizon_months: float = 48.0) -> Tally:
    tally = Tally(definitions, STATES, EXITS, horizon_months)
    tally.add(record, 0, patients)
    return tally


def values(frame: pd.DataFrame, population: str, column: str = "value") -> dict[str, float]:
    return frame[frame.population == population].set_index("outcome")[column].to_dict()


def said_of(tallies: dict[str, Tally]) -> tuple[str, ...]:
    return notes(tallies, estimates_of(tallies))


FIVE_ROWS = stays(
    (0, "therapy", 0.0, 6.0, "converted", "response"),
    (0, "converted", 6.0, 9.0, "disease-free", "surgery"),
    (0, "disease-free", 9.0, 30.0, "dead", "death"),
    (1, "therapy", 0.0, 10.0, "therapy", "local regrowth"),
    (1, "therapy", 10.0, 48.0, None, None),
)


def test_five_rows_of_everybody():
    found = values(summary({"s": tallied(FIVE_ROWS, 2)}), "everybody")
    # Patient 0 dies at 30 months = 913.125 days, so within the day that ends at 914; patient 1 lives on.
    assert found["OS: median"] == pytest.approx(914 / DAYS_PER_MONTH, rel=1e-15)
    assert found["OS: at 12 months"] == 1
    assert found["OS: at 24 months"] == 1
    assert found["OS: at 36 months"] == 0.5
    assert "OS: at 60 months" not in found  # beyond the horizon of 48
    assert found["OS: restricted mean to 24 months"] == 24
    assert found["OS: restricted mean to 48 months"] == 39  # (30 + 48) / 2
    assert found["converted"] == 0.5
    assert found["regrown"] == 0.5
    assert found["alive"] == 0.5
    assert found["died if converted"] == 1
    assert found["died if not regrown"] == 1
    assert found["in therapy: to 24 months"] == 15  # (6 + 24) / 2
    assert found["in therapy: to 48 months"] == 27  # (6 + 48) / 2
    assert found["disease-free: to 24 months"] == 7.5  # (24 - 9) / 2
    assert found["disease-free: to 48 months"] == 10.5  # (30 - 9) / 2


def test_five_rows_of_those_who_convert():
    found = values(summary({"s": tallied(FIVE_ROWS, 2)}), "who convert")
    # Patient 0 only, from month 6: dies after 24 months = 730.5 days, is disease-free from month 3 to 24.
    # All are free at the end of day 730 and nobody is at that of day 731; both the half and the landmark lie between.
    assert found["OS: median"] == pytest.approx(24, rel=1e-15)
    assert found["OS: at 12 months"] == 1
    assert found["OS: at 24 months"] == pytest.approx(0.5, rel=1e-12)
    assert found["OS: at 36 months"] == 0
    assert found["OS: restricted mean to 24 months"] == 24
    assert found["converted"] == 1
    assert found["regrown"] == 0
    assert found["alive"] == 0
    assert found["died if not regrown"] == 1
    assert found["in therapy: to 24 months"] == 0  # therapy was before time zero
    assert found["disease-free: to 24 months"] == 21
    assert not any("48 months" in outcome for outcome in found)  # the follow-up ends 42 months after conversion


def test_what_is_left_out_or_missing_is_said():
    one, two = tallied(FIVE_ROWS, 2), tallied(FIVE_ROWS, 2)
    said = said_of({"a": one, "b": two})
    assert (
        "who convert: not everybody is followed for longer than 42.0 months, so nothing is told at 48 months." in said
    )
    assert any(
        note.startswith("everybody: 98 of 100 groups are empty, so no standard error: OS: median") for note in said
    )
    nobody_converts = tallied(stays((0, "therapy", 0, 48, None, None), (1, "therapy", 0, 48, None, None)), 2)
    said = said_of({"a": one, "c": nobody_converts})
    assert any(note.startswith("c: who convert: there is nobody to tell it of: OS: median; OS: at 12") for note in said)
    assert "c: everybody: survival stays above one half: OS: median." in said
    assert any(note.startswith("a: ") for note in said)


def test_happening_counts_from_the_place_of_time_zero_not_from_its_time():
    # The regrowth comes at the same instant as the conversion, but before it.
    before = stays(
        (0, "therapy", 0, 5, "therapy", "local regrowth"),
        (0, "therapy", 5, 5, "converted", "response"),
        (0, "converted", 5, 48, None, None),
    )
    after = stays(
        (0, "therapy", 0, 5, "converted", "response"),
        (0, "converted", 5, 5, "converted", "local regrowth"),
        (0, "converted", 5, 48, None, None),
    )
    assert values(summary({"s": tallied(before, 1)}), "who convert")["regrown"] == 0
    assert values(summary({"s": tallied(after, 1)}), "who convert")["regrown"] == 1


def test_only_the_first_entry_is_time_zero():
    twice = stays(
        (0, "therapy", 0, 5, "converted", "response"),
        (0, "converted", 5, 6, "converted", "local regrowth"),
        (0, "converted", 6, 7, "therapy", "response"),
        (0, "therapy", 7, 7, "converted", "response"),
        (0, "converted", 7, 15, "dead", "death"),
    )
    # Time zero is month 5, not 6 or 7: therapy is entered 2 months later, left at once; death after 10 months.
    into_therapy = Endpoint(name="therapy again", meaning="", entering=("therapy",))
    asked = Definitions((CONVERTED,), (OS, into_therapy), landmarks_months=(12,), restrictions_months=(24,))
    found = values(summary({"s": tallied(twice, 1, asked)}), "who convert")
    assert found["OS: restricted mean to 24 months"] == 10
    assert found["therapy again: restricted mean to 24 months"] == 2
    in_place_only = stays((0, "therapy", 0, 5, "therapy", "local regrowth"), (0, "therapy", 5, 48, None, None))
    from_start = Definitions((EVERYBODY,), (Endpoint(name="in", meaning="", entering=("converted",)),))
    staying = stays((0, "converted", 0, 5, "converted", "local regrowth"), (0, "converted", 5, 48, None, None))
    assert tallied(in_place_only, 1, from_start).days["everybody", "in"].sum() == 0
    assert tallied(staying, 1, from_start).days["everybody", "in"][0, 0] == 1  # there from the start, so at time 0


def test_patients_who_start_in_the_state_belong_from_the_start():
    tally = tallied(stays((0, "converted", 0, 30, "dead", "death")), 1)
    found = values(summary({"s": tally}), "who convert")
    assert tally.follow_up_months["who convert"] == 48
    assert found["OS: restricted mean to 48 months"] == 30
    assert found["converted"] == 1


def test_everybody_dead_at_once():
    record = stays(*((i, "therapy", 0.0, 0.0, "dead", "death") for i in range(300)))
    frame = summary({"s": tallied(record, 300)})
    found, errors = values(frame, "everybody"), values(frame, "everybody", "mc_se")
    assert found["OS: median"] == 0
    assert found["OS: at 12 months"] == 0
    assert found["OS: restricted mean to 48 months"] == 0
    assert found["in therapy: to 48 months"] == 0
    assert found["alive"] == 0
    assert errors["OS: median"] == errors["OS: restricted mean to 48 months"] == 0
    assert (curves({"s": tallied(record, 300)}).value == 0).sum() > 0


def test_patients_who_start_dead_have_the_event_at_time_zero():
    tally = tallied(stays((0, "dead", 0, 48, None, None)), 1)
    assert tally.days["everybody", "OS"][0, 0] == 1
    assert tally.days["everybody", "OS"].sum() == 1


@pytest.mark.parametrize("day", [0, 1, 42, 84, 100, 365, 1460])
def test_an_event_at_the_end_of_a_day_counts_in_that_day(day):
    for months in (day / DAYS_PER_MONTH, day * (12 / 365.25), np.nextafter(day / DAYS_PER_MONTH, 99)):
        days = tallied(stays((0, "therapy", 0, months, "dead", "death")), 1).days["everybody", "OS"]
        assert np.flatnonzero(days[0]) == [day]


def test_an_event_within_the_last_part_of_a_day_before_the_horizon():
    # 47 months = 1430.5625 days.  Half of the patients die at 46.999 months = 1430.53 days, within that last part.
    record = stays((0, "therapy", 0, 46.999, "dead", "death"), (1, "therapy", 0, 47, None, None))
    asked = Definitions((EVERYBODY,), (OS,), landmarks_months=(47,))
    found = values(summary({"s": tallied(record, 2, asked, 47)}), "everybody")
    assert found["OS: at 47 months"] == 0.5
    assert found["OS: median"] == 47


def one_by_one(dead: int, patients: int = 100) -> Stays:
    """The first `dead` patients die at month 10, the others are alive at the horizon of 48 months."""
    return stays(
        *((i, "therapy", 0.0, 10.0, "dead", "death") for i in range(dead)),
        *((i, "therapy", 0.0, 48.0, None, None) for i in range(dead, patients)),
    )


def test_with_one_patient_in_each_group_the_jackknife_is_the_textbook_error():
    frame = summary({"s": tallied(one_by_one(20), 100)})
    found, errors = values(frame, "everybody"), values(frame, "everybody", "mc_se")
    # Leaving one out of 100 gives exactly the standard error of a mean: sqrt(p (1 - p) / (n - 1)) for a share,
    # and 38 months times as much for lifetimes that are 10 or 48 months.
    by_hand = math.sqrt(0.2 * 0.8 / 99)
    assert found["OS: at 24 months"] == pytest.approx(0.8, rel=1e-14)
    for outcome, factor in {"OS: at 24 months": 1, "alive": 1, "OS: restricted mean to 48 months": 38}.items():
        assert errors[outcome] == pytest.approx(factor * by_hand, rel=1e-12)
    interval = frame[frame.outcome == "alive"].iloc[0]
    assert interval.low == pytest.approx(0.8 - 1.96 * by_hand, rel=1e-12)
    assert interval.high == pytest.approx(0.8 + 1.96 * by_hand, rel=1e-12)


def test_an_empty_group_leaves_the_error_out():
    # 99 patients: group 99 is empty.  100 patients: all groups are there.
    for patients, missing in ((99, True), (100, False)):
        tally = tallied(one_by_one(20, patients), patients)
        errors = summary({"s": tally})
        assert errors[errors.population == "everybody"].value.notna().sum() > 5
        assert math.isnan(values(errors, "everybody", "mc_se")["alive"]) is missing
        assert any("1 of 100 groups are empty" in note for note in said_of({"s": tally})) is missing
        assert curves({"s": tally}).query("population == 'everybody'").low.isna().all() == missing
    # A share whose own denominator is empty in some group: only 20 patients have died.
    among_dead = Share(name="x", meaning="", ended_by=("surgery",), among="died")
    asked = Definitions((EVERYBODY,), shares=(Share(name="died", meaning="", entering=("dead",)), among_dead))
    frame = summary({"s": tallied(one_by_one(20), 100, asked)}).set_index("outcome")
    assert frame.value["x"] == 0
    assert math.isnan(frame.mc_se["x"])
    assert frame.mc_se["died"] > 0


def test_a_median_on_the_edge_has_no_error():
    # 52 of 100 die: without one of them 51 of 99 are still half.  50 of 100: without one of them 49 of 99 are not.
    frames = [summary({"s": tallied(one_by_one(dead), 100)}) for dead in (52, 50, 49)]
    medians = [values(f, "everybody")["OS: median"] for f in frames]
    errors = [values(f, "everybody", "mc_se")["OS: median"] for f in frames]
    # 10 months = 304.375 days; at the end of day 304 all are free, at that of day 305 48 are: half in between.
    assert medians[0] == pytest.approx((304 + 50 / 52) / DAYS_PER_MONTH, rel=1e-12)
    assert medians[1] == pytest.approx(305 / DAYS_PER_MONTH, rel=1e-12)
    assert math.isnan(medians[2])
    assert errors[0] > 0
    assert math.isnan(errors[1])
    assert math.isnan(errors[2])
    said = said_of({"s": tallied(one_by_one(50), 100)})
    assert "everybody: no standard error, because without some group survival stays above one half: OS: median." in said


def test_one_restricted_mean_is_that_of_the_table():
    tally = tallied(FIVE_ROWS, 2)
    told = {(e.population, e.outcome): e for e in estimates(tally)}["everybody", "OS: restricted mean to 24 months"]
    one = restricted_mean(tally, "everybody", "OS", 24.0)
    assert one is not None
    assert (one.outcome, one.unit, one.value, one.remark) == (told.outcome, told.unit, 24.0, told.remark)
    assert np.array_equal(one.estimates, told.estimates, equal_nan=True)
    assert restricted_mean(tally, "who convert", "OS", 48.0) is None  # followed for 42 months
    with pytest.raises(KeyError):
        restricted_mean(tally, "everybody", "OS", 25.0)


def test_one_patient():
    frame = summary({"s": tallied(stays((0, "therapy", 0, 10, "dead", "death")), 1)})
    assert values(frame, "everybody")["OS: restricted mean to 48 months"] == 10
    assert frame.mc_se.isna().all()
    assert frame[frame.population == "who convert"].value.isna().all()


def test_contrasts_name_both_and_subtract_the_earlier():
    tallies = {"first": tallied(one_by_one(20), 100), "second": tallied(one_by_one(10), 100)}
    frame = contrasts(tallies | {"third": tallied(one_by_one(0), 100)})
    assert list(frame) == ["population", "outcome", "strategy", "versus", "difference", "mc_se", "low", "high", "unit"]
    alive = frame[(frame.outcome == "alive") & (frame.population == "everybody")]
    assert list(zip(alive.strategy, alive.versus, alive.difference.round(12), strict=True)) == [
        ("second", "first", 0.1),
        ("third", "first", 0.2),
        ("third", "second", 0.1),
    ]
    # Patients 10 to 19 differ by one, the others by nothing: a mean of paired differences.
    assert alive.mc_se.iloc[0] == pytest.approx(math.sqrt(0.1 * 0.9 / 99), rel=1e-12)
    alone = contrasts({"second": tallies["second"], "third": tallied(one_by_one(0), 100)})
    pd.testing.assert_frame_equal(
        alone, frame.query("strategy == 'third' and versus == 'second'").reset_index(drop=True), check_exact=True
    )


def test_the_tables_have_their_columns_and_order_and_write_nothing_for_nothing():
    frame = summary({"b": tallied(FIVE_ROWS, 2), "a": tallied(FIVE_ROWS, 2)})
    assert list(frame) == ["strategy", "population", "outcome", "value", "mc_se", "low", "high", "unit"]
    assert list(dict.fromkeys(frame.strategy)) == ["b", "a"]
    assert list(dict.fromkeys(frame.population)) == ["everybody", "who convert"]
    assert list(frame.outcome[:5]) == [
        *("OS: median", "OS: at 12 months", "OS: at 24 months", "OS: at 36 months", "OS: restricted mean to 24 months")
    ]
    assert frame.to_csv(index=False).splitlines()[2] == "b,everybody,OS: at 12 months,1.0,,,,share"
    curve = curves({"b": tallied(FIVE_ROWS, 2)})
    assert list(curve) == ["strategy", "population", "outcome", "months", "value", "low", "high"]
    assert curve.groupby("population").size().max() <= 500
    assert curve[curve.population == "everybody"].months.iloc[[0, -1]].tolist() == [0, 48]
    assert curve[curve.population == "who convert"].months.max() <= 42
    assert list(summary({})) == list(frame)
    assert len(curves({})) == 0
    assert list(curves({})) == list(curve)


def test_same_patients_sees_who_and_when():
    def record(converts_months: float, who: int) -> Stays:
        other = 1 - who
        rows = [
            (who, "therapy", 0, converts_months, "converted", "response"),
            (who, "converted", converts_months, 48, None, None),
        ]
        return stays(*sorted([*rows, (other, "therapy", 0, 48, None, None)], key=lambda row: row[:1]))

    tally, later, another = (tallied(record(*x), 2) for x in ((6, 0), (np.nextafter(6, 7), 0), (6, 1)))
    assert same_patients({"a": tally, "b": tallied(record(6, 0), 2)}) == {"everybody": True, "who convert": True}
    assert same_patients({"a": tally, "b": later}) == {"everybody": True, "who convert": False}
    assert same_patients({"a": tally, "b": another}) == {"everybody": True, "who convert": False}


def test_reported_for_some_populations_only():
    asked = Definitions(
        (EVERYBODY, CONVERTED),
        (Endpoint(name="OS", meaning="", entering=("dead",), of=("who convert",)),),
        (Share(name="converted", meaning="", entering=("converted",), of=("everybody",)),),
        landmarks_months=(),
        restrictions_months=(24,),
    )
    frame = summary({"s": tallied(FIVE_ROWS, 2, asked)})
    assert list(zip(frame.population, frame.outcome, strict=True)) == [
        ("everybody", "converted"),
        ("who convert", "OS: median"),
        ("who convert", "OS: restricted mean to 24 months"),
    ]


def test_what_is_refused():
    with pytest.raises(ValueError, match=r"unknown state 'ded'\. Did you mean 'dead'\?"):
        Tally(Definitions((EVERYBODY,), (Endpoint(name="OS", meaning="", entering=("ded",)),)), STATES, EXITS, 48)
    with pytest.raises(ValueError, match="unknown exit 'R1'"):
        Tally(Definitions((EVERYBODY,), shares=(Share(name="R1", meaning="", ended_by=("R1",)),)), STATES, EXITS, 48)
    with pytest.raises(ValueError, match="defined twice: OS"):
        Definitions((EVERYBODY,), (OS, OS))
    with pytest.raises(ValueError, match="not defined: nobody"):
        Definitions((EVERYBODY,), (Endpoint(name="OS", meaning="", entering=("dead",), of=("nobody",)),))
    with pytest.raises(ValueError, match="among shares that are not defined: x"):
        Definitions((EVERYBODY,), shares=(Share(name="y", meaning="", entering=("dead",), among="x"),))
    with pytest.raises(ValueError, match="can never happen"):
        Endpoint(name="OS", meaning="")
    with pytest.raises(TypeError, match="tuple of names"):
        Endpoint(name="OS", meaning="", entering="dead")
    with pytest.raises(TypeError, match="tuple of at least one"):
        TimeIn(name="t", meaning="", states=())
    with pytest.raises(ValueError, match="positive"):
        Definitions((EVERYBODY,), landmarks_months=(0,))
    for horizon in (0, -1, math.inf, math.nan):
        with pytest.raises(ValueError, match="horizon"):
            Tally(ASKED, STATES, EXITS, horizon)


def test_chunks_that_break_the_contract_are_refused():
    def one(patient: int, left: float = 48.0) -> Stays:
        return stays((patient, "therapy", 0, left, None, None))

    for record, first, patients, message in (
        (one(1), 1, 1, "multiple of 1000"),
        (one(0), 0, 2, "not the stays of the 2 patients"),
        (one(1000), 0, 1, "not the stays"),
        (one(0)[:0], 0, 1, "not the stays"),
        (one(0), 0, 0, "not the stays"),
        (one(0, 48.1), 0, 1, "after the horizon"),
        (one(0, math.nan), 0, 1, "after the horizon"),
    ):
        with pytest.raises(ValueError, match=message):
            Tally(ASKED, STATES, EXITS, 48).add(record, first, patients)
    tally = tallied(one(0), 1)
    with pytest.raises(ValueError, match="in order"):
        tally.add(one(1000), 1000, 1)  # patients 1 to 999 are missing
    assert tally.patients == 1


def test_strategies_that_cannot_be_compared_are_refused():
    with pytest.raises(ValueError, match="same definitions, horizon and patients"):
        contrasts({"a": tallied(one_by_one(1), 100), "b": tallied(one_by_one(1, 101), 101)})


def test_patients_beyond_32_bits():
    first = 2**33 * 1000
    tally = Tally(ASKED, STATES, EXITS, 48)
    record = one_by_one(20)
    shifted = Stays(
        record.patient + np.uint64(first), *(getattr(record, f) for f in list(record.__dataclass_fields__)[1:])
    )
    tally.add(shifted, first, 100)
    pd.testing.assert_frame_equal(summary({"s": tally}), summary({"s": tallied(record, 100)}), check_exact=True)
