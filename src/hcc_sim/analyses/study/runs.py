"""Runs of a study's draws: the values of a draw go in, what is kept of it comes out; nothing hangs on who runs it."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hcc_sim.analyses.strategies import Arm, nothing_counted
from hcc_sim.analyses.study.measured import ALL, Kept, Measures
from hcc_sim.analyses.study.worlds import World, Worlds
from hcc_sim.economics.quantities import Quantities
from hcc_sim.engine import SPAN, Program, compile_pathway
from hcc_sim.errors import InputError, MachineError, Problem
from hcc_sim.outcomes import Tally
from hcc_sim.outcomes.hcc import EVERYBODY
from hcc_sim.pathway.model import PathwayError
from hcc_sim.scenario import Scenario, Strategy, hcc_pathway_of

Floats = NDArray[np.float64]

REMEMBERED = 8
"""Runs of a strategy that are remembered: what prices alone tell apart is not simulated again."""


class Rows(NamedTuple):
    """The values of consecutive draws: (D, C) of the design's columns, NaN where a draw leaves the base value.

    `z` (D, U) are those of quantities of the fit where draws are joint; else None, and what is turned is certain.
    """

    first: int
    values: Floats
    z: Floats | None = None

    def __len__(self) -> int:
        return len(self.values)


@dataclass(frozen=True)
class Task:
    """All that a run needs to know besides the rows; it can be sent to another machine.

    `columns` name the uncertain quantities whose values the rows hold, `unknowns` those of the fit.  With
    `same_patients` all draws have patients 0 to n - 1, else draw d has d n to (d + 1) n - 1.  `arithmetic` is what the
    values of the draws in `probe` come to where the study is kept; empty where nobody asks.
    """

    scenario: Scenario
    measures: Measures
    patients: int
    same_patients: bool
    columns: tuple[str, ...]
    unknowns: tuple[str, ...] = ()
    probe: tuple[Rows, ...] = ()
    arithmetic: str = ""


class Done(NamedTuple):
    """Consecutive draws as they were run: (D, S, P, K) means, (D, P, S, K, S, K) covariances, (D, C) inputs.

    Inputs are the values used, those of the base case among them; of a strategy that uses the quantity.
    """

    first: int
    inputs: Floats
    means: Floats
    covariances: Floats


class Runner:
    """Runs draws of one task; remembers what it has simulated of the same patients.

    Raises:
        MachineError: values come out otherwise here, in their last bits, than where the study is kept.
    """

    def __init__(self, task: Task) -> None:
        self.task = task
        self.worlds = Worlds(task.scenario)
        if task.arithmetic and self.arithmetic(task.probe) != task.arithmetic:
            raise MachineError(
                "this machine works out other last bits than the one that began, by its processor or its libraries: "
                "draws of both are not mixed"
            )
        self._users = [self._user(name) for name in task.columns]
        self._counts: dict[str, Quantities] = {}
        self._kept: OrderedDict[object, tuple[Tally, Mapping[str, Quantities]]] = OrderedDict()

    def run(self, rows: Rows, threads: int = 1) -> Done:
        """Run draws.

        Raises:
            InputError: values of a draw that the pathway refuses.
            EngineError: a run that had to stop.
        """
        worlds = [self._world(rows, at) for at in range(len(rows))]
        found = [self._draw(rows.first + at, world, threads) for at, world in enumerate(worlds)]
        inputs = np.array([self._inputs(rows, at, world) for at, world in enumerate(worlds)])
        return Done(
            rows.first,
            inputs.reshape(len(rows), len(self.task.columns)),
            np.array([one.means for one in found]),
            np.array([one.covariance for one in found]),
        )

    def arithmetic(self, probe: Sequence[Rows]) -> str:
        """A digest of all values in some draws: logarithms and matrices may differ in last bits between machines."""
        digest = hashlib.sha256()
        for rows in probe:
            for at in range(len(rows)):
                for values in self._world(rows, at).values:
                    digest.update(np.array(list(values.values()), "<f8").tobytes())
        return digest.hexdigest()

    def _world(self, rows: Rows, at: int) -> World:
        given = zip(self.task.columns, rows.values[at].tolist(), strict=True)
        turned = {name: value for name, value in given if value == value}
        z = None if rows.z is None else dict(zip(self.task.unknowns, rows.z[at].tolist(), strict=True))
        return self.worlds.world(turned, z)

    def _user(self, name: str) -> tuple[int, str]:
        """The first strategy that uses a quantity, and the parameter that holds it; none for structure."""
        one = self.worlds.quantity(name)
        names = [strategy.name for strategy in self.task.scenario.strategies]
        return names.index(one.strategies[0]), one.parameter

    def _inputs(self, rows: Rows, at: int, world: World) -> list[float]:
        found = []
        for name, (strategy, parameter), value in zip(
            self.task.columns, self._users, rows.values[at].tolist(), strict=True
        ):
            if parameter:
                found.append(world.values[strategy][parameter])
            else:
                found.append(value if value == value else self.worlds.uncertain[name].base)
        return found

    def _draw(self, draw: int, world: World, threads: int) -> Kept:
        task = self.task
        tallies, quantities = [], []
        for strategy, values in zip(task.scenario.strategies, world.values, strict=True):
            tally, counted = self._strategy(draw, strategy, values, world, threads)
            tallies.append(tally)
            quantities.append(counted)
        terms = task.scenario.terms
        try:
            return task.measures.of(tallies, quantities, world.values, "" if terms is None else terms.money)
        except ValueError as error:
            raise self._refused(draw, str(error)) from None

    def _strategy(
        self, draw: int, strategy: Strategy, values: Mapping[str, float], world: World, threads: int
    ) -> tuple[Tally, Mapping[str, Quantities]]:
        task = self.task
        program = self._program(draw, values, world)
        counted = self._nothing_counted(draw, strategy, program, values) if task.measures.valued else {}
        key: object = None
        if task.same_patients:
            counts = ((id(one.rules), one.counts_by()) for one in counted.values())
            key = (program.fingerprint(), strategy.name, *counts)
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
        first = 0 if task.same_patients else draw * task.patients
        arm = Arm(task.scenario, program, task.measures.definitions, counted, first)  # a file begins anew in each draw
        for _ in arm.parts(first, first + task.patients, SPAN * threads, threads):
            pass
        if task.same_patients:
            self._kept[key] = arm.tally, arm.quantities
            while len(self._kept) > REMEMBERED * len(task.scenario.strategies):
                self._kept.popitem(last=False)
        return arm.tally, arm.quantities

    def _nothing_counted(
        self, draw: int, strategy: Strategy, program: Program, values: Mapping[str, float]
    ) -> dict[str, Quantities]:
        """Of each part of the patients."""
        try:
            like = nothing_counted(self.task.scenario, strategy, program, values, self._counts.get(strategy.name))
        except ValueError as error:
            raise self._refused(draw, str(error)) from None
        self._counts[strategy.name] = like
        parts = [EVERYBODY if part == ALL else part for part in self.task.measures.parts]
        return {part: like.anew(values) if place else like for place, part in enumerate(parts)}

    def _program(self, draw: int, values: Mapping[str, float], world: World) -> Program:
        scenario = self.task.scenario
        pathway = hcc_pathway_of(scenario.calibration, world.other_families)
        given = () if scenario.patients is None else scenario.patients.attributes
        try:
            return compile_pathway(pathway, values, given)
        except PathwayError as error:
            raise self._refused(draw, "; ".join(error.problems)) from None

    def _refused(self, draw: int, message: str) -> InputError:
        return InputError(Problem(str(self.task.scenario.files[0]), None, f"draw {draw}", message))
