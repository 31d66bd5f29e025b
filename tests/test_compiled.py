"""The disk cache of compiled code: warm for whoever may use it, cold for every change, never in the way of a run."""

from __future__ import annotations

import ast
import errno
import importlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from inspect import ismodule
from pathlib import Path
from typing import Any

import pytest

from hcc_sim import compiled

SOURCE = Path(__file__).parents[1] / "src"
PACKAGE = SOURCE / "hcc_sim"
COMPILED = sorted(
    path.relative_to(PACKAGE).as_posix()
    for path in PACKAGE.rglob("*.py")
    if any(decorator in path.read_bytes() for decorator in compiled._DECORATORS)
)
PLACES: dict[str, str | None] = dict.fromkeys(("NUMBA_CACHE_DIR", "XDG_CACHE_HOME", "LOCALAPPDATA"))

LUCK = """
import sys
from hcc_sim.compiled import before_compiling, cache_folder, why_nothing_is_kept
before_compiling(lambda: print("compiling", end=" "))
from hcc_sim.luck import luck, uniform
print(luck(20240502, 17, "event:occult outgrowth", 3), sum(uniform.stats.cache_hits.values()), why_nothing_is_kept())
"""
"""A number of luck, whether its function was kept, and what hinders the cache; before it `compiling` if it was not."""
COLD, WARM = "compiling 0.2279025409563925 0", "0.2279025409563925 1"


def started(code: str, *, source: Path = SOURCE, **environment: str | None) -> subprocess.Popen[str]:
    """A Python that sees the package in `source`; an environment variable of None is taken away."""
    settings = {"PYTHONPATH": str(source), **environment}
    env = {name: value for name, value in (dict(os.environ) | settings).items() if value is not None}
    return subprocess.Popen(
        [sys.executable, "-c", code], env=env, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )


def ended(process: subprocess.Popen[str]) -> str:
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    return out.strip()


def python(code: str, **options: Any) -> str:
    return ended(started(code, **options))


def kept(folder: Path, name: str = "") -> list[Path]:
    """The files of compiled code below a folder."""
    return sorted(folder.rglob(f"{name}*.code"))


@pytest.fixture(scope="module")
def kept_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("kept")
    python(LUCK, NUMBA_CACHE_DIR=str(folder))
    return folder


@pytest.fixture
def warm(kept_once: Path, tmp_path: Path) -> Path:
    """A cache folder in which everything that `LUCK` needs is kept."""
    shutil.copytree(kept_once, tmp_path / "warm")
    return tmp_path / "warm"


# --- warm and cold ----------------------------------------------------------------------------------------------------


def test_the_second_process_compiles_nothing(tmp_path: Path):
    assert python(LUCK, NUMBA_CACHE_DIR=str(tmp_path)) == f"{COLD} None"
    files = kept(tmp_path)
    assert {file.name.split("-")[0] for file in files} == {"luck.uniform", "luck.philox4x32"}
    assert {file.parent.parent for file in files} == {tmp_path / "hcc_sim"}
    assert python(LUCK, NUMBA_CACHE_DIR=str(tmp_path)) == f"{WARM} None"
    assert kept(tmp_path) == files


def test_it_is_told_when_only_some_functions_are_kept(warm: Path):
    kept(warm, "luck.uniform")[0].unlink()
    assert python(LUCK, NUMBA_CACHE_DIR=str(warm)) == f"{COLD} None"
    kept(warm, "luck.philox4x32")[0].unlink()
    assert python(LUCK, NUMBA_CACHE_DIR=str(warm)) == f"{WARM} None", "what calls it holds it"


def test_the_same_release_installed_elsewhere_or_again_is_warm(warm: Path, tmp_path: Path):
    other = tmp_path / "other place"
    shutil.copytree(PACKAGE, other / "hcc_sim", ignore=shutil.ignore_patterns("__pycache__"))
    there = {"source": other, "NUMBA_CACHE_DIR": str(warm)}
    assert python("import hcc_sim; print(hcc_sim.__file__)", **there) == str(other / "hcc_sim" / "__init__.py")
    assert python(LUCK, **there) == f"{WARM} None"
    for file in other.rglob("*.py"):
        os.utime(file, (1e9, 1e9))
    assert python(LUCK, **there) == f"{WARM} None"
    with (other / "hcc_sim" / "luck.py").open("a", encoding="utf-8") as file:
        file.write("# changed\n")
    assert python(LUCK, **there) == f"{COLD} None"


@pytest.mark.parametrize(
    "setting", [{"NUMBA_CPU_NAME": "generic"}, {"NUMBA_BOUNDSCHECK": "1"}, {"NUMBA_OPT": "1"}], ids=str
)
def test_processors_and_settings_share_a_folder_but_no_code(setting: dict[str, str], warm: Path):
    here = {"NUMBA_CACHE_DIR": str(warm)}
    assert python(LUCK, **here, **setting) == f"{COLD} None"
    assert len({file.parent for file in kept(warm)}) == 1
    assert python(LUCK, **here, **setting) == python(LUCK, **here) == f"{WARM} None"


def test_a_change_of_any_compiled_file_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    shutil.copytree(PACKAGE, tmp_path, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(compiled, "_PACKAGE", tmp_path)

    def fingerprint() -> str:
        return compiled._fingerprint(tmp_path.rglob("*.py"))

    seen = [fingerprint()]
    (tmp_path / "units.py").write_text("# nothing compiled here\n", encoding="utf-8")
    assert fingerprint() == seen[0]
    assert "engine/kernel.py" in COMPILED
    for changed in COMPILED:
        with (tmp_path / changed).open("a", encoding="utf-8") as file:
            file.write("# changed\n")
        assert fingerprint() not in seen
        seen.append(fingerprint())
    monkeypatch.setattr(compiled.numba, "__version__", "another")
    assert fingerprint() not in seen


def frozen_from(function: Any) -> Iterator[str]:
    """The modules of the package whose contents a compiled function freezes."""
    scope = function.__globals__
    tree = ast.parse(Path(function.__code__.co_filename).read_bytes())
    imports = {
        alias.asname or alias.name: node.module
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    for name in function.__code__.co_names:
        value = scope.get(name)
        if hasattr(value, "py_func"):
            home = value.py_func.__module__
        else:
            home = value.__name__ if ismodule(value) else imports.get(name)
        if home and home.startswith("hcc_sim."):
            yield home


def unseen_by_the_hash(function: Any) -> list[str]:
    return [name for name in frozen_from(function) if f"{name.replace('.', '/')}.py" not in IN_THE_HASH]


IN_THE_HASH = {f"hcc_sim/{path}" for path in COMPILED}


def test_compiled_functions_freeze_only_what_the_hash_sees():
    functions = 0
    for path in COMPILED:
        module = importlib.import_module("hcc_sim." + path.removesuffix(".py").replace("/", "."))
        for value in vars(module).values():
            if hasattr(value, "py_func") and value.py_func.__module__ == module.__name__:
                assert unseen_by_the_hash(value.py_func) == [], f"{path}: {value.py_func.__name__}"
                functions += 1
    assert functions > 50


def test_a_constant_from_elsewhere_would_be_seen(tmp_path: Path):
    module = tmp_path / "elsewhere.py"
    module.write_text("from hcc_sim.history import BLOCK\ndef f():\n    return BLOCK\n", encoding="utf-8")
    scope: dict[str, Any] = {}
    exec(compile(module.read_text(), str(module), "exec"), scope)
    assert unseen_by_the_hash(scope["f"]) == ["hcc_sim.history"]


def test_functions_of_others_are_not_kept(tmp_path: Path):
    code = "from hcc_sim.compiled import compiled\n@compiled\ndef f(x): return x + 1\nprint(f(1), f.stats.cache_path)"
    assert python(code, NUMBA_CACHE_DIR=str(tmp_path)) == "2 None"
    assert kept(tmp_path) == []


def test_nothing_is_in_the_way_where_numba_is_told_not_to_compile(tmp_path: Path):
    code = "from hcc_sim.luck import luck, uniform; print(luck(20240502, 17, 'event:occult outgrowth', 3))"
    assert python(code, NUMBA_CACHE_DIR=str(tmp_path), NUMBA_DISABLE_JIT="1") == WARM.split()[0]


# --- no place to write ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("variable", PLACES)
def test_a_folder_that_cannot_be_made_is_done_without(variable: str, tmp_path: Path):
    blocked = tmp_path / "a file"
    blocked.write_text("in the way", encoding="utf-8")
    told = python(LUCK, **PLACES | {variable: str(blocked / "cache")})
    assert told.startswith(f"{COLD} {blocked / 'cache' / 'hcc_sim'}")
    assert told.endswith(f": {os.strerror(errno.ENOTDIR)}")


@pytest.mark.skipif(sys.platform == "win32", reason="the home is found otherwise")
def test_a_home_that_cannot_be_made_is_done_without():
    assert python(LUCK, HOME="/dev/null/home", **PLACES).startswith(f"{COLD} /dev/null/home/")


def test_no_home_at_all_is_done_without(monkeypatch: pytest.MonkeyPatch):
    def unknown() -> Path:
        raise RuntimeError("Could not determine home directory.")

    for variable in PLACES:
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setattr(compiled.Path, "home", unknown)
    monkeypatch.setattr(compiled, "cache_folder", compiled.cache_folder.__wrapped__)
    assert compiled.cache_folder() is None
    assert compiled.why_nothing_is_kept() == "no home folder is known"


def test_what_another_user_keeps_is_read_where_it_cannot_be_written(warm: Path):
    folder = kept(warm)[0].parent
    assert all(file.stat().st_mode & 0o044 == 0o044 & ~umask() for file in kept(warm))
    folder.chmod(0o555)
    try:
        assert python(LUCK, NUMBA_CACHE_DIR=str(warm)).startswith(WARM)
    finally:
        folder.chmod(0o755)


def umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


FULL_DISK = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (1_000, 1_000))\n"


@pytest.mark.skipif(sys.platform == "win32", reason="no such limit")
def test_a_disk_that_is_full_does_not_end_the_run(tmp_path: Path):
    """No file may grow beyond 1,000 bytes, which is too little for any function."""
    assert python(FULL_DISK + LUCK, NUMBA_CACHE_DIR=str(tmp_path)).startswith(COLD)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [], "nothing half-written"
    assert python(LUCK, NUMBA_CACHE_DIR=str(tmp_path)).startswith(COLD)
    assert python(LUCK, NUMBA_CACHE_DIR=str(tmp_path)).startswith(WARM)


# --- damage -----------------------------------------------------------------------------------------------------------


def other_pickle(_: bytes) -> bytes:
    """Whole by its checksum, but not what was expected."""
    payload = b"\x80\x04N."
    return compiled._checksum(payload) + payload


DAMAGE = {
    "empty": lambda content: b"",
    "a checksum and no more": lambda content: content[: compiled._CHECKSUM_BYTES],
    "cut short": lambda content: content[: len(content) // 2],
    "the last byte lost": lambda content: content[:-1],
    "machine code changed": lambda content: content[:2000] + bytes(1000) + content[3000:],
    "something else": lambda content: b"something else\n" * 1000,
    "another pickle": other_pickle,
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_file_is_compiled_again(damage: str, warm: Path):
    for file in kept(warm):
        file.write_bytes(DAMAGE[damage](file.read_bytes()))
    assert python(LUCK, NUMBA_CACHE_DIR=str(warm)) == f"{COLD} None"
    assert python(LUCK, NUMBA_CACHE_DIR=str(warm)) == f"{WARM} None", "and mended"


def test_a_folder_in_the_place_of_a_file(warm: Path):
    file = kept(warm, "luck.uniform")[0]
    file.unlink()
    (file / "inside").mkdir(parents=True)
    assert python(LUCK, NUMBA_CACHE_DIR=str(warm)).startswith(COLD)


# --- several processes ------------------------------------------------------------------------------------------------

TOGETHER = """
import sys, time
from pathlib import Path
import numpy as np
from hcc_sim import laws
go = Path({go!r})
go.with_name(f"ready-{number}").touch()
while not go.exists():
    time.sleep(0.001)
table = laws.tabulate([laws.Weibull(1.3, 24.0), laws.LogNormal(3.0, 0.8)])
hours = np.linspace(0.0, 99.0, 50)
found = [laws.cumulative_hazard(table, i, hour) for hour in hours for i in (0, 1)]
stats = laws.cumulative_hazard.stats
print(np.array(found).tobytes().hex(), sum(stats.cache_hits.values()))
"""


@pytest.mark.parametrize("processors", [({}, {}), ({}, {"NUMBA_CPU_NAME": "generic"})], ids=["one", "two"])
def test_two_processes_that_compile_at_once(processors: tuple[dict[str, str], ...], tmp_path: Path):
    """For one processor, and for two that share the folder."""
    cache, go = tmp_path / "cache", tmp_path / "go"
    code = [TOGETHER.format(go=str(go), number=number) for number in range(2)]
    environments = [{"NUMBA_CACHE_DIR": str(cache), **processor} for processor in processors]
    both = [started(code[i], **environments[i]) for i in range(2)]
    deadline = time.monotonic() + 60
    while len(list(tmp_path.glob("ready-*"))) < 2:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert kept(cache) == [], "nothing was compiled before both were ready"
    go.touch()
    results = [ended(process).split() for process in both]
    assert results[0] == results[1]
    assert results[0][1] == "0", "both compiled"
    files = sorted(path for path in cache.rglob("*") if path.is_file())
    assert files == kept(cache), "nothing unfinished is left"
    assert all(compiled._read(file) for file in files), "and all is whole"
    for environment in environments:
        assert python(code[0], **environment).split() == [results[0][0], "1"]


def test_a_file_that_many_write_is_whole_at_every_moment(tmp_path: Path):
    file = tmp_path / "f.code"
    contents = [bytes([i]) * 200_000 for i in range(2)]
    compiled._write(file, contents[0])
    with ThreadPoolExecutor(3) as pool:
        writers = [pool.submit(lambda mine: [compiled._write(file, mine) for _ in range(200)], c) for c in contents]
        read = 0
        while not all(writer.done() for writer in writers):
            assert compiled._read(file) in contents
            read += 1
        assert all(writer.result() for writer in writers)
    assert read > 20
    assert list(tmp_path.iterdir()) == [file]


# --- old versions -----------------------------------------------------------------------------------------------------


def test_versions_that_nobody_uses_are_removed_when_another_is_compiled(tmp_path: Path):
    root = tmp_path / "hcc_sim"
    long_ago, lately = (time.time() - (compiled.KEPT_DAYS + days) * 86_400 for days in (1, -1))
    folders = {"0" * 20: long_ago, "1" * 20: lately, "results of mine": long_ago, "2" * 19: long_ago}
    for name, used in folders.items():
        (root / name).mkdir(parents=True)
        (root / name / "kernel.live_block-0.code").touch()
        os.utime(root / name, (used, used))
    python(LUCK, NUMBA_CACHE_DIR=str(tmp_path))
    left = {path.name for path in root.iterdir()}
    assert left >= {"1" * 20, "results of mine", "2" * 19}
    assert "0" * 20 not in left
    [mine] = left - set(folders)
    os.utime(root / mine, (long_ago, long_ago))
    assert python(LUCK, NUMBA_CACHE_DIR=str(tmp_path)) == f"{WARM} None"
    assert (root / mine).stat().st_mtime > lately, "use keeps it"
