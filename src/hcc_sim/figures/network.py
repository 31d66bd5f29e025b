"""The network of evidence: which regimens studies compare, what hangs together, and where studies close a loop."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import get_args

import networkx as nx

from hcc_sim.errors import nearest
from hcc_sim.figures.reading import Evidence
from hcc_sim.figures.schema import Endpoint

LEFT_OUT = ("exclude", "context")
"""The statuses of a hazard ratio that link nothing."""


@dataclass(frozen=True)
class Contrast:
    """Two regimens that a study compares by hazard ratios, with the ids of these figures."""

    regimen: str
    comparator: str
    endpoint: str
    study: str
    design: str
    figures: tuple[str, ...]

    @property
    def pair(self) -> tuple[str, str]:
        """Both regimens by name, whichever way round the study compares them."""
        first, second = sorted((self.regimen, self.comparator))
        return first, second


@dataclass(frozen=True)
class Loop:
    """Regimens in order round a loop; `studies[i]` compare `regimens[i]` with the next, the last with the first."""

    regimens: tuple[str, ...]
    studies: tuple[tuple[str, ...], ...]


def contrasts(evidence: Evidence, endpoint: str) -> list[Contrast]:
    """One contrast for each study and pair of different regimens, by study, regimen and comparator.

    A study that prints a pair both ways round has one contrast, in the direction that stands first.

    Raises:
        ValueError: there is no such endpoint.
    """
    known = get_args(Endpoint)
    if endpoint not in known:
        raise ValueError(f"unknown endpoint '{endpoint}'. {nearest(endpoint, known)}".rstrip())
    found: dict[tuple[str, tuple[str, str]], Contrast] = {}
    for study, figure in evidence.figures():
        regimen, comparator = figure.regimen, figure.comparator
        if figure.measure != "hazard_ratio" or figure.endpoint != endpoint or figure.status in LEFT_OUT:
            continue
        if regimen is None or comparator is None or regimen == comparator:
            continue
        new = Contrast(regimen, comparator, endpoint, study.study, study.design, (figure.id,))
        key = (study.study, new.pair)
        old = found.get(key, new)
        figures = tuple(dict.fromkeys((*old.figures, figure.id)))
        found[key] = Contrast(old.regimen, old.comparator, endpoint, study.study, study.design, figures)
    return sorted(found.values(), key=lambda contrast: (contrast.study, contrast.regimen, contrast.comparator))


def network(contrasts: Iterable[Contrast]) -> nx.Graph:
    """Regimens as nodes; an edge for each compared pair, with its `contrasts` and its `studies`, both tuples."""
    by_pair: dict[tuple[str, str], list[Contrast]] = {}
    for contrast in contrasts:
        by_pair.setdefault(contrast.pair, []).append(contrast)
    graph = nx.Graph()
    graph.add_nodes_from(sorted({regimen for pair in by_pair for regimen in pair}))
    for pair, of_pair in sorted(by_pair.items()):
        studies = tuple(sorted({contrast.study for contrast in of_pair}))
        graph.add_edge(*pair, contrasts=tuple(of_pair), studies=studies)
    return graph


def islands(contrasts: Iterable[Contrast]) -> list[list[str]]:
    """Regimens that hang together: largest island first, then by name; regimens by name inside."""
    components = [sorted(component) for component in nx.connected_components(network(contrasts))]
    return sorted(components, key=lambda island: (-len(island), island))


def loops(contrasts: Iterable[Contrast]) -> list[Loop]:
    """Independent loops that more than one study makes, shortest first: where studies can contradict each other.

    A design is a set of regimens compared together in one study, however many of its contrasts are printed.  Designs
    and regimens are the two kinds of nodes of a graph, and its cycles are the loops.  A trial of three arms is a star
    in it: alone it makes no loop, since its contrasts agree by construction.  Nor do two studies of one design: they
    can differ, but by heterogeneity.  The loops are as many as the degrees of freedom of the inconsistency between
    designs in Higgins and others 2012 (doi:10.1002/jrsm.1044), sum of (arms - 1) over designs - (regimens - islands).

    An indirect comparison counts like any study, although it brings no trial of its own.
    """
    studies_of = _designs(contrasts)
    designs = sorted(studies_of)
    regimens = sorted({regimen for design in designs for regimen in design})
    names = [*regimens, *designs]
    graph = nx.Graph()  # of numbers: the order of texts in a set changes from run to run
    for number, design in enumerate(designs, len(regimens)):
        graph.add_edges_from((regimens.index(regimen), number) for regimen in design)
    found = [_loop(graph.subgraph(cycle), names, studies_of) for cycle in nx.minimum_cycle_basis(graph)]
    return sorted(found, key=lambda loop: (len(loop.regimens), loop.regimens, loop.studies))


def _designs(contrasts: Iterable[Contrast]) -> dict[tuple[str, ...], list[str]]:
    """The studies of each design; a study of two unconnected comparisons has two designs."""
    by_study: dict[str, list[Contrast]] = {}
    for contrast in contrasts:
        by_study.setdefault(contrast.study, []).append(contrast)
    studies_of: dict[tuple[str, ...], list[str]] = {}
    for study, of_study in sorted(by_study.items()):
        for design in islands(of_study):
            studies_of.setdefault(tuple(design), []).append(study)
    return studies_of


def _loop(cycle: nx.Graph, names: list, studies_of: dict[tuple[str, ...], list[str]]) -> Loop:
    """A cycle read from its first regimen by name; shortest cycles have no chords, so the walk has one way to go."""
    walk = [min(cycle)]
    while len(walk) < len(cycle):
        walk.append(min(set(cycle[walk[-1]]) - set(walk)))
    around = [names[node] for node in walk]
    return Loop(tuple(around[::2]), tuple(tuple(studies_of[design]) for design in around[1::2]))
