"""Relative effects and shapes on the screen: islands, bridges, hazard ratios against one regimen, shapes by study."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.text import Text

from hcc_sim.calibration.network import Network, NoPath
from hcc_sim.calibration.shapes import Shapes, Summary
from hcc_sim.report.numbers import STANDARD_ERRORS

COLUMNS = (
    "endpoint", "regimen", "comparator", "hazard_ratio", "low", "high", "log_mean", "log_sd", "bridges", "related",
)  # fmt: skip


def relative_rows(network: Network, versus: str) -> list[dict[str, Any]]:
    """A row for each endpoint and regimen: its hazard ratio against one regimen, or that nothing relates the two."""
    rows = []
    for endpoint in network.endpoints:
        for regimen in (name for island in network.islands[endpoint] for name in island if name != versus):
            row: dict[str, Any] = dict.fromkeys(COLUMNS) | {
                "endpoint": endpoint,
                "regimen": regimen,
                "comparator": versus,
                "related": "true",
            }
            try:
                mean, sd, crossed = network.relative(regimen, versus, endpoint)
            except NoPath:
                rows.append(row | {"related": "false"})
                continue
            ends = (math.exp(mean - STANDARD_ERRORS * sd), math.exp(mean + STANDARD_ERRORS * sd))
            row |= {"hazard_ratio": math.exp(mean), "low": ends[0], "high": ends[1], "log_mean": mean, "log_sd": sd}
            rows.append(row | {"bridges": "; ".join(bridge.name for bridge in crossed)})
    return rows


def network_report(network: Network, versus: str) -> RenderableType:
    """By endpoint: islands as studies make them, hazard ratios with the bridges they cross, heterogeneity, loops."""
    parts: list[RenderableType] = []
    rows = relative_rows(network, versus)
    loops = network.inconsistency()
    for endpoint in network.endpoints:
        parts.append(Text(endpoint[0].upper() + endpoint[1:], style="bold"))
        for number, island in enumerate(network.islands_before[endpoint], 1):
            parts.append(Padding(Text(f"Island {number}: {', '.join(island)}"), (0, 0, 0, 2)))
        parts.append(Text(f"\n  Hazard ratio against {versus} (95% interval)"))
        for row in (row for row in rows if row["endpoint"] == endpoint):
            parts.append(Padding(Text(_told(row)), (0, 0, 0, 4)))
        tau = network.tau(endpoint)
        parts.append(
            Padding(
                Text(
                    f"Heterogeneity between studies {tau.mean:.2f} ({tau.low:.2f} to {tau.high:.2f}) on the log scale. "
                    f"Loops: {_loops(loops[endpoint])}.\n"
                ),
                (1, 0, 0, 2),
            )
        )
    parts.append(Text("Bridges, assumed (calibration/bridges.yaml):", style="bold"))
    parts += [Padding(Text(f"{bridge.name}: {bridge.reason}"), (0, 0, 0, 2)) for bridge in network.bridges]
    return Group(*parts)


def _told(row: dict[str, Any]) -> str:
    if row["hazard_ratio"] is None:
        return f"{row['regimen']}: nothing relates the two"
    over = f", over the bridge {row['bridges']}" if row["bridges"] else ""
    return f"{row['regimen']}: {row['hazard_ratio']:.2f} ({row['low']:.2f} to {row['high']:.2f}){over}"


def _loops(found: Any) -> str:
    if isinstance(found, str):
        return f"none, so inconsistency is {found}"
    return "; ".join(f"{' - '.join(one.loop.regimens)}: z {one.z:+.1f}" for one in found)


# --- shapes -----------------------------------------------------------------------------------------------------------


def shape_rows(shapes: Sequence[Shapes]) -> list[dict[str, Any]]:
    """A row for the typical shape of each endpoint, for a new study, and for each study."""
    return [
        {"endpoint": one.endpoint, "study": name, "shape": summary.mean, "sd": summary.sd, "low": summary.low,
         "high": summary.high}
        for one in shapes
        for name, summary in {"typical": one.typical, "new study": one.new_study, **one.studies}.items()
    ]  # fmt: skip


def shapes_report(shapes: Sequence[Shapes]) -> RenderableType:
    """Weibull shapes that reconcile medians with hazard ratios, by endpoint and study."""
    parts: list[RenderableType] = []
    for one in shapes:
        parts.append(Text(f"{one.endpoint[0].upper()}{one.endpoint[1:]}: shape {_summary(one.typical)}", style="bold"))
        parts.append(
            Padding(
                Text(
                    f"in a new study {_summary(one.new_study)}; between studies {_summary(one.spread)} on the log scale"
                ),
                (0, 0, 0, 2),
            )
        )
        parts += [Padding(Text(f"{name}: {_summary(of)}"), (0, 0, 0, 4)) for name, of in one.studies.items()]
        for figure, why in one.left_out.items():
            parts.append(Padding(Text(f"{figure} left out: {why}"), (0, 0, 0, 4)))
        parts.append("")
    parts.append(
        Text("HR = (m_c / m_t)^k for Weibull curves of shape k; a marginal shape, no parameter of a transition.")
    )
    return Group(*parts)


def _summary(of: Summary) -> str:
    return f"{of.mean:.2f} ({of.low:.2f} to {of.high:.2f})"
