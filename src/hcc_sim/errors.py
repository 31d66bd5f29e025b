"""Errors written for the person who wrote the file, and the exit code each of them leads to."""

import difflib
import errno
from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

MOST_PROBLEMS = 100
"""How many problems are collected before a file is given up: beyond it nobody reads on."""


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong with the input: where it stands, and what to do about it.

    ``file`` may also be an option such as ``--set``; ``line`` counts from 1 and is None where there is none;
    ``key`` is the dotted path of keys, empty for the whole file.
    """

    file: str
    line: int | None
    key: str
    message: str

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line is not None else self.file
        return ": ".join(part for part in (place, self.key, self.message) if part)


class InputError(Exception):
    """The input is wrong (exit code 2). Holds every problem found; its text is one line for each."""

    exit_code: ClassVar[int] = 2

    def __init__(self, problems: str | Problem | Iterable[Problem]) -> None:
        if isinstance(problems, str):
            problems = Problem("", None, "", problems)
        self.problems: tuple[Problem, ...] = (problems,) if isinstance(problems, Problem) else tuple(problems)
        super().__init__(self.problems)

    def __str__(self) -> str:
        return "\n".join(str(problem) for problem in self.problems)


class MachineError(Exception):
    """The program or the machine failed, not the input (exit code 1): a full disk, a broken installation."""

    exit_code: ClassVar[int] = 1


class CheckFailed(Exception):
    """A check that was asked for did not hold (exit code 3)."""

    exit_code: ClassVar[int] = 3


class Problems:
    """Collects problems, so that a person sees all of them at once; gives up at ``MOST_PROBLEMS``."""

    def __init__(self) -> None:
        self.found: list[Problem] = []

    def add(self, problem: Problem) -> None:
        """Note a problem, unless that place already has one; InputError once there are too many."""
        if any((p.file, p.line, p.key) == (problem.file, problem.line, problem.key) for p in self.found):
            return
        self.found.append(problem)
        if len(self.found) >= MOST_PROBLEMS:
            stop = Problem(problem.file, None, "", f"{MOST_PROBLEMS} problems found, the rest was not looked at")
            raise InputError([*self.found, stop])

    def raise_if_any(self) -> None:
        """Raise InputError with all that was found, if anything was: file by file, each from top to bottom."""
        if self.found:
            files = list(dict.fromkeys(problem.file for problem in self.found))
            raise InputError(sorted(self.found, key=lambda problem: (files.index(problem.file), problem.line or 0)))


def is_lack_of_memory(error: BaseException) -> bool:
    """Whether an error means that memory ran out, which libraries say in several ways."""
    match error:
        case MemoryError():
            return True
        case ImportError():  # of a compiled module that finds no room
            return "failed to map segment" in str(error) or "allocate memory" in str(error)
        case OSError():
            return error.errno == errno.ENOMEM
        case RuntimeError():
            return "can't start new thread" in str(error)
    return False


def nearest(name: str, names: Iterable[str]) -> str:
    """``Did you mean 'x'?`` with the name most like ``name``, or nothing if none is like it."""
    match = difflib.get_close_matches(name[:200], list(names), n=1)
    return f"Did you mean '{match[0]}'?" if match else ""
