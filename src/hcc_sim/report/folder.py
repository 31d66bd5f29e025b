"""A results folder that is either complete or not there: written under a temporary name, renamed at the end."""

from __future__ import annotations

import json
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from hcc_sim.errors import InputError, Problem

MANIFEST = "manifest.json"
"""The file that makes a folder a results folder; it lists the others and is written last."""


@contextmanager
def new_folder(out: Path, *, force: bool = False) -> Iterator[Path]:
    """A temporary folder beside `out` to write into; it becomes `out` when the block ends without an exception.

    Whatever goes wrong, Ctrl-C included, leaves nothing behind.  With `force` an old results folder is replaced, but
    only once the new one is complete.

    Raises:
        InputError: `out` exists, or with `force`: is no results folder, holds files that are not results, or is the
            current folder or one above it.
        OSError: it cannot be written.
    """
    target = Path(os.path.realpath(out))
    check_free(out, force=force)
    made = _make_parents(target.parent)
    temporary = target.parent / f".{target.name[:100]}.{secrets.token_hex(4)}.unfinished"
    try:
        temporary.mkdir()
        yield temporary
        check_free(out, force=force)  # somebody else may have been quicker
        _put_in_place(temporary, target)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        for folder in made:
            with suppress(OSError):  # not empty: somebody else's by now
                folder.rmdir()
        raise


def check_free(out: Path, *, force: bool = False) -> None:
    """InputError unless a results folder can be put at `out`."""
    target = Path(os.path.realpath(out))
    if not os.path.lexists(target):
        return
    if not force:
        _refuse(f"{out} exists; choose another folder, or --force to replace it")
    if not target.is_dir():
        _refuse(f"{out} is not a folder, so --force does not replace it; choose another name")
    here = Path.cwd()
    if target in (here, *here.parents):
        _refuse(f"{out} is the current folder or one above it, so --force does not replace it; choose another name")
    files = _results_in(target)
    if files is None:
        _refuse(f"{out} is not a results folder (it has no {MANIFEST} of hcc-sim), so --force does not replace it")
    elif foreign := sorted(set(_files_in(target)) - files):
        named = ", ".join(foreign[:3]) + (f" and {len(foreign) - 3} more" if len(foreign) > 3 else "")
        _refuse(
            f"{out} also holds what hcc-sim did not write ({named}), so --force does not replace it; move that first"
        )


def _refuse(message: str) -> None:
    raise InputError(Problem("--out", None, "", message))


def _results_in(folder: Path) -> set[str] | None:
    """The files that the folder's manifest lists, itself included; None if it is no results folder."""
    try:
        manifest = json.loads((folder / MANIFEST).read_bytes())
        return {MANIFEST, *manifest["files"]} if manifest["program"] == "hcc-sim" else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _files_in(folder: Path) -> Iterator[str]:
    for path in sorted(folder.rglob("*")):
        if path.is_symlink() or not path.is_dir():
            yield path.relative_to(folder).as_posix()


def _make_parents(folder: Path) -> list[Path]:
    """Make the folder; those that were missing, innermost first."""
    missing = []
    while not folder.exists():
        missing.append(folder)
        folder = folder.parent
    made: list[Path] = []
    try:
        for path in reversed(missing):
            path.mkdir(exist_ok=True)
            made.insert(0, path)
    except OSError:
        for path in made:
            path.rmdir()
        raise
    return made


def _put_in_place(temporary: Path, target: Path) -> None:
    old = target.parent / f".{target.name[:100]}.{secrets.token_hex(4)}.replaced"
    replaced = target.exists()
    if replaced:
        os.rename(target, old)
    try:
        os.rename(temporary, target)
    except BaseException:
        if replaced:
            os.rename(old, target)
        raise
    shutil.rmtree(old, ignore_errors=True)
