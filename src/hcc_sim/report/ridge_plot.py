"""The effect of surgery against the selection of who is operated: which points go about equally with the figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import NormalDist
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from hcc_sim.calibration.ridge import EQUALLY
from hcc_sim.quantiles import score_of
from hcc_sim.report.style import COLOURS

Floats = NDArray[np.float64]

FINE = 400
LEVELS = (0.0, 1.0, EQUALLY, 6.63, 15.0)
"""Of the sum of squares above its least; 6.63 bounds 99% of one parameter."""

TICKS = (0.4, 0.5, 0.7, 1.0, 1.4, 2.0, 2.5)


def ridge_plot(points: Sequence[Mapping[str, float]], effect: Mapping[str, Any]) -> Figure:
    """Left the sum of squares over the grid; right prior and posterior of the effect.

    Args:
        points: selection, effect, objective: a full grid, by selection and then by effect.
        effect: the ledger's entry of the effect of surgery.
    """
    sizes = np.unique([point["selection"] for point in points])
    effects = np.unique([point["effect"] for point in points])
    x, y = np.linspace(sizes[0], sizes[-1], FINE), np.linspace(np.log(effects[0]), np.log(effects[-1]), FINE)
    surface = _quadratic(points, x, y)
    surface -= surface.min()
    objective = np.array([point["objective"] for point in points]).reshape(len(sizes), len(effects))
    least = objective.min()

    plot = Figure(figsize=(8.6, 4.4), layout="constrained")
    left, right = plot.subplots(1, 2, width_ratios=[3.2, 1.0], sharey=True)
    shades = ("#8DB6D9", "#B4D0E7", "#D6E5F2", "#EDF3F9", "#FFFFFF")
    left.contourf(x, np.exp(y), surface.T, levels=[*LEVELS, 1e9], colors=shades)
    lines = left.contour(x, np.exp(y), surface.T, levels=LEVELS[1:], colors="#335577", linewidths=0.8)
    left.clabel(lines, fmt=lambda level: f"+{level:g}", fontsize=8)
    best = effects[np.argmin(objective, axis=1)]
    left.plot(sizes, best, color=COLOURS[1], linewidth=1.2, zorder=1, label="best effect of the grid at each selection")
    for point in points:
        left.annotate(
            f"{point['objective'] - least:.1f}", (point["selection"], point["effect"]), fontsize=8, color="#333333",
            ha="center", va="center", annotation_clip=False,
        )  # fmt: skip
    left.set(
        yscale="log",
        xlabel="selection of who is operated, times that fitted",
        ylabel="surgery.effect (hazard ratio)",
        xlim=(sizes[0] - 0.25, sizes[-1] + 0.25),
        ylim=(effects[0] / 1.12, effects[-1] * 1.4),
    )
    left.set_title("sum of squares above its least; shades: a quadratic through all points", loc="left", fontsize=10)
    left.set_yticks(TICKS, [f"{tick:g}" for tick in TICKS])
    left.minorticks_off()
    left.legend(loc="upper right", frameon=True, framealpha=0.9, edgecolor="none")

    score = score_of(effect["family"], effect["low"], effect["high"])
    z = np.array([score(value) for value in np.exp(y)])
    for label, middle, spread, colour, dash in (
        ("prior", 0.0, 1.0, COLOURS[7], (0, (5, 2))),
        ("posterior", effect["z"], effect["sd_ratio"], COLOURS[0], "solid"),
    ):
        density = [NormalDist(middle, spread).pdf(one) for one in z]
        right.plot(density, np.exp(y), color=colour, linestyle=dash, label=label)
    right.set(xlabel="density", xticks=[])
    right.set_title("what is believed", loc="left", fontsize=10)
    right.legend(loc="upper right", frameon=False)
    return plot


def _quadratic(points: Sequence[Mapping[str, float]], x: Floats, y: Floats) -> Floats:
    """The least-squares quadratic in selection and log effect at (len(x), len(y)) places: points have luck in them."""

    def terms(a: Floats, b: Floats) -> Floats:
        return np.stack([np.ones_like(a), a, b, a * a, a * b, b * b], axis=-1)

    at = terms(np.array([p["selection"] for p in points]), np.log([p["effect"] for p in points]))
    weights = np.linalg.lstsq(at, np.array([p["objective"] for p in points]), rcond=None)[0]
    return np.asarray(terms(*np.meshgrid(x, y, indexing="ij")) @ weights)
