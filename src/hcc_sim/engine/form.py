"""The form of a pathway: its words with blanks for the values of parameters, and what must hold of these."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from itertools import count

import numpy as np
from numpy.typing import NDArray

from hcc_sim import elementary
from hcc_sim.engine import tables as t
from hcc_sim.pathway.model import Amount, Normal, Schedule, Uniform, number

Values = Mapping[str, float]
"""Parameter -> value."""


@dataclass(frozen=True)
class Blank:
    """A real that is filled in with the values of parameters: that of `name`, or what `of` makes of all."""

    name: str = ""
    of: Callable[[Values], float] | None = None


Check = Callable[[Values], str]
"""What is wrong with some values, empty if nothing is."""


@dataclass(frozen=True)
class Form:
    """The words of a pathway with blanks, and what must hold of values that fill them.

    `named` are the places of blanks that hold a parameter's value, `names` those parameters; `derived` the places of
    those that are computed; `schedules` the place of the first piece of each.
    """

    words: NDArray[np.int64]
    named: NDArray[np.int64]
    names: tuple[str, ...]
    derived: tuple[tuple[int, Callable[[Values], float]], ...]
    schedules: Mapping[Schedule, int]
    checks: tuple[Check, ...]
    newborn: NDArray[np.float64]
    state_names: tuple[str, ...]
    exit_names: tuple[str, ...]
    attribute_names: tuple[str, ...]

    def filled(self, values: Values) -> NDArray[np.int64]:
        """The words with these values in them."""
        words = self.words.copy()
        reals = words.view(np.float64)
        reals[self.named] = [values[name] for name in self.names]
        for place, of in self.derived:
            reals[place] = of(values)
        for schedule, first in self.schedules.items():
            for place, piece in zip(count(first, t.PIECE), schedule.timetable(values), strict=False):
                words[place + t.P_COUNT] = piece.visits_before
                reals[place + t.P_INTERVAL] = piece.interval_months
                reals[place + t.P_BASE], reals[place + t.P_END] = piece.begins_months, piece.ends_months
        return words


def log_of(amount: Amount, values: Values) -> float:
    """The logarithm of an amount."""
    return float(elementary.log(number(amount, values)))


def product_of(amounts: Iterable[Amount], values: Values) -> float:
    """The product of amounts."""
    product = 1.0
    for amount in amounts:
        product *= number(amount, values)
    return product


def wrong_normal(value: Normal, where: str, values: Values) -> str:
    """What is wrong with the numbers of a normal draw."""
    sd, low, high = (number(amount, values) for amount in (value.sd, value.low, value.high))
    if sd >= 0.0 and low < high:
        return ""
    return f"{where}: a normal draw needs sd >= 0 and low < high, not {sd}, {low}, {high}"


def wrong_uniform(value: Uniform, where: str, values: Values) -> str:
    """What is wrong with the numbers of a uniform draw."""
    low, high = number(value.low, values), number(value.high, values)
    return "" if low <= high else f"{where}: a uniform draw needs low <= high, not {low}, {high}"
