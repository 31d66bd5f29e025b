"""Studies on the page: what their readings say, the pictures, and the head of each table with the file that has all."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from hcc_sim.analyses.grid import Grid
from hcc_sim.analyses.morris import ElementaryEffect
from hcc_sim.analyses.one_way import OneWay
from hcc_sim.analyses.optimal_timing import OptimalTiming
from hcc_sim.analyses.psa import Probabilistic
from hcc_sim.analyses.questions import Reading
from hcc_sim.analyses.screening import Screening
from hcc_sim.analyses.sobol import SobolDesign, SobolIndex
from hcc_sim.analyses.threshold import Need, Region, Thresholds
from hcc_sim.analyses.voi import Information
from hcc_sim.report.numbers import STANDARD_ERRORS, with_error
from hcc_sim.report.page_parts import Listed, Picture, Pictures, Section, Table, Text
from hcc_sim.report.plot_words import tick
from hcc_sim.report.study_words import SHOWS
from hcc_sim.units import format_duration, is_money

TOP = 20
"""Rows of a table at most; the file beside it has all."""

NEAREST = 5
"""Parameters told of each strategy that is not the best anywhere."""

Part = Text | Listed | Table | Picture
Cells = Callable[[Any], list[str]]

WHY_MEANS_DIFFER = (
    "Why means over draws are not the base case: outcomes are no straight lines in the parameters, so that the mean "
    "over draws is not the outcome at the base values, and base values need not be the means of distributions that "
    "are skewed or drawn jointly. The base case is that of the most central parameters, by many patients; the mean "
    "over draws is what is to be expected, all that is uncertain being weighed. Apart: their distance in standard "
    "errors of the mean."
)


def sections_of(readings: Sequence[Reading], pictures: Pictures) -> Iterator[Section]:
    """A section for each reading, in their order: sentences, pictures, tables."""
    for reading in readings:
        anchor, title, parts = _told(reading)
        drawn = pictures.of(*((name, SHOWS[name]) for name in _plots_of(reading)))
        yield Section(anchor, title, [Listed(reading.sentences()), *drawn, *parts])


def _plots_of(reading: Reading) -> tuple[str, ...]:
    match reading:
        case Probabilistic():
            return "draws-plane", "acceptability", "perfect-information", "draws"
        case OneWay():
            return ("one-way",)
        case Grid():
            return ("grid",)
        case Thresholds():
            return ("thresholds",)
        case OptimalTiming():
            return "delays", "delays-subgroups", "windows"
        case Screening():
            return "sobol", "morris"
        case Information():
            return "information", "information-effects", "variance"


def _told(reading: Reading) -> tuple[str, str, list[Part]]:
    match reading:
        case Probabilistic():
            return "draws", "Everything uncertain at once", _of_draws(reading)
        case OneWay():
            return "one-way", "One parameter at a time", _of_one_way(reading)
        case Grid():
            return "grid", "Several parameters at once", _of_grid(reading)
        case Thresholds():
            return "thresholds", "Where the choice turns", _of_thresholds(reading)
        case OptimalTiming():
            return "delays", "The best delay", _of_delays(reading)
        case Screening():
            if isinstance(reading.scheme, SobolDesign):
                return "sobol", "Whose uncertainty matters: shares of variance", _of_screening(reading)
            return "morris", "What moves the outcome at all: a screening", _of_screening(reading)
        case Information():
            return "information", "What it is worth to know more", _of_information(reading)


def _head(
    caption: str,
    file: str,
    columns: Sequence[str],
    rows: Sequence[Any],
    cells: Callable[[Any], list[str]],
    left: int = 1,
) -> Table:
    """The first rows of a table, and where the rest is."""
    count = f"the first {TOP} of {len(rows):,}; " if len(rows) > TOP else ""
    return Table(f"{caption} ({count}{file}.csv has all)", columns, [cells(row) for row in rows[:TOP]], left)


def _number(value: float, unit: str, *, signed: bool = False) -> str:
    """An outcome: money without decimals, all else in four digits."""
    if math.isnan(value):
        return "-"
    sign = "+" if signed else ""
    return f"{value:{sign},.0f}" if is_money(unit.partition(" at ")[0]) else f"{value:{sign},.4g}"


def _with_error(value: float, error: float, unit: str, *, signed: bool = False) -> str:
    told = _number(value, unit, signed=signed)
    return told if math.isnan(error) or math.isnan(value) else f"{told} ± {_number(STANDARD_ERRORS * error, unit)}"


# --- joint draws ------------------------------------------------------------------------------------------------------


def _of_draws(reading: Probabilistic) -> list[Part]:
    found: list[Part] = [_summary(reading)]
    if reading.valued:
        found.append(_choices(reading))
    return [*found, Text(WHY_MEANS_DIFFER), _beside_base(reading)]


def _beside_base(reading: Probabilistic) -> Table:
    units = {row.outcome: row.unit for row in reading.summary().rows}
    rows = [
        [strategy, outcome, units[outcome], _number(base, units[outcome]), _with_error(mean, error, units[outcome]),
         f"{(mean - base) / error:+.1f}" if error > 0.0 else "-"]
        for strategy, outcome, mean, error, base in reading.against_base()
    ]  # fmt: skip
    columns = ["", "outcome", "unit", "base case", "mean over draws", "apart"]
    return Table("Means over draws beside the base case", columns, rows, left=3)


def _summary(reading: Probabilistic) -> Table:
    rows = reading.summary().rows
    names = list(reading.strategies)
    told = {
        (row.population, row.outcome, row.strategy): f"{_number(row.value, row.unit)} "
        f"({_number(row.low, row.unit)} to {_number(row.high, row.unit)})"
        for row in rows
    }
    keys = list(dict.fromkeys((row.population, row.outcome, row.unit) for row in rows))
    cells = [
        [f"{outcome} of {whose}", unit, *(told[whose, outcome, name] for name in names)]
        for whose, outcome, unit in keys
    ]
    count = f"the first {TOP} of {len(cells)}; " if len(cells) > TOP else ""
    caption = f"Means over draws, and the central 95% of draws ({count}summary.csv and contrasts.csv have all)"
    return Table(caption, ["", "unit", *names], cells[:TOP], left=2)


def _choices(reading: Probabilistic) -> Table:
    terms = reading.study.scenario.terms
    assert terms is not None
    worth = {row.threshold: row for row in reading.perfect().rows}
    rows = []
    for one in reading.acceptability().rows:
        if one.threshold in terms.thresholds:
            perfect = worth[one.threshold]
            rows.append(
                [f"{one.threshold:,.0f}", one.strategy, f"{one.share_best:.1%}", f"{one.expected_net_benefit:,.0f}",
                 f"{one.expected_loss:,.0f}", one.on_frontier,
                 _with_error(perfect.value, perfect.standard_error, perfect.currency) if one.on_frontier == "yes"
                 else ""]
            )  # fmt: skip
    columns = ["threshold", "strategy", "best in", "expected net benefit", "expected loss", "on the frontier",
               "knowing everything is worth"]  # fmt: skip
    caption = f"The choice at each threshold, {terms.money} per patient (acceptability.csv, perfect-information.csv)"
    return Table(caption, columns, rows, left=2)


# --- turned parameters ------------------------------------------------------------------------------------------------


def _of_one_way(reading: OneWay) -> list[Part]:
    caption = (
        f"{reading.objective.name.capitalize()}, {reading.objective.unit}: '{reading.strategy}' minus "
        f"'{reading.versus}' across each interval, all else at its base value"
    )
    columns = ["parameter", "kind", "low", "base", "high", "difference at low", "at base", "at high", "±", "turns at"]
    unit = reading.objective.unit

    def cells(one: Any) -> list[str]:
        ends = [tick(one.unit, value) for value in (one.low, one.base, one.high)]
        told = [_number(value, unit, signed=True) for value in (one.at_low, one.at_base, one.at_high)]
        turns = "no" if math.isnan(one.turns_at) else tick(one.unit, one.turns_at)
        return [one.parameter, one.kind, *ends, *told, _number(STANDARD_ERRORS * one.mc_se, unit), turns]

    return [_head(caption, "one-way", columns, reading.moving, cells, left=2)]


def _of_grid(reading: Grid) -> list[Part]:
    rows = sorted(reading.tables()["grid"].rows, key=lambda one: _or_endless(abs(one.difference)))
    caption = (
        f"Where the difference in {reading.objective.name} ({reading.objective.unit}), '{reading.strategy}' minus "
        f"'{reading.versus}', is least"
    )

    def cells(one: Any) -> list[str]:
        return [one.values, _with_error(one.difference, one.mc_se, one.unit, signed=True), one.best]

    return [_head(caption, "grid", ["values", "difference", "best of all"], rows, cells)]


def _or_endless(value: float) -> float:
    return math.inf if math.isnan(value) else value


def _of_thresholds(reading: Thresholds) -> list[Part]:
    units = {axis.quantity.name: axis.quantity.unit for axis in reading.axes}
    several = {one.parameter for one in reading.regions if one.from_value > _least(reading, one.parameter)}
    turning = [one for one in reading.regions if one.parameter in several]

    def of_region(one: Region) -> list[str]:
        begin, end = (tick(units[one.parameter], value) for value in (one.from_value, one.to_value))
        return [one.parameter, one.unit, one.strategy, begin, end, _number(one.lead, one.outcome_unit)]

    def of_need(one: Need) -> list[str]:
        return [one.strategy, one.parameter, one.unit, tick(units[one.parameter], one.base),
                _number(one.shortfall, one.outcome_unit)]  # fmt: skip

    found: list[Part] = []
    if turning:
        columns = ["parameter", "unit", "best strategy", "from", "to", "largest lead"]
        found.append(_head("Regions of parameters that turn the choice", "thresholds", columns, turning, of_region, 3))
    short = sorted((one for one in reading.needs if one.shortfall > 0.0), key=lambda one: one.shortfall)
    names = dict.fromkeys(one.strategy for one in short)
    lacking = [one for name in names for one in [one for one in short if one.strategy == name][:NEAREST]]
    if lacking:
        columns = ["strategy", "parameter", "unit", "base", "still lacks"]
        caption = (
            f"What strategies lack of being the best at the value that serves them most, {reading.objective.unit}: for "
            f"each the {NEAREST} parameters that bring it nearest"
        )
        found.append(_head(caption, "headroom", columns, lacking, of_need, 3))
    return found


def _least(reading: Thresholds, parameter: str) -> float:
    return next(axis.values[0] for axis in reading.axes if axis.quantity.name == parameter)


def _of_delays(reading: OptimalTiming) -> list[Part]:
    several = len(set(reading.intervals)) > 1

    def cells(one: Any) -> list[str]:
        watched = [format_duration(one.interval_months)] if several else []
        equal = f"{format_duration(one.equal_from_months)} to {format_duration(one.equal_to_months)}"
        middle = f"{format_duration(one.best_in_draws_low)} to {format_duration(one.best_in_draws_high)}"
        return [one.patients, f"{one.outcome}, {one.unit}", format_duration(one.delay_months), *watched, equal,
                f"{one.chance_optimal:.0%}", f"{one.share_best:.0%}", middle]  # fmt: skip

    columns = ["patients", "outcome", "best expected with", *(["seen every"] if several else [])]
    columns += ["not told apart from it", "chance that it is best", "best in draws", "middle half of draws' best"]
    return [_head("The delay with the best expectation", "optimum", columns, reading.best, cells, left=2)]


# --- what matters -----------------------------------------------------------------------------------------------------


def _of_screening(reading: Screening) -> list[Part]:
    unit = reading.objectives[0].unit

    def of_sobol(one: SobolIndex) -> list[str]:
        return [one.parameter, *_interval(one.total_order, one.total_order_low, one.total_order_high),
                *_interval(one.first_order, one.first_order_low, one.first_order_high)]  # fmt: skip

    def of_morris(one: ElementaryEffect) -> list[str]:
        ends = f"{_number(one.mean_absolute_low, unit)} to {_number(one.mean_absolute_high, unit)}"
        return [one.parameter, _number(one.mean_absolute, unit), ends, _number(one.mean, unit, signed=True),
                _number(one.standard_deviation, unit)]  # fmt: skip

    ranked = reading.ranked()
    if ranked and isinstance(ranked[0], SobolIndex):
        caption = f"Shares of the variance of the {reading.headline}"
        columns = ["parameter", "in all (total order)", "95%", "alone (first order)", "95%"]
        return [_head(caption, "sobol", columns, ranked, of_sobol)]
    caption = f"Effects on the {reading.headline}, {unit}, across the central 95% of each"
    columns = ["parameter", "mean absolute effect", "95%", "mean effect", "standard deviation"]
    return [_head(caption, "morris", columns, ranked, of_morris)]


def _interval(value: float, low: float, high: float) -> tuple[str, str]:
    if math.isnan(value):
        return "-", "-"
    return f"{value:.3f}", "-" if math.isnan(low) else f"{low:.3f} to {high:.3f}"


def _of_effects(reading: Information) -> list[Part]:
    """What knowing would be worth in health alone, a table for each outcome."""
    found: list[Part] = []
    for outcome in dict.fromkeys(one.outcome for one in reading.effects):
        ours = [one for one in reading.effects if one.outcome == outcome]
        rows = [
            [one.known, one.kind, f"{one.value:.2g} ± {STANDARD_ERRORS * one.standard_error:.2g}"] for one in ours[:8]
        ]
        caption = f"The value of knowing, were {outcome} all that counts ({ours[0].unit} per patient)"
        found.append(Table(f"{caption}; information-effects.csv has all", ["what is known", "kind", ""], rows, left=2))
    return found


def _of_information(reading: Information) -> list[Part]:
    terms = reading.psa.study.scenario.terms
    assert terms is not None
    highest = terms.thresholds[-1]
    ours = [one for one in reading.worths if one.threshold == highest]
    for_all = reading.population is not None

    def cells(one: Any) -> list[str]:
        share = "-" if math.isnan(one.share_of_perfect) else f"{one.share_of_perfect:.0%}"
        told = [
            one.known,
            one.kind,
            str(one.parameters),
            _with_error(one.value, one.standard_error, one.currency),
            share,
        ]
        every = _with_error(one.population_value, one.population_standard_error, one.currency)
        return [*told, every] if for_all else told

    columns = ["what is known", "kind", "parameters", f"{terms.money} per patient", "of knowing everything"]
    whom = [f"for all, {terms.money}"] if for_all else []
    found: list[Part] = [
        _head(f"The value of knowing, at {highest:,.0f} {terms.money} a QALY", "information", [*columns, *whom], ours,
              cells, left=2)
    ]  # fmt: skip
    found += _of_effects(reading)
    if reading.explained:
        first = reading.explained[0]
        caption = f"Shares of variance, '{first.strategy}' minus '{first.versus}' (variance.csv)"
        outcomes = list(dict.fromkeys(one.outcome for one in reading.explained))
        told = {
            (one.source, one.outcome): with_error(one.share, STANDARD_ERRORS * one.standard_error, 2)
            for one in reading.explained
        }
        sources = list(dict.fromkeys(one.source for one in reading.explained))
        rows = [[source, *(told.get((source, outcome), "-") for outcome in outcomes)] for source in sources]
        found.append(Table(caption, ["source", *outcomes], rows))
    return found
