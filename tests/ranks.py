"""Simulation-based calibration: whether truths fall among their posterior draws as they should.

If truth ~ prior, data ~ model(truth) and draws ~ posterior(data), the rank of the truth among D draws is uniform on
0 ... D for every function of the truth (S. Talts and others, 2018, arXiv:1804.06788).  The draws must be independent of
one another: truths fall between the two draws of a pair with opposite noise too often to be ranked among both.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import stats

BINS = 20
LEVELS = (0.5, 0.8, 0.95)

Floats = NDArray[np.float64]
Ranks = NDArray[np.int64]


def rank(truth: Floats, draws: Floats, numbers: np.random.Generator) -> Ranks:
    """How many draws (D, ...) are smaller than the truth (...): 0 to all of them; ties are broken by luck."""
    return np.sum(draws < truth, axis=0) + numbers.integers(0, np.sum(draws == truth, axis=0) + 1)


def one_of_each_pair(draws: Floats) -> Floats:
    """Draws (D, ...) that are independent, of such as come in pairs, neighbour by neighbour."""
    return draws[::2]


def uniformity(ranks: Ranks, draws: int, bins: int = BINS) -> float:
    """p of the chi-square test that ranks 0 ... `draws` are equally likely, in bins of equally many ranks."""
    assert (draws + 1) % bins == 0, "bins must hold equally many ranks"
    counts = np.bincount(ranks * bins // (draws + 1), minlength=bins)
    return float(stats.chisquare(counts).pvalue)


def holm(p: Floats) -> Floats:
    """Adjusted p of several tests (S. Holm, Scandinavian Journal of Statistics 6 (1979) 65-70)."""
    order = np.argsort(p)
    stepwise = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1))
    adjusted = np.empty(len(p))
    adjusted[order] = np.minimum(stepwise, 1.0)
    return adjusted


def inside(ranks: Ranks, draws: int, level: float) -> NDArray[np.bool_]:
    """Which truths lie in the central interval that holds exactly this share of the ranks."""
    outside = round(0.5 * (1.0 - level) * (draws + 1), 9)
    assert outside == int(outside), "the interval must hold a whole number of ranks"
    return (ranks >= outside) & (ranks <= draws - outside)


def coverage(ranks: Ranks, draws: int, level: float) -> float:
    """Share of truths inside that interval."""
    return float(np.mean(inside(ranks, draws, level)))


def error_of_coverage(level: float, replicates: int) -> float:
    """The binomial standard error of a coverage that is right."""
    return float(np.sqrt(level * (1.0 - level) / replicates))
