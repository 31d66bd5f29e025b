"""Do results keep their bits, whatever the processor, the threads and the chunks?

    python benchmarks/bits.py                    about two minutes, and a compilation for each processor the first time
    python benchmarks/bits.py --patients 2000    about half a minute

The main scenario is run as by `hcc-sim run`, compiled for this processor, for one with AVX2 at most, and for any of its
kind.  One table: the hash of all stays and of summary.csv for each; the exit code is 1 if any differ.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import io
import json
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from itertools import product
from pathlib import Path
from typing import NamedTuple

import llvmlite.binding
import pandas as pd

from hcc_sim import cli
from hcc_sim.parameters import data_folder

SCENARIO = data_folder("scenarios") / "surgical-timing.yaml"
THREADS = (1, 2)
CHUNKS = (1_000, 50_000)

PROCESSORS = {
    "this": {},
    "AVX2": {"NUMBA_CPU_NAME": "x86-64-v3", "NUMBA_CPU_FEATURES": "+avx2,+fma,+bmi,+bmi2,+lzcnt"},
    "generic": {"NUMBA_CPU_NAME": "generic", "NUMBA_CPU_FEATURES": ""},
}
"""Environment in which numba compiles for a processor; AVX2 has fused multiply-add at hand, generic x86-64 is SSE2."""


class Row(NamedTuple):
    """One run and the hashes of what it wrote."""

    processor: str
    threads: int
    chunk: int
    stays: str
    summary: str


def main() -> int:
    parser = argparse.ArgumentParser(description="Hashes of results over processors, threads and chunks.")
    parser.add_argument("--patients", type=int, default=20_000, help="by default 20,000")
    parser.add_argument("--here", metavar="PROCESSOR", help="one processor's rows, as JSON")
    asked = parser.parse_args()
    if asked.here:
        runs = product(THREADS, CHUNKS)
        print(json.dumps([Row(asked.here, *run, *hashes(asked.patients, *run)) for run in runs]))
        return 0
    rows = []
    this = llvmlite.binding.get_host_cpu_name()
    print(f"{SCENARIO.name}, {asked.patients:,} patients; this processor is {this}", flush=True)
    for processor in PROCESSORS:
        if can_run(processor):
            rows += elsewhere(processor, asked.patients)
        else:
            print(f"{processor} is left out: this machine has it not")
    return tell(rows)


def can_run(processor: str) -> bool:
    """Whether this machine can run code that was compiled for a processor."""
    if processor != "AVX2":
        return True
    x86_64 = platform.machine() in ("x86_64", "AMD64")
    return x86_64 and bool(llvmlite.binding.get_host_cpu_features().get("avx2", False))


def environment(processor: str) -> dict[str, str]:
    """The environment of a process that compiles for a processor."""
    others = {name for settings in PROCESSORS.values() for name in settings}
    return {name: value for name, value in os.environ.items() if name not in others} | PROCESSORS[processor]


def elsewhere(processor: str, patients: int) -> list[Row]:
    """The rows of a processor, from a process of its own: numba compiles for one processor in a process."""
    command = [sys.executable, __file__, "--here", processor, "--patients", str(patients)]
    done = subprocess.run(command, env=environment(processor), stdout=subprocess.PIPE, text=True, check=True)
    return [Row(*row) for row in json.loads(done.stdout)]


def hashes(patients: int, threads: int, chunk: int) -> tuple[str, str]:
    """Hashes of all stays and of summary.csv, as this process makes them."""
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
        out = Path(folder) / "results"
        options = ["--patients", patients, "--threads", threads, "--chunk", chunk, "--keep-stays", "--no-plots"]
        code = cli.main(["run", str(SCENARIO), *map(str, options), "--out", str(out)])
        if code != 0:
            raise SystemExit(code)
        return hash_of_stays(sorted((out / "stays").iterdir())), digest([(out / "summary.csv").read_bytes()])


def hash_of_stays(files: Iterable[Path]) -> str:
    """Hash of the columns of Parquet files, however they are divided into row groups."""
    parts = []
    for file in files:
        for name, column in pd.read_parquet(file).items():
            named = column.dtype == "category"
            parts += [file.name.encode(), str(name).encode()]
            parts += [repr(list(column.cat.categories)).encode()] if named else []
            parts += [(column.cat.codes if named else column).to_numpy().tobytes()]
    return digest(parts)


def digest(parts: Iterable[bytes]) -> str:
    """Short hash of several byte strings."""
    whole = hashlib.blake2b(digest_size=8)
    for part in parts:
        whole.update(f"{len(part)}\0".encode())
        whole.update(part)
    return whole.hexdigest()


def tell(rows: list[Row]) -> int:
    """Print the table; 1 if any hash differs from the first row's."""
    print(f"\n{'processor':<10} {'threads':>7} {'chunk':>7}  {'stays':<16}  {'summary.csv':<16}")
    differing = 0
    for row in rows:
        same = (row.stays, row.summary) == (rows[0].stays, rows[0].summary)
        differing += not same
        verdict = "" if same else "  DIFFERS"
        print(f"{row.processor:<10} {row.threads:>7} {row.chunk:>7,}  {row.stays}  {row.summary}{verdict}")
    print(f"\n{differing} of {len(rows)} DIFFER" if differing else "\nall the same")
    return 1 if differing else 0


if __name__ == "__main__":
    sys.exit(main())
