"""Questions to a scenario that a study answers: each is a design, and a reading of the table of its draws.

`one_way(scenario).answer(folder)` runs what the folder lacks and reads it; without a folder draws are not kept.
"""

from __future__ import annotations

import math
import os
import tempfile
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Generic, TypeVar

import numpy as np

from hcc_sim.analyses import grid, optimal_timing, screening
from hcc_sim.analyses import one_way as one_way_analysis
from hcc_sim.analyses import threshold as thresholds
from hcc_sim.analyses.grid import Axis, Grid
from hcc_sim.analyses.morris import MorrisDesign
from hcc_sim.analyses.one_way import OneWay, pair_of
from hcc_sim.analyses.optimal_timing import OptimalTiming
from hcc_sim.analyses.psa import DRAWS, Probabilistic
from hcc_sim.analyses.screening import Screening
from hcc_sim.analyses.sobol import SobolDesign
from hcc_sim.analyses.study.design import Design, Listed, joint_draws
from hcc_sim.analyses.study.execute import Local, Told, Workers
from hcc_sim.analyses.study.folder import locked
from hcc_sim.analyses.study.measured import Measures, measures_of
from hcc_sim.analyses.study.objective import Objective, objective_of
from hcc_sim.analyses.study.runs import Runner
from hcc_sim.analyses.study.sizes import Split, pilot, population_in
from hcc_sim.analyses.study.study import Study
from hcc_sim.analyses.study.table import DrawTable
from hcc_sim.analyses.study.uncertain import SOURCES, STRUCTURE, Uncertain, chosen
from hcc_sim.analyses.study.worlds import Worlds
from hcc_sim.analyses.threshold import Thresholds
from hcc_sim.analyses.timing import DELAYS_MONTHS, DIAL, swept_over
from hcc_sim.analyses.timing import timing as sweep
from hcc_sim.analyses.turning import OF_CHOICES, TIMING_ASSUMPTIONS
from hcc_sim.analyses.voi import Information, Population
from hcc_sim.economics.partial_information import FEWEST_DRAWS
from hcc_sim.errors import InputError, Problem, nearest
from hcc_sim.history import BLOCK
from hcc_sim.outcomes.hcc import WITHIN_MONTHS
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
class _Ground:
    """What every question begins with."""

    scenario: Scenario
    worlds: Worlds
    measures: Measures
    objective: Objective


def _ground(
    scenario: Scenario,
    outcomes: Sequence[str],
    threshold: float | None = None,
    *,
    by_subgroup: bool = False,
) -> _Ground:
    """The first of the outcomes is the objective; by default net benefit, or survival."""
    if threshold is not None and not 0.0 <= threshold < math.inf:
        raise InputError(Problem("--threshold", None, "", f"given {threshold:g}; accepted: a number of 0 or more"))
    kept = [name for name in outcomes if name.casefold() not in ("net benefit", "net monetary benefit", "survival")]
    measures = measures_of(scenario, population_in(scenario), kept, by_subgroup=by_subgroup)
    objective = objective_of(scenario, measures, outcomes[0] if outcomes else None, threshold, "--outcome")
    return _Ground(scenario, Worlds(scenario), measures, objective)


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


def _sized(
    ground: _Ground, design_of: Callable[[], Design], draws: int, patients: int | None, *, same_patients: bool = True
) -> tuple[Design, int, Split | None]:
    """The design with so many patients in each draw, by a pilot if nobody says."""
    strategies = len(ground.scenario.strategies)
    _check_size(draws * (patients or 1_000) * strategies)
    least = _least_patients(ground.scenario, patients)
    split = None
    if patients is None:
        split = pilot(ground.scenario, ground.worlds, ground.measures, ground.objective, same_patients=same_patients)
    count = patients or max(split.patients if split else 1, least)
    _check_size(draws * count * strategies)
    return design_of(), count, split


def _check_size(histories: float) -> None:
    if histories > MOST_HISTORIES:
        days = histories / HISTORIES_A_SECOND / SECONDS_A_DAY
        told = (
            f"{histories:.3g} histories would take some {days:,.0f} days of one processor; "
            f"accepted: up to {MOST_HISTORIES:.0e}. Fewer draws, values or patients make it smaller"
        )
        raise InputError(Problem("size", None, "", told))


def psa(
    scenario: Scenario,
    draws: int = DRAWS,
    patients: int | None = None,
    outcomes: Sequence[str] = (),
    sources: Collection[str] = (),
) -> Question[Probabilistic]:
    """Everything uncertain drawn at once, or what comes from some sources only.

    Raises:
        InputError: an unknown source or outcome, too many histories, a fit without draws.
    """
    ground = _ground(scenario, outcomes)
    for source in sources:
        if source not in SOURCES:
            told = f"{nearest(source, SOURCES)} Accepted: {', '.join(SOURCES)}"
            raise InputError(Problem("--sources", None, source, f"is no source of uncertainty. {told}"))

    def design() -> Design:
        return joint_draws(scenario, ground.worlds.uncertain, draws, sources=set(sources) or None)

    drawn, count, split = _sized(ground, design, draws, patients, same_patients=False)
    study = Study("psa", scenario, drawn, ground.measures, count)
    objective = None if scenario.terms is not None else ground.objective
    return Question(study, lambda table: Probabilistic(study, table, _base_case(study)), split, objective=objective)


def _base_case(study: Study) -> DrawTable:
    """One draw of the base case, with the scenario's own patients."""
    task = replace(study.task, patients=study.scenario.size, same_patients=True, columns=(), unknowns=())
    done = Runner(task).run(Listed((), np.empty((1, 0))).rows(0, 1), threads=os.cpu_count() or 1)
    base = replace(study, design=Listed((), np.empty((1, 0))))
    return base.table_of([done])


def voi(
    scenario: Scenario,
    draws: int = DRAWS,
    patients: int | None = None,
    population: Population | None = None,
) -> Question[Information]:
    """What knowing is worth, on the draws of a psa.

    Raises:
        InputError: as `psa`; the scenario has no economics.
    """
    if scenario.terms is None:
        told = "has no economics: without prices and thresholds there is no value of information"
        raise InputError(Problem(str(scenario.files[0]), None, "economics", told))
    if draws < FEWEST_DRAWS:
        told = f"given {draws}; accepted: {FEWEST_DRAWS} or more, for what knowing is worth is told by regression"
        raise InputError(Problem("--draws", None, "", told))
    asked = psa(scenario, draws, patients)
    known = Worlds(scenario).uncertain

    def read(table: DrawTable) -> Information:
        return Information(asked.read(table), known, population)

    return Question(asked.study, read, asked.split, called="voi", asked={"population": population})


def one_way(
    scenario: Scenario,
    parameters: Sequence[str] = (),
    patients: int | None = None,
    outcomes: Sequence[str] = (),
    threshold: float | None = None,
    strategy: str | None = None,
    versus: str | None = None,
) -> Question[OneWay]:
    """Each parameter, by default every uncertain one, to either end of its own interval.

    Raises:
        InputError: an unknown parameter, outcome or strategy.
    """
    ground = _ground(scenario, outcomes, threshold)
    known = ground.worlds.uncertain
    quantities = tuple(chosen(scenario, known, parameters, "--parameters") if parameters else known.values())
    design, count, split = _sized(
        ground, lambda: one_way_analysis.design_of(quantities), 2 * len(quantities) + 1, patients
    )
    study = Study("dsa", scenario, design, ground.measures, count)

    def read(table: DrawTable) -> OneWay:
        best, other = _pair(scenario, table, ground.objective, strategy, versus)
        return OneWay(study, table, quantities, ground.objective, best, other)

    return Question(study, read, split, errors=True, objective=ground.objective, asked=_asked(ground, strategy, versus))


def two_way(
    scenario: Scenario,
    axes: Mapping[str, Sequence[float]],
    points: int = grid.POINTS,
    patients: int | None = None,
    outcomes: Sequence[str] = (),
    threshold: float | None = None,
    strategy: str | None = None,
    versus: str | None = None,
) -> Question[Grid]:
    """Every value of one parameter with every value of the others; by default even steps across its interval.

    Raises:
        InputError: an unknown parameter, a held one without values, values that cannot be or do not rise.
    """
    ground = _ground(scenario, outcomes, threshold)
    chosen_axes = tuple(_axes(ground, axes, points))
    sizes = math.prod(len(axis.values) for axis in chosen_axes)
    design, count, split = _sized(ground, lambda: grid.design_of(chosen_axes), sizes, patients)
    study = Study("two-way", scenario, design, ground.measures, count)

    def read(table: DrawTable) -> Grid:
        middle = table.draws // 2
        best, other = _pair(scenario, table, ground.objective, strategy, versus, middle)
        return Grid(study, table, chosen_axes, ground.objective, best, other)

    return Question(study, read, split, errors=True, objective=ground.objective, asked=_asked(ground, strategy, versus))


def threshold(
    scenario: Scenario,
    ranges: Mapping[str, Sequence[float]],
    points: int = thresholds.POINTS,
    patients: int | None = None,
    outcomes: Sequence[str] = (),
    at: float | None = None,
) -> Question[Thresholds]:
    """Along each parameter, by default what timing hangs on, where another strategy becomes the best.

    Args:
        scenario: what is asked about.
        ranges: parameter -> lowest and highest value, or none for its own interval.
        points: along each.
        patients: in each draw.
        outcomes: the first is the objective.
        at: willingness to pay for a QALY, by default the highest that the scenario names.

    Raises:
        InputError: an unknown parameter, a held one without a range, an empty or inverted range.
    """
    ground = _ground(scenario, outcomes, at)
    named = ranges or dict.fromkeys(_usual(scenario, ground.worlds.uncertain), ())
    axes = []
    for quantity in chosen(scenario, ground.worlds.uncertain, named, "parameter", held=True):
        ends = next(values for name, values in named.items() if name in (quantity.name, quantity.parameter))
        axes.append(_range(quantity, ends, points))
    draws = sum(len(axis.values) for axis in axes)
    design, count, split = _sized(ground, lambda: thresholds.design_of(axes), draws, patients)
    study = Study("threshold", scenario, design, ground.measures, count)

    def read(table: DrawTable) -> Thresholds:
        return Thresholds(study, table, tuple(axes), ground.objective)

    return Question(study, read, split, errors=True, objective=ground.objective, asked=_asked(ground))


def timing(
    scenario: Scenario,
    strategy: str = "",
    delays_months: Sequence[float] = (),
    intervals_months: Sequence[float] = (),
    draws: int = optimal_timing.DRAWS,
    patients: int | None = None,
) -> Question[OptimalTiming]:
    """Every delay of surgery, and every watching interval if some are named, in the same draws on the same patients.

    Raises:
        InputError: `--set` holds the delay; too many histories; a horizon too short to tell survival.
        KeyError: no strategy of that name.
    """
    if scenario.horizon_months <= WITHIN_MONTHS:
        told = "the horizon is too short to tell survival by delay: more than 10 years are needed"
        raise InputError(Problem(str(scenario.files[0]), None, "run.horizon", told))
    if DIAL in scenario.overrides:
        raise InputError(Problem("--set", None, DIAL, "is what is swept; give --delays instead"))
    delays = tuple(delays_months) or DELAYS_MONTHS
    swept = swept_over(scenario, strategy, delays, intervals_months)
    ground = _ground(swept, (), by_subgroup=bool(scenario.subgroups))

    def design() -> Design:
        return joint_draws(swept, ground.worlds.uncertain, draws, same_patients=True)

    drawn, count, split = _sized(ground, design, draws, patients)
    study = Study("timing", swept, drawn, ground.measures, count)
    chosen_strategy = strategy or scenario.strategies[0].name

    def read(table: DrawTable) -> OptimalTiming:
        base = sweep(scenario, chosen_strategy, delays)
        return OptimalTiming(study, table, chosen_strategy, base)

    return Question(study, read, split)


def sobol(
    scenario: Scenario,
    parameters: Sequence[str] = (),
    base: int = screening.BASE,
    patients: int | None = None,
    outcomes: Sequence[str] = (),
    threshold: float | None = None,
) -> Question[Screening]:
    """Shares of variance by Sobol's scheme, by default of what timing hangs on.

    Raises:
        InputError: an unknown parameter or outcome, a base that is not a power of two.
    """
    return _screening(scenario, "sobol", parameters, patients, outcomes, threshold, lambda names: SobolDesign(
        names, base, scenario.seed % 2**32), lambda p: base * (p + 2))  # fmt: skip


def morris(
    scenario: Scenario,
    parameters: Sequence[str] = (),
    trajectories: int = screening.TRAJECTORIES,
    levels: int = screening.LEVELS,
    patients: int | None = None,
    outcomes: Sequence[str] = (),
    threshold: float | None = None,
) -> Question[Screening]:
    """Elementary effects by Morris's scheme, by default of every uncertain parameter.

    Raises:
        InputError: an unknown parameter or outcome, a scheme that cannot be.
    """
    return _screening(scenario, "morris", parameters, patients, outcomes, threshold, lambda names: MorrisDesign(
        names, trajectories, levels, scenario.seed % 2**32), lambda p: trajectories * (p + 1))  # fmt: skip


def _screening(
    scenario: Scenario,
    analysis: str,
    parameters: Sequence[str],
    patients: int | None,
    outcomes: Sequence[str],
    threshold: float | None,
    scheme_of: Callable[[tuple[str, ...]], SobolDesign | MorrisDesign],
    draws_of: Callable[[int], int],
) -> Question[Screening]:
    ground = _ground(scenario, outcomes, threshold)
    known = ground.worlds.uncertain
    usual: Sequence[str] = tuple(known) if analysis == "morris" else _usual(scenario, known)
    quantities = chosen(scenario, known, parameters or usual, "--parameters")
    _check_size(float(draws_of(len(quantities))))
    try:
        scheme = scheme_of(tuple(one.name for one in quantities))
    except ValueError as error:
        raise InputError(
            Problem(f"--{'base' if analysis == 'sobol' else 'trajectories'}", None, "", str(error))
        ) from None
    design, count, split = _sized(
        ground, lambda: screening.design_of(quantities, scheme), draws_of(len(quantities)), patients
    )
    study = Study(analysis, scenario, design, ground.measures, count)
    objectives = _objectives(ground, outcomes)

    def read(table: DrawTable) -> Screening:
        mean = np.nanmean(ground.objective.values(table), axis=0)
        names = table.shape.strategies
        best, worst = ground.objective.best(mean), ground.objective.best(-mean)
        return Screening(study, table, scheme, objectives, names[best], names[worst])

    return Question(study, read, split, objective=ground.objective, asked=_asked(ground))


def _objectives(ground: _Ground, outcomes: Sequence[str]) -> tuple[Objective, ...]:
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


def _asked(ground: _Ground, strategy: str | None = None, versus: str | None = None) -> dict[str, Any]:
    one = ground.objective
    return {"objective": [one.name, one.threshold], "strategy": strategy, "versus": versus}


def _usual(scenario: Scenario, known: Mapping[str, Uncertain]) -> list[str]:
    """What the answer may hang on: what the scenario names under `turn:`, or what timing hangs on, and structure."""
    decided = {name for strategy in scenario.strategies for name in strategy.given}
    chosen_roads = [
        n for start, names in OF_CHOICES.items() if any(d.startswith(start) for d in decided) for n in names
    ]
    usual = scenario.turn or (*TIMING_ASSUMPTIONS, *chosen_roads)
    structure = [name for name, one in known.items() if one.source == STRUCTURE]
    return list(dict.fromkeys([*(name for name in usual if name in known), *structure]))


def _pair(
    scenario: Scenario,
    table: DrawTable,
    objective: Objective,
    strategy: str | None,
    versus: str | None,
    draw: int = one_way_analysis.BASE,
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


def _axes(ground: _Ground, axes: Mapping[str, Sequence[float]], points: int) -> list[Axis]:
    found = []
    quantities = chosen(ground.scenario, ground.worlds.uncertain, axes, "parameter", held=True)
    for quantity in quantities:
        values = next(v for name, v in axes.items() if name in (quantity.name, quantity.parameter))
        if not values:
            found.append(_range(quantity, (), points))
            continue
        if sorted(set(values)) != list(values):
            told = "its values do not rise, or one is there twice"
            raise InputError(Problem("parameter", None, quantity.name, told))
        for value in values:
            quantity.check(value, "parameter")
        found.append(Axis(quantity, tuple(values)))
    return found


def _range(quantity: Uncertain, ends: Sequence[float], points: int) -> Axis:
    """Even steps across a range, or its own interval."""
    if points < 2:
        raise InputError(Problem("--points", None, "", f"given {points}; accepted: 2 or more"))
    if not ends:
        prior = quantity.distribution
        if prior.family == "fixed":
            told = f"is held or decided, so it has no interval of its own; give one, as in '{quantity.name}=LOW..HIGH'"
            raise InputError(Problem("parameter", None, quantity.name, told))
        ends = (prior.low, prior.high)
    low, high = ends
    for value in ends:
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


Reading = Probabilistic | Information | OneWay | Grid | Thresholds | OptimalTiming | Screening


def readings_of(answer: Reading) -> tuple[Reading, ...]:
    """An answer, after what it stands on."""
    return (answer.psa, answer) if isinstance(answer, Information) else (answer,)


def tables_of(readings: Sequence[Reading]) -> dict[str, Any]:
    """All tables of readings by the names of their files."""
    return {name: table for one in readings for name, table in one.tables().items()}
