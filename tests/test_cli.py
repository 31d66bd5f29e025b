"""The command line: every command and option, every way to fail, and what it costs to ask for help."""

import csv
import errno
import io
import json
import os
import pty
import re
import signal
import subprocess
import sys
import threading
import time
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

import pytest
from conftest import WHO_LOADS, WholeRun

import hcc_sim
from hcc_sim.cli import main
from hcc_sim.cli import run as run_command

ROOT = Path(__file__).resolve().parents[1]
SCENARIO = ROOT / "scenarios" / "surgical-timing.yaml"
SMALL = "title: Small\nregimen: launch/lenvatinib\nstrategies: {only: {}}\n"
INVALID = ROOT / "tests" / "invalid"
HEAVY = ("numpy", "numba", "pandas", "matplotlib", "pyarrow", "scipy", "yaml")
LIGHT_PARSER = ("pydantic",)
"""What newer versions of typer import to read a command's options."""


@pytest.fixture(autouse=True)
def _elsewhere(engine_compiled: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str]):
    """Run a command in this process: exit code, what it printed, what it said."""

    def run(*arguments: object) -> tuple[int, str, str]:
        capsys.readouterr()
        code = main([str(argument) for argument in arguments])
        return code, *capsys.readouterr()

    return run


def program(*arguments: object, **options) -> subprocess.CompletedProcess[str]:
    """Run a command in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "hcc_sim.cli", *map(str, arguments)],
        text=True, check=False, **{"capture_output": True, **options},
    )  # fmt: skip


# --- light -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["run", "--help"], ["scenarios", "--help"], []])
def test_help_imports_nothing_heavy(arguments: list[str]):
    modules = HEAVY if "run" in arguments or "scenarios" in arguments else HEAVY + LIGHT_PARSER
    code = (
        f"import sys; from hcc_sim.cli import main; code = main({arguments});"
        f"print([m for m in {modules} if m in sys.modules], file=sys.stderr); sys.exit(code)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "[]\n")
    assert done.stdout


def test_the_package_is_light_until_used():
    code = (
        f"import sys, hcc_sim; print([m for m in {HEAVY + LIGHT_PARSER} if m in sys.modules], 'run' in dir(hcc_sim));"
        "print(hcc_sim.run.__name__, hcc_sim.load_scenario.__name__, hcc_sim.laws.Exponential.__name__,"
        "hcc_sim.compile_pathway.__name__, hcc_sim.simulate.__name__, hcc_sim.simulate_all.__name__,"
        "hcc_sim.pathway.__name__)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == [
        "[] True",
        "run load_scenario Exponential compile_pathway simulate simulate_all hcc_sim.pathway",
    ]
    with pytest.raises(AttributeError, match="'hcc_sim' has no attribute 'rnu'"):
        hcc_sim.rnu  # noqa: B018


def test_a_run_that_draws_nothing_imports_little_and_looks_for_garbage_now_and_then():
    command = ["run", str(SCENARIO), "--patients", "100", "--no-plots"]
    code = (
        "import gc, sys; from hcc_sim.cli import main; before = sum(s['collections'] for s in gc.get_stats());"
        f"sys.argv[1:] = {command}; main();"
        "print(sum(s['collections'] for s in gc.get_stats()) - before, file=sys.stderr);"
        "print([m for m in ('pandas', 'matplotlib', 'pyarrow', 'scipy.optimize') if m in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    collections, imported = done.stderr.splitlines()[-2:]
    assert imported == "[]"
    assert int(collections) < 20  # 400 at its usual pace


def test_version(call, monkeypatch: pytest.MonkeyPatch):
    from importlib import metadata

    monkeypatch.setattr(metadata, "version", lambda name: {"hcc-sim": "1.2.3"}[name])
    assert call("--version") == (0, "hcc-sim 1.2.3\n", "")

    def missing(name: str) -> str:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "version", missing)
    assert call("--version") == (0, "hcc-sim 0+unknown\n", "")


def test_help_names_every_command_and_shipped_scenarios(call):
    for arguments in ([], ["--help"]):
        code, out, _ = call(*arguments)
        assert code == 0
        for command in ("run", "patient", "diagram", "schema", "scenarios"):
            assert command in out
    out = " ".join(call("run", "--help")[1].replace("│", " ").split())
    assert "the name of one that comes with hcc-sim, such as surgical-timing" in out


# --- run -------------------------------------------------------------------------------------------------------------


def test_run_shows_answer_and_place(whole_run: WholeRun):
    done = whole_run.done
    assert done.returncode == 0
    assert done.stderr.splitlines()[:-1] in ([], ["compiling, once (some seconds)"])
    told = " ".join(done.stdout.split())
    assert "When to operate after conversion" in told
    assert "of the first 10 years after conversion" in told
    assert "in results/surgical-timing: summary.csv, contrasts.csv, " in told
    assert "\x1b" not in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 80
    assert all(line == line.rstrip() for line in done.stdout.splitlines())


def test_what_is_said_of_compiling(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch):
    from hcc_sim import compiled

    monkeypatch.setattr(compiled, "why_nothing_is_kept", lambda: None)
    run_command._say_compiling()
    assert capsys.readouterr() == ("", "compiling, once (some seconds)\n")
    monkeypatch.setattr(compiled, "why_nothing_is_kept", lambda: "/x: Read-only file system")
    run_command._say_compiling()
    assert capsys.readouterr() == (
        "",
        "compiling (some seconds), as every start will: the compiled code cannot be kept (/x: Read-only file system). "
        "Set NUMBA_CACHE_DIR to a folder that can be written.\n",
    )


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("seed", [0, 2**64 - 1])
def test_run_csv(call, tmp_path: Path, seed: int):
    code, out, err = call("run", SCENARIO, "--patients", 1, "--seed", seed, "--format", "csv", "--no-plots")
    assert (code, err) == (0, "results in results/surgical-timing\n")
    assert out == (tmp_path / "results" / "surgical-timing" / "summary.csv").read_text()
    rows = list(csv.DictReader(io.StringIO(out)))
    assert list(rows[0]) == ["strategy", "population", "outcome", "value", "mc_se", "low", "high", "unit"]
    assert json.loads((tmp_path / "results" / "surgical-timing" / "manifest.json").read_text())["seed"] == seed


@pytest.mark.usefixtures("quick")
def test_run_json(call, tmp_path: Path):
    code, out, _ = call("run", SCENARIO, "--patients", 1000, "--format", "json", "--no-plots", "--out", "x")
    assert code == 0
    told = json.loads(out)
    assert "of the first 10 years after conversion" in told["headline"]
    with (tmp_path / "x" / "summary.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [{k: "" if v is None else str(v) for k, v in row.items()} for row in told["summary"]] == rows


def test_options_reach_the_simulation(call, monkeypatch: pytest.MonkeyPatch):
    from hcc_sim.analyses import compare
    from hcc_sim.engine import EngineError

    asked = {}

    def spy(scenario, **options) -> None:
        asked.update(options, scenario=scenario)
        raise EngineError("enough")

    monkeypatch.setattr(compare, "compare", spy)
    assert call("run", SCENARIO)[0] == 1
    assert (asked["threads"], asked["chunk"], asked["keep"], asked["progress"]) == (None, 50_000, None, None)
    assert (asked["scenario"].size, asked["scenario"].seed) == (100_000, 20240502)
    assert asked["scenario"].calibration.folder == ROOT / "calibration"
    options = ["--patients", 1, "--seed", 0, "--threads", 2, "--chunk", 3000, "--keep-stays"]
    settings = ["--set", " surgery.effect = 0.5 ", "--set", "conversion.occult_share=35 %"]
    assert call("run", SCENARIO, *options, *settings, "--calibration", "c")[0] == 2
    (Path.cwd() / "c").symlink_to(ROOT / "calibration")
    assert call("run", SCENARIO, *options, *settings, "--calibration", "c")[0] == 1
    assert (asked["threads"], asked["chunk"]) == (2, 3000)
    assert asked["keep"] is not None
    assert (asked["scenario"].size, asked["scenario"].seed) == (1, 0)
    assert asked["scenario"].overrides == {"surgery.effect": 0.5, "conversion.occult_share": 0.35}
    assert asked["scenario"].calibration.folder == Path("c")


@pytest.mark.usefixtures("quick")
def test_scenario_by_name(call, tmp_path: Path):
    run = ["--patients", 1, "--no-plots", "--format", "csv"]
    shipped = call("run", "surgical-timing", *run)
    assert shipped[:2] == call("run", SCENARIO, "--force", *run)[:2]
    (tmp_path / "surgical-timing").write_text("title: Mine\nregimen: tace\nstrategies: {only: {}}\n")
    code, out, _ = call("run", "surgical-timing", "--force", *run)
    assert code == 0
    assert out.splitlines()[1].startswith("only,"), "a file of that name comes first"


WRONG = [
    (["run"], "Missing"),
    (["rnu"], "No such command 'rnu'"),
    (["run", "no-such"], "no-such: no such file, and no scenario of that name comes with hcc-sim (adjuvant-choice"),
    (["run", "surgical-timin"], "Did you mean 'surgical-timing'?"),
    (["run", "no/such.yaml"], "no/such.yaml"),
    (["run", "."], "."),
    (["run", INVALID / "unknown_parameter.yaml"], "unknown_parameter.yaml:"),
    (["run", SCENARIO, "--patients", "0"], "--patients: given 0; accepted: a whole number from 1"),
    (["run", SCENARIO, "--patients", "-5"], "--patients: given -5"),
    (
        ["run", SCENARIO, "--patients", "1e6"],
        "--patients: given 1e6; accepted: a whole number from 1 to 1,000,000,000,000",
    ),
    (["run", SCENARIO, "--patients", "9" * 5000], "--patients"),
    (["run", SCENARIO, "--seed", "-1"], "--seed: given -1; accepted: a whole number from 0"),
    (["run", SCENARIO, "--seed", str(2**64)], "--seed: given 18446744073709551616"),
    (
        ["run", SCENARIO, "--seed", "x"],
        "--seed: given x; accepted: a whole number from 0 to 18,446,744,073,709,551,615",
    ),
    (
        ["run", SCENARIO, "--chunk", "0"],
        "--chunk: given 0; accepted: a whole number of 1,000 or more, a multiple of 1,000",
    ),
    (["run", SCENARIO, "--chunk", "1500"], "--chunk: given 1500; accepted"),
    (["run", SCENARIO, "--chunk", "-1000"], "--chunk: given -1000"),
    (["run", SCENARIO, "--chunk", "many"], "--chunk: given many; accepted"),
    (["run", SCENARIO, "--threads", "0"], "--threads: given 0; accepted: a whole number from 1 to 1,024"),
    (["run", SCENARIO, "--threads", "1000000"], "--threads: given 1000000"),
    (["run", SCENARIO, "--threads", "2.5"], "--threads: given 2.5; accepted"),
    (["run", SCENARIO, "--format", "xml"], "'--format'"),
    (["run", SCENARIO, "--set", "surgery.effect"], "--set: surgery.effect: accepted: name=value"),
    (["run", SCENARIO, "--set", "=1"], "--set: =1: accepted: name=value"),
    (["run", SCENARIO, "--set", "surgery.effect="], "accepted: name=value"),
    (["run", SCENARIO, "--set", "surgry.effect=1"], "Did you mean 'surgery.effect'?"),
    (["run", SCENARIO, "--set", "surgery.effect=nan"], "--set: surgery.effect: given"),
    (["run", SCENARIO, "--set", "surgery.effect=1", "--set", "surgery.effect=2"], "--set: surgery.effect: given twice"),
    (["run", SCENARIO, "--calibration", "nowhere"], "nowhere"),
    (["run", SCENARIO, "--colour"], "No such option"),
    (["patient", SCENARIO, "-1"], ""),
    (["patient", SCENARIO, "--", "-1"], "N: given -1; accepted: a whole number from 0"),
    (["patient", SCENARIO, str(2**64)], "N: given 18446744073709551616"),
    (["patient", SCENARIO, "first"], "N: given first; accepted"),
    (["patient", "no-such", "0"], "no-such: no such file"),
    (["diagram", "no-such"], "no-such: no such file"),
    (["diagram", "--format", "pdf"], "'--format'"),
    (["schema", "--calibration", "nowhere"], "nowhere"),
    (["scenarios", "show", "no-such"], "no-such: no such file"),
    (["scenarios", "copy", "no-such", "mine.yaml"], "no-such: no such file"),
    (["scenarios", "--parameters", "list"], "--parameters: does not go with 'list'"),
]


@pytest.mark.parametrize(("arguments", "told"), WRONG, ids=lambda value: str(value)[-60:])
def test_wrong_input(call, tmp_path: Path, arguments: list[object], told: str):
    code, out, err = call(*arguments)
    assert (code, out) == (2, "")
    assert told in err
    assert "Traceback" not in err
    assert err.strip()
    assert list(tmp_path.iterdir()) == [], "nothing written"


def test_everything_wrong_is_told_at_once(call):
    code, _, err = call(
        "run", INVALID / "unknown_parameter.yaml", "--chunk", 1, "--threads", 0, "--patients", 0, "--set", "x",
        "--set", "surgery.effect=-1",
    )  # fmt: skip
    assert code == 2
    starts = ("--chunk:", "--threads:", "--patients:", "--set: x:", "--set: surgery.effect:")
    lines = err.splitlines()
    assert all(any(line.startswith(start) for line in lines) for start in starts)
    assert any("unknown_parameter.yaml:" in line for line in lines)


def test_what_does_not_fit_the_pathway_is_wrong_input(call, tmp_path: Path):
    (tmp_path / "late.yaml").write_text("title: x\nregimen: tace\npopulation: {start: convertd}\nstrategies: {a: {}}\n")
    code, out, err = call("run", "late.yaml")
    assert (code, out) == (2, "")
    assert "late.yaml: population.start: given 'convertd'. Did you mean 'converted'?" in err
    assert [path.name for path in tmp_path.iterdir()] == ["late.yaml"]


# --- failures of the program or the machine --------------------------------------------------------------------------


def failing(error: BaseException):
    def fail(*_: object, **__: object) -> None:
        raise error

    return fail


NO_MEMORY = "hcc-sim: not enough memory; nothing was written. A smaller --chunk or fewer --threads need less.\n"
OUT_OF_MEMORY = (
    MemoryError(),
    OSError(errno.ENOMEM, "Cannot allocate memory"),
    RuntimeError("can't start new thread"),
    ImportError("pandas/_libs/parsers.so: failed to map segment from shared object"),
    ImportError("pandas/_libs/parsers.so: cannot allocate memory in static TLS block"),
)
"""How Python and its libraries say that there is none."""


@pytest.mark.parametrize(
    ("error", "code", "told"),
    [
        *((error, 1, NO_MEMORY) for error in OUT_OF_MEMORY),
        (OSError(errno.EDQUOT, "x"), 1, "hcc-sim: the disk is full; nothing was written\n"),
        (PermissionError(errno.EACCES, "Permission denied", "/x"), 1,
         "hcc-sim: Permission denied: /x; nothing was written\n"),
        (KeyboardInterrupt(), 130, "\ninterrupted; nothing was written\n"),
        (ZeroDivisionError("of zero\nand more"), 1,
         "hcc-sim: this is a fault of hcc-sim, please report it: ZeroDivisionError: of zero "
         "(HCC_SIM_DEBUG=1 shows where)\n"),
        (RuntimeError("x"), 1, "hcc-sim: this is a fault of hcc-sim, please report it: RuntimeError: x "
         "(HCC_SIM_DEBUG=1 shows where)\n"),
        (ImportError("x"), 1, "hcc-sim: this is a fault of hcc-sim, please report it: ImportError: x "
         "(HCC_SIM_DEBUG=1 shows where)\n"),
        (AssertionError(), 1, "hcc-sim: this is a fault of hcc-sim, please report it: AssertionError:  "
         "(HCC_SIM_DEBUG=1 shows where)\n"),
    ],
)  # fmt: skip
def test_failures(call, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, error: BaseException, code: int, told: str):
    monkeypatch.setattr(run_command, "_compared", failing(error))
    assert call("run", SCENARIO, "--patients", 1000) == (code, "", told)
    assert list(tmp_path.iterdir()) == []


def with_memory(gigabytes: float) -> dict[str, Any]:
    """Options of a process that can have so much memory, on a machine with any number of processors."""
    import resource  # not on every system

    limit = int(gigabytes * 1e9)
    return {
        "preexec_fn": lambda: resource.setrlimit(resource.RLIMIT_AS, (limit, limit)),
        "env": os.environ | {"OPENBLAS_NUM_THREADS": "1"},
    }


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the limit is not kept elsewhere")
@pytest.mark.parametrize("threads", [1, 2])
def test_a_chunk_that_cannot_fit_is_refused_at_once(tmp_path: Path, threads: int):
    started = time.monotonic()
    many = ["--patients", 10**8, "--chunk", 10**8, "--threads", threads]
    done = program("run", SCENARIO, *many, "--out", "a/b", **with_memory(4))
    assert (done.returncode, done.stdout) == (1, "")
    assert re.fullmatch(
        r"hcc-sim: not enough memory; nothing was written\. 100,000,000 patients at once need at least [\d.]+ GB, and "
        r"there are [\d.]+\. A smaller --chunk needs less: 50,000, as by default, is as good as any\.",
        done.stderr.splitlines()[-1],
    )
    assert "Traceback" not in done.stderr
    assert time.monotonic() - started < 60
    assert list(tmp_path.iterdir()) == []


def test_only_the_patients_there_are_need_memory(call, monkeypatch: pytest.MonkeyPatch):
    from hcc_sim import memory

    monkeypatch.setattr(memory, "memory_within_reach", lambda: 1)
    monkeypatch.setattr(run_command, "_compared", failing(ZeroDivisionError()))
    assert "ZeroDivisionError" in call("run", SCENARIO, "--patients", 50_000, "--chunk", 10**9)[2]
    assert "ZeroDivisionError" in call("run", SCENARIO, "--patients", 51_000)[2]
    assert "51,000 patients at once need" in call("run", SCENARIO, "--patients", 51_000, "--chunk", 10**9)[2]
    monkeypatch.setattr(memory, "memory_within_reach", lambda: None)
    assert "ZeroDivisionError" in call("run", SCENARIO, "--patients", 51_000, "--chunk", 10**9)[2]


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the limit is not kept elsewhere")
def test_memory_that_runs_out_on_the_way(tmp_path: Path):
    """What the first look cannot foresee: room for the stays, but not for what is made of them."""
    script = (
        "import sys; from hcc_sim import cli, memory; memory.memory_within_reach = lambda: None; sys.exit(cli.main())"
    )
    many = ["--patients", "2000000", "--chunk", "2000000", "--threads", "1"]
    done = subprocess.run(
        [sys.executable, "-c", script, "run", str(SCENARIO), *many, "--keep-stays", "--out", "a/b"],
        text=True, capture_output=True, check=False, **with_memory(1.3),
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.endswith(NO_MEMORY)
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_an_engine_that_has_to_stop(call, monkeypatch: pytest.MonkeyPatch):
    from hcc_sim.engine import EngineError

    monkeypatch.setattr(run_command, "_compared", failing(EngineError("patient 3, exit 'x': its time is not a number")))
    told = "hcc-sim: the run had to stop: patient 3, exit 'x': its time is not a number\n"
    assert call("run", SCENARIO) == (1, "", told)


def test_a_broken_installation(call, monkeypatch: pytest.MonkeyPatch):
    from hcc_sim import parameters
    from hcc_sim.errors import MachineError

    monkeypatch.setattr(parameters, "data_folder", failing(MachineError("no folder 'scenarios'")))
    assert call("scenarios") == (1, "", "hcc-sim: no folder 'scenarios'\n")


def test_traceback_only_when_asked_for(call, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(run_command, "_compared", failing(ZeroDivisionError("of zero")))
    monkeypatch.setenv("HCC_SIM_DEBUG", "1")
    code, _, err = call("run", SCENARIO)
    assert code == 1
    assert "Traceback (most recent call last)" in err
    assert "please report" in err


@pytest.mark.usefixtures("quick")
def test_interrupted_after_the_folder_is_complete(call, monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setattr(run_command, "_show_results", failing(KeyboardInterrupt()))
    code, _, err = call("run", SCENARIO, "--patients", 1000, "--no-plots", "--out", "x")
    assert (code, err) == (130, "\ninterrupted; the results in x are complete\n")
    assert (tmp_path / "x" / "manifest.json").exists()


def interrupted(wait_until, *options: object, times: int = 1, **environment: str) -> tuple[int, str, str, float]:
    """Start a long run, interrupt it when `wait_until` is true of what it has said; code, outputs, seconds to end."""
    command = [sys.executable, "-m", "hcc_sim.cli", "run", str(SCENARIO), "--patients", "100000000", *map(str, options)]
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **environment},
        # Whoever runs these tests in the background hands down that Ctrl-C is ignored.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    try:
        return interrupt(process, wait_until, times)
    finally:
        process.kill()  # if it has not ended by itself


def interrupt(process: subprocess.Popen[str], wait_until, times: int) -> tuple[int, str, str, float]:
    """See `interrupted`."""
    said: list[str] = []
    assert process.stderr is not None
    listener = threading.Thread(target=lambda: said.extend(iter(process.stderr.readline, "")))  # type: ignore[union-attr]
    listener.start()
    deadline = time.monotonic() + 60
    while not wait_until("".join(said)):
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.05)
    started = time.monotonic()
    for _ in range(times):
        process.send_signal(signal.SIGINT)
        time.sleep(0.002)
    process.wait(60)
    took = time.monotonic() - started
    listener.join()
    assert process.stdout is not None
    out = process.stdout.read()
    process.stdout.close()
    process.stderr.close()
    return process.returncode, out, "".join(said), took


def simulating(folder: Path):
    """Whether stays are being written somewhere below."""
    return lambda _: any(file.stat().st_size > 10_000 for file in folder.rglob("*.parquet"))


@pytest.mark.parametrize("threads", [1, 2])
def test_ctrl_c_while_simulating(tmp_path: Path, threads: int):
    options = ["--keep-stays", "--out", "a/b", "--threads", threads]
    code, out, err, _ = interrupted(simulating(tmp_path), *options)
    assert (code, out) == (130, "")
    assert err.endswith("\ninterrupted; nothing was written\n")
    assert "Traceback" not in err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("threads", [1, 2])
def test_ctrl_c_ends_the_block_and_not_the_chunk(tmp_path: Path, threads: int):
    def begun(_: str) -> bool:
        if not any(tmp_path.rglob("*.unfinished")):
            return False
        time.sleep(0.5)
        return True

    code, _, err, took = interrupted(begun, "--chunk", 3_000_000, "--threads", threads, "--out", "a/b")
    assert code == 130
    assert err.endswith("\ninterrupted; nothing was written\n")
    assert took < 4, "a chunk takes longer"
    assert list(tmp_path.iterdir()) == []


def test_ctrl_c_by_an_impatient_person(tmp_path: Path):
    """Pressed again and again while the first is tidied up after; Python itself may then end by the signal."""
    code, out, err, _ = interrupted(simulating(tmp_path), "--keep-stays", "--out", "a/b", times=50)
    assert code in (130, -signal.SIGINT)
    assert out == ""
    assert err.endswith("\ninterrupted; nothing was written\n")
    assert "Traceback" not in err
    assert list(tmp_path.iterdir()) == []


def test_ctrl_c_that_is_meant_for_others(tmp_path: Path):
    """A run that a script started in the background ignores it, as all programs do."""
    (tmp_path / "small.yaml").write_text(SMALL)
    command = [sys.executable, "-m", "hcc_sim.cli", "run", "small.yaml", "--patients", "1000", "--no-plots"]
    process = subprocess.Popen(command, preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_IGN))
    while process.poll() is None:
        process.send_signal(signal.SIGINT)
        time.sleep(0.05)
    assert process.returncode == 0


def test_ctrl_c_while_compiling(tmp_path: Path):
    cache = tmp_path / "cache"
    waiting = "compiling, once (some seconds)\n"

    def compiling(said: str) -> bool:
        return said == waiting and any(cache.rglob("*.code"))

    code, out, err, took = interrupted(compiling, NUMBA_CACHE_DIR=str(cache))
    assert (code, out, err) == (130, "", f"{waiting}\ninterrupted; nothing was written\n")
    assert took < 2, "at once, not when the compiler is done"
    assert [path.name for path in tmp_path.iterdir()] == ["cache"]


def test_nothing_is_compiled_where_ctrl_c_would_be_lost(whole_run: WholeRun):
    code = WHO_LOADS.format(command=["patient", str(SCENARIO), "7"])
    patient = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    for done in (whole_run.done, patient):
        assert done.stderr.splitlines()[-1] == "[]"


def test_a_reader_who_has_read_enough(tmp_path: Path):
    """What `hcc-sim ... | head -1` does, with the pipe closed before anything is written."""
    (tmp_path / "small.yaml").write_text(SMALL)
    for arguments in (
        ["scenarios", "--parameters"],
        ["schema"],
        ["run", "small.yaml", "--patients", "1", "--no-plots"],
    ):
        read, write = os.pipe()
        os.close(read)
        done = program(*arguments, capture_output=False, stdout=write, stderr=subprocess.PIPE)
        os.close(write)
        assert (done.returncode, done.stderr) == (0, ""), arguments
    assert (tmp_path / "results" / "small" / "manifest.json").exists(), "the results are complete"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
def test_output_to_a_full_disk():
    with Path("/dev/full").open("w") as full:
        done = program("--version", capture_output=False, stdout=full, stderr=subprocess.PIPE)
    assert (done.returncode, done.stderr) == (1, "hcc-sim: the disk is full; nothing was written\n")


def test_a_terminal_that_lacks_letters():
    done = program("patient", SCENARIO, 7, env={**os.environ, "PYTHONIOENCODING": "ascii"})
    assert done.returncode == 0
    assert "? converted" in done.stdout


def on_terminal(*arguments: object, **environment: str) -> tuple[int, str, str]:
    """Run with standard error on a terminal: exit code, standard output (a pipe), what the terminal showed."""
    terminal, end = pty.openpty()
    command = [sys.executable, "-m", "hcc_sim.cli", *map(str, arguments)]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=end, env={**os.environ, "TERM": "xterm", **environment}
    )
    os.close(end)
    shown = b""
    try:
        while part := os.read(terminal, 65536):
            shown += part
    except OSError:  # how a terminal says that its other end is closed
        pass
    os.close(terminal)
    assert process.stdout is not None
    out = process.stdout.read().decode()
    process.stdout.close()
    return process.wait(60), out, shown.decode()


def test_progress_on_a_terminal_only():
    Path("small.yaml").write_text(SMALL)
    run = ["run", "small.yaml", "--patients", "20000", "--no-plots", "--format", "csv"]
    code, out, shown = on_terminal(*run)
    assert code == 0
    assert "histories" in shown
    assert "20000/20000" in shown or "what the answer hangs on" in shown
    assert out.startswith("strategy,population,outcome")
    assert "\x1b[3" in shown, "in colour"
    _, _, plain = on_terminal(*run, "--force", NO_COLOR="1")
    assert not any(f"\x1b[{colour}" in plain for colour in ("31", "32", "33", "34", "35", "36", "38"))


# --- patient ---------------------------------------------------------------------------------------------------------


def test_patient(call):
    code, out, err = call("patient", SCENARIO, 7)
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert lines[0] == "Patient 7 of 'When to operate after conversion', seed 20240502"
    assert [line for line in lines if line.startswith("Under")] == [
        f"Under '{name}'" for name in ("opportunistic", "wait 42 days", "wait 298 days", "conservative")
    ]
    assert "Aggressiveness of the" in out
    assert "Child-Pugh score" in out
    assert "(unseen)" in out
    assert "  As under 'opportunistic' until month" in out
    assert max(map(len, lines)) <= 80
    assert call("patient", SCENARIO, 7)[1] == out
    assert call("patient", SCENARIO, 7, "--seed", 1)[1] != out
    assert call("patient", SCENARIO, 8)[1] != out
    assert call("patient", SCENARIO, 7, "--set", "surgery.declined_share=1")[1] != out


@pytest.mark.usefixtures("quick")
def test_patient_is_the_one_of_the_run(call, tmp_path: Path):
    import pandas as pd

    assert call("run", SCENARIO, "--patients", 1000, "--no-plots", "--keep-stays", "--out", "x")[0] == 0
    stays = pd.read_parquet(tmp_path / "x" / "stays" / "opportunistic.parquet")
    for number in (0, 7, 999):
        end = stays[stays["patient"] == number].iloc[-1]
        told = f"Lives for {end['left_months']:.1f} months from the start of therapy; {end['next_state']}."
        lines = call("patient", SCENARIO, number)[1].splitlines()
        assert lines[lines.index("Under 'opportunistic'") + 1].strip() == told


def test_the_last_patient_and_seed(call):
    last = 2**64 - 1
    code, out, _ = call("patient", "surgical-timing", last, "--seed", last)
    assert code == 0
    assert out.startswith(f"Patient {last} of")


# --- diagram and schema ----------------------------------------------------------------------------------------------


def test_diagram(call, tmp_path: Path):
    code, out, err = call("diagram")
    assert (code, err) == (0, "")
    assert "flowchart" in out.splitlines()[0] or "flowchart" in out
    assert call("diagram", SCENARIO) == (0, out, "")
    assert call("diagram", "--format", "mermaid", "--calibration", ROOT / "calibration")[1] == out
    drawing = call("diagram", "--format", "svg")[1]
    ElementTree.fromstring(drawing)
    assert call("diagram", "--out", "x.svg") == (0, "", "svg in x.svg\n")
    assert (tmp_path / "x.svg").read_text() == drawing
    assert call("diagram", "--out", "x.mmd")[0] == 0
    assert (tmp_path / "x.mmd").read_text() == out
    code, _, err = call("diagram", "--out", "x.svg", "--format", "mermaid")
    assert (code, err) == (2, "--out: x.svg exists; choose another name, or --force to replace it\n")
    assert (tmp_path / "x.svg").read_text() == drawing
    assert call("diagram", "--out", "x.svg", "--format", "mermaid", "--force")[0] == 0
    assert (tmp_path / "x.svg").read_text() == out
    (tmp_path / "folder").mkdir()
    assert call("diagram", "--out", "folder", "--force")[0] == 2
    assert call("diagram", "--out", "nowhere/x.svg")[0] == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["folder", "x.mmd", "x.svg"]


def test_diagram_on_a_full_disk(call, monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setattr(os, "replace", failing(OSError(errno.ENOSPC, "x")))
    assert call("diagram", "--out", "x.svg") == (1, "", "hcc-sim: the disk is full; nothing was written\n")
    assert list(tmp_path.iterdir()) == []


def test_schema(call):
    code, out, err = call("schema")
    assert (code, err) == (0, "")
    schema = json.loads(out)
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert "surgery.delay" in schema["properties"]["parameters"]["properties"]


# --- scenarios -------------------------------------------------------------------------------------------------------


def test_list_and_show(call):
    code, out, err = call("scenarios")
    assert (code, err) == (0, "")
    for file in (ROOT / "scenarios").glob("*.yaml"):
        assert file.stem in out
    assert call("scenarios", "list") == (0, out, "")
    code, out, _ = call("scenarios", "show", "surgical-timing")
    assert code == 0
    for part in (
        "When to operate after conversion", "how long should one wait", "wait 298 days", "surgery.delay = 298 days",
        "watching.interval = 9 weeks", "base/china.yaml", "haic_lenvatinib_pd1", "100,000 patients",
    ):  # fmt: skip
        assert part in out


@pytest.mark.usefixtures("quick")
def test_copy_runs_anywhere(call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    code, out, err = call("scenarios", "copy", "surgical-timing", "work/mine.yaml")
    assert (code, err) == (0, "")
    assert (
        out
        == "work/mine.yaml: a copy of 'When to operate after conversion'. Edit it, then: hcc-sim run work/mine.yaml\n"
    )
    files = sorted(p.relative_to(tmp_path).as_posix() for p in tmp_path.rglob("*.yaml"))
    assert files == ["work/base/china.yaml", "work/mine.yaml"]
    assert (tmp_path / "work" / "mine.yaml").read_bytes() == SCENARIO.read_bytes()
    monkeypatch.chdir(tmp_path / "work")
    run = ["--patients", 1000, "--no-plots", "--format", "csv"]
    assert call("run", "mine.yaml", *run)[1] == call("run", SCENARIO, *run)[1]
    assert (tmp_path / "work" / "results" / "mine").is_dir()


def test_copy_overwrites_nothing(call, tmp_path: Path):
    (tmp_path / "mine.yaml").write_text("precious")
    code, out, err = call("scenarios", "copy", "surgical-timing", "mine.yaml")
    assert (code, out, err) == (2, "", "mine.yaml: exists; choose another name\n")
    assert [path.name for path in tmp_path.iterdir()] == ["mine.yaml"]
    (tmp_path / "base").mkdir()
    (tmp_path / "base" / "china.yaml").write_text("title: Mine\n")
    code, _, err = call("scenarios", "copy", "surgical-timing", ".")
    assert code == 0, "a folder: the scenario keeps its name"
    assert "base/china.yaml was there already and differs" in err
    assert (tmp_path / "base" / "china.yaml").read_text() == "title: Mine\n"
    assert (tmp_path / "surgical-timing.yaml").exists()
    assert (tmp_path / "mine.yaml").read_text() == "precious"
    assert call("scenarios", "copy", "surgical-timing", ".")[0] == 2


def test_copy_is_whole_or_not_at_all(call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    read = Path.read_bytes

    def fail(path: Path) -> bytes:
        if path.name == SCENARIO.name and not fail.ready:
            fail.ready = True
            return read(path)
        if path.name == SCENARIO.name:
            raise OSError(errno.EIO, "broken")
        return read(path)

    fail.ready = True
    monkeypatch.setattr(Path, "read_bytes", fail)
    assert call("scenarios", "copy", "surgical-timing", "mine.yaml")[0] != 0
    assert list(tmp_path.rglob("*.yaml")) == []


def test_copy_of_what_builds_on_a_file_elsewhere(call, tmp_path: Path):
    (tmp_path / "inner").mkdir()
    (tmp_path / "base.yaml").write_text("title: x\nregimen: tace\nstrategies: {a: {}}\n")
    (tmp_path / "inner" / "mine.yaml").write_text("title: x\nextends: ../base.yaml\n")
    code, _, err = call("scenarios", "copy", "inner/mine.yaml", "other.yaml")
    assert code == 2
    assert "lies outside its folder; copy both by hand" in err


def test_parameters(call):
    from hcc_sim.fit_in_use import fit_in_use
    from hcc_sim.parameters import load_calibration

    calibration = load_calibration(ROOT / "calibration")
    fit = fit_in_use(calibration)
    known = calibration.parameters.with_entries(fit.common(calibration.parameters, {}))
    code, text, err = call("scenarios", "--parameters")
    assert (code, err) == (0, "")
    code, as_csv, _ = call("scenarios", "--parameters", "--format", "csv")
    assert code == 0
    rows = {row["name"]: row for row in csv.DictReader(io.StringIO(as_csv))}
    code, as_json, _ = call("scenarios", "--parameters", "--format", "json")
    assert code == 0
    entries = {entry["name"]: entry for entry in json.loads(as_json)}
    assert list(rows) == list(entries) == list(known)
    flat = " ".join(text.split())
    for name, parameter in known.items():
        assert f"{name} = " in text
        assert parameter.kind in (rows[name]["kind"], entries[name]["kind"])
        assert float(rows[name]["value"]) == parameter.value
        assert " ".join(parameter.meaning.split()) in flat
        assert entries[name]["source"] or entries[name]["reason"] or entries[name]["derivation"]
    effect = known["surgery.effect"]
    assert f"surgery.effect = {effect.text()} hazard ratio (assumed; 95% " in flat
    assert "(calibrated, each regimen has its own; 95% 0.03 to 0.85)" in flat
    assert entries["surgery.delay"]["decision"] is True
    assert call("scenarios", "--parameters", "--calibration", ROOT / "calibration")[1] == text
