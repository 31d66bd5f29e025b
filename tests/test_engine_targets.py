"""The same bits on every processor, for any number of threads and any chunk: of the stays, and of what `run` writes."""

from __future__ import annotations

import importlib.util
import json
import shutil
import subprocess
import sys
from dataclasses import fields
from math import inf
from pathlib import Path

import numpy as np
import pytest
from test_engine_bits import SEED, program, some_of_everything

from hcc_sim import compiled, laws
from hcc_sim.analyses import turning
from hcc_sim.engine import Program, simulate_all
from hcc_sim.history import Stays
from hcc_sim.pathway.model import Add, Bernoulli, Delay, Epoch, Hazard, Mark, Normal, Schedule, Service, State, Visit

HERE = Path(__file__).parent
_spec = importlib.util.spec_from_file_location("bits", HERE.parent / "benchmarks" / "bits.py")
assert _spec is not None
assert _spec.loader is not None
bits = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(bits)

PATIENTS = 3_000
HORIZON_MONTHS = 120.0
FEW = 2_000
"""Patients of the main scenario."""

LAWS = {
    "exponential": laws.Exponential(0.01),
    "weibull": laws.Weibull(1.3, 60.0),
    "gompertz": laws.Gompertz(0.01, 0.008),
    "gompertz, defective": laws.Gompertz(-0.02, 0.02),
    "log-normal": laws.LogNormal(3.5, 1.1),
    "log-logistic": laws.LogLogistic(1.5, 60.0),
    "generalised gamma": laws.GeneralisedGamma(3.5, 0.8, 0.5),
    "piecewise": laws.PiecewiseExponential((0.0, 12.0, 480.0, 540.0), (0.03, 0.01, 0.005, 0.02)),
    "tabulated": laws.Tabulated(laws.LogLogistic(1.2, 80.0)),
    "cured": laws.CuredShare(laws.Weibull(0.8, 30.0), 0.3),
}


KINDS = (
    {"scaled_by": {"x": 0.3}},
    {"since": "birth", "accelerated_by": {"x": -0.2}},
    {"since": "last", "scaled_by": {"n": -0.02, "x": -0.1}},
)


def every_law() -> Program:
    """A hazard for each law, in place, since entry, birth or the last event, scaled or accelerated."""
    hazards = [
        Hazard(name, name, in_place=True, does=(Add("n", 1.0), Mark("last")), **KINDS[number % 3])
        for number, name in enumerate(LAWS)
    ]
    scan = Schedule("scan", ((24.0, 3.0), (inf, 7.0)), scatter=0.3)
    chosen = Hazard("chosen", tuple(LAWS)[:2], to="away", law_by="kind", accelerated_by={"x": 0.1})
    return program(
        State("home", (*hazards, chosen, Visit("look", scan, to="away", when="kind"))),
        State("away", (Service("bed", 0.7, to="home"), Delay(50.0, to="end", since="birth"), *hazards[::2])),
        laws=LAWS,
        attributes={"x": Normal(0.0, 1.0), "kind": Bernoulli(0.5), "n": 0.0},
        epochs=(Epoch("birth"), Epoch("last")),
        at_start=(Mark("birth", -45.0), Mark("last", -3.0)),
    )


PROGRAMS = {"some of everything": some_of_everything, "every law": every_law}


def hash_of(stays: Stays) -> str:
    return bits.digest(getattr(stays, field.name).tobytes() for field in fields(Stays))


def simulated(made: Program, threads: int, chunk: int, seed: int = SEED) -> Stays:
    return simulate_all(made, seed=seed, patients=PATIENTS, horizon_months=HORIZON_MONTHS, threads=threads, chunk=chunk)


def of_a_run(patients: int, threads: int, chunk: int) -> tuple[str, str]:
    """Hashes of all stays and of summary.csv, in which nothing stands of what the answer hangs on: it is left out."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(turning, "TIMING_ASSUMPTIONS", ())
        return bits.hashes(patients, threads, chunk)


def hashes(threads: int, chunk: int) -> dict[str, str]:
    """Hashes of the stays of the models here, and of what `hcc-sim run` makes of the main scenario."""
    stays, summary = of_a_run(FEW, threads, chunk)
    models = {name: hash_of(simulated(make(), threads, chunk)) for name, make in PROGRAMS.items()}
    return models | {"the stays": stays, "summary.csv": summary}


def child(code: str, processor: str, cache: Path | None = None) -> tuple[str, str]:
    """What a process that compiles for a processor prints and says."""
    environment = bits.environment(processor) | ({} if cache is None else {"NUMBA_CACHE_DIR": str(cache)})
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=HERE, env=environment, text=True, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout, done.stderr


@pytest.fixture(scope="module")
def reference() -> dict[str, str]:
    """Hashes on this processor, with one thread, all patients at once."""
    return hashes(1, 50_000)


# --- the same ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("threads", "chunk"), [(1, 1_000), (2, 1_000), (2, 50_000)])
def test_threads_and_chunks(reference: dict[str, str], threads: int, chunk: int):
    assert hashes(threads, chunk) == reference


TELL = "import json, numba, test_engine_targets as t; found = t.hashes(2, 1_000); "
TELL += "print(json.dumps([numba.config.CPU_NAME, found]))"


@pytest.mark.skipif(not bits.can_run("AVX2"), reason="this machine has no AVX2")
def test_a_processor_with_vectors_and_fused_multiply_add(reference: dict[str, str]):
    assert json.loads(child(TELL, "AVX2")[0]) == ["x86-64-v3", reference]


def test_any_processor_and_that_compiling_is_told_once(reference: dict[str, str], tmp_path: Path):
    """`run` comes first in these processes; with nothing compiled at all, in `tests/slow/test_from_nothing.py`."""
    assert json.loads(child(TELL, "generic")[0]) == ["generic", reference]
    keep_most_of_what_is_compiled(tmp_path)
    out, err = child(TELL, "generic", tmp_path)
    assert json.loads(out) == ["generic", reference]
    assert err.splitlines()[0] == TOLD
    assert err.count("compiling") == 1
    assert all(any(tmp_path.rglob(f"{name}-*.code")) for name in MISSING), "not once each"
    again, err = child(TELL, "generic", tmp_path)
    assert again == out
    assert "compiling" not in err


TOLD = "compiling, once (some seconds)"
MISSING = ("laws.formulas.fill_guide", "laws.prentice.log_cumulative_hazards")


def keep_most_of_what_is_compiled(folder: Path) -> None:
    """A cache folder with all that this machine has compiled but two functions, which takes no time."""
    kept = compiled.cache_folder()
    if kept is None:
        return  # there is nothing, and all is compiled again
    (folder / "hcc_sim" / kept.name).mkdir(parents=True)
    for file in kept.glob("*.code"):
        if not file.name.startswith(MISSING):
            shutil.copy(file, folder / "hcc_sim" / kept.name)


FEWER = "import test_engine_targets as t; print([t.hash_of(t.few(make())) for make in t.PROGRAMS.values()])"


def few(made: Program) -> Stays:
    """As many as plain Python can do in seconds."""
    return simulate_all(made, seed=SEED, patients=40, horizon_months=HORIZON_MONTHS, threads=1)


def test_no_compiler_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """The kernel is plain Python to be read, and run, by those who doubt the compiler."""
    monkeypatch.setenv("NUMBA_DISABLE_JIT", "1")
    assert child(FEWER, "this", tmp_path)[0] == f"{[hash_of(few(make())) for make in PROGRAMS.values()]}\n"
    assert not any(tmp_path.rglob("*.code")), "nothing was compiled"


# --- and worth comparing ----------------------------------------------------------------------------------------------


def test_every_law_and_exit_decides():
    made = every_law()
    stays = simulated(made, 1, 50_000)
    assert set(np.unique(stays.ended_by)) == {-1, *range(len(made.exit_names))}
    assert len(stays) > 5 * PATIENTS
    families = {laws.CuredShare, *(type(law) for law in LAWS.values())}
    assert families == {law for law in vars(laws).values() if isinstance(law, type) and issubclass(law, laws.Law)} - {
        laws.Law
    }, "a new law belongs here"


def test_another_seed_is_seen_and_one_patient_more(reference: dict[str, str]):
    for name, make in PROGRAMS.items():
        assert hash_of(simulated(make(), 1, 50_000, seed=SEED + 1)) != reference[name]
    stays, summary = of_a_run(FEW + 1, 1, 50_000)
    assert stays != reference["the stays"]
    assert summary != reference["summary.csv"]


def test_one_bit_is_seen():
    stays = simulated(every_law(), 1, 50_000)
    before = hash_of(stays)
    stays.left_months[-1] = np.nextafter(stays.left_months[-1], inf)
    assert hash_of(stays) != before


ARITHMETIC = """
import math
import numpy as np
from hcc_sim import compiled
{wrong}
from hcc_sim import elementary
@compiled.compiled(cache=False)
def fill(x, out):
    for i in range(x.size):
        out[i] = {exp}(x[i]) - elementary.log(x[i])
x = np.linspace(0.01, 20.0, 10_000)
out = np.empty_like(x)
fill(x, out)
print(out.tobytes().hex())
"""


@pytest.mark.skipif(not bits.can_run("AVX2"), reason="fused multiply-add may be missing")
def test_fused_multiply_add_and_the_exp_of_the_system_would_be_seen(tmp_path: Path):
    """The same engine would have other bits with either; on a processor without fused multiply-add only with one."""

    def arithmetic(processor: str, wrong: str = "", exp: str = "elementary.exp") -> str:
        return child(ARITHMETIC.format(wrong=wrong, exp=exp), processor, tmp_path)[0]

    fused = "compiled._SETTINGS['fastmath'] = {'contract'}"
    right = arithmetic("this")
    assert arithmetic("AVX2") == right
    assert arithmetic("AVX2", fused) != right
    assert arithmetic("generic", fused) == right
    assert arithmetic("generic", exp="math.exp") != right


def test_the_table_tells_what_differs(capsys: pytest.CaptureFixture[str]):
    row = bits.Row("this", 1, 1_000, "a" * 16, "b" * 16)
    assert bits.tell([row, row._replace(threads=2)]) == 0
    assert capsys.readouterr().out.endswith("all the same\n")
    for wrong in (row._replace(stays="c" * 16), row._replace(summary="c" * 16)):
        assert bits.tell([row, wrong, row]) == 1
        told = capsys.readouterr().out
        assert told.count("DIFFERS") == 1
        assert told.endswith("1 of 3 DIFFER\n")
