"""Files that belong together come together or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from hcc_sim.files import written_together

NAMES = ("page.md", "pictures/plot.csv")


def write(folder: Path, text: str) -> None:
    with written_together(folder, NAMES) as made:
        for name in NAMES:
            (made / name).write_text(text, encoding="utf-8")


def texts(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): path.read_text(encoding="utf-8")
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_files_are_written_beside_what_is_there(tmp_path: Path):
    (tmp_path / "mine.txt").write_text("mine", encoding="utf-8")
    write(tmp_path, "first")
    write(tmp_path, "second")
    assert texts(tmp_path) == {"mine.txt": "mine", "page.md": "second", "pictures/plot.csv": "second"}


def only(folder: Path, name: str, error: type[BaseException] | None = None) -> None:
    with written_together(folder, NAMES) as made:
        (made / name).write_text("second", encoding="utf-8")
        if error is not None:
            raise error


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_an_error_leaves_everything_as_it_was(tmp_path: Path, error: type[BaseException]):
    write(tmp_path, "first")
    with pytest.raises(error):
        only(tmp_path, NAMES[0], error)
    assert texts(tmp_path) == dict.fromkeys(NAMES, "first")


@pytest.mark.parametrize("name", NAMES)
def test_a_file_that_was_not_made_moves_nothing(tmp_path: Path, name: str):
    write(tmp_path, "first")
    with pytest.raises(FileNotFoundError):
        only(tmp_path, name)
    assert texts(tmp_path) == dict.fromkeys(NAMES, "first")
