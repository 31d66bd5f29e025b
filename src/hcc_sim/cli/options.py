"""Arguments and options that several commands share, and what they mean: a scenario, a whole number, a file."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hcc_sim.errors import InputError, Problem, Problems, nearest

if TYPE_CHECKING:
    from hcc_sim.scenario import Scenario


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
TableFormatOption = Annotated[TableFormat, typer.Option("--format", help="What is printed.")]


def in_format(rows: Sequence[Mapping[str, Any]], output: TableFormat, columns: Sequence[str] = ()) -> str:
    """Rows for a program: CSV or JSON; columns: where there may be no row."""
    from hcc_sim.report.listing import rows_as_csv, rows_as_json

    return rows_as_csv(rows, columns) if output is TableFormat.csv else rows_as_json(rows)


def load(
    scenario: str,
    problems: Problems,
    settings: Sequence[str] | None,
    calibration: Path | None,
    patients: str | None = None,
    seed: str | None = None,
) -> Scenario:
    """The scenario, checked; all that is wrong with it and with the options (what was found before, too) at once."""
    from hcc_sim.scenario import HIGHEST_SEED, MOST_PATIENTS, load_scenario

    size = whole("--patients", patients, 1, MOST_PATIENTS, problems)
    luck = whole("--seed", seed, 0, HIGHEST_SEED, problems)
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


def strategy_of(asked: Scenario, name: str | None) -> str:
    """The name of a strategy, by default the scenario's first.

    Raises:
        InputError: there is none of that name.
    """
    names = [strategy.name for strategy in asked.strategies]
    if name is not None and name not in names:
        told = f"unknown strategy '{name}'. {nearest(name, names)} Accepted: {', '.join(names)}"
        raise InputError(Problem("--strategy", None, "", " ".join(told.split())))
    return name or names[0]


def whole(option: str, text: str | None, low: int, high: int | None, problems: Problems, step: int = 1) -> int | None:
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
    known = shipped()
    if scenario in known:
        return known[scenario]
    if os.path.lexists(path) or path.suffix or path.parent != Path():
        return path  # its reader says what is wrong with it
    hint = nearest(scenario, known)
    message = f"no such file, and no scenario of that name comes with hcc-sim ({', '.join(sorted(known))}). {hint}"
    raise InputError(Problem(scenario, None, "", message.strip()))


def shipped() -> dict[str, Path]:
    """The scenarios that come with hcc-sim, by name."""
    from hcc_sim.parameters import data_folder

    return {file.stem: file for file in data_folder("scenarios").glob("*.yaml")}


def may_write(folder: Path, names: Sequence[str], *, force: bool) -> None:
    """Raises InputError where a folder is a file, or files of these names are there and may not be replaced."""
    if folder.exists() and not folder.is_dir():
        raise InputError(Problem("--out", None, "", f"{folder} is not a folder; choose another name"))
    there = [name for name in names if (folder / name).exists()]
    if there and not force:
        raise InputError(Problem("--out", None, "", f"{folder} has {', '.join(there)} already; --force replaces them"))
