"""What sheets are written on: cells that stay what they are, styles by what a cell holds, pages that print."""

from __future__ import annotations

import math
import re
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

LONGEST_TEXT = 32_767
"""Letters that a cell of Excel takes."""
LONGEST_LABEL = 80

MONEY, MONEY_EXACT, QALYS, YEARS = "#,##0", "#,##0.00", "0.0000", "0.000"
SHARE, PLAIN, WHOLE = "0.0%", "#,##0.00", "#,##0"
GENERAL = "General"

INPUT, FORMULA, STORED = "input", "formula", "stored"
"""What a cell with a number is: to be changed, worked out here, or a result of the simulation."""

Cells = Mapping[str, str]
"""Strategy -> a cell that holds something of it, as formulas on other sheets name it."""

_ROLES: Mapping[str, Mapping[str, Any]] = {
    INPUT: {"font_color": "#0000FF", "bg_color": "#FFF8D6", "border": 1, "border_color": "#D8CB8C", "locked": False},
    FORMULA: {"bg_color": "#EAF1F8"},
    STORED: {},
}
_TEXTS: Mapping[str, Mapping[str, Any]] = {
    "text": {"valign": "top"},
    "wrapped": {"text_wrap": True, "valign": "top"},
    "bold": {"bold": True, "valign": "top"},
    "title": {"bold": True, "font_size": 14},
    "note": {"italic": True, "font_color": "#555555"},
    "note wrapped": {"italic": True, "font_color": "#555555", "text_wrap": True, "valign": "top"},
    "heading": {"bold": True, "bg_color": "#1F4E79", "font_color": "#FFFFFF", "text_wrap": True, "valign": "vcenter"},
    "heading of numbers": {
        "bold": True, "bg_color": "#1F4E79", "font_color": "#FFFFFF", "text_wrap": True, "valign": "vcenter",
        "align": "right", "indent": 1,
    },
    "section": {"bold": True, "bg_color": "#D9E2EC"},
    "input": {**_ROLES[INPUT], "bold": True},
    "formula": {**_ROLES[FORMULA], "valign": "top"},
}  # fmt: skip


_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_LINE_POINTS, _LETTERS_PER_WIDTH = 13.5, 1.0
_NUMBER: Mapping[str, Any] = {"valign": "top", "align": "right", "indent": 1}


class Book:
    """A workbook of XlsxWriter, its styles, and a label for every strategy."""

    def __init__(self, workbook: Any) -> None:
        self.workbook = workbook
        self.sheets: list[Sheet] = []
        self._styles: dict[tuple[tuple[str, Any], ...], Any] = {}

    def sheet(self, name: str) -> Sheet:
        """A new sheet behind the others."""
        self.sheets.append(Sheet(self, name))
        return self.sheets[-1]

    def style(self, properties: Mapping[str, Any]) -> Any:
        """The format with these properties, made once."""
        key = tuple(sorted(properties.items()))
        if key not in self._styles:
            self._styles[key] = self.workbook.add_format({"font_name": "Calibri", "font_size": 10, **properties})
        return self._styles[key]


class Sheet:
    """A sheet that prints on landscape pages, as wide as one page."""

    def __init__(self, book: Book, name: str) -> None:
        self.book, self.name = book, name
        self._widths: dict[int, float] = {}
        self._wrapped: dict[int, list[tuple[int, str]]] = {}
        self.inner = book.workbook.add_worksheet(name)
        self.inner.set_landscape()
        self.inner.set_paper(9)
        self.inner.set_margins(left=0.4, right=0.4, top=0.5, bottom=0.6)
        self.inner.fit_to_pages(1, 0)
        self.inner.set_footer("&L&8hcc-sim&C&8&A&R&8&P of &N")
        self.inner.hide_gridlines(2)

    def text(self, row: int, column: int, text: str, style: str = "text", **further: Any) -> None:
        """Text that stays text, whatever it begins with."""
        properties = {**_TEXTS[style], **further}
        text = clean(text)
        if text[:1] in ("=", "+", "-", "@"):
            properties["quote_prefix"] = True  # or editing the cell would make a formula of it
        if properties.get("text_wrap"):
            self._wrapped.setdefault(row, []).append((column, text))
        self.inner.write_string(row, column, text[:LONGEST_TEXT], self.book.style(properties))

    def texts(self, row: int, column: int, texts: Iterable[str], style: str = "text") -> None:
        """Side by side."""
        for place, text in enumerate(texts):
            self.text(row, column + place, text, style)

    def number(
        self, row: int, column: int, value: float, shown: str = PLAIN, role: str = STORED, **further: Any
    ) -> None:
        """A number; nothing where there is none, `never` where it is endless."""
        style = self.book.style({"num_format": shown, **_NUMBER, **_ROLES[role], **further})
        if math.isnan(value):
            self.inner.write_blank(row, column, None, style)
        elif math.isinf(value):
            self.inner.write_string(row, column, "never", style)
        else:
            self.inner.write_number(row, column, value, style)

    def formula(
        self, row: int, column: int, formula: str, value: float | str, shown: str = PLAIN, **further: Any
    ) -> None:
        """A formula, and the value that we know it to have; NaN where it shows nothing."""
        alignment = {"valign": "top"} if isinstance(value, str) else _NUMBER
        properties = {"num_format": shown, **alignment, **_ROLES[FORMULA], **further}
        known = "" if isinstance(value, float) and math.isnan(value) else value
        self.inner.write_formula(row, column, f"={formula}", self.book.style(properties), known)

    def head(self, title: str, notes: Sequence[str] = ()) -> int:
        """Title and notes from the top; the row below them and a blank one."""
        self.text(0, 0, title, "title")
        for place, note in enumerate(notes):
            self.text(1 + place, 0, note, "note")
        return len(notes) + 2

    def widths(self, *columns: tuple[int, int, float]) -> None:
        """First column, last column, width of each."""
        for first, last, width in columns:
            self.inner.set_column(first, last, width)
            self._widths |= dict.fromkeys(range(first, last + 1), width)

    def fit_rows(self) -> None:
        """Rows as high as their wrapped texts need, which not every program works out; after `widths`."""
        for row, texts in self._wrapped.items():
            lines = max(
                len(textwrap.wrap(text, max(int(_LETTERS_PER_WIDTH * self._widths.get(column, 9.0)), 4)))
                for column, text in texts
            )
            if lines > 1:
                self.inner.set_row(row, min(_LINE_POINTS * lines, 400.0))

    def repeat(self, first: int, last: int, columns: int = 0) -> None:
        """Header rows that stay in view, with some columns, and come again on every printed page."""
        self.inner.freeze_panes(last + 1, columns)
        self.inner.repeat_rows(first, last)

    def headings(self, row: int, titles: Sequence[str]) -> None:
        """Of the first columns; the row above is left to `groups`."""
        for column, title in enumerate(titles):
            self.text(row - 1, column, "", "heading")
            self.text(row, column, title, "heading")

    def groups(self, row: int, groups: Sequence[tuple[str, int]], labels: Sequence[str]) -> None:
        """A column for each label from each of these columns on, and above them what they hold."""
        for title, first in groups:
            for place, label in enumerate(labels):
                self.text(row - 1, first + place, title if place == 0 else "", "heading", text_wrap=False)
                self.text(row, first + place, label, "heading of numbers")

    def at(self, row: int, column: int) -> str:
        """Where a cell is, as formulas on other sheets name it."""
        return f"'{self.name}'!{fixed(row, column)}"


def letters(column: int) -> str:
    """A, B, ... Z, AA, ..."""
    found, column = "", column + 1
    while column:
        column, rest = divmod(column - 1, 26)
        found = chr(65 + rest) + found
    return found


def fixed(row: int, column: int) -> str:
    """$A$1."""
    return f"${letters(column)}${row + 1}"


def near(row: int, column: int) -> str:
    """A1."""
    return f"{letters(column)}{row + 1}"


def span(first_row: int, first: int, last_row: int, last: int) -> str:
    """$A$1:$B$2."""
    return f"{fixed(first_row, first)}:{fixed(last_row, last)}"


def digits(value: float) -> str:
    """A number format with about four digits of a number that is not to be changed."""
    if value == 0.0 or not math.isfinite(value) or float(value).is_integer():
        return WHOLE
    if abs(value) < 0.001:
        return "0.00E+00"
    return "0.0000" if abs(value) < 100.0 else "#,##0.0"


def literal(value: float) -> str:
    """A number as formulas write it, with all its digits."""
    return repr(float(value)).upper().removesuffix(".0")


def clean(text: str) -> str:
    """Without what XML cannot hold, such as a bell, which would make the file unreadable."""
    return _NOT_XML.sub("\ufffd", text)


def labels(names: Iterable[str]) -> dict[str, str]:
    """A label on one line for each name, short enough for a heading, no two alike."""
    found: dict[str, str] = {}
    for name in names:
        line = " ".join(clean(name).split())
        base = line if len(line) <= LONGEST_LABEL else f"{line[: LONGEST_LABEL - 4]} ..."
        label, number = base, 1
        while label in found.values():
            number += 1
            label = f"{base} ({number})"
        found[name] = label
    return found
