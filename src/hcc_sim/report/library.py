"""The library of regimens on the screen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.text import Text

from hcc_sim.calibration.library import Regimen

MEANINGS = {
    "calibrated": "an arm with a survival time of its own is fitted",
    "network": "a hazard ratio relates it to others, no more",
    "described": "named, without a figure that a simulation could use: it needs your own numbers",
}

Parameters = Mapping[str, tuple[float, float, float]]


def library_report(regimens: Sequence[Regimen], parameters: Mapping[str, Parameters]) -> RenderableType:
    """Regimens by grade, with their arms and, where a fit is given, their parameters."""
    parts: list[RenderableType] = []
    for grade, group in groupby(regimens, key=lambda one: one.grade):
        some = list(group)
        parts.append(Text.assemble((f"{grade} ({len(some)})", "bold"), f": {MEANINGS[grade]}"))
        for one in some:
            arms = f"; {', '.join(one.arms)}" if one.arms else ""
            parts.append(Padding(Text.assemble((one.key, "bold"), f"  {one.name}{arms}"), (0, 0, 0, 2)))
            for name, (median, low, high) in parameters.get(one.key, {}).items():
                parts.append(Padding(Text(f"{name} {median:.3g} ({low:.3g} to {high:.3g})"), (0, 0, 0, 6)))
        parts.append("")
    return Group(*parts)


def library_rows(regimens: Sequence[Regimen], parameters: Mapping[str, Parameters]) -> list[dict[str, Any]]:
    """A row for each regimen and parameter; one without parameters where none is fitted."""
    rows = []
    for one in regimens:
        told: Mapping[str, tuple[float | None, ...]] = parameters.get(one.key) or {"": (None, None, None)}
        for name, (median, low, high) in told.items():
            rows.append(
                {
                    "regimen": one.key,
                    "name": one.name,
                    "grade": one.grade,
                    "arms": " ".join(arm.replace(" ", "_") for arm in one.arms),
                    "parameter": name,
                    "median": median,
                    "low": low,
                    "high": high,
                }
            )
    return rows
