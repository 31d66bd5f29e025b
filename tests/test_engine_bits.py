"""The same bits whatever the threads, chunks and buffers; every reason to stop; flat memory."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import fields
from math import inf, nan
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hcc_sim import laws
from hcc_sim.engine import EngineError, Program, compile_pathway, kernel, simulate, simulate_all
from hcc_sim.engine.block import BUFFER_FULL, FINE, new_record, new_room
from hcc_sim.history import Stays, concatenate
from hcc_sim.luck import luck
from hcc_sim.pathway.model import (
    BACK,
    REST,
    Add,
    Arm,
    Bernoulli,
    Branch,
    Count,
    Delay,
    Epoch,
    Hazard,
    Linear,
    Mark,
    Normal,
    Pathway,
    Schedule,
    Service,
    Set,
    State,
    TimeSince,
    Visit,
    when,
)

SEED = 20240502
HORIZON_MONTHS = 100.0
END = State("end", final=True)
DEATH = Hazard("death", "law", to="end")
LAWS = {"law": laws.Exponential(0.05)}
SOURCE = Path(__file__).parents[1] / "src"


def program(*states: State, **more: Any) -> Program:
    made = {"title": "example", "start": states[0].name, "states": (*states, END), "laws": LAWS} | more
    return compile_pathway(Pathway(**made), {})


def some_of_everything() -> Program:
    """Events, delays, services, visits, false alarms, branches, back, in place, draws, counts."""
    scan = Schedule("scan", ((12.0, 2.0), (inf, 5.0)), scatter=0.4)
    growth = Hazard("growth", "growth", in_place=True, scaled_by={"x": 0.4}, does=(Add("seen", 1.0), Mark("growth")))
    return program(
        State(
            "watched",
            (
                Visit("look", scan, to="reading", when="seen"),
                Visit("alarm", scan, to="reading", when=~when("seen"), probability=0.1),
                growth,
                Hazard("toxicity", ("law", "growth"), to="operated", law_by="kind", accelerated_by={"x": 0.1}),
            ),
        ),
        State("reading", (Branch("reading", (Arm(BACK, 0.3), Arm("operated", REST, shifted_by={"x": -0.3}))),)),
        State(
            "operated",
            (Service("theatre", 1.5, to="free"), growth),
            (Set("x", Normal(0.0, 1.0)), Set("n", Count("reading"))),
        ),
        State("free", (Delay(20.0, to="watched", since="growth", when="seen"), Delay(9.0, to="watched"), growth)),
        laws={
            "law": laws.Exponential(0.02),
            "growth": laws.LogNormal(2.5, 1.1),
            "table": laws.PiecewiseExponential((0.0, 60.0, 120.0), (0.001, 0.02, 0.05)),
        },
        attributes={"x": Normal(0.0, 1.0), "kind": Bernoulli(0.5), "seen": 0.0, "n": 0.0},
        epochs=(Epoch("growth"), Epoch("birth")),
        at_start=(Mark("birth", -40.0), Mark("growth", -1.0)),
        everywhere=(Hazard("death", "table", to="end", since="birth", scaled_by={"n": 0.05}),),
    )


def run(made: Program, patients: int = 5_000, **more: Any) -> Stays:
    return simulate_all(
        made, **({"seed": SEED, "patients": patients, "horizon_months": HORIZON_MONTHS, "threads": 1} | more)
    )


def same_bits(a: Stays, b: Stays) -> bool:
    return all(getattr(a, f.name).tobytes() == getattr(b, f.name).tobytes() for f in fields(Stays))


# --- bits -------------------------------------------------------------------------------------------------------------

ALL_PATIENTS = 12_500


@pytest.fixture(scope="module")
def reference() -> Stays:
    return run(some_of_everything(), ALL_PATIENTS, chunk=50_000)


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("chunk", [1_000, 50_000])
def test_the_same_bits_for_threads_and_chunks_and_twice_in_a_row(reference: Stays, threads: int, chunk: int):
    assert same_bits(run(some_of_everything(), ALL_PATIENTS, threads=threads, chunk=chunk), reference)


def test_the_reference_is_worth_comparing(reference: Stays):
    assert len(np.unique(reference.patient)) == ALL_PATIENTS
    assert set(np.unique(reference.ended_by)) == {-1, *range(len(some_of_everything().exit_names))}
    assert not same_bits(run(some_of_everything(), ALL_PATIENTS, seed=SEED + 1), reference)


def test_chunks_are_complete_and_in_order():
    parts = list(
        simulate(
            some_of_everything(),
            seed=SEED,
            patients=4_300,
            horizon_months=HORIZON_MONTHS,
            first_patient=70,
            chunk=2_000,
        )
    )
    assert [(part.first_patient, part.patients) for part in parts] == [(70, 2_000), (2_070, 2_000), (4_070, 300)]
    for part in parts:
        assert np.array_equal(np.unique(part.stays.patient), np.arange(part.patients) + part.first_patient)
    stays = concatenate(part.stays for part in parts)
    assert np.all(np.diff(stays.patient.astype(np.int64)) >= 0)
    assert same_bits(stays, run(some_of_everything(), 4_300, first_patient=70))


# --- buffers ----------------------------------------------------------------------------------------------------------


def ticking(stays: int) -> Program:
    """Exactly so many stays each: a visit every month, in place."""
    tick = Visit("tick", Schedule("tick", 1.0), in_place=True)
    return program(State("start", (tick, Delay(stays - 0.5, to="end", name="wait"))))


def with_buffer(
    made: Program, patients: int, rows: int, room_for: int | None = None, horizon_months: float = HORIZON_MONTHS
) -> tuple[Stays, int]:
    """Stays from one call of the kernel with room for so many rows, and what stopped it.

    A block may have room for other than the record has.
    """
    record = new_record(rows)
    for column in record:
        column[:] = 77
    room = new_room(made.words, len(made.newborn), min(patients, 1_000), rows if room_for is None else room_for)
    drawn, none = np.full(len(made.attribute_names), -1), np.empty((0, patients))
    arguments = (np.uint64(SEED), np.uint64(0), patients, horizon_months, 10_000)
    _, written, trouble, _, _ = kernel.live_span(
        made.words, made.laws, made.newborn, none, drawn, *arguments, room, record
    )
    return Stays(*(column[:written] for column in record)), trouble


@pytest.mark.parametrize("stays", [1, 15, 16, 17, 63, 64, 65, 100])
def test_a_buffer_that_grows_gives_the_stays_of_a_large_one(stays: int):
    made, patients = ticking(stays), 1_000
    grown = run(made, patients)
    large, trouble = with_buffer(made, patients, patients * stays + 1)
    assert trouble == FINE
    assert np.array_equal(np.bincount(grown.patient.astype(int)), np.full(patients, stays))
    assert same_bits(grown, large)


def test_a_buffer_that_grows_gives_the_stays_of_a_large_one_for_lives_of_all_kinds(reference: Stays):
    longest = np.bincount(reference.patient.astype(int)).max()
    assert longest > 64, "some lives are long"
    large, _ = with_buffer(some_of_everything(), 1_000, 1_000_000)
    assert same_bits(large, run(some_of_everything(), 1_000))


@pytest.mark.parametrize("stays", [15, 16, 17, 20, 31, 32, 33, 70])
def test_blocks_that_fit_are_kept_and_the_next_one_begins_with_nothing_of_what_stopped(stays: int):
    """Room for 16 stays of 10,000 patients holds one block of 5,000 with 17 to 32 stays, and not the next."""
    grown = run(ticking(stays), ALL_PATIENTS)
    large, trouble = with_buffer(ticking(stays), ALL_PATIENTS, ALL_PATIENTS * stays)
    assert trouble == FINE
    assert same_bits(grown, large)


@pytest.mark.parametrize("threads", [1, 2])
def test_blocks_that_do_not_fit_give_the_stays_of_a_large_buffer_for_lives_of_all_kinds(threads: int):
    horizon_months = 10.0 * HORIZON_MONTHS
    large, _ = with_buffer(some_of_everything(), ALL_PATIENTS, 1_000_000, horizon_months=horizon_months)
    stays_of_a_block = np.bincount(large.patient.astype(int))[:10_000].reshape(2, -1).sum(axis=1)
    assert max(stays_of_a_block) < 160_000 < sum(stays_of_a_block)
    assert same_bits(run(some_of_everything(), ALL_PATIENTS, horizon_months=horizon_months, threads=threads), large)


def test_there_are_columns_for_the_longest_condition_even_of_an_action():
    names = [f"x{i}" for i in range(9)]
    condition = when(names[0])
    for name in names[1:]:
        condition &= when(name)
    waits = Delay(1.0, to="end", does=(Set("y", 1.0, when=condition),))
    made = program(State("start", (waits,)), attributes={**dict.fromkeys(names, Bernoulli(0.5)), "y": 0.0})
    assert len(new_room(made.words, len(made.newborn), 1, 1).step.columns) == 1 + len(names)


@pytest.mark.parametrize("rows", [0, 1, 29, 30])
def test_the_kernel_stops_at_the_end_of_its_buffer(rows: int):
    stays, trouble = with_buffer(ticking(3), 10, rows)
    assert trouble == (FINE if rows == 30 else BUFFER_FULL)
    assert len(stays) <= rows


@pytest.mark.parametrize("rows", [0, 1, 29, 30])
def test_the_kernel_stops_at_the_end_of_the_room_for_one_block(rows: int):
    """A run on several threads may find a record that is larger than the room."""
    stays, trouble = with_buffer(ticking(3), 10, 100, room_for=rows)
    assert trouble == (FINE if rows == 30 else BUFFER_FULL)
    assert len(stays) == (30 if rows == 30 else 0)


# --- every reason to stop ---------------------------------------------------------------------------------------------


def stopped(made: Program, **more: Any) -> str:
    with pytest.raises(EngineError) as error:
        run(made, **more)
    return str(error.value)


def test_too_many_stays_stop_the_run():
    made = ticking(20)
    assert len(run(made, 50, max_stays=20)) == 50 * 20
    message = "patient 3 has more than 19 stays (the last ended by exit 'tick'): going round for ever?"
    assert stopped(made, patients=50, first_patient=3, max_stays=19) == message
    assert stopped(ticking(16_001), horizon_months=1e9).startswith("patient 0 has more than 10,000 stays")
    assert len(run(ticking(10_000), 1, horizon_months=1e9)) == 10_000


ROUND = r"""
import re
from pathlib import Path
from hcc_sim.engine import EngineError, simulate_all
from test_engine_bits import ticking
def highest():
    return int(re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())[1]) / 2**10
simulate_all(ticking(5), seed=1, patients=10, horizon_months=100.0, threads=1)
before = highest()
try:
    simulate_all(ticking(16_001), seed=1, patients=20_000, horizon_months=1e9, threads=1)
except EngineError as error:
    assert "more than 10,000 stays" in str(error)
    print(highest() - before)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="peak memory is told otherwise")
def test_going_round_for_ever_takes_little_memory():
    """Fewer patients at a time, not room for the stays of a whole block: that took 760 MB."""
    assert float(python(ROUND, PYTHONPATH=f"{SOURCE}{os.pathsep}{Path(__file__).parent}")) < 300.0


def test_long_lives_are_the_same_few_at_a_time(monkeypatch: pytest.MonkeyPatch):
    made = ticking(400)
    expected = run(made, 300, horizon_months=1e9)
    monkeypatch.setattr(sys.modules["hcc_sim.engine.simulate"], "MOST_ROWS", 5_000)
    for threads in (1, 2):
        assert same_bits(run(made, 300, horizon_months=1e9, threads=threads), expected)


def test_branches_count_as_stays():
    again = Branch("choice", (Arm("start", 1.0, "again"), Arm("end", 0.0)))
    made = program(State("start", (Delay(1.0, to="choice"),)), State("choice", (again,)))
    assert "patient 0 has more than 7 stays (the last ended by exit '1.0')" in stopped(made, max_stays=7)
    assert "patient 0 has more than 8 stays (the last ended by exit 'again')" in stopped(made, max_stays=8)


def unlucky(state: State, *others: State, **more: Any) -> str:
    """Why the run stops in this state, to which only the patients come who are drawn to be `bad`."""
    arms = (Arm(state.name, 1.0, "to the test", when="bad"), Arm("end", 1.0, "fine", when=~when("bad")))
    before = State("before", (Delay(2.0, to="sorting", name="before"),))
    sorting = State("sorting", (Branch("sorting", arms),))
    attributes = {"bad": Bernoulli(0.2), "x": 0.0}
    made = program(before, sorting, state, *others, attributes=attributes, **more)
    bad = next(patient for patient in range(40) if luck(SEED, patient, "attribute:bad", 0) <= 0.2)
    assert bad > 0
    run(made, patients=bad)
    message = stopped(made, patients=40)
    assert message.startswith(f"patient {bad}, ")
    assert message == stopped(made, patients=1, first_patient=bad)
    return message.removeprefix(f"patient {bad}, ")


EPOCH = {"epochs": (Epoch("surgery"),)}
LATER = State("later", (Delay(1.0, to="end", does=(Mark("surgery"),)),))


def test_a_clock_that_was_never_started():
    """Somewhere on the pathway it is started, but not on this patient's road."""
    started = Delay(900.0, to="later", name="late")
    for exit in (
        Hazard("growth", "law", to="end", since="surgery"),
        Delay(3.0, to="end", since="surgery", name="growth"),
        Visit("growth", Schedule("scan", 3.0, since="surgery"), to="end"),
        Visit("growth", Schedule("scan", 3.0, since="surgery"), to="end", probability=0.5),
    ):
        message = unlucky(State("test", (started, exit)), LATER, **EPOCH)
        assert message == "exit 'growth': a clock that it reads was never started for this patient"
    reads = State("test", (DEATH,), (Set("x", TimeSince("surgery")),))
    assert unlucky(reads, **EPOCH) == "exit 'to the test': a clock that it reads was never started for this patient"
    reads = State("test", (DEATH,), (Set("x", TimeSince("surgery", exceeds=1.0)),))
    assert unlucky(reads, **EPOCH) == "exit 'to the test': a clock that it reads was never started for this patient"


def test_no_clock_is_asked_for_what_cannot_happen():
    started = Delay(900.0, to="later", name="late")
    for exit in (
        Delay(inf, to="end", since="surgery", name="growth"),
        Visit("growth", Schedule("scan", 3.0, since="surgery"), to="end", probability=0.0),
    ):
        assert run(program(State("test", (started, exit)), LATER, **EPOCH), patients=5).left_months.max() == 100.0


def test_a_clock_that_starts_in_the_future():
    for exit in (
        Hazard("growth", "law", to="end", since="surgery"),
        Delay(3.0, to="end", since="surgery", name="growth"),
        Visit("growth", Schedule("scan", 3.0, since="surgery"), to="end"),
    ):
        message = unlucky(State("test", (exit,), (Mark("surgery", 0.001),)), **EPOCH)
        assert message == "exit 'growth': the clock that it counts from starts in the future"
    assert run(
        program(State("start", (Hazard("growth", "law", to="end", since="surgery"),), (Mark("surgery"),)), **EPOCH)
    )


NO_SUM = (Set("bad", inf), Set("x", -inf))
"""Together they come to no number."""


def test_an_attribute_that_is_not_a_number():
    message = "exit 'to the test': a value that is given to an attribute or epoch is not a number"
    assert unlucky(State("test", (DEATH,), (Set("x", nan),))) == message
    assert unlucky(State("test", (DEATH,), (Set("x", inf), Add("x", -inf)))) == message
    assert unlucky(State("test", (DEATH,), (*NO_SUM, Set("x", Linear({"bad": 1.0, "x": 1.0}))))) == message
    nothing = program(State("start", (DEATH,)), attributes={"x": nan})
    expected = "patient 0, the start: a value that is given to an attribute or epoch is not a number"
    assert stopped(nothing) == expected


def test_a_time_that_is_not_a_number():
    message = "exit 'growth': its time is not a number"
    for how in ({"scaled_by": {"bad": 1.0, "x": 1.0}}, {"accelerated_by": {"bad": 1.0, "x": 1.0}}):
        state = State("test", (Hazard("growth", "law", to="end", **how),), NO_SUM)
        assert unlucky(state) == message


def test_a_hazard_beyond_all_bounds_is_no_reason_to_stop():
    """An infinite log hazard ratio strikes at once, or never."""
    for x, date in ((inf, 0.0), (-inf, HORIZON_MONTHS)):
        made = program(State("start", (Hazard("growth", "law", to="end", scaled_by={"x": 1.0}),)), attributes={"x": x})
        assert run(made, 20).left_months.tolist() == [date] * 20


def branch(*arms: Arm) -> State:
    return State("test", (Branch("choice", arms),))


def test_a_branch_that_cannot_be_taken():
    none = (Arm("end", 0.5, "a", when="x"), Arm("end", 0.5, "b", when="x"))
    message = "exit 'to the test': no arm of the branch that follows can be taken"
    assert unlucky(branch(*none)) == message
    assert unlucky(branch(Arm("end", 0.0, "a"), Arm("end", 1.0, "b", when="x"))) == message
    above = (Arm("end", 0.6, "a", when="bad"), Arm("end", 0.7, "b", when=when("bad", ">", 0.5)), Arm("end", REST, "c"))
    assert unlucky(branch(*above)) == "exit 'to the test': the weights of the branch that follows sum to more than 1"
    weight = "exit 'to the test': a weight of the branch that follows is not a finite number"
    shifted = (Arm("end", 0.5, "a", shifted_by={"bad": 1.0, "x": 1.0}), Arm("end", REST, "b"))
    assert unlucky(State("test", (Branch("choice", shifted),), NO_SUM)) == weight
    assert unlucky(branch(Arm("end", 0.5, "a", shifted_by={"bad": 800.0}), Arm("end", REST, "b"))) == weight


@pytest.mark.parametrize("kind", [-1.0, 0.5, 2.0, inf])
def test_a_law_that_there_is_not(kind: float):
    state = State("test", (Hazard("growth", ("law", "law"), to="end", law_by="x"),), (Set("x", kind),))
    assert unlucky(state) == "exit 'growth': the attribute that chooses its law chooses none of them"


def test_the_laws_there_are():
    for kind in (0.0, 1.0):
        made = program(
            State("start", (Hazard("growth", ("law", "law"), to="end", law_by="x"),)), attributes={"x": kind}
        )
        assert len(run(made, 10)) == 10


def test_only_those_who_may_take_an_exit_need_a_law():
    """The others stand beside them with an attribute that chooses none."""

    def made(x: Linear) -> Program:
        growth = Hazard("growth", ("law", "law"), to="end", law_by="x", when="may")
        return program(State("start", (growth, DEATH)), attributes={"may": Bernoulli(0.3), "x": x})

    assert len(run(made(Linear({"may": -9.0}, constant=9.0)), 50)) == 50
    first = next(patient for patient in range(50) if luck(SEED, patient, "attribute:may", 0) <= 0.3)
    assert first > 0
    message = f"patient {first}, exit 'growth': the attribute that chooses its law chooses none of them"
    assert stopped(made(Linear({"may": 9.0})), patients=50) == message


# --- arguments --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"seed": 1.5}, "seed, patients, first_patient, chunk and max_stays must be whole numbers"),
        ({"seed": -1}, "seed is -1; it must be at least 0 and below 2^64"),
        ({"seed": 2**64}, f"seed is {2**64}; it must be at least 0 and below 2^64"),
        ({"patients": 0}, "patients 0 to -1: need at least one, numbered 0 to 2^64 - 1"),
        ({"first_patient": -1}, "patients -1 to 8: need at least one, numbered 0 to 2^64 - 1"),
        ({"first_patient": 2**64 - 9}, f"patients {2**64 - 9} to {2**64}: need at least one, numbered 0 to 2^64 - 1"),
        ({"horizon_months": 0.0}, "horizon_months is 0.0; it must be above 0 and finite"),
        ({"horizon_months": inf}, "horizon_months is inf; it must be above 0 and finite"),
        ({"horizon_months": nan}, "horizon_months is nan; it must be above 0 and finite"),
        ({"chunk": 0}, "chunk is 0; it must be a multiple of 1,000"),
        ({"chunk": 1_500}, "chunk is 1500; it must be a multiple of 1,000"),
        ({"threads": 0}, "threads is 0; it must be at least 1"),
        ({"max_stays": 0}, "max_stays is 0; it must be at least 1"),
    ],
)
def test_arguments_out_of_range_are_refused(wrong: dict[str, Any], message: str):
    made = program(State("start", (DEATH,)))
    with pytest.raises(ValueError) as error:  # noqa: PT011
        run(made, **({"patients": 10} | wrong))
    assert str(error.value) == message
    with pytest.raises(ValueError, match=r"must be|need at least"):
        list(simulate(made, **({"seed": 1, "patients": 10, "horizon_months": 9.0} | wrong)))


def test_the_last_patients_there_are():
    stays = run(program(State("start", (DEATH,))), 10, first_patient=2**64 - 10, seed=2**64 - 1)
    assert stays.patient.tolist() == list(range(2**64 - 10, 2**64))


# --- memory -----------------------------------------------------------------------------------------------------------

MEMORY = r"""
import re, resource, sys
from pathlib import Path
from hcc_sim import laws
from hcc_sim.engine import compile_pathway, simulate
from hcc_sim.pathway.model import Hazard, Pathway, Schedule, State, Visit
keep = sys.argv[1] == "keep"
exits = (Visit("look", Schedule("scan", 10.0), in_place=True), Hazard("death", "law", to="end"))
states = (State("start", exits), State("end", final=True))
program = compile_pathway(Pathway("example", "start", states, {"law": laws.Exponential(0.02)}), {})
status = Path("/proc/self/status")
def highest():
    if not status.exists():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    return int(re.search(r"VmHWM:\s+(\d+) kB", status.read_text())[1]) / 2**10  # Linux counts the parent in ru_maxrss
def peak(patients):
    kept, stays = [], 0
    for part in simulate(program, seed=1, patients=patients, horizon_months=200.0, chunk=10_000, threads=2):
        stays += len(part.stays)
        kept += [part.stays] if keep else []
    assert stays > 5 * patients
    return highest()
small = peak(20_000)
print(peak(200_000) - small)
"""


def python(code: str, *arguments: str, **environment: str | None) -> str:
    """Output of a new Python that sees this source tree; an environment variable of None is taken away."""
    settings = {"PYTHONPATH": str(SOURCE), **environment}
    env = {name: value for name, value in (dict(os.environ) | settings).items() if value is not None}
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], env=env, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.skipif(sys.platform == "win32", reason="no getrusage")
def test_memory_is_flat():
    """Ten times the patients take no more memory, measured in megabytes; keeping the stays would be seen."""
    grown, kept = float(python(MEMORY, "drop")), float(python(MEMORY, "keep"))
    assert grown < 6.0
    assert kept > 18.0
