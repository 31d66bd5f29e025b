"""Estimates as tables: rows, to be written and shown as they are, and frames for those who go on with pandas.

Nothing here imports pandas before somebody asks for a frame: a run that only writes files does without it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Generic, NamedTuple, TypeVar

from hcc_sim.outcomes.definitions import reported_for
from hcc_sim.outcomes.estimates import Estimates, check_comparable, curve, estimates_of, incidence
from hcc_sim.outcomes.tally import Tally

if TYPE_CHECKING:
    import pandas as pd


class Told(NamedTuple):
    """An outcome under a strategy; low and high are value -+ 1.96 mc_se."""

    strategy: str
    population: str
    outcome: str
    value: float
    mc_se: float
    low: float
    high: float
    unit: str


class Contrast(NamedTuple):
    """An outcome under `strategy` minus the same under `versus`."""

    population: str
    outcome: str
    strategy: str
    versus: str
    difference: float
    mc_se: float
    low: float
    high: float
    unit: str


class Point(NamedTuple):
    """A point of a curve."""

    strategy: str
    population: str
    outcome: str
    months: float
    value: float
    low: float
    high: float


class Incident(NamedTuple):
    """A point of the incidence of a cause: the share to whom it has happened by then."""

    strategy: str
    population: str
    cause: str
    months: float
    value: float
    low: float
    high: float


Row = TypeVar("Row", bound=tuple[object, ...])


@dataclass(frozen=True)
class Table(Generic[Row]):
    """Rows with the names of their fields."""

    columns: tuple[str, ...]
    rows: Sequence[Row]

    def frame(self) -> pd.DataFrame:
        """The same for pandas."""
        import pandas as pd

        return pd.DataFrame(self.rows, columns=list(self.columns))


def summary_table(found: Estimates) -> Table[Told]:
    """One row for each strategy, population and outcome."""
    rows = [
        Told(strategy, e.population, e.outcome, *e.with_interval(), e.unit)
        for strategy, of_one in found.items()
        for e in of_one
    ]
    return Table(Told._fields, rows)


def contrast_table(found: Estimates) -> Table[Contrast]:
    """One row for each population, outcome and pair of strategies.

    Of each pair the later in order is `strategy`, the earlier `versus`.  An outcome that is left out under one
    strategy has no contrast.  Whether both describe the same patients is told by `same_patients`.
    """
    by_outcome = {strategy: {(e.population, e.outcome): e for e in of_one} for strategy, of_one in found.items()}
    rows = []
    for key in dict.fromkeys(key for of_one in by_outcome.values() for key in of_one):
        for versus, strategy in combinations(found, 2):
            one, other = (by_outcome[name].get(key) for name in (strategy, versus))
            if one is not None and other is not None:
                rows.append(Contrast(*key, strategy, versus, *(one - other).with_interval(), one.unit))
    return Table(Contrast._fields, rows)


def curve_table(tallies: Mapping[str, Tally]) -> Table[Point]:
    """Survival without the endpoint at the end of at most 500 days, within the population's follow-up.

    Points stand closer in early months (day proportional to the square of its number) and are the same for all
    strategies.  ValueError if the strategies cannot be compared.
    """
    check_comparable(tallies)
    rows: list[Point] = []
    for strategy, tally in tallies.items():
        for population in tally.definitions.populations:
            for endpoint in reported_for(population, tally.definitions.endpoints):
                numbers = (column.tolist() for column in curve(tally, population, endpoint))
                names = (strategy, population.name, endpoint.name)
                rows += [Point(*names, *point) for point in zip(*numbers, strict=True)]
    return Table(Point._fields, rows)


def incidence_table(tallies: Mapping[str, Tally]) -> Table[Incident]:
    """The incidence of each share over time, at the same points as curves.

    Causes of death that leave none out sum to 1 minus overall survival.  ValueError if the strategies cannot be
    compared.
    """
    check_comparable(tallies)
    rows: list[Incident] = []
    for strategy, tally in tallies.items():
        for population in tally.definitions.populations:
            for share in reported_for(population, tally.definitions.shares):
                if share.over_time:
                    numbers = (column.tolist() for column in incidence(tally, population, share))
                    names = (strategy, population.name, share.name)
                    rows += [Incident(*names, *point) for point in zip(*numbers, strict=True)]
    return Table(Incident._fields, rows)


def summary(tallies: Mapping[str, Tally]) -> pd.DataFrame:
    """One row for each strategy, population and outcome: value, mc_se, low, high (value -+ 1.96 mc_se), unit."""
    return summary_table(estimates_of(tallies)).frame()


def contrasts(tallies: Mapping[str, Tally]) -> pd.DataFrame:
    """One row for each population, outcome and pair of strategies: difference = `strategy` minus `versus`."""
    return contrast_table(estimates_of(tallies)).frame()


def curves(tallies: Mapping[str, Tally]) -> pd.DataFrame:
    """Survival without each endpoint: strategy, population, outcome, months, value, low, high."""
    return curve_table(tallies).frame()
