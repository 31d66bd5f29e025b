"""Small studies for tests, and a script that runs one, to be killed:

python studies.py FOLDER DRAWS PROCESSORS AT_ONCE [SEED]
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

from hcc_sim.analyses.study.design import joint_draws
from hcc_sim.analyses.study.execute import Interrupted, Local
from hcc_sim.analyses.study.folder import DRAWS, StudyFolder, locked
from hcc_sim.analyses.study.measured import measures_of
from hcc_sim.analyses.study.study import Study
from hcc_sim.analyses.study.uncertain import ASSUMPTIONS
from hcc_sim.analyses.study.worlds import Worlds
from hcc_sim.scenario import load_scenario

ROOT = Path(__file__).parents[1]
STRATEGIES = 2
INTERRUPTED = 130


def small_study(draws: int, seed: int | None = None, patients: int = 1_000, everything: bool = False) -> Study:
    """Joint draws of a few quantities, or of everything, under two strategies."""
    file = ROOT / "scenarios" / "surgical-timing.yaml"
    scenario = load_scenario(file, calibration=ROOT / "calibration", patients=patients, seed=seed)
    scenario = replace(scenario, strategies=scenario.strategies[:STRATEGIES])
    sources = None if everything else [ASSUMPTIONS]
    design = joint_draws(scenario, Worlds(scenario).uncertain, draws, sources=sources)
    return Study("psa", scenario, design, measures_of(scenario, "converted"), patients)


def folder_of(study: Study, path: Path, at_once: int) -> StudyFolder:
    """Its folder, with so many draws in a part."""
    return replace(study.folder(path), at_once=at_once)


def parts(path: Path) -> dict[str, bytes]:
    """The files of all parts, and whatever else lies there."""
    return {file.name: file.read_bytes() for file in (path / DRAWS).iterdir()}


def run_whole(study: Study, path: Path, at_once: int) -> dict[str, bytes]:
    """What an unbroken run in one process leaves."""
    study.run(folder_of(study, path, at_once), Local(1))
    return parts(path)


def main(path: str, draws: str, processors: str, at_once: str, seed: str = "1") -> int:
    """Run a study, saying how far it has come; 130 if interrupted."""
    study = small_study(int(draws), int(seed))
    folder = folder_of(study, Path(path), int(at_once))
    try:
        with locked(folder.path):
            study.run(folder, Local(int(processors)), lambda done, of: print(done, flush=True))
    except Interrupted:
        return INTERRUPTED
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
