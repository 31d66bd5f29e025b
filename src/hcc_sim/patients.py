"""Patients from a file, a row each: checked row by row before anything runs."""

from __future__ import annotations

import csv
import hashlib
import io
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hcc_sim.errors import InputError, Problem, Problems, nearest
from hcc_sim.units import shown

if TYPE_CHECKING:
    import pandas as pd

MOST_ROWS = 1_000_000


@dataclass(frozen=True)
class Column:
    """A column of a file: the attribute of the pathway that it gives, and which numbers it may hold."""

    name: str
    attribute: str
    low: float
    high: float
    whole: bool = False
    logarithm: bool = False
    """The attribute is the decimal logarithm of what the file says."""

    @property
    def accepted(self) -> str:
        """In words."""
        return f"a {'whole ' if self.whole else ''}number from {self.low:g} to {self.high:g}"

    def read(self, cell: object) -> float:
        """The attribute that a cell gives.

        Raises:
            ValueError: it holds no such number.
        """
        if cell is None or (isinstance(cell, str) and not cell.strip()):
            raise ValueError("is empty")
        if not (isinstance(cell, int | float) or (isinstance(cell, str) and _DECIMAL.fullmatch(cell.strip()))):
            raise ValueError(
                f"given {shown(cell)}"
            )  # not by trying: Python also makes numbers of 1_000 and of infinity
        number = float(cell)
        if not self.low <= number <= self.high or (self.whole and not number.is_integer()):
            raise ValueError(f"given {number:g}")
        return math.log10(number) if self.logarithm else number


_DECIMAL = re.compile(r"[-+]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][-+]?[0-9]+)?")

COLUMNS: tuple[Column, ...] = (
    Column("age_years", "age", 18, 100),
    Column("male", "male", 0, 1, whole=True),
    Column("hbv", "HBV", 0, 1, whole=True),
    Column("ecog", "ECOG", 0, 4, whole=True),
    Column("child_pugh_score", "Child-Pugh score", 5, 15, whole=True),
    Column("tumour_size_cm", "tumour size", 0.1, 50),
    Column("tumour_number", "tumour number", 1, 1000, whole=True),
    Column("pvtt_type", "PVTT type", 0, 4, whole=True),
    Column("extrahepatic_spread", "extrahepatic spread", 0, 1, whole=True),
    Column("afp_ng_per_ml", "log10 AFP", 0.1, 1e8, logarithm=True),
    Column("central_location", "central location", 0, 1, whole=True),
    Column("small_remnant", "small remnant", 0, 1, whole=True),
    Column("resectable_at_start", "resectable at start", 0, 1, whole=True),
)
"""What a file of patients may hold; what it does not hold is drawn."""


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
    for count, (number, row) in enumerate(rows, start=1):
        if count > MOST_ROWS:
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


def _table(path: Path, content: bytes) -> tuple[list[str], Iterator[tuple[int, Sequence[Any]]]]:
    """The heading, and the rows with the line (of CSV) or the number (of Parquet) of each."""
    if _is_csv(path):
        try:
            text = content.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            line = content[: error.start].count(b"\n") + 1
            raise InputError(Problem(str(path), line, "", "is not UTF-8; save it as UTF-8")) from None
        rows = _csv_rows(path, text)
        _, heading = next(rows, (1, []))
        return [name.strip() for name in heading], rows
    if path.suffix.lower() != ".parquet":
        raise InputError(Problem(str(path), None, "", "is neither a .csv nor a .parquet file"))
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(pa.BufferReader(content))
    except (pa.ArrowException, OSError) as error:
        raise InputError(Problem(str(path), None, "", f"is not a Parquet file: {error}")) from None
    columns = (column.to_pylist() for column in table.columns)
    return list(table.column_names), enumerate(zip(*columns, strict=True), start=1)


def _csv_rows(path: Path, text: str) -> Iterator[tuple[int, Sequence[str]]]:
    """Every row, the heading too, with the line on which it begins: a quoted cell may hold lines of its own."""
    lines = csv.reader(io.StringIO(text, newline=""), strict=True)
    begins = 1
    try:
        for row in lines:
            yield begins, row
            begins = lines.line_num + 1
    except csv.Error as error:
        raise InputError(Problem(str(path), begins, "", f"is not CSV: {error}")) from None


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
