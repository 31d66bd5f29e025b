"""The import contract of the house holds, and the checker would see it broken."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def contract(source: Path) -> tuple[int, str]:
    """Exit code and report of import-linter, for the package in this folder."""
    check = "import sys; from importlinter.cli import lint_imports; sys.exit(lint_imports(sys.argv[1], no_cache=True))"
    done = subprocess.run(
        [sys.executable, "-c", check, str(ROOT / "pyproject.toml")],
        cwd=source,
        env=os.environ | {"PYTHONPATH": str(source)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def test_imports_point_down():
    code, report = contract(ROOT / "src")
    assert code == 0, report
    assert "1 kept, 0 broken" in report


@pytest.mark.parametrize(
    ("file", "line", "named"),
    [
        ("luck.py", "from hcc_sim.pathway import model", "hcc_sim.luck -> hcc_sim.pathway.model"),
        ("engine/kernel.py", "import hcc_sim.outcomes", "hcc_sim.engine.kernel -> hcc_sim.outcomes"),
        ("outcomes/tally.py", "import hcc_sim.engine", "hcc_sim.outcomes.tally -> hcc_sim.engine"),
        ("helpers.py", "", "hcc_sim.helpers"),
    ],
)
def test_an_import_that_points_up_is_seen(file: str, line: str, named: str, tmp_path: Path):
    shutil.copytree(ROOT / "src" / "hcc_sim", tmp_path / "hcc_sim", ignore=shutil.ignore_patterns("__pycache__"))
    with (tmp_path / "hcc_sim" / file).open("a", encoding="utf-8") as module:
        module.write(f"\n{line}\n")
    code, report = contract(tmp_path)
    assert code != 0
    assert named in report
