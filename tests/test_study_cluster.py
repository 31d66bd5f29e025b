"""A study on a cluster: workers come and are killed, the scheduler dies, and the parts are those of a serial run."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from studies import ROOT, folder_of, parts, run_whole, small_study

from hcc_sim.analyses.study import cluster as module
from hcc_sim.analyses.study.cluster import AHEAD, Cluster
from hcc_sim.analyses.study.execute import Local
from hcc_sim.analyses.study.runs import Done, Rows
from hcc_sim.analyses.study.study import Study
from hcc_sim.engine import EngineError
from hcc_sim.errors import InputError, MachineError

DRAWS, AT_ONCE = 16, 2
SOON_SECONDS = 5.0


@pytest.fixture(scope="module")
def study() -> Study:
    return small_study(DRAWS)


@pytest.fixture(scope="module")
def whole(study: Study, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    return run_whole(study, tmp_path_factory.mktemp("serial"), AT_ONCE)


class Processes:
    """A scheduler and workers, each a process of its own, that talk over TCP."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.all: list[subprocess.Popen[bytes]] = []
        self.scheduler = self._start("dask_scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard")
        self.address = self._address()

    def worker(self, source: Path = ROOT / "src") -> subprocess.Popen[bytes]:
        options = ("--nthreads", "1", "--no-nanny", "--no-dashboard", "--local-directory", str(self.folder))
        return self._start("dask_worker", self.address, *options, source=source)

    def workers(self, how_many: int) -> list[subprocess.Popen[bytes]]:
        """So many, once all are there; those of before among them."""
        from distributed import Client

        found = [one for one in self.all[1:] if one.poll() is None]
        found += [self.worker() for _ in range(how_many - len(found))]
        with Client(self.address, set_as_default=False) as client:
            client.wait_for_workers(how_many, timeout=30)
        return found

    def stop(self) -> None:
        for one in self.all:
            one.kill()
        for one in self.all:
            one.wait()

    def _start(self, what: str, *options: str, source: Path = ROOT / "src") -> subprocess.Popen[bytes]:
        environment = {**os.environ, "PYTHONPATH": str(source)}
        with (self.folder / f"{len(self.all)}.log").open("wb") as log:
            command = [sys.executable, "-m", f"distributed.cli.{what}", *options]
            one = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
        self.all.append(one)
        return one

    def _address(self) -> str:
        until = time.monotonic() + 30.0
        while time.monotonic() < until:
            if found := re.search(r"Scheduler at:\s+(tcp://\S+)", (self.folder / "0.log").read_text()):
                return found[1]
            time.sleep(0.05)
        raise AssertionError("the scheduler does not start")


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Processes]:
    found = Processes(tmp_path_factory.mktemp("cluster"))
    yield found
    found.stop()


def at(when: int, *what: Callable[[], Any]) -> Callable[[int, int], None]:
    """What is told of progress, doing something once so many draws are done."""
    waiting = list(what)

    def told(done: int, of: int) -> None:
        while done >= when and waiting:
            waiting.pop()()

    return told


def test_workers_that_die_and_come(study: Study, whole: dict[str, bytes], cluster: Processes, tmp_path: Path):
    folder = folder_of(study, tmp_path, AT_ONCE)
    first, second = cluster.workers(2)
    steps = at(2, first.kill, cluster.worker), at(6, second.kill)  # now all who had the task are gone
    assert study.run(folder, Cluster(cluster.address), lambda *told: [step(*told) for step in steps]) == DRAWS
    assert (first.wait(), second.wait()) == (-9, -9), "killed in between"
    assert parts(tmp_path) == whole


def rows_with(study: Study, name: str, value: float) -> Iterator[Rows]:
    values = np.full((1, len(study.task.columns)), np.nan)
    values[0, study.task.columns.index(name)] = value
    return iter([Rows(0, values)])


@pytest.mark.parametrize(
    ("name", "value", "error", "message"),
    [
        ("visits.scatter", 5.0, InputError, r"surgical-timing.yaml: draw 0: .*the scatter is 5.0"),
        ("population.age_mean", np.inf, EngineError, r"^patient 0, the start: a value .* is not a number$"),
    ],
)
def test_errors_of_a_run_arrive_as_such(
    study: Study, cluster: Processes, name: str, value: float, error: type[Exception], message: str
):
    cluster.workers(1)
    task = replace(study.task, unknowns=())
    with pytest.raises(error, match=message):
        list(Cluster(cluster.address).run(task, rows_with(study, name, value), lambda: False))


def test_when_asked_to_stop_it_ends_what_was_handed_out(study: Study, cluster: Processes):
    cluster.workers(1)
    taken: list[int] = []
    done: list[Done] = []

    def waiting() -> Iterator[Rows]:
        for first in range(100):
            taken.append(first)
            yield study.design.rows(first, 1)

    done.extend(Cluster(cluster.address).run(study.task, waiting(), lambda: len(taken) >= 3))
    assert sorted(one.first for one in done) == taken == [0, 1, 2]


def test_few_parts_are_handed_out_ahead(study: Study, cluster: Processes):
    workers = len(cluster.workers(1))
    taken = returned = most = 0

    def waiting() -> Iterator[Rows]:
        nonlocal taken, most
        for first in range(12):
            taken += 1
            most = max(most, taken - returned)
            yield study.design.rows(first, 1)

    for _ in Cluster(cluster.address).run(study.task, waiting(), lambda: False):
        returned += 1
    assert returned == 12
    assert most <= AHEAD * workers + workers, "a few for each worker, not all of them"


def test_a_worker_of_another_version_is_refused(
    study: Study, cluster: Processes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    ours = len(cluster.workers(1))
    shutil.copytree(ROOT / "src", tmp_path / "src", ignore=shutil.ignore_patterns("__pycache__", "cli", "report"))
    with (tmp_path / "src" / "hcc_sim" / "analyses" / "study" / "worlds.py").open("a") as file:
        file.write("# another version\n")
    shutil.copytree(ROOT / "src" / "hcc_sim" / "report", tmp_path / "src" / "hcc_sim" / "report")
    other = cluster.worker(tmp_path / "src")
    cluster.workers(ours + 1)
    run = Cluster(cluster.address).run
    refused = r"same program.* tcp://[0-9.:]+ has another version of hcc-sim \(source [0-9a-f]{12}\);"
    try:
        with pytest.raises(MachineError, match=refused) as told:
            list(run(study.task, iter([study.design.rows(0, 1)]), lambda: False))
        assert str(told.value).count("tcp://") == 1, "the others are as they should be"
        # one that comes as work is handed out is found out by the work
        monkeypatch.setattr(module, "_check_programs", lambda *given: None)
        with pytest.raises(MachineError, match=refused):
            list(run(study.task, (study.design.rows(first, 1) for first in range(100)), lambda: False))
    finally:
        other.kill()
        other.wait()


def test_a_scheduler_that_hangs_is_told_soon(
    study: Study, cluster: Processes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(module, "ANSWER_SECONDS", 0.5)
    cluster.workers(1)
    halt = at(1, lambda: cluster.scheduler.send_signal(signal.SIGSTOP))
    began = time.monotonic()
    try:
        with pytest.raises(MachineError, match="was lost, or does not answer"):
            study.run(folder_of(study, tmp_path, 1), Cluster(cluster.address), halt)
        assert time.monotonic() - began < SOON_SECONDS
    finally:
        cluster.scheduler.send_signal(signal.SIGCONT)


def test_a_scheduler_that_dies_is_told_soon_and_the_study_can_be_resumed(
    study: Study, whole: dict[str, bytes], cluster: Processes, tmp_path: Path
):
    folder = folder_of(study, tmp_path, AT_ONCE)
    cluster.workers(1)
    died: list[float] = []

    def die() -> None:
        cluster.scheduler.kill()
        died.append(time.monotonic())

    with pytest.raises(MachineError, match=rf"scheduler at {cluster.address} was lost.*finished draws are kept"):
        study.run(folder, Cluster(cluster.address), at(4, die))
    assert time.monotonic() - died[0] < SOON_SECONDS
    left = parts(tmp_path)
    assert 2 <= len(left) < len(whole)
    assert study.run(folder, Local(1)) == DRAWS - AT_ONCE * len(left)
    assert parts(tmp_path) == whole


def test_an_address_where_nobody_answers(study: Study, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "ANSWER_SECONDS", 0.5)
    rows = iter([study.design.rows(0, 1)])
    with pytest.raises(MachineError, match=r"no Dask scheduler answers at tcp://127\.0\.0\.1:9 within 0\.5 seconds"):
        list(Cluster("tcp://127.0.0.1:9").run(study.task, rows, lambda: False))


def test_a_cluster_that_stays_empty(study: Study, monkeypatch: pytest.MonkeyPatch):
    from distributed import LocalCluster

    monkeypatch.setattr(module, "WORKER_SECONDS", 0.5)
    monkeypatch.setattr(module, "LOOK_SECONDS", 0.1)
    options = {"host": "127.0.0.1", "protocol": "tcp", "dashboard_address": None}
    with LocalCluster(n_workers=0, processes=False, **options) as empty:  # type: ignore[no-untyped-call]
        rows = iter([study.design.rows(0, 1)])
        with pytest.raises(MachineError, match=r"has had no worker for 0\.5 seconds \(`dask worker tcp"):
            list(Cluster(empty.scheduler_address).run(study.task, rows, lambda: False))


@pytest.mark.parametrize("address", ["", "10.0.0.1:8786", "tcp://nobody", "http://10.0.0.1:8786", "locally"])
def test_addresses_that_are_none(address: str):
    with pytest.raises(InputError, match="accepted: the address of a Dask scheduler"):
        Cluster(address)


def test_without_dask(study: Study, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(InputError, match=r"pip install 'hcc-sim\[cluster\]'"):
        list(Cluster("local").run(study.task, iter([]), lambda: False))


def test_on_this_machine(study: Study, whole: dict[str, bytes], tmp_path: Path):
    script = f"""if __name__ == "__main__":
    from pathlib import Path
    from studies import small_study, folder_of
    from hcc_sim.analyses.study.cluster import Cluster
    study = small_study({DRAWS})
    study.run(folder_of(study, Path({str(tmp_path / "study")!r}), {AT_ONCE}), Cluster("local"))
"""
    file = tmp_path / "script.py"
    file.write_text(script)
    path = os.pathsep.join([str(ROOT / "tests"), str(ROOT / "src")])
    done = subprocess.run([sys.executable, str(file)], env={**os.environ, "PYTHONPATH": path}, capture_output=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    assert parts(tmp_path / "study") == whole
