"""`evidence`: the reported figures under the model, and what is wrong with them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hcc_sim.cli.options import CalibrationOption, TableFormat, TableFormatOption, in_format, may_write
from hcc_sim.cli.terminal import say, show, write
from hcc_sim.errors import CheckFailed, InputError, Problem, Problems, nearest

if TYPE_CHECKING:
    from hcc_sim.calibration.arm_curves import ArmFigures
    from hcc_sim.figures import Evidence, Figure, Study
    from hcc_sim.parameters import Calibration

app = typer.Typer(help="Reported figures with their sources: list, show, audit and export them.", no_args_is_help=True)

ProgramFormatOption = Annotated[TableFormat, typer.Option("--format", help="csv or json.")]


def _evidence(calibration: Path | None) -> tuple[Evidence, Calibration]:
    """All figures of the calibration folder in use, and the rest of it."""
    from hcc_sim.figures import load_evidence
    from hcc_sim.parameters import load_calibration

    known = load_calibration(calibration)
    return load_evidence(known.folder, known.sources), known


@app.command("list")
def list_figures(
    study: Annotated[str | None, typer.Option("--study", metavar="KEY", help="Of one study, by key or trial.")] = None,
    endpoint: Annotated[str | None, typer.Option("--endpoint", metavar="NAME", help="Of one endpoint.")] = None,
    regimen: Annotated[
        str | None, typer.Option("--regimen", metavar="KEY", help="Of one regimen, by key or as printed, in any arm.")
    ] = None,
    status: Annotated[
        str | None, typer.Option("--status", metavar="NAME", help="use, down-weight, exclude or context.")
    ] = None,
    document: Annotated[str | None, typer.Option("--document", metavar="KEY", help="Read in one document.")] = None,
    output: TableFormatOption = TableFormat.table,
    calibration: CalibrationOption = None,
) -> None:
    """List figures; all conditions given must hold."""
    evidence, known = _evidence(calibration)
    wanted = {"--study": study, "--endpoint": endpoint, "--regimen": regimen, "--status": status}
    chosen = _chosen(evidence, {**wanted, "--document": document}, known.sources)
    if output is TableFormat.table:
        from hcc_sim.report.evidence import figure_list

        show(figure_list(evidence, chosen))
        return
    from hcc_sim.figures import rows
    from hcc_sim.figures.audit import audit
    from hcc_sim.report.evidence import FIGURE_COLUMNS, figure_rows

    ids = {figure.id for _, figure in chosen}
    found = figure_rows([row for row in rows(evidence) if row.id in ids], audit(evidence))
    write(in_format(found, output, FIGURE_COLUMNS))


def _chosen(evidence: Evidence, wanted: dict[str, str | None], documents: Iterable[str]) -> list[tuple[Study, Figure]]:
    """The figures that meet every condition given; InputError for a value that no figure could have."""
    from typing import get_args

    from hcc_sim.figures.schema import Endpoint, Status

    studies = {alias: key for key, one in evidence.studies.items() for alias in (key, one.trial or key)}
    regimens = {name: key for key, term in evidence.vocabulary.items() for name in (*term.printed, term.name, key)}
    known: dict[str, dict[str, str]] = {
        "--study": studies,
        "--endpoint": {**{name: name for name in get_args(Endpoint)}, **_SHORT},
        "--regimen": regimens,
        "--status": {name: name for name in get_args(Status)},
        "--document": {name: name for name in documents},
    }
    problems = Problems()
    meant = {
        option: _meant(option, given, known[option], problems) for option, given in wanted.items() if given is not None
    }
    problems.raise_if_any()
    tests: dict[str, Callable[[Study, Figure, str], bool]] = {
        "--study": lambda one, _, key: one.study == key,
        "--endpoint": lambda _, figure, key: figure.endpoint == key,
        "--regimen": lambda _, figure, key: key in (figure.regimen, figure.comparator),
        "--status": lambda _, figure, key: figure.status == key,
        "--document": lambda _, figure, key: figure.document == key,
    }
    return [
        (one, figure)
        for one, figure in evidence.figures()
        if all(tests[option](one, figure, key) for option, key in meant.items())
    ]


_SHORT = {
    "OS": "overall survival",
    "PFS": "progression-free survival",
    "RFS": "recurrence-free survival",
    "DFS": "disease-free survival",
    "ORR": "objective response",
    "pCR": "complete pathological response",
}
"""Endpoints as papers shorten them."""


def _meant(option: str, given: str, known: dict[str, str], problems: Problems, of: str = "figure") -> str:
    """The key that a word stands for, whatever its case; a problem with the nearest words if it stands for none."""
    by_case = {name.casefold(): key for name, key in known.items()}
    if given.casefold() in by_case:
        return by_case[given.casefold()]
    hint = nearest(given, known) or f"Accepted are such as {', '.join(sorted(set(known.values()))[:8])}"
    problems.add(Problem(option, None, "", f"given '{given}', which no {of} has. {hint}"))
    return ""


@app.command("show")
def show_figure(
    figure: Annotated[str, typer.Argument(metavar="ID", help="A figure's id, as `evidence list` prints it.")],
    calibration: CalibrationOption = None,
) -> None:
    """Tell everything about one figure: study, number, where it stands, status, flags, findings of the audit."""
    from hcc_sim.figures.audit import audit
    from hcc_sim.figures.second_reading import load_second_reading
    from hcc_sim.report.evidence import figure_in_full

    evidence, known = _evidence(calibration)
    found = {one.id: (study, one) for study, one in evidence.figures()}
    if figure not in found:
        if figure in evidence.studies:
            raise InputError(Problem(figure, None, "", f"is a study: hcc-sim evidence list --study {figure}"))
        message = f"no such figure. {nearest(figure, found)} `hcc-sim evidence list` lists all {len(found)}"
        raise InputError(Problem(figure, None, "", message.replace("  ", " ")))
    study, one = found[figure]
    second = load_second_reading(known.folder)
    show(figure_in_full(evidence, study, one, audit(evidence), known.sources[one.document].citation, second))


@app.command("audit")
def audit_figures(
    strict: Annotated[
        bool, typer.Option("--strict", help="Exit with 3 while a finding has no decision, or a decision no finding.")
    ] = False,
    output: TableFormatOption = TableFormat.table,
    calibration: CalibrationOption = None,
) -> None:
    """Apply every rule to all figures: what contradicts itself or others, and what is done about it."""
    from hcc_sim.figures.audit import audit
    from hcc_sim.report.evidence import AUDIT_COLUMNS, audit_report, audit_rows

    evidence, _ = _evidence(calibration)
    found = audit(evidence)
    if output is TableFormat.table:
        show(audit_report(found, sum(len(figure.flags) for _, figure in evidence.figures())))
    else:
        write(in_format(audit_rows(found), output, AUDIT_COLUMNS))
    if strict and not found.holds:
        raise CheckFailed(
            f"{len(found.undecided)} findings without a decision, "
            f"{len(found.decisions_without_finding)} decisions without a finding"
        )


@app.command("readings")
def second_reading(output: TableFormatOption = TableFormat.table, calibration: CalibrationOption = None) -> None:
    """Tell which figures were read twice, where the two readings differ, and how each difference was settled."""
    from hcc_sim.figures.second_reading import Difference, load_second_reading
    from hcc_sim.report.evidence import readings_report

    evidence, known = _evidence(calibration)
    second = load_second_reading(known.folder)
    if second is None:
        raise InputError(Problem(str(known.folder), None, "", "has no folder second_reading"))
    if output is TableFormat.table:
        show(readings_report(evidence, second))
    else:
        write(in_format([difference._asdict() for difference in second.differences], output, Difference._fields))


@app.command("network")
def relative_effects(
    versus: Annotated[
        str, typer.Option("--versus", metavar="REGIMEN", help="The regimen that all others are set against.")
    ] = "sorafenib",
    bridges: Annotated[
        bool, typer.Option("--bridges/--no-bridges", help="Cross the bridges that are declared.")
    ] = True,
    output: TableFormatOption = TableFormat.table,
    calibration: CalibrationOption = None,
) -> None:
    """Hazard ratios between regimens from the network of studies, its islands, and the bridges assumed between them."""
    from hcc_sim.calibration.bridges import load_bridges
    from hcc_sim.calibration.network import fit_network
    from hcc_sim.report.network import network_report, relative_rows

    evidence, known = _evidence(calibration)
    found = fit_network(evidence, load_bridges(known.folder / "bridges.yaml", evidence) if bridges else ())
    regimens = {name for islands in found.islands.values() for island in islands for name in island}
    if versus not in regimens:
        hint = nearest(versus, regimens) or f"Accepted: {', '.join(sorted(regimens))}"
        raise InputError(Problem("--versus", None, "", f"no study of the network has '{versus}'. {hint}"))
    if output is TableFormat.table:
        show(network_report(found, versus))
    else:
        write(in_format(relative_rows(found, versus), output))


@app.command("shapes")
def survival_shapes(output: TableFormatOption = TableFormat.table, calibration: CalibrationOption = None) -> None:
    """Weibull shapes that reconcile reported medians with hazard ratios, pooled over studies by endpoint."""
    from hcc_sim.calibration.shapes import ENDPOINTS, shapes_of
    from hcc_sim.report.network import shape_rows, shapes_report

    evidence, _ = _evidence(calibration)
    found = [shapes_of(evidence, endpoint) for endpoint in ENDPOINTS]
    if output is TableFormat.table:
        show(shapes_report(found))
    else:
        write(in_format(shape_rows(found), output))


@app.command("curves")
def survival_curves(
    study: Annotated[str | None, typer.Option("--study", metavar="KEY", help="Of one study, by key or trial.")] = None,
    endpoint: Annotated[str | None, typer.Option("--endpoint", metavar="NAME", help="Of one survival time.")] = None,
    shapes: Annotated[
        bool,
        typer.Option(
            "--shapes/--no-shapes", help="Where a median stands alone, take its slope from `evidence shapes`."
        ),
    ] = False,
    output: TableFormatOption = TableFormat.table,
    calibration: CalibrationOption = None,
) -> None:
    """Families of curves fitted to what is printed of each arm, and how far extrapolation alone moves the answer."""
    from hcc_sim.calibration.arm_curves import arms_of, curves_of, with_shape
    from hcc_sim.report.curves import CURVE_COLUMNS, curve_rows, curves_report

    evidence, _ = _evidence(calibration)
    arms = _chosen_arms(evidence, arms_of(evidence), study, endpoint)
    if shapes:
        from hcc_sim.calibration.shapes import ENDPOINTS, shapes_of

        known_shapes = {one: shapes_of(evidence, one) for one in ENDPOINTS}
        arms = [with_shape(arm, known_shapes) for arm in arms]
    found = [curves_of(arm) for arm in arms]
    if output is TableFormat.table:
        show(curves_report(evidence, found))
    else:
        write(in_format(curve_rows(found), output, CURVE_COLUMNS))


def _chosen_arms(
    evidence: Evidence, arms: list[ArmFigures], study: str | None, endpoint: str | None
) -> list[ArmFigures]:
    """The arms of a study and of an endpoint; InputError for a name that no arm has."""
    studies = {name: arm.study for arm in arms for name in (arm.study, evidence.studies[arm.study].trial or arm.study)}
    endpoints = {arm.endpoint: arm.endpoint for arm in arms}
    endpoints |= {short: full for short, full in _SHORT.items() if full in endpoints}
    problems = Problems()
    if study is not None:
        study = _meant("--study", study, studies, problems, "curve")
    if endpoint is not None:
        endpoint = _meant("--endpoint", endpoint, endpoints, problems, "curve")
    problems.raise_if_any()
    return [arm for arm in arms if study in (None, arm.study) and endpoint in (None, arm.endpoint)]


@app.command("regimens")
def regimens(
    grade: Annotated[
        str | None, typer.Option("--grade", metavar="NAME", help="calibrated, network or described.")
    ] = None,
    fitted: Annotated[
        Path | None,
        typer.Option(
            "--fitted", metavar="DIR", help="The fit that tells parameters; by default fitted/ if there is one."
        ),
    ] = None,
    output: TableFormatOption = TableFormat.table,
    calibration: CalibrationOption = None,
) -> None:
    """Every regimen that the documents name, and what is known of it: calibrated, network, or only described."""
    from hcc_sim.calibration.fitted import read_fit
    from hcc_sim.calibration.library import library, parameters_of
    from hcc_sim.fit_in_use import folder_of
    from hcc_sim.report.library import MEANINGS, library_report, library_rows

    evidence, known = _evidence(calibration)
    if grade is not None and grade not in MEANINGS:
        raise InputError(Problem("--grade", None, "", f"given '{grade}'; accepted: {', '.join(MEANINGS)}"))
    found = [one for one in library(evidence) if grade in (None, one.grade)]
    parameters = {}
    if fitted is not None or folder_of(known).is_dir():
        fit = read_fit(fitted or folder_of(known), known)
        parameters = {one.key: parameters_of(one, fit) for one in found}
    if output is TableFormat.table:
        show(library_report(found, parameters))
    else:
        write(in_format(library_rows(found, parameters), output))


@app.command("export")
def export_figures(output: ProgramFormatOption = TableFormat.csv, calibration: CalibrationOption = None) -> None:
    """Print every figure as a row, for other programs."""
    from hcc_sim.figures import rows
    from hcc_sim.figures.audit import audit
    from hcc_sim.report.evidence import figure_rows

    if output is TableFormat.table:
        raise InputError(Problem("--format", None, "", "given table; accepted: csv, json. `list` prints tables"))
    evidence, _ = _evidence(calibration)
    write(in_format(figure_rows(rows(evidence), audit(evidence)), output))


@app.command("schema")
def figure_schema() -> None:
    """Print the JSON Schema of a file of figures, for editors."""
    from hcc_sim.figures import study_schema

    write(json.dumps(study_schema(), indent=2, ensure_ascii=False) + "\n")


@app.command("pages")
def write_pages(
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Folder for evidence.md and its pictures.")],
    force: Annotated[bool, typer.Option("--force", help="Replace files that are there.")] = False,
    calibration: CalibrationOption = None,
) -> None:
    """Write the page of all studies with their figures, the forest plot and the network, with the data of both."""
    from hcc_sim.figures.second_reading import load_second_reading
    from hcc_sim.report.evidence_pages import FILES, write_evidence_pages

    evidence, known = _evidence(calibration)
    second = load_second_reading(known.folder)
    may_write(out, FILES, force=force)
    write_evidence_pages(out, evidence, {key: source.citation for key, source in known.sources.items()}, second)
    say(f"{', '.join(FILES)} in {out}")
