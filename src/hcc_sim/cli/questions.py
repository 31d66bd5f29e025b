"""`hcc-sim timing` and `hcc-sim designs`: one question each, of one strategy of a scenario."""

from __future__ import annotations

from pathlib import Path
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
    may_write,
    strategy_of,
)
from hcc_sim.cli.terminal import say, write
from hcc_sim.errors import InputError, Problem, Problems
from hcc_sim.units import format_duration, parse_duration

if TYPE_CHECKING:
    pass

StrategyOption = Annotated[
    str | None, typer.Option("--strategy", metavar="NAME", help="By default the scenario's first.")
]


def timing(
    scenario: ScenarioArgument,
    strategy: StrategyOption = None,
    delays: Annotated[
        str | None,
        typer.Option("--delays", metavar="LIST", help="Such as '0 days, 6 weeks, never'; by default up to two years."),
    ] = None,
    patients: PatientsOption = None,
    seed: SeedOption = None,
    settings: SetOption = None,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="DIR", help="Also write tables and the picture here.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace files that are there.")] = False,
    output: TableFormatOption = TableFormat.table,
    calibration: CalibrationOption = None,
) -> None:
    """Sweep the delay of surgery: survival, time without disease, and what ended the window of the others."""
    problems = Problems()
    months = _delays(delays, problems)
    asked = load(scenario, problems, settings, calibration, patients, seed)
    chosen = strategy_of(asked, strategy)

    from hcc_sim.analyses.timing import DELAYS_MONTHS, DIAL
    from hcc_sim.analyses.timing import timing as sweep

    if DIAL in asked.overrides:
        raise InputError(Problem("--set", None, DIAL, "is what is swept; give --delays instead"))
    if out is not None:
        from hcc_sim.report.timing_plot import FILES

        may_write(out, FILES, force=force)
    try:
        found = sweep(asked, chosen, months or DELAYS_MONTHS)
    except ValueError as error:
        raise InputError(Problem(str(asked.files[0]), None, "", str(error))) from None
    if output is TableFormat.table:
        from hcc_sim.report.questions import timing_in_words

        write(timing_in_words(found))
    else:
        rows = [row._asdict() | {"delay_months": format_duration(row.delay_months)} for row in found.outcomes]
        write(in_format(rows, output))
    if out is not None:
        from hcc_sim.report.timing_plot import FILES, write_timing

        write_timing(out, found)
        say(f"{', '.join(FILES)} in {out}")


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


def _delays(text: str | None, problems: Problems) -> list[float]:
    """The delays of the option in months, in rising order."""
    months: list[float] = []
    for part in [] if text is None else text.split(","):
        try:
            months.append(parse_duration(part.strip()))
        except ValueError as error:
            problems.add(Problem("--delays", None, part.strip(), f"{error}; accepted: durations such as '42 days'"))
    return sorted(set(months))
