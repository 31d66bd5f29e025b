"""Results to standard output, what is no result to standard error, files whole or not at all."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import RenderableType


command_line: list[str] = []
"""What was given on the command line, for the manifest."""

finished: list[Path] = []
"""The results folder that is complete, if one is."""

unfinished: list[Path] = []
"""The folder of a study that was begun and can go on, if one was."""


def replace_file(path: Path, content: bytes) -> None:
    """Write a file whole or not at all."""
    temporary = path.with_name(f".{path.name[:100]}.{os.getpid()}.unfinished")
    try:
        temporary.write_bytes(content)
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def new_console() -> Any:
    """A console no wider than is read well."""
    from hcc_sim.report.screen import WIDEST, PlainConsole

    console = PlainConsole(highlight=False, markup=False, emoji=False)
    console.width = min(console.width, WIDEST)
    return console


def show(what: RenderableType, console: Any = None) -> None:
    """Print tables and texts; in a pipe without blanks at the ends of lines."""
    console = console or new_console()
    if console.is_terminal:
        console.print(what)
        return
    with console.capture() as captured:
        console.print(what)
    write("\n".join(line.rstrip() for line in captured.get().split("\n")))


def write(text: str) -> None:
    """Print a result as it is."""
    sys.stdout.write(text)


def say(text: str) -> None:
    """Tell the person at the terminal something that is no result."""
    print(text, file=sys.stderr, flush=True)
