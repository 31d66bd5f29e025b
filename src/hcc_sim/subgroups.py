"""Subgroups: patients parted by what is true of them at their start."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import TYPE_CHECKING

from hcc_sim.pathway.hcc import ATTRIBUTES, DERIVED_AT_START
from hcc_sim.pathway.model import Bernoulli, Mark, Ordered, Value

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Subgroup:
    """Patients whose attribute is, at their start, `low` or more and below `high`."""

    name: str
    attribute: str
    low: float
    high: float

    def holds(self, values: NDArray[np.float64]) -> NDArray[np.bool_]:
        """(n,) who belongs to it, by values of the attribute."""
        return (values >= self.low) & (values < self.high)


def subgroups_by(attribute: str, cuts: Sequence[float]) -> tuple[Subgroup, ...]:
    """The subgroups between rising cut points, the lowest first; they part all patients."""
    if list(cuts) == [1] and values_at_start()[attribute]:
        names = [f"not {attribute}", attribute]
    else:
        between = [f"from {_text(low)} to below {_text(high)}" for low, high in pairwise(cuts)]
        names = [f"{attribute} {n}" for n in (f"below {_text(cuts[0])}", *between, f"{_text(cuts[-1])} or more")]
    edges = pairwise((-math.inf, *map(float, cuts), math.inf))
    return tuple(Subgroup(name, attribute, *ends) for name, ends in zip(names, edges, strict=True))


@cache
def values_at_start() -> Mapping[str, bool]:
    """The attributes that differ between patients at their start, and whether each is 0 or 1."""
    given: dict[str, list[Value]] = {name: [value] for name, value in ATTRIBUTES.items()}
    for action in DERIVED_AT_START:
        if not isinstance(action, Mark):
            given[action.attribute].append(action.value)
    constant = {name for name, values in given.items() if len(values) == 1 and isinstance(values[0], int | float)}
    return {name: all(map(_is_0_or_1, values)) for name, values in given.items() if name not in constant}


def _is_0_or_1(value: Value) -> bool:
    match value:
        case Bernoulli():
            return True
        case Ordered():
            return value.lowest == 0.0 and len(value.onward) == 1
        case _:
            return value in (0, 1)


def _text(cut: float) -> str:
    """As short as tells it from every other."""
    short = f"{cut:g}"
    return short if float(short) == cut else repr(cut)
