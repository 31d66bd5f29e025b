"""What is counted of a patient's stays so that it can be priced: resources used, and time in better or worse health.

Data only, and no prices: `quantities` counts, `valuing` prices.  What a rule is about is told by states, by attributes
that stays show, and by what ends a stay.  A price, a utility or a loss is the name of a parameter or a number.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from hcc_sim.economics.doses import Packs
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
    """A resource: `price` for each unit of it, times `amount` units each time (or the packs of a dose)."""

    name: str
    category: str
    price: Amount
    amount: Amount | Packs = 1.0

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
    """Priced by the cycle: one `after_months` into a span and one every `interval_months`, for `until_months` of it.

    A span is time without a break in which the rule holds; with `each_entry` it breaks where a state is entered anew.
    Of all cycles of a patient the first `most` count.  An interval of `never` gives the first alone.
    """

    interval_months: Amount
    after_months: Amount = 0.0
    until_months: Amount = float("inf")
    each_entry: bool = False
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
    lost_share_per_year: Amount = 0.0
    """Of every utility, for each year since the start: what ageing takes."""

    def __post_init__(self) -> None:
        for kind in (self.items, self.health, self.decrements):
            if twice := [name for name, count in Counter(one.name for one in kind).items() if count > 1]:
                raise ValueError(f"named twice: {', '.join(map(repr, twice))}")
        if not self.health or self.health[-1].states or self.health[-1].shown:
            raise ValueError("the last health state must hold for everybody: no states, nothing shown")

    @property
    def counted_by(self) -> frozenset[str]:
        """Names of parameters that say how often something counts, or for how long."""
        return frozenset(name for one in (*self.items, *self.decrements) for name in _named(one, _COUNTS))

    @property
    def valued_by(self) -> frozenset[str]:
        """Names of parameters that say what something that was counted is worth."""
        ones = (*self.items, *self.health, *self.decrements, self)
        return frozenset(name for one in ones for name in _named(one, _VALUES))

    @property
    def revalued_by(self) -> frozenset[str]:
        """Names of parameters that can change without counting anew."""
        return self.valued_by - self.counted_by

    def uses(self) -> dict[str, tuple[str, ...]]:
        """Parameter -> names of what uses it, in order."""
        found: dict[str, dict[str, None]] = {}
        for one in (*self.items, *self.health, *self.decrements):
            for name in _named(one, (*_COUNTS, *_VALUES)):
                found.setdefault(name, {})[one.name] = None
        for name in _named(self, _VALUES):
            found.setdefault(name, {})["every health state"] = None
        return {name: tuple(users) for name, users in found.items()}


_COUNTS = ("interval_months", "after_months", "until_months", "most", "months")
_VALUES = ("price", "amount", "utility", "loss", "lost_share_per_year")


def _named(one: object, fields: Sequence[str]) -> Iterator[str]:
    """The names of parameters among these fields, and among those of a dose."""
    for name in fields:
        value = getattr(one, name, None)
        if isinstance(value, Packs):
            yield from _named(value, ("dose", "shared", "kg_mean", "kg_sd"))
        elif isinstance(value, str):
            yield value
