"""How far a study is: a bar on a terminal, a line a minute in a log, nothing in a pipe."""

from __future__ import annotations

import os
import stat
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from hcc_sim.cli.terminal import say

A_LINE_EVERY_SECONDS = 60.0

Told = Callable[[int, int], None]


@contextmanager
def progress_of_draws() -> Iterator[Told]:
    """Takes how many draws are done, of how many."""
    if sys.stderr.isatty():
        with _bar() as told:
            yield told
    elif _is_file(sys.stderr):
        yield _lines()
    else:
        yield lambda done, of: None


def _is_file(stream: object) -> bool:
    try:
        return stat.S_ISREG(os.fstat(stream.fileno()).st_mode)  # type: ignore[attr-defined]
    except (OSError, ValueError, AttributeError):
        return False


def _lines() -> Told:
    """A line a minute: draws a second since the start, and the time that is left at this speed."""
    begun: list[tuple[float, int]] = []
    last = time.monotonic()

    def told(done: int, of: int) -> None:
        nonlocal last
        now = time.monotonic()
        begun.append((now, done)) if not begun else None
        if now - last < A_LINE_EVERY_SECONDS:
            return
        last = now
        say(in_words(done, of, now - begun[0][0], done - begun[0][1]))

    return told


def in_words(done: int, of: int, seconds: float, new: int) -> str:
    """How many draws are done, how fast, how long it will take."""
    text = f"{done:,} of {of:,} draws"
    if new <= 0 or seconds <= 0.0:
        return text
    left = (of - done) * seconds / new
    return f"{text}, {new / seconds:.3g} a second, {_duration(left)} left"


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"


@contextmanager
def _bar() -> Iterator[Told]:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn

    columns = (TextColumn("draws"), BarColumn(), TextColumn("{task.description}"))
    # No thread of its own: processes are forked while it is shown.
    with Progress(*columns, console=Console(stderr=True), transient=True, auto_refresh=False) as bar:
        task = bar.add_task("", total=None)
        begun: list[tuple[float, int]] = []

        def told(done: int, of: int) -> None:
            now = time.monotonic()
            if not begun:
                begun.append((now, done))
            words = in_words(done, of, now - begun[0][0], done - begun[0][1])
            bar.update(task, completed=done, total=of, description=words)
            bar.refresh()

        yield told
