"""What several tests share."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest

# Several test processes at once would each keep all processors busy with waiting for small matrices.  Before NumPy.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
from hcc_sim.figures import Evidence, load_evidence
from hcc_sim.parameters import Calibration, load_calibration
from hcc_sim.scenario import load_scenario

gc.set_threshold(100_000)  # as a run does (`hcc_sim.cli.main`)

if TYPE_CHECKING:
    from hcc_sim.analyses.compare import Comparison

CALIBRATION = Path(__file__).parents[1] / "calibration"
MAIN_SCENARIO = CALIBRATION.parent / "scenarios" / "surgical-timing.yaml"


def pytest_collection_finish() -> None:
    """What is collected stays to the end: to look through it for garbage again and again took a third of the time."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def known() -> Calibration:
    """The calibration that comes with the program."""
    return load_calibration(CALIBRATION)


@pytest.fixture(scope="session")
def evidence(known: Calibration) -> Evidence:
    """All figures of its studies."""
    return load_evidence(CALIBRATION, known.sources)


@pytest.fixture(scope="session")
def timing() -> Comparison:
    """The main scenario, compared, of few patients."""
    from hcc_sim.analyses.compare import compare

    return compare(load_scenario(MAIN_SCENARIO, patients=2_000))


@pytest.fixture(scope="session")
def timing_plots(timing: Comparison, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of its plots."""
    from hcc_sim.report.plots import write_plots

    folder = tmp_path_factory.mktemp("timing") / "plots"
    write_plots(folder, timing)
    return folder


WHO_LOADS = """
import sys, threading
from hcc_sim import cli, compiled
load, loaded = compiled._CodeOnDisk.load_overload, []
def noted(self, *arguments):
    loaded.append((self._name, threading.current_thread().name))
    return load(self, *arguments)
compiled._CodeOnDisk.load_overload = noted
assert cli.main({command}) == 0
assert loaded
print([name for name, thread in loaded if thread != cli.run.COMPILER], file=sys.stderr)
"""
"""Which functions are loaded, or compiled if they are not kept, where Ctrl-C would be lost in the compiler."""


class WholeRun(NamedTuple):
    """What a run printed and said, and the folder in which it ran."""

    done: subprocess.CompletedProcess[str]
    folder: Path


@pytest.fixture(scope="session")
def whole_run(engine_compiled: None, tmp_path_factory: pytest.TempPathFactory) -> WholeRun:
    """A run with all there is to it, in a process that says at last what it loads where Ctrl-C would be lost."""
    folder = tmp_path_factory.mktemp("whole")
    code = WHO_LOADS.format(command=["run", str(MAIN_SCENARIO), "--patients", "1000", "--keep-stays"])
    done = subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=False)
    return WholeRun(done, folder)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out what the answer hangs on, which takes longest."""
    from hcc_sim.analyses import turning

    monkeypatch.setattr(turning, "TIMING_ASSUMPTIONS", ())


@pytest.fixture(scope="session")
def engine_compiled() -> None:
    """All that a run needs compiled, so that a command does not say that it compiles, and does not take long."""
    from hcc_sim.analyses.strategies import make_ready
    from hcc_sim.scenario import programs

    file = CALIBRATION.parent / "scenarios" / "surgical-timing.yaml"
    scenario = load_scenario(file, calibration=CALIBRATION, patients=1)
    make_ready(scenario, programs(scenario)[scenario.strategies[0].name])
