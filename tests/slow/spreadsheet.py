"""A workbook worked out anew by LibreOffice, which knows nothing of the values that we stored in it."""

from __future__ import annotations

import re
import shutil
import subprocess
import zipfile
from collections.abc import Mapping
from pathlib import Path

import openpyxl

SOFFICE = shutil.which("soffice") or shutil.which("libreoffice")
_WORKED_OUT = re.compile(r'(<c r="[A-Z]+[0-9]+"[^>]*?)( t="\w+")?>(<f>.*?</f>)<v>.*?</v></c>', re.DOTALL)

Cells = Mapping[str, Mapping[str, object]]
"""Sheet -> cell -> what it holds."""


def change(path: Path, to: Path, cells: Cells) -> Path:
    """The workbook with other inputs in these cells."""
    book = openpyxl.load_workbook(path)
    for sheet, values in cells.items():
        for cell, value in values.items():
            book[sheet][cell].value = value
    book.save(to)
    return to


def without_values(path: Path, to: Path) -> Path:
    """The workbook with its formulas and without the values stored beside them."""
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(to, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            content = old.read(name)
            if name.startswith("xl/worksheets/sheet"):
                content = _WORKED_OUT.sub(r"\1>\3</c>", content.decode()).encode()
            new.writestr(name, content)
    return to


def recalculated(path: Path, folder: Path) -> openpyxl.Workbook:
    """The workbook with the values that LibreOffice finds."""
    assert SOFFICE is not None
    bare = without_values(path, folder / f"{path.stem}-bare.xlsx")
    out = folder / "recalculated"
    profile = (folder / "profile").as_uri()
    subprocess.run(
        [SOFFICE, f"-env:UserInstallation={profile}", "--headless", "--convert-to", "xlsx", "--outdir", str(out),
         str(bare)],
        check=True, capture_output=True, timeout=300,
    )  # fmt: skip
    return openpyxl.load_workbook(out / bare.name, data_only=True)


def formulas(path: Path) -> list[tuple[str, str]]:
    """Sheet and cell of every formula."""
    book = openpyxl.load_workbook(path)
    return [
        (sheet.title, cell.coordinate)
        for sheet in book.worksheets
        for row in sheet.iter_rows()
        for cell in row
        if cell.data_type == "f"
    ]
