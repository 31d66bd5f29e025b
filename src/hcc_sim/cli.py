"""The command line: parse, call one function, show.  Nothing heavy is imported before a command needs it."""

from __future__ import annotations

import atexit
import errno
import gc
import math
import os
import re
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

import hcc_sim
from hcc_sim.errors import InputError, MachineError, Problem, Problems, is_lack_of_memory, nearest

if TYPE_CHECKING:
    from rich.console import RenderableType

    from hcc_sim.analyses.compare import Comparison
    from hcc_sim.engine import Program
    from hcc_sim.scenario import Scenario

DONE, FAILED, WRONG_INPUT, INTERRUPTED = 0, 1, 2, 130
DEBUG = "HCC_SIM_DEBUG"
COMPILER = "hcc-sim compiler"
COLLECT_AFTER = 100_000
"""Objects made before Python looks for garbage; at its usual 700 it looks again and again through all that is imported,
which a run of seconds feels."""
PATIENCE_SECONDS = 1.0
"""A second Ctrl-C so soon after the first says nothing new."""
CHUNK = 50_000
CHUNK_STEP = 1_000
COPIES = 2
"""How often the stays of a chunk are in memory at least: in parts, and joined."""
MOST_THREADS = 1_024
HIGHEST_PATIENT = 2**64 - 1

app = typer.Typer(
    name="hcc-sim",
    help="Simulate strategies of conversion therapy and surgical timing in liver cancer, patient by patient. "
    "A model for research and teaching, not advice for a patient.",
    add_completion=False,
    pretty_exceptions_enable=False,
)
scenarios_app = typer.Typer(help="List, describe and copy the scenarios that come with hcc-sim; list the parameters.")
app.add_typer(scenarios_app, name="scenarios")


class TableFormat(StrEnum):
    """How a table is shown."""

    table = "table"
    csv = "csv"
    json = "json"


class PictureFormat(StrEnum):
    """How the pathway is drawn."""

    mermaid = "mermaid"
    svg = "svg"


ScenarioArgument = Annotated[
    str,
    typer.Argument(
        metavar="SCENARIO",
        help="A scenario file; or, if there is no such file, the name of one that comes with hcc-sim, "
        "such as surgical-timing.",
    ),
]
PatientsOption = Annotated[
    str | None, typer.Option("--patients", metavar="NUMBER", help="Patients per strategy, instead of the file's.")
]
SeedOption = Annotated[
    str | None, typer.Option("--seed", metavar="NUMBER", help="Seed of all luck, instead of the file's.")
]
SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="NAME=VALUE", help="Set a parameter under all strategies; may be repeated."),
]
CalibrationOption = Annotated[
    Path | None, typer.Option("--calibration", metavar="DIR", help="Folder of parameters, instead of the usual one.")
]
ForceOption = Annotated[bool, typer.Option("--force", help="Replace what is there.")]
TableFormatOption = Annotated[TableFormat, typer.Option("--format", help="What is printed.")]


# --- run --------------------------------------------------------------------------------------------------------------


@app.command()
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
    workers = _whole("--threads", threads, 1, MOST_THREADS, problems)
    at_once = _whole("--chunk", chunk, CHUNK_STEP, None, problems, CHUNK_STEP)
    asked = _load(scenario, problems, settings, calibration, patients, seed)
    assert at_once is not None

    from hcc_sim.report.folder import check_free, new_folder

    folder = out if out is not None else Path("results") / asked.files[0].stem
    check_free(folder, force=force)

    from hcc_sim.report.results import StayFiles, write_results

    compiled = _prepared(asked)  # what does not fit the pathway is told before anything is made
    _check_memory(compiled, asked, at_once)
    with new_folder(folder, force=force) as temporary:
        with StayFiles(temporary / "stays", asked) as stays:
            keep = stays.keep if keep_stays else None
            compared = _compared(asked, threads=workers, chunk=at_once, keep=keep)
        how = {
            "wall_seconds": round(time.perf_counter() - started, 3),
            "threads": workers or os.cpu_count() or 1,
            "chunk": at_once,
            "command": ["hcc-sim", *_arguments],
        }
        files = write_results(temporary, compared, how, plots=not no_plots)
    _finished.append(folder)
    _show_results(compared, folder, files, output)


def _compared(asked: Scenario, **options: Any) -> Comparison:
    from hcc_sim.analyses.compare import compare

    with _progress(asked.size * len(asked.strategies)) as progress:
        return compare(asked, progress=progress, **options)


def _prepared(asked: Scenario, also: Callable[[Program], object] | None = None) -> dict[str, Program]:
    """The programs of all strategies, and the engine compiled by a run of one patient and by whatever else is to run.

    In a thread, so that Ctrl-C ends the wait for it and does not get lost in the compiler.
    """
    from hcc_sim.compiled import before_compiling
    from hcc_sim.engine import simulate_all
    from hcc_sim.scenario import programs

    before_compiling(_say_compiling)
    compiled: dict[str, Program] = {}
    failures: list[BaseException] = []

    def prepare() -> None:
        try:
            compiled.update(programs(asked))
            first = next(iter(compiled.values()))
            simulate_all(first, seed=asked.seed, patients=1, horizon_months=1.0, threads=1)
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
        _say(
            "compiling (some seconds), as every start will: the compiled code cannot be kept "
            f"({hindrance}). Set NUMBA_CACHE_DIR to a folder that can be written."
        )
    else:
        _say("compiling, once (some seconds)")


def _show_results(compared: Comparison, folder: Path, files: Sequence[str], output: TableFormat) -> None:
    if output is TableFormat.table:
        from hcc_sim.report.screen import overview

        tops = list(dict.fromkeys(file.split("/")[0] + ("/" if "/" in file else "") for file in files))
        order = ["summary.csv", "contrasts.csv", "assumptions.csv", "parameters.csv", "curves.csv"]
        console = _console()
        _print(overview(compared, folder, [*order, *(f for f in tops if f not in order)], width=console.width), console)
        return
    from hcc_sim.report.results import as_json, csv_text

    _write(csv_text(compared.tables.summary) if output is TableFormat.csv else as_json(compared))
    _say(f"results in {folder}")


@contextmanager
def _progress(histories: int) -> Iterator[Callable[[int], None] | None]:
    """A bar on the terminal, nothing in a pipe."""
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
            if done >= histories:  # what follows has no end that is known
                bar.update(task, description="what the answer hangs on", total=None)

        yield advance


# --- patient ----------------------------------------------------------------------------------------------------------


@app.command()
def patient(
    scenario: ScenarioArgument,
    number: Annotated[str, typer.Argument(metavar="N", help="The patient's number, from 0.")],
    seed: SeedOption = None,
    settings: SetOption = None,
    calibration: CalibrationOption = None,
) -> None:
    """Tell one patient's history under every strategy, with the same luck."""
    problems = Problems()
    person = _whole("N", number, 0, HIGHEST_PATIENT, problems)
    asked = _load(scenario, problems, settings, calibration, None, seed)
    assert person is not None

    from hcc_sim.engine import attributes_at_start, simulate_all
    from hcc_sim.report.life import story

    histories = {}
    compiled = _prepared(asked, lambda program: attributes_at_start(program, seed=asked.seed, patient=person))
    for name, program in compiled.items():
        stays = simulate_all(
            program,
            seed=asked.seed,
            patients=1,
            first_patient=person,
            horizon_months=asked.horizon_months,
            threads=1,
        )
        histories[name] = stays.to_frame(program.state_names, program.exit_names)
    attributes = attributes_at_start(program, seed=asked.seed, patient=person)
    parts = [f"Patient {person} of '{asked.title}', seed {asked.seed}"]
    for heading, lines in story(program.pathway, attributes, histories, _console().width):
        parts += ["", heading, *lines]
    _write("\n".join(parts) + "\n")


# --- diagram, schema --------------------------------------------------------------------------------------------------


@app.command()
def diagram(
    scenario: Annotated[
        str | None, typer.Argument(metavar="[SCENARIO]", help="A scenario file or name; all share one pathway.")
    ] = None,
    output: Annotated[
        PictureFormat | None, typer.Option("--format", help="By default that of FILE's ending, else mermaid.")
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", metavar="FILE", help="Write to a file.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace an existing file.")] = False,
    calibration: CalibrationOption = None,
) -> None:
    """Draw the pathway, as Mermaid text or as SVG."""
    if out is not None and os.path.lexists(out) and not (force and out.is_file()):
        remedy = "choose another name, or --force to replace it" if out.is_file() else "choose the name of a file"
        raise InputError(Problem("--out", None, "", f"{out} exists; {remedy}"))

    from hcc_sim.parameters import load_calibration
    from hcc_sim.pathway import diagram as draw
    from hcc_sim.scenario import hcc_pathway_of

    if scenario is None:
        pathway = hcc_pathway_of(load_calibration(calibration))
    else:
        pathway = hcc_pathway_of(_load(scenario, Problems(), None, calibration).calibration)
    wanted = output or (PictureFormat.svg if out is not None and out.suffix == ".svg" else PictureFormat.mermaid)
    text = draw.svg(pathway) if wanted is PictureFormat.svg else draw.mermaid(pathway)
    if out is None:
        _write(text if text.endswith("\n") else text + "\n")
    else:
        _replace(out, text.encode())
        _say(f"{wanted.value} in {out}")


@app.command()
def schema(calibration: CalibrationOption = None) -> None:
    """Print the JSON Schema of scenario files, for editors."""
    import json

    from hcc_sim.parameters import load_calibration
    from hcc_sim.scenario import scenario_schema

    _write(json.dumps(scenario_schema(load_calibration(calibration)), indent=2, ensure_ascii=False) + "\n")


# --- scenarios --------------------------------------------------------------------------------------------------------


@scenarios_app.callback(invoke_without_command=True)
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
        from hcc_sim.parameters import load_calibration
        from hcc_sim.report import listing

        known = load_calibration(calibration).parameters
        if output is TableFormat.table:
            _print(listing.parameter_list(known))
        else:
            as_csv = output is TableFormat.csv
            _write(listing.parameters_as_csv(known) if as_csv else listing.parameters_as_json(known))


@scenarios_app.command("list")
def list_scenarios() -> None:
    """List the scenarios that come with hcc-sim."""
    from hcc_sim.report.listing import scenario_table
    from hcc_sim.scenario import load_scenario

    loaded = ((name, load_scenario(file)) for name, file in sorted(_shipped().items()))
    _print(scenario_table((name, one.title, one.question) for name, one in loaded))


@scenarios_app.command("show")
def show_scenario(scenario: ScenarioArgument) -> None:
    """Describe a scenario: its question, who is simulated, what each strategy sets."""
    from hcc_sim.report.listing import describe

    _print(describe(_load(scenario, Problems(), None, None)))


@scenarios_app.command("copy")
def copy_scenario(
    scenario: ScenarioArgument,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Where the copy goes; an existing file is kept.")],
) -> None:
    """Copy a scenario, with what it extends, to edit it and run it anywhere."""
    asked = _load(scenario, Problems(), None, None)
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
            _say(f"{to} was there already and differs from the one that comes with hcc-sim; it is kept and used")
    _write(f"{target}: a copy of '{asked.title}'. Edit it, then: hcc-sim run {target}\n")


def _shipped() -> dict[str, Path]:
    """The scenarios that come with hcc-sim, by name."""
    from hcc_sim.parameters import data_folder

    return {file.stem: file for file in data_folder("scenarios").glob("*.yaml")}


# --- shared -----------------------------------------------------------------------------------------------------------


def _load(
    scenario: str,
    problems: Problems,
    settings: Sequence[str] | None,
    calibration: Path | None,
    patients: str | None = None,
    seed: str | None = None,
) -> Scenario:
    """The scenario, checked; all that is wrong with it and with the options (what was found before, too) at once."""
    from hcc_sim.scenario import HIGHEST_SEED, MOST_PATIENTS, load_scenario

    size = _whole("--patients", patients, 1, MOST_PATIENTS, problems)
    luck = _whole("--seed", seed, 0, HIGHEST_SEED, problems)
    overrides = _overrides(settings or (), problems)
    try:
        asked = load_scenario(
            _path_of(scenario), calibration=calibration, overrides=overrides, patients=size, seed=luck
        )
    except InputError as error:
        for problem in error.problems:
            problems.add(problem)
    problems.raise_if_any()
    return asked


def _whole(option: str, text: str | None, low: int, high: int | None, problems: Problems, step: int = 1) -> int | None:
    """The whole number of an option; None, and a problem if it was given, if it is none that is accepted."""
    if text is None:
        return None
    if re.fullmatch(r"[-+]?[0-9]{1,40}", text.strip(), re.ASCII):
        number = int(text)
        if low <= number and (high is None or number <= high) and number % step == 0:
            return number
    span = f"of {low:,} or more" if high is None else f"from {low:,} to {high:,}"
    accepted = f"a whole number {span}" + (f", a multiple of {step:,}" if step > 1 else "")
    given = text if len(text) <= 60 else f"{text[:57]}..."
    problems.add(Problem(option, None, "", f"given {given}; accepted: {accepted}"))
    return None


def _overrides(settings: Sequence[str], problems: Problems) -> dict[str, str]:
    overrides: dict[str, str] = {}
    for setting in settings:
        name, equals, value = (part.strip() for part in setting.partition("="))
        if not (name and equals and value):
            problems.add(Problem("--set", None, setting, "accepted: name=value, such as surgery.effect=0.8"))
        elif name in overrides:
            problems.add(Problem("--set", None, name, "given twice; give it once"))
        else:
            overrides[name] = value
    return overrides


def _path_of(scenario: str) -> Path:
    """A file, or the name of a scenario that comes with hcc-sim if there is no such file."""
    path = Path(scenario)
    if path.is_file():
        return path
    shipped = _shipped()
    if scenario in shipped:
        return shipped[scenario]
    if os.path.lexists(path) or path.suffix or path.parent != Path():
        return path  # its reader says what is wrong with it
    hint = nearest(scenario, shipped)
    message = f"no such file, and no scenario of that name comes with hcc-sim ({', '.join(sorted(shipped))}). {hint}"
    raise InputError(Problem(scenario, None, "", message.strip()))


def _replace(path: Path, content: bytes) -> None:
    """Write a file whole or not at all."""
    temporary = path.with_name(f".{path.name[:100]}.{os.getpid()}.unfinished")
    try:
        temporary.write_bytes(content)
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def _console() -> Any:
    from hcc_sim.report.screen import WIDEST, PlainConsole

    console = PlainConsole(highlight=False, markup=False, emoji=False)
    console.width = min(console.width, WIDEST)
    return console


def _print(what: RenderableType, console: Any = None) -> None:
    console = console or _console()
    if console.is_terminal:
        console.print(what)
        return
    with console.capture() as captured:
        console.print(what)
    _write("\n".join(line.rstrip() for line in captured.get().split("\n")))


def _write(text: str) -> None:
    sys.stdout.write(text)


def _say(text: str) -> None:
    """Tell the person at the terminal something that is no result."""
    print(text, file=sys.stderr, flush=True)


# --- the entry point --------------------------------------------------------------------------------------------------

_arguments: list[str] = []
"""What was given on the command line, for the manifest."""

_finished: list[Path] = []
"""The results folder that is complete, if one is."""


@app.callback(invoke_without_command=True)
def _top(version: Annotated[bool, typer.Option("--version", help="Show the version.")] = False) -> None:
    if version:
        _say_version()
        raise typer.Exit


def _say_version() -> None:
    _write(f"hcc-sim {hcc_sim.__version__}\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; the exit code: 0 done, 1 program or machine failed, 2 input wrong, 130 interrupted."""
    if arguments is None:  # the process is ours, and short
        gc.set_threshold(COLLECT_AFTER)
        atexit.register(gc.freeze)  # Python would look for garbage once more in all that it is about to leave
        _take_ctrl_c_once()
    _arguments[:] = sys.argv[1:] if arguments is None else arguments
    _finished.clear()
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")  # a terminal that lacks a letter is no reason to stop
    try:
        if _arguments == ["--version"]:  # at once: the parser would import more than is needed to say it
            _say_version()
        else:
            command = typer.main.get_command(app)
            with command.make_context("hcc-sim", list(_arguments) or ["--help"]) as context:
                command.invoke(context)
        sys.stdout.flush()
    except BaseException as error:
        return _told(error)
    return DONE


def _take_ctrl_c_once() -> None:
    """While the first Ctrl-C is tidied up after, further ones would leave what was begun lying about."""
    if signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        return  # started in the background, where Ctrl-C is meant for others
    last = -math.inf

    def interrupt(*_: object) -> None:
        nonlocal last
        before, last = last, time.monotonic()
        if last - before > PATIENCE_SECONDS:
            raise KeyboardInterrupt

    signal.signal(signal.SIGINT, interrupt)


def _told(error: BaseException) -> int:
    """Say what happened in a line for the person at the terminal; the exit code."""
    if os.environ.get(DEBUG) and not isinstance(error, typer.Exit):
        import traceback

        traceback.print_exception(error)
    engine = sys.modules.get("hcc_sim.engine")
    written = f"the results in {_finished[0]} are complete" if _finished else "nothing was written"
    match error:
        case typer.Exit():
            return error.exit_code
        case InputError():
            _say(str(error))
            return WRONG_INPUT
        case KeyboardInterrupt() | typer.Abort():
            eval("0")  # Python dies of the signal if it passed through code made from text, until such code ends well
            _say(f"\ninterrupted; {written}")
            if any(thread.name == COMPILER for thread in threading.enumerate()):
                os._exit(INTERRUPTED)  # the compiler cannot be stopped, and nothing is left to tidy up
            return INTERRUPTED
        case BrokenPipeError():
            _drop_stdout()
            return DONE  # whoever was reading has read enough
        case MachineError():
            _say(f"hcc-sim: {error}")
            return FAILED
        case _ if is_lack_of_memory(error):
            _say(f"hcc-sim: not enough memory; {written}. A smaller --chunk or fewer --threads need less.")
            return FAILED
        case OSError():
            _drop_stdout()
            _say(f"hcc-sim: {_os_error(error)}; {written}")
            return FAILED
    if engine is not None and isinstance(error, engine.EngineError):
        _say(f"hcc-sim: the run had to stop: {error}")
        return FAILED
    parser: Any = error
    if hasattr(error, "format_message") and hasattr(error, "exit_code"):  # of the parser, whichever typer uses
        where = parser.ctx.command_path if getattr(error, "ctx", None) else "hcc-sim"
        _say(f"{where}: {parser.format_message()} `{where} --help` tells more.")
        return WRONG_INPUT
    told = f"{type(error).__name__}: {error}".splitlines()[0]
    _say(f"hcc-sim: this is a fault of hcc-sim, please report it: {told} ({DEBUG}=1 shows where)")
    return FAILED


def _os_error(error: OSError) -> str:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return "the disk is full"
    place = f": {error.filename}" if error.filename else ""
    return f"{error.strerror or error}{place}"


def _drop_stdout() -> None:
    """Let what is still buffered go nowhere, or Python complains when it ends."""
    try:
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, sys.stdout.fileno())
        os.close(null)
    except (OSError, ValueError, AttributeError):
        pass


if __name__ == "__main__":
    sys.exit(main())
