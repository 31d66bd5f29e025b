"""The calibration from figures to draws: everything that `hcc-sim calibrate` does, in one place."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hcc_sim.calibration.left_out import LeftOutRatio, predict_left_out
from hcc_sim.calibration.model import Model, Quantity
from hcc_sim.calibration.network_data import overlaps
from hcc_sim.calibration.posterior import Posterior, draw_posterior
from hcc_sim.calibration.prior import CENTRAL, PRIORS, load_priors
from hcc_sim.calibration.solve import Search
from hcc_sim.calibration.targets import LeftOut, Target, targets_of
from hcc_sim.errors import InputError, Problem, nearest
from hcc_sim.figures import Evidence
from hcc_sim.parameters import CALIBRATION_FILES, Calibration
from hcc_sim.scenario import hcc_pathway_of

Floats = NDArray[np.float64]

VERSION = 1
"""Raised when the meaning of the engine or of a target changes: fits of another version are stale."""

SEED, PATIENTS, DRAWS = 20240502, 5_000, 200
LEARNED, PARTLY = 0.5, 0.85
"""Posterior over prior standard deviation up to which a parameter is learned, or partly."""


@dataclass(frozen=True)
class Ledger:
    """What was learned of a quantity: values, standard deviations of z (1 before), and the figures that tell most."""

    name: str
    prior_median: float
    prior_low: float
    prior_high: float
    posterior_median: float
    posterior_low: float
    posterior_high: float
    sd_ratio: float
    verdict: str
    figures: tuple[str, ...]


@dataclass(frozen=True)
class Fit:
    """A calibration: draws of every quantity, what they predict, and what was learned."""

    studies: Sequence[str]
    unknowns: Sequence[str]
    quantities: Sequence[Quantity]
    targets: Sequence[Target]
    left_out: Sequence[LeftOut]
    posterior: Posterior
    ledger: Sequence[Ledger]
    without_study: Sequence[LeftOutRatio]
    objective: float
    seconds: float

    @property
    def base(self) -> dict[str, float]:
        """The base case: each quantity at the posterior mean of its z, in its unit."""
        return self.values(self.posterior.draws.mean(axis=0))

    def values(self, z: Floats) -> dict[str, float]:
        """Name -> value, each in its unit."""
        return {quantity.name: quantity.value(z) for quantity in self.quantities}


def model_of(
    calibration: Calibration, evidence: Evidence, studies: Sequence[str] = (), *, patients: int, seed: int
) -> tuple[Model, list[LeftOut]]:
    """The model of some studies (of all, if none is named), and the figures that it leaves out.

    Raises:
        InputError: an unknown study, or one without any figure that the pathway can be held against.
    """
    targets, left = targets_of(evidence)
    problems = []
    for study in studies:
        if study not in evidence.studies:
            told = f"unknown study. {nearest(study, evidence.studies)} `hcc-sim evidence list` names all"
            problems.append(Problem(study, None, "", told.replace("  ", " ")))
        elif not any(target.study == study and target.fitted for target in targets):
            reasons = sorted({one.why for one in left if one.study == study}) or ["its figures are excluded or context"]
            problems.append(Problem(study, None, "", f"no figure of it can be fitted: {'; '.join(reasons)}"))
    if problems:
        raise InputError(problems)
    if studies:
        targets = [target for target in targets if target.study in studies]
    priors = load_priors(calibration.folder, calibration.parameters)
    held = calibration.parameters.values_only()
    return Model(hcc_pathway_of(calibration), held, priors, targets, seed, patients), left


def sizes_of(evidence: Evidence) -> dict[str, float]:
    """Arm -> patients, where printed."""
    return {
        f"{study.study}/{arm.regimen}": float(arm.patients)
        for study in evidence.studies.values()
        for arm in study.arms
        if arm.patients is not None
    }


def fit(
    calibration: Calibration,
    evidence: Evidence,
    studies: Sequence[str] = (),
    *,
    draws: int = DRAWS,
    patients: int = PATIENTS,
    seed: int = SEED,
    say: Callable[[str], None] = lambda _: None,
) -> Fit:
    """Find the most probable point and draw around it.

    Raises:
        InputError: as `model_of`.
    """
    started = time.perf_counter()
    model, left = model_of(calibration, evidence, studies, patients=patients, seed=seed)
    say(f"{len(model.targets)} figures of {len(model.arms)} arms, {len(model.unknowns)} unknowns")
    search = Search(model, sizes_of(evidence), say)
    best = search.run(np.zeros(len(model.unknowns)))
    posterior = draw_posterior(search, best, search.told, draws, seed, say)
    ledger = _ledger(model, posterior)
    without = predict_left_out(model, sizes_of(evidence), best, posterior, overlaps(evidence), seed)
    say(f"predicted {len(without)} hazard ratios without their studies")
    seconds = time.perf_counter() - started
    return Fit(
        studies,
        [unknown.name for unknown in model.unknowns],
        model.quantities,
        model.targets,
        left,
        posterior,
        ledger,
        without,
        best.objective,
        seconds,
    )


def _ledger(model: Model, posterior: Posterior) -> list[Ledger]:
    return [_entry(model, posterior, quantity) for quantity in model.quantities]


def _entry(model: Model, posterior: Posterior, quantity: Quantity) -> Ledger:
    """The standard deviation is that to first order at the most probable point: of so many draws it would be rough."""
    z = posterior.draws[:, quantity.places] @ np.array(quantity.weights)
    weights = np.array(quantity.weights)
    ratio = float(np.sqrt(weights @ posterior.covariance[np.ix_(quantity.places, quantity.places)] @ weights))
    before = [quantity.prior.at(end) for end in (-CENTRAL, 0.0, CENTRAL)]
    after = [quantity.prior.at(float(end)) for end in np.quantile(z, [0.025, 0.5, 0.975])]
    verdict = "learned" if ratio < LEARNED else "partly" if ratio < PARTLY else "prior only"
    told = _telling(model, posterior, quantity) if verdict != "prior only" else ()
    return Ledger(quantity.name, before[1], before[0], before[2], after[1], after[0], after[2], ratio, verdict, told)


def _telling(model: Model, posterior: Posterior, quantity: Quantity, most: int = 3) -> tuple[str, ...]:
    """The figures with most information on a quantity, each with at least a tenth of the prior's."""
    errors = np.array([target.reading.error for target in model.targets])
    slope = posterior.slope[:, quantity.places] @ np.array(quantity.weights)
    information = (slope / errors) ** 2
    order = np.argsort(-information)[:most]
    return tuple(model.targets[i].figure.id for i in order if information[i] > 0.1 and model.targets[i].fitted)


def hash_of(calibration: Calibration) -> str:
    """One hash over all that a fit hangs on: figures, priors, parameters, the pathway's data, and the version."""
    folder = calibration.folder
    files = [folder / name for name in (*CALIBRATION_FILES, PRIORS, "vocabulary.yaml")]
    files += sorted((folder / "figures").glob("*.yaml"))
    digest = hashlib.sha256()
    for file in files:
        digest.update(file.name.encode() + b"\0" + hashlib.sha256(file.read_bytes()).digest())
    pathway = hcc_pathway_of(calibration)
    digest.update(repr((pathway.states, pathway.attributes, pathway.epochs, sorted(pathway.laws))).encode())
    digest.update(str(VERSION).encode())
    return digest.hexdigest()


def folder_of(calibration: Calibration) -> Path:
    """Where fits are kept."""
    return calibration.folder / "fitted"
