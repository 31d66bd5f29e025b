"""Two trials with lenvatinib in both, calibrated again and again to readings of which the truth is known.

Everything is that of `hcc-sim calibrate`, a second start in doubt included, but few parameters are uncertain.  A paper
is printed of a truth: the truth is simulated with luck of its own, sampling errors with the covariance that the
fit assumes are added, and a median is read as `targets_of` reads it, by the survival at the months that were printed.
"""

from __future__ import annotations

import math
import multiprocessing
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import special

from hcc_sim.calibration import statistics
from hcc_sim.calibration.fit import _posterior_of, model_of, sizes_of
from hcc_sim.calibration.model import Model, Quantity
from hcc_sim.calibration.posterior import Posterior
from hcc_sim.calibration.solve import Search
from hcc_sim.calibration.targets import Target
from hcc_sim.calibration.trial import Arm, simulate_arm
from hcc_sim.calibration.whitening import covariance_of
from hcc_sim.figures import load_evidence
from hcc_sim.laws import LogNormal
from hcc_sim.parameters import load_calibration
from hcc_sim.pathway.model import Law

CALIBRATION = Path(__file__).parents[2] / "calibration"
STUDIES = ("launch", "reflect")
TREATED, CONTROL = "launch/tace+lenvatinib", "launch/lenvatinib"

COMMON = (
    "death.median_after_progression",
    "progression.shape",
    "progression.responder_hazard_ratio",
    "trial.scan_interval",
    "trial.follow_up",
    "trial.recist_log_odds",
)
"""What is uncertain and common to all; so is what is an arm's own, and a study's factor on death.  The rest is held."""

LUCK_OF_CONTRASTS = 77
MONTHS_OF_TRIAL, MONTHS_OF_STRATEGY = 36.0, 60.0
CONTRAST, STRATEGY = "months gained, launch", "months gained by surgery at conversion"
AT_CONVERSION, AT_RELAPSE = {"surgery.delay": 0.0}, {"surgery.delay": math.inf}

LOG_NORMAL, SCANS, SELECTION = "log-normal progression", "scans every 12 weeks for 8", "selection twice as strong"
MISTAKES = (LOG_NORMAL, SCANS, SELECTION)
LOG_SD = 1.2
"""Of log-normal progression: that of a Weibull law of shape 1 is 1.28."""

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Setting:
    """How replicates are made.

    Attributes:
        patients, patients_of_truth: in each arm, of the fit and of the truth.
        pairs: of draws; 39, so that 20 bins and intervals of 50%, 80% and 95% hold whole numbers of ranks.
        mistake: what the truth has and the fit does not know.
        same_luck: the truth has the very luck of the fit, and its number of patients; the fit counts none as error.
        along_time: sampling errors move medians along the log of time, however steep the curve is there; else they
            move the curve up or down and a median with it, as patients do, of whom all these errors are.
    """

    patients: int = 1_000
    patients_of_truth: int = 20_000
    pairs: int = 39
    mistake: str = ""
    same_luck: bool = False
    along_time: bool = False


@dataclass(frozen=True)
class Replicate:
    """A truth (Q,) and its draws (D, Q), by quantity, neighbours being a pair, and how good the draws are.

    `first_order` (Q,) are the standard deviations of the ledger; contrasts have none.
    """

    names: tuple[str, ...]
    truth: Floats
    draws: Floats
    first_order: Floats
    off: float
    doubtful: bool
    luck: float
    seconds: float


@lru_cache(maxsize=8)
def _network(patients: int, believed_scans: bool) -> tuple[Model, dict[str, float]]:
    known = load_calibration(CALIBRATION)
    evidence = load_evidence(CALIBRATION, known.sources)
    model, _ = model_of(known, evidence, STUDIES, patients=patients, seed=0)
    kept = [name for name in COMMON if not (believed_scans and name == "trial.scan_interval")]
    priors = {n: p for n, p in model.priors.items() if n in kept or n.startswith("arm.") or n == "study.death_factor"}
    targets = [target for target in model.targets if target.fitted]
    return replace(model, priors=priors, targets=targets), sizes_of(evidence)


def truth_of(model: Model, mistake: str) -> Model:
    """The model that made the readings: with what the fit does not know."""
    held = dict(model.held)
    if mistake == LOG_NORMAL:
        median = {"median_months": "progression.median_of_non_responders", "log_sd": "progression.log_sd"}
        laws = dict(model.pathway.laws) | {"progression": Law(LogNormal.from_median, median)}
        return replace(model, pathway=replace(model.pathway, laws=laws), held=held | {"progression.log_sd": LOG_SD})
    if mistake == SCANS:
        held["therapy.scan_interval"] *= 1.5
    if mistake == SELECTION:
        for event in ("progression", "death"):
            held[f"{event}.log_hazard_ratio_aggressiveness"] *= 2.0
    return replace(model, held=held)


def print_paper(
    truth: Model, z: Floats, covariance: Floats, numbers: np.random.Generator, along_time: bool
) -> list[Target]:
    """The targets with what a paper would have printed of this truth."""
    errors = np.linalg.cholesky(covariance) @ numbers.standard_normal(len(covariance))
    arms = {arm: truth.simulate(z, arm) for arm in truth.arms}
    trial = truth.trial_values(z)
    return [
        _printed(target, [arms[arm] for arm in target.arms], trial, error, along_time)
        for target, error in zip(truth.targets, errors, strict=True)
    ]


def _printed(target: Target, arms: Sequence[Arm], trial: Mapping[str, float], error: float, along_time: bool) -> Target:
    if target.figure.measure != "median":
        return replace(target, reading=replace(target.reading, value=target.statistic(trial, *arms).working + error))
    times, _, shape = target.statistic.read.args
    months, members = times(arms[0])
    left = 0.5 if along_time else special.expit(-2.0 * shape * math.log(2.0) * error)
    value = math.log(np.quantile(months[members], 1.0 - left)) + (error if along_time else 0.0)
    statistic = statistics.median(times, math.exp(value), shape)
    return replace(target, statistic=statistic, reading=replace(target.reading, value=value))


class WithoutLuck(Search):
    """For papers that were printed with the very luck of the fit."""

    def count_luck(self, z: Floats) -> None:
        pass


def replicate(task: tuple[int, Setting]) -> Replicate:
    """Draw a truth from the prior, print its papers, fit them, and draw from the posterior."""
    number, setting = task
    started = time.perf_counter()
    model, sizes = _network(setting.patients, setting.mistake == SCANS)
    model = replace(model, seed=1_000_000 + 100 * number)  # the next ones are the kinds of luck that the fit looks at
    numbers = np.random.Generator(np.random.PCG64([number, 2018]))
    z = numbers.standard_normal(len(model.unknowns))
    luck = {} if setting.same_luck else {"seed": 50_000 + number, "patients": setting.patients_of_truth}
    truth = truth_of(replace(model, **luck), setting.mistake)
    covariance = covariance_of(model.targets, sizes)
    papers = replace(model, targets=print_paper(truth, z, covariance, numbers, setting.along_time))
    search = (WithoutLuck if setting.same_luck else Search)(papers, sizes)
    _, posterior = _posterior_of(search, 2 * setting.pairs, 90_000 + number, lambda _: None)
    of_truth, of_draws = quantities(truth, z), [quantities(model, one) for one in posterior.draws]
    first_order = {one.name: _first_order(posterior, one) for one in model.quantities}
    return Replicate(
        tuple(of_truth),
        np.array(list(of_truth.values())),
        np.array([list(one.values()) for one in of_draws]),
        np.array([first_order.get(name, math.nan) for name in of_truth]),
        float(np.median(posterior.off)),
        bool(posterior.doubts),
        float(np.median(np.diag(search.covariance) / np.diag(covariance))) - 1.0,
        time.perf_counter() - started,
    )


def _first_order(posterior: Posterior, quantity: Quantity) -> float:
    weights = np.array(quantity.weights)
    return float(np.sqrt(weights @ posterior.covariance[np.ix_(quantity.places, quantity.places)] @ weights))


def quantities(model: Model, z: Floats) -> dict[str, float]:
    """What matters: z of common quantities, of studies' factors, of arms' response and progression; two contrasts.

    Of regimens those that several arms have.  Contrasts are simulated with one luck for all truths and draws, which
    makes them functions of z.
    """
    left_out = "conversion.convertible_share"
    arms = {one.places: one.name for one in model.quantities if one.owner in ("", *model.arms)}
    kept = [one for one in model.quantities if left_out not in one.name and arms.get(one.places, one.name) == one.name]
    found = {one.name: one.at(z) for one in kept}
    of_arms = ((TREATED, AT_CONVERSION), (TREATED, AT_RELAPSE), (CONTROL, {}))
    early, late, control = (_deaths(model, z, arm, change) for arm, change in of_arms)
    gained = _mean_months(early, MONTHS_OF_TRIAL) - _mean_months(control, MONTHS_OF_TRIAL)
    by_strategy = _mean_months(early, MONTHS_OF_STRATEGY) - _mean_months(late, MONTHS_OF_STRATEGY)
    return found | {CONTRAST: gained, STRATEGY: by_strategy}


def _deaths(model: Model, z: Floats, arm: str, change: Mapping[str, float]) -> Floats:
    values = model.values(z, arm) | change
    return simulate_arm(model.pathway, values, seed=LUCK_OF_CONTRASTS, patients=1_000).death


def _mean_months(deaths: Floats, horizon_months: float) -> float:
    """Restricted mean survival."""
    return float(np.minimum(deaths, horizon_months).mean())


def replicates(count: int, setting: Setting, first: int = 0) -> Iterator[Replicate]:
    """Replicates, spread over processes."""
    os.environ["OPENBLAS_NUM_THREADS"] = "1"
    tasks = [(number, setting) for number in range(first, first + count)]
    with ProcessPoolExecutor(os.cpu_count(), multiprocessing.get_context("spawn"), _alone) as pool:
        yield from pool.map(replicate, tasks)


def _alone() -> None:
    """One thread to a process, and no processes of its own: more would wait for one another."""
    os.cpu_count = lambda: 1
