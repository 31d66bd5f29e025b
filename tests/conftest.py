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
    """The engine compiled, so that a command does not say that it compiles, and does not take long."""
    from hcc_sim import laws
    from hcc_sim.engine import compile_pathway, simulate_all
    from hcc_sim.pathway.model import Hazard, Pathway, State

    states = (State("alive", (Hazard("death", "death", to="dead"),)), State("dead", final=True))
    program = compile_pathway(Pathway("shortest", "alive", states, {"death": laws.Exponential(0.1)}), {})
    simulate_all(program, seed=1, patients=1, horizon_months=1.0, threads=1)
