"""The flow of patients under each strategy: bars of who is where at each stage, ribbons of who goes where."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import PathPatch, Rectangle
from matplotlib.path import Path as Curve

from hcc_sim.report.style import COLOURS, DARK, GREY

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from hcc_sim.analyses.flow import Flow

WIDTH_INCHES, PANEL_INCHES, HEAD_INCHES, FOOT_INCHES = 10.0, 3.1, 0.8, 0.35
BAR, GAP = 0.05, 0.035
LEAST_TOLD = 0.005
"""Shares below it are drawn, without a number."""

_LIKENESS = (
    ("not ", GREY),
    ("dead of cancer", "#4D4D4D"),
    ("dead", "#8A8A8A"),
    ("operated at relapse", COLOURS[1]),
    ("operated", COLOURS[0]),
    ("converted", COLOURS[6]),
    ("resectable", COLOURS[6]),
    ("alive at", COLOURS[2]),
    ("on therapy", COLOURS[5]),
)


def flow_figure(flows: Sequence[Flow], title: str, about: str) -> Figure:
    """A panel for each strategy, in order."""
    names = list(dict.fromkeys(flow.strategy for flow in flows))
    height = HEAD_INCHES + PANEL_INCHES * len(names) + FOOT_INCHES
    figure = Figure(figsize=(WIDTH_INCHES, height))
    figure.text(0.03, 1 - 0.2 / height, title, fontsize=12.5, fontweight="bold", va="top", parse_math=False)
    figure.text(0.03, 1 - 0.47 / height, about, fontsize=9, color="#333333", va="top", parse_math=False)
    for number, name in enumerate(names):
        bottom = FOOT_INCHES + PANEL_INCHES * (len(names) - 1 - number)
        axes = figure.add_axes((0.03, (bottom + 0.1) / height, 0.94, (PANEL_INCHES - 0.45) / height))
        _panel(axes, [flow for flow in flows if flow.strategy == name])
        axes.set_title(name, loc="left", fontsize=10, fontweight="bold", parse_math=False)
    foot = "Shares of all patients who start. A model for research and teaching, not advice for a patient."
    figure.text(0.03, 0.1 / height, foot, fontsize=7.5, color="#666666")
    return figure


def _panel(axes: Axes, flows: Sequence[Flow]) -> None:
    stages = list(dict.fromkeys([flow.stage for flow in flows] + [flows[-1].next_stage]))
    held = [_held(flows, stage) for stage in stages]
    tops = [_tops(places) for places in held]
    axes.set_xlim(-0.02, len(stages) - 1 + 1.05)
    axes.set_ylim(-0.12, 1.0 + GAP * 3)
    axes.axis("off")
    for stage in range(len(stages) - 1):
        out, into = dict(tops[stage]), dict(tops[stage + 1])
        for flow in sorted((one for one in flows if one.stage == stages[stage]), key=_order):
            left, right = out[flow.place], into[flow.next_place]
            _ribbon(axes, stage + BAR, stage + 1.0, left, right, flow.share, _colour(flow.next_place))
            out[flow.place] -= flow.share
            into[flow.next_place] -= flow.share
    for stage, places in enumerate(held):
        for place, share in places.items():
            top = tops[stage][place]
            axes.add_patch(Rectangle((stage, top - share), BAR, share, color=_colour(place), linewidth=0))
            if share >= LEAST_TOLD:
                axes.text(
                    stage + BAR + 0.015, top - share / 2, f"{place}, {100 * share:.1f}%", fontsize=8, color=DARK,
                    va="center", bbox={"facecolor": "white", "alpha": 0.65, "linewidth": 0, "pad": 0.8},
                )  # fmt: skip
        axes.text(stage, -0.1, stages[stage], fontsize=7.5, color="#666666")


def _held(flows: Sequence[Flow], stage: str) -> dict[str, float]:
    """Place -> share of patients at a stage, in the order in which they are stacked."""
    shares: dict[str, float] = {}
    arriving = [(flow.next_place, flow.share) for flow in flows if flow.next_stage == stage]
    leaving = [(flow.place, flow.share) for flow in flows if flow.stage == stage]
    for place, share in arriving or leaving:
        shares[place] = shares.get(place, 0.0) + share
    return dict(sorted(shares.items(), key=lambda entry: _rank(entry[0])))


def _tops(places: Mapping[str, float]) -> dict[str, float]:
    """Where each bar begins, from the top down."""
    tops, top = {}, 1.0 + GAP * (len(places) - 1)
    for place, share in places.items():
        tops[place] = top
        top -= share + GAP
    return tops


def _rank(place: str) -> tuple[int, str]:
    ends = ("alive at", "operated", "converted", "resectable", "on therapy", "not ", "dead")
    return next((at for at, start in enumerate(ends) if place.startswith(start)), len(ends)), place


def _order(flow: Flow) -> tuple[tuple[int, str], tuple[int, str]]:
    return _rank(flow.place), _rank(flow.next_place)


def _colour(place: str) -> str:
    return next((colour for start, colour in _LIKENESS if place.startswith(start)), COLOURS[4])


def _ribbon(axes: Axes, x0: float, x1: float, top0: float, top1: float, share: float, colour: str) -> None:
    middle = (x0 + x1) / 2
    points = np.array(
        [
            (x0, top0), (middle, top0), (middle, top1), (x1, top1),
            (x1, top1 - share), (middle, top1 - share), (middle, top0 - share), (x0, top0 - share), (x0, top0),
        ]
    )  # fmt: skip
    bend = [Curve.CURVE4] * 3
    codes = [Curve.MOVETO, *bend, Curve.LINETO, *bend, Curve.CLOSEPOLY]
    axes.add_patch(PathPatch(Curve(points, codes), facecolor=colour, alpha=0.35, linewidth=0))
