"""Run patients through a compiled pathway, a chunk at a time, on one thread or several, with the same bits."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from numbers import Integral
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hcc_sim.engine import block, kernel
from hcc_sim.engine.compile import Program, compile_pathway
from hcc_sim.engine.tables import LIFE
from hcc_sim.errors import nearest
from hcc_sim.history import BLOCK, Stays, concatenate

if TYPE_CHECKING:
    import pandas as pd

CHUNK = 50_000
"""Patients whose stays are in memory at once, unless told otherwise."""

TOGETHER = 5_000
"""Patients in a block: many, for a step costs the same for few; not too many, for their lives should stay in cache."""

SPAN = 10_000
"""Patients simulated in one call of the kernel."""

ROWS = 24
"""Stays of a patient for which there is room at first: where it does not suffice, patients are simulated twice."""

MOST_ROWS = 2_000_000
"""Stays for which a thread makes room (100 MB) before it takes fewer patients at a time instead."""

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
    attributes: pd.DataFrame | None = None,
    chunk: int = CHUNK,
    threads: int | None = None,
    max_stays: int = MAX_STAYS,
) -> Iterator[Chunk]:
    """Simulate patients, a chunk at a time.

    The stays of a patient depend on the program, the seed, the patient's number, the attributes given and the horizon,
    and on nothing else: not on threads, chunks or the other patients.

    Args:
        program: the compiled pathway.
        seed: 0 to 2^64 - 1.
        patients: how many, numbered from `first_patient` (numbers up to 2^64 - 1).
        horizon_months: when observation ends; above 0 and finite.
        attributes: a row for each patient, in order, and a column for each attribute that is given instead of drawn at
            the start; all other luck is as if it had been drawn.
        chunk: patients whose stays are held at once; a multiple of 1,000.
        threads: how many to use; by default one per processor.
        max_stays: stays of one patient that stop the run.

    Raises:
        EngineError: a run that has to stop.
        ValueError: an argument out of range, or attributes that are not there or not numbers.
    """
    _check(seed, patients, horizon_months, first_patient, chunk, threads, max_stays)
    run = _Run(program, seed, first_patient, patients, horizon_months, max_stays, attributes)
    starts = range(first_patient, first_patient + patients, chunk)
    if (workers := threads or os.cpu_count() or 1) == 1:
        for start in starts:
            yield run.chunk(start, chunk, map(run.span, run.spans(start, chunk)))
        return
    pool = ThreadPoolExecutor(workers)
    try:
        begun = [pool.map(run.span, run.spans(start, chunk)) for start in starts[:1]]
        for start, following in zip(starts, [*starts[1:], None], strict=True):
            if following is not None:  # already at work while somebody looks at this chunk
                begun.append(pool.map(run.span, run.spans(following, chunk)))
            yield run.chunk(start, chunk, begun.pop(0))
    finally:
        pool.shutdown(cancel_futures=True)


def simulate_all(
    program: Program,
    *,
    seed: int,
    patients: int,
    horizon_months: float,
    first_patient: int = 0,
    attributes: pd.DataFrame | None = None,
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
        attributes=attributes,
        chunk=chunk,
        threads=threads,
        max_stays=max_stays,
    )
    return concatenate(part.stays for part in chunks)


def attributes_at_start(
    program: Program, *, seed: int, patient: int, attributes: pd.DataFrame | None = None
) -> dict[str, float]:
    """The attributes with which a patient begins, by name; those in the one row of `attributes` are given."""
    names = program.attribute_names
    values = starting_attributes(program, names, seed=seed, patients=1, first_patient=patient, attributes=attributes)
    return dict(zip(names, values[:, 0].tolist(), strict=True))


def starting_attributes(
    program: Program,
    names: Sequence[str],
    *,
    seed: int,
    patients: int,
    first_patient: int = 0,
    attributes: pd.DataFrame | None = None,
) -> NDArray[np.float64]:
    """(names, patients) some of the attributes with which consecutive patients begin, no time passed.

    Arguments are those of `simulate`.

    Raises:
        ValueError: an argument out of range, no such attribute, or attributes given that are not there or not numbers.
    """
    _check(seed, patients, 1.0, first_patient, BLOCK, None, 1)
    for name in names:
        if name not in program.attribute_names:
            raise ValueError(f"unknown attribute {name!r}. {nearest(name, program.attribute_names)}".rstrip())
    if attributes is not None:
        program = compile_pathway(program.pathway, program.values, attributes.columns)
    given, row_of = _given(program, attributes, first_patient, patients)
    room = block.new_room(program.words, len(program.newborn), min(TOGETHER, patients), 1)
    rows = [LIFE + program.attribute_names.index(name) for name in names]
    found = np.empty((len(names), patients))
    for at in range(0, patients, TOGETHER):
        n = min(TOGETHER, patients - at)
        kernel.be_born(
            program.words,
            program.newborn,
            np.ascontiguousarray(given[:, at : at + n]),
            row_of,
            np.uint64(seed),
            np.uint64(first_patient + at),
            n,
            room,
        )
        found[:, at : at + n] = room.block.lives[rows, :n]
    return found


class Filled(NamedTuple):
    """Stays in the first rows of a record."""

    record: block.Record
    rows: int

    def stays(self) -> Stays:
        """Views of the record."""
        return Stays(**{name: column[: self.rows] for name, column in self.record._asdict().items()})


class _Run:
    """One run: what it is about, and room for the kernel that is used again and again, for new memory costs time."""

    def __init__(
        self,
        program: Program,
        seed: int,
        first_patient: int,
        patients: int,
        horizon_months: float,
        max_stays: int,
        attributes: pd.DataFrame | None,
    ) -> None:
        if attributes is not None:
            program = compile_pathway(program.pathway, program.values, attributes.columns)
        self.program = program
        self.seed = np.uint64(seed)
        self.first_patient = first_patient
        self.end = first_patient + patients
        self.horizon_months = float(horizon_months)
        self.max_stays = max_stays
        self.given, self.given_row = _given(program, attributes, first_patient, patients)
        self.together = min(TOGETHER, patients)
        self.rows = ROWS * min(SPAN, patients)
        self.at_a_time = SPAN
        self.rooms: list[block.Room] = []
        self.records: list[block.Record] = []

    def spans(self, start: int, chunk: int) -> list[range]:
        """The patients of a chunk as spans of consecutive ones."""
        end = min(start + chunk, self.end)
        return [range(first, min(first + SPAN, end)) for first in range(start, end, SPAN)]

    def span(self, patients: range) -> list[Filled]:
        """The stays of consecutive patients: in one record, or in several if there are more than it has room for."""
        filled = []
        while patients:
            rows = self.rows  # other threads may raise it
            some = patients[: self.at_a_time]
            room, record = self._room(rows), self._record(rows)
            at = some.start - self.first_patient
            done, written, trouble, index, exit = kernel.live_span(
                self.program.words,
                self.program.laws,
                self.program.newborn,
                np.ascontiguousarray(self.given[:, at : at + len(some)]),
                self.given_row,
                self.seed,
                np.uint64(some.start),
                len(some),
                self.horizon_months,
                self.max_stays,
                room,
                record,
            )
            if trouble not in (block.FINE, block.BUFFER_FULL):
                raise EngineError(_message(self.program, some.start + index, trouble, exit, self.max_stays))
            if done == 0:  # not one block fits
                if rows < MOST_ROWS or len(some) == 1:
                    self.rows = max(self.rows, 4 * rows)
                else:
                    self.at_a_time = min(self.at_a_time, -(-len(some) // 4))
                    self.rooms.append(room)
                    self.records.append(record)
                continue
            self.rooms.append(room)
            filled.append(Filled(record, written))
            patients = patients[done:]
        return filled

    def chunk(self, start: int, chunk: int, spans: Iterable[list[Filled]]) -> Chunk:
        """All stays of a chunk, in order; the records are free again."""
        filled = [part for span in spans for part in span]
        patients = min(chunk, self.end - start)
        if len(filled) == 1 and start + patients == self.end:  # the record is not needed again
            return Chunk(start, patients, filled[0].stays())
        stays = concatenate(part.stays() for part in filled)
        self.records += [part.record for part in filled]
        return Chunk(start, patients, stays)

    def _room(self, rows: int) -> block.Room:
        with suppress(IndexError):  # there is none, or another thread was faster
            if len((room := self.rooms.pop()).order) >= rows:
                return room
        return block.new_room(self.program.words, len(self.program.newborn), self.together, rows)

    def _record(self, rows: int) -> block.Record:
        with suppress(IndexError):
            if len((record := self.records.pop()).patient) >= rows:
                return record
        return block.new_record(rows)


def _given(
    program: Program, attributes: pd.DataFrame | None, first_patient: int, patients: int
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Attributes given, a row each, and by attribute of the program which row is its, or -1."""
    row_of = np.full(len(program.attribute_names), -1)
    if attributes is None:
        return np.empty((0, patients)), row_of
    if len(attributes) != patients:
        raise ValueError(f"attributes has {len(attributes):,} rows for {patients:,} patients; it needs one for each")
    given = np.empty((len(attributes.columns), patients))
    for row, name in enumerate(attributes.columns):
        if name not in program.attribute_names:
            accepted = ", ".join(map(repr, program.attribute_names)) or "none"
            raise ValueError(f"attributes has a column {name!r}; the pathway's attributes are: {accepted}")
        position = program.attribute_names.index(name)
        if row_of[position] >= 0:
            raise ValueError(f"attributes has more than one column {name!r}")
        row_of[position] = row
        values = attributes.iloc[:, row]
        if values.dtype.kind not in "biuf":  # not by trying: NumPy makes numbers of dates, and of the text "1.5"
            raise ValueError(f"attributes: column {name!r} holds {values.dtype} values; it must hold numbers")
        given[row] = values.to_numpy(np.float64, na_value=np.nan)
        if (unknown := np.flatnonzero(np.isnan(given[row]))).size:
            raise ValueError(f"attributes: {name!r} of patient {first_patient + int(unknown[0])} is not a number")
    return given, row_of


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
