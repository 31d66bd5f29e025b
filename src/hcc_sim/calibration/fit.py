"""The calibration from figures to draws: everything that `hcc-sim calibrate` does, in one place."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from hcc_sim.calibration.bridges import load_bridges
from hcc_sim.calibration.checks import Check, OfArm, effective_by_arm, predictive_checks
from hcc_sim.calibration.left_out import LeftOutRatio, predict_left_out
from hcc_sim.calibration.library import Regimen, library
from hcc_sim.calibration.model import Model, Quantity
from hcc_sim.calibration.network import fit_network
from hcc_sim.calibration.network_data import overlaps
from hcc_sim.calibration.only_in_network import SOUGHT, Solved, solve_only_in_network
from hcc_sim.calibration.posterior import Posterior, draw_posterior
from hcc_sim.calibration.prior import Prior, load_priors
from hcc_sim.calibration.ridge import RidgePoint, ridge_of
from hcc_sim.calibration.solve import Found, Search
from hcc_sim.calibration.targets import LeftOut, Target, targets_of
from hcc_sim.errors import InputError, Problem, nearest
from hcc_sim.figures import Evidence
from hcc_sim.fit_in_use import BY_NETWORK, OF_TRIAL, PRIOR_ONLY, UNSURE
from hcc_sim.parameters import Calibration
from hcc_sim.quantiles import CENTRAL
from hcc_sim.scenario import hcc_pathway_of

Floats = NDArray[np.float64]

SEED, PATIENTS, DRAWS = 20240502, 5_000, 200
SPREAD_OF_STARTS = 0.5
"""Prior standard deviations by which a second start lies off the prior's median."""

LEAST_COVARIANCE = 2e-4
"""Of two z, whose prior variances are 1; smaller ones are not kept."""

LEARNED, PARTLY, MOVED = 0.5, UNSURE, 0.25
"""Posterior over prior standard deviation up to which a parameter is learned, or partly; prior standard deviations by
which figures must have moved it to be partly learned, however unsure it stays."""


@dataclass(frozen=True)
class Ledger:
    """What was learned of a quantity, and from which figures.

    `value` is its base case, at the mean `z` of the draws, which run from `z_least` to `z_most`; `prior_*` and
    `posterior_*` are medians and central 95% intervals in its unit, after as if z were normal; `sd_ratio` is the
    standard deviation of z after by that before.  `family`, `low` and `high` are the prior's, `parameter` is what it
    sets in the pathway, if anything.
    """

    name: str
    parameter: str
    family: str
    low: float
    high: float
    value: float
    z: float
    z_least: float
    z_most: float
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
    regimens: Sequence[Regimen]
    of_arms: Sequence[OfArm]
    checks: Sequence[Check]
    only_in_network: Sequence[Solved]
    ridge: Sequence[RidgePoint]
    objective: float
    seconds: float

    @property
    def covariance(self) -> dict[str, dict[str, float]]:
        """Of the z of each quantity that is common to all patients with those of all that set a parameter.

        Without those that trials and studies have for themselves.  Correlations are to first order, standard deviations
        those of the ledger; what is smaller than `LEAST_COVARIANCE` is left out.
        """
        kept = [one for one in self.quantities if one.prior.parameter and not one.name.startswith(OF_TRIAL)]
        weights = np.zeros((len(kept), len(self.posterior.covariance)))
        for row, quantity in enumerate(kept):
            weights[row, quantity.places] = quantity.weights
        first_order = weights @ self.posterior.covariance @ weights.T
        told = {entry.name: entry.sd_ratio for entry in self.ledger}
        spread = np.array([told[one.name] * one.spread for one in kept]) / np.sqrt(np.diag(first_order))
        full = first_order * np.outer(spread, spread)
        found = {
            one.name: {
                other.name: round(float(c), 6)
                for other, c in zip(kept, full[row], strict=True)
                if abs(c) >= LEAST_COVARIANCE
            }
            for row, one in enumerate(kept)
            if not one.owner
        }
        for entries in found.values():  # what was sought to show a ratio against another moves with that other
            for solved in self.only_in_network:
                for parameter in (SOUGHT, *solved.borrowed):
                    entries.pop(f"{solved.regimen}: {parameter}", None)
                    if (moves := entries.get(f"{solved.comparator}: {parameter}")) is not None:
                        entries[f"{solved.regimen}: {parameter}"] = moves
        return found

    @property
    def values(self) -> dict[str, Floats]:
        """Name -> draws (D,) of each quantity, in its unit."""
        found = {one.name: np.array([one.value(z) for z in self.posterior.draws]) for one in self.quantities}
        for solved in self.only_in_network:
            for parameter, z in solved.z.items():
                found[f"{solved.regimen}: {parameter}"] = np.array([solved.priors[parameter].at(one) for one in z])
        return found


def model_of(
    calibration: Calibration, evidence: Evidence, studies: Sequence[str] = (), *, patients: int, seed: int
) -> tuple[Model, list[LeftOut]]:
    """The model of some studies (of all, if none is named), and the figures that it leaves out.

    Raises:
        InputError: an unknown study, or none that has a figure that the pathway can be held against.
    """
    targets, left = targets_of(evidence)
    problems = [
        Problem(study, None, "", " ".join(f"unknown study. {nearest(study, evidence.studies)} {LISTED}".split()))
        for study in studies
        if study not in evidence.studies
    ]
    without = refused(studies, targets, left)
    if not problems and studies and len(without) == len(studies):
        problems = [Problem(study, None, "", why) for study, why in without.items()]
    if problems:
        raise InputError(problems)
    if studies:
        targets = [target for target in targets if target.study in studies]
    priors = load_priors(calibration.folder, calibration.parameters)
    held = calibration.parameters.values_only()
    return Model(hcc_pathway_of(calibration), held, priors, targets, seed, patients), left


LISTED = "`hcc-sim evidence list` names all"


def refused(studies: Sequence[str], targets: Sequence[Target], left: Sequence[LeftOut]) -> dict[str, str]:
    """Study -> why no figure of it can be fitted, each figure named; the others go on without it."""
    with_target = {target.study for target in targets if target.fitted}
    reasons = {
        study: "; ".join(f"{one.figure.id}: {one.why}" for one in left if one.study == study)
        for study in studies
        if study not in with_target
    }
    return {
        study: f"no figure of it can be fitted: {why or 'all are excluded or context'}"
        for study, why in reasons.items()
    }


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
    ridge: bool = False,
    say: Callable[[str], None] = lambda _: None,
) -> Fit:
    """Find the most probable point and draw around it; with `ridge` also what the effect of surgery hangs on.

    Raises:
        InputError: as `model_of`.
    """
    started = time.perf_counter()
    model, left = model_of(calibration, evidence, studies, patients=patients, seed=seed)
    for study, why in refused(studies, model.targets, left).items():
        say(f"{study}: {why}")
    say(f"{len(model.targets)} figures of {len(model.arms)} arms, {len(model.unknowns)} unknowns")
    search = Search(model, sizes_of(evidence), say)
    best, posterior = _posterior_of(search, draws, seed, say)
    for doubt in posterior.doubts:
        say(f"doubtful: {doubt}")
    solved = [] if studies else _only_in_network(calibration, evidence, model, posterior, seed, say)
    ledger = _ledger(model, posterior, solved)
    without = predict_left_out(search, best, posterior, overlaps(evidence), seed)
    say(f"predicted {len(without)} hazard ratios without their studies")
    checks = effective_by_arm(search, posterior), predictive_checks(search, posterior)
    return Fit(
        studies,
        [unknown.name for unknown in model.unknowns],
        model.quantities,
        model.targets,
        left,
        posterior,
        ledger,
        without,
        library(evidence),
        *checks,
        solved,
        _ridge(search, best, posterior, say) if ridge else [],
        best.objective,
        time.perf_counter() - started,
    )


def _posterior_of(search: Search, draws: int, seed: int, say: Callable[[str], None]) -> tuple[Found, Posterior]:
    """The most probable point and draws around it; if those are in doubt, once more from another start."""
    size = len(search.model.unknowns)
    best = search.run(np.zeros(size))
    posterior = draw_posterior(search, best, search.told, draws, seed, say)
    if not posterior.doubts:
        return best, posterior
    say(f"doubtful ({'; '.join(posterior.doubts)}): once more from another start")
    told, covariance = search.told, search.covariance
    start = SPREAD_OF_STARTS * np.random.Generator(np.random.PCG64(seed)).standard_normal(size)
    other = search.run(start)
    if other.objective >= search.objective(best.z, best.predicted):
        search.told = told
        search.know(covariance)
        say("nothing more probable was found")
        return best, posterior
    return other, draw_posterior(search, other, search.told, draws, seed, say)


def _ridge(search: Search, best: Found, posterior: Posterior, say: Callable[[str], None]) -> list[RidgePoint]:
    """Only where some study compares operated with unoperated patients."""
    if all(target.compares is None for target in search.model.targets):
        return []
    return ridge_of(search, best, posterior, say)


def _only_in_network(
    calibration: Calibration,
    evidence: Evidence,
    model: Model,
    posterior: Posterior,
    seed: int,
    say: Callable[[str], None],
) -> list[Solved]:
    network = fit_network(evidence, load_bridges(calibration.folder / "bridges.yaml", evidence))
    found = solve_only_in_network(model, posterior.draws, network, library(evidence), seed)
    for one in found:
        say(f"{one.regimen}: by its {one.endpoint} against {one.comparator}; missed by {one.missed:.3f} at most")
    return found


def _ledger(model: Model, posterior: Posterior, solved: Sequence[Solved]) -> list[Ledger]:
    entries = {quantity.name: _entry(model, posterior, quantity) for quantity in model.quantities}
    for one in solved:
        for parameter, z in one.z.items():
            name = f"{one.regimen}: {parameter}"
            told = one.figures if parameter == SOUGHT else ()
            if parameter == SOUGHT or name not in entries:
                entry = _told(name, one.priors[parameter], z, 1.0, float(np.std(z, ddof=1)), told)
                entries[name] = replace(entry, verdict=BY_NETWORK, figures=told) if parameter == SOUGHT else entry
    return list(entries.values())


def _entry(model: Model, posterior: Posterior, quantity: Quantity) -> Ledger:
    """With the standard deviation of the draws, for to first order it is too small; the prior's where nothing tells."""
    weights = np.array(quantity.weights)
    z = posterior.draws[:, quantity.places] @ weights
    variance = weights @ posterior.covariance[np.ix_(quantity.places, quantity.places)] @ weights
    sd = float(np.std(z, ddof=1)) if variance < quantity.spread**2 * (1.0 - LEAST_COVARIANCE) else quantity.spread
    return _told(quantity.name, quantity.prior, z, quantity.spread, sd, _telling(model, posterior, quantity))


def _told(name: str, prior: Prior, z: Floats, spread: float, sd: float, figures: tuple[str, ...]) -> Ledger:
    """A quantity whose z has draws (D,), and standard deviations before (`spread`) and after (`sd`)."""
    ratio, mean = sd / spread, float(z.mean())
    told = ratio < PARTLY or abs(mean) > MOVED * spread
    verdict = "learned" if ratio < LEARNED else "partly" if told else PRIOR_ONLY
    before = [prior.at(end * spread) for end in (0.0, -CENTRAL, CENTRAL)]
    after = [prior.at(mean + end * sd) for end in (0.0, -CENTRAL, CENTRAL)]  # quantiles of so few draws would be rough
    return Ledger(
        name=name,
        parameter=prior.parameter,
        family=prior.distribution.family,
        low=prior.distribution.low,
        high=prior.distribution.high,
        value=prior.at(mean),
        z=mean,
        z_least=float(z.min()),
        z_most=float(z.max()),
        prior_median=before[0],
        prior_low=before[1],
        prior_high=before[2],
        posterior_median=after[0],
        posterior_low=after[1],
        posterior_high=after[2],
        sd_ratio=ratio,
        verdict=verdict,
        figures=figures if verdict != PRIOR_ONLY else (),
    )


def _telling(model: Model, posterior: Posterior, quantity: Quantity, most: int = 3) -> tuple[str, ...]:
    """The figures with most information on a quantity, each with at least a tenth of the prior's."""
    errors = np.array([target.reading.error for target in model.targets])
    slope = posterior.slope[:, quantity.places] @ np.array(quantity.weights)
    fitted = np.array([target.fitted for target in model.targets])
    information = np.where(fitted, (slope / errors) ** 2, 0.0)
    order = np.argsort(-information)[:most]
    return tuple(model.targets[i].figure.id for i in order if information[i] > 0.1)
