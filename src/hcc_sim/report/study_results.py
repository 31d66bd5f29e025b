"""What a study's folder gets once its draws are there: tables, plots, report, workbook, and last the manifest."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from hcc_sim.analyses.psa import Probabilistic
from hcc_sim.analyses.questions import Reading
from hcc_sim.files import written_together
from hcc_sim.report.draws_csv import write_draws_csv
from hcc_sim.report.folder import MANIFEST
from hcc_sim.report.manifest import manifest
from hcc_sim.report.page import page
from hcc_sim.report.results import REPORT, csv_text, write_tables
from hcc_sim.report.screen import ONLY_MONTE_CARLO
from hcc_sim.report.study_words import uncertainty_shown
from hcc_sim.report.workbook import WORKBOOK, write_workbook

if TYPE_CHECKING:
    from hcc_sim.analyses.compare import Comparison
    from hcc_sim.analyses.study.study import Study

BASE_CASE, PLOTS = "base-case", "plots"


def write_study(
    folder: Path,
    comparison: Comparison,
    readings: Sequence[Reading],
    study: Study,
    how: Mapping[str, Any],
    *,
    plots: bool = True,
) -> list[str]:
    """Write everything but the draws into the folder of a study; the names of all files.

    All files are made before the first takes its place, the manifest comes last, and what an earlier report left is
    removed.  No table depends on time or machine.

    Args:
        folder: of the study.
        comparison: the base case; its tables go under `base-case/`.
        readings: of the study, of each kind one at most; tables, sentences, plots and sheets are theirs.
        study: what was run.
        how: what the manifest says of the run itself, as wall time and threads.
        plots: whether to draw.

    Raises:
        ValueError: two readings whose tables have the same names.
        OSError: a file cannot be written; the folder then is as it was.
    """
    before = _listed(folder)
    with written_together(folder) as made:
        (made / BASE_CASE).mkdir()
        write_tables(made / BASE_CASE, comparison)
        _write_readings(made, readings)
        if plots:
            _write_plots(made / PLOTS, comparison, readings)
        text = page(comparison, how, made / PLOTS if plots else None, readings)
        (made / REPORT).write_text(text, encoding="utf-8", newline="")
        write_workbook(made / WORKBOOK, comparison, readings)
        files = sorted(path.relative_to(made).as_posix() for path in made.rglob("*") if path.is_file())
    with written_together(folder, [MANIFEST]) as made:
        found = _manifest(comparison, readings, study, files, how)
        text = json.dumps(found, indent=2, ensure_ascii=False, allow_nan=False)
        (made / MANIFEST).write_text(text + "\n", encoding="utf-8", errors="replace")
    _remove(folder, before - set(files))
    return [*files, MANIFEST]


def _write_readings(folder: Path, readings: Sequence[Reading]) -> None:
    """Tables of all as CSV, and the draws of a probabilistic one for other programs."""
    named = [(name, table) for reading in readings for name, table in reading.tables().items()]
    if twice := [name for name, count in Counter(name for name, _ in named).items() if count > 1]:
        raise ValueError(f"two readings have tables of the same names: {', '.join(twice)}")
    for name, table in named:
        (folder / f"{name}.csv").write_text(csv_text(table), encoding="utf-8", newline="")
    for reading in readings:
        if isinstance(reading, Probabilistic) and reading.valued:
            leading = reading.leading  # whose inputs are known
            inputs = pd.DataFrame(leading.table.inputs, columns=list(leading.table.shape.inputs))
            write_draws_csv(folder, leading.costs_and_effects, inputs)


def _write_plots(folder: Path, comparison: Comparison, readings: Sequence[Reading]) -> None:
    from hcc_sim.report.plots import save_plots, write_plots
    from hcc_sim.report.study_plots import plots_of_readings

    write_plots(folder, comparison)
    save_plots(folder, plots_of_readings(readings))


def _manifest(
    comparison: Comparison, readings: Sequence[Reading], study: Study, files: Sequence[str], how: Mapping[str, Any]
) -> dict[str, Any]:
    """That of the base case, with what was studied and what its readings say."""
    found = manifest(comparison, files, how)
    found["notes"] = [uncertainty_shown(readings) if note == ONLY_MONTE_CARLO else note for note in found["notes"]]
    return {
        **found,
        "analysis": study.analysis,
        "study": study.identity(),
        "draws": study.design.draws,
        "patients_in_each_draw": study.patients,
        "said": [text for reading in readings for text in reading.sentences()],
    }


def _listed(folder: Path) -> set[str]:
    """The files of an earlier report, as its manifest lists them; none outside the folder."""
    with suppress(OSError, ValueError, KeyError, TypeError):
        names = json.loads((folder / MANIFEST).read_bytes())["files"]
        return {name for name in names if not Path(name).is_absolute() and ".." not in Path(name).parts}
    return set()


def _remove(folder: Path, names: set[str]) -> None:
    for name in names:
        (folder / name).unlink(missing_ok=True)
    for place in sorted({(folder / name).parent for name in names} - {folder}, reverse=True):
        with suppress(OSError):  # others are in it
            place.rmdir()
