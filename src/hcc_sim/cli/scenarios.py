"""`scenarios`: those that come with hcc-sim, and the parameters that a scenario may set."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hcc_sim.cli.options import (
    CalibrationOption,
    ScenarioArgument,
    TableFormat,
    TableFormatOption,
    in_format,
    load,
    may_write,
    shipped,
    whole,
)
from hcc_sim.cli.terminal import say, show, write
from hcc_sim.errors import InputError, Problem, Problems

if TYPE_CHECKING:
    from hcc_sim.analyses.compare import Comparison

GALLERY_PATIENTS = 20_000

app = typer.Typer(help="List, describe and copy the scenarios that come with hcc-sim; list the parameters.")


@app.callback(invoke_without_command=True)
def scenarios(
    context: typer.Context,
    parameters: Annotated[
        bool, typer.Option("--parameters", help="List every parameter with value, kind, meaning and origin.")
    ] = False,
    output: TableFormatOption = TableFormat.table,
    calibration: CalibrationOption = None,
) -> None:
    """List, describe and copy the scenarios that come with hcc-sim; list the parameters."""
    if context.invoked_subcommand is not None:
        if parameters:
            raise InputError(Problem("--parameters", None, "", f"does not go with '{context.invoked_subcommand}'"))
    elif not parameters:
        list_scenarios()
    else:
        from hcc_sim.fit_in_use import parameters_in_use
        from hcc_sim.parameters import load_calibration
        from hcc_sim.report import listing

        known, _ = parameters_in_use(load_calibration(calibration))
        if output is TableFormat.table:
            show(listing.parameter_list(known))
        else:
            write(in_format(list(listing.parameter_rows(known)), output))


@app.command("list")
def list_scenarios() -> None:
    """List the scenarios that come with hcc-sim."""
    from hcc_sim.report.listing import scenario_table
    from hcc_sim.scenario import load_scenario

    loaded = ((name, load_scenario(file)) for name, file in sorted(shipped().items()))
    show(scenario_table((name, one.title, one.question) for name, one in loaded))


@app.command("show")
def show_scenario(scenario: ScenarioArgument) -> None:
    """Describe a scenario: its question, who is simulated, what each strategy sets."""
    from hcc_sim.report.listing import describe

    show(describe(load(scenario, Problems(), None, None)))


@app.command("book")
def write_parameter_book(
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Folder for parameters.md.")],
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there.")] = False,
    calibration: CalibrationOption = None,
) -> None:
    """Write the parameter book: every parameter with value, interval, kind, origin, and what uses it."""
    from hcc_sim.economics.hcc import uses
    from hcc_sim.fit_in_use import parameters_in_use
    from hcc_sim.parameters import load_calibration
    from hcc_sim.report.parameter_book import FILES, write_book
    from hcc_sim.scenario import hcc_pathway_of

    known = load_calibration(calibration)
    may_write(out, FILES, force=force)
    parameters, fit = parameters_in_use(known)
    write_book(out, parameters, {**hcc_pathway_of(known).uses(), **uses()}, fit)
    say(f"{', '.join(FILES)} in {out}")


@app.command("gallery")
def write_scenario_gallery(
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Folder for gallery.md.")],
    patients: Annotated[
        str | None, typer.Option("--patients", metavar="NUMBER", help="Patients under each strategy.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there.")] = False,
) -> None:
    """Run every shipped scenario and write the gallery: question, answer, and what the answer hangs on."""
    from hcc_sim.analyses.compare import compare
    from hcc_sim.report.gallery import FILES, write_gallery
    from hcc_sim.scenario import MOST_PATIENTS, load_scenario

    problems = Problems()
    size = whole("--patients", patients, 1, MOST_PATIENTS, problems) or GALLERY_PATIENTS
    problems.raise_if_any()
    may_write(out, FILES, force=force)

    def compared() -> Iterator[tuple[str, Comparison]]:
        for name, file in sorted(shipped().items()):
            yield name, compare(load_scenario(file, patients=size))
            say(name)

    write_gallery(out, size, compared())
    say(f"{', '.join(FILES)} in {out}")


@app.command("copy")
def copy_scenario(
    scenario: ScenarioArgument,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Where the copy goes; an existing file is kept.")],
) -> None:
    """Copy a scenario, with what it extends, to edit it and run it anywhere."""
    asked = load(scenario, Problems(), None, None)
    source = asked.files[0]
    target = file / source.name if file.is_dir() else file
    if os.path.lexists(target):
        raise InputError(Problem(str(target), None, "", "exists; choose another name"))
    copies = [(source, target)]
    for base in asked.files[1:]:
        beside = Path(os.path.relpath(base, source.parent))
        if beside.parts[0] == "..":
            raise InputError(
                Problem(str(source), None, "extends", f"{base} lies outside its folder; copy both by hand")
            )
        copies.append((base, target.parent / beside))
    kept = [to for _, to in copies if os.path.lexists(to)]
    written: list[Path] = []
    try:
        for original, to in reversed(copies):
            if to not in kept:
                to.parent.mkdir(parents=True, exist_ok=True)
                with to.open("xb") as copy:
                    written.append(to)
                    copy.write(original.read_bytes())
    except BaseException:
        for to in written:
            to.unlink(missing_ok=True)
        raise
    for original, to in copies:
        if to in kept and to.read_bytes() != original.read_bytes():
            say(f"{to} was there already and differs from the one that comes with hcc-sim; it is kept and used")
    write(f"{target}: a copy of '{asked.title}'. Edit it, then: hcc-sim run {target}\n")
