"""The pathway of a scenario, compiled for each of its strategies."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hcc_sim.errors import Problem, Problems, nearest
from hcc_sim.fit_in_use import check_pathway
from hcc_sim.scenario.background import hcc_pathway_of
from hcc_sim.scenario.load import Scenario

if TYPE_CHECKING:
    from hcc_sim.engine import Program


def programs(scenario: Scenario) -> dict[str, Program]:
    """The pathway compiled for every strategy of a scenario, in its order.

    Raises InputError where the values of a strategy do not fit the pathway, all strategies at once.
    """
    from hcc_sim.engine import compile_pathway
    from hcc_sim.pathway.model import PathwayError

    file = str(scenario.files[0])
    problems = Problems()
    pathway = hcc_pathway_of(scenario.calibration)
    states = {state.name: state for state in pathway.states if not state.final}
    if scenario.start and scenario.start not in states:
        told = f"given '{scenario.start}'. {nearest(scenario.start, states)} Accepted: {', '.join(states)}"
        problems.add(Problem(file, None, "population.start", " ".join(told.split())))
    if scenario.fit is not None:
        check_pathway(scenario.fit, scenario.calibration, pathway)
    compiled = {}
    refused: dict[str, list[str]] = {}
    for strategy in scenario.strategies:
        try:
            compiled[strategy.name] = compile_pathway(pathway, strategy.parameters.values_only())
        except PathwayError as error:
            for problem in error.problems:
                refused.setdefault(problem, []).append(strategy.name)
    for problem, names in refused.items():
        problems.add(Problem(file, None, "strategies", f"{problem} (in {', '.join(names)})"))
    problems.raise_if_any()
    return compiled
