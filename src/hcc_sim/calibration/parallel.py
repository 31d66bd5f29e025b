"""Map on all processors, by processes where there is much to do.

Between simulations of a few thousand patients half of the time is Python's, for which threads wait for one another: two
processes were 1.7 times as fast as two threads.  Where processes cannot be forked, threads do everything.
"""

from __future__ import annotations

import multiprocessing
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from typing import Any, TypeVar

T = TypeVar("T")
R = TypeVar("R")

MANY = 200
"""Items from which forking is worth its time."""

FORKS = sys.platform == "linux"

_task: Callable[[Any], Any]


def in_parallel(task: Callable[[T], R], items: Iterable[T], *, long: bool = False) -> Iterator[R]:
    """The results in the order of the items, whatever the number of processors.

    With many items, or `long` ones, tasks run in other processes: changes that they make are lost, and what they return
    must be picklable.
    """
    waiting = list(items)
    workers = os.cpu_count() or 1
    few = len(waiting) < 2 or (len(waiting) < MANY and not long)
    if few or workers == 1 or not FORKS:
        with ThreadPoolExecutor(workers) as pool:
            yield from pool.map(task, waiting)
        return
    context = multiprocessing.get_context("fork")  # what it inherits need not be picklable
    with ProcessPoolExecutor(workers, mp_context=context, initializer=_take, initargs=(task,)) as forks:
        yield from forks.map(_run, waiting, chunksize=1 if long else max(1, len(waiting) // (8 * workers)))


def _take(task: Callable[[Any], Any]) -> None:
    global _task
    _task = task


def _run(item: Any) -> Any:
    return _task(item)
