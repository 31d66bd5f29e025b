"""Joint draws from the posterior, by randomize-then-optimize on the simulations themselves.

With the residuals r(z) of `solve` (unit variance, priors included) and the thin QR decomposition of their Jacobian at
the most probable point, J = Q R, a draw is the root z of Q' r(z) = Q' e, e standard normal.  Draws are independent;
their density is known, and weights correct it to the posterior:

    w(z) = exp(-(|r(z)|^2 - |Q' r(z)|^2) / 2) / |det Q' J(z)|

J. M. Bardsley, A. Solonen, H. Haario, M. Laine, SIAM Journal on Scientific Computing 36 (2014) A1895-A1910,
doi:10.1137/140964023.  Where predictions are linear in z all weights are equal and the draws are exact.  The
determinant is taken as constant: derivatives at every draw would cost more than the draws.

Draws come in pairs with e and -e (J. M. Hammersley and K. W. Morton, Mathematical Proceedings of the Cambridge
Philosophical Society 52 (1956) 449-475, doi:10.1017/S0305004100031455): means of what the figures say nothing of are
those of its prior, whatever the number of draws.  And noise is balanced: to first order the unknowns that all trials
share have exactly the spread that they should, with how they go together (quadratic resampling: J. Barraquand,
Management Science 41 (1995) 1882-1891, doi:10.1287/mnsc.41.12.1882).  With a hundred pairs luck alone would make a
standard deviation a fifth too large for one unknown and too small for the next.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import linalg

from hcc_sim.calibration.model import Model
from hcc_sim.calibration.solve import Found, Search, working

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

CORRECTIONS = 3
"""Times that a draw is simulated; it is moved towards its root after each but the last.  Until then fewer patients do:
what they say otherwise than all patients at the most probable point they say everywhere, nearly."""

FARTHEST_Z = 4.5
"""Of any z of a draw: a prior sends one in a hundred thousand beyond."""

FAR_OFF, MANY_CLIPPED = 0.5, 0.1
"""Draws whose median distance from their roots is larger, or of which more are held at `FARTHEST_Z`, do not tell the
posterior: the point they surround is not the most probable one."""

PAIRS_FOR_ONE = 2
"""Pairs of draws for each direction in which noise is balanced, at least."""

BATCH = 50


@dataclass(frozen=True)
class Posterior:
    """Draws (D, U) of all unknowns, what each predicts (D, T) on the working scale, and how good they are.

    Attributes:
        weights: (D,) of each draw before resampling, sum 1.
        off: (D,) how far each draw stayed from its root, root mean square over unknowns.
        covariance: (U, U) of z to first order.
        slope: (T, U) derivatives of predictions at the most probable point.
        told: (U,) unknowns that the figures tell of.
    """

    draws: Floats
    predicted: Floats
    weights: Floats
    off: Floats
    covariance: Floats
    slope: Floats
    told: Flags

    @property
    def doubts(self) -> tuple[str, ...]:
        """Why the draws should not be trusted, if so."""
        found = []
        if np.median(self.off) > FAR_OFF:
            found.append(f"draws lie {np.median(self.off):.2f} prior standard deviations from their roots (median)")
        clipped = float(np.mean(np.any(np.abs(self.draws) >= FARTHEST_Z, axis=1)))
        if clipped > MANY_CLIPPED:
            found.append(f"{100.0 * clipped:.0f}% of draws reach the edge, {FARTHEST_Z} prior standard deviations")
        return tuple(found)

    @property
    def effective(self) -> float:
        """Effective number of draws, 1 / sum of squared weights (Kish)."""
        return float(1.0 / np.sum(self.weights**2))

    @property
    def effective_parameters(self) -> float:
        """How many parameters the figures spend, tr(J'J (I + J'J)^-1) without the priors' rows: U - tr(covariance).

        Spiegelhalter and others, Journal of the Royal Statistical Society B 64 (2002) 583-639,
        doi:10.1111/1467-9868.00353, section 3.
        """
        return float(np.sum(1.0 - np.diag(self.covariance)))


def fewer_patients(model: Model, best: Found) -> tuple[Model, Floats]:
    """The same with fewer patients, and what all say otherwise (T,) at the most probable point."""
    fewer = model.with_fewer()
    return fewer, np.nan_to_num(working(best.predicted) - working(fewer.predict(best.z)))


def draw_posterior(
    search: Search, best: Found, told: Flags, count: int, seed: int, say: Callable[[str], None] = lambda _: None
) -> Posterior:
    """Draws around the most probable point.

    Args:
        search: model, whitening and observed values.
        best: the most probable point.
        told: (U,) unknowns that the figures tell of; the others are drawn from their priors.
        count: how many draws; an odd number leaves the last one without its pair.
        seed: of the draws; common luck stays that of the model.
        say: told of progress.
    """
    slope = np.nan_to_num(search.model.slopes(best.z, told))
    jacobian = np.vstack((np.eye(len(best.z)), -search.whiten(slope)))
    q, r = linalg.qr(jacobian, mode="economic")
    inverse = linalg.solve_triangular(r, q.T)  # (U, U + T)
    common = np.array([unknown.owner == "" for unknown in search.model.unknowns])
    noise = _balanced(_noise(count, len(jacobian), seed), inverse[common & told])
    here = search.residuals(best.z, working(best.predicted))
    draws = np.clip(best.z + (noise - here) @ inverse.T, -FARTHEST_Z, FARTHEST_Z)
    residuals = np.zeros((count, len(jacobian)))
    predicted = np.zeros((count, len(search.observed)))
    fewer, apart = fewer_patients(search.model, best)
    for correction in range(CORRECTIONS):
        last = correction + 1 == CORRECTIONS
        model, offset = (search.model, 0.0) if last else (fewer, apart)
        for start in range(0, count, BATCH):
            rows = range(start, min(start + BATCH, count))
            for row, found in zip(rows, model.predict_all([draws[row] for row in rows]), strict=True):
                predicted[row] = working(found) + offset
                residuals[row] = search.residuals(draws[row], predicted[row])
        if not last:
            draws = np.clip(draws + (noise - residuals) @ inverse.T, -FARTHEST_Z, FARTHEST_Z)
        say(f"simulated {count} draws, time {correction + 1} of {CORRECTIONS}")
    off = np.sqrt(np.mean(((noise - residuals) @ inverse.T) ** 2, axis=1))
    beside = np.sum(residuals**2, axis=1) - np.sum((residuals @ q) ** 2, axis=1)
    log_weights = -0.5 * (beside - beside.min())
    weights = np.exp(log_weights)
    inside = linalg.solve_triangular(r, np.eye(len(r)))
    return Posterior(draws, predicted, weights / weights.sum(), off, inside @ inside.T, slope, told)


def _balanced(noise: Floats, directions: Floats) -> Floats:
    """Noise whose sample covariance along some directions (K, length) is exactly that of standard normal noise.

    Only where pairs are many enough: with fewer the correction would outweigh the noise.
    """
    half = noise[0::2]
    if len(half) < PAIRS_FOR_ONE * len(directions) or len(noise) % 2:
        return noise
    basis, _ = linalg.qr(directions.T, mode="economic")
    along = half @ basis
    sizes, axes = linalg.eigh(along.T @ along / len(half))
    half = half + along @ (axes / np.sqrt(sizes) @ axes.T - np.eye(len(sizes))) @ basis.T
    balanced = np.empty_like(noise)
    balanced[0::2], balanced[1::2] = half, -half
    return balanced


def _noise(count: int, length: int, seed: int) -> Floats:
    """Standard normal rows (count, length); of two neighbours one is the other's negative."""
    half = np.random.Generator(np.random.PCG64(seed)).standard_normal(((count + 1) // 2, length))
    noise = np.empty((2 * len(half), length))
    noise[0::2], noise[1::2] = half, -half
    return noise[:count]
