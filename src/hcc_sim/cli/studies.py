"""`dsa`, `two-way`, `psa`, `sobol`, `morris`, `timing`, `threshold` and `voi`: a study each, in a folder of its own."""

from __future__ import annotations

import json
import math
import os
import textwrap
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hcc_sim.cli.options import (
    CalibrationOption,
    ScenarioArgument,
    SeedOption,
    SetOption,
    TableFormat,
    TableFormatOption,
    in_format,
    load,
    strategy_of,
    whole,
)
from hcc_sim.cli.progress import progress_of_draws
from hcc_sim.cli.run import MOST_THREADS, prepared
from hcc_sim.cli.terminal import command_line, say, unfinished, write
from hcc_sim.errors import Problem, Problems
from hcc_sim.units import UNITS, parse_duration

if TYPE_CHECKING:
    from hcc_sim.analyses.questions import Question
    from hcc_sim.analyses.study.execute import Workers
    from hcc_sim.scenario import Scenario

MOST_DRAWS = 10**15
FEWEST_PATIENTS, STEP_OF_PATIENTS = 1_000, 1_000
"""In a draw: sums are formed a thousand patients at a time."""

WIDTH = 100
NOT_ADVICE = "A model for research and teaching, not advice for a patient."

OutOption = Annotated[
    Path | None,
    typer.Option("--out", metavar="DIR", help="The study's folder; by default results/SCENARIO-ANALYSIS."),
]
ForceOption = Annotated[bool, typer.Option("--force", help="Begin anew where the folder holds another study.")]
DrawsOption = Annotated[
    str | None, typer.Option("--draws", metavar="NUMBER", help="How many; more than before compute what is lacking.")
]
InDrawOption = Annotated[
    str | None,
    typer.Option("--patients", metavar="NUMBER", help="Patients in each draw; by default as a pilot says."),
]
OutcomeOption = Annotated[
    list[str] | None,
    typer.Option(
        "--outcome",
        metavar="NAME",
        help="What is asked about, as summary.csv names it, or 'net benefit', qaly, cost, survival; may be repeated.",
    ),
]
ThresholdOption = Annotated[
    str | None, typer.Option("--threshold", metavar="MONEY", help="For a QALY; by default the scenario's highest.")
]
StrategyOption = Annotated[
    str | None, typer.Option("--strategy", metavar="NAME", help="By default the best of the base case.")
]
VersusOption = Annotated[str | None, typer.Option("--versus", metavar="NAME", help="By default the worst.")]
ParametersOption = Annotated[
    str | None, typer.Option("--parameters", metavar="LIST", help="Names with commas between them.")
]
PointsOption = Annotated[str | None, typer.Option("--points", metavar="NUMBER", help="Values along each range.")]
DaskOption = Annotated[
    str | None,
    typer.Option("--dask", metavar="ADDRESS", help="A scheduler of Dask, as tcp://HOST:8786, or 'local'."),
]
ProcessesOption = Annotated[
    str | None,
    typer.Option("--threads", metavar="NUMBER", help="Processors to use, by default all; changes no result."),
]
NoPlotsOption = Annotated[bool, typer.Option("--no-plots", help="Write no plots.")]


@dataclass(frozen=True)
class Place:
    """Where a study is run and kept, and what is shown of it."""

    out: Path | None
    force: bool
    dask: str | None
    threads: str | None
    no_plots: bool
    output: TableFormat


def psa(
    scenario: ScenarioArgument,
    draws: DrawsOption = None,
    patients: InDrawOption = None,
    outcome: OutcomeOption = None,
    sources: Annotated[
        str | None, typer.Option("--sources", metavar="LIST", help="Draw only what comes from these; by default all.")
    ] = None,
    seed: SeedOption = None,
    settings: SetOption = None,
    out: OutOption = None,
    force: ForceOption = False,
    dask: DaskOption = None,
    threads: ProcessesOption = None,
    no_plots: NoPlotsOption = False,
    output: TableFormatOption = TableFormat.table,
    calibration: CalibrationOption = None,
) -> None:
    """Draw everything uncertain at once: how sure the choice is, and what uncertainty costs."""
    problems = Problems()
    count, size = _numbers(problems, draws, patients)
    asked = load(scenario, problems, settings, calibration, None, seed)

    from hcc_sim.analyses import questions
    from hcc_sim.analyses.psa import DRAWS

    place = Place(out, force, dask, threads, no_plots, output)
    _study(asked, place, lambda: questions.psa(asked, count or DRAWS, size, outcome or (), _listed(sources)))


def voi(
    scenario: ScenarioArgument,
    draws: DrawsOption = None,
    patients: InDrawOption = None,
    patients_a_year: Annotated[
        str | None,
        typer.Option("--patients-a-year", metavar="NUMBER", help="Whom the decision concerns; with --years."),
    ] = None,
    years: Annotated[
        str | None, typer.Option("--years", metavar="NUMBER", help="For how many years it stands.")
    ] = None,
    seed: SeedOption = None,
    settings: SetOption = None,
    out: OutOption = None,
    force: ForceOption = False,
    dask: DaskOption = None,
    threads: ProcessesOption = None,
    no_plots: NoPlotsOption = False,
    output: TableFormatOption = TableFormat.table,
    calibration: CalibrationOption = None,
) -> None:
    """What it would be worth to know each parameter, each group, everything: on the draws of a psa."""
    problems = Problems()
    count, size = _numbers(problems, draws, patients)
    people = whole("--patients-a-year", patients_a_year, 1, 10**9, problems)
    span = whole("--years", years, 1, 1_000, problems)
    if (people is None) != (span is None) and not problems.found:
        problems.add(Problem("--patients-a-year", None, "", "goes with --years: give both or neither"))
    asked = load(scenario, problems, settings, calibration, None, seed)

    from hcc_sim.analyses import questions
    from hcc_sim.analyses.psa import DRAWS
    from hcc_sim.analyses.voi import Population

    population = None if people is None or span is None else Population(people, span)
    place = Place(out, force, dask, threads, no_plots, output)
    _study(asked, place, lambda: questions.voi(asked, count or DRAWS, size, population))


def dsa(
    scenario: ScenarioArgument,
    parameters: ParametersOption = None,
    outcome: OutcomeOption = None,
    threshold: ThresholdOption = None,
    strategy: StrategyOption = None,
    versus: VersusOption = None,
    patients: InDrawOption = None,
    seed: SeedOption = None,
    settings: SetOption = None,
    out: OutOption = None,
    force: ForceOption = False,
    dask: DaskOption = None,
    threads: ProcessesOption = None,
    no_plots: NoPlotsOption = False,
    output: TableFormatOption = TableFormat.table,
    calibration: CalibrationOption = None,
) -> None:
    """Turn each parameter to either end of its own interval: what the answer hangs on most."""
    problems = Problems()
    _, size = _numbers(problems, None, patients)
    money = _money(threshold, problems)
    asked = load(scenario, problems, settings, calibration, None, seed)

    from hcc_sim.analyses import questions

    questions.check_strategies(asked, strategy=strategy, versus=versus)
    place = Place(out, force, dask, threads, no_plots, output)
    _study(
        asked,
        place,
        lambda: questions.one_way(asked, _listed(parameters), size, outcome or (), money, strategy, versus),
    )


def two_way(
    scenario: ScenarioArgument,
    axes: Annotated[
        list[str],
        typer.Argument(metavar="AXIS...", help="Parameters: NAME, NAME=LOW..HIGH, or values as NAME=A,B,C."),
    ],
    points: PointsOption = None,
    outcome: OutcomeOption = None,
    threshold: ThresholdOption = None,
    strategy: StrategyOption = None,
    versus: VersusOption = None,
    patients: InDrawOption = None,
    seed: SeedOption = None,
    settings: SetOption = None,
    out: OutOption = None,
    force: ForceOption = False,
    dask: DaskOption = None,
    threads: ProcessesOption = None,
    no_plots: NoPlotsOption = False,
    output: TableFormatOption = TableFormat.table,
    calibration: CalibrationOption = None,
) -> None:
    """Turn two parameters (or more) at once over a grid: which strategy is best where."""
    problems = Problems()
    _, size = _numbers(problems, None, patients)
    money, steps = _money(threshold, problems), whole("--points", points, 2, 10_000, problems)
    asked = load(scenario, problems, settings, calibration, None, seed)

    from hcc_sim.analyses import questions
    from hcc_sim.analyses.grid import POINTS

    questions.check_strategies(asked, strategy=strategy, versus=versus)
    values = _axes(asked, axes, steps or POINTS)
    place = Place(out, force, dask, threads, no_plots, output)
    _study(
        asked,
        place,
        lambda: questions.two_way(asked, values, steps or POINTS, size, outcome or (), money, strategy, versus),
    )


def threshold(
    scenario: ScenarioArgument,
    parameters: Annotated[
        list[str] | None,
        typer.Argument(metavar="[PARAMETER...]", help="NAME, or NAME=LOW..HIGH; by default what timing hangs on."),
    ] = None,
    points: PointsOption = None,
    outcome: OutcomeOption = None,
    at: ThresholdOption = None,
    patients: InDrawOption = None,
    seed: SeedOption = None,
    settings: SetOption = None,
    out: OutOption = None,
    force: ForceOption = False,
    dask: DaskOption = None,
    threads: ProcessesOption = None,
    no_plots: NoPlotsOption = False,
    output: TableFormatOption = TableFormat.table,
    calibration: CalibrationOption = None,
) -> None:
    """At which value of a parameter another strategy becomes the best; what each would need to be it."""
    problems = Problems()
    _, size = _numbers(problems, None, patients)
    money, steps = _money(at, problems), whole("--points", points, 2, 10_000, problems)
    asked = load(scenario, problems, settings, calibration, None, seed)

    from hcc_sim.analyses import questions
    from hcc_sim.analyses.threshold import POINTS

    ranges = _axes(asked, parameters or [], steps or POINTS, only_ranges=True)
    place = Place(out, force, dask, threads, no_plots, output)
    _study(asked, place, lambda: questions.threshold(asked, ranges, steps or POINTS, size, outcome or (), money))


def timing(
    scenario: ScenarioArgument,
    strategy: Annotated[
        str | None, typer.Option("--strategy", metavar="NAME", help="By default the scenario's first.")
    ] = None,
    delays: Annotated[
        str | None,
        typer.Option("--delays", metavar="LIST", help="Such as '0 days, 6 weeks, never'; by default up to two years."),
    ] = None,
    intervals: Annotated[
        str | None,
        typer.Option("--intervals", metavar="LIST", help="Watching intervals to try with each delay, as '6 weeks'."),
    ] = None,
    draws: DrawsOption = None,
    patients: InDrawOption = None,
    seed: SeedOption = None,
    settings: SetOption = None,
    out: OutOption = None,
    force: ForceOption = False,
    dask: DaskOption = None,
    threads: ProcessesOption = None,
    no_plots: NoPlotsOption = False,
    output: TableFormatOption = TableFormat.table,
    calibration: CalibrationOption = None,
) -> None:
    """When to operate: what each delay of surgery brings, which is expected to be best, and how sure that is."""
    problems = Problems()
    months = _durations("--delays", delays, problems)
    between = _durations("--intervals", intervals, problems)
    count, size = _numbers(problems, draws, patients)
    asked = load(scenario, problems, settings, calibration, None, seed)
    chosen = strategy_of(asked, strategy)

    from hcc_sim.analyses import questions
    from hcc_sim.analyses.optimal_timing import DRAWS

    place = Place(out, force, dask, threads, no_plots, output)
    _study(asked, place, lambda: questions.timing(asked, chosen, months, between, count or DRAWS, size))


def sobol(
    scenario: ScenarioArgument,
    parameters: ParametersOption = None,
    base: Annotated[
        str | None, typer.Option("--base", metavar="NUMBER", help="Points of the scheme, a power of two.")
    ] = None,
    outcome: OutcomeOption = None,
    threshold: ThresholdOption = None,
    patients: InDrawOption = None,
    seed: SeedOption = None,
    settings: SetOption = None,
    out: OutOption = None,
    force: ForceOption = False,
    dask: DaskOption = None,
    threads: ProcessesOption = None,
    no_plots: NoPlotsOption = False,
    output: TableFormatOption = TableFormat.table,
    calibration: CalibrationOption = None,
) -> None:
    """Which share of the variance each parameter explains, alone and with others (Sobol's scheme)."""
    problems = Problems()
    _, size = _numbers(problems, None, patients)
    money, count = _money(threshold, problems), whole("--base", base, 2, 2**40, problems)
    asked = load(scenario, problems, settings, calibration, None, seed)

    from hcc_sim.analyses import questions
    from hcc_sim.analyses.screening import BASE

    place = Place(out, force, dask, threads, no_plots, output)
    _study(asked, place, lambda: questions.sobol(asked, _listed(parameters), count or BASE, size, outcome or (), money))


def morris(
    scenario: ScenarioArgument,
    parameters: ParametersOption = None,
    trajectories: Annotated[
        str | None, typer.Option("--trajectories", metavar="NUMBER", help="Walks through all parameters.")
    ] = None,
    levels: Annotated[str | None, typer.Option("--levels", metavar="NUMBER", help="Of the grid, even.")] = None,
    outcome: OutcomeOption = None,
    threshold: ThresholdOption = None,
    patients: InDrawOption = None,
    seed: SeedOption = None,
    settings: SetOption = None,
    out: OutOption = None,
    force: ForceOption = False,
    dask: DaskOption = None,
    threads: ProcessesOption = None,
    no_plots: NoPlotsOption = False,
    output: TableFormatOption = TableFormat.table,
    calibration: CalibrationOption = None,
) -> None:
    """Screen all parameters with few draws: which move the answer at all (Morris's elementary effects)."""
    problems = Problems()
    _, size = _numbers(problems, None, patients)
    money = _money(threshold, problems)
    walks = whole("--trajectories", trajectories, 2, 10**9, problems)
    steps = whole("--levels", levels, 2, 1_000, problems, 2)
    asked = load(scenario, problems, settings, calibration, None, seed)

    from hcc_sim.analyses import questions
    from hcc_sim.analyses.screening import LEVELS, TRAJECTORIES

    place = Place(out, force, dask, threads, no_plots, output)
    _study(
        asked,
        place,
        lambda: questions.morris(
            asked, _listed(parameters), walks or TRAJECTORIES, steps or LEVELS, size, outcome or (), money
        ),
    )


# --- what all of them do ----------------------------------------------------------------------------------------------


def _study(asked: Scenario, place: Place, ask: Callable[[], Question[Any]]) -> None:
    """Ask, run what the folder lacks, write what was found, show it."""
    started = time.perf_counter()
    problems = Problems()
    processors = whole("--threads", place.threads, 1, MOST_THREADS, problems) or os.cpu_count() or 1
    problems.raise_if_any()

    from hcc_sim.analyses.study.folder import check_study_folder, clear, locked

    if place.out is not None:
        check_study_folder(place.out)
    workers = _workers(place.dask, processors)
    prepared(asked)  # what does not fit the pathway is told before anything is made
    question = ask()
    study = question.study
    folder = place.out if place.out is not None else Path("results") / f"{asked.files[0].stem}-{study.analysis}"
    with locked(folder):
        if place.force:
            clear(folder)
        parts = study.folder(folder)
        parts.begin()
        question = _of_all_draws(folder, question)
        if place.output is TableFormat.table and (told := _complete(folder, question, plots=not place.no_plots)):
            say(f"{folder} is complete with {told['draws']:,} draws; more --draws add to it, --force begins anew.")
            _show_headline(told["said"], place.output, folder)
            return
        unfinished.append(folder)
        say(question.sizes)
        with progress_of_draws() as progress:
            answer = question.within(folder, workers, progress)
        _write(asked, question, answer, place, folder, {"threads": processors, "started": started})
        unfinished.clear()


def _write(
    asked: Scenario, question: Question[Any], answer: Any, place: Place, folder: Path, how: dict[str, Any]
) -> None:
    """The base case with everything that a run tells of it, then what the study found."""
    from hcc_sim.analyses.compare import compare
    from hcc_sim.analyses.questions import readings_of
    from hcc_sim.report.study_results import write_study

    compared = compare(asked, threads=how["threads"])
    how = {
        "wall_seconds": round(time.perf_counter() - how["started"], 3),
        "threads": how["threads"],
        "command": ["hcc-sim", *command_line],
        "sizes": question.sizes,
        "readings": [*(["psa"] if question.name == "voi" else []), question.name],
        "asked": {"psa": {}, question.name: question.asked},
    }
    readings = readings_of(answer)
    write_study(folder, compared, readings, question.study, how, plots=not place.no_plots)
    outside = [f"Fit not renewed for {', '.join(asked.fit_not_renewed)}."] if asked.fit_not_renewed else []
    _show_headline([text for reading in readings for text in reading.sentences()], place.output, folder, outside)
    if place.output is not TableFormat.table:
        name, table = next(iter(readings[-1].tables().items()))
        write(in_format([row._asdict() for row in table.rows], place.output, table.columns))
        say(f"{name}.csv and all else in {folder}")


def _show_headline(
    sentences: Sequence[str], output: TableFormat, folder: Path, not_renewed: Sequence[str] = ()
) -> None:
    if output is not TableFormat.table:
        return
    for text in (*not_renewed, *sentences):
        write("\n".join(textwrap.wrap(text, WIDTH, break_on_hyphens=False, break_long_words=False)) + "\n\n")
    write(f"Tables, plots, report.html, workbook.xlsx: {folder}\n")
    write(f"{NOT_ADVICE}\n")


def _of_all_draws(folder: Path, question: Question[Any]) -> Question[Any]:
    """With all draws that the folder was complete with, where more than those asked for."""
    from hcc_sim.analyses.study.design import Joint
    from hcc_sim.analyses.study.folder import MANIFEST

    study = question.study
    if not isinstance(study.design, Joint):
        return question
    try:
        there = json.loads((folder / MANIFEST).read_bytes())["draws"]
    except (OSError, ValueError, KeyError, TypeError):
        return question
    if not isinstance(there, int) or there <= study.design.draws:
        return question
    return replace(question, study=replace(study, design=replace(study.design, draws=there)))


def _complete(folder: Path, question: Question[Any], *, plots: bool) -> dict[str, Any] | None:
    """What the manifest says, where it tells of this study and reading, and all files that it names are there."""
    from hcc_sim.analyses.study.execute import lacking
    from hcc_sim.analyses.study.folder import MANIFEST

    try:
        told = json.loads((folder / MANIFEST).read_bytes())
        enough = told["draws"] >= question.study.design.draws and question.name in told["readings"]
        enough &= told["asked"].get(question.name) == json.loads(json.dumps(question.asked))
        enough &= all((folder / name).is_file() for name in told["files"])
        enough &= not plots or any(name.startswith("plots/") for name in told["files"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    if not enough or lacking(question.study.folder(folder), told["draws"]):
        return None
    return dict(told)


def _workers(dask: str | None, processors: int) -> Workers:
    if dask is not None:
        from hcc_sim.analyses.study.cluster import Cluster

        return Cluster(dask)
    from hcc_sim.analyses.study.execute import Local

    return Local(processors)


# --- options ----------------------------------------------------------------------------------------------------------


def _numbers(problems: Problems, draws: str | None, patients: str | None) -> tuple[int | None, int | None]:
    from hcc_sim.scenario import MOST_PATIENTS

    return (
        whole("--draws", draws, 2, MOST_DRAWS, problems),
        whole("--patients", patients, FEWEST_PATIENTS, MOST_PATIENTS, problems, STEP_OF_PATIENTS),
    )


def _money(text: str | None, problems: Problems) -> float | None:
    if text is None:
        return None
    try:
        value = float(text.replace(",", ""))
    except ValueError:
        value = math.nan
    if not 0.0 <= value < math.inf:
        problems.add(Problem("--threshold", None, "", f"given {text}; accepted: a number of 0 or more, as 30000"))
        return None
    return value


def _listed(text: str | None) -> tuple[str, ...]:
    return tuple(filter(None, (part.strip() for part in (text or "").split(","))))


def _durations(option: str, text: str | None, problems: Problems) -> list[float]:
    """Durations of an option in months, in rising order."""
    months: list[float] = []
    for part in _listed(text):
        try:
            months.append(parse_duration(part))
        except ValueError as error:
            problems.add(Problem(option, None, part, f"{error}; accepted: durations such as '42 days'"))
    return sorted(set(months))


def _axes(asked: Scenario, texts: Sequence[str], points: int, *, only_ranges: bool = False) -> dict[str, list[float]]:
    """NAME, NAME=LOW..HIGH or NAME=A,B,C as values in the parameter's unit; none for its own interval."""
    from hcc_sim.analyses.grid import between
    from hcc_sim.analyses.study.uncertain import chosen
    from hcc_sim.analyses.study.worlds import Worlds
    from hcc_sim.strict_yaml import read_scalar

    known, found, problems = Worlds(asked).uncertain, {}, Problems()
    for text in texts:
        name, equals, rest = (part.strip() for part in text.partition("="))
        (quantity,) = chosen(asked, known, [name], "parameter", held=True)
        if name in found:
            problems.add(Problem("parameter", None, name, "is named twice; name it once"))
        parts = [part.strip() for part in (rest.split("..") if ".." in rest else rest.split(","))]
        try:
            values = [UNITS[quantity.unit].read(read_scalar(part)) for part in parts if part]
            if equals and (not values or len(values) < len(parts)):
                raise ValueError("a value is missing; accepted: NAME=LOW..HIGH or NAME=A,B,C")
            if (".." in rest or only_ranges) and equals and len(values) != 2:
                raise ValueError("accepted: a range, as NAME=LOW..HIGH")
        except ValueError as error:
            problems.add(Problem("parameter", None, name, str(error)))
            continue
        if ".." in rest and not only_ranges:
            low, high = values
            if not (low < high < math.inf):
                what = "empty" if low == high else "without end" if low < high else "inverted"
                problems.add(
                    Problem("parameter", None, name, f"the range {rest} is {what}; its first end is the lower")
                )
                continue
            values = list(between(quantity, low, high, points))
        found[name] = values
    problems.raise_if_any()
    return found
