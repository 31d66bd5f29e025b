"""What it is worth to know more, as ranked bars; and whose uncertainty makes outcomes vary."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import pandas as pd
from matplotlib.figure import Figure

from hcc_sim.analyses.voi import EVERYTHING, PARAMETER, SECTION, SOURCE
from hcc_sim.economics.partial_information import DEFINITIONS
from hcc_sim.report.draws_plots import about_draws
from hcc_sim.report.numbers import STANDARD_ERRORS
from hcc_sim.report.plot_words import foot_inches, foot_lines, head, in_lines, put_foot, short
from hcc_sim.report.style import COLOURS, DARK

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from hcc_sim.analyses.voi import Effect, Information, Worth

WIDTH_INCHES = 9.2
MOST = {SOURCE: 10, SECTION: 10, PARAMETER: 16}
TITLES = {SOURCE: "by source", SECTION: "by section", PARAMETER: "by parameter"}
BAR_INCHES, HEAD_INCHES, BETWEEN_INCHES = 0.29, 1.0, 0.42
ROW_INCHES = 0.31


class _Words(NamedTuple):
    """Title, of what it tells, the unit, and the format of numbers."""

    title: str
    about: str
    unit: str
    number: str


def information_figure(reading: Information) -> tuple[Figure, pd.DataFrame]:
    """The value of knowing sources, sections and parameters at the highest threshold, beside that of knowing all."""
    (everything,) = reading.ranked(EVERYTHING)
    rows = [one for one in reading.worths if one.threshold == everything.threshold]
    at = f"at {everything.threshold:,.0f} {everything.currency} a QALY"
    words = _Words("What it is worth to know more", at, f"{everything.currency} per patient", ",.0f")
    return _ranked_figure(reading, rows, words), pd.DataFrame(rows)


def information_effects_figure(reading: Information) -> tuple[Figure, pd.DataFrame]:
    """The same in the first outcome of health, were that all that counts."""
    outcome = reading.effects[0].outcome
    rows = [one for one in reading.effects if one.outcome == outcome]
    about = f"were {outcome} all that counts"
    words = _Words("What it is worth to know more", about, f"{outcome}, {rows[0].unit} per patient", ".3g")
    return _ranked_figure(reading, rows, words), pd.DataFrame(rows)


def _ranked_figure(reading: Information, rows: Sequence[Worth | Effect], words: _Words) -> Figure:
    """Bars by source, section and parameter, the most valuable first, and a line for everything."""
    groups = {kind: [one for one in rows if one.kind == kind] for kind in (SOURCE, SECTION, PARAMETER)}
    shown = {kind: ours[: MOST[kind]] for kind, ours in groups.items() if ours}
    (everything,) = (one for one in rows if one.kind == EVERYTHING)
    left_out = [f"{len(groups[kind]) - len(ours)} more {kind}s" for kind, ours in shown.items() if ours != groups[kind]]
    lines = foot_lines(
        "Expected value of partial perfect information: "
        f"{DEFINITIONS['expected value of partial perfect information']}. Lines: ±1.96 standard errors; of many that "
        "do not matter some come out above 0. Orange: the value of knowing everything. What is known of several "
        "together is not the sum." + (f" Not shown, each less: {', '.join(left_out)}." if left_out else ""),
        reading.psa.study.scenario.seed,
    )
    bars = sum(len(ours) for ours in shown.values())
    height = HEAD_INCHES + BAR_INCHES * bars + BETWEEN_INCHES * (len(shown) - 1) + 0.6 + foot_inches(lines)
    figure = Figure(figsize=(WIDTH_INCHES, height))
    title = f"{words.title}: {reading.psa.study.scenario.title}"
    head(figure, title, short(f"{words.about}; {about_draws(reading.psa)}", 135), height)
    highest = _highest([*(one for ours in shown.values() for one in ours), everything])
    top = HEAD_INCHES
    for kind, ours in shown.items():
        inside = BAR_INCHES * len(ours)
        axes = figure.add_axes((0.35, 1 - (top + inside) / height, 0.57, inside / height))
        _bars(axes, ours)
        axes.axvline(everything.value, color=COLOURS[1], linewidth=1.6, linestyle=(0, (5, 1.5)), zorder=4)
        axes.set_xlim(0.0, highest)
        axes.xaxis.set_major_formatter("{x:,.10g}")
        axes.set_title(TITLES[kind], fontsize=9, loc="left", color=DARK, fontweight="bold", pad=4)
        axes.tick_params(axis="x", labelbottom=kind == list(shown)[-1])
        top += inside + BETWEEN_INCHES
    _everything_named(figure.axes[0], everything, highest, words)
    figure.axes[-1].set_xlabel(words.unit)
    put_foot(figure, lines, height)
    return figure


def _everything_named(axes: Axes, everything: Worth | Effect, highest: float, words: _Words) -> None:
    value, half = everything.value, STANDARD_ERRORS * everything.standard_error
    side = "left" if value < 0.25 * highest else "right" if value > 0.75 * highest else "center"
    shift = 60.0 if value < 0.15 * highest else 0.0  # beside the panel's own name
    axes.annotate(
        f"everything {value:{words.number}} ± {half:{words.number}}", (value, 1.0),
        xycoords=("data", "axes fraction"), xytext=(shift, 3), textcoords="offset points", fontsize=7.5,
        color=COLOURS[1], va="bottom", ha=side,
    )  # fmt: skip


def _highest(rows: Sequence[Worth | Effect]) -> float:
    ends = [one.value + STANDARD_ERRORS * one.standard_error for one in rows] + [one.value for one in rows]
    return 1.06 * max((end for end in ends if math.isfinite(end)), default=1.0) or 1.0


def _bars(axes: Axes, rows: Sequence[Worth | Effect]) -> None:
    for row, one in enumerate(rows):
        axes.barh(row, one.value, height=0.62, color=COLOURS[0], linewidth=0)
        half = STANDARD_ERRORS * one.standard_error
        if math.isfinite(half):
            axes.plot([max(one.value - half, 0.0), one.value + half], [row] * 2, color=DARK, linewidth=1.0)
    axes.set_yticks(range(len(rows)), [in_lines(one.known, 42) for one in rows], fontsize=7.5, parse_math=False,
                    linespacing=0.95)  # fmt: skip
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.grid(visible=False, axis="y")


def variance_figure(reading: Information) -> tuple[Figure, pd.DataFrame]:
    """A panel for each outcome: the share of the variance over draws that each source explains by itself."""
    rows = reading.explained
    outcomes = list(dict.fromkeys(row.outcome for row in rows))[:5]
    sources = list(dict.fromkeys(row.source for row in rows))
    lines = foot_lines(
        f"Share of variance: {DEFINITIONS['share of variance']}. Lines: ±1.96 standard errors. 'Together only, or by "
        "chance' is what is left; below 0 where sources go together and count twice.",
        reading.psa.study.scenario.seed,
    )
    inside = ROW_INCHES * len(sources)
    height = HEAD_INCHES + 0.25 + inside + 0.6 + foot_inches(lines)
    figure = Figure(figsize=(WIDTH_INCHES, height))
    first = rows[0]
    about = f"'{short(first.strategy, 25)}' minus '{short(first.versus, 25)}'; {about_draws(reading.psa)}"
    head(figure, f"Whose uncertainty it is: {reading.psa.study.scenario.title}", short(about, 125), height)
    wide = 0.71 / len(outcomes)
    for place, outcome in enumerate(outcomes):
        where = (0.25 + place * wide, 1 - (HEAD_INCHES + 0.25 + inside) / height, 0.85 * wide, inside / height)
        axes = figure.add_axes(where)
        ours = {row.source: row for row in rows if row.outcome == outcome}
        for k, source in enumerate(sources):
            one = ours.get(source)
            if one is None or not math.isfinite(one.share):
                continue
            colour = COLOURS[0] if k < len(sources) - 2 else "#AAAAAA"
            axes.barh(k, one.share, height=0.62, color=colour, linewidth=0)
            half = STANDARD_ERRORS * one.standard_error
            if math.isfinite(half):
                axes.plot([one.share - half, one.share + half], [k] * 2, color=DARK, linewidth=1.0)
        axes.axvline(0.0, color=DARK, linewidth=0.8)
        axes.set_yticks(range(len(sources)), [in_lines(name, 28) for name in sources] if not place else [], fontsize=8,
                        parse_math=False)  # fmt: skip
        axes.set_ylim(len(sources) - 0.5, -0.5)
        axes.grid(visible=False, axis="y")
        axes.set_title(in_lines(outcome, int(112 * wide), 3), fontsize=8, loc="left", parse_math=False, color=DARK)
        axes.tick_params(axis="x", labelsize=8)
    figure.text(0.6, (foot_inches(lines) + 0.1) / height, "share of the variance over draws", ha="center", va="bottom")
    put_foot(figure, lines, height)
    return figure, pd.DataFrame(rows)
