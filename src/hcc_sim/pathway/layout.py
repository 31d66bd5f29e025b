"""Where boxes, labels and arrows go on a flowchart that is read from top to bottom.

The layered method of Sugiyama, Tagawa and Toda (1981, doi:10.1109/TSMC.1981.4308636), with the two linear programs of
Gansner, Koutsofios, North and Vo (1993, doi:10.1109/32.221135): rows so that arrows are short, columns so that they are
straight.  Every label has a place of its own in a row between two rows of boxes, so none can lie on a box.  Boxes are
met in the order given: an arrow to an earlier box runs upwards.  Lengths are in pixels, y points down.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from random import Random

import numpy as np
from scipy.optimize import linprog
from scipy.sparse import coo_array

Point = tuple[float, float]

BESIDE = 20.0
"""The least distance between two boxes or labels of a row."""
PASSING = 16.0
"""The least distance between an arrow that passes a row and its neighbour there."""
PORTS = 26.0
"""The distance between arrows that end on the same side of a box, where it is wide enough."""
HEAD = 13.0
"""The least distance of a bend from a row where arrows end: the length of a head and of a rounded corner."""
TURN = 8.0
"""The least distance of a bend from a row where no arrow ends."""
LANE = 9.0
"""The distance between arrows that run side by side between two rows."""
WIDTH_WEIGHT = 4.0
"""What a pixel of width costs, in pixels by which an arrow bends."""
GROUND_WEIGHT = 0.05
"""What a row between an end and the bottom costs, in rows that an arrow is long."""
STARTS = 100
"""From how many orders the search for few crossings begins."""


@dataclass(frozen=True)
class Box:
    """A box to place; a `pointed` one is a diamond of this width and height."""

    width: float
    height: float
    pointed: bool = False

    def inset(self, offset: float) -> float:
        """How far its edge lies below the highest point (or above the lowest), `offset` from its middle."""
        return self.height * abs(offset) / self.width if self.pointed else 0.0


@dataclass(frozen=True)
class Link:
    """An arrow from one box to another (by position in the list of boxes) and the size of its label."""

    source: int
    target: int
    width: float
    height: float


@dataclass(frozen=True)
class Drawing:
    """The size of the whole, the centres of boxes and labels, and each arrow's corners from source to target."""

    width: float
    height: float
    boxes: tuple[Point, ...]
    labels: tuple[Point, ...]
    arrows: tuple[tuple[Point, ...], ...]


def arrange(boxes: Sequence[Box], links: Sequence[Link]) -> Drawing:
    """Place boxes, labels and arrows.

    Raises:
        ValueError: a link leads from a box to itself.
    """
    return _arranged(tuple(boxes), tuple(links))


@lru_cache(maxsize=4)
def _arranged(boxes: tuple[Box, ...], links: tuple[Link, ...]) -> Drawing:
    """Kept: who draws several scenarios in one session draws one pathway."""
    if any(link.source == link.target for link in links):
        raise ValueError("an arrow from a box to itself cannot be laid out")
    graph = _Graph(boxes, links, _rows(len(boxes), links))
    return min((_placed(graph, order) for order in _orders(graph)), key=lambda found: found[0])[1]


# --- rows -------------------------------------------------------------------------------------------------------------


def _rows(count: int, links: Sequence[Link]) -> list[int]:
    """The row of every box: the first one on top, the ends as far down as their arrows allow without becoming long."""
    first, ground = 0, count
    pairs = [(min(link.source, link.target), max(link.source, link.target)) for link in links]
    ends = set(range(1, count)) - {upper for upper, _ in pairs}
    apart = [(upper, lower, 1.0) for upper, lower in pairs]
    apart += [(first, box, 0.0) for box in range(1, count)]
    apart += [(box, ground, 0.0) for box in range(1, count)]
    apart.append((first, ground, 1.0 if count > 1 else 0.0))
    springs = [(upper, lower, 0.0, 1.0) for upper, lower in pairs]
    springs += [(end, ground, 0.0, GROUND_WEIGHT) for end in sorted(ends)]
    springs.append((first, ground, 0.0, GROUND_WEIGHT / 10))
    springs += [(first, box, 0.0, GROUND_WEIGHT / 100) for box in range(1, count)]  # between equals, the upper row
    rows, _ = _relaxed(count + 1, apart, springs)
    return [round(row - rows[first]) for row in rows[:count]]


def _relaxed(
    count: int, apart: Iterable[tuple[int, int, float]], springs: Iterable[tuple[int, int, float, float]]
) -> tuple[list[float], float]:
    """The x >= 0 with x_b - x_a >= gap for (a, b, gap) and least sum of weight |x_b - x_a - rest| for (a, b, rest,
    weight), and that sum."""
    springs = list(springs)
    entries: list[tuple[int, int, float]] = []  # of the matrix M in M x <= bounds
    bounds: list[float] = []
    for a, b, gap in apart:
        entries += [(len(bounds), a, 1.0), (len(bounds), b, -1.0)]
        bounds.append(-gap)
    for stretch, (a, b, rest, _) in enumerate(springs, start=count):
        for sign in (1.0, -1.0):
            row = len(bounds)
            entries += [(row, b, sign), (row, a, -sign), (row, stretch, -1.0)]
            bounds.append(sign * rest)
    if not bounds:
        return [0.0] * count, 0.0
    rows, columns, values = zip(*entries, strict=True)
    matrix = coo_array((values, (rows, columns)), shape=(len(bounds), count + len(springs)))
    costs = np.concatenate([np.zeros(count), [weight for *_, weight in springs]])
    found = linprog(costs, A_ub=matrix.tocsr(), b_ub=bounds, method="highs-ds")
    if not found.success:
        raise RuntimeError(f"no layout found: {found.message}")
    return [float(x) for x in found.x[:count]], float(found.fun)


# --- the graph of boxes, labels and bends -----------------------------------------------------------------------------


@dataclass(frozen=True)
class _Node:
    """A box, a label or a bend.  Boxes stand in even rows, labels in odd ones."""

    row: int
    width: float
    height: float


class _Graph:
    """The boxes first, then what lies on the arrows; `chains` leads each link from its upper box to its lower one."""

    def __init__(self, boxes: Sequence[Box], links: Sequence[Link], rows: Sequence[int]) -> None:
        self.boxes, self.links = boxes, links
        self.nodes = [_Node(2 * row, box.width, box.height) for box, row in zip(boxes, rows, strict=True)]
        self.chains: list[list[int]] = []
        self.labels: list[int] = []
        for link in links:
            upper, lower = sorted((link.source, link.target))
            beside_source = 2 * rows[upper] + 1 if link.source == upper else 2 * rows[lower] - 1
            chain = [upper]
            for row in range(2 * rows[upper] + 1, 2 * rows[lower]):
                chain.append(len(self.nodes))
                if row == beside_source:
                    self.labels.append(len(self.nodes))
                    self.nodes.append(_Node(row, link.width, link.height))
                else:
                    self.nodes.append(_Node(row, 0.0, 0.0))
            self.chains.append([*chain, lower])
        self.row_count = 2 * max(rows) + 1
        self.below: list[list[int]] = [[] for _ in self.nodes]
        self.above: list[list[int]] = [[] for _ in self.nodes]
        for chain in self.chains:
            for a, b in pairwise(chain):
                self.below[a].append(b)
                self.above[b].append(a)

    def distance(self, a: int, b: int) -> float:
        """The least distance between the centres of neighbours in a row."""
        left, right = self.nodes[a], self.nodes[b]
        return (left.width + right.width) / 2 + (BESIDE if left.width and right.width else PASSING)


# --- the order within rows --------------------------------------------------------------------------------------------

_Order = list[list[int]]


def _orders(graph: _Graph) -> list[_Order]:
    """The orders with fewest crossings that the search finds, at most six."""
    best: dict[tuple[tuple[int, ...], ...], _Order] = {}
    fewest = float("inf")
    random = Random(1)
    for start in range(STARTS):
        order: _Order = [[] for _ in range(graph.row_count)]
        for node, placed in enumerate(graph.nodes):
            order[placed.row].append(node)
        if start:
            for row in order:
                random.shuffle(row)
        crossings, order = _untangled(graph, order)
        if crossings < fewest:
            best, fewest = {}, crossings
        if crossings == fewest and len(best) < 6:
            best.setdefault(tuple(map(tuple, order)), order)
    return list(best.values())


def _untangled(graph: _Graph, order: _Order) -> tuple[int, _Order]:
    """Barycentre sweeps, each followed by exchanges of neighbours: the fewest crossings met, and their order."""
    best, fewest = order, _crossings(graph, order)
    stalled = 0
    while stalled < 4 and fewest:
        order = [list(row) for row in order]
        for neighbours, rows in ((graph.above, order[1:]), (graph.below, order[-2::-1])):
            place = _places(graph, order)
            for row in rows:
                middle = {node: _barycentre(neighbours[node], place) for node in row}
                row.sort(key=middle.__getitem__)
                for at, node in enumerate(row):
                    place[node] = at
            _exchange(graph, order)
        crossings = _crossings(graph, order)
        stalled += 1
        if crossings < fewest:
            best, fewest, stalled = order, crossings, 0
    return fewest, best


def _places(graph: _Graph, order: _Order) -> list[int]:
    """Of each node, in its row."""
    place = [0] * len(graph.nodes)
    for row in order:
        for at, node in enumerate(row):
            place[node] = at
    return place


def _barycentre(neighbours: Sequence[int], place: Sequence[int]) -> float:
    if len(neighbours) == 1:  # a bend or a label, as most nodes are
        return place[neighbours[0]]
    return sum([place[n] for n in neighbours]) / len(neighbours) if neighbours else 0.0


def _exchange(graph: _Graph, order: _Order) -> None:
    """Exchange neighbours in a row as long as that lessens crossings."""
    place = _places(graph, order)
    waiting = [True] * len(order)  # rows where something may be gained: nothing is until a row beside it changes
    while any(waiting):
        for number, row in enumerate(order):
            if not waiting[number]:
                continue
            waiting[number] = False
            for at in range(len(row) - 1):
                a, b = row[at], row[at + 1]
                if _gain(graph.above[a], graph.above[b], place) + _gain(graph.below[a], graph.below[b], place) > 0:
                    row[at], row[at + 1] = b, a
                    place[a], place[b] = at + 1, at
                    for beside in range(max(number - 1, 0), min(number + 2, len(order))):
                        waiting[beside] = True


def _gain(here: Sequence[int], there: Sequence[int], place: Sequence[int]) -> int:
    """How many crossings fewer there are on one side where the node of the arrows `there` comes first."""
    gain = 0
    for one in here:
        at = place[one]
        for other in there:
            gain += (at > place[other]) - (at < place[other])
    return gain


def _crossings(graph: _Graph, order: _Order) -> int:
    place = _places(graph, order)
    total = 0
    for row in order:
        met: list[int] = []  # where the arrows from further left end
        for a in row:
            ends = [place[b] for b in graph.below[a]]
            for end in ends:
                if met and met[-1] > end:
                    total += len(met) - bisect_right(met, end)
            met.extend(ends)
            met.sort()
    return total


# --- columns, heights, lanes ------------------------------------------------------------------------------------------


def _placed(graph: _Graph, order: _Order) -> tuple[float, Drawing]:
    """The drawing of one order, and how much its arrows bend."""
    ports = _ports(graph, order)
    left, right = len(graph.nodes), len(graph.nodes) + 1
    apart = [(a, b, graph.distance(a, b)) for row in order for a, b in pairwise(row)]
    springs = [(left, right, 0.0, WIDTH_WEIGHT)]
    for row in filter(None, order):
        apart.append((left, row[0], graph.nodes[row[0]].width / 2))
        apart.append((row[-1], right, graph.nodes[row[-1]].width / 2))
    for link, chain in enumerate(graph.chains):
        for a, b in pairwise(chain):
            rest = ports.get((link, a), 0.0) - ports.get((link, b), 0.0)
            ends = {a, b} & {chain[0], chain[-1]}
            springs.append((a, b, rest, 2.0 if graph.links[link].target in ends else 1.0 if ends else 8.0))
    xs, bend = _relaxed(right + 1, apart, springs)
    lanes = [_lanes([(_x(xs, ports, k, a), _x(xs, ports, k, b), k) for k, a, b in _steps(graph, row)]) for row in order]
    ys, firsts, height = _heights(graph, lanes)
    drawing = Drawing(
        width=round(xs[right] - xs[left]),
        height=height,
        boxes=tuple((round(xs[box] - xs[left]), ys[graph.nodes[box].row]) for box in range(len(graph.boxes))),
        labels=tuple((round(xs[label] - xs[left]), ys[graph.nodes[label].row]) for label in graph.labels),
        arrows=tuple(_route(graph, k, xs, ports, lanes, ys, firsts) for k in range(len(graph.links))),
    )
    return bend, drawing


_Ports = dict[tuple[int, int], float]


def _ports(graph: _Graph, order: _Order) -> _Ports:
    """How far from a box's middle a link ends on it, by (link, box)."""
    place = {node: at for row in order for at, node in enumerate(row)}
    ends: dict[tuple[int, bool], list[tuple[int, int]]] = {}
    for link, chain in enumerate(graph.chains):
        ends.setdefault((chain[0], True), []).append((place[chain[1]], link))
        ends.setdefault((chain[-1], False), []).append((place[chain[-2]], link))
    ports = {}
    for (box, _), links in ends.items():
        pitch = min(PORTS, 0.8 * graph.boxes[box].width / len(links))
        for at, (_, link) in enumerate(sorted(links)):
            ports[link, box] = (at - (len(links) - 1) / 2) * pitch
    return ports


def _x(xs: Sequence[float], ports: _Ports, link: int, node: int) -> float:
    return round(xs[node] + ports.get((link, node), 0.0) - xs[-2])


def _steps(graph: _Graph, row: Sequence[int]) -> list[tuple[int, int, int]]:
    """The links that leave a row downwards, as (link, node in this row, node in the next)."""
    members = set(row)
    return [(k, a, b) for k, chain in enumerate(graph.chains) for a, b in pairwise(chain) if a in members]


_Step = tuple[float, float, int]


def _lanes(steps: Sequence[_Step]) -> dict[int, int]:
    """The lane, counted from the top, in which each link that is not straight crosses the space between two rows."""
    order: list[_Step] = []
    for step in steps:
        if step[0] != step[1]:
            order = _inserted(order, step)
    for step in list(order):  # few arrows bend in one space: moving each once more is enough
        order = _inserted([other for other in order if other != step], step)
    lanes: dict[int, int] = {}
    for at, step in enumerate(order):
        others = [other for other in order[:at] if _trouble(step, other) != _trouble(other, step) or _meet(step, other)]
        lanes[step[2]] = max((lanes[other[2]] + 1 for other in others), default=0)
    return lanes


def _inserted(order: list[_Step], step: _Step) -> list[_Step]:
    """The order with the step where it makes least trouble."""
    trouble = [
        sum(_trouble(other, step) for other in order[:at]) + sum(_trouble(step, other) for other in order[at:])
        for at in range(len(order) + 1)
    ]
    at = trouble.index(min(trouble))
    return [*order[:at], step, *order[at:]]


def _meet(a: _Step, b: _Step) -> bool:
    return max(min(a[:2]), min(b[:2])) < min(max(a[:2]), max(b[:2])) + PASSING


def _trouble(upper: _Step, lower: _Step) -> int:
    """How often two links cross if the first runs above the second; lying on each other counts as many crossings."""
    crossed = min(lower[:2]) <= upper[1] <= max(lower[:2])
    crosses = min(upper[:2]) <= lower[0] <= max(upper[:2])
    return crossed + crosses + 10 * (abs(upper[1] - lower[0]) < LANE / 2)


def _heights(graph: _Graph, lanes: Sequence[dict[int, int]]) -> tuple[list[float], list[float], float]:
    """The middle of every row, the height of the first lane below it, and the height of all."""
    rows_of_heads = [(graph.nodes[link.target].row, link.target > link.source) for link in graph.links]
    middles: list[float] = []
    firsts: list[float] = []
    y = 0.0
    for row, used in enumerate(lanes):
        tall = max((node.height for node in graph.nodes if node.row == row), default=0.0)
        middles.append(round(y + tall / 2))
        y += tall
        above = HEAD if (row, False) in rows_of_heads else TURN
        below = HEAD if (row + 1, True) in rows_of_heads else TURN
        firsts.append(y + above)
        if row < len(lanes) - 1:
            y += above + LANE * max(used.values()) + below if used else max(above, below)
    return middles, firsts, y


def _route(
    graph: _Graph,
    link: int,
    xs: Sequence[float],
    ports: _Ports,
    lanes: Sequence[dict[int, int]],
    ys: Sequence[float],
    firsts: Sequence[float],
) -> tuple[Point, ...]:
    """The corners of an arrow, from its source to its target."""
    chain = graph.chains[link]
    upper, lower = chain[0], chain[-1]
    from_box, to_box = graph.boxes[upper], graph.boxes[lower]
    start = ys[graph.nodes[upper].row] + from_box.height / 2 - from_box.inset(ports[link, upper])
    end = ys[graph.nodes[lower].row] - to_box.height / 2 + to_box.inset(ports[link, lower])
    points = [(_x(xs, ports, link, upper), start)]
    for a, b in pairwise(chain):
        row = graph.nodes[a].row
        if link in lanes[row]:
            y = firsts[row] + LANE * lanes[row][link]
            points += [(_x(xs, ports, link, a), y), (_x(xs, ports, link, b), y)]
    points.append((_x(xs, ports, link, lower), end))
    return tuple(points if graph.links[link].source == upper else reversed(points))
