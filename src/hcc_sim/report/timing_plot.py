"""Survival, and time without disease, against the delay of surgery; and what ended the window of the others."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from matplotlib.figure import Figure

from hcc_sim.analyses.timing import ALIVE, ENDINGS, FREE
from hcc_sim.report.plot_words import head, short
from hcc_sim.report.style import COLOURS, DASHES
from hcc_sim.units import DAYS_PER_MONTH

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from hcc_sim.analyses.timing import Ended, Timed, Timing

STANDARD_ERRORS = 1.96
HEIGHT_INCHES = 8.2
NEVER_BEYOND = 1.12
"""Where `never` stands on the axis, in units of the longest delay."""

BAR = 0.03
"""Width of the bar at `never`, as a share of the axis."""

HATCHES = ("", "///", "...", "xxx", "\\\\\\", "ooo")


def timing_figure(found: Timing) -> Figure:
    """Above months alive and without disease with their bands, below shares of what ended the window."""
    figure = Figure(figsize=(9.5, HEIGHT_INCHES))
    scenario = found.scenario
    about = (
        f"Patients: {found.population}; all else as under '{short(found.strategy, 40)}'; {scenario.size:,} patients "
        f"start; seed {scenario.seed}"
    )
    head(figure, f"The delay of surgery: {scenario.title}", about, HEIGHT_INCHES)
    delays = list(dict.fromkeys(row.delay_months for row in found.outcomes))
    places = places_of(delays)
    upper = figure.add_axes((0.085, 0.52, 0.6, 0.38))
    lower = figure.add_axes((0.085, 0.13, 0.6, 0.31), sharex=upper)
    _months(upper, found, places)
    _windows(lower, found, places)
    for axes in (upper, lower):
        delay_axis(axes, delays, places)
    lower.set_xlabel("delay of surgery after conversion, days")
    foot = "Bands: ±1.96 Monte-Carlo standard errors; parameters are held at their base values."
    figure.text(0.085, 0.02, f"{foot}\nA model for research and teaching, not advice for a patient.", fontsize=7.5,
                color="#666666", va="bottom")  # fmt: skip
    return figure


def places_of(delays: Sequence[float]) -> list[float]:
    """Where delays (months) stand on an axis of days, `never` behind the longest."""
    days = [delay * DAYS_PER_MONTH for delay in delays]
    longest = max((day for day in days if math.isfinite(day)), default=1.0) or 1.0
    return [day if math.isfinite(day) else NEVER_BEYOND * longest for day in days]


def _months(axes: Axes, found: Timing, places: Sequence[float]) -> None:
    for position, label in enumerate((ALIVE, FREE)):
        rows = [row for row in found.outcomes if row.outcome == label]
        values = [row.value for row in rows]
        low = [row.value - STANDARD_ERRORS * row.mc_se for row in rows]
        high = [row.value + STANDARD_ERRORS * row.mc_se for row in rows]
        colour, last = COLOURS[position], _dated(rows)
        axes.fill_between(places[:last], low[:last], high[:last], color=colour, alpha=0.18, linewidth=0)
        axes.plot(
            places[:last], values[:last], marker="o", markersize=3.5, label=textwrap.fill(label, 26), color=colour,
            linestyle=DASHES[position],
        )  # fmt: skip
        half = [STANDARD_ERRORS * row.mc_se for row in rows[last:]]
        axes.errorbar(places[last:], values[last:], yerr=half, fmt="o", markersize=3.5, capsize=2.2, color=colour)
    axes.set_ylabel("months of the first 120")
    axes.set_ylim(bottom=0)
    axes.legend(loc="upper left", bbox_to_anchor=(1.02, 1.0), frameon=False, fontsize=9)


def _windows(axes: Axes, found: Timing, places: Sequence[float]) -> None:
    bottom = [0.0] * len(places)
    for position, ending in enumerate(ENDINGS):
        shares = [100.0 * row.share for row in found.endings if row.ended_by == ending]
        top = [below + share for below, share in zip(bottom, shares, strict=True)]
        style: dict[str, Any] = {
            "facecolor": COLOURS[(position + 2) % len(COLOURS)], "alpha": 0.75, "hatch": HATCHES[position],
            "edgecolor": "white", "linewidth": 0,
        }  # fmt: skip
        last = _dated([row for row in found.endings if row.ended_by == ending])
        axes.fill_between(places[:last], bottom[:last], top[:last], label=ending, **style)
        axes.bar(places[last:], shares[last:], BAR * max(places), bottom[last:], **style)
        bottom = top
    axes.set_ylabel("window ended (% of patients)")
    axes.set_ylim(bottom=0)
    handles, labels = axes.get_legend_handles_labels()
    axes.legend(handles[::-1], labels[::-1], loc="upper left", bbox_to_anchor=(1.02, 1.0), frameon=False, fontsize=9)


def _dated(rows: Sequence[Timed | Ended]) -> int:
    """How many of the rows have a date; at the end there may be `never`."""
    return sum(math.isfinite(row.delay_months) for row in rows)


def delay_axis(axes: Axes, delays: Sequence[float], places: Sequence[float], most: int = 8) -> None:
    """Days at even steps, about so many at most, and `never`."""
    finite = [place for place, delay in zip(places, delays, strict=True) if math.isfinite(delay)]
    longest = max(finite, default=1.0)
    step = next((s for s in (1, 7, 14, 30, 60, 90, 120, 182, 365) if longest / s <= most), 730)
    ticks = [float(tick) for tick in range(0, int(longest) + 1, step)]
    labels = [f"{tick:g}" for tick in ticks]
    for place, delay in zip(places, delays, strict=True):
        if not math.isfinite(delay):
            ticks.append(place)
            labels.append("never")
    axes.set_xticks(ticks, labels)
    axes.set_xlim(-0.01 * max(places), (1.0 + BAR) * max(places))
