"""`run` and `patient`: simulate all strategies of a scenario, or tell one patient's history."""

from __future__ import annotations

import math
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hcc_sim.cli.options import (
    CalibrationOption,
    PatientsOption,
    ScenarioArgument,
    SeedOption,
    SetOption,
    TableFormat,
    TableFormatOption,
    load,
    whole,
)
from hcc_sim.cli.terminal import command_line, finished, new_console, say, show, write
from hcc_sim.errors import InputError, MachineError, Problem, Problems
from hcc_sim.units import shown

if TYPE_CHECKING:
    from hcc_sim.analyses.compare import Comparison
    from hcc_sim.analyses.precision import Precision
    from hcc_sim.engine import Program
    from hcc_sim.scenario import Scenario

COMPILER = "hcc-sim compiler"
CHUNK = 50_000
CHUNK_STEP = 1_000
COPIES = 2
"""How often the stays of a chunk are in memory at least: in parts, and joined."""
MOST_FOR_PRECISION = 100_000_000
"""Patients with whom a run ends that does not become as precise as asked for."""
MOST_THREADS = 1_024
HIGHEST_PATIENT = 2**64 - 1


def run(
    scenario: ScenarioArgument,
    patients: PatientsOption = None,
    seed: SeedOption = None,
    settings: SetOption = None,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="DIR", help="Results folder; by default results/NAME-OF-THE-FILE.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace an existing results folder.")] = False,
    threads: Annotated[
        str | None,
        typer.Option("--threads", metavar="NUMBER", help="By default one per processor; changes no result."),
    ] = None,
    chunk: Annotated[
        str,
        typer.Option(
            "--chunk", metavar="NUMBER", help="Patients in memory at once, a multiple of 1,000; changes no result."
        ),
    ] = str(CHUNK),
    precision: Annotated[
        str | None,
        typer.Option(
            "--precision",
            metavar="OUTCOME:ERROR",
            help="Go on until the standard error of every contrast of this outcome (as in summary.csv, or qaly, or "
            "cost) is so small; with --patients, so many at most.",
        ),
    ] = None,
    keep_stays: Annotated[
        bool, typer.Option("--keep-stays", help="Also write every patient's history, as Parquet.")
    ] = False,
    no_plots: Annotated[bool, typer.Option("--no-plots", help="Write no plots.")] = False,
    output: TableFormatOption = TableFormat.table,
    calibration: CalibrationOption = None,
) -> None:
    """Simulate all strategies of a scenario and write a results folder."""
    started = time.perf_counter()
    problems = Problems()
    workers = whole("--threads", threads, 1, MOST_THREADS, problems)
    at_once = whole("--chunk", chunk, CHUNK_STEP, None, problems, CHUNK_STEP)
    asked = load(scenario, problems, settings, calibration, patients, seed)
    assert at_once is not None
    wanted = _precision(precision)
    if wanted is not None and patients is None:
        asked = replace(asked, size=MOST_FOR_PRECISION)

    from hcc_sim.report.folder import check_free, new_folder

    folder = out if out is not None else Path("results") / asked.files[0].stem
    check_free(folder, force=force)

    from hcc_sim.report.results import StayFiles, write_results

    compiled = prepared(asked, _starting(asked))  # what does not fit the pathway is told before anything is made
    _check_memory(compiled, asked, at_once)
    with new_folder(folder, force=force) as temporary:
        with StayFiles(temporary / "stays", asked) as stays:
            keep = stays.keep if keep_stays else None
            compared = _compared(asked, threads=workers, chunk=at_once, keep=keep, precision=wanted)
        how = {
            "wall_seconds": round(time.perf_counter() - started, 3),
            "threads": workers or os.cpu_count() or 1,
            "chunk": at_once,
            "command": ["hcc-sim", *command_line],
        }
        files = write_results(temporary, compared, how, plots=not no_plots)
    finished.append(folder)
    _show_results(compared, folder, files, output)


def _precision(text: str | None) -> Precision | None:
    """What is asked for after --precision: an outcome, whose name may hold colons, and a standard error."""
    from hcc_sim.analyses.precision import Precision

    if text is None:
        return None
    outcome, _, error = (part.strip() for part in text.rpartition(":"))
    try:
        size = float(error)
    except ValueError:
        size = math.nan
    if not outcome or not 0.0 < size < math.inf:
        accepted = "an outcome as in summary.csv, or qaly or cost, and its standard error, such as 'qaly:0.01'"
        raise InputError(Problem("--precision", None, "", f"given {shown(text)}; accepted: {accepted}"))
    return Precision(outcome, size)


def _compared(asked: Scenario, precision: Precision | None = None, **options: Any) -> Comparison:
    from hcc_sim.analyses.compare import compare

    with _progress(None if precision else asked.size * len(asked.strategies)) as progress:
        return compare(asked, progress=progress, precision=precision, **options)


def prepared(asked: Scenario, also: Callable[[Program], object] | None = None) -> dict[str, Program]:
    """The programs of all strategies, and the engine compiled by a run of one patient and by whatever else is to run.

    In a thread, so that Ctrl-C ends the wait for it and does not get lost in the compiler.
    """
    from hcc_sim.analyses.strategies import make_ready
    from hcc_sim.compiled import before_compiling
    from hcc_sim.scenario import programs

    before_compiling(_say_compiling)
    compiled: dict[str, Program] = {}
    failures: list[BaseException] = []

    def prepare() -> None:
        try:
            compiled.update(programs(asked))
            first = next(iter(compiled.values()))
            make_ready(asked, first)
            if also is not None:
                also(first)
        except BaseException as failure:
            failures.append(failure)

    thread = threading.Thread(target=prepare, name=COMPILER, daemon=True)
    thread.start()
    while thread.is_alive():
        thread.join(0.2)
    if failures:
        raise failures[0]
    return compiled


def _starting(asked: Scenario) -> Callable[[Program], object] | None:
    """What a run with subgroups needs besides."""
    from hcc_sim.engine import starting_attributes

    return partial(starting_attributes, names=(), seed=asked.seed, patients=1) if asked.subgroups else None


def _check_memory(compiled: dict[str, Program], asked: Scenario, chunk: int) -> None:
    """MachineError if the stays of a chunk cannot fit: better than to be stopped by the system after minutes."""
    at_once = min(chunk, asked.size)
    if at_once <= CHUNK:
        return
    from hcc_sim.engine import simulate_all
    from hcc_sim.history import BLOCK
    from hcc_sim.memory import memory_within_reach

    first = next(iter(compiled.values()))
    sample = simulate_all(first, seed=asked.seed, patients=BLOCK, horizon_months=asked.horizon_months, threads=1)
    needed = COPIES * sum(column.nbytes for column in vars(sample).values()) * at_once / BLOCK
    there = memory_within_reach()
    if there is not None and needed > there:
        raise MachineError(
            f"not enough memory; nothing was written. {at_once:,} patients at once need at least "
            f"{needed / 1e9:,.1f} GB, and there are {there / 1e9:,.1f}. A smaller --chunk needs less: "
            f"{CHUNK:,}, as by default, is as good as any."
        )


def _say_compiling() -> None:
    from hcc_sim.compiled import why_nothing_is_kept

    if hindrance := why_nothing_is_kept():
        say(
            "compiling (some seconds), as every start will: the compiled code cannot be kept "
            f"({hindrance}). Set NUMBA_CACHE_DIR to a folder that can be written."
        )
    else:
        say("compiling, once (some seconds)")


def _show_results(compared: Comparison, folder: Path, files: Sequence[str], output: TableFormat) -> None:
    if output is TableFormat.table:
        from hcc_sim.report.screen import overview

        tops = list(dict.fromkeys(file.split("/")[0] + ("/" if "/" in file else "") for file in files))
        order = ["summary.csv", "contrasts.csv", "assumptions.csv", "parameters.csv", "curves.csv"]
        console = new_console()
        show(overview(compared, folder, [*order, *(f for f in tops if f not in order)], width=console.width), console)
        return
    from hcc_sim.report.results import as_json, csv_text

    write(csv_text(compared.tables.summary) if output is TableFormat.csv else as_json(compared))
    say(f"results in {folder}")


@contextmanager
def _progress(histories: int | None) -> Iterator[Callable[[int], None] | None]:
    """A bar on the terminal, nothing in a pipe; None: nobody knows how many it will be."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("histories", total=histories)
        done = 0

        def advance(count: int) -> None:
            nonlocal done
            done += count
            bar.update(task, completed=done)
            if histories is not None and done >= histories:  # what follows has no end that is known
                bar.update(task, description="what the answer hangs on", total=None)

        yield advance


def patient(
    scenario: ScenarioArgument,
    number: Annotated[str, typer.Argument(metavar="N", help="The patient's number, from 0.")],
    seed: SeedOption = None,
    settings: SetOption = None,
    calibration: CalibrationOption = None,
) -> None:
    """Tell one patient's history under every strategy, with the same luck."""
    problems = Problems()
    person = whole("N", number, 0, HIGHEST_PATIENT, problems)
    asked = load(scenario, problems, settings, calibration, None, seed)
    assert person is not None

    from hcc_sim.engine import attributes_at_start, simulate_all
    from hcc_sim.report.life import story

    histories = {}
    given = None if asked.patients is None else asked.patients.frame(person, 1)

    def born(program: Program) -> dict[str, float]:
        return attributes_at_start(program, seed=asked.seed, patient=person, attributes=given)

    compiled = prepared(asked, born)
    for name, program in compiled.items():
        stays = simulate_all(
            program,
            seed=asked.seed,
            patients=1,
            first_patient=person,
            attributes=given,
            horizon_months=asked.horizon_months,
            threads=1,
        )
        histories[name] = stays.to_frame(program.state_names, program.exit_names)
    attributes = born(program)
    parts = [f"Patient {person} of '{asked.title}', seed {asked.seed}"]
    for heading, lines in story(program.pathway, attributes, histories, new_console().width):
        parts += ["", heading, *lines]
    write("\n".join(parts) + "\n")
