"""How fast is the engine?  Ratios against rivals that were measured in the same interleaved run, and one table.

    python benchmarks/engine.py            about five minutes
    python benchmarks/engine.py --quick    about one

Machines drift and are shared, so everything is measured in turns, round after round; a ratio is formed within a round
and its median over the rounds is told.  A missed target is told too; the exit code is 0, for a benchmark is no test.
Needs SimPy besides the package.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import five_states
import llvmlite.binding
import numba
import numpy as np
import simpy
from numpy.typing import NDArray

from hcc_sim import laws
from hcc_sim.engine import CHUNK, Program, compile_pathway, simulate
from hcc_sim.parameters import data_folder
from hcc_sim.scenario import load_scenario, programs

SEED = 20240502
SIMPY_PATIENTS = 50_000
TRUTH_PATIENTS = 2_000_000
LAW_BLOCK = 1_000
LAW_BLOCKS = 50

Seconds = Mapping[str, list[float]]
"""What was measured -> seconds, one entry for each round."""

SHARES: dict[str, list[float]] = {}
"""What was measured -> processor time of this process over seconds, by round; 1 a thread if nothing else ran."""


class Row(NamedTuple):
    """One line of the table; `met` is None where there is nothing to meet."""

    what: str
    measured: str
    target: str = ""
    met: bool | None = None


def main() -> None:
    """Measure everything, then print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer patients, three rounds, no cold compile")
    parser.add_argument("--rounds", type=int, help="rounds of every measurement (7, quick 3)")
    parser.add_argument("--memory-of", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.memory_of:
        memory_of(options.memory_of)
        return
    rounds = options.rounds or (3 if options.quick else 7)
    rows = [
        *engine_rows(rounds, five=200_000 if options.quick else 1_000_000, hcc=4_000 if options.quick else 20_000),
        *law_rows(rounds),
        *memory_rows(2_000_000 if options.quick else 20_000_000, repeats=1 if options.quick else 3),
        *start_rows(rounds, cold=not options.quick),
        *truth_rows(),
    ]
    show(rows, rounds)


# --- measuring --------------------------------------------------------------------------------------------------------


def interleaved(rounds: int, contenders: Mapping[str, Callable[[], object]]) -> Seconds:
    """Seconds of each contender in each round; all take turns, after one turn that does not count."""
    seconds: dict[str, list[float]] = {name: [] for name in contenders}
    for turn in range(-1, rounds):
        for name, contender in contenders.items():
            say(f"{name}, {f'round {turn + 1} of {rounds}' if turn >= 0 else 'warming up'}")
            started, worked = time.perf_counter(), time.process_time()
            contender()
            if turn >= 0:
                seconds[name].append(time.perf_counter() - started)
                SHARES.setdefault(name, []).append((time.process_time() - worked) / seconds[name][-1])
    return seconds


def ratio(seconds: Seconds, slow: str, fast: str) -> float:
    """Median over the rounds of how many times longer the slow one took."""
    return statistics.median(a / b for a, b in zip(seconds[slow], seconds[fast], strict=True))


def say(text: str) -> None:
    """Progress, for those who watch."""
    if sys.stderr.isatty():
        print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)


def in_process(*arguments: str, **environment: str) -> str:
    """What a fresh Python prints."""
    done = subprocess.run([sys.executable, *arguments], env=os.environ | environment, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{' '.join(arguments)} failed:\n{done.stderr}")
    return done.stdout


# --- the engine -------------------------------------------------------------------------------------------------------


def consume(program: Program, patients: int, horizon: float, threads: int = 1) -> None:
    """Simulate chunk by chunk, look at no stay, keep none."""
    for _ in simulate(program, seed=SEED, patients=patients, horizon_months=horizon, threads=threads):
        pass


def draws_on_two_threads(patients: int) -> None:
    """What two threads can gain on this machine just now: the bare draws share nothing."""
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(five_states.bare_draws, [patients // 2] * 2, [SEED, SEED + 1]))


class Work(NamedTuple):
    """What a run does."""

    histories: int
    stays: int
    exits: int
    """Exits evaluated: over all stays in a state with timed exits, the number of its exits (whether or not they may be
    taken; a branch counts none)."""

    def __add__(self, other: Work) -> Work:  # type: ignore[override]
        return Work(*(a + b for a, b in zip(self, other, strict=True)))


def work(program: Program, patients: int, horizon: float) -> Work:
    """Counted from the stays."""
    pathway = program.pathway
    exits = np.array([0 if s.final or s.branch is not None else len(pathway.exits_of(s)) for s in pathway.states])
    total = Work(patients, 0, 0)
    for chunk in simulate(program, seed=SEED, patients=patients, horizon_months=horizon):
        total += Work(0, len(chunk.stays), int(exits[chunk.stays.state].sum()))
    return total


def engine_rows(rounds: int, five: int, hcc: int) -> list[Row]:
    """The five-state model against its rivals, and the pathway of hepatocellular carcinoma against the model."""
    model = compile_pathway(five_states.pathway(), {})
    scenario = load_scenario(data_folder("scenarios") / "surgical-timing.yaml")
    strategies = programs(scenario).values()
    months = scenario.horizon_months
    seconds = interleaved(
        rounds,
        {
            "one thread": lambda: consume(model, five, five_states.HORIZON),
            "numpy": lambda: [None for _ in five_states.numpy_stays(five, SEED)],
            "numpy, tuned": lambda: [
                None for _ in five_states.numpy_stays(five, SEED, five_states.FASTEST_NUMPY_BATCH)
            ],
            "draws": lambda: five_states.bare_draws(five, SEED),
            "two threads": lambda: consume(model, five, five_states.HORIZON, threads=2),
            "draws, two threads": lambda: draws_on_two_threads(five),
            "hcc": lambda: [consume(program, hcc, months) for program in strategies],
            "simpy": lambda: five_states.simpy_stays(SIMPY_PATIENTS, SEED),
        },
    )
    five_work = work(model, five, five_states.HORIZON)
    hcc_work = sum((work(program, hcc, months) for program in strategies), Work(0, 0, 0))
    return [*rival_rows(seconds, five, five_work), *hcc_rows(seconds, five_work, hcc_work, len(strategies), hcc)]


def rival_rows(seconds: Seconds, five: int, five_work: Work) -> list[Row]:
    """The five-state model against NumPy, SimPy, its draws, and itself on two threads."""
    per_second = {
        name: (SIMPY_PATIENTS if name == "simpy" else five) / statistics.median(seconds[name])
        for name in ("one thread", "numpy", "numpy, tuned", "simpy", "draws", "two threads")
    }
    of_numpy = ratio(seconds, "numpy", "one thread")
    of_simpy = ratio(seconds, "simpy", "one thread") * five / SIMPY_PATIENTS
    of_draws = ratio(seconds, "one thread", "draws")
    of_threads = ratio(seconds, "one thread", "two threads")
    per_patient = f"{five_work.stays / five:.2f} stays, {five_work.exits / five:.2f} exits a patient"
    return [
        Row(f"FIVE STATES: {five:,} patients a round, {per_patient}, stays recorded, one thread", ""),
        Row("  patients per second", f"{per_second['one thread'] / 1e6:.2f} million"),
        Row(
            f"  against plain NumPy by state, {five_states.NUMPY_BATCH:,} patients at once "
            f"({per_second['numpy'] / 1e6:.2f} million a second)",
            *at_least(of_numpy, 1.5, "times as fast"),
        ),
        Row(
            f"  against the same in its fastest batches, {five_states.FASTEST_NUMPY_BATCH:,} "
            f"({per_second['numpy, tuned'] / 1e6:.2f} million a second)",
            f"{ratio(seconds, 'numpy, tuned', 'one thread'):.3g} times as fast",
        ),
        Row(
            f"  against SimPy, a process each, {SIMPY_PATIENTS:,} at once ({per_second['simpy']:,.0f} a second)",
            *at_least(of_simpy, 200, "times as fast"),
        ),
        Row(
            f"  against {five_states.DRAWS_A_PATIENT:.2f} bare draws a patient: a Philox number, two logs and an exp "
            f"each, in one loop ({per_second['draws'] / 1e6:.1f} million a second)",
            *at_most(of_draws, 3.0, "times their time"),
        ),
        Row(
            f"  two threads against one ({per_second['two threads'] / 1e6:.2f} million a second); bare draws, which "
            f"share nothing, gain {ratio(seconds, 'draws', 'draws, two threads'):.2f}",
            *at_least(of_threads, 1.7, "times as fast"),
        ),
    ]


def hcc_rows(seconds: Seconds, five: Work, hcc: Work, strategies: int, patients: int) -> list[Row]:
    """The pathway of hepatocellular carcinoma, per exit evaluated, against the five-state model."""
    median = statistics.median(seconds["hcc"])
    nanoseconds = {
        name: statistics.median(seconds[name]) / work.exits * 1e9 for name, work in (("one thread", five), ("hcc", hcc))
    }
    of_five = ratio(seconds, "hcc", "one thread") * five.exits / hcc.exits
    each = f"{hcc.stays / hcc.histories:.1f} stays, {hcc.exits / hcc.histories:.1f} exits a history"
    return [
        Row(f"HCC PATHWAY: surgical-timing, {strategies} strategies of {patients:,} patients a round, {each}", ""),
        Row("  histories (a patient under a strategy) per second", f"{hcc.histories / median:,.0f}"),
        Row("  stays per second", f"{hcc.stays / median / 1e6:.2f} million"),
        Row("  exits evaluated per second (all exits of a state with timed exits, at each stay in it)",
            f"{hcc.exits / median / 1e6:.2f} million"),
        Row(
            f"  an exit evaluated, {nanoseconds['hcc']:.1f} ns, against the five states' "
            f"{nanoseconds['one thread']:.1f} ns",
            *at_most(of_five, 3.0, "times its time"),
        ),
    ]  # fmt: skip


# --- the laws ---------------------------------------------------------------------------------------------------------

LAW_EXAMPLES: Mapping[str, tuple[object, ...]] = {
    "Weibull": (1.3, 24.0),
    "Exponential": (0.03,),
    "Gompertz": (0.01, 0.02),
    "LogLogistic": (1.5, 24.0),
    "LogNormal": (3.0, 0.8),
    "GeneralisedGamma": (3.0, 0.8, 0.5),
    "PiecewiseExponential": (tuple(12.0 * k for k in range(100)), tuple(0.002 * 1.05**k for k in range(100))),
    "Tabulated": (laws.LogLogistic(1.5, 24.0),),
}
"""Examples of the laws by name: the piecewise one is a life table of 100 rows, the tabulated one a log-logistic."""


@numba.njit(error_model="numpy", nogil=True)
def conditional_draws(
    table: laws.LawTable, elapsed: NDArray[np.float64], budget: NDArray[np.float64], out: NDArray[np.float64]
) -> None:
    """What a law adds to a draw: H at entry, plus the budget, back through the inverse; in blocks, as in the engine."""
    for first in range(0, elapsed.size, LAW_BLOCK):
        here = out[first : first + LAW_BLOCK]
        laws.cumulative_hazards(table, 0, elapsed[first : first + LAW_BLOCK], here)
        for i in range(LAW_BLOCK):
            here[i] += budget[first + i]
        laws.inverse_cumulative_hazards(table, 0, here, here)


def law_examples() -> dict[str, laws.Law]:
    """The examples, and one with a cured share."""
    examples: dict[str, laws.Law] = {}
    for name, numbers in LAW_EXAMPLES.items():
        examples[name] = getattr(laws, name)(*numbers)
    examples["Weibull with a cured share"] = laws.CuredShare(examples["Weibull"], 0.2)
    return examples


def law_rows(rounds: int) -> list[Row]:
    """A conditional draw of each law against Weibull's."""
    luck = np.random.default_rng(SEED)
    elapsed = luck.uniform(0.0, 60.0, LAW_BLOCK * LAW_BLOCKS)
    budget = luck.standard_exponential(elapsed.size)
    out = np.empty_like(elapsed)
    tables = {name: laws.tabulate([law]) for name, law in law_examples().items()}
    seconds = interleaved(
        rounds,
        {name: lambda table=table: conditional_draws(table, elapsed, budget, out) for name, table in tables.items()},
    )
    title = f"LAWS: H at a clock started 0 to 60 months earlier and the inverse, {elapsed.size:,} draws a round"
    rows = [Row(title, "")]
    for name in tables:
        nanoseconds = statistics.median(seconds[name]) / elapsed.size * 1e9
        verdict = at_most(ratio(seconds, name, "Weibull"), 5.0, "times Weibull") if name != "Weibull" else ("1",)
        rows.append(Row(f"  {name}, {nanoseconds:.1f} ns", *verdict))
    return rows


# --- memory and time of long runs -------------------------------------------------------------------------------------


def memory_of(patients: int) -> None:
    """Print peak memory in MB and nanoseconds a patient of a run in this process."""
    model = compile_pathway(five_states.pathway(), {})
    consume(model, CHUNK, five_states.HORIZON)  # warm
    started = time.perf_counter()
    consume(model, patients, five_states.HORIZON)
    print(peak_memory(), (time.perf_counter() - started) / patients * 1e9)


def peak_memory() -> float:
    """Peak resident memory of this process, MB."""
    status = Path("/proc/self/status")
    if status.exists():  # getrusage tells the parent's peak too, if that is higher
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) / 1024
    import resource  # not on every system

    unit = 1024**2 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit


def memory_rows(many: int, repeats: int, few: int = 200_000) -> list[Row]:
    """Memory and time of many patients against few, each run a process of its own."""
    found: dict[int, list[tuple[float, float]]] = {few: [], many: []}
    for _ in range(repeats):
        for patients, runs in found.items():
            say(f"memory of {patients:,} patients")
            megabytes, nanoseconds = in_process(__file__, "--memory-of", str(patients)).split()
            runs.append((float(megabytes), float(nanoseconds)))
    memory, pace = zip(*(map(statistics.median, zip(*found[p], strict=True)) for p in (few, many)), strict=True)
    return [
        Row(f"LONG RUNS: five states, one thread, {many:,} patients against {few:,}, default chunk", ""),
        Row(
            f"  peak memory, {memory[1]:.0f} MB against {memory[0]:.0f}",
            *at_most(memory[1] / memory[0], 1.2, "times"),
        ),
        Row(f"  time a patient, {pace[1]:.0f} ns against {pace[0]:.0f}", *at_most(pace[1] / pace[0], 1.2, "times")),
    ]


# --- starting ---------------------------------------------------------------------------------------------------------


def start_rows(rounds: int, cold: bool) -> list[Row]:
    """What a user waits for before the first patient: processes from start to end."""
    if importlib.util.find_spec("hcc_sim.cli") is None:
        return [Row("STARTING: no command line in this version", "not measured")]
    with tempfile.TemporaryDirectory() as folder:
        scenario = Path(folder) / "two.yaml"
        base = (data_folder("scenarios") / "surgical-timing.yaml").resolve()
        scenario.write_text(f"extends: {base}\nwithout: [wait 42 days, wait 298 days]\n", encoding="utf-8")
        results = str(Path(folder) / "results")
        run = ["-m", "hcc_sim.cli", "run", str(scenario), "--patients", "10000", "--no-plots", "--force"]
        seconds = interleaved(
            rounds,
            {
                "--help": lambda: in_process("-m", "hcc_sim.cli", "--help"),
                "typer and rich": lambda: in_process("-c", "import typer, rich"),
                "run": lambda: in_process(*run, "--out", results),
                "numba and pandas": lambda: in_process("-c", "import numba, pandas"),
            },
        )
        compiling = "not measured (--quick)"
        if cold:
            say("a run with nothing compiled")
            started = time.perf_counter()
            in_process(*run, "--out", results, NUMBA_CACHE_DIR=str(Path(folder) / "cache"))
            compiling = f"{time.perf_counter() - started:.1f} s"
    median = {name: statistics.median(times) for name, times in seconds.items()}
    return [
        Row("STARTING: processes from start to end, all files in the system's cache", ""),
        Row(
            f"  --help, {median['--help']:.2f} s, against import typer, rich, {median['typer and rich']:.2f} s",
            *at_most(ratio(seconds, "--help", "typer and rich"), 3.0, "times"),
        ),
        Row(
            f"  warm run, 10,000 patients, two strategies, {median['run']:.2f} s, against import numba, pandas, "
            f"{median['numba and pandas']:.2f} s",
            *at_most(ratio(seconds, "run", "numba and pandas"), 4.0, "times"),
        ),
        Row("  the same run with nothing compiled, once", compiling),
    ]


# --- truth ------------------------------------------------------------------------------------------------------------


def truth_rows() -> list[Row]:
    """Speed is nothing without the right answer: four figures of the five-state model, with standard errors."""
    model = compile_pathway(five_states.pathway(), {})
    died = np.full(TRUTH_PATIENTS, np.inf)
    visited = np.zeros(five_states.STATES, dtype=np.int64)
    for chunk in simulate(model, seed=SEED, patients=TRUTH_PATIENTS, horizon_months=five_states.HORIZON):
        stays = chunk.stays
        dead = stays.next_state == five_states.DEAD
        died[stays.patient[dead]] = stays.left_months[dead]
        visited += np.bincount(stays.state, minlength=five_states.STATES)
    shares = {
        "dead by 20 years": float(np.mean(died < np.inf)),
        "ever progressed": visited[1] / TRUTH_PATIENTS,
        "recurred": visited[3] / TRUTH_PATIENTS,
    }
    found = {name: (share, (share * (1.0 - share) / TRUTH_PATIENTS) ** 0.5) for name, share in shares.items()}
    median = float(np.median(died))
    density = float(np.mean(np.abs(died - median) < 0.1)) / 0.2
    found["median time to death"] = (median, 0.5 / density / TRUTH_PATIENTS**0.5)
    rows = [Row(f"TRUTH: five states, {TRUTH_PATIENTS:,} patients", "")]
    for name, true in five_states.TRUTH.items():
        value, error = found[name]
        off = (value - true) / error
        rows.append(
            Row(f"  {name} {value:.4f}, known {true:.4f}", f"{off:+.1f} standard errors", "within 4", abs(off) <= 4.0)
        )
    return rows


# --- the table --------------------------------------------------------------------------------------------------------


def at_least(value: float, target: float, unit: str) -> tuple[str, str, bool]:
    """Measured, target and whether it is met."""
    return f"{value:.3g} {unit}", f"at least {target:g}", value >= target


def at_most(value: float, target: float, unit: str) -> tuple[str, str, bool]:
    """Measured, target and whether it is met."""
    return f"{value:.3g} {unit}", f"at most {target:g}", value <= target


def processor() -> str:
    """The processor's name, where the system tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":")[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def show(rows: list[Row], rounds: int) -> None:
    """The table, and what it was measured on."""
    say("")
    versions = f"Python {platform.python_version()}, numpy {np.__version__}, numba {numba.__version__}"
    target = os.environ.get("NUMBA_CPU_NAME") or llvmlite.binding.get_host_cpu_name()
    print(f"{processor()}, {os.cpu_count()} processors, {platform.system()}; {versions}, SimPy {simpy.__version__}")
    print(f"Compiled for {target}.  Medians of {rounds} interleaved rounds; a ratio is formed within a round.")
    share = statistics.median(SHARES["one thread"])
    warning = ": other programs were running, take the times with care" if share < 0.95 else ""
    print(f"One thread was on a processor {share:.0%} of its time{warning}.")
    width = min(max(len(row.what) for row in rows if row.measured), 120)
    verdicts = {None: "", True: "met", False: "MISSED"}
    for row in rows:
        if row.measured:
            print(f"{row.what:<{width}}  {row.measured:<22}  {row.target:<12}  {verdicts[row.met]}".rstrip())
        else:
            print(f"\n{row.what}")
    missed = sum(row.met is False for row in rows)
    print(f"\n{sum(row.met is True for row in rows)} targets met, {missed} MISSED" if missed else "\nall targets met")


if __name__ == "__main__":
    main()
