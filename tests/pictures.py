"""Whether a picture can be read: nothing is cut off, nothing stands on something else."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations, pairwise
from typing import Any

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

TOUCH = 1.0
"""Pixels by which things may meet."""


def faults(figure: Figure) -> list[str]:
    """What is cut off by the edge of the picture, and which texts, keys, panels and names of ticks overlap."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    renderer: Any = canvas.get_renderer()
    boxes = [(repr(text.get_text()), text.get_window_extent(renderer)) for text in figure.texts if text.get_text()]
    boxes += [("key", key.get_window_extent(renderer)) for key in figure.legends]
    boxes += [
        (f"panel {place} {axes.get_title(loc='left')!r}", axes.get_tightbbox(renderer))
        for place, axes in enumerate(figure.axes)
    ]
    width, height = figure.bbox.width, figure.bbox.height
    found = [
        f"{name} is cut off"
        for name, box in boxes
        if min(box.x0, box.y0) < -TOUCH or box.x1 > width + TOUCH or box.y1 > height + TOUCH
    ]
    found += [f"{one} and {other} overlap" for (one, a), (other, b) in combinations(boxes, 2) if _meet(a, b)]
    for axes in figure.axes:
        texts = [(repr(text.get_text()), text.get_window_extent(renderer)) for text in axes.texts if text.get_text()]
        found += [f"{one} and {other} overlap" for (one, a), (other, b) in combinations(texts, 2) if _meet(a, b)]
    return found + [told for axes in figure.axes for told in _ticks_that_meet(axes, renderer)]


def _ticks_that_meet(axes: Any, renderer: Any) -> Iterator[str]:
    for place, axis in enumerate((axes.xaxis, axes.yaxis)):
        low, high = sorted(axis.get_view_interval())
        labels = [
            label
            for label in axis.get_ticklabels()
            if label.get_text() and label.get_rotation() == 0 and low <= label.get_position()[place] <= high
        ]
        for one, other in pairwise(labels):
            if _meet(one.get_window_extent(renderer), other.get_window_extent(renderer)):
                yield f"ticks {one.get_text()!r} and {other.get_text()!r} overlap"


def _meet(a: Any, b: Any) -> bool:
    return min(a.x1, b.x1) - max(a.x0, b.x0) > TOUCH and min(a.y1, b.y1) - max(a.y0, b.y0) > TOUCH
