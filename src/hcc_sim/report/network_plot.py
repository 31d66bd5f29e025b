"""What studies compare with what: the islands of the evidence, randomised and cohort told apart."""

from __future__ import annotations

import re
import textwrap
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
import networkx as nx
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from hcc_sim.figures import Evidence
from hcc_sim.figures.network import Contrast, contrasts, islands, loops, network
from hcc_sim.report.evidence_words import ENDPOINTS, study_label
from hcc_sim.report.style import COLOURS, DARK, DESIGN_STYLES, OTHER_DESIGN, STYLE


def network_table(evidence: Evidence) -> list[dict[str, Any]]:
    """One row for each contrast, with the letter of its island; `figures` are ids."""
    return [
        {
            "endpoint": endpoint,
            "island": letter,
            "regimen": contrast.regimen,
            "comparator": contrast.comparator,
            "study": contrast.study,
            "design": contrast.design,
            "figures": "; ".join(contrast.figures),
        }
        for endpoint in ENDPOINTS
        for letter, members in _lettered_islands(contrasts(evidence, endpoint))
        for contrast in members
    ]


def _lettered_islands(found: Sequence[Contrast]) -> Iterator[tuple[str, list[Contrast]]]:
    """The contrasts of each island, the largest island first and called A."""
    for number, island in enumerate(islands(found)):
        around, letter = divmod(number, 26)
        members = [contrast for contrast in found if contrast.regimen in island]
        yield "ABCDEFGHIJKLMNOPQRSTUVWXYZ"[letter] + (str(around) if around else ""), members


PANEL_WIDTH = 9.2
MARGIN, GAP, TITLE, PANEL_HEAD, PANEL_GAP = 0.3, 0.26, 0.3, 0.34, 0.3
FAN, ROW, BOX_PAD = 0.28, 0.38, 0.07
"""Inches: where the lines of a regimen spread before they run level, the height of a row, and room in a box."""
NODE_SIZE, EDGE_SIZE = 8.6, 7.8
NODE_LETTER, EDGE_LETTER = 0.073, 0.071
"""Points, and the inches to allow for a letter of that size."""


@dataclass(frozen=True)
class Island:
    """An island laid out as a tree of boxes from its centre to the right, in inches from its upper left corner."""

    letter: str
    contrasts: list[Contrast]
    names: dict[str, str]
    """The regimen of each box; a box called otherwise than its regimen repeats it, to close a loop."""
    place: dict[str, tuple[float, float]]
    """Of each box, the left end and the middle of its row."""
    parent: dict[str, str]
    run: dict[str, float]
    """Of each box with a parent, where the line to it begins to run level."""
    width: float
    height: float


def network_plot(evidence: Evidence) -> Figure:
    """The islands of overall and of progression-free survival, one panel under the other."""
    labels = {study.study: study_label(study) for study in evidence.studies.values()}
    panels = {}
    for endpoint in ENDPOINTS:
        found = contrasts(evidence, endpoint)
        panels[endpoint] = (found, [_laid_out(letter, members, labels) for letter, members in _lettered_islands(found)])
    every_island = [island for _, laid_out in panels.values() for island in laid_out]
    width = max([PANEL_WIDTH, *(island.width + 2 * MARGIN for island in every_island)])
    grids = {endpoint: _grid(laid_out, width - 2 * MARGIN) for endpoint, (_, laid_out) in panels.items()}
    height = 1.0 + sum(PANEL_HEAD + depth + PANEL_GAP for _, depth in grids.values())
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(width, height))
        axes = figure.add_axes((0, 0, 1, 1), xlim=(0, width), ylim=(height, 0))
        axes.set_axis_off()
        _write_at(axes, MARGIN, 0.32, "What studies compare with what", fontsize=13, fontweight="bold")
        _network_key(axes, loop_drawn=any(island.names.keys() - island.names.values() for island in every_island))
        y = 0.9
        for endpoint, (found, _) in panels.items():
            title = f"{endpoint.capitalize()}: {_in_words(found)}"
            _write_at(axes, MARGIN, y + 0.1, title, fontsize=10.5, fontweight="bold")
            placed, depth = grids[endpoint]
            for island, left, top in placed:
                _draw_island(axes, island, (MARGIN + left, y + PANEL_HEAD + top), labels)
            y += PANEL_HEAD + depth + PANEL_GAP
    return figure


def _in_words(found: Sequence[Contrast]) -> str:
    closed = len(loops(found))
    studies = len({contrast.study for contrast in found})
    return (
        f"{_counted(studies, 'study', 'studies')}, {_counted(len(islands(found)), 'island', 'islands')}, "
        f"{_counted(closed, 'loop', 'loops') if closed else 'no loop'}"
    )


def _counted(number: int, one: str, many: str) -> str:
    return f"{number} {one if number == 1 else many}"


def _grid(laid_out: Sequence[Island], width: float) -> tuple[list[tuple[Island, float, float]], float]:
    """Each island with its left and top, in rows as full as they go, and the depth of all."""
    placed, left, top, deepest = [], 0.0, 0.0, 0.0
    for island in laid_out:
        if left > 0 and left + island.width > width:
            left, top, deepest = 0.0, top + deepest + GAP, 0.0
        placed.append((island, left, top))
        left += island.width + GAP
        deepest = max(deepest, island.height)
    return placed, top + deepest


def _laid_out(letter: str, members: list[Contrast], labels: Mapping[str, str]) -> Island:
    """A tree of shortest ways from the centre; a contrast off the tree leads to one of its regimens once more."""
    graph = network(members)
    root = _centre(graph, members)
    depth: dict[str, int] = nx.single_source_shortest_path_length(graph, root)
    parent = {
        node: min(other for other in graph[node] if depth[other] == depth[node] - 1) for node in graph if node != root
    }
    names = {node: node for node in graph}
    for pair in graph.edges:
        above, other = sorted(pair, key=lambda node: (depth[node], node))
        if parent.get(other) != above:
            again = f"{other} again, beside {above}"
            names[again], parent[again], depth[again] = other, above, depth[above] + 1
    rows = _rows(root, parent)
    lefts, runs, right = [0.0], [0.0], 0.0
    for level in range(max(depth.values()) + 1):
        right = lefts[-1] + max(_box_width(names[node]) for node in names if depth[node] == level)
        entering = [_compared(graph, names, node, parent[node]) for node in parent if depth[node] == level + 1]
        longest = max((len(line) for compared in entering for line in _names(compared, labels)), default=0)
        runs.append(right + FAN)
        lefts.append(runs[-1] + longest * EDGE_LETTER + 0.1)
    place = {node: (lefts[depth[node]], TITLE + (rows[node] + 0.5) * ROW) for node in names}
    run = {node: runs[depth[node]] for node in parent}
    return Island(letter, members, names, place, parent, run, right, TITLE + (max(rows.values()) + 1) * ROW)


def _compared(graph: nx.Graph, names: Mapping[str, str], box: str, other: str) -> tuple[Contrast, ...]:
    found: tuple[Contrast, ...] = graph.edges[names[box], names[other]]["contrasts"]
    return found


def _names(compared: Sequence[Contrast], labels: Mapping[str, str]) -> list[str]:
    """The studies of an edge, in lines."""
    return [part for contrast in compared for part in textwrap.wrap(labels[contrast.study], 12, break_long_words=False)]


def _centre(graph: nx.Graph, members: Iterable[Contrast]) -> str:
    """The regimen nearest to all, of several the one most compared with."""
    farthest = nx.eccentricity(graph)
    compared = Counter(contrast.comparator for contrast in members)
    return str(min(graph, key=lambda node: (farthest[node], -graph.degree[node], -compared[node], node)))


def _rows(root: str, parent: Mapping[str, str]) -> dict[str, float]:
    """A row for each leaf, small branches first; a regimen with branches stands in the middle of them."""
    children: dict[str, list[str]] = {}
    for node, above in sorted(parent.items()):
        children.setdefault(above, []).append(node)

    def leaves(node: str) -> int:
        return sum(map(leaves, children[node])) if node in children else 1

    rows: dict[str, float] = {}

    def fill(node: str, first: int) -> None:
        below = first
        for child in sorted(children.get(node, ()), key=lambda child: (leaves(child), child)):
            fill(child, below)
            below += leaves(child)
        at = [rows[child] for child in children.get(node, ())]
        rows[node] = (min(at) + max(at)) / 2 if at else float(first)

    fill(root, 0)
    return rows


def _broken(name: str, most: int = 16) -> list[str]:
    """A regimen's name in lines, broken after + or a space."""
    lines = [""]
    for part in re.findall(r"[^+ ]+[+ ]?", name):
        if lines[-1] and len(lines[-1] + part.rstrip()) > most:
            lines.append("")
        lines[-1] += part
    return [line.rstrip() for line in lines]


def _box_width(name: str) -> float:
    return NODE_LETTER * max(map(len, _broken(name))) + 2 * BOX_PAD


def _write_at(axes: Axes, x: float, y: float, text: str, **style: Any) -> None:
    full: dict[str, Any] = {"fontsize": NODE_SIZE, "color": DARK, "va": "center", "ha": "left"} | style
    if text:
        axes.text(x, y, text, parse_math=False, **full)


def _draw_island(axes: Axes, island: Island, corner: tuple[float, float], labels: Mapping[str, str]) -> None:
    left, top = corner
    regimens, studies = len(set(island.names.values())), len({contrast.study for contrast in island.contrasts})
    _write_at(axes, left, top + 0.08, island.letter, fontsize=10.5, fontweight="bold", color=COLOURS[0])
    about = f"{regimens} regimens, {_counted(studies, 'study', 'studies')}"
    _write_at(axes, left + 0.2, top + 0.09, about, fontsize=EDGE_SIZE, color="#555555")
    at = {node: (left + x, top + y) for node, (x, y) in island.place.items()}
    graph = network(island.contrasts)
    for child, parent in island.parent.items():
        start = (at[parent][0] + _box_width(island.names[parent]), at[parent][1])
        compared = _compared(graph, island.names, child, parent)
        _draw_edge(axes, start, left + island.run[child], at[child], compared, labels)
    for box, (x, y) in at.items():
        _draw_box(axes, island.names[box], x, y, again=box != island.names[box])


def _draw_box(axes: Axes, name: str, x: float, y: float, *, again: bool) -> None:
    lines = _broken(name)
    half, width = 0.067 * len(lines) + 0.04, _box_width(name)
    axes.fill([x, x + width, x + width, x], [y - half, y - half, y + half, y + half], facecolor="white",
              edgecolor="#555555", linewidth=0.8, linestyle="dotted" if again else "solid", zorder=4)  # fmt: skip
    _write_at(axes, x + width / 2, y, "\n".join(lines), ha="center", linespacing=1.0, zorder=5)


def _draw_edge(
    axes: Axes,
    start: tuple[float, float],
    run: float,
    end: tuple[float, float],
    compared: Sequence[Contrast],
    labels: Mapping[str, str],
) -> None:
    """Aslant from box to where the line runs level, then level between the names of its studies."""
    (box_end, level), (x, y) = start, end
    by_design = _by_design(compared)
    for number, (design, studies) in enumerate(by_design.items()):
        aside = 0.05 * (number - (len(by_design) - 1) / 2)
        down = [level + aside, y + aside, y + aside]
        axes.plot([box_end, run, x], down, zorder=2, **_edge_style(design, len(studies)))
    names = _names(compared, labels)
    above = names[: (len(names) + 1) // 2]
    style: dict[str, Any] = {"ha": "center", "fontsize": EDGE_SIZE, "color": "#333333", "linespacing": 1.0}
    _write_at(axes, (run + x) / 2, y - 0.045, "\n".join(above), va="bottom", **style)
    _write_at(axes, (run + x) / 2, y + 0.045, "\n".join(names[len(above) :]), va="top", **style)


def _by_design(compared: Iterable[Contrast]) -> dict[str, list[Contrast]]:
    found: dict[str, list[Contrast]] = {}
    for contrast in compared:
        found.setdefault(contrast.design, []).append(contrast)
    return found


def _edge_style(design: str, studies: int) -> dict[str, Any]:
    colour, dashes = DESIGN_STYLES.get(design, OTHER_DESIGN)
    return {"color": colour, "linestyle": dashes, "linewidth": 0.6 + 0.9 * studies, "solid_capstyle": "butt"}


def _network_key(axes: Axes, *, loop_drawn: bool) -> None:
    handles = [Line2D([], [], label=design, **_edge_style(design, 1)) for design in DESIGN_STYLES]
    handles.append(Line2D([], [], label="the thicker, the more studies", **_edge_style("randomised", 3)))
    if loop_drawn:
        handles.append(Line2D([], [], color="#555555", linewidth=0.8, linestyle="dotted", label="box again: a loop"))
    axes.legend(
        handles=handles, loc="upper left", bbox_to_anchor=(MARGIN, 0.52), bbox_transform=axes.transData, frameon=False,
        ncols=len(handles), fontsize=NODE_SIZE, handlelength=3.4, columnspacing=1.8, borderpad=0, borderaxespad=0,
    )  # fmt: skip
