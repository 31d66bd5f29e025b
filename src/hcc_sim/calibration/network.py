"""Relative effects of regimens on overall and progression-free survival: a network meta-analysis of both jointly."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import networkx as nx
import numpy as np
from scipy.special import ndtr

from hcc_sim.calibration.bridges import ENDPOINTS, Bridge
from hcc_sim.calibration.network_checks import (
    NOT_ASSESSABLE,
    LoopTest,
    Prediction,
    Residual,
    loop_tests,
    predicted,
    residuals,
)
from hcc_sim.calibration.network_data import LogRatio, Refused, overlaps, select_ratios
from hcc_sim.calibration.network_model import Array, Assumptions, Model, Parameter, Posterior, build, solve, tau_grid
from hcc_sim.errors import nearest
from hcc_sim.figures import Evidence
from hcc_sim.figures.network import islands, network

REFERENCE = "sorafenib"
"""The reference of the island that holds it; of other islands the regimen that most others are compared with."""

DEFAULT_ASSUMPTIONS = Assumptions()

Islands = tuple[tuple[str, ...], ...]


class NoPath(ValueError):
    """Two regimens that no study and no bridge relates."""


@dataclass(frozen=True)
class Tau:
    """Heterogeneity: standard deviation between studies of the true log hazard ratios of one pair."""

    mean: float
    sd: float
    median: float
    low: float
    high: float


@dataclass(frozen=True)
class Draws:
    """Joint draws: `log_hazard_ratios` (count, regimens) v their references, named by `parameters`; `tau` (count, e).

    `tau` has a column for each of `endpoints`, and takes the values of the grid.
    """

    parameters: tuple[Parameter, ...]
    endpoints: tuple[str, ...]
    log_hazard_ratios: Array
    tau: Array


@dataclass(frozen=True)
class Network:
    """A fitted network.

    Attributes:
        islands_before: by endpoint, the regimens that studies hang together, largest island first.
        islands: the same with bridges.
        ways: by endpoint and regimen, the regimens from its island's reference to it, both included.
        residuals: every log hazard ratio that entered, bridges included, with residual, weight and notes.
        refused: every one that did not, and why.
    """

    endpoints: tuple[str, ...]
    bridges: tuple[Bridge, ...]
    assumptions: Assumptions
    islands_before: Mapping[str, Islands]
    islands: Mapping[str, Islands]
    ways: Mapping[tuple[str, str], tuple[str, ...]]
    residuals: tuple[Residual, ...]
    refused: tuple[Refused, ...]
    model: Model
    posterior: Posterior
    overlaps: Mapping[str, frozenset[str]]

    def relative(self, regimen: str, comparator: str, endpoint: str) -> tuple[float, float, tuple[Bridge, ...]]:
        """Posterior mean and standard deviation of the log hazard ratio, and the bridges that it crosses.

        Raises:
            NoPath: nothing relates the two; says which islands they are on and which bridge would join them.
            ValueError: the endpoint is none of the network's.
        """
        crossed = self._path(regimen, comparator, endpoint)
        mean, sd = self.posterior.combination(self.coefficients(regimen, comparator, endpoint))
        return mean, sd, crossed

    def coefficients(self, regimen: str, comparator: str, endpoint: str) -> Array:
        """Coefficients (P) on the model's parameters of a log hazard ratio between regimens of one island."""
        signs = {regimen: 1.0, comparator: -1.0} if regimen != comparator else {}
        return np.array(
            [signs.get(p.name, 0.0) if p.reference and p.endpoint == endpoint else 0.0 for p in self.model.parameters]
        )

    def bias(self, design: str, endpoint: str) -> tuple[float, float] | None:
        """Posterior mean and standard deviation of a design's common bias; None of designs without one."""
        kind = self.assumptions.bias(design)
        if kind is None:
            return None
        chosen = [p.name == kind[0] and not p.reference and p.endpoint == endpoint for p in self.model.parameters]
        mean, sd = self.posterior.combination(np.array(chosen, dtype=float))
        return kind[1].mean + mean, sd

    def tau(self, endpoint: str) -> Tau:
        """Posterior of an endpoint's heterogeneity; quantiles interpolated on the grid."""
        values = self.posterior.tau[:, self.endpoints.index(endpoint)]
        grid, place = np.unique(values, return_inverse=True)
        weights = np.bincount(place, weights=self.posterior.weights)
        mean = float(weights @ grid)
        sd = float(np.sqrt(weights @ (grid - mean) ** 2))
        below = np.concatenate([[0.0], np.cumsum(weights) - 0.5 * weights])
        low, median, high = (float(np.interp(level, below, [0.0, *grid])) for level in (0.025, 0.5, 0.975))
        return Tau(mean, sd, median, low, high)

    def draws(self, count: int, seed: int) -> Draws:
        """Joint draws of all basic parameters and of tau: equal for equal seeds, and the first of more draws.

        A draw takes P + 1 standard normals of PCG64: the first chooses tau by its distribution function, the others
        make the parameters by the Cholesky factor of their covariance at this tau.
        """
        normals = np.random.Generator(np.random.PCG64(seed)).standard_normal((count, len(self.model.parameters) + 1))
        upper = np.cumsum(self.posterior.weights)
        chosen = np.minimum(np.searchsorted(upper, ndtr(normals[:, 0]) * upper[-1], side="right"), len(upper) - 1)
        values = np.empty((count, len(self.model.parameters)))
        for point in np.unique(chosen):
            rows = chosen == point
            factor = np.linalg.cholesky(self.posterior.covariances[point])
            values[rows] = self.posterior.means[point]
            for column in range(values.shape[1]):  # a matrix product's bits change with the number of rows
                values[rows] += normals[rows, column + 1, None] * factor[:, column]
        relative = [number for number, parameter in enumerate(self.model.parameters) if parameter.reference]
        names = tuple(self.model.parameters[number] for number in relative)
        return Draws(names, self.endpoints, values[:, relative], self.posterior.tau[chosen])

    def inconsistency(self) -> dict[str, tuple[LoopTest, ...] | str]:
        """For each endpoint a test of every loop, or `not assessable` where studies make no loop."""
        return {
            endpoint: loop_tests(self.model, self.posterior, endpoint) or NOT_ASSESSABLE for endpoint in self.endpoints
        }

    def predict_left_out(self, study: str) -> tuple[Prediction, ...]:
        """What the network says of a study's log hazard ratios without it and without those that share its patients.

        Both endpoints are left out together.  Bridges stay.

        Raises:
            ValueError: the study has no ratio in the network.
        """
        studies = {ratio.study for ratio in self.model.ratios if ratio.design != "bridge"}
        if study not in studies:
            raise ValueError(f"no such study in the network: '{study}'. {nearest(study, studies)}".rstrip())
        without = {study} | (self.overlaps[study] & studies)
        rest = [ratio for ratio in self.model.ratios if ratio.design != "bridge" and ratio.study not in without]
        fitted = _fit(rest, self.bridges, self.endpoints, self.assumptions, (), self.overlaps)
        own = [ratio for ratio in self.model.ratios if ratio.study == study]
        target = build(own, self.endpoints, fitted.ways, self.assumptions)
        found = []
        for row, ratio in enumerate(own):
            try:
                crossed = fitted._path(ratio.regimen, ratio.comparator, ratio.endpoint)
            except NoPath:
                found.append(Prediction(ratio, tuple(sorted(without))))
                continue
            mean, sd = predicted(fitted.posterior, target, row)
            found.append(Prediction(ratio, tuple(sorted(without)), mean, sd, tuple(bridge.name for bridge in crossed)))
        return tuple(found)

    def _path(self, regimen: str, comparator: str, endpoint: str) -> tuple[Bridge, ...]:
        """The bridges between two regimens; NoPath if there is no way."""
        if endpoint not in self.endpoints:
            raise ValueError(f"unknown endpoint '{endpoint}'. {nearest(endpoint, self.endpoints)}".rstrip())
        known = sorted({name for of, name in self.ways if of == endpoint})
        for name in (regimen, comparator):
            if name not in known:
                hint = nearest(name, known)
                raise NoPath(f"{endpoint}: no study compares '{name}', so it is on no island. {hint}".rstrip())
        places = {name: number for number, island in enumerate(self.islands_before[endpoint]) for name in island}
        graph = nx.Graph()
        graph.add_nodes_from(places.values())
        for bridge in reversed([bridge for bridge in self.bridges if bridge.endpoint == endpoint]):
            graph.add_edge(places[bridge.regimen], places[bridge.comparator], bridge=bridge)
        try:
            way = nx.shortest_path(graph, places[regimen], places[comparator])
        except nx.NetworkXNoPath:
            raise NoPath(self._no_path(regimen, comparator, endpoint)) from None
        return tuple(graph.edges[a, b]["bridge"] for a, b in pairwise(way))

    def _no_path(self, regimen: str, comparator: str, endpoint: str) -> str:
        """Both islands, and the bridge that would join them."""
        islands = {name: island for island in self.islands[endpoint] for name in island}
        ends = " v ".join(self.ways[endpoint, name][0] for name in (regimen, comparator))
        return (
            f"{endpoint}: nothing relates '{regimen}' (island of {_listed(islands[regimen])}) to '{comparator}' (island"
            f" of {_listed(islands[comparator])}). A bridge between a regimen of each would, such as '{ends}': declare "
            "it in calibration/bridges.yaml with its reason, unless the islands begin at different times"
        )


def fit_network(
    evidence: Evidence,
    bridges: Sequence[Bridge],
    endpoints: Sequence[str] = ENDPOINTS,
    assumptions: Assumptions = DEFAULT_ASSUMPTIONS,
) -> Network:
    """Fit the random-effects network of these endpoints jointly; no chance is involved.

    Raises:
        ValueError: an endpoint is none of overall and progression-free survival, or no ratio of it is reported.
    """
    for endpoint in endpoints:
        if endpoint not in ENDPOINTS:
            raise ValueError(f"unknown endpoint '{endpoint}'. {nearest(endpoint, ENDPOINTS)}".rstrip())
    ratios, refused = select_ratios(evidence, endpoints)
    if not ratios:
        raise ValueError(f"no hazard ratio of {' or '.join(endpoints)} can be used")
    return _fit(ratios, bridges, endpoints, assumptions, refused, overlaps(evidence))


def _fit(
    ratios: Sequence[LogRatio],
    bridges: Sequence[Bridge],
    endpoints: Sequence[str],
    assumptions: Assumptions,
    refused: tuple[Refused, ...],
    shared: Mapping[str, frozenset[str]],
) -> Network:
    """The network of these log hazard ratios; a bridge's end that no study names is an island of its own."""
    of_endpoints = tuple(bridge for bridge in bridges if bridge.endpoint in endpoints)
    rows = [*ratios, *(bridge.log_ratio for bridge in of_endpoints)]
    before: dict[str, Islands] = {}
    after: dict[str, Islands] = {}
    ways: dict[tuple[str, str], tuple[str, ...]] = {}
    for endpoint in endpoints:
        studied = [ratio.contrast for ratio in ratios if ratio.endpoint == endpoint]
        joined = [ratio.contrast for ratio in rows if ratio.endpoint == endpoint]
        alone = {name for contrast in joined for name in contrast.pair}
        alone -= {name for contrast in studied for name in contrast.pair}
        before[endpoint] = tuple(map(tuple, [*islands(studied), *([name] for name in sorted(alone))]))
        after[endpoint] = tuple(map(tuple, islands(joined)))
        graph = network(joined)
        for island in after[endpoint]:
            from_reference = nx.single_source_shortest_path(graph, _reference(island, graph))
            ways |= {(endpoint, name): tuple(way) for name, way in from_reference.items()}
    model = build(rows, endpoints, ways, assumptions)
    posterior = solve(model, *tau_grid(len(endpoints), assumptions))
    return Network(
        tuple(endpoints), of_endpoints, assumptions, before, after, ways, residuals(model, posterior), refused,
        model, posterior, shared,
    )  # fmt: skip


def _reference(island: Sequence[str], graph: nx.Graph) -> str:
    """Sorafenib, or else the first by name of the regimens that most others are compared with."""
    return REFERENCE if REFERENCE in island else max(island, key=graph.degree)


def _listed(island: Sequence[str], most: int = 6) -> str:
    """The regimens of an island, the first few of a large one."""
    rest = len(island) - most
    return ", ".join(island[:most]) + (f" and {rest} more" if rest > 0 else "")
