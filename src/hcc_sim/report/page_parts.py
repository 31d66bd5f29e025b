"""What a page is made of: paragraphs, lists, tables and pictures under headings."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from hcc_sim.report.results_table import Results, lines_of


class Text(NamedTuple):
    """A paragraph; `strong` for what must not be missed."""

    text: str
    strong: bool = False
    kind: str = "text"


class Listed(NamedTuple):
    """Sentences one below another."""

    texts: tuple[str, ...]
    kind: str = "listed"


@dataclass(frozen=True)
class Table:
    """A table; numbers are texts that stand to the right from column `left` on; a row of one cell is a heading."""

    caption: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    left: int = 1
    kind: str = "table"


@dataclass(frozen=True)
class Picture:
    """A plot as a data address, with what it shows in words."""

    source: str
    shows: str
    kind: str = "picture"


@dataclass(frozen=True)
class Section:
    """A heading with what stands under it."""

    anchor: str
    title: str
    parts: Sequence[Text | Listed | Table | Picture] = field(default_factory=tuple)


class Pictures:
    """Plots of a folder, by name."""

    def __init__(self, folder: Path | None) -> None:
        self.folder = folder

    def of(self, *named: tuple[str, str]) -> list[Picture]:
        """Those that are there of (name, what it shows)."""
        found = []
        for name, shows in named:
            path = self.folder / f"{name}.svg" if self.folder else None
            if path is not None and path.is_file():
                data = base64.b64encode(path.read_bytes()).decode("ascii")
                found.append(Picture(f"data:image/svg+xml;base64,{data}", shows))
        return found


def table_of(results: Results) -> Table:
    """Results as a table."""
    rows = [[line.label, *line.texts] for line in lines_of(results, results.names)]
    return Table(results.title, ["", *results.names], rows)
