"""Studies that are killed, cut, torn, stopped and run out of disk go on, and end with the bytes of an unbroken run."""

from __future__ import annotations

import errno
import os
import random
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Generator, Iterator
from pathlib import Path

import psutil
import pytest
from studies import (
    INTERRUPTED,
    ended,
    folder_of,
    kill_at_random,
    killed,
    parts,
    run_whole,
    small_study,
    started,
)

from hcc_sim.analyses.study import folder as module
from hcc_sim.analyses.study.execute import Local
from hcc_sim.analyses.study.folder import DRAWS, STUDY, UNFINISHED, check_study_folder, clear, locked
from hcc_sim.analyses.study.runs import Done, Rows, Task
from hcc_sim.analyses.study.study import Study
from hcc_sim.errors import InputError, MachineError

MANY, SOME, AT_ONCE = 60, 24, 2
KILLS = 3


class Counted:
    """One process, and the draws that it was given."""

    def __init__(self) -> None:
        self.draws: list[int] = []

    def run(self, task: Task, waiting: Iterator[Rows], stop: Callable[[], bool]) -> Generator[Done, None, None]:
        def noted() -> Iterator[Rows]:
            for rows in waiting:
                self.draws += range(rows.first, rows.first + len(rows))
                yield rows

        yield from Local(1).run(task, noted(), stop)


@pytest.fixture(scope="module")
def study() -> Study:
    return small_study(SOME)


@pytest.fixture(scope="module")
def whole_of_many(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The parts of an unbroken run in one process."""
    return run_whole(small_study(MANY), tmp_path_factory.mktemp("whole"), AT_ONCE)


@pytest.fixture(scope="module")
def whole(whole_of_many: dict[str, bytes]) -> dict[str, bytes]:
    """Those of the first draws."""
    return {name: content for name, content in whole_of_many.items() if int(name.partition(".")[0]) < SOME}


@pytest.fixture(scope="module")
def ten(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the parts of 10 draws: 4, 4 and 2."""
    path = tmp_path_factory.mktemp("ten")
    run_whole(small_study(10), path, 4)
    return path


@pytest.fixture
def copy(ten: Path, tmp_path: Path) -> Path:
    shutil.copytree(ten, tmp_path / "copy")
    return tmp_path / "copy"


def test_killed_at_random_instants(whole_of_many: dict[str, bytes], tmp_path: Path):
    chance, seen = random.Random(20240502), [0]
    for kill in range(KILLS):
        process = started(tmp_path, MANY, 1 + kill % 2, AT_ONCE, in_steps=True)
        kill_at_random(process, chance)
        seen.append(len(parts(tmp_path)))
    many = small_study(MANY)
    with locked(tmp_path):
        many.run(folder_of(many, tmp_path, AT_ONCE), Local(1))
    assert parts(tmp_path) == whole_of_many
    assert 0 < seen[-1] < len(whole_of_many), "killed in between"
    assert seen == sorted(seen), "nothing was lost"


def test_one_process_at_a_time(study: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    process = started(tmp_path, 1_000, 2, AT_ONCE)
    with monkeypatch.context() as patch:
        patch.setattr(module, "PATIENCE_SECONDS", 0.1)
        told = rf"is being worked on by another process \(process {process.pid} on [^)]+\); wait for it, or stop it"
        with pytest.raises(InputError, match=told), locked(tmp_path):
            pass
    killed(process)
    with locked(tmp_path):  # at once, though its workers had the lock too
        pass


HALF = """
import io, time
import pyarrow.parquet as pq
write, calls = pq.write_table, []

def half(table, file, **options):
    calls.append(table)
    if len(calls) < 3:
        return write(table, file, **options)
    write(table, content := io.BytesIO(), **options)
    file.write(content.getvalue()[: len(content.getvalue()) // 2])
    file.flush()
    print("half", flush=True)
    time.sleep(60)

pq.write_table = half
"""


def test_killed_while_a_part_is_written(study: Study, whole: dict[str, bytes], tmp_path: Path):
    process = started(tmp_path, SOME, 1, AT_ONCE, before=HALF)
    assert process.stdout is not None
    while process.stdout.readline() != "half\n":
        assert process.poll() is None
    killed(process)
    left = parts(tmp_path)
    assert len(left) == 3
    assert sum(name.endswith(UNFINISHED) for name in left) == 1
    assert study.run(folder_of(study, tmp_path, AT_ONCE), Local(1)) == SOME - 2 * AT_ONCE
    assert parts(tmp_path) == whole


def test_more_draws_extend_the_last_part(copy: Path, tmp_path: Path):
    more = small_study(25)
    counted = Counted()
    told: list[tuple[int, int]] = []
    assert more.run(folder_of(more, copy, 4), counted, lambda *progress: told.append(progress)) == 15
    assert counted.draws == list(range(10, 25))
    assert told[0] == (10, 25)
    assert told[-1] == (25, 25)
    assert parts(copy) == run_whole(more, tmp_path / "at once", 4)
    before = parts(copy)
    assert more.run(folder_of(more, copy, 4), counted) == 0, "it is complete"
    fewer = small_study(10)
    assert fewer.run(folder_of(fewer, copy, 4), counted) == 0
    assert len(folder_of(fewer, copy, 4).spans(10)) == 3
    assert parts(copy) == before


def tear(way: str, path: Path, other: Path) -> None:
    """Spoil the second part of ten draws."""
    file = path / DRAWS / "000000004.parquet"
    content = bytearray(file.read_bytes())
    if way == "cut":
        file.write_bytes(content[:-1000])
    elif way == "empty":
        file.write_bytes(b"")
    elif way == "a bit in a value":
        content[len(content) // 4] ^= 4
        file.write_bytes(content)
    elif way == "another draw's":
        shutil.copy(path / DRAWS / "000000000.parquet", file)
    elif way == "another study's":
        shutil.copy(other, file)
    else:
        file.unlink()
        file.mkdir() if way == "a folder" else None


@pytest.fixture(scope="module")
def other_seed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("other")
    run_whole(small_study(8, seed=99), path, 4)
    return path


@pytest.mark.parametrize("way", ["cut", "empty", "a bit in a value", "another draw's", "another study's", "missing"])
def test_a_part_that_is_torn_or_foreign_is_made_again(way: str, copy: Path, ten: Path, other_seed: Path):
    tear(way, copy, other_seed / DRAWS / "000000004.parquet")
    again, counted = small_study(10), Counted()
    folder = folder_of(again, copy, 4)
    assert folder.read(4) is None
    with pytest.raises(MachineError, match="is missing or torn"):
        again.table(folder)
    assert again.run(folder, counted) == 4
    assert counted.draws == [4, 5, 6, 7]
    assert parts(copy) == parts(ten)


def test_no_flipped_bit_changes_what_is_read(copy: Path):
    folder = folder_of(small_study(10), copy, 4)
    good, file = folder.read(4), folder.file(4)
    assert good is not None
    content = file.read_bytes()
    chance, seen = random.Random(1), 0
    for _ in range(150):
        torn = bytearray(content)
        torn[chance.randrange(len(torn))] ^= 1 << chance.randrange(8)
        file.write_bytes(torn)
        found = folder.read(4)
        seen += found is None
        if found is not None:  # it hit what nobody reads
            assert all((a == b).all() for a, b in zip(found[1:], good[1:], strict=True))
    assert seen > 50


@pytest.mark.parametrize(
    ("other", "told"),
    [
        (lambda: small_study(10, seed=99), r"\(seed [0-9]+ there, 99 now\)"),
        (lambda: small_study(10, patients=2_000), r"\(patients_in_each_draw 1000 there, 2000 now\)"),
        (
            lambda: small_study(10, everything=True),
            r"\(design: drawn nothing more there, .* \.\.\. now; design: joint",
        ),
    ],
)
def test_another_study_in_the_folder_is_refused(copy: Path, ten: Path, other: Callable[[], Study], told: str):
    another = other()
    with pytest.raises(InputError, match=rf"holds another study {told}") as refused:
        another.run(folder_of(another, copy, 4), Local(1))
    assert "--force" in str(refused.value)
    assert parts(copy) == parts(ten)
    assert (copy / STUDY).read_bytes() == (ten / STUDY).read_bytes()


def test_another_version_of_the_program_is_refused(copy: Path, monkeypatch: pytest.MonkeyPatch):
    from hcc_sim.analyses.study import study as of_studies

    monkeypatch.setattr(of_studies, "source_digest", lambda: "0" * 64)
    again = small_study(10)
    with pytest.raises(InputError, match=r"holds another study \(source [0-9a-f]{57}\.\.\. there, 0{57}\.\.\. now\)"):
        again.run(folder_of(again, copy, 4), Local(1))


@pytest.mark.parametrize("processors", [1, 2])
def test_ctrl_c_ends_what_was_begun(study: Study, whole: dict[str, bytes], tmp_path: Path, processors: int):
    process = started(tmp_path, SOME, processors, AT_ONCE)
    assert process.stdout is not None
    before = int(process.stdout.readline())
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to workers too
    after = [before, *(int(line) for line in process.stdout)][-1]
    assert process.wait() == INTERRUPTED
    assert before + AT_ONCE * (processors - 1) <= after, "what was under way was finished"
    assert after <= min(before + AT_ONCE * (2 * processors + 2), SOME - 1), "and little begun"
    left = parts(tmp_path)
    assert len(left) * AT_ONCE == after
    assert left.items() <= whole.items()
    study.run(folder_of(study, tmp_path, AT_ONCE), Local(1))
    assert parts(tmp_path) == whole


def test_a_second_ctrl_c_ends_at_once(tmp_path: Path):
    process = started(tmp_path, 4_000, 2, 1_000)  # two parts of a minute
    workers = psutil.Process(process.pid).children()
    os.killpg(process.pid, signal.SIGINT)
    time.sleep(0.2)
    assert process.poll() is None, "it waits for what was begun"
    os.killpg(process.pid, signal.SIGINT)
    assert process.wait(timeout=5.0) == -signal.SIGINT
    assert ended(workers)
    assert parts(tmp_path) == {}
    with locked(tmp_path):
        pass


DYING = """
import os, signal
from hcc_sim.analyses.study.runs import Runner
run = Runner.run

def dying(self, rows, threads=1):
    if rows.first == 10:
        os.kill(os.getpid(), signal.SIGKILL)
    return run(self, rows, threads)

Runner.run = dying
"""


def test_a_worker_that_dies_is_told(
    study: Study, whole: dict[str, bytes], tmp_path: Path, capfd: pytest.CaptureFixture[str]
):
    process = started(tmp_path, SOME, 2, AT_ONCE, before=DYING)
    assert process.wait(timeout=20.0) == 1
    told = capfd.readouterr().err.splitlines()[-1]
    assert told.startswith("hcc_sim.errors.MachineError: a worker died")
    assert told.endswith("finished draws are kept, and the same command goes on")
    left = parts(tmp_path)
    assert left
    assert left.items() <= whole.items()
    study.run(folder_of(study, tmp_path, AT_ONCE), Local(1))
    assert parts(tmp_path) == whole


def test_an_error_of_a_draw_ends_everything_soon(tmp_path: Path, capfd: pytest.CaptureFixture[str]):
    wrong = """
from hcc_sim.analyses.study.runs import Runner
from hcc_sim.errors import InputError
run = Runner.run

def failing(self, rows, threads=1):
    if rows.first == 0:
        raise InputError("draw 0 is wrong")
    return run(self, rows, threads)

Runner.run = failing
"""
    process = started(tmp_path, 2_000, 2, 1_000, before=wrong)  # the other part takes a minute
    assert process.wait(timeout=5.0) == 1
    assert capfd.readouterr().err.splitlines()[-1] == "hcc_sim.errors.InputError: draw 0 is wrong"


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    path = tmp_path / "disk"
    path.mkdir()
    try:
        mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=48k", "none", str(path)], capture_output=True)
    except FileNotFoundError:
        pytest.skip("there is no mount")
    if mounted.returncode:
        pytest.skip("file systems can be mounted by root only")
    yield path
    subprocess.run(["umount", str(path)], check=True)


def test_a_disk_that_is_full(study: Study, whole: dict[str, bytes], small_disk: Path, tmp_path: Path):
    folder = folder_of(study, small_disk / "study", AT_ONCE)
    with pytest.raises(MachineError, match=r"parquet cannot be written: the disk is full; finished draws are kept"):
        study.run(folder, Local(1))
    left = parts(folder.path)
    assert 1 < len(left) < len(whole)
    assert left.items() <= whole.items(), "nothing is torn, and nothing half-written lies about"
    shutil.copytree(folder.path, tmp_path / "larger")
    assert study.run(folder_of(study, tmp_path / "larger", AT_ONCE), Local(2)) == SOME - AT_ONCE * len(left)
    assert parts(tmp_path / "larger") == whole


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EIO])
def test_a_part_that_cannot_be_written(study: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int):
    calls: list[int] = []

    def fsync(file: int) -> None:
        calls.append(file)
        if len(calls) == 4:
            raise OSError(code, os.strerror(code))

    monkeypatch.setattr(module.os, "fsync", fsync)
    why = "the disk is full" if code != errno.EIO else "Input/output error"
    with pytest.raises(MachineError, match=rf"000000004\.parquet cannot be written: {why}; finished draws are kept"):
        study.run(folder_of(study, tmp_path, AT_ONCE), Local(1))
    assert sorted(parts(tmp_path)) == ["000000000.parquet", "000000002.parquet"]


def test_killed_before_the_study_has_a_name(tmp_path: Path):
    few = small_study(2)
    (tmp_path / f".{STUDY}{UNFINISHED}").write_text('{"program"')
    assert few.run(folder_of(few, tmp_path, 2), Local(1)) == 2
    assert not list(tmp_path.glob(f".*{UNFINISHED}"))


def test_clearing_can_be_interrupted_anywhere(ten: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    steps = 0
    for last in range(100):
        path = tmp_path / str(last)
        shutil.copytree(ten, path)
        count = iter(range(100))

        def step(real: Callable[..., None], count: Iterator[int] = count, last: int = last) -> Callable[..., None]:
            def stepping(self: Path, **options: bool) -> None:
                if next(count) == last:
                    raise KeyboardInterrupt
                real(self, **options)

            return stepping

        with monkeypatch.context() as patch:
            patch.setattr(Path, "unlink", step(Path.unlink))
            patch.setattr(Path, "rmdir", step(Path.rmdir))
            try:
                clear(path)
            except KeyboardInterrupt:
                steps += 1
        check_study_folder(path)
        clear(path)
        assert not list(path.iterdir())
        if next(count) <= last:
            break
    assert steps > 5


def test_what_is_no_study_is_left_alone(tmp_path: Path):
    few = small_study(2)
    (tmp_path / "thesis.txt").write_text("years of work")
    for wrong in (lambda: few.run(folder_of(few, tmp_path, 2), Local(1)), lambda: clear(tmp_path)):
        with pytest.raises(InputError, match=r"holds no study \(thesis.txt \.\.\.\); choose another folder"):
            wrong()
    with pytest.raises(InputError, match="is not a folder"):
        few.run(folder_of(few, tmp_path / "thesis.txt", 2), Local(1))
    assert [one.name for one in tmp_path.iterdir()] == ["thesis.txt"]
