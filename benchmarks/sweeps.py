"""What a study costs beside one run of the same patients, what a second process buys, and the memory it takes.

    python benchmarks/sweeps.py [--draws 60] [--patients 10000] [--dask]

Times are the better of two, one after the other; look at the ratios.  With `--dask` also what the process that hands
out draws does for each of them, which is what a cluster waits for once it is large enough.
"""

from __future__ import annotations

import argparse
import json
import os
import pickle
import subprocess
import sys
import tempfile
import threading
import time
import zlib
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np

import hcc_sim
from hcc_sim.analyses.strategies import Run, make_ready
from hcc_sim.analyses.study.design import Joint, joint_draws
from hcc_sim.analyses.study.execute import Local, Workers
from hcc_sim.analyses.study.measured import measures_of
from hcc_sim.analyses.study.runs import Done
from hcc_sim.analyses.study.study import Study
from hcc_sim.analyses.study.worlds import Worlds
from hcc_sim.analyses.valuation import valuation_of
from hcc_sim.engine import Program, simulate
from hcc_sim.scenario import Scenario, programs

SCENARIO = "scenarios/surgical-timing.yaml"
STRATEGIES = 3
POPULATION = "converted"
MEGABYTE = 1e6
MEMORY = ((20, 10_000), (400, 10_000), (4, 500_000))
"""Draws and patients in each for which peak memory is told."""


def better(work: Callable[[], object]) -> float:
    seconds = []
    for _ in range(2):
        started = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - started)
    return min(seconds)


def three_strategies() -> tuple[Scenario, list[Program]]:
    """The scenario, ready to run, and its programs."""
    scenario = hcc_sim.load_scenario(SCENARIO)
    scenario = replace(scenario, strategies=scenario.strategies[:STRATEGIES])
    compiled = list(programs(scenario).values())
    make_ready(scenario, compiled[0])
    return scenario, compiled


def joint_study(scenario: Scenario, draws: int, patients: int) -> Study:
    design = joint_draws(scenario, Worlds(scenario).uncertain, draws)
    return Study("psa", scenario, design, measures_of(scenario, POPULATION), patients)


def studied(study: Study, workers: Workers) -> None:
    with tempfile.TemporaryDirectory() as path:
        folder = study.folder(Path(path))
        study.run(folder, workers)
        study.table(folder)


# --- time -------------------------------------------------------------------------------------------------------------


def times(draws: int, patients: int) -> None:
    """Print what one run, a study of the same patients, and joint draws take."""
    scenario, compiled = three_strategies()
    joint = joint_study(scenario, draws, patients)
    same = replace(joint, design=Joint((), scenario.seed, draws))
    measures = joint.measures

    def kernel() -> None:
        for program in compiled:
            for _ in simulate(
                program,
                seed=scenario.seed,
                patients=draws * patients,
                horizon_months=scenario.horizon_months,
                threads=1,
            ):
                pass

    def one_run() -> None:
        run = Run(scenario, measures.definitions, threads=1, value=True)
        run.up_to(draws * patients)
        valuation_of(scenario, run.quantities)

    alone, whole, study = better(kernel), better(one_run), better(lambda: studied(same, Local(1)))
    one, two = better(lambda: studied(joint, Local(1))), better(lambda: studied(joint, Local(2)))
    print(f"{draws} draws of {patients:,} patients under {STRATEGIES} strategies: {same.histories:,} histories")
    print(f"simulated alone                               {alone:6.2f} s, {same.histories / alone:,.0f} a second")
    print(f"one run, simulated, counted and valued        {whole:6.2f} s, {whole / alone - 1:+.0%}")
    print(f"the same patients as a study, one process     {study:6.2f} s, {study / whole - 1:+.0%} of the run")
    print(f"joint draws, one process                      {one:6.2f} s, {draws / one:.1f} draws a second")
    print(f"joint draws, two processes                    {two:6.2f} s, {one / two:.2f} times as fast")
    print(f"1,000 such draws with two processes would take {1_000 * two / draws:.0f} s")


# --- memory -----------------------------------------------------------------------------------------------------------


def memory(draws: int, patients: int) -> None:
    """Print the most memory of this process and its workers, in MB: what they share counts once."""
    most, done = 0.0, threading.Event()

    def watch() -> None:
        nonlocal most
        while not done.wait(0.1):
            most = max(most, sum(map(share_of_memory, family())))

    watcher = threading.Thread(target=watch)
    watcher.start()
    studied(joint_study(three_strategies()[0], draws, patients), Local(os.cpu_count() or 1))
    done.set()
    watcher.join()
    print(most)


def family() -> list[int]:
    """This process and its children."""
    found = [os.getpid()]
    with suppress(OSError):
        found += map(int, Path(f"/proc/self/task/{os.getpid()}/children").read_text().split())
    return found


def share_of_memory(process: int) -> float:
    """Its proportional set size, in MB, as Linux tells it; 0 for a process that has ended."""
    with suppress(OSError):
        for line in Path(f"/proc/{process}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024 / MEGABYTE
    return 0.0


# --- what one process does for a cluster ------------------------------------------------------------------------------


def handing_out(patients: int) -> None:
    """Print what crosses the network for each draw, and what handing out, taking back and writing take."""
    scenario, _ = three_strategies()
    study = joint_study(scenario, 1_000, patients)
    at_once = study.folder(Path()).at_once
    rows = study.design.rows(study.design.draws - at_once, at_once)
    drawn = better(lambda: study.design.rows(rows.first, at_once)) / at_once
    done = no_results(study, at_once)
    with tempfile.TemporaryDirectory() as path:
        folder = study.folder(Path(path))
        folder.begin()
        written = better(lambda: folder.write(done))
        size = folder.file(done.first).stat().st_size
    task = zlib.compress(pickle.dumps(study.task, 5))
    out, back = (len(pickle.dumps(tuple(one), 5)) / at_once for one in (rows, done))
    print(f"a part has {at_once} draws; the task, sent to each worker once, {len(task):,} bytes")
    print(f"each draw: {out:,.0f} bytes out, {back:,.0f} back, {size / at_once:,.0f} on disk")
    print(f"drawn in {1e6 * drawn:.0f} µs a draw; a part written in {1e3 * written:.1f} ms")
    client, scheduler = busy(scenario, at_once)
    print(f"over Dask, drawing and writing included, the client was busy for {1e3 * client:.1f} ms a part,")
    print(f"or {1e6 * client / at_once:.0f} µs a draw; the scheduler for {1e3 * scheduler:.1f} ms a part")


def no_results(study: Study, at_once: int) -> Done:
    """A part of the size that results have."""
    strategies, parts, outcomes = STRATEGIES, len(study.measures.parts), len(study.measures.outcomes)
    numbers = np.random.default_rng(1)
    return Done(
        0,
        numbers.random((at_once, len(study.design.columns))),
        numbers.random((at_once, strategies, parts, outcomes)),
        numbers.random((at_once, parts, strategies, outcomes, strategies, outcomes)),
    )


def busy(scenario: Scenario, at_once: int, few: int = 4, many: int = 44) -> tuple[float, float]:
    """Processor seconds of this process and of a scheduler for a part, however many patients its draws have.

    By the difference of two studies: connecting, and reading the table, are not counted.
    """
    import psutil

    from hcc_sim.analyses.study.cluster import Cluster

    used = []
    with tempfile.TemporaryDirectory() as path:
        started, address = scheduler_and_workers(Path(path))
        try:
            for parts in (few, few, many):  # the first one makes workers ready
                study = joint_study(scenario, parts * at_once, 1_000)
                folder = replace(study.folder(Path(path) / f"study {len(used)}"), at_once=at_once)
                theirs = psutil.Process(started[0].pid).cpu_times
                before = time.process_time(), sum(theirs()[:2])
                study.run(folder, Cluster(address))
                used.append((time.process_time() - before[0], sum(theirs()[:2]) - before[1]))
        finally:
            for one in started:
                one.kill()
                one.wait()
    client, scheduler = ((used[2][k] - used[1][k]) / (many - few) for k in (0, 1))
    return client, scheduler


def scheduler_and_workers(path: Path) -> tuple[list[subprocess.Popen[bytes]], str]:
    """A scheduler, then a worker for each processor, as processes; and the address."""
    told = path / "scheduler.json"
    common = ("--scheduler-file", str(told), "--no-dashboard")
    commands = [("dask_scheduler", "--host", "127.0.0.1", "--port", "0")]
    worker = ("dask_worker", "--nthreads", "1", "--no-nanny", "--local-directory", str(path))
    commands += [worker] * (os.cpu_count() or 1)
    started = [
        subprocess.Popen(
            [sys.executable, "-m", f"distributed.cli.{command}", *options, *common],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for command, *options in commands
    ]
    while not told.exists():
        time.sleep(0.1)
    time.sleep(1.0)  # it is written whole
    return started, str(json.loads(told.read_text())["address"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--draws", type=int, default=60)
    parser.add_argument("--patients", type=int, default=10_000)
    parser.add_argument("--dask", action="store_true", help="also what handing out over Dask takes")
    parser.add_argument("--memory", nargs=2, type=int, metavar=("DRAWS", "PATIENTS"), help="the most memory alone")
    given = parser.parse_args()
    if given.memory:
        memory(*given.memory)
        return
    times(given.draws, given.patients)
    for draws, patients in MEMORY:
        command = [sys.executable, __file__, "--memory", str(draws), str(patients)]
        told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        print(f"memory, {draws:,} draws of {patients:,} patients: {float(told):,.0f} MB at most, workers included")
    if given.dask:
        handing_out(given.patients)


if __name__ == "__main__":
    main()
