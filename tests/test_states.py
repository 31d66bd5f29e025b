"""State occupancy and time in state: by hand, against a plain reading, bit for bit, and what is refused."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from random_pathways import Example, examples

import hcc_sim
from hcc_sim import laws
from hcc_sim.engine import EngineError, Program, compile_pathway, simulate, simulate_all
from hcc_sim.history import NO_STATE, Stays
from hcc_sim.outcomes import (
    Definitions,
    Endpoint,
    Population,
    StateTally,
    Tally,
    TimeIn,
    occupancy,
    summary,
    time_in_state,
)
from hcc_sim.pathway.model import BACK, REST, Arm, Branch, Delay, Hazard, Normal, Pathway, Schedule, State, Visit

STATES = ["well", "look", "ill", "dead", "lost"]
PATHWAY = Pathway(
    title="example",
    start="well",
    states=(
        State("well", (Visit("visit", Schedule("visits", 5.0), to="look"),)),
        State("look", (Branch("look", (Arm("ill", 0.5), Arm(BACK, REST))),)),
        State("ill", (Delay(3.0, to="dead"), Delay(9.0, to="lost"))),
        State("dead", final=True),
        State("lost", final=True),
    ),
)


@dataclass(frozen=True)
class Compiled:
    """All that is read of a compiled pathway."""

    pathway: Pathway = PATHWAY


@dataclass(frozen=True)
class Part:
    """A chunk."""

    first_patient: int
    patients: int
    stays: Stays


def stays(*rows: tuple[int, str, float, float, str | None]) -> Stays:
    """Stays from rows (patient, state, entered, left, next state); None where the horizon ended it."""
    patient, state, entered, left, following = zip(*rows, strict=True)
    after = np.array([NO_STATE if s is None else STATES.index(s) for s in following], np.int16)
    return Stays(
        np.array(patient, np.uint64),
        np.array([STATES.index(s) for s in state], np.int16),
        np.array(entered, np.float64),
        np.array(left, np.float64),
        after,
        after,
    )


def in_states(record: Stays, *times: float, horizon: float = 20.0) -> list[list[int]]:
    """Who is well, ill, dead and lost at each time."""
    frame = occupancy(record, Compiled(), times_months=times, horizon_months=horizon)
    return frame.pivot(index="time_months", columns="state", values="count").to_numpy().tolist()


def months_in_states(record: Stays, *times: float, horizon: float = 20.0) -> list[list[float]]:
    frame = time_in_state(record, Compiled(), until_months=times, horizon_months=horizon)
    return frame.pivot(index="until_months", columns="state", values="mean_months").to_numpy().tolist()


# --- by hand ----------------------------------------------------------------------------------------------------------

ONE = stays(
    (0, "well", 0.0, 5.0, "look"),
    (0, "look", 5.0, 5.0, "well"),
    (0, "well", 5.0, 10.0, "look"),
    (0, "look", 10.0, 10.0, "ill"),
    (0, "ill", 10.0, 13.0, "dead"),
)
STAYS_ILL = stays((1, "well", 0.0, 15.0, "look"), (1, "look", 15.0, 15.0, "ill"), (1, "ill", 15.0, 20.0, None))


def test_a_stay_is_half_open_and_a_branch_counts_nowhere():
    before = math.nextafter(10.0, 0.0)
    assert in_states(ONE, 0.0, 5.0, before, 10.0, 12.9, 13.0, 20.0) == [
        [1, 0, 0, 0],
        [1, 0, 0, 0],
        [1, 0, 0, 0],
        [0, 1, 0, 0],
        [0, 1, 0, 0],
        [0, 0, 1, 0],
        [0, 0, 1, 0],
    ]
    assert months_in_states(ONE, 0.0, 4.0, 10.0, 12.0, 13.0, 20.0) == [
        [0.0, 0.0, 0.0, 0.0],
        [4.0, 0.0, 0.0, 0.0],
        [10.0, 0.0, 0.0, 0.0],
        [10.0, 2.0, 0.0, 0.0],
        [10.0, 3.0, 0.0, 0.0],
        [10.0, 3.0, 7.0, 0.0],
    ]


def test_at_the_horizon_a_patient_is_where_it_found_him():
    assert in_states(STAYS_ILL, 14.0, 15.0, 20.0) == [[1, 0, 0, 0], [0, 1, 0, 0], [0, 1, 0, 0]]
    assert months_in_states(STAYS_ILL, 20.0) == [[15.0, 5.0, 0.0, 0.0]]


def test_of_moves_at_one_moment_only_the_last_is_seen():
    record = stays((0, "well", 0.0, 0.0, "look"), (0, "look", 0.0, 0.0, "ill"), (0, "ill", 0.0, 0.0, "dead"))
    assert in_states(record, 0.0, 20.0) == [[0, 0, 1, 0], [0, 0, 1, 0]]
    assert months_in_states(record, 0.0, 7.0) == [[0.0, 0.0, 0.0, 0.0], [0.0, 0.0, 7.0, 0.0]]
    record = stays((0, "look", 0.0, 0.0, "lost"))  # a branch at the start, straight into a final state
    assert in_states(record, 0.0) == [[0, 0, 0, 1]]
    record = stays(
        (0, "well", 0.0, 4.0, "ill"),
        (0, "ill", 4.0, 4.0, "ill"),  # in place, at once
        (0, "ill", 4.0, 4.0, "well"),
        (0, "well", 4.0, 20.0, None),
    )
    assert in_states(record, 4.0) == [[1, 0, 0, 0]]
    assert months_in_states(record, 3.0, 5.0, 20.0) == [[t, 0.0, 0.0, 0.0] for t in (3.0, 5.0, 20.0)]


def both() -> Stays:
    return Stays(*(np.concatenate([getattr(ONE, f.name), getattr(STAYS_ILL, f.name)]) for f in fields(Stays)))


def test_two_patients_as_a_table():
    frame = occupancy(both(), Compiled(), times_months=[20, 12, 12.0], horizon_months=20, patients=2)
    assert list(frame) == ["time_months", "state", "count", "share", "mc_se"]
    assert list(zip(*(frame[c] for c in list(frame)[:4]), strict=True)) == [
        (12.0, "well", 1, 0.5),
        (12.0, "ill", 1, 0.5),
        (12.0, "dead", 0, 0.0),
        (12.0, "lost", 0, 0.0),
        (20.0, "well", 0, 0.0),
        (20.0, "ill", 1, 0.5),
        (20.0, "dead", 1, 0.5),
        (20.0, "lost", 0, 0.0),
    ]
    assert frame.mc_se.isna().all()  # 98 groups are empty
    frame = time_in_state(both(), Compiled(), horizon_months=20)
    assert list(frame) == ["until_months", "state", "mean_months", "mc_se"]
    assert list(zip(frame.until_months, frame.state, frame.mean_months, strict=True)) == [
        (20.0, "well", 12.5),
        (20.0, "ill", 4.0),
        (20.0, "dead", 3.5),
        (20.0, "lost", 0.0),
    ]
    pd.testing.assert_frame_equal(frame, time_in_state(both(), Compiled(), until_months=20, horizon_months=20))


def test_some_of_the_patients_are_all_that_there_are():
    frame = occupancy(STAYS_ILL, Compiled(), times_months=15, horizon_months=20, patients=1)
    assert frame["count"].tolist() == [0, 1, 0, 0]
    assert frame.share.tolist() == [0.0, 1.0, 0.0, 0.0]


# --- errors -----------------------------------------------------------------------------------------------------------


def dying(months: np.ndarray, horizon: float = 48.0) -> Stays:
    """Each patient well until he is dead."""
    n, dies = len(months), months < horizon
    after = np.where(dies, STATES.index("dead"), NO_STATE).astype(np.int16)
    zero = np.zeros(n)
    return Stays(np.arange(n, dtype=np.uint64), zero.astype(np.int16), zero, np.minimum(months, horizon), after, after)


def test_with_one_patient_in_each_group_the_jackknife_is_the_textbook_error():
    record = dying(np.where(np.arange(100) < 20, 10.0, 99.0))
    frame = occupancy(record, Compiled(), times_months=24, horizon_months=48).set_index("state")
    # Leaving one out of 100 gives exactly the standard error of a mean, sqrt(p (1 - p) / (n - 1)) for a share.
    by_hand = math.sqrt(0.2 * 0.8 / 99)
    assert frame.share["dead"] == 0.2
    assert frame.mc_se["dead"] == pytest.approx(by_hand, rel=1e-12)
    assert frame.mc_se["well"] == pytest.approx(by_hand, rel=1e-12)
    assert frame.mc_se["ill"] == 0.0
    months = time_in_state(record, Compiled(), horizon_months=48).set_index("state")
    assert months.mean_months["well"] == pytest.approx(0.2 * 10 + 0.8 * 48, rel=1e-14)
    assert months.mc_se["well"] == pytest.approx(38 * by_hand, rel=1e-12)
    assert months.mc_se["dead"] == pytest.approx(38 * by_hand, rel=1e-12)


def test_errors_are_those_of_theory():
    """Shares of exponential lifetimes: their jackknife errors scatter about the binomial ones by sqrt(2 / 99) / 2."""
    times, datasets, n, z = (3.0, 12.0, 30.0), 40, 5_000, 4.0
    squares = np.array([squared_errors(seed, n, times) for seed in range(datasets)])
    p = np.exp(-np.array(times) / 20.0)
    spent = 20.0 * (1.0 - p)
    second = 2 * 20.0**2 * (1.0 - p) - 2 * 20.0 * np.array(times) * p  # mean of min(T, t)^2
    expected = np.array([p * (1.0 - p), second - spent**2]) / n
    ratio = squares.mean(axis=0) / expected
    band = z * math.sqrt(2.0 / 99.0 / datasets)
    assert band < 0.1, "too few data sets to see an error that is 5% too large"
    assert np.all(abs(ratio - 1.0) < band)
    assert np.all(abs(1.21 * ratio - 1.0) > band), "errors 10% too large"


def squared_errors(seed: int, patients: int, times: tuple[float, ...]) -> list[list[float]]:
    record = dying(np.random.default_rng(seed).exponential(20.0, patients))
    shares = occupancy(record, Compiled(), times_months=times, horizon_months=48)
    months = time_in_state(record, Compiled(), until_months=times, horizon_months=48)
    return [(frame[frame.state == "well"].mc_se ** 2).tolist() for frame in (shares, months)]


def test_the_tally_of_outcomes_says_the_same():
    record = dying(np.random.default_rng(3).exponential(20.0, 3_000))
    asked = Definitions(
        (Population("everybody", ""),),
        (Endpoint(name="OS", meaning="", entering=("dead",)),),
        times=(TimeIn(name="well", meaning="", states=("well",)),),
        landmarks_months=(12,),
        restrictions_months=(24,),
    )
    tally = Tally(asked, STATES, STATES, 48.0)
    tally.add(record, 0, 3_000)
    told = summary({"s": tally}).set_index("outcome")
    months = time_in_state(record, Compiled(), until_months=24, horizon_months=48).set_index("state")
    assert months.mean_months["well"] == pytest.approx(told.value["well: to 24 months"], rel=1e-13)
    assert months.mc_se["well"] == pytest.approx(told.mc_se["well: to 24 months"], rel=1e-10)


# --- any history ------------------------------------------------------------------------------------------------------


def plainly(record: Stays, program: Program, patient: int, months: float) -> str:
    """Where one patient is: a walk through his stays, one after the other."""
    where = ""
    for row in np.flatnonzero(record.patient == patient):
        if record.entered_months[row] <= months:
            where = program.state_names[record.state[row]]
        after = record.next_state[row]
        if record.left_months[row] <= months and after != NO_STATE:
            where = program.state_names[after]
    return where


def lived(example: Example, seed: int, patients: int) -> tuple[Program, Stays]:
    program = compile_pathway(example.pathway, example.values)
    try:
        record = simulate_all(
            program, seed=seed, patients=patients, horizon_months=example.horizon_months, threads=1, max_stays=300
        )
    except EngineError:
        assume(False)
    return program, record


@settings(max_examples=60, deadline=None, derandomize=True)
@given(examples(), st.integers(0, 2**32), st.lists(st.floats(0.0, 1.0), min_size=1, max_size=4))
def test_occupancy_is_that_of_a_plain_reading_and_sums_to_one(example, seed, parts):
    patients, horizon = 12, example.horizon_months
    program, record = lived(example, seed, patients)
    # Any times, and those at which something happens to somebody.
    times = sorted({*(part * horizon for part in parts), *record.left_months[:: max(1, len(record) // 5)].tolist()})
    frame = occupancy(record, program, times_months=times, horizon_months=horizon, patients=patients)
    assert frame.groupby("time_months")["count"].sum().tolist() == [patients] * len(times)
    assert np.allclose(frame.groupby("time_months").share.sum(), 1.0, rtol=0.0, atol=1e-14)
    found = frame.pivot(index="time_months", columns="state", values="count")
    assert found.index.tolist() == times
    for months in times:
        where = [plainly(record, program, patient, months) for patient in range(patients)]
        assert found.loc[months].to_dict() == {state: where.count(state) for state in found.columns}


@settings(max_examples=60, deadline=None, derandomize=True)
@given(examples(), st.integers(0, 2**32), st.lists(st.floats(0.0, 1.0), max_size=3))
def test_time_in_state_is_the_integral_of_occupancy_and_sums_to_the_time(example, seed, parts):
    patients, horizon = 30, example.horizon_months
    program, record = lived(example, seed, patients)
    until = np.unique([0.0, horizon, *(part * horizon for part in parts)])
    frame = time_in_state(record, program, until_months=until, horizon_months=horizon)
    found = frame.pivot(index="until_months", columns="state", values="mean_months")
    assert np.allclose(found.sum(axis=1), until, rtol=1e-13, atol=1e-12)
    assert np.all(found >= -1e-12)
    # Occupancy is a step function that steps where stays end: its integral is exact on those times.
    steps = np.union1d(until, record.left_months)
    shares = occupancy(record, program, times_months=steps, horizon_months=horizon).pivot(
        index="time_months", columns="state", values="share"
    )
    area = np.vstack(
        [np.zeros(shares.shape[1]), np.cumsum(shares.to_numpy()[:-1] * np.diff(steps)[:, np.newaxis], axis=0)]
    )
    assert np.allclose(found, area[np.searchsorted(steps, until)], rtol=0.0, atol=1e-10)
    # and the plain sum of stays, each cut off at the time
    for months in until:
        for state in found.columns:
            here = record.state == program.state_names.index(state)
            spent = np.minimum(record.left_months, months) - np.minimum(record.entered_months, months)
            into = record.next_state == program.state_names.index(state)
            if example.pathway.state(state).final:
                here, spent = into, months - np.minimum(record.left_months, months)
            assert found.loc[months, state] == pytest.approx(spent[here].sum() / patients, abs=1e-10)


# --- bits -------------------------------------------------------------------------------------------------------------


def busy() -> Program:
    """A pathway in which much happens."""
    return compile_pathway(
        Pathway(
            title="busy",
            start="well",
            states=(
                State("well", (Hazard("illness", "ill", to="ill"), Visit("visit", Schedule("v", 4.0), to="look"))),
                State("look", (Branch("look", (Arm("ill", 0.1), Arm(BACK, REST))),)),
                State("ill", (Hazard("recovery", "well", to="well", scaled_by={"x": 0.5}),)),
                State("dead", final=True),
            ),
            laws={
                "ill": laws.Weibull(1.4, 30.0),
                "well": laws.LogNormal(1.5, 0.8),
                "death": laws.Gompertz(0.01, 0.004),
            },
            attributes={"x": Normal(0.0, 1.0)},
            everywhere=(Hazard("death", "death", to="dead"),),
        ),
        {},
    )


RUN = {"seed": 7, "patients": 12_500, "horizon_months": 120.0}
TIMES = (0.0, 0.3, 12.0, 60.0, 119.0, 120.0)


def bits(tally: StateTally) -> bytes:
    frames = (tally.occupancy(), tally.time_in_state())
    return b"".join(
        frame[c].to_numpy().tobytes()
        for frame in frames
        for c in ("count", "share", "mean_months", "mc_se")
        if c in frame
    )


@pytest.mark.parametrize("first_patient", [0, 250])
def test_chunks_and_threads_change_no_bit(first_patient: int):
    program = busy()
    found = set()
    for threads in (1, 2):
        for chunk in (1_000, 3_000, 50_000):
            tally = StateTally(program, times_months=TIMES, horizon_months=120.0)
            for part in simulate(program, **RUN, first_patient=first_patient, chunk=chunk, threads=threads):
                tally.add(part.stays, part.first_patient, part.patients)
            found.add(bits(tally))
            assert tally.patients == 12_500
    assert len(found) == 1
    asked = {"times_months": TIMES, "horizon_months": 120.0}
    chunks = simulate(program, **RUN, first_patient=first_patient, chunk=2_000)
    at_once = simulate_all(program, **RUN, first_patient=first_patient)
    pd.testing.assert_frame_equal(
        occupancy(chunks, program, **asked), occupancy(at_once, program, **asked), check_exact=True
    )
    chunks = simulate(program, **RUN, first_patient=first_patient, chunk=2_000)
    pd.testing.assert_frame_equal(
        time_in_state(chunks, program, horizon_months=120.0),
        time_in_state(at_once, program, horizon_months=120.0),
        check_exact=True,
    )


def test_other_times_beside_them_move_no_count_and_months_by_rounding_only():
    program = busy()
    record = simulate_all(program, **RUN)
    few = StateTally(program, times_months=[60.0], horizon_months=120.0)
    many = StateTally(program, times_months=np.linspace(0.0, 120.0, 961), horizon_months=120.0)
    for tally in (few, many):
        tally.add(record, 0, 12_500)
    for frame, other, time in (
        (few.occupancy(), many.occupancy(), "time_months"),
        (few.time_in_state(), many.time_in_state(), "until_months"),
    ):
        same = other[other[time] == 60.0].reset_index(drop=True)
        pd.testing.assert_frame_equal(frame, same, rtol=1e-12)
        assert frame.mc_se.max() > 0.0


def test_patients_beyond_32_bits():
    shifted = Stays(both().patient + np.uint64(2**64 - 2), *(getattr(both(), f.name) for f in fields(Stays)[1:]))
    tally = StateTally(Compiled(), times_months=12, horizon_months=20)
    tally.add(shifted, 2**64 - 2, 2)
    assert tally.occupancy()["count"].tolist() == [1, 1, 0, 0]


# --- what is refused --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("times", "message"),
    [
        ([12.0, 20.1], r"between 0 and the horizon of 20\.0 months.*not 20\.1"),
        ([-1.0], "not -1"),
        ([math.nan], "not nan"),
        ([math.inf], "not inf"),
        ([], "no times"),
    ],
)
def test_times_that_cannot_be_told(times: list[float], message: str):
    with pytest.raises(ValueError, match=message):
        occupancy(ONE, Compiled(), times_months=times, horizon_months=20.0)
    with pytest.raises(ValueError, match=message):
        time_in_state(ONE, Compiled(), until_months=times, horizon_months=20.0)


@pytest.mark.parametrize("horizon", [0.0, -1.0, math.inf, math.nan])
def test_horizons_that_are_none(horizon: float):
    with pytest.raises(ValueError, match="the horizon is a positive number"):
        StateTally(Compiled(), times_months=0, horizon_months=horizon)


@pytest.mark.parametrize(
    "record",
    [
        ONE[1:],  # does not begin at 0
        ONE[:-1],  # ends in a branch
        ONE[ONE.left_months > ONE.entered_months],  # branches left out
        stays((0, "well", 0.0, 5.0, None)),  # ended by no horizon that is known
        stays((0, "well", 0.0, 5.0, "ill"), (0, "ill", 6.0, 20.0, None)),  # a gap
        stays((0, "well", 0.0, 21.0, "dead")),  # beyond the horizon
        stays((0, "well", 0.0, math.nan, "dead")),
        stays((0, "well", 0.0, -1.0, "dead")),
        stays((1, "well", 0.0, 5.0, "dead"), (0, "well", 0.0, 5.0, "dead")),  # out of order
        stays((0, "well", 0.0, 5.0, "dead"), (0, "dead", 5.0, 20.0, "well")),  # nobody leaves a final state
    ],
)
def test_histories_that_are_not_whole(record: Stays):
    with pytest.raises(ValueError, match=r"the stay of patient \d from .* does not fit"):
        occupancy(record, Compiled(), times_months=[1.0], horizon_months=20.0)


def test_a_horizon_other_than_that_of_the_run():
    with pytest.raises(ValueError, match=r"patient 1 from 15\.0 to 20\.0 months does not fit.*horizon of 24\.0 months"):
        occupancy(both(), Compiled(), times_months=[1.0], horizon_months=24.0)


def test_patients_who_are_missing():
    with pytest.raises(ValueError, match="stays of 2 patients, not of 3"):
        occupancy(both(), Compiled(), times_months=[1.0], horizon_months=20.0, patients=3)
    with pytest.raises(ValueError, match="not the stays of the 3 patients from 0 on"):
        occupancy([Part(0, 3, both())], Compiled(), times_months=[1.0], horizon_months=20.0)
    for nobody in (both()[:0], [], [Part(0, 0, both()[:0])]):
        with pytest.raises(ValueError, match=r"no stays|nobody"):
            occupancy(nobody, Compiled(), times_months=[1.0], horizon_months=20.0)


def test_chunks_come_once_and_in_order():
    def thousand(first: int) -> Part:
        record = dying(np.full(1_000, 5.0), 20.0)
        rest = (getattr(record, f.name) for f in fields(Stays)[1:])
        return Part(first, 1_000, Stays(record.patient + np.uint64(first), *rest))

    asked = {"times_months": [1.0], "horizon_months": 20.0}
    assert occupancy([thousand(0), thousand(1_000)], Compiled(), **asked)["count"].sum() == 2_000
    for wrong in ([thousand(0), thousand(0)], [thousand(0), thousand(2_000)], [Part(0, 2, both()), thousand(2)]):
        with pytest.raises(ValueError, match="chunks come in order"):
            occupancy(wrong, Compiled(), **asked)


def test_they_are_at_hand():
    assert hcc_sim.occupancy is occupancy
    assert hcc_sim.time_in_state is time_in_state
