"""Simulation-based calibration of the pathway's calibration, and what a model that is wrong costs.

    python -m pytest tests/slow -n 2 -s
    REPLICATES=60 python -m pytest tests/slow -n 2 -s
    python tests/slow/test_simulation_based_calibration_of_the_pathway.py 50 same_luck=True

Truths are drawn from the prior of a small network, its papers are printed, fitted and drawn from; the rank of a truth
among its draws, one of each pair, is uniform if the posterior is right (Talts and others, 2018, arXiv:1804.06788).

Found with 300 replicates in one run (1,000 patients in each arm of the fit, 23 minutes on two cores; binomial errors of
one quantity 2.9%, 2.3%, 1.3%): intervals of 50%, 80% and 95% hold 49.6%, 79.5% and 94.5% of truths (errors of these
means 0.8%, 0.7%, 0.4%), no ranks depart from uniform (least p of 20 quantities 0.09 before Holm's correction, 1 after).
The contrasts of two arms and of two timings are unbiased: +0.05 ± 0.05 and -0.003 ± 0.003 months, 95% intervals hold
93% and 93%.  Draws made a tenth narrower or wider fail.  To first order spreads are too small (95% intervals hold
90.5%), so the ledger has those of the draws.

What is not as good:

- The mean of the scan interval errs by 1.69 of what its draws say, though its intervals hold 45.3%, 76.3% and 92.3%: a
  few truths lie far out.  In an earlier run five of 245 lay beyond 4 standard deviations; the points found were more
  probable than those truths, and searches from the truths came back to about the same places, so that draws are too
  narrow there.

Before, 300 replicates gave 45.6%, 74.9% and 91.8%, the scan interval 85% for 95%: the luck of the fit counted as no
error, and the scan interval's prior was uniform, flat in z beyond 2.  But medians were then printed with errors along
time, and now with errors that move the curve; on the survival scale both times, 50 replicates rose from 45.4%, 75.6%
and 92.6% to 48.3%, 80.1% and 94.1% once luck was counted.

Mistakes (30 replicates each in the same run; posterior mean less truth, with Monte-Carlo error):

    truth                          gain of TACE + lenvatinib, 36 months    gain of surgery at conversion, 60 months
    as the fit believes (300)      +0.05 ± 0.05 months, +0.08 ± 0.06 sd    -0.003 ± 0.003 months, -0.06 ± 0.06 sd
    log-normal progression         +0.22 ± 0.11 months, +0.32 ± 0.16 sd    +0.002 ± 0.007 months, +0.06 ± 0.14 sd
    scans every 12 weeks for 8     +0.19 ± 0.14 months, +0.26 ± 0.16 sd    +0.007 ± 0.007 months, +0.22 ± 0.17 sd
    selection twice as strong      +0.18 ± 0.12 months, +0.21 ± 0.17 sd    +0.015 ± 0.006 months, +0.20 ± 0.13 sd

A selection twice as strong as believed lets surgery at conversion seem to gain 0.015 months more, 2.4 of its errors, in
an earlier run -0.008 ± 0.006; of the others none can be told from no bias.  So few replicates would not see less than
half a posterior standard deviation.
"""

from __future__ import annotations

import os
import sys
from ast import literal_eval
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

sys.path.append(str(Path(__file__).parents[1]))  # for those who run this file by itself

from ranks import BINS, LEVELS, coverage, error_of_coverage, holm, inside, one_of_each_pair, rank, uniformity
from small_network import CONTRAST, MISTAKES, STRATEGY, Replicate, Setting, replicates

from hcc_sim.quantiles import CENTRAL

FULL = 300
REPLICATES = int(os.environ.get("REPLICATES", FULL))
OF_A_MISTAKE = min(REPLICATES, 30)
LEAST_P, Z = 0.01, 4.0

ENOUGH_FOR_RANKS = 5 * BINS
"""Replicates from which a chi-square test can be trusted: five expected in each bin."""

SMALLEST_BIAS = {CONTRAST: 1.0, STRATEGY: 0.1}
"""Months of bias by a mistake that so many replicates must be able to see."""

Floats = np.ndarray


def say(line: str) -> None:
    """To the terminal also from a worker of pytest-xdist, whose own output nobody sees."""
    print(line, file=sys.stderr, flush=True)


def draws_of(found: Sequence[Replicate]) -> int:
    """How many independent draws a truth is ranked among."""
    return len(one_of_each_pair(found[0].draws))


def ranks_of(found: Sequence[Replicate]) -> dict[str, Floats]:
    """Quantity -> rank of the truth in each replicate, among one draw of each pair."""
    numbers = np.random.Generator(np.random.PCG64(1))
    ranks = np.array([rank(one.truth, one_of_each_pair(one.draws), numbers) for one in found])
    return dict(zip(found[0].names, ranks.T, strict=True))


def distances(found: Sequence[Replicate], name: str) -> tuple[Floats, Floats]:
    """Posterior mean less truth, and the same in posterior standard deviations, where nobody is certain."""
    q = found[0].names.index(name)
    off = np.array([one.draws[:, q].mean() - one.truth[q] for one in found])
    spread = np.array([one.draws[:, q].std(ddof=1) for one in found])
    return off, off[spread > 0] / spread[spread > 0]


def in_ledger(found: Sequence[Replicate]) -> tuple[Floats, Floats]:
    """Of each quantity without contrasts: share of truths inside the ledger's 95% intervals; their widths to draws'."""
    first_order = np.array([one.first_order for one in found])
    off = np.array([one.draws.mean(axis=0) - one.truth for one in found])
    spread = np.array([one.draws.std(axis=0, ddof=1) for one in found])
    kept = ~np.isnan(first_order[0])
    shares = np.mean(np.abs(off) < CENTRAL * first_order, axis=0)
    return shares[kept], np.median((first_order / spread)[:, kept], axis=0)


def adjusted_p(by_name: Mapping[str, Floats], draws: int) -> dict[str, float]:
    """Quantity -> p of uniform ranks, by Holm's correction over all."""
    p = np.array([uniformity(ranks, draws) for ranks in by_name.values()])
    return dict(zip(by_name, holm(p), strict=True))


def shares_inside(by_name: Mapping[str, Floats], draws: int, level: float) -> Floats:
    """Of each replicate (R,) the share of quantities that lie inside their intervals: they are not independent."""
    return np.mean([inside(ranks, draws, level) for ranks in by_name.values()], axis=0)


def tell_ranks(found: Sequence[Replicate]) -> None:
    """A table: of each quantity p of uniform ranks, the mean rank (0.5 if right), the coverage of intervals."""
    draws, count = draws_of(found), len(found)
    by_name = ranks_of(found)
    adjusted = adjusted_p(by_name, draws)
    errors = ", ".join(f"{level:.0%} ± {error_of_coverage(level, count):.1%}" for level in LEVELS)
    say(f"\n{count} replicates, {draws} draws; intervals of {errors} (binomial error)")
    say(f"{'quantity':58s}      p   Holm  rank    50%    80%    95%  spread")
    for name, ranks in by_name.items():
        told = "".join(f" {coverage(ranks, draws, level):6.1%}" for level in LEVELS)
        spread = np.sqrt(np.mean(distances(found, name)[1] ** 2))
        p = uniformity(ranks, draws)
        say(f"{name:58s} {p:6.3f} {adjusted[name]:6.3f}  {np.mean(ranks) / draws:.2f} {told}  {spread:6.2f}")
    together = [shares_inside(by_name, draws, level) for level in LEVELS]
    say(f"{'all together':79s}" + "".join(f" {share.mean():6.1%}" for share in together))
    say(f"{'  its error':79s}" + "".join(f" {share.std() / np.sqrt(count):6.1%}" for share in together))
    shares, widths = in_ledger(found)
    say(
        f"95% intervals of the ledger hold {shares.mean():.1%} ({shares.min():.1%} to {shares.max():.1%}); "
        f"their widths are {np.median(widths):.2f} of the draws' ({widths.min():.2f} to {widths.max():.2f})"
    )
    off, luck, seconds = (np.median([getattr(r, n) for r in found]) for n in ("off", "luck", "seconds"))
    doubtful = sum(one.doubtful for one in found)
    say(f"distance from root {off:.2f}, luck {luck:.0%} of variances, {doubtful} doubtful, {seconds:.1f} s a replicate")


def tell_bias(mistake: str, found: Sequence[Replicate]) -> None:
    """The bias of contrasts: in months, and in posterior standard deviations with its Monte-Carlo error."""
    for name in (CONTRAST, STRATEGY):
        months, errors = distances(found, name)
        held = coverage(ranks_of(found)[name], draws_of(found), 0.95)
        of_mean = 1.0 / np.sqrt(len(found))
        say(
            f"{mistake or 'no mistake':26s} {name:38s} {months.mean():+.3f} ± {months.std() * of_mean:.3f} months, "
            f"{errors.mean():+.2f} ± {errors.std() * of_mean:.2f} posterior sd; 95% intervals hold {held:.0%}"
        )


def check(found: Sequence[Replicate]) -> None:
    """Intervals hold what they say, of each quantity and of all; ranks are uniform; contrasts have no bias."""
    draws, count, by_name = draws_of(found), len(found), ranks_of(found)
    for level in LEVELS:
        for name, ranks in by_name.items():
            off = coverage(ranks, draws, level) - level
            assert abs(off) < Z * error_of_coverage(level, count), f"{level:.0%} of {name}: {off:+.1%}"
        shares = shares_inside(by_name, draws, level)
        assert abs(shares.mean() - level) < Z * shares.std() / np.sqrt(count), f"{level:.0%} of all"
    for name in (CONTRAST, STRATEGY):
        errors = distances(found, name)[1]
        assert abs(errors.mean()) < Z * errors.std() / np.sqrt(len(errors)), name
    if count >= ENOUGH_FOR_RANKS:
        assert min(adjusted_p(by_name, draws).values()) > LEAST_P


def narrowed(found: Sequence[Replicate], factor: float) -> list[Replicate]:
    """As if the posterior were so much narrower."""
    return [replace(one, draws=factor * one.draws + (1.0 - factor) * one.draws.mean(axis=0)) for one in found]


def test_truths_fall_anywhere_among_their_draws():
    found = list(replicates(REPLICATES, Setting()))
    tell_ranks(found)
    tell_bias("", found)
    check(found)
    if len(found) >= FULL:
        for factor in (0.9, 1.1):
            with pytest.raises(AssertionError):
                check(narrowed(found, factor))


@pytest.mark.parametrize("mistake", MISTAKES)
def test_what_a_mistake_costs(mistake: str):
    """Nothing that so many replicates can see, in either contrast."""
    found = list(replicates(OF_A_MISTAKE, Setting(mistake=mistake)))
    tell_bias(mistake, found)
    for name, smallest in SMALLEST_BIAS.items():
        months = distances(found, name)[0]
        band = Z * months.std(ddof=1) / np.sqrt(len(found))
        assert band < smallest or len(found) < 30, "too few replicates to see such a bias"
        assert abs(months.mean()) < band


if __name__ == "__main__":
    options = {key: literal_eval(value) for key, _, value in (word.partition("=") for word in sys.argv[2:])}
    of_all = list(replicates(int(sys.argv[1]), Setting(**options)))
    tell_ranks(of_all)
    tell_bias(str(options.get("mistake", "")), of_all)
