"""Sampling errors of all targets together: medians and ratio of one contrast are read off the same patients."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import linalg

from hcc_sim.calibration import sampling
from hcc_sim.calibration.targets import SHAPES, Target

Floats = NDArray[np.float64]

SHARED_BY_TELLINGS = 0.95
"""Share of the variance that two tellings of one hazard ratio have in common (assumed; 1 would be singular)."""

ADJUSTED_DISCREPANCY = 0.1
"""Added to the error of a log hazard ratio that is adjusted, for the medians beside it are not (assumed)."""


def covariance_of(targets: Sequence[Target], sizes: Mapping[str, float]) -> Floats:
    """Covariance (T, T) of the readings of all targets; sizes: arm -> patients, equal where not known."""
    covariance = np.diag([error_of(target) ** 2 for target in targets])
    for ratios in _trials(targets).values():
        medians = {t.arm: i for i, t in reversed(list(enumerate(targets))) if _is_median_of(t, targets[ratios[0]])}
        control = medians.get(str(targets[ratios[0]].versus))
        by_arm: dict[str, int] = {}
        again = []  # a ratio of the same two arms told once more
        for number in ratios:
            if targets[number].arm in medians and by_arm.setdefault(targets[number].arm, number) != number:
                again.append(number)
        known = [(number, medians[arm]) for arm, number in by_arm.items()]
        if control is None or not known:
            continue
        block = _block([targets[m] for _, m in known], targets[control], [targets[r] for r, _ in known], sizes)
        places = [*(m for _, m in known), control, *(r for r, _ in known)]
        kept = np.diag(covariance)[places]
        block[np.diag_indices(len(places))] = kept
        covariance[np.ix_(places, places)] = block
        for number in again:
            _tell_again(covariance, by_arm[targets[number].arm], number, places)
    return covariance


def _tell_again(covariance: Floats, first: int, number: int, places: Sequence[int]) -> None:
    """A second ratio of the same patients shares with all others what the first does, and most of its own error."""
    own = min(covariance[first, first], covariance[number, number])
    scale = np.sqrt(own / covariance[first, first])
    others = [place for place in places if place != first]
    covariance[number, others] = covariance[others, number] = scale * covariance[first, others]
    covariance[number, first] = covariance[first, number] = SHARED_BY_TELLINGS * own


def error_of(target: Target) -> float:
    """The sampling error of a target's reading, with what adjustment adds."""
    discrepancy = ADJUSTED_DISCREPANCY if target.versus is not None and target.figure.adjusted else 0.0
    return float(np.hypot(target.reading.error, discrepancy))


def _trials(targets: Sequence[Target]) -> dict[tuple[str | None, str], list[int]]:
    """Hazard ratios by comparator and endpoint: those of a trial of several arms share a control."""
    found: defaultdict[tuple[str | None, str], list[int]] = defaultdict(list)
    for number, target in enumerate(targets):
        if target.versus is not None:
            found[target.versus, target.figure.endpoint].append(number)
    return found


def _is_median_of(target: Target, ratio: Target) -> bool:
    fields = ("endpoint", "subset")
    same = all(getattr(target.figure, field) == getattr(ratio.figure, field) for field in fields)
    return same and target.study == ratio.study and target.figure.measure == "median" and target.versus is None


def _block(treated: Sequence[Target], control: Target, ratios: Sequence[Target], sizes: Mapping[str, float]) -> Floats:
    of_control = sizes.get(control.arm, 1.0)
    events = [
        sampling.events_of_ratio(ratio.reading.error, sizes.get(one.arm, of_control), of_control)
        for one, ratio in zip(treated, ratios, strict=True)
    ]
    return sampling.covariance_of_trial(
        [one.reading for one in treated],
        control.reading,
        [ratio.reading for ratio in ratios],
        [of_treated for of_treated, _ in events],
        float(np.mean([of_controls for _, of_controls in events])),
        SHAPES.get(control.figure.endpoint, 1.0),
    )


@dataclass(frozen=True)
class Whitening:
    """Residuals of unit variance without correlation: `lower` (T, T) with covariance = lower lower'."""

    lower: Floats

    @classmethod
    def of(cls, covariance: Floats) -> Whitening:
        """Raises LinAlgError where the covariance is not positive definite."""
        return cls(linalg.cholesky(covariance, lower=True))

    def __call__(self, differences: Floats) -> Floats:
        """Differences (T,) or (T, K), observed less predicted or their derivatives, made independent."""
        return np.asarray(linalg.solve_triangular(self.lower, differences, lower=True))
