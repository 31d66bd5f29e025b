"""The library of regimens: every regimen that the documents name, and what is known of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from hcc_sim.calibration.starts import start_of
from hcc_sim.calibration.targets import OPERATED, Target, targets_of
from hcc_sim.figures import Evidence

if TYPE_CHECKING:
    from hcc_sim.calibration.fitted import Fitted

Grade = Literal["calibrated", "network", "described"]
SURVIVAL = ("overall survival", "progression-free survival")


@dataclass(frozen=True)
class Regimen:
    """A regimen with its grade.

    `calibrated`: an arm of it with a survival time of its own is fitted.  `network`: a hazard ratio relates it to
    others, no more.  `described`: named, without a figure that a simulation could use; it needs the user's own numbers.
    """

    key: str
    name: str
    grade: Grade
    arms: tuple[str, ...]
    """The fitted arms, those without a survival time included."""


def library(evidence: Evidence) -> list[Regimen]:
    """Every regimen of the vocabulary, by grade and then by key."""
    targets = [target for target in targets_of(evidence)[0] if target.fitted]
    arms: dict[str, dict[str, None]] = {}
    for target in targets:
        for arm in target.arms:
            arms.setdefault(arm.partition("/")[2], {})[arm] = None
    with_times = {target.arm.partition("/")[2] for target in targets if _tells_survival(target)}
    with_times |= {regimen for regimen in arms if start_of(regimen) is not None}
    related = {
        key
        for _, figure in evidence.figures()
        if figure.measure == "hazard_ratio" and figure.status not in ("exclude", "context")
        if figure.regimen != figure.comparator
        for key in (figure.regimen, figure.comparator)
    }
    found = []
    for key, term in evidence.vocabulary.items():
        grade: Grade = "calibrated" if key in with_times else "network" if key in related else "described"
        found.append(Regimen(key, term.name, grade, tuple(arms.get(key.removeprefix(OPERATED), ()))))
    order: Mapping[Grade, int] = {"calibrated": 0, "network": 1, "described": 2}
    return sorted(found, key=lambda one: (order[one.grade], one.key))


def _tells_survival(target: Target) -> bool:
    figure = target.figure
    return figure.endpoint in SURVIVAL and figure.measure == "median" and not target.of_operated


def parameters_of(regimen: Regimen, fitted: Fitted) -> dict[str, tuple[float, float, float]]:
    """Median and central 95% of each parameter that is a regimen's own."""
    start = f"{regimen.key}: "
    return {
        name.removeprefix(start): tuple(np.quantile(draws, [0.5, 0.025, 0.975]).tolist())
        for name, draws in fitted.draws.items()
        if name.startswith(start)
    }
