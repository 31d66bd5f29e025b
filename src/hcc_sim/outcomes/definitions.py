"""What is asked of a history: populations with their time zero, endpoints, shares and times.  Data only.

A thing *happens* where a stay ends by one of the exits `ended_by`, or where a patient comes into one of the states
`entering`.  Being in a state at the very start of the record is coming into it.  An in-place exit, or a branch that
sends a patient `back`, reads like coming into the state; since only the first time counts, and he came into it before,
this moves nothing, unless his time zero is in between.
"""

import math
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

TO_HORIZON = math.inf
"""The restriction time that stands for the horizon, whatever it is."""


@dataclass(frozen=True)
class Population:
    """Whose outcomes, and from when: everybody from the start, or those who come into `entering`, from the first time.

    Time zero is a place in the record, not only a time: what happened earlier on the way at the same instant is past.
    Who comes later than `latest_months` does not belong.  Of all others the fate is noted, up to their coming into
    `others_until` if they do, so that it can be said whether strategies differ there.
    """

    name: str
    meaning: str
    entering: str | None = None
    latest_months: float = math.inf
    others_until: str | None = None
    subgroup: str | None = None
    """Of these only the members of the subgroup of this name; who they are is told with the stays."""


@dataclass(frozen=True, kw_only=True)
class _Reported:
    """What is reported has a name and a meaning, and is reported for the populations `of`; for all if that is empty."""

    name: str
    meaning: str
    of: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class _Happening(_Reported):
    entering: tuple[str, ...] = ()
    ended_by: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for field, names in (("entering", self.entering), ("ended_by", self.ended_by)):
            if isinstance(names, str):
                raise TypeError(f"'{self.name}': {field} is a tuple of names, not one text: ({names!r},)")
        if not self.entering and not self.ended_by:
            raise ValueError(f"'{self.name}' can never happen: it names neither states to enter nor exits to end by")


@dataclass(frozen=True, kw_only=True)
class Endpoint(_Happening):
    """The months from time zero until it first happens; whoever the horizon finds without it has not had it."""


@dataclass(frozen=True, kw_only=True)
class Share(_Happening):
    """The share of patients to whom it ever happens, from time zero to the horizon; with `never` to whom it does not.

    With `among` the share is of those patients only who also count in the share of that name.  With `over_time` its
    incidence is told too: the share to whom it has happened by each time.
    """

    among: str | None = None
    never: bool = False
    over_time: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.over_time and (self.never or self.among):
            raise ValueError(f"'{self.name}': the incidence of what never happens, or among some, is not told")


@dataclass(frozen=True, kw_only=True)
class TimeIn(_Reported):
    """Mean months from time zero spent in any of the states."""

    states: tuple[str, ...]

    def __post_init__(self) -> None:
        if isinstance(self.states, str) or not self.states:
            raise TypeError(f"'{self.name}': states is a tuple of at least one name")


R = TypeVar("R", bound=_Reported)


@dataclass(frozen=True)
class Definitions:
    """Everything that is asked, with the times at which survival is read off and to which means are restricted.

    Histories end at the horizon, counted from the start.  Who belongs to a population from a later time zero is
    followed for less, and not everybody for the same time.  The rule is one common follow-up: a landmark, a median, a
    restricted mean or a time in states is reported only if it lies within the shortest follow-up of the population's
    members (`TO_HORIZON`, so, only where all are followed from the start).  Shares are reported always; they mean
    "before the horizon", a date counted from the patient's start.
    """

    populations: tuple[Population, ...]
    endpoints: tuple[Endpoint, ...] = ()
    shares: tuple[Share, ...] = ()
    times: tuple[TimeIn, ...] = ()
    landmarks_months: tuple[float, ...] = (12, 24, 36, 60, 120)
    restrictions_months: tuple[float, ...] = (60, 120, 240, TO_HORIZON)

    def __post_init__(self) -> None:
        populations = [p.name for p in self.populations]
        reported: list[_Reported] = [*self.endpoints, *self.shares, *self.times]
        for names in (populations, [r.name for r in reported]):
            if twice := [name for name, count in Counter(names).items() if count > 1]:
                raise ValueError(f"defined twice: {', '.join(twice)}")
        if unknown := {name for r in reported for name in r.of} - set(populations):
            raise ValueError(f"reported for populations that are not defined: {', '.join(sorted(unknown))}")
        if unknown := {s.among for s in self.shares if s.among} - {s.name for s in self.shares}:
            raise ValueError(f"a share among shares that are not defined: {', '.join(sorted(unknown))}")
        if not all(0 < t < math.inf for t in self.landmarks_months) or not all(t > 0 for t in self.restrictions_months):
            raise ValueError("landmarks and restriction times are positive numbers of months; landmarks are finite")

    def landmarks_within(self, horizon_months: float) -> tuple[float, ...]:
        """The landmarks that a patient followed from the start can reach, in rising order."""
        return tuple(sorted({float(t) for t in self.landmarks_months if t <= horizon_months}))

    def restrictions_within(self, horizon_months: float) -> tuple[float, ...]:
        """The restriction times up to the horizon, in rising order, `TO_HORIZON` replaced by it."""
        times = (horizon_months if t == TO_HORIZON else float(t) for t in self.restrictions_months)
        return tuple(sorted({t for t in times if t <= horizon_months}))


def reported_for(population: Population, what: tuple[R, ...]) -> list[R]:
    """Those of the endpoints, shares or times that are reported for this population, in order."""
    return [r for r in what if not r.of or population.name in r.of]


def with_subgroups(definitions: Definitions, subgroups: Sequence[str]) -> Definitions:
    """The same, asked also of each subgroup of each population: 'converted, age below 60', after all populations."""
    parts = {
        whole.name: [replace(whole, name=f"{whole.name}, {name}", subgroup=name) for name in subgroups]
        for whole in definitions.populations
    }

    def also_of_parts(what: tuple[R, ...]) -> tuple[R, ...]:
        return tuple(replace(r, of=(*r.of, *(part.name for of in r.of for part in parts[of]))) for r in what)

    return replace(
        definitions,
        populations=(*definitions.populations, *(part for of_one in parts.values() for part in of_one)),
        endpoints=also_of_parts(definitions.endpoints),
        shares=also_of_parts(definitions.shares),
        times=also_of_parts(definitions.times),
    )


def only(definitions: Definitions, outcomes: Collection[tuple[str, str]]) -> Definitions:
    """What it takes to tell these outcomes (population and name, as estimates name them), and little else."""
    populations = {population for population, _ in outcomes}
    names = {name for _, name in outcomes}
    times = {name.rpartition(" to ")[2] for name in names if " to " in name}

    def wanted(what: tuple[R, ...]) -> tuple[R, ...]:
        ours = (r for r in what if r.name in names or any(name.startswith(f"{r.name}: ") for name in names))
        return tuple(replace(r, of=tuple(p for p in r.of if p in populations)) for r in ours)

    shares = wanted(definitions.shares)
    among = {share.among for share in shares if share.among}
    return replace(
        definitions,
        populations=tuple(p for p in definitions.populations if p.name in populations),
        endpoints=wanted(definitions.endpoints),
        shares=tuple(s for s in definitions.shares if s.name in among and s not in shares) + shares,
        times=wanted(definitions.times),
        restrictions_months=tuple(
            t for t in definitions.restrictions_months if t == TO_HORIZON or f"{t:g} months" in times
        ),
    )
