"""What every question to a scenario shares: what it is about, how large it is, its axes; and how it is answered."""

from __future__ import annotations

import math
import os
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, TypeVar

import numpy as np

from hcc_sim.analyses import grid
from hcc_sim.analyses.grid import Axis, Span
from hcc_sim.analyses.one_way import BASE, pair_of
from hcc_sim.analyses.study.design import Design
from hcc_sim.analyses.study.execute import Local, Told, Workers
from hcc_sim.analyses.study.folder import locked
from hcc_sim.analyses.study.measured import Measures, measures_of
from hcc_sim.analyses.study.objective import Objective, objective_of
from hcc_sim.analyses.study.sizes import Split, pilot, population_in
from hcc_sim.analyses.study.study import Study
from hcc_sim.analyses.study.table import DrawTable
from hcc_sim.analyses.study.uncertain import Uncertain, chosen
from hcc_sim.analyses.study.worlds import Worlds
from hcc_sim.errors import InputError, Problem, nearest
from hcc_sim.history import BLOCK
from hcc_sim.scenario import Scenario

R = TypeVar("R")

MOST_HISTORIES = 1e11
"""Of a study: beyond it somebody has mistyped a number."""

HISTORIES_A_SECOND = 300_000.0
"""Of one processor, about: simulated and valued."""

SECONDS_A_DAY = 86_400.0


@dataclass(frozen=True)
class Question(Generic[R]):
    """A study and how its table is read; `split` is what a pilot said, where sizes were not given."""

    study: Study
    read: Callable[[DrawTable], R]
    split: Split | None = None
    errors: bool = False
    called: str = ""
    objective: Objective | None = None
    asked: Mapping[str, Any] = field(default_factory=dict)
    """What the reading hangs on besides the draws, for JSON."""

    def answer(
        self, folder: Path | str | None = None, workers: Workers | None = None, told: Told = lambda done, of: None
    ) -> R:
        """Run what a folder lacks, and read it.

        Args:
            folder: of the study, which may be there; by default one that is removed.
            workers: where runs go, by default all processors of this machine.
            told: of progress.

        Raises:
            InputError: the folder holds something else, or a draw cannot be run.
            Interrupted: by Ctrl-C; finished draws are kept.
        """
        if folder is None:
            with tempfile.TemporaryDirectory() as temporary:
                return self.answer(temporary, workers, told)
        place = Path(folder)
        with locked(place):
            return self.within(place, workers, told)

    def within(self, place: Path, workers: Workers | None = None, told: Told = lambda done, of: None) -> R:
        """The same in a folder that is locked already."""
        parts = self.study.folder(place)
        self.study.run(parts, workers or Local(os.cpu_count() or 1), told)
        table = self.study.table(parts, errors=self.errors)
        if self.objective is not None:
            _check_known(self.objective, table)
        return self.read(table)

    @property
    def name(self) -> str:
        """Of the question: its study's analysis, or the reading's where it has draws of another."""
        return self.called or self.study.analysis

    @property
    def sizes(self) -> str:
        """How many draws and patients, and why."""
        study = self.study
        if self.split is None:
            return f"{study.design.draws:,} draws of {study.patients:,} patients, as given."
        same = study.design.same_patients
        return self.split.sentence(study.patients, study.design.draws, same_patients=same)


@dataclass(frozen=True)
class Ground:
    """What every question begins with."""

    scenario: Scenario
    worlds: Worlds
    measures: Measures
    objective: Objective


def ground_of(
    scenario: Scenario,
    outcomes: Sequence[str],
    threshold: float | None = None,
    *,
    by_subgroup: bool = False,
) -> Ground:
    """The first of the outcomes is the objective; by default net benefit, or survival."""
    if threshold is not None and not 0.0 <= threshold < math.inf:
        raise InputError(Problem("--threshold", None, "", f"given {threshold:g}; accepted: a number of 0 or more"))
    kept = [name for name in outcomes if name.casefold() not in ("net benefit", "net monetary benefit", "survival")]
    measures = measures_of(scenario, population_in(scenario), kept, by_subgroup=by_subgroup)
    objective = objective_of(scenario, measures, outcomes[0] if outcomes else None, threshold, "--outcome")
    return Ground(scenario, Worlds(scenario), measures, objective)


def _least_patients(scenario: Scenario, patients: int | None) -> int:
    """So many that every row of a file is in every draw."""
    if scenario.patients is None:
        return 1
    least = -(-scenario.patients.rows // BLOCK) * BLOCK
    if patients is not None and patients < least:
        told = (
            f"given {patients:,}; the file of patients has {scenario.patients.rows:,} rows, and every draw is to have "
            f"all of them; accepted: {least:,} or more"
        )
        raise InputError(Problem("--patients", None, "", told))
    return least


def _check_known(objective: Objective, table: DrawTable) -> None:
    """Raises InputError where the objective is not known in some draw: a reading would be of nothing."""
    values = objective.values(table)
    if not np.isnan(values).any():
        return
    draw, strategy = (int(place) for place in np.argwhere(np.isnan(values))[0])
    told = (
        f"is not known under '{table.shape.strategies[strategy]}' in draw {draw} "
        f"({int(np.isnan(values).any(axis=1).sum())} of {table.draws} draws): more patients, a longer horizon or "
        "another outcome may tell; the draws are kept"
    )
    raise InputError(Problem("--outcome", None, objective.name, told))


def sized(
    ground: Ground, design_of: Callable[[], Design], draws: int, patients: int | None, *, same_patients: bool = True
) -> tuple[Design, int, Split | None]:
    """The design with so many patients in each draw, by a pilot if nobody says."""
    if patients is not None and (patients < BLOCK or patients % BLOCK):
        told = f"given {patients:,}; accepted: a multiple of {BLOCK:,}, for sums are formed so many at a time"
        raise InputError(Problem("--patients", None, "", told))
    strategies = len(ground.scenario.strategies)
    check_size(draws * (patients or 1_000) * strategies)
    least = _least_patients(ground.scenario, patients)
    split = None
    if patients is None:
        split = pilot(ground.scenario, ground.worlds, ground.measures, ground.objective, same_patients=same_patients)
    count = patients or max(split.patients if split else 1, least)
    check_size(draws * count * strategies)
    return design_of(), count, split


def check_size(histories: float) -> None:
    """Raises InputError where so many histories are a slip of the pen."""
    if histories > MOST_HISTORIES:
        days = histories / HISTORIES_A_SECOND / SECONDS_A_DAY
        told = (
            f"{histories:.3g} histories would take some {days:,.0f} days of one processor; "
            f"accepted: up to {MOST_HISTORIES:.0e}. Fewer draws, values or patients make it smaller"
        )
        raise InputError(Problem("size", None, "", told))


def objectives_of(ground: Ground, outcomes: Sequence[str]) -> tuple[Objective, ...]:
    """The objective, then net benefit at every threshold, and every outcome that is kept."""
    found = [ground.objective]
    if ground.scenario.terms is not None:
        for value in ground.scenario.terms.thresholds:
            found.append(objective_of(ground.scenario, ground.measures, "net benefit", value))
    found += [objective_of(ground.scenario, ground.measures, name) for name in ground.measures.outcomes]
    unique: list[Objective] = []
    for one in found:
        if one not in unique:
            unique.append(one)
    return tuple(unique)


def asked_of(ground: Ground, strategy: str | None = None, versus: str | None = None) -> dict[str, Any]:
    """What a reading hangs on besides the draws."""
    one = ground.objective
    return {"objective": [one.name, one.threshold], "strategy": strategy, "versus": versus}


def pair_asked_for(
    scenario: Scenario,
    table: DrawTable,
    objective: Objective,
    strategy: str | None,
    versus: str | None,
    draw: int = BASE,
) -> tuple[str, str]:
    """The strategies that a contrast is about; by default the best and the worst."""
    best, worst = pair_of(table, objective, draw)
    return strategy or (best if best != versus else worst), versus or (worst if worst != strategy else best)


def check_strategies(scenario: Scenario, **options: str | None) -> None:
    """Raises InputError where an option names no strategy, or both name the same."""
    names = [strategy.name for strategy in scenario.strategies]
    for option, name in options.items():
        if name is not None and name not in names:
            told = f"unknown strategy '{name}'. {nearest(name, names)} Accepted: {', '.join(names)}"
            raise InputError(Problem(f"--{option}", None, "", " ".join(told.split())))
    given = [name for name in options.values() if name is not None]
    if len(given) > len(set(given)):
        raise InputError(Problem("--versus", None, given[0], "is compared with itself; name two strategies"))


def axes_of(ground: Ground, named: Mapping[str, Sequence[float] | Span], points: int) -> list[Axis]:
    """The parameters of these names with their values: listed, even steps over a span, or over their own interval.

    Raises:
        InputError: an unknown parameter, a held one without values, values that cannot be or do not rise.
    """
    found = []
    for quantity in chosen(ground.scenario, ground.worlds.uncertain, named, "parameter", held=True):
        values = next(v for name, v in named.items() if name in (quantity.name, quantity.parameter))
        if isinstance(values, Span) or not values:
            found.append(range_of(quantity, values if isinstance(values, Span) else None, points))
            continue
        if sorted(set(values)) != list(values):
            told = "its values do not rise, or one is there twice"
            raise InputError(Problem("parameter", None, quantity.name, told))
        for value in values:
            quantity.check(value, "parameter")
        found.append(Axis(quantity, tuple(values)))
    return found


def range_of(quantity: Uncertain, span: Span | None, points: int) -> Axis:
    """Even steps over a span, or over a quantity's own interval."""
    if points < 2:
        raise InputError(Problem("--points", None, "", f"given {points}; accepted: 2 or more"))
    if span is None:
        prior = quantity.distribution
        if prior.family == "fixed":
            told = f"is held or decided, so it has no interval of its own; give one, as in '{quantity.name}=LOW..HIGH'"
            raise InputError(Problem("parameter", None, quantity.name, told))
        span = Span(prior.low, prior.high)
    low, high = span
    for value in span:
        quantity.check(value, "parameter")
    if not low < high:
        what = "empty" if low == high else "inverted"
        told = f"the range {quantity.text(low)} to {quantity.text(high)} is {what}; its first end must be the lower"
        raise InputError(Problem("parameter", None, quantity.name, told))
    if not math.isfinite(high):
        told = (
            f"the range {quantity.text(low)} to {quantity.text(high)} has no end; list values instead, as 'A,B,never'"
        )
        raise InputError(Problem("parameter", None, quantity.name, told))
    return Axis(quantity, grid.between(quantity, low, high, points))
