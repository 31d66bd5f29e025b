"""What several tests share."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from hcc_sim.figures import Evidence, load_evidence
from hcc_sim.parameters import Calibration, load_calibration
from hcc_sim.scenario import load_scenario

if TYPE_CHECKING:
    from hcc_sim.analyses.compare import Comparison

CALIBRATION = Path(__file__).parents[1] / "calibration"


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

    return compare(load_scenario(CALIBRATION.parent / "scenarios" / "surgical-timing.yaml", patients=2_000))


@pytest.fixture(scope="session")
def timing_plots(timing: Comparison, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of its plots."""
    from hcc_sim.report.plots import write_plots

    folder = tmp_path_factory.mktemp("timing") / "plots"
    write_plots(folder, timing)
    return folder


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
