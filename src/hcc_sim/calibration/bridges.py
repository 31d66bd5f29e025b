"""Declared bridges between islands of the evidence: assumed relative effects where no study compares anything."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import networkx as nx

from hcc_sim.calibration.network_data import LogRatio, select_ratios
from hcc_sim.errors import Problems, nearest
from hcc_sim.figures import Evidence
from hcc_sim.figures.network import network
from hcc_sim.figures.rules import QUANTILE
from hcc_sim.strict_yaml import Document, Keys, read_yaml
from hcc_sim.units import shown

ENDPOINTS = ("overall survival", "progression-free survival")
"""The endpoints that a bridge may be of: those of the network."""

KIND = "assumed"


@dataclass(frozen=True)
class Bridge:
    """An assumed hazard ratio of regimen v comparator, with its central 95% interval, and why it is assumed."""

    regimen: str
    comparator: str
    endpoint: str
    hazard_ratio: float
    low: float
    high: float
    kind: str
    reason: str

    @property
    def name(self) -> str:
        """`regimen v comparator`, which a bridge of the other endpoint may share."""
        return f"{self.regimen} v {self.comparator}"

    @property
    def log_ratio(self) -> LogRatio:
        """The bridge as a log hazard ratio beside those of studies."""
        error = math.log(self.high / self.low) / (2.0 * QUANTILE[95])
        note = f"{self.kind}: {self.reason}"
        mean = math.log(self.hazard_ratio)
        return LogRatio(
            f"bridge: {self.name}", "bridge", self.regimen, self.comparator, self.endpoint, mean, error, notes=(note,)
        )


_KEYS = tuple(field.name for field in fields(Bridge))


def load_bridges(path: Path | str, evidence: Evidence) -> tuple[Bridge, ...]:
    """The bridges of a file, in its order.

    A bridge must join two islands of its endpoint that neither the evidence nor the bridges above it join.

    Raises:
        InputError: every problem of the file, each with file, line and key.
    """
    document = read_yaml(path)
    problems = Problems()
    data = document.data
    if not isinstance(data, dict) or set(data) != {"bridges"} or not isinstance(data["bridges"], list):
        problems.add(document.problem((), "accepted: one key, 'bridges', with a list of bridges"))
        problems.raise_if_any()
    graphs = {endpoint: _graph(evidence, endpoint) for endpoint in ENDPOINTS}
    found: list[Bridge] = []
    for number, entry in enumerate(data["bridges"]):
        faults = list(_faults(entry, evidence)) if isinstance(entry, dict) else [("", "accepted: a mapping")]
        if not faults:
            bridge = Bridge(**entry)
            faults = list(_faults_of_place(bridge, graphs[bridge.endpoint]))
            graphs[bridge.endpoint].add_edge(bridge.regimen, bridge.comparator)
            found.append(bridge)
        _add(problems, document, ("bridges", number), faults)
    problems.raise_if_any()
    return tuple(found)


def _add(problems: Problems, document: Document, keys: Keys, faults: list[tuple[str, str]]) -> None:
    for key, message in faults:
        problems.add(document.problem((*keys, key) if key else keys, message))


def _graph(evidence: Evidence, endpoint: str) -> nx.Graph:
    """What studies compare for an endpoint, as far as it enters the network."""
    ratios, _ = select_ratios(evidence, (endpoint,))
    return network(ratio.contrast for ratio in ratios)


def _faults(entry: Mapping[str, Any], evidence: Evidence) -> Iterator[tuple[str, str]]:
    """What is wrong with the keys and values of one bridge."""
    for key in entry:
        if key not in _KEYS:
            yield key, " ".join(filter(None, (f"unknown key {shown(key)}.", nearest(key, _KEYS))))
    for key in _KEYS:
        if key not in entry:
            yield key, f"{key} is missing; accepted: {_ACCEPTED[key]}"
        elif key in ("hazard_ratio", "low", "high"):
            if not _is_ratio(entry[key]):
                yield key, f"given {shown(entry[key])}; accepted: {_ACCEPTED[key]}"
        elif not isinstance(entry[key], str) or not entry[key].strip():
            yield key, f"given {shown(entry[key])}; accepted: {_ACCEPTED[key]}"
        else:
            yield from _faults_of_text(key, entry[key], evidence)
    numbers = [entry.get(key) for key in ("low", "hazard_ratio", "high")]
    if all(_is_ratio(number) for number in numbers):
        low, value, high = (float(str(number)) for number in numbers)
        if low > high:
            yield "low", f"given {low:g}, above high, {high:g}; the lower end comes first"
        elif not low < value < high:
            yield "hazard_ratio", f"given {value:g}, which is not inside {low:g} to {high:g}"
    if entry.get("regimen") is not None and entry.get("regimen") == entry.get("comparator"):
        yield "comparator", "is the regimen itself; a bridge has two ends"


def _faults_of_text(key: str, given: str, evidence: Evidence) -> Iterator[tuple[str, str]]:
    if key in ("regimen", "comparator") and given not in evidence.vocabulary:
        told = (f"unknown regimen {shown(given)}.", nearest(given, evidence.vocabulary), "See vocabulary.yaml")
        yield key, " ".join(filter(None, told))
    if key == "endpoint" and given not in ENDPOINTS:
        told = (f"unknown endpoint {shown(given)}.", nearest(given, ENDPOINTS), f"Accepted: {_ACCEPTED[key]}")
        yield key, " ".join(filter(None, told))
    if key == "kind" and given != KIND:
        yield key, f"given {shown(given)}; accepted: {KIND}. What a study reports is a figure, not a bridge"


def _faults_of_place(bridge: Bridge, graph: nx.Graph) -> Iterator[tuple[str, str]]:
    """Why a bridge joins no islands, if so."""
    absent = [key for key in ("regimen", "comparator") if getattr(bridge, key) not in graph]
    for key in absent:
        regimen = getattr(bridge, key)
        yield key, f"no study compares {shown(regimen)} for {bridge.endpoint}: it is on no island to be joined"
    if not absent and nx.has_path(graph, bridge.regimen, bridge.comparator):
        way = " - ".join(nx.shortest_path(graph, bridge.regimen, bridge.comparator))
        why = "an assumption must not be weighed against evidence, nor two against each other"
        yield "regimen", f"joins no islands: {bridge.endpoint} is compared on the way {way} already, and {why}"


def _is_ratio(given: object) -> bool:
    return isinstance(given, int | float) and not isinstance(given, bool) and math.isfinite(given) and given > 0


_RATIO = "a number above 0"
_ACCEPTED = {
    "regimen": "a key of vocabulary.yaml",
    "comparator": "a key of vocabulary.yaml",
    "endpoint": " or ".join(ENDPOINTS),
    "hazard_ratio": _RATIO,
    "low": _RATIO,
    "high": _RATIO,
    "kind": KIND,
    "reason": "text: why so, and why so wide",
}
