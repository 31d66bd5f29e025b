"""From reported hazard ratios to log hazard ratios with standard errors: which enter, and by which stated rule."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import networkx as nx

from hcc_sim.calibration.sampling import DOWN_WEIGHT, of_hazard_ratio
from hcc_sim.figures import Evidence, Figure, Study
from hcc_sim.figures.network import LEFT_OUT, Contrast

PROGRESSION_FREE = "progression-free survival"
CRITERIA = ("RECIST 1.1", "mRECIST")
"""The criteria by which progression is comparable; others define it in a trial's own way."""

UNCHECKED = 2.0
"""Assumed: factor on the variance of a ratio whose support is memory; its record asks for a wider distribution."""

ASSUMED_ERROR = 0.30
"""Assumed: standard error of a log hazard ratio without interval and p value: 95% within a factor of 1.8."""

OVERLAP_RULES = ("cohorts_that_may_overlap", "same_median_in_two_studies")
TAKEN_FOR_CHANCE = "Taken for chance"
"""How a decision of the audit begins when studies that look alike are held to be different patients."""


@dataclass(frozen=True)
class LogRatio:
    """A log hazard ratio of regimen v comparator that enters the network (below 0 favours the regimen).

    `error` is its standard error after the rules of this module; `shares` say which part of its variance is of the
    regimen's arm and which of the comparator's (they add to 1).  `design` is the study's, or `bridge`.
    """

    study: str
    design: str
    regimen: str
    comparator: str
    endpoint: str
    mean: float
    error: float
    shares: tuple[float, float] = (0.5, 0.5)
    figure: str = ""
    notes: tuple[str, ...] = ()

    @property
    def contrast(self) -> Contrast:
        """The same as an edge of the evidence's graph, for its islands and loops."""
        return Contrast(self.regimen, self.comparator, self.endpoint, self.study, self.design, (self.figure,))


@dataclass(frozen=True)
class Refused:
    """A reported hazard ratio that does not enter the network, and why."""

    figure: str
    reason: str


def select_ratios(evidence: Evidence, endpoints: Sequence[str]) -> tuple[tuple[LogRatio, ...], tuple[Refused, ...]]:
    """All log hazard ratios of these endpoints, by study and in the order of its figures, and those refused.

    Of several figures for one pair of a study the first that is not down-weighted enters; what follows from other
    contrasts of the same study (A v B beside A v C and B v C) does not.
    """
    shared = overlaps(evidence)
    ratios: list[LogRatio] = []
    refused: list[Refused] = []
    for study in evidence.studies.values():
        for endpoint in endpoints:
            candidates: list[Figure] = []
            for figure in study.figures:
                if figure.measure != "hazard_ratio" or figure.endpoint != endpoint:
                    continue
                reason = _refusal(study, figure)
                if reason is None:
                    candidates.append(figure)
                else:
                    refused.append(Refused(figure.id, reason))
            for figure in _spanning(candidates, refused):
                ratios.append(_ratio(study, figure, _doubles(evidence, study, shared)))
    return tuple(ratios), tuple(refused)


def overlaps(evidence: Evidence) -> dict[str, frozenset[str]]:
    """For each study the others that may hold some of its patients, as the audit's decisions say.

    Every decision on cohorts that may overlap or on equal medians counts unless it begins with `Taken for chance`.
    """
    study_of = {figure.id: study.study for study, figure in evidence.figures()}
    found: dict[str, set[str]] = {study: set() for study in evidence.studies}
    for study in evidence.studies.values():
        for decision in study.decisions:
            if decision.rule in OVERLAP_RULES and not decision.decision.startswith(TAKEN_FOR_CHANCE):
                together = {study_of[figure] for figure in decision.figures}
                for one in together:
                    found[one] |= together - {one}
    return {study: frozenset(others) for study, others in found.items()}


def log_ratio(figure: Figure) -> tuple[float, float, tuple[str, ...]]:
    """Log hazard ratio, its standard error as printed, and notes on whatever was not simply read.

    The error is that of `sampling.of_hazard_ratio`; where neither interval nor p tells it, `ASSUMED_ERROR`.  A
    percentage is a reduction of the hazard, 1 - value / 100.

    Raises:
        ValueError: the figure has no value above 0, or a reduction of 100% or more.
    """
    value, low, high, notes = as_ratio(figure)
    if value is None or value <= 0:
        raise ValueError(f"{figure.id}: no hazard ratio can be taken from {figure.value} {figure.unit}")
    interval = None if low is None and high is None else (low, high)
    try:
        reading = of_hazard_ratio(value, interval, figure.level or 95, p=figure.p)
    except ValueError:
        told = f"no interval and no p that tells: error of {ASSUMED_ERROR} assumed"
        return math.log(value), ASSUMED_ERROR, (*notes, told)
    if interval is None:
        notes = (*notes, f"no interval: error from p {figure.p}")
    elif None in interval:
        notes = (*notes, "the error is from one end of the interval")
    return reading.value, reading.error, notes


def as_ratio(figure: Figure) -> tuple[float | None, float | None, float | None, tuple[str, ...]]:
    """Value and interval as ratios in the order of regimen and comparator, and notes."""
    value = figure.value
    low, high = figure.interval or (None, None)
    if figure.unit == "%":
        ends = [None if end is None else 1.0 - end / 100.0 for end in (high, low)]
        note = f"a reduction of {value}% is a ratio of 1 - {value}/100"
        return None if value is None else 1.0 - value / 100.0, ends[0], ends[1], (note,)
    corrected = figure.corrected_value
    if corrected is None or value is None or corrected == value:
        return value, low, high, ()
    if abs(corrected * value - 1.0) < 0.02:  # both are rounded to two decimals
        ends = [None if end is None else 1.0 / end for end in (high, low)]
        return 1.0 / value, ends[0], ends[1], (f"taken the other way round: {figure.correction}",)
    return corrected, low, high, (f"{corrected} instead of {value}: {figure.correction}",)


def _refusal(study: Study, figure: Figure) -> str | None:
    """Why a hazard ratio does not enter, if so."""
    if figure.status in LEFT_OUT:
        return f"{figure.status}: {figure.reason}"
    if figure.comparator is None or figure.regimen is None or figure.regimen == figure.comparator:
        return "does not compare two regimens"
    if figure.subset is not None:
        return f"is of a part of the patients: {figure.subset}"
    if figure.value is None:
        return "no value is printed"
    if figure.endpoint != PROGRESSION_FREE or figure.criterion in CRITERIA:
        return None
    stated = {other.criterion for other in study.figures} - {None, "not stated"}
    if figure.criterion == "not stated" or figure.criterion is None:
        if not stated or stated & set(CRITERIA):
            return None
        return f"criterion not stated, and the study states no other than {' and '.join(sorted(map(str, stated)))}"
    return f"progression by {figure.criterion} is not comparable"


def _spanning(figures: Sequence[Figure], refused: list[Refused]) -> list[Figure]:
    """Figures of one study and endpoint that do not follow from one another, those not down-weighted first."""
    graph = nx.Graph()
    chosen: list[Figure] = []
    for figure in sorted(figures, key=lambda figure: figure.status != "use"):
        regimen, comparator = figure.regimen, figure.comparator
        if graph.has_node(regimen) and graph.has_node(comparator) and nx.has_path(graph, regimen, comparator):
            refused.append(Refused(figure.id, "follows from other contrasts of the same study"))
            continue
        graph.add_edge(regimen, comparator)
        chosen.append(figure)
    return [figure for figure in figures if figure in chosen]


def _doubles(evidence: Evidence, study: Study, shared: Mapping[str, frozenset[str]]) -> list[str]:
    """Studies that may share patients of an arm with this one and do not yield to it: a trial yields to trials only."""
    arms = _regimens(study)
    partners = [evidence.studies[other] for other in sorted(shared[study.study])]
    return [
        partner.study
        for partner in partners
        if _regimens(partner) & arms and not (study.design == "randomised" and partner.design != "randomised")
    ]


def _regimens(study: Study) -> set[str]:
    """The regimens of a study's hazard ratios."""
    ratios = [figure for figure in study.figures if figure.measure == "hazard_ratio"]
    return {name for figure in ratios for name in (figure.regimen, figure.comparator) if name is not None}


def _ratio(study: Study, figure: Figure, doubles: Sequence[str]) -> LogRatio:
    """The ratio with its variance enlarged by every rule that applies."""
    mean, error, notes = log_ratio(figure)
    factor = 1.0
    if figure.status == "down-weight":
        factor *= DOWN_WEIGHT
        notes = (*notes, f"down-weighted: variance x {DOWN_WEIGHT:g}")
    elif figure.support == "memory":
        factor *= UNCHECKED
        notes = (*notes, f"unchecked (memory): variance x {UNCHECKED:g}")
    if doubles:
        factor *= 1 + len(doubles)  # an arm counted in n studies gives each 1 / n of its information
        notes = (*notes, f"may share patients with {', '.join(doubles)}: variance x {1 + len(doubles)}")
    assert figure.regimen is not None
    assert figure.comparator is not None
    plain = LogRatio(study.study, study.design, figure.regimen, figure.comparator, figure.endpoint, mean, error)
    enlarged = error * math.sqrt(factor)
    return replace(plain, error=enlarged, shares=_shares(study, figure), figure=figure.id, notes=notes)


def _shares(study: Study, figure: Figure) -> tuple[float, float]:
    """The parts of the variance that are of each arm: 1 / events each, with events as the patients (else halves)."""
    patients = {arm.regimen: arm.patients for arm in study.arms}
    first, second = patients.get(str(figure.regimen)), patients.get(str(figure.comparator))
    if not first or not second:
        return 0.5, 0.5
    return second / (first + second), first / (first + second)
