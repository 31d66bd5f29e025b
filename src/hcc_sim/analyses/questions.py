"""Questions to a scenario that a study answers: each is a design, and a reading of the table of its draws.

`one_way(scenario).answer(folder)` runs what the folder lacks and reads it; without a folder draws are not kept.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from math import prod
from typing import Any

import numpy as np

from hcc_sim.analyses import grid, optimal_timing, screening
from hcc_sim.analyses import one_way as one_way_analysis
from hcc_sim.analyses import threshold as thresholds
from hcc_sim.analyses.asking import (
    Question,
    asked_of,
    axes_of,
    check_size,
    ground_of,
    objectives_of,
    pair_asked_for,
    sized,
)
from hcc_sim.analyses.grid import Grid, Span
from hcc_sim.analyses.morris import MorrisDesign
from hcc_sim.analyses.one_way import OneWay
from hcc_sim.analyses.optimal_timing import OptimalTiming
from hcc_sim.analyses.psa import DRAWS, Probabilistic
from hcc_sim.analyses.screening import Screening
from hcc_sim.analyses.sobol import SobolDesign
from hcc_sim.analyses.study.design import Design, Listed, joint_draws
from hcc_sim.analyses.study.runs import Runner
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
from hcc_sim.outcomes.hcc import WITHIN_MONTHS
from hcc_sim.scenario import Scenario


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
    ground = ground_of(scenario, outcomes)
    for source in sources:
        if source not in SOURCES:
            told = f"{nearest(source, SOURCES)} Accepted: {', '.join(SOURCES)}"
            raise InputError(Problem("--sources", None, source, f"is no source of uncertainty. {told}"))

    def design() -> Design:
        return joint_draws(scenario, ground.worlds.uncertain, draws, sources=set(sources) or None)

    drawn, count, split = sized(ground, design, draws, patients, same_patients=False)
    study = Study("psa", scenario, drawn, ground.measures, count)
    objective = None if scenario.terms is not None else ground.objective
    return Question(study, lambda table: Probabilistic(study, table, _base_case(study)), split, objective=objective)


def _base_case(study: Study) -> DrawTable:
    """One draw of the base case, with the scenario's own patients."""
    task = replace(study.task, patients=study.scenario.size, same_patients=True, columns=(), unknowns=(), arithmetic="")
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
    ground = ground_of(scenario, outcomes, threshold)
    known = ground.worlds.uncertain
    quantities = tuple(chosen(scenario, known, parameters, "--parameters") if parameters else known.values())
    design, count, split = sized(
        ground, lambda: one_way_analysis.design_of(quantities), 2 * len(quantities) + 1, patients
    )
    study = Study("dsa", scenario, design, ground.measures, count)

    def read(table: DrawTable) -> OneWay:
        best, other = pair_asked_for(scenario, table, ground.objective, strategy, versus)
        return OneWay(study, table, quantities, ground.objective, best, other)

    return Question(
        study, read, split, errors=True, objective=ground.objective, asked=asked_of(ground, strategy, versus)
    )


def two_way(
    scenario: Scenario,
    axes: Mapping[str, Sequence[float] | Span],
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
    ground = ground_of(scenario, outcomes, threshold)
    chosen_axes = tuple(axes_of(ground, axes, points))
    sizes = prod(len(axis.values) for axis in chosen_axes)
    design, count, split = sized(ground, lambda: grid.design_of(chosen_axes), sizes, patients)
    study = Study("two-way", scenario, design, ground.measures, count)

    def read(table: DrawTable) -> Grid:
        middle = table.draws // 2
        best, other = pair_asked_for(scenario, table, ground.objective, strategy, versus, middle)
        return Grid(study, table, chosen_axes, ground.objective, best, other)

    return Question(
        study, read, split, errors=True, objective=ground.objective, asked=asked_of(ground, strategy, versus)
    )


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
    ground = ground_of(scenario, outcomes, at)
    named = ranges or dict.fromkeys(_usual(scenario, ground.worlds.uncertain), ())
    axes = axes_of(ground, {name: Span(*ends) if ends else () for name, ends in named.items()}, points)
    draws = sum(len(axis.values) for axis in axes)
    design, count, split = sized(ground, lambda: thresholds.design_of(axes), draws, patients)
    study = Study("threshold", scenario, design, ground.measures, count)

    def read(table: DrawTable) -> Thresholds:
        return Thresholds(study, table, tuple(axes), ground.objective)

    return Question(study, read, split, errors=True, objective=ground.objective, asked=asked_of(ground))


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
    ground = ground_of(swept, (), by_subgroup=bool(scenario.subgroups))

    def design() -> Design:
        return joint_draws(swept, ground.worlds.uncertain, draws, same_patients=True)

    drawn, count, split = sized(ground, design, draws, patients)
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
    ground = ground_of(scenario, outcomes, threshold)
    known = ground.worlds.uncertain
    usual: Sequence[str] = tuple(known) if analysis == "morris" else _usual(scenario, known)
    quantities = chosen(scenario, known, parameters or usual, "--parameters")
    check_size(float(draws_of(len(quantities))))
    try:
        scheme = scheme_of(tuple(one.name for one in quantities))
    except ValueError as error:
        raise InputError(
            Problem(f"--{'base' if analysis == 'sobol' else 'trajectories'}", None, "", str(error))
        ) from None
    design, count, split = sized(
        ground, lambda: screening.design_of(quantities, scheme), draws_of(len(quantities)), patients
    )
    study = Study(analysis, scenario, design, ground.measures, count)
    objectives = objectives_of(ground, outcomes)

    def read(table: DrawTable) -> Screening:
        mean = np.nanmean(ground.objective.values(table), axis=0)
        names = table.shape.strategies
        best, worst = ground.objective.best(mean), ground.objective.best(-mean)
        return Screening(study, table, scheme, objectives, names[best], names[worst])

    return Question(study, read, split, objective=ground.objective, asked=asked_of(ground))


def _usual(scenario: Scenario, known: Mapping[str, Uncertain]) -> list[str]:
    """What the answer may hang on: what the scenario names under `turn:`, or what timing hangs on, and structure."""
    decided = {name for strategy in scenario.strategies for name in strategy.given}
    chosen_roads = [
        n for start, names in OF_CHOICES.items() if any(d.startswith(start) for d in decided) for n in names
    ]
    usual = scenario.turn or (*TIMING_ASSUMPTIONS, *chosen_roads)
    structure = [name for name, one in known.items() if one.source == STRUCTURE]
    return list(dict.fromkeys([*(name for name in usual if name in known), *structure]))


Reading = Probabilistic | Information | OneWay | Grid | Thresholds | OptimalTiming | Screening


def readings_of(answer: Reading) -> tuple[Reading, ...]:
    """An answer, after what it stands on."""
    return (answer.psa, answer) if isinstance(answer, Information) else (answer,)


def tables_of(readings: Sequence[Reading]) -> dict[str, Any]:
    """All tables of readings by the names of their files."""
    return {name: table for one in readings for name, table in one.tables().items()}
