"""Run patients through a compiled pathway, a chunk at a time, on one thread or several, with the same bits."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from numbers import Integral

import numpy as np

from hcc_sim.engine import block, kernel
from hcc_sim.engine.compile import Program
from hcc_sim.engine.tables import LIFE
from hcc_sim.history import BLOCK, Stays, concatenate

CHUNK = 50_000
"""Patients whose stays are in memory at once, unless told otherwise."""

MAX_STAYS = 10_000
"""Stays of one patient beyond which the run stops: a pathway that goes round for ever."""

_TROUBLE = {
    block.CLOCK_NOT_STARTED: "a clock that it reads was never started for this patient",
    block.CLOCK_IN_FUTURE: "the clock that it counts from starts in the future",
    block.NOT_A_NUMBER: "its time is not a number",
    block.NO_WEIGHT: "a weight of the branch that follows is not a finite number",
    block.NO_VALUE: "a value that is given to an attribute or epoch is not a number",
    block.NO_ARM: "no arm of the branch that follows can be taken",
    block.WEIGHTS_ABOVE_ONE: "the weights of the branch that follows sum to more than 1",
    block.NO_SUCH_LAW: "the attribute that chooses its law chooses none of them",
}


class EngineError(RuntimeError):
    """A run that had to stop, with the patient and the exit at which it did."""


@dataclass(frozen=True)
class Chunk:
    """The stays of patients `first_patient` to `first_patient + patients - 1`, complete."""

    first_patient: int
    patients: int
    stays: Stays


def simulate(
    program: Program,
    *,
    seed: int,
    patients: int,
    horizon_months: float,
    first_patient: int = 0,
    chunk: int = CHUNK,
    threads: int | None = None,
    max_stays: int = MAX_STAYS,
) -> Iterator[Chunk]:
    """Simulate patients, a chunk at a time.

    The stays of a patient depend on the program, the seed, the patient's number and the horizon, and on nothing else:
    not on threads, chunks or the other patients.

    Args:
        program: the compiled pathway.
        seed: 0 to 2^64 - 1.
        patients: how many, numbered from `first_patient` (numbers up to 2^64 - 1).
        horizon_months: when observation ends; above 0 and finite.
        chunk: patients whose stays are held at once; a multiple of 1,000.
        threads: how many to use; by default one per processor.
        max_stays: stays of one patient that stop the run.

    Raises:
        EngineError: a run that has to stop.
        ValueError: an argument out of range.
    """
    _check(seed, patients, horizon_months, first_patient, chunk, threads, max_stays)
    workers = threads or os.cpu_count() or 1
    last = first_patient + patients

    def lives(first: int) -> Stays:
        return _block(program, seed, first, min(BLOCK, last - first), horizon_months, max_stays)

    with ThreadPoolExecutor(workers) as pool:
        for start in range(first_patient, last, chunk):
            size = min(chunk, last - start)
            parts = pool.map(lives, range(start, start + size, BLOCK)) if workers > 1 else None
            stays = concatenate(parts if parts is not None else map(lives, range(start, start + size, BLOCK)))
            yield Chunk(start, size, stays)


def simulate_all(
    program: Program,
    *,
    seed: int,
    patients: int,
    horizon_months: float,
    first_patient: int = 0,
    chunk: int = CHUNK,
    threads: int | None = None,
    max_stays: int = MAX_STAYS,
) -> Stays:
    """All stays at once, for small runs; arguments and errors as for `simulate`."""
    chunks = simulate(
        program,
        seed=seed,
        patients=patients,
        horizon_months=horizon_months,
        first_patient=first_patient,
        chunk=chunk,
        threads=threads,
        max_stays=max_stays,
    )
    return concatenate(part.stays for part in chunks)


def attributes_at_start(program: Program, *, seed: int, patient: int) -> dict[str, float]:
    """The attributes with which a patient begins, by name."""
    life = kernel.newborn_life(program.words, program.newborn, np.uint64(seed), np.uint64(patient))
    values = life[LIFE : LIFE + len(program.attribute_names)]
    return dict(zip(program.attribute_names, map(float, values), strict=True))


def _block(program: Program, seed: int, first: int, patients: int, horizon: float, max_stays: int) -> Stays:
    """One block of patients; the record grows until it holds them."""
    rows = 16 * patients
    while True:
        record = block.Record(
            np.empty(rows, np.uint64),
            np.empty(rows, np.int16),
            np.empty(rows),
            np.empty(rows),
            np.empty(rows, np.int16),
            np.empty(rows, np.int16),
        )
        written, trouble, index, exit = kernel.live_block(
            program.words,
            program.laws,
            program.newborn,
            np.uint64(seed),
            np.uint64(first),
            patients,
            float(horizon),
            max_stays,
            record,
        )
        if trouble != block.BUFFER_FULL:
            break
        rows *= 4
    if trouble != block.FINE:
        raise EngineError(_message(program, first + index, trouble, exit, max_stays))
    return Stays(**{name: getattr(record, name)[:written].copy() for name in record._fields})


def _message(program: Program, patient: int, trouble: int, exit: int, max_stays: int) -> str:
    where = f"exit {program.exit_names[exit]!r}" if exit >= 0 else "the start"
    if trouble == block.TOO_MANY_STAYS:
        return f"patient {patient} has more than {max_stays:,} stays (the last ended by {where}): going round for ever?"
    return f"patient {patient}, {where}: {_TROUBLE[trouble]}"


def _check(
    seed: int, patients: int, horizon: float, first: int, chunk: int, threads: int | None, max_stays: int
) -> None:
    if not all(isinstance(n, Integral) for n in (seed, patients, first, chunk, max_stays)):
        raise ValueError("seed, patients, first_patient, chunk and max_stays must be whole numbers")
    if not 0 <= seed < 2**64:
        raise ValueError(f"seed is {seed}; it must be at least 0 and below 2^64")
    if patients < 1 or first < 0 or first + patients > 2**64:
        raise ValueError(f"patients {first} to {first + patients - 1}: need at least one, numbered 0 to 2^64 - 1")
    if not 0.0 < horizon < float("inf"):
        raise ValueError(f"horizon_months is {horizon}; it must be above 0 and finite")
    if chunk < BLOCK or chunk % BLOCK:
        raise ValueError(f"chunk is {chunk}; it must be a multiple of {BLOCK:,}")
    if threads is not None and threads < 1:
        raise ValueError(f"threads is {threads}; it must be at least 1")
    if max_stays < 1:
        raise ValueError(f"max_stays is {max_stays}; it must be at least 1")
