"""Small studies for tests, and a script that runs one, to be killed:

python studies.py FOLDER DRAWS PROCESSORS AT_ONCE [SEED]
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import psutil

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
ORPHANS_SECONDS = 1.0


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


def started(path: Path, draws: int, processors: int, at_once: int, before: str = "") -> subprocess.Popen[str]:
    """This file as a script in a process group of its own, after some lines of Python; its study has begun."""
    arguments = [str(path), str(draws), str(processors), str(at_once)]
    code = f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r})\n{before}\n"
    code += f"import studies\nsys.exit(studies.main(*{arguments!r}))"
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    found = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, env=environment, start_new_session=True, text=True
    )
    assert found.stdout is not None
    found.stdout.readline()
    return found


def killed(process: subprocess.Popen[str]) -> None:
    """End it at once; its workers see that, and end within a second."""
    workers = psutil.Process(process.pid).children(recursive=True)
    assert process.poll() is None, "it should be at work"
    process.kill()
    process.wait()
    assert ended(workers), "orphans go on"


def ended(workers: list[psutil.Process]) -> bool:
    """Whether processes end within a second, or have ended and lie about as their names only."""
    until = time.monotonic() + ORPHANS_SECONDS
    while any(alive(one) for one in workers):
        if time.monotonic() > until:
            return False
        time.sleep(0.02)
    return True


def alive(process: psutil.Process) -> bool:
    try:
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def kill_at_random(process: subprocess.Popen[str], chance: random.Random) -> None:
    """After none to three more parts, and some part of the time that a few take."""
    assert process.stdout is not None
    for _ in range(chance.randrange(4)):
        process.stdout.readline()
    time.sleep(chance.uniform(0.0, 0.15))
    killed(process)


def main(path: str, draws: str, processors: str, at_once: str) -> int:
    """Run a study, saying how far it has come; 130 if interrupted."""
    study = small_study(int(draws))
    folder = folder_of(study, Path(path), int(at_once))
    try:
        with locked(folder.path):
            study.run(folder, Local(int(processors)), lambda done, of: print(done, flush=True))
    except Interrupted:
        return INTERRUPTED
    return 0
