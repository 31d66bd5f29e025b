"""What a study costs beside one run of the same patients, what a second process buys, and the memory it takes.

    python benchmarks/sweeps.py [--draws 60] [--patients 10000]

Times are the better of two, one after the other; look at the ratios.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import hcc_sim
from hcc_sim.analyses.strategies import Run
from hcc_sim.analyses.study.design import Joint, joint_draws
from hcc_sim.analyses.study.execute import Local
from hcc_sim.analyses.study.measured import measures_of
from hcc_sim.analyses.study.study import Study
from hcc_sim.analyses.study.worlds import Worlds
from hcc_sim.analyses.valuation import valuation_of
from hcc_sim.engine import simulate_all
from hcc_sim.scenario import Scenario, programs

SCENARIO = "scenarios/surgical-timing.yaml"
STRATEGIES = 3
MEGABYTE = 1024.0
MEMORY = ((20, 10_000), (400, 10_000), (4, 500_000))
"""Draws and patients in each for which peak memory is told."""


def better(work: Callable[[], object]) -> float:
    seconds = []
    for _ in range(2):
        started = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - started)
    return min(seconds)


def studied(study: Study, processes: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        study.run(study.folder(Path(folder)), Local(processes))
        study.table(study.folder(Path(folder)))


def three_strategies() -> Scenario:
    scenario = hcc_sim.load_scenario(SCENARIO)
    scenario = replace(scenario, strategies=scenario.strategies[:STRATEGIES])
    simulate_all(next(iter(programs(scenario).values())), seed=1, patients=1, horizon_months=1.0, threads=1)
    return scenario


def memory(draws: int, patients: int) -> None:
    """Print the peak of this process, and of its workers together, in MB."""
    scenario = three_strategies()
    design = joint_draws(scenario, Worlds(scenario).uncertain, draws)
    processes = os.cpu_count() or 1
    studied(Study("psa", scenario, design, measures_of(scenario, "converted"), patients), processes)
    own, workers = (
        resource.getrusage(who).ru_maxrss / MEGABYTE for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    )
    print(own + processes * workers)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--draws", type=int, default=60)
    parser.add_argument("--patients", type=int, default=10_000)
    parser.add_argument("--memory", nargs=2, type=int, metavar=("DRAWS", "PATIENTS"))
    given = parser.parse_args()
    if given.memory:
        memory(*given.memory)
        return
    scenario = three_strategies()
    measures = measures_of(scenario, "converted")
    same = Study("psa", scenario, Joint((), scenario.seed, given.draws), measures, given.patients)
    joint = replace(same, design=joint_draws(scenario, Worlds(scenario).uncertain, given.draws))

    def one_run() -> None:
        run = Run(scenario, measures.definitions, threads=1, value=True)
        run.up_to(given.draws * given.patients)
        valuation_of(scenario, run.quantities)

    whole, alone = better(one_run), better(lambda: studied(same, 1))
    one, two = better(lambda: studied(joint, 1)), better(lambda: studied(joint, 2))
    histories = same.histories
    print(f"{given.draws} draws of {given.patients:,} patients under {STRATEGIES} strategies: {histories:,} histories")
    print(f"one run, simulated and valued, one thread     {whole:6.2f} s")
    print(f"the same as a study, one process              {alone:6.2f} s, {alone / whole - 1:+.0%}")
    print(f"joint draws, one process                      {one:6.2f} s, {given.draws / one:.1f} draws a second")
    print(f"joint draws, two processes                    {two:6.2f} s, {one / two:.2f} times as fast")
    print(f"1,000 such draws with two processes would take {1_000 * two / given.draws:.0f} s")
    for draws, patients in MEMORY:
        command = [sys.executable, __file__, "--memory", str(draws), str(patients)]
        told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        print(f"memory, {draws:,} draws of {patients:,} patients: at most {float(told):,.0f} MB, workers included")


if __name__ == "__main__":
    main()
