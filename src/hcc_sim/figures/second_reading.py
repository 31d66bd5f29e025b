"""The second, blind reading of the documents: which figures it holds, and how each difference was settled."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from hcc_sim.errors import InputError, Problem

FOLDER = "second_reading"


class Difference(NamedTuple):
    """Where the readings part: the record's id (empty if there is none), what each has, which stands and why."""

    figure: str
    document: str
    field: str
    first: str
    second: str
    settled: str


@dataclass(frozen=True)
class SecondReading:
    """Rows of the second reading, ids of the figures they are about, and all differences."""

    rows: int
    figures: frozenset[str]
    differences: tuple[Difference, ...]

    def of(self, figure: str) -> list[Difference]:
        """The differences about one figure."""
        return [one for one in self.differences if one.figure == figure]


def load_second_reading(folder: Path) -> SecondReading | None:
    """Read `second_reading/reading.csv` and `settled.csv` of a calibration folder; None if it has no such folder.

    The first id of a row's `figure` is what the row is about; further ids are of figures whose p it carries.

    Raises:
        InputError: a file or a column is missing, or a file is not UTF-8.
    """
    place = folder / FOLDER
    if not place.is_dir():
        return None
    reading = _rows(place / "reading.csv", ("figure",))
    settled = _rows(place / "settled.csv", Difference._fields)
    about = frozenset(row["figure"].split()[0] for row in reading if row["figure"].strip())
    differences = tuple(Difference(*(row[field] for field in Difference._fields)) for row in settled)
    return SecondReading(len(reading), about, differences)


def _rows(path: Path, columns: tuple[str, ...]) -> list[dict[str, str]]:
    try:
        with path.open(encoding="utf-8", newline="") as file:
            reader = csv.DictReader(file, strict=True)
            missing = [name for name in columns if name not in (reader.fieldnames or ())]
            rows = list(reader)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        told = getattr(error, "strerror", None) or str(error)
        raise InputError(Problem(str(path), None, "", f"cannot be read: {told}")) from None
    if missing:
        raise InputError(Problem(str(path), 1, "", f"lacks the column{'s'[: len(missing) - 1]} {', '.join(missing)}"))
    short = next((line for line, row in enumerate(rows, 2) if None in row.values() or None in row), None)
    if short is not None:
        raise InputError(Problem(str(path), None, "", f"row {short - 1} has not as many cells as there are columns"))
    return rows
