"""Patients from a file, a row each: checked row by row before anything runs."""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hcc_sim.errors import InputError, Problem, Problems, nearest
from hcc_sim.pathway.hcc.patient import COLUMNS, Column
from hcc_sim.units import shown

if TYPE_CHECKING:
    import pandas as pd

MOST_ROWS = 1_000_000


@dataclass(frozen=True)
class Patients:
    """What a file says of its patients: attribute -> a number for each row; `sha256` over the file's bytes."""

    path: Path
    sha256: str
    attributes: dict[str, tuple[float, ...]]

    @property
    def rows(self) -> int:
        """How many patients the file holds."""
        return len(next(iter(self.attributes.values())))

    def frame(self, first: int, count: int) -> pd.DataFrame:
        """A row of attributes for each of `count` patients from number `first` on; rows are taken in turn."""
        import numpy as np
        import pandas as pd

        at = np.arange(first, first + count) % self.rows
        return pd.DataFrame({name: np.array(values)[at] for name, values in self.attributes.items()})


def read_patients(path: Path) -> Patients:
    """Read a CSV (UTF-8, a heading, commas) or Parquet file whose columns are among `COLUMNS`.

    Raises:
        InputError: every cell that is wrong, with its line (of CSV) or row (of Parquet) and column.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(Problem(str(path), None, "", f"cannot be read: {error.strerror}")) from None
    problems = Problems()
    names, rows = _table(path, content)
    columns = _columns(path, names, problems)
    problems.raise_if_any()
    found: dict[str, list[float]] = {column.attribute: [] for column in columns}
    for number, row in enumerate(rows, start=2 if _is_csv(path) else 1):
        if number > MOST_ROWS:
            raise InputError(Problem(str(path), None, "", f"holds more than {MOST_ROWS:,} patients"))
        if len(row) != len(names):
            told = f"has {len(row)} cells, the heading has {len(names)}"
            problems.add(Problem(str(path), number, "", told))
            continue
        for column, cell in zip(columns, row, strict=True):
            try:
                found[column.attribute].append(column.read(cell))
            except ValueError as error:
                problems.add(Problem(str(path), number, column.name, f"{error}; accepted: {column.accepted}"))
    problems.raise_if_any()
    if not next(iter(found.values())):
        raise InputError(Problem(str(path), None, "", "holds no patient; it needs a row for each below its heading"))
    attributes = {name: tuple(values) for name, values in found.items()}
    return Patients(path, hashlib.sha256(content).hexdigest(), attributes)


def _is_csv(path: Path) -> bool:
    return path.suffix.lower() == ".csv"


def _table(path: Path, content: bytes) -> tuple[list[str], Iterator[Sequence[Any]]]:
    """The heading and the rows."""
    if _is_csv(path):
        try:
            text = content.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            line = content[: error.start].count(b"\n") + 1
            raise InputError(Problem(str(path), line, "", "is not UTF-8; save it as UTF-8")) from None
        lines = csv.reader(io.StringIO(text, newline=""), strict=True)
        return [name.strip() for name in next(lines, [])], _csv_rows(path, lines)
    if path.suffix.lower() != ".parquet":
        raise InputError(Problem(str(path), None, "", "is neither a .csv nor a .parquet file"))
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(pa.BufferReader(content))
    except (pa.ArrowException, OSError) as error:
        raise InputError(Problem(str(path), None, "", f"is not a Parquet file: {error}")) from None
    return list(table.column_names), zip(*(column.to_pylist() for column in table.columns), strict=True)


def _csv_rows(path: Path, lines: Iterator[list[str]]) -> Iterator[Sequence[Any]]:
    try:
        yield from lines
    except csv.Error as error:
        raise InputError(Problem(str(path), None, "", f"is not CSV: {error}")) from None


def _columns(path: Path, names: Sequence[str], problems: Problems) -> list[Column]:
    known = {column.name: column for column in COLUMNS}
    found = []
    for name in names:
        if name not in known:
            accepted = f"Accepted: {', '.join(known)}"
            told = " ".join(f"unknown column {shown(name)}. {nearest(name, known)} {accepted}".split())
            problems.add(Problem(str(path), 1 if _is_csv(path) else None, name, told))
        elif known[name] in found:
            problems.add(Problem(str(path), 1 if _is_csv(path) else None, name, "stands twice"))
        else:
            found.append(known[name])
    if not names:
        problems.add(Problem(str(path), None, "", f"is empty; it needs columns among {', '.join(known)}"))
    return found
