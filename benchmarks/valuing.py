"""What counting and valuing costs beside simulating, and how long a whole run with its report takes.

    python benchmarks/valuing.py [--patients 100000]

Times are the best of three, one after the other on one thread; look at the ratios.
"""

from __future__ import annotations

import argparse
import tempfile
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import hcc_sim
from hcc_sim.analyses.strategies import Run
from hcc_sim.analyses.valuation import valuation_of
from hcc_sim.engine import simulate
from hcc_sim.outcomes.hcc import outcomes_from
from hcc_sim.scenario import programs

SCENARIO = "scenarios/surgical-timing.yaml"


def best(work: Callable[[], object], times: int = 3) -> float:
    seconds = []
    for _ in range(times):
        started = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - started)
    return min(seconds)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--patients", type=int, default=100_000)
    patients = parser.parse_args().patients
    scenario = hcc_sim.load_scenario(SCENARIO, patients=patients)
    compiled = programs(scenario)
    asked = outcomes_from(scenario.start, scenario.horizon_months)

    def simulated() -> None:
        for program in compiled.values():
            for _ in simulate(
                program, seed=scenario.seed, patients=patients, horizon_months=scenario.horizon_months, threads=1
            ):
                pass

    def run(value: bool) -> Run:
        one = Run(scenario, asked, threads=1, value=value)
        one.up_to(patients)
        return one

    simulated()
    alone, tallied, valued = best(simulated), best(lambda: run(False)), best(lambda: run(True))
    print(f"{patients:,} patients under {len(compiled)} strategies, one thread")
    print(f"simulating            {alone:6.2f} s")
    print(f"outcomes tallied      {tallied - alone:6.2f} s more, {(tallied - alone) / alone:.2f} of it")
    print(f"costs, QALYs counted  {valued - tallied:6.2f} s more, {(valued - tallied) / alone:.2f} of it")
    quantities = run(True).quantities
    print(f"priced                {1000 * best(lambda: valuation_of(scenario, quantities)):6.1f} ms")

    for size in (patients, 4 * patients):
        few = hcc_sim.load_scenario(SCENARIO, patients=size)
        tracemalloc.start()
        Run(few, asked, threads=1, value=True).up_to(size)
        most = tracemalloc.get_traced_memory()[1] / 1e6
        print(f"most memory of Python objects with {size:,} patients: {most:.0f} MB")
        tracemalloc.stop()

    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        result = hcc_sim.run(scenario)
        ran = time.perf_counter() - started
        result.write(Path(folder) / "results")
        written = time.perf_counter() - started - ran
        print(f"run with what it hangs on {ran:.1f} s; report, workbook, tables, plots {written:.1f} s")


if __name__ == "__main__":
    main()
