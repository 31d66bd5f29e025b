"""What is counted of a patient's stays so that it can be priced: resources used, and time in better or worse health.

Data only, and no prices: `quantities` counts, `valuing` prices.  What a rule is about is told by states, by attributes
that stays show, and by what ends a stay.  A price, a utility or a loss is the name of a parameter or a number.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from hcc_sim.pathway.model import Amount

CATEGORIES = (
    "drug",
    "liver-directed procedure",
    "surgery",
    "complication",
    "adverse event",
    "monitoring",
    "later lines",
    "end of life",
    "hospital days",
)
"""Of costs; in the order in which they are shown."""


@dataclass(frozen=True, kw_only=True)
class _Item:
    """A resource: `price` for each unit of it, times `amount` units each time."""

    name: str
    category: str
    price: Amount
    amount: Amount = 1.0

    def __post_init__(self) -> None:
        if self.category not in CATEGORIES:
            raise ValueError(f"{self.name!r}: category {self.category!r} is none of {', '.join(CATEGORIES)}")


@dataclass(frozen=True, kw_only=True)
class _While(_Item):
    """Used while a patient is in one of `states` (anywhere, if empty) and `shown` holds: attribute -> truth."""

    states: tuple[str, ...] = ()
    shown: Mapping[str, bool] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class PerMonth(_While):
    """Priced by the month."""

    unit = "months"


@dataclass(frozen=True, kw_only=True)
class PerCycle(_While):
    """Priced by the cycle: one as a span begins and one every `interval_months` while it lasts.

    A span is time without a break in which the rule holds; of all cycles of a patient the first `most` count.
    """

    interval_months: Amount
    most: Amount = float("inf")
    unit = "cycles"


@dataclass(frozen=True, kw_only=True)
class PerEvent(_Item):
    """Priced each time that a stay ends by one of `ended_by`, or leads into one of `entering`, if `shown` held in it.

    Beginning in a state is coming into it; an exit in place, or an arm that leads back, is not.  Of all times of a
    patient the first `most` count.
    """

    ended_by: tuple[str, ...] = ()
    entering: tuple[str, ...] = ()
    shown: Mapping[str, bool] = field(default_factory=dict)
    most: Amount = float("inf")
    unit = "events"

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.ended_by and not self.entering:
            raise ValueError(f"{self.name!r} can never happen: it names neither states to enter nor exits to end by")


Item = PerMonth | PerCycle | PerEvent


@dataclass(frozen=True, kw_only=True)
class Health:
    """A health state in which a year counts `utility` QALYs; of all that apply the first counts."""

    name: str
    utility: Amount
    states: tuple[str, ...] = ()
    shown: Mapping[str, bool] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Decrement:
    """Utility that is lost for some months from an event on, or until death; each time that it happens."""

    name: str
    loss: Amount
    months: Amount
    ended_by: tuple[str, ...] = ()
    entering: tuple[str, ...] = ()


@dataclass(frozen=True)
class Rules:
    """All that is counted."""

    items: tuple[Item, ...]
    health: tuple[Health, ...]
    decrements: tuple[Decrement, ...] = ()

    def __post_init__(self) -> None:
        for kind in (self.items, self.health, self.decrements):
            if twice := [name for name, count in Counter(one.name for one in kind).items() if count > 1]:
                raise ValueError(f"named twice: {', '.join(map(repr, twice))}")
        if not self.health or self.health[-1].states or self.health[-1].shown:
            raise ValueError("the last health state must hold for everybody: no states, nothing shown")
