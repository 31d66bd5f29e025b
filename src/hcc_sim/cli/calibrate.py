"""`calibrate` and `reproduce`: fit the pathway to the figures, and hold what it says against them."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hcc_sim.cli.options import (
    CalibrationOption,
    SeedOption,
    TableFormat,
    TableFormatOption,
    in_format,
    may_write,
    whole,
)
from hcc_sim.cli.terminal import say, show, write
from hcc_sim.errors import InputError, Problem, Problems, nearest

if TYPE_CHECKING:
    from hcc_sim.calibration.fitted import Fitted
    from hcc_sim.calibration.model import Model
    from hcc_sim.calibration.three_ways import ThreeWays
    from hcc_sim.figures import Evidence
    from hcc_sim.parameters import Calibration

MOST_DRAWS, MOST_PATIENTS = 100_000, 1_000_000

StudiesArgument = Annotated[
    list[str] | None, typer.Argument(metavar="[STUDY]...", help="Studies by key; all, if none is named.")
]


def calibrate(
    studies: StudiesArgument = None,
    draws: Annotated[str | None, typer.Option("--draws", metavar="NUMBER", help="Joint draws.")] = None,
    patients: Annotated[str | None, typer.Option("--patients", metavar="NUMBER", help="Patients in each arm.")] = None,
    seed: SeedOption = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="DIR", help="Where the fit is written; by default fitted/ of the calibration."),
    ] = None,
    ridge: Annotated[
        bool,
        typer.Option("--ridge", help="Find too which effects of surgery go with which selection; twice the time."),
    ] = False,
    calibration: CalibrationOption = None,
) -> None:
    """Fit the pathway to the reported figures of all studies, or of some, and write draws with a ledger."""
    from hcc_sim.calibration.fit import DRAWS, PATIENTS, SEED, fit
    from hcc_sim.calibration.fitted import FILES, write_fit
    from hcc_sim.fit_in_use import folder_of
    from hcc_sim.report.calibration import fit_report
    from hcc_sim.scenario import HIGHEST_SEED

    problems = Problems()
    count = whole("--draws", draws, 2, MOST_DRAWS, problems) or DRAWS
    size = whole("--patients", patients, 100, MOST_PATIENTS, problems) or PATIENTS
    luck = whole("--seed", seed, 0, HIGHEST_SEED, problems)
    problems.raise_if_any()
    evidence, known = _all(calibration)
    folder = out or folder_of(known)
    if out is None and studies:
        raise InputError(Problem("--out", None, "", "needed when studies are named: a fit of some is not that of all"))
    if out is None and "_data" in folder.parts:
        raise InputError(Problem("--out", None, "", "needed: the packaged calibration is not written to"))
    if folder.exists() and not folder.is_dir():
        raise InputError(Problem("--out", None, "", f"{folder} is not a folder; choose another name"))
    luck = SEED if luck is None else luck
    started = time.perf_counter()

    def tell(text: str) -> None:
        say(f"{time.perf_counter() - started:6.0f} s  {text}")

    found = fit(known, evidence, studies or (), draws=count, patients=size, seed=luck, ridge=ridge, say=tell)
    write_fit(folder, found, known, seed=luck, patients=size)
    show(fit_report(found))
    say(f"{', '.join(FILES)} in {folder}")


def reproduce(
    study: Annotated[str | None, typer.Option("--study", metavar="KEY", help="One study only.")] = None,
    hazard_ratios: Annotated[
        bool, typer.Option("--hazard-ratios", help="Instead: hazard ratios three ways, without their study too.")
    ] = False,
    output: TableFormatOption = TableFormat.table,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="DIR", help="Also write the page of the fit, a plot, its data there."),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace what --out has there.")] = False,
    fitted: Annotated[
        Path | None, typer.Option("--fitted", metavar="DIR", help="The fit; by default fitted/ of the calibration.")
    ] = None,
    calibration: CalibrationOption = None,
) -> None:
    """Simulate every figure from the fitted draws and show it beside the report."""
    from hcc_sim.calibration.fit import model_of
    from hcc_sim.calibration.fitted import read_fit
    from hcc_sim.calibration.reproduce import Row, predict_draws, table, unflagged
    from hcc_sim.fit_in_use import folder_of
    from hcc_sim.report.calibration import files_of, reproduce_report, row_dicts, write_reproduce
    from hcc_sim.report.calibration_page import page

    evidence, known = _all(calibration)
    fit = read_fit(fitted or folder_of(known), known)
    model = model_of(known, evidence, fit.studies, patients=fit.patients, seed=fit.seed)[0]
    _check_study(study, {target.study for target in model.targets})
    if out is not None and (study is not None or hazard_ratios):
        option = "--hazard-ratios" if hazard_ratios else "--study"
        raise InputError(Problem("--out", None, "", f"does not go with {option}: the page is of the whole fit"))
    if out is not None:
        may_write(out, files_of(fit), force=force)
    if hazard_ratios:
        ratios = _three_ways(evidence, fit, model)
        _show_three_ways([row for row in ratios if study in (None, row.figure.partition(".")[0])], fit, output)
        return
    rows = table(model.targets, predict_draws(model, fit.z, study=study), study)
    if bare := unflagged([target for target in model.targets if study in (None, target.study)], rows):
        say(f"far off, and no reader has flagged why: {', '.join(bare)}")
    if output is TableFormat.table:
        show(reproduce_report(rows))
    else:
        write(in_format(row_dicts(rows), output, Row._fields))
    if out is not None:
        write_reproduce(out, rows, fit, page(fit, rows, _three_ways(evidence, fit, model)))
        say(f"{', '.join(files_of(fit))} in {out}")


def _check_study(study: str | None, fitted: Iterable[str]) -> None:
    if study is not None and study not in fitted:
        hint = nearest(study, fitted) or f"It is of {', '.join(sorted(fitted))}"
        raise InputError(Problem("--study", None, "", f"the fit has no study '{study}'. {hint}"))


def _three_ways(evidence: Evidence, fit: Fitted, model: Model) -> list[ThreeWays]:
    from hcc_sim.calibration.three_ways import at_ends_of_follow_up, three_ways

    return three_ways(evidence, fit.without_study, at_ends_of_follow_up(model, fit.z.mean(axis=0)))


def _show_three_ways(rows: Sequence[ThreeWays], fit: Fitted, output: TableFormat) -> None:
    from hcc_sim.report.calibration import three_ways_report

    if output is TableFormat.table:
        show(three_ways_report(rows, fit.without_study))
    else:
        write(in_format([row._asdict() for row in rows], output))


def _all(calibration: Path | None) -> tuple[Evidence, Calibration]:
    from hcc_sim.figures import load_evidence
    from hcc_sim.parameters import load_calibration

    known = load_calibration(calibration)
    return load_evidence(known.folder, known.sources), known
