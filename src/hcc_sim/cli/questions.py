"""`hcc-sim designs`: what usual designs of studies would find in a simulation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from hcc_sim.cli.options import (
    CalibrationOption,
    PatientsOption,
    ScenarioArgument,
    SeedOption,
    SetOption,
    TableFormat,
    TableFormatOption,
    in_format,
    load,
    strategy_of,
)
from hcc_sim.cli.terminal import write
from hcc_sim.errors import Problems

if TYPE_CHECKING:
    pass

StrategyOption = Annotated[
    str | None, typer.Option("--strategy", metavar="NAME", help="By default the scenario's first.")
]


def designs(
    scenario: ScenarioArgument,
    strategy: StrategyOption = None,
    patients: PatientsOption = None,
    seed: SeedOption = None,
    settings: SetOption = None,
    output: TableFormatOption = TableFormat.table,
    calibration: CalibrationOption = None,
) -> None:
    """What two usual designs would find in the simulation, and what is true of the same patients there."""
    asked = load(scenario, Problems(), settings, calibration, patients, seed)
    chosen = strategy_of(asked, strategy)

    from hcc_sim.analyses.designs import biased_designs
    from hcc_sim.report.questions import designs_in_words, designs_rows

    found = biased_designs(asked, chosen)
    write(designs_in_words(found) if output is TableFormat.table else in_format(designs_rows(found), output))
