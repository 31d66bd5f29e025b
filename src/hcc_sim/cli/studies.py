"""`dsa`, `two-way`, `psa`, `sobol`, `morris`, `timing`, `threshold` and `voi`: a study each, in a folder of its own."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hcc_sim.cli.options import (
    CalibrationOption,
    ScenarioArgument,
    SeedOption,
    SetOption,
    TableFormat,
    TableFormatOption,
    load,
    strategy_of,
    whole,
)
from hcc_sim.cli.study_run import Place, answer_in_folder
from hcc_sim.errors import Problem, Problems
from hcc_sim.units import UNITS, parse_duration

if TYPE_CHECKING:
    from hcc_sim.analyses.grid import Span
    from hcc_sim.scenario import Scenario

MOST_DRAWS = 10**15
FEWEST_PATIENTS, STEP_OF_PATIENTS = 1_000, 1_000
"""In a draw: sums are formed a thousand patients at a time."""

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
    str | None, typer.Option("--strategy", metavar="NAME", help="By default the best; of a grid, in its middle.")
]
VersusOption = Annotated[
    str | None, typer.Option("--versus", metavar="NAME", help="By default the worst; of a grid, in its middle.")
]
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
    answer_in_folder(asked, place, lambda: questions.psa(asked, count or DRAWS, size, outcome or (), _listed(sources)))


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
    answer_in_folder(asked, place, lambda: questions.voi(asked, count or DRAWS, size, population))


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
    from hcc_sim.analyses.asking import check_strategies

    check_strategies(asked, strategy=strategy, versus=versus)
    place = Place(out, force, dask, threads, no_plots, output)
    answer_in_folder(
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
    from hcc_sim.analyses.asking import check_strategies
    from hcc_sim.analyses.grid import POINTS

    check_strategies(asked, strategy=strategy, versus=versus)
    values = _axes(asked, axes)
    place = Place(out, force, dask, threads, no_plots, output)
    answer_in_folder(
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

    ranges = _axes(asked, parameters or [], only_ranges=True)
    place = Place(out, force, dask, threads, no_plots, output)
    answer_in_folder(
        asked, place, lambda: questions.threshold(asked, ranges, steps or POINTS, size, outcome or (), money)
    )


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
    answer_in_folder(asked, place, lambda: questions.timing(asked, chosen, months, between, count or DRAWS, size))


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
    answer_in_folder(
        asked, place, lambda: questions.sobol(asked, _listed(parameters), count or BASE, size, outcome or (), money)
    )


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
    answer_in_folder(
        asked,
        place,
        lambda: questions.morris(
            asked, _listed(parameters), walks or TRAJECTORIES, steps or LEVELS, size, outcome or (), money
        ),
    )


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


def _axes(asked: Scenario, texts: Sequence[str], *, only_ranges: bool = False) -> dict[str, Sequence[float] | Span]:
    """NAME, NAME=LOW..HIGH or NAME=A,B,C as values in the parameter's unit; none for its own interval."""
    from hcc_sim.analyses.grid import Span
    from hcc_sim.analyses.study.uncertain import chosen
    from hcc_sim.analyses.study.worlds import Worlds
    from hcc_sim.strict_yaml import read_scalar

    known, problems = Worlds(asked).uncertain, Problems()
    found: dict[str, Sequence[float] | Span] = {}
    for text in texts:
        name, equals, rest = (part.strip() for part in text.rpartition("=")) if "=" in text else (text.strip(), "", "")
        (quantity,) = chosen(asked, known, [name], "parameter", held=True)
        if name in found:
            problems.add(Problem("parameter", None, name, "is named twice; name it once"))
        is_range = ".." in rest
        parts = [part.strip() for part in (rest.split("..") if is_range else rest.split(","))]
        try:
            values = [UNITS[quantity.unit].read(read_scalar(part)) for part in parts if part]
            if equals and (not values or len(values) < len(parts)):
                raise ValueError("a value is missing; accepted: NAME=LOW..HIGH or NAME=A,B,C")
            if (is_range and len(values) != 2) or (only_ranges and equals and not is_range):
                raise ValueError("accepted: a range, as NAME=LOW..HIGH")
        except ValueError as error:
            problems.add(Problem("parameter", None, name, str(error)))
            continue
        found[name] = Span(*values) if is_range else values
    problems.raise_if_any()
    return found
