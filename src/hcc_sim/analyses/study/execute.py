"""Run what a study lacks, part by part, on this machine or on a cluster, and write parts as they come.

Between simulations of a few thousand patients much of the time is Python's, for which threads wait for one another:
two processes were 1.9 times as fast as one, two threads 0.9 times.  So draws are spread over processes; threads help
only where there are fewer parts than processors.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing, contextmanager
from ctypes import c_byte
from dataclasses import dataclass, replace
from itertools import chain, islice
from typing import Protocol

import numpy as np

from hcc_sim.analyses.study.design import Design
from hcc_sim.analyses.study.folder import KEPT, StudyFolder
from hcc_sim.analyses.study.runs import Done, Rows, Runner, Task
from hcc_sim.errors import MachineError
from hcc_sim.memory import keep_freed_memory

AHEAD = 2
"""Parts that wait for each worker: enough that none is idle, few enough that stopping is quick."""

WATCH_SECONDS = 0.2
"""How often a worker looks whether the process that it works for is still there."""

Told = Callable[[int, int], None]
"""Told how many draws are done, of how many, each time that a part is."""


class Interrupted(KeyboardInterrupt):
    """Stopped by Ctrl-C after the parts that had been begun were written."""


class Workers(Protocol):
    """Runs rows of a task somewhere; results come as they are done, in any order.

    Whoever closes the results before all have come leaves nothing running.
    """

    def run(self, task: Task, waiting: Iterator[Rows], stop: Callable[[], bool]) -> Generator[Done, None, None]:
        """Results of all; with `stop` true only of those that were begun."""


@dataclass(frozen=True)
class Lacking:
    """A part that is to be made: its draws, and those of them that are known from a shorter study."""

    draws: range
    known: Done | None


def lacking(folder: StudyFolder, draws: int) -> list[Lacking]:
    """The parts that are not there, torn, of another study, or shorter than they should be."""
    there = set(folder.firsts())
    found = []
    for span in folder.spans(draws):
        done = folder.read(span.start) if span.start in there else None
        if done is None or len(done.means) < len(span):
            found.append(Lacking(span, done))
    return found


def complete(
    folder: StudyFolder, task: Task, design: Design, workers: Workers, told: Told = lambda done, of: None
) -> int:
    """Make all parts that a study lacks; how many draws were run.

    Raises:
        Interrupted: by Ctrl-C, once what had been begun was written.
        InputError, EngineError: a draw that cannot be run.
        MachineError: a worker died, or a part cannot be written; those before it are.
    """
    missing = {one.draws.start: one for one in lacking(folder, design.draws)}
    run = sum(len(_rest(one)) for one in missing.values())
    done = design.draws - run

    def waiting() -> Iterator[Rows]:
        for one in missing.values():
            rest = _rest(one)
            yield design.rows(rest.start, len(rest))

    by_rest = {_rest(one).start: one for one in missing.values()}
    with _taking_ctrl_c() as asked_to_stop:
        told(done, design.draws)
        with closing(workers.run(task, waiting(), asked_to_stop)) as results:
            for result in results:
                known = by_rest.pop(result.first).known
                folder.write(result if known is None else _joined(known, result))
                done += len(result.means)
                told(done, design.draws)
        if by_rest and asked_to_stop():
            raise Interrupted
    return run


def _rest(one: Lacking) -> range:
    """The draws of a part that are not known."""
    return one.draws if one.known is None else one.draws[len(one.known.means) :]


def _joined(known: Done, rest: Done) -> Done:
    def joined(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        return np.concatenate([a, b])

    return Done(
        known.first,
        joined(known.inputs, rest.inputs),
        joined(known.means, rest.means),
        joined(known.covariances, rest.covariances),
    )


@contextmanager
def _taking_ctrl_c() -> Iterator[Callable[[], bool]]:
    """The first Ctrl-C is noted, the second stops at once; outside the main thread it is left to others."""
    asked = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield asked.is_set
        return

    def note(number: int, frame: object) -> None:
        if asked.is_set():
            raise KeyboardInterrupt
        asked.set()

    before = signal.getsignal(signal.SIGINT)
    if before in (signal.SIG_IGN, None):
        yield asked.is_set
        return
    signal.signal(signal.SIGINT, note)
    try:
        yield asked.is_set
    finally:
        signal.signal(signal.SIGINT, before)


@dataclass(frozen=True)
class Local:
    """The processors of this machine."""

    processors: int

    def run(self, task: Task, waiting: Iterator[Rows], stop: Callable[[], bool]) -> Generator[Done, None, None]:
        """As `Workers.run`."""
        begun = list(islice(waiting, 2))
        waiting = chain(begun, waiting)
        if len(begun) < 2 or self.processors == 1:
            yield from _here(task, waiting, self.processors, stop)
        else:
            _make_ready(task, begun[0])
            yield from self._in_processes(task, waiting, stop)

    def _in_processes(self, task: Task, waiting: Iterator[Rows], stop: Callable[[], bool]) -> Iterator[Done]:
        # What a forked process inherits is ready to run; elsewhere each imports and compiles for itself.
        method = "fork" if sys.platform == "linux" else "spawn"
        context = multiprocessing.get_context(method)
        given_up = context.RawValue("b", 0)  # no event: its lock may be held by a worker that is killed
        with ProcessPoolExecutor(self.processors, context, _begin, (task, os.getpid(), given_up)) as pool:
            running: set[Future[Done]] = set()
            try:
                while True:
                    while not stop() and len(running) < AHEAD * self.processors:
                        rows = next(waiting, None)
                        if rows is None:
                            break
                        running.add(pool.submit(_run, rows))
                    if stop():
                        running -= {one for one in running if one.cancel()}
                    if not running:
                        return
                    finished, running = wait(running, return_when=FIRST_COMPLETED)
                    for one in finished:
                        yield one.result()
            except BrokenProcessPool:
                given_up.value = 1
                told = "a worker died (killed by somebody, or for want of memory)"
                raise MachineError(f"{told}; {KEPT}") from None
            except BaseException:
                given_up.value = 1  # what they do is of no use to anybody
                raise


def _here(task: Task, waiting: Iterator[Rows], threads: int, stop: Callable[[], bool]) -> Iterator[Done]:
    keep_freed_memory()
    runner = Runner(task)
    while not stop() and (rows := next(waiting, None)) is not None:
        yield runner.run(rows, threads)


def _make_ready(task: Task, rows: Rows) -> None:
    """Have compiled code at hand, which forked workers inherit: by a draw of one patient."""
    first = Rows(rows.first, rows.values[:1], None if rows.z is None else rows.z[:1])
    Runner(replace(task, patients=1, same_patients=True)).run(first)


_runner: Runner


def _begin(task: Task, parent: int, given_up: c_byte) -> None:
    """A worker: Ctrl-C is for its parent to handle, and without a parent it has nothing to do."""
    global _runner
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_without, args=(parent, given_up), daemon=True).start()
    keep_freed_memory()
    _runner = Runner(task)


def _end_without(parent: int, given_up: c_byte) -> None:
    while os.getppid() == parent and not given_up.value:
        time.sleep(WATCH_SECONDS)
    os._exit(1)


def _run(rows: Rows) -> Done:
    return _runner.run(rows)
