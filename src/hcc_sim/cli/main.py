"""The entry point: all commands, and what is said when one fails."""

from __future__ import annotations

import atexit
import errno
import gc
import math
import os
import signal
import sys
import threading
import time
from collections.abc import Sequence
from typing import Annotated, Any

import typer

import hcc_sim
from hcc_sim.cli import calibrate, diagram, evidence, questions, run, scenarios, studies
from hcc_sim.cli.terminal import command_line, finished, say, unfinished, write
from hcc_sim.errors import CheckFailed, InputError, MachineError, is_lack_of_memory

DONE, FAILED, WRONG_INPUT, CHECK_FAILED, INTERRUPTED = 0, 1, 2, 3, 130
DEBUG = "HCC_SIM_DEBUG"
COLLECT_AFTER = 100_000
"""Objects made before Python looks for garbage; at its usual 700 it looks again and again through all that is imported,
which a run of seconds feels."""
PATIENCE_SECONDS = 1.0
"""A second Ctrl-C so soon after the first says nothing new."""

app = typer.Typer(
    name="hcc-sim",
    help="Simulate strategies of conversion therapy and surgical timing in liver cancer, patient by patient. "
    "A model for research and teaching, not advice for a patient.",
    add_completion=False,
    pretty_exceptions_enable=False,
)
COMMANDS = (
    *(run.run, run.patient, studies.timing, studies.psa, studies.dsa, studies.threshold, studies.voi),
    *(studies.sobol, studies.morris, questions.designs),
    *(diagram.diagram, diagram.schema, calibrate.calibrate, calibrate.reproduce),
)
for command in COMMANDS:
    app.command()(command)
app.command("two-way")(studies.two_way)
app.add_typer(scenarios.app, name="scenarios")
app.add_typer(evidence.app, name="evidence")


@app.callback(invoke_without_command=True)
def _top(version: Annotated[bool, typer.Option("--version", help="Show the version.")] = False) -> None:
    if version:
        _say_version()
        raise typer.Exit


def _say_version() -> None:
    write(f"hcc-sim {hcc_sim.__version__}\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; the exit code: 0 done, 1 program or machine failed, 2 input wrong, 3 a check did not hold,
    130 interrupted."""
    if arguments is None:  # the process is ours, and short
        gc.set_threshold(COLLECT_AFTER)
        atexit.register(gc.freeze)  # Python would look for garbage once more in all that it is about to leave
        _take_ctrl_c_once()
    command_line[:] = sys.argv[1:] if arguments is None else arguments
    finished.clear()
    unfinished.clear()
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")  # a terminal that lacks a letter is no reason to stop
    try:
        if command_line == ["--version"]:  # at once: the parser would import more than is needed to say it
            _say_version()
        else:
            command = typer.main.get_command(app)
            with command.make_context("hcc-sim", list(command_line) or ["--help"]) as context:
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
    written = "nothing was written"
    if finished:
        written = f"the results in {finished[0]} are complete"
    elif unfinished:
        written = f"finished draws are kept in {unfinished[0]}, and the same command goes on"
    match error:
        case typer.Exit():
            return error.exit_code
        case InputError():
            say(str(error))
            return WRONG_INPUT
        case CheckFailed():
            sys.stdout.flush()
            say(f"hcc-sim: the check did not hold: {error}")
            return CHECK_FAILED
        case KeyboardInterrupt() | typer.Abort():
            eval("0")  # Python dies of the signal if it passed through code made from text, until such code ends well
            say(f"\ninterrupted; {written}")
            if any(thread.name == run.COMPILER for thread in threading.enumerate()):
                os._exit(INTERRUPTED)  # the compiler cannot be stopped, and nothing is left to tidy up
            return INTERRUPTED
        case BrokenPipeError():
            _drop_stdout()
            return DONE  # whoever was reading has read enough
        case MachineError():
            say(f"hcc-sim: {error}" + (f"; {written}" if unfinished else ""))
            return FAILED
        case _ if is_lack_of_memory(error):
            say(f"hcc-sim: not enough memory; {written}. A smaller --chunk or fewer --threads need less.")
            return FAILED
        case OSError():
            _drop_stdout()
            say(f"hcc-sim: {_os_error(error)}; {written}")
            return FAILED
    if engine is not None and isinstance(error, engine.EngineError):
        say(f"hcc-sim: the run had to stop: {error}")
        return FAILED
    parser: Any = error
    if hasattr(error, "format_message") and hasattr(error, "exit_code"):  # of the parser, whichever typer uses
        where = parser.ctx.command_path if getattr(error, "ctx", None) else "hcc-sim"
        say(f"{where}: {parser.format_message()} `{where} --help` tells more.")
        return WRONG_INPUT
    told = f"{type(error).__name__}: {error}".splitlines()[0]
    say(f"hcc-sim: this is a fault of hcc-sim, please report it: {told} ({DEBUG}=1 shows where)")
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
