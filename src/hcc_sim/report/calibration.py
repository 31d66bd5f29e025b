"""The calibration on the screen and as a plot: reported against simulated, and what was learned from what."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator
from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from hcc_sim.calibration.fit import Fit
from hcc_sim.calibration.fitted import Fitted
from hcc_sim.calibration.left_out import LeftOutRatio
from hcc_sim.calibration.reproduce import FAR, Row
from hcc_sim.calibration.three_ways import ThreeWays
from hcc_sim.files import written_together
from hcc_sim.fit_in_use import PRIOR_ONLY
from hcc_sim.pathway.hcc import EFFECT_OF_SURGERY
from hcc_sim.quantiles import CENTRAL
from hcc_sim.report.listing import rows_as_csv
from hcc_sim.report.ridge_plot import ridge_plot
from hcc_sim.report.style import COLOURS, GREY, STYLE

MOST_NAMED = 8
TICKS = (0.1, 0.2, 0.3, 0.5, 0.7, 1, 1.5, 2, 3, 5, 10, 20, 30, 50, 100)
SHORT = {"overall survival": "OS", "progression-free survival": "PFS"}


def fit_report(fit: Fit) -> RenderableType:
    """What a calibration found: size, quality of the draws, what was learned, what waits."""
    verdicts = Counter(entry.verdict for entry in fit.ledger)
    posterior = fit.posterior
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(no_wrap=True, style="bold")
    grid.add_column(overflow="fold")
    lines = {
        "Figures": f"{sum(t.fitted for t in fit.targets)} fitted, of {len({a for t in fit.targets for a in t.arms})} "
        f"arms; {len(fit.left_out)} left out, each with its reason in fit.json",
        "Objective": f"{fit.objective:.1f}: squares of {sum(t.fitted for t in fit.targets)} residuals and of all z",
        "Draws": f"{len(posterior.draws)}, in pairs with opposite noise; {float(np.median(posterior.off)):.2f} prior "
        f"standard deviations from their roots (median). Weighted to the exact posterior they would count as "
        f"{posterior.effective:.1f}",
        "Parameters": f"{posterior.effective_parameters:.0f} effective, of {len(posterior.covariance)} unknowns",
        "Learned": ", ".join(f"{count} {verdict}" for verdict, count in sorted(verdicts.items())),
        "Time": f"{fit.seconds:.0f} s",
    }
    for label, text in lines.items():
        grid.add_row(Text(label), Text(text))
    learned: list[RenderableType] = [Text("Common to all, as far as something was learned:", style="bold")]
    for entry in fit.ledger:
        if ": " not in entry.name and entry.verdict != PRIOR_ONLY:
            learned.append(Text.assemble((entry.name, "bold"), f"  {entry.verdict}"))
            before = f"{entry.prior_median:.3g} ({entry.prior_low:.3g} to {entry.prior_high:.3g}) before"
            after = f"{entry.posterior_median:.3g} ({entry.posterior_low:.3g} to {entry.posterior_high:.3g}) after"
            told = f"{before}, {after}; most by {', '.join(entry.figures)}"
            learned.append(Padding(Text(told), (0, 0, 0, 4)))
    return Group(grid, "", *learned)


def reproduce_report(rows: Sequence[Row]) -> RenderableType:
    """Every figure beside its simulation, study by study, and how well all of them fit."""
    parts: list[RenderableType] = []
    for study, group in groupby(rows, key=lambda row: row.study):
        table = Table(box=SIMPLE_HEAD, pad_edge=False, show_edge=False, title=study, title_justify="left")
        for heading, width in (("reported", 18), ("simulated", 9), ("z", 6)):
            table.add_column(heading, justify="right", width=width)
        table.add_column("of", overflow="fold")
        for row in group:
            what = f"{row.endpoint}, {row.measure.replace('_', ' ')}; {row.arm}"
            table.add_row(*map(Text, (reported(row), *_simulated(row), what + _remark(row))))
        parts += [table, ""]
    parts.append(Text(quality(rows)))
    return Group(*parts)


def _remark(row: Row) -> str:
    return "" if row.role == "fitted" else f" [{row.role}]"


def reported(row: Row) -> str:
    """`0.45 (0.33-0.61)`; of a range its two ends."""
    span = f"{row.interval_low}-{row.interval_high}" if row.interval_low is not None else ""
    if row.reported is None:
        return span
    return f"{row.reported} ({span})" if span else f"{row.reported}"


def _simulated(row: Row) -> tuple[str, str]:
    places = 2 if row.measure == "hazard_ratio" else 1
    return f"{row.simulated:.{places}f}", f"{row.z:+.1f}" + ("" if row.inside else " !")


def quality(rows: Sequence[Row]) -> str:
    """Mean square of z, what lies far, hazard ratios inside their intervals."""
    fitted = [row for row in rows if row.role == "fitted" and not math.isnan(row.z)]
    if not fitted:
        return "No figure was fitted."
    far = [row for row in fitted if abs(row.z) > FAR]
    ratios = [row for row in fitted if row.measure == "hazard_ratio"]
    text = f"{len(fitted)} fitted figures, mean z squared {np.mean([row.z**2 for row in fitted]):.2f}"
    text += f"; {len(far)} beyond {FAR:g}" + (f" ({', '.join(row.study for row in far)})" if far else "")
    return text + f"; {sum(bool(row.inside) for row in ratios)} of {len(ratios)} hazard ratios inside their intervals."


def three_ways_report(rows: Sequence[ThreeWays], without: Sequence[LeftOutRatio]) -> RenderableType:
    """Each hazard ratio with its three predictions, how many hold, and scores against two naive predictors."""
    table = Table(box=SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for heading in ("reported", "one shape", "own shape", "without its study"):
        table.add_column(heading, justify="right", overflow="fold")
    table.add_column("by follow-up", justify="right", overflow="fold", min_width=6)
    table.add_column("of", overflow="fold")
    for row in rows:
        span = f" ({row.interval_low}-{row.interval_high})" if row.interval_low is not None else ""
        ends = "" if row.without_study_low is None else f" ({row.without_study_low:.2f}-{row.without_study_high:.2f})"
        table.add_row(
            Text(f"{row.reported}{span}"),
            Text(_ratio(row.one_shape, row.one_shape_inside)),
            Text(_ratio(row.own_shape, row.own_shape_inside)),
            Text(_ratio(row.without_study, row.without_study_inside) + ends),
            Text(by_follow_up(row)),
            Text(f"{row.figure.partition('.')[0]}, {SHORT[row.endpoint]}"),
        )
    return Group(table, "", *map(Text, three_ways_summary(rows, without)))


def by_follow_up(row: ThreeWays) -> str:
    """The fitted ratio with the shortest and with the longest follow-up; `!` where it leaves its interval."""
    ends = (
        (row.short_follow_up, row.short_follow_up_inside),
        (row.long_follow_up, row.long_follow_up_inside),
    )
    return " to ".join(_ratio(value, inside) for value, inside in ends) if row.short_follow_up is not None else "-"


def _ratio(value: float | None, inside: bool | None) -> str:
    return "-" if value is None else f"{value:.2f}" + (" !" if inside is False else "")


def three_ways_summary(rows: Sequence[ThreeWays], without: Sequence[LeftOutRatio]) -> list[str]:
    """How many predictions hold, and how well ratios are predicted without their study."""
    lines = []
    for name, values in (
        ("One shape per endpoint", [row.one_shape_inside for row in rows]),
        ("Each study's own shape", [row.own_shape_inside for row in rows]),
        ("Fitted, with the shortest follow-up", [row.short_follow_up_inside for row in rows]),
        ("Fitted, with the longest follow-up", [row.long_follow_up_inside for row in rows]),
    ):
        known = [value for value in values if value is not None]
        lines.append(f"{name}: {sum(known)} of {len(known)} predictions inside the reported interval.")
    if without:
        own, none, mean = (
            float(np.mean([getattr(one, field) for one in without]))
            for field in ("score", "score_of_no_effect", "score_of_mean")
        )
        width = float(np.mean([2.0 * CENTRAL * one.sd for one in without]))
        lines.append(
            f"Without their studies: {sum(one.inside for one in without)} of {len(without)} reports inside the central "
            f"95% of the prediction, whose mean width is {width:.2f} on the log scale. Mean log score {own:.2f}, "
            f"against {none:.2f} of no effect and {mean:.2f} of the mean of the other studies."
        )
    return lines


def row_dicts(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """For programs; `inside` is true, false or empty."""
    return [row._asdict() | {"inside": None if row.inside is None else str(row.inside).lower()} for row in rows]


# --- the plot ---------------------------------------------------------------------------------------------------------

KINDS: Mapping[str, tuple[str, str]] = {
    "medians, months": ("median", "o"),
    "hazard ratios": ("hazard_ratio", "s"),
    "shares and survival, %": ("proportion", "^"),
}


def reproduce_plot(rows: Sequence[Row]) -> Figure:
    """Reported against simulated, a panel for each kind of figure, with the line of equality."""
    plot = Figure(figsize=(10.5, 4.2), layout="constrained")
    axes = plot.subplots(1, len(KINDS))
    for ax, (title, (kind, marker)) in zip(axes, KINDS.items(), strict=True):
        shown = [row for row in rows if row.reported is not None and _kind(row) == kind and not math.isnan(row.z)]
        for role, colour in (("fitted", COLOURS[0]), ("checked", COLOURS[2]), ("excluded", GREY)):
            some = [row for row in shown if row.role == role]
            near = [row for row in some if abs(row.z) <= FAR]
            far = [row for row in some if abs(row.z) > FAR]
            ax.scatter(
                [r.reported for r in near], [r.simulated for r in near], s=16, marker=marker, color=colour, label=role
            )
            ax.scatter(
                [r.reported for r in far], [r.simulated for r in far], s=24, marker=marker, facecolors="none",
                edgecolors=COLOURS[1],
            )  # fmt: skip
            for row in sorted(far, key=lambda row: -abs(row.z))[:MOST_NAMED]:
                ax.annotate(row.study, (row.reported, row.simulated), textcoords="offset points", xytext=(4, 4))
        if kind != "proportion":
            for axis, scale in ((ax.xaxis, ax.set_xscale), (ax.yaxis, ax.set_yscale)):
                scale("log")
                axis.set_major_locator(FixedLocator(TICKS))
                axis.set_minor_locator(NullLocator())
                axis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:g}"))
        ends = [value for row in shown for value in (row.reported, row.simulated) if value]
        if ends:
            span = [min(ends) / 1.15, max(ends) * 1.15]
            ax.plot(span, span, color=GREY, linewidth=0.8, zorder=0)
            ax.set(xlim=span, ylim=span, aspect="equal")
        ax.set_title(title)
        ax.set_xlabel("reported")
        ax.set_ylabel("simulated")
    axes[0].legend(handles=_key(), loc="upper left", frameon=False)
    return plot


def _key() -> list[Line2D]:
    dot: dict[str, Any] = {"marker": "o", "markersize": 5, "linewidth": 0}
    return [
        Line2D([], [], color=COLOURS[0], label="fitted", **dot),
        Line2D([], [], color=GREY, label="excluded", **dot),
        Line2D([], [], color=COLOURS[1], label=f"beyond {FAR:g} sampling errors", **dot, markerfacecolor="none"),
    ]


def _kind(row: Row) -> str:
    return "proportion" if row.measure in ("proportion", "survival_at") else row.measure


PICTURES = "pictures"
FILES = (
    "calibration.md",
    *(f"{PICTURES}/{name}.{kind}" for name in ("reproduce", "ridge") for kind in ("csv", "svg", "png")),
)


def files_of(fit: Fitted) -> tuple[str, ...]:
    """`FILES`, without the ridge where the fit has none."""
    return tuple(name for name in FILES if fit.summary["ridge"] or "/ridge." not in name)


def write_reproduce(folder: Path, rows: Sequence[Row], fit: Fitted, page: str) -> None:
    """Write all files: the page, and the plots with their data."""
    with written_together(folder, files_of(fit)) as made:
        (made / FILES[0]).write_text(page, encoding="utf-8")
        (made / PICTURES / "reproduce.csv").write_text(rows_as_csv(row_dicts(rows), Row._fields), encoding="utf-8")
        with mpl.rc_context(STYLE):
            _save(reproduce_plot(rows), made / PICTURES / "reproduce")
            if points := fit.summary["ridge"]:
                effect = next(entry for entry in fit.summary["ledger"] if entry["name"] == EFFECT_OF_SURGERY)
                (made / PICTURES / "ridge.csv").write_text(rows_as_csv(points), encoding="utf-8")
                _save(ridge_plot(points, effect), made / PICTURES / "ridge")


def _save(plot: Figure, path: Path) -> None:
    plot.savefig(path.with_suffix(".svg"), metadata={"Date": None})
    plot.savefig(path.with_suffix(".png"), dpi=150)
