"""A study: a scenario, a design and what is kept; run into a folder, and read back as a table of draws."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import hcc_sim
from hcc_sim.analyses.study.design import Design
from hcc_sim.analyses.study.execute import Told, Workers, complete
from hcc_sim.analyses.study.folder import ARITHMETIC, AS_MANY, AS_ONE, MOST_IN_PART, Shape, StudyFolder
from hcc_sim.analyses.study.measured import Measures
from hcc_sim.analyses.study.runs import Done, Runner, Task
from hcc_sim.analyses.study.table import DrawTable, joined, read_table
from hcc_sim.fit_in_use import VERSION
from hcc_sim.scenario import Scenario

LAYERS_ABOVE = ("cli", "report")
"""Parts of the program that no result hangs on."""


@dataclass(frozen=True)
class Study:
    """One analysis of a scenario: `patients` in each draw, under every strategy."""

    analysis: str
    scenario: Scenario
    design: Design
    measures: Measures
    patients: int

    @property
    def histories(self) -> int:
        """How many are simulated at most."""
        return self.design.draws * self.patients * len(self.scenario.strategies)

    @cached_property
    def task(self) -> Task:
        """What runs of it need to know."""
        design = self.design
        task = Task(
            self.scenario, self.measures, self.patients, design.same_patients, design.columns, design.unknowns,
            design.probe,
        )  # fmt: skip
        return replace(task, arithmetic=Runner(task).arithmetic(design.probe))

    @property
    def shape(self) -> Shape:
        """Of its parts."""
        names = tuple(strategy.name for strategy in self.scenario.strategies)
        return Shape(names, self.measures.parts, self.measures.outcomes, self.design.columns)

    def identity(self) -> dict[str, Any]:
        """All that its numbers hang on, by which it is told from other studies; not where it runs, nor how long."""
        scenario = self.scenario
        fit = None if scenario.fit is None else {k: scenario.fit.summary[k] for k in ("hash", "of_draws")}
        return {
            "analysis": self.analysis,
            "scenario": scenario.files[0].name,
            "scenario_sha256": scenario.sha256,
            "calibration_sha256": scenario.calibration.sha256,
            "fit": fit,
            "calibration_version": VERSION,
            "hcc_sim": hcc_sim.__version__,
            "source": source_digest(),
            "seed": scenario.seed,
            "patients_in_each_draw": self.patients,
            "horizon_months": scenario.horizon_months,
            "strategies": {
                strategy.name: {
                    "regimen": strategy.regimen,
                    **strategy.around_surgery,
                    **{name: strategy.parameters[name].text() for name in strategy.given},
                }
                for strategy in scenario.strategies
            },
            "population": self.measures.population,
            "patients": list(self.measures.parts),
            "outcomes": list(self.measures.outcomes),
            "design": dict(self.design.identity),
            ARITHMETIC: self.task.arithmetic,
        }

    def folder(self, path: Path) -> StudyFolder:
        """Its folder; nothing is written yet."""
        in_draw = (self.patients + AS_MANY) * len(self.scenario.strategies)
        at_once = min(max(1, AS_ONE // in_draw), MOST_IN_PART)
        return StudyFolder(path, self.identity(), self.shape, at_once)

    def run(self, folder: StudyFolder, workers: Workers, told: Told = lambda done, of: None) -> int:
        """Run what is lacking; how many draws that were.  Errors are those of `complete`."""
        folder.begin()
        return complete(folder, self.task, self.design, workers, told)

    def table_of(self, parts: Sequence[Done], *, errors: bool = False) -> DrawTable:
        """Draws that were run without a folder."""
        return joined(self.shape, parts, errors=errors)

    def table(self, folder: StudyFolder, *, errors: bool = False) -> DrawTable:
        """All draws, of a study that is complete."""
        return read_table(folder, self.design.draws, errors=errors)


@lru_cache(maxsize=1)
def source_digest() -> str:
    """Of the source code that results hang on: draws of different programs are not mixed."""
    package = Path(hcc_sim.__file__).parent
    digest = hashlib.sha256()
    for file in sorted(package.rglob("*.py")):
        place = file.relative_to(package)
        if place.parts[0] not in LAYERS_ABOVE:
            digest.update(f"{place.as_posix()} ".encode() + hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()
