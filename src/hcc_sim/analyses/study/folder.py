"""The folder of a study: finished draws as Parquet parts, each whole or not there, so that a study can go on.

`study.json` says what is studied and is written first; a part carries its digest, and one that is torn, or of another
study, is made again.  Parts begin at fixed draws, so that the folder ends the same however often it was interrupted.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import platform
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from hcc_sim.analyses.study.runs import Done
from hcc_sim.errors import InputError, MachineError, Problem, is_lack_of_memory

if TYPE_CHECKING:
    import pyarrow as pa

STUDY, DRAWS, LOCK, MANIFEST = "study.json", "draws", ".lock", "manifest.json"
UNFINISHED = ".unfinished"
ARITHMETIC = "arithmetic"
"""Of an identity: what some values come to on the machine that began."""

PROGRAM = "hcc-sim study"
DIGEST, OF_CONTENT, FIRST = "study", "content", "first"
"""What a part carries: the digest of its study, one of its content, its first draw."""

AS_ONE = 500_000
"""Histories in a part, about: a second or two of a processor, which is what a kill costs and what Ctrl-C waits for."""

AS_MANY = 2_000
"""Patients of a strategy that take as long as what a draw does besides simulating them."""

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""Errors that mean: no more room."""

KEPT = "finished draws are kept, and the same command goes on"

MOST_IN_PART = 1_000
PATIENCE_SECONDS = 2.0


@dataclass(frozen=True)
class Shape:
    """What a part holds: names of strategies, parts of the patients, outcomes, and inputs."""

    strategies: tuple[str, ...]
    parts: tuple[str, ...]
    outcomes: tuple[str, ...]
    inputs: tuple[str, ...]


@dataclass(frozen=True)
class StudyFolder:
    """A study on disk: its identity, the shape of its parts, and how many draws a part has."""

    path: Path
    identity: Mapping[str, Any]
    shape: Shape
    at_once: int

    @cached_property
    def digest(self) -> str:
        """Of the identity."""
        return hashlib.sha256(json.dumps(self.identity, sort_keys=True).encode()).hexdigest()

    def spans(self, draws: int) -> list[range]:
        """The draws of each part."""
        return [range(first, min(first + self.at_once, draws)) for first in range(0, draws, self.at_once)]

    def file(self, first: int) -> Path:
        """Of the part that begins at a draw."""
        return self.path / DRAWS / f"{first:09d}.parquet"

    def write(self, done: Done) -> None:
        """Write a part, whole or not at all.

        Raises:
            MachineError: it cannot be written.
        """
        import pyarrow.parquet as pq

        table = table_of(done, self.shape)
        metadata = {DIGEST: self.digest, OF_CONTENT: _content(table), FIRST: str(done.first)}
        table = table.replace_schema_metadata(metadata)

        def write(file: BinaryIO) -> None:
            # Of numbers of which hardly two are equal, dictionaries and statistics are a third of a small file.
            options = {"use_dictionary": ["strategy", "patients"], "write_statistics": False}
            pq.write_table(table, file, compression="zstd", **options)

        _write_whole(self.file(done.first), write)

    def read(self, first: int) -> Done | None:
        """A part; None if there is none, or if it is torn, or of another study."""
        import pyarrow.parquet as pq

        try:
            table = pq.read_table(self.file(first))
            told = {key.decode(): value.decode() for key, value in (table.schema.metadata or {}).items()}
            if told.get(DIGEST) != self.digest or told.get(FIRST) != str(first):
                return None
            if told.get(OF_CONTENT) != _content(table):
                return None
            return done_of(table, first, self.shape)
        except Exception as error:  # what a torn file makes a reader raise cannot be listed
            if is_lack_of_memory(error):
                raise
            return None

    def firsts(self) -> list[int]:
        """The first draws of the parts whose files are there, in order; they may be torn."""
        found = (path.stem for path in (self.path / DRAWS).glob("[0-9]*.parquet"))
        return sorted(int(stem) for stem in found if stem.isdigit())

    def begin(self) -> None:
        """Make the folder, or go on in it; what kills left half-written is removed.

        Raises:
            InputError: it is no study, or another one; what differs is told.
            MachineError: it cannot be written.
        """
        before = study_in(self.path)
        if before is None:
            self.path.mkdir(parents=True, exist_ok=True)
            text = json.dumps({"program": PROGRAM, **self.identity}, indent=1, ensure_ascii=False) + "\n"
            _write_whole(self.path / STUDY, lambda file: file.write(text.encode()))
        elif different := _told(_differences(before, json.loads(json.dumps(self.identity)))):
            told = "; ".join(different[:5]) + (f"; and {len(different) - 5} more" if len(different) > 5 else "")
            _refuse(f"{self.path} holds another study ({told}); choose another folder, or --force to begin anew there")
        (self.path / DRAWS).mkdir(exist_ok=True)
        for left in (self.path / DRAWS).glob(f".*{UNFINISHED}"):
            left.unlink(missing_ok=True)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Nobody else may work on the folder meanwhile; the system frees it if this process dies.

    Raises:
        InputError: somebody does.
    """
    from filelock import FileLock, Timeout

    check_study_folder(path)
    path.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path / LOCK, timeout=PATIENCE_SECONDS)  # workers of one that was killed end within a second
    try:
        lock.acquire()
    except Timeout:
        who = ""
        with suppress(OSError):
            who = (path / f"{LOCK}.owner").read_text(encoding="utf-8").strip()
        _refuse(f"{path} is being worked on by another process{f' ({who})' if who else ''}; wait for it, or stop it")
    owner = path / f"{LOCK}.owner"
    try:
        with suppress(OSError):  # it is for messages
            owner.write_text(f"process {os.getpid()} on {platform.node()}\n", encoding="utf-8")
        yield
    finally:
        with suppress(OSError):
            owner.unlink(missing_ok=True)
        lock.release()


def study_in(path: Path) -> dict[str, Any] | None:
    """What `study.json` of a folder says; None where there is none.

    Raises:
        InputError: the folder holds something else.
    """
    check_study_folder(path)
    if not (path / STUDY).is_file():
        return None
    found = json.loads((path / STUDY).read_bytes())
    del found["program"]
    return dict(found)


def check_study_folder(path: Path) -> None:
    """InputError unless a study can be put there, or is there."""
    if not os.path.lexists(path):
        return
    if not path.is_dir():
        _refuse(f"{path} is not a folder; choose another name")
    if (path / STUDY).is_file():
        try:
            if json.loads((path / STUDY).read_bytes())["program"] == PROGRAM:
                return
        except (ValueError, KeyError, TypeError):
            pass
        _refuse(f"{path / STUDY} cannot be read: it was changed, or hcc-sim did not write it; choose another folder")
    begun = f".{STUDY}{UNFINISHED}"  # killed before it had a name
    others = [one.name for one in path.iterdir() if not one.name.startswith(LOCK) and one.name != begun]
    if others:
        _refuse(f"{path} holds no study ({', '.join(sorted(others)[:3])} ...); choose another folder")


def clear(path: Path) -> None:
    """Remove what a study wrote: its parts first, its name last.

    Raises:
        InputError: the folder holds something else.
    """
    check_study_folder(path)
    if not path.is_dir():
        return
    files = [*(path / DRAWS).glob("*.parquet"), *(path / DRAWS).glob(f".*{UNFINISHED}")]
    with suppress(OSError, ValueError, KeyError, TypeError):
        named = json.loads((path / MANIFEST).read_bytes())["files"]
        files += [path / name for name in named if not Path(name).is_absolute() and ".." not in Path(name).parts]
    for file in (*files, path / MANIFEST):
        file.unlink(missing_ok=True)
    for folder in sorted({file.parent for file in files} | {path / DRAWS}, reverse=True):
        if folder != path:
            with suppress(OSError):
                folder.rmdir()
    (path / STUDY).unlink(missing_ok=True)


def table_of(done: Done, shape: Shape, *, errors: bool = True) -> pa.Table:
    """A part as a table: a row for each draw, part of the patients and strategy; with covariances of errors or not."""
    import pyarrow as pa

    draws, strategies, parts, outcomes = done.means.shape
    rows = draws * parts * strategies

    def repeated(names: Sequence[str], each: int) -> pa.Array:
        index = np.tile(np.repeat(np.arange(len(names), dtype=np.int32), each), rows // (each * len(names)))
        return pa.DictionaryArray.from_arrays(pa.array(index), pa.array(list(names)))

    means = np.moveaxis(done.means, 1, 2).reshape(rows, outcomes)
    columns: dict[str, Any] = {
        "draw": pa.array(np.repeat(np.arange(done.first, done.first + draws), parts * strategies)),
        "strategy": repeated(shape.strategies, 1),
        "patients": repeated(shape.parts, strategies),
    }
    columns |= {name: pa.array(means[:, k].copy()) for k, name in enumerate(shape.outcomes)}
    if errors:
        columns["error_covariances"] = pa.FixedSizeListArray.from_arrays(
            pa.array(done.covariances.ravel()), outcomes * strategies * outcomes
        )
    for place, name in enumerate(shape.inputs):
        columns[f"{name} (given)" if name in columns else name] = pa.array(
            np.repeat(done.inputs[:, place], parts * strategies)
        )
    return pa.table(columns)


def done_of(table: pa.Table, first: int, shape: Shape) -> Done:
    """The way back; ValueError or KeyError where a table has another shape."""
    strategies, parts, outcomes = len(shape.strategies), len(shape.parts), len(shape.outcomes)
    draws = table.num_rows // (strategies * parts)
    means = np.column_stack([table[name].to_numpy() for name in shape.outcomes])
    means = np.moveaxis(means.reshape(draws, parts, strategies, outcomes), 2, 1)
    flat = table["error_covariances"].combine_chunks().flatten().to_numpy(zero_copy_only=False)
    covariances = flat.reshape(draws, parts, strategies, outcomes, strategies, outcomes)
    inputs = [table[f"{n} (given)" if f"{n} (given)" in table.column_names else n] for n in shape.inputs]
    found = [column.to_numpy()[:: strategies * parts] for column in inputs]
    return Done(first, np.column_stack(found) if found else np.empty((draws, 0)), means, covariances)


def _content(table: pa.Table) -> str:
    """A digest of all names and values, however they are encoded."""
    import pyarrow as pa

    digest = hashlib.sha256()
    for name in table.column_names:
        column = table[name].combine_chunks()
        if pa.types.is_dictionary(column.type):
            content = json.dumps(column.to_pylist()).encode()
        else:
            values = column.flatten() if pa.types.is_fixed_size_list(column.type) else column
            content = values.to_numpy(zero_copy_only=False).tobytes()
        digest.update(json.dumps([name, len(content)]).encode() + content)
    return digest.hexdigest()


def _told(different: list[str]) -> list[str]:
    """What values come to differs wherever anything does: a reason only where it is the only one."""
    others = [one for one in different if not one.startswith(ARITHMETIC)]
    if different and not others:
        return ["the same values come out with other last bits on this machine, by its processor or its libraries"]
    return others


def _differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """What differs, in words."""
    found = []
    for key in dict.fromkeys([*before, *now]):
        was, asked = before.get(key), now.get(key)
        if was == asked:
            continue
        if isinstance(was, Mapping) and isinstance(asked, Mapping):
            found += [f"{key}: {told}" for told in _differences(was, asked)]
        elif isinstance(was, list) and isinstance(asked, list):
            found.append(f"{key} {_of_lists(was, asked)}")
        else:
            found.append(f"{key} {_short(was)} there, {_short(asked)} now")
    return found


def _of_lists(was: Sequence[Any], asked: Sequence[Any]) -> str:
    there = [_short(one) for one in was if one not in asked]
    now = [_short(one) for one in asked if one not in was]
    told = [f"{', '.join(some[:3])}{' ...' * (len(some) > 3)}" for some in (there, now)]
    return f"{told[0] or 'nothing more'} there, {told[1] or 'nothing more'} now" if any(told) else "in another order"


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False) if not isinstance(value, str) else value
    return text if len(text) <= 60 else f"{text[:57]}..."


def _write_whole(path: Path, write: Callable[[BinaryIO], object]) -> None:
    temporary = path.with_name(f".{path.name}{UNFINISHED}")
    try:
        with temporary.open("wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())  # else a power cut may leave the name without the content
        os.replace(temporary, path)
    except OSError as error:
        why = "the disk is full" if error.errno in FULL else f"{error.strerror or error}"
        raise MachineError(f"{path} cannot be written: {why}; {KEPT}") from error
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def _refuse(message: str) -> None:
    raise InputError(Problem("--out", None, "", message))
