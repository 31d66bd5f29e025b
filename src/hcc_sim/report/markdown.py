"""Pieces of pages in Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def plain(text: str) -> str:
    """Text that Markdown leaves as it is, on one line."""
    return " ".join(text.split()).replace("<", "&lt;").replace("*", "\\*").replace("|", "\\|")


def table(headings: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    """A table; cells are made plain."""
    rows = [headings, ["---"] * len(headings), *lines]
    return "\n".join("| " + " | ".join(map(plain, row)) + " |" for row in rows)
