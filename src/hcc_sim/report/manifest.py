"""The birth certificate of a result: versions, commit, hashes, seed, machine, wall time, and what was said."""

from __future__ import annotations

import math
import os
import platform
import subprocess
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

import hcc_sim
from hcc_sim.report.screen import NOT_ADVICE, ONLY_MONTE_CARLO, assumed_count, borrowed

if TYPE_CHECKING:
    from hcc_sim.analyses.compare import Comparison
    from hcc_sim.parameters import Parameter
    from hcc_sim.scenario import Scenario

LIBRARIES = ("numpy", "numba", "pandas")
_GIT_SECONDS = 5


def manifest(comparison: Comparison, files: Sequence[str], how: Mapping[str, Any]) -> dict[str, Any]:
    """Everything a reader needs to tell, and to repeat, what was done; `how` adds wall time, threads and the like."""
    scenario = comparison.scenario
    assumed, everything = assumed_count(scenario)
    return {
        "program": "hcc-sim",
        "versions": {
            "hcc_sim": hcc_sim.__version__,
            "python": platform.python_version(),
            **{library: metadata.version(library) for library in LIBRARIES},
        },
        "commit": source_commit(),
        **_of_scenario(scenario),
        "machine": {"platform": platform.platform(), "processor": platform.machine(), "processors": os.cpu_count()},
        **how,
        "primary_population": comparison.primary,
        "headline": comparison.headline(),
        "strongest_assumption": comparison.strongest_assumption(),
        "unseen_differences": comparison.unseen_differences(),
        "borrowed": borrowed(scenario),
        "parameters": {"assumed": assumed, "all": everything},
        "notes": [*comparison.notes(), ONLY_MONTE_CARLO, NOT_ADVICE],
        "files": list(files),
    }


def _of_patients(scenario: Scenario) -> dict[str, Any] | None:
    if scenario.patients is None:
        return None
    given = scenario.patients
    return {"path": str(given.path), "sha256": given.sha256, "rows": given.rows, "attributes": list(given.attributes)}


def _of_scenario(scenario: Scenario) -> dict[str, Any]:
    first = scenario.strategies[0].parameters
    return {
        "scenario": {
            "title": scenario.title,
            "question": scenario.question,
            "files": [str(file) for file in scenario.files],
            "sha256": scenario.sha256,
            "patients_file": _of_patients(scenario),
        },
        "calibration": {"folder": str(scenario.calibration.folder), "sha256": scenario.calibration.sha256},
        "fit": _of_fit(scenario),
        "seed": scenario.seed,
        "patients": scenario.size,
        "horizon_months": scenario.horizon_months,
        "population": scenario.preset,
        "strategies": [
            {
                "name": strategy.name,
                "regimen": strategy.regimen,
                "grade": strategy.layers.regimen.grade,
                "sets": {name: _value(strategy.parameters[name]) for name in strategy.given},
            }
            for strategy in scenario.strategies
        ],
        "overrides": {name: _value(first[name]) for name in scenario.overrides},
    }


def _of_fit(scenario: Scenario) -> dict[str, Any] | None:
    """Which fit the parameters come from, and assumptions that it was not renewed for; None where none is in use."""
    if scenario.fit is None:
        return None
    summary = scenario.fit.summary
    told = {key: summary[key] for key in ("hash", "of_draws", "calibration_version", "seed", "patients", "draws")}
    return {"folder": str(scenario.fit.folder), **told, "not_renewed": list(scenario.fit_not_renewed)}


def _value(parameter: Parameter) -> dict[str, Any]:
    """JSON knows no infinity: `never` has no number."""
    number = parameter.value if math.isfinite(parameter.value) else None
    return {"value": number, "unit": parameter.unit, "text": parameter.text()}


def source_commit() -> dict[str, Any] | None:
    """Commit of the source, and whether it was changed since; None if it is not a checkout that git can tell about."""
    here = Path(__file__).resolve().parent
    if _git(here, "ls-files", "--error-unmatch", Path(__file__).name) is None:
        return None
    commit = _git(here, "rev-parse", "HEAD")
    changed = _git(here, "status", "--porcelain", "--untracked-files=no")
    return None if commit is None else {"sha1": commit, "changed": bool(changed)}


def _git(folder: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *arguments],
            capture_output=True,
            text=True,
            timeout=_GIT_SECONDS,
            check=True,
            stdin=subprocess.DEVNULL,
            env={**os.environ, "GIT_OPTIONAL_LOCKS": "0"},
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()
