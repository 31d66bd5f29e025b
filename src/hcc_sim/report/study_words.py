"""Words about readings of studies: what their plots show, and which uncertainty a report with them tells."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from hcc_sim.analyses.optimal_timing import OptimalTiming
from hcc_sim.analyses.psa import Probabilistic
from hcc_sim.analyses.questions import Reading
from hcc_sim.analyses.voi import Information
from hcc_sim.report.screen import ONLY_MONTE_CARLO

if TYPE_CHECKING:
    from hcc_sim.analyses.study.study import Study

SHOWS = {
    "draws": "Outcomes over draws: means, the central 95% of draws and the base case, by strategy",
    "draws-plane": "Costs and QALYs of each strategy minus the first in every draw, with the thresholds",
    "acceptability": "Share of draws in which each strategy is best, over thresholds, with the frontier",
    "perfect-information": "Expected value of perfect information over thresholds",
    "one-way": "The difference across the interval of each parameter, the strongest first",
    "grid": "The difference over a grid of parameters, its zero line, and the best strategy at each point",
    "thresholds": "The best strategy along each parameter, with the values at which it changes",
    "delays": "What each delay is expected to bring, its difference from the first, and how often it is best",
    "delays-subgroups": "The same by subgroup",
    "windows": "Months alive and without disease by delay in the base case, and what ended the window before surgery",
    "sobol": "Shares of variance by parameter, alone and in all",
    "morris": "Mean absolute effect and spread of effects of each parameter",
    "information": "Expected value of partial perfect information by source, section and parameter",
    "information-effects": "The same, were QALYs all that counts",
    "variance": "Share of variance by source for each outcome",
}
"""Name of a plot -> what it shows."""


def study_of(reading: Reading) -> Study:
    """Of which study it is the reading."""
    return reading.psa.study if isinstance(reading, Information) else reading.study


def draws_in(reading: Reading) -> int:
    """How many draws it reads."""
    return reading.psa.table.draws if isinstance(reading, Information) else reading.table.draws


def joint_draws_in(readings: Sequence[Reading]) -> int:
    """Draws of everything uncertain at once, the most of all readings; 0 where none has any."""
    joint = [one for one in readings if isinstance(one, Probabilistic | OptimalTiming | Information)]
    return max(map(draws_in, joint), default=0)


def uncertainty_shown(readings: Sequence[Reading]) -> str:
    """Which uncertainty is told, beside the answer and in the manifest."""
    draws = joint_draws_in(readings)
    if not draws:
        return ONLY_MONTE_CARLO
    return (
        "The base case has Monte-Carlo error only (± is 1.96 standard errors), its parameters at their base values; "
        f"what they do together is shown by {draws:,} draws of everything uncertain."
    )


def limit_of_uncertainty(readings: Sequence[Reading]) -> str:
    """What is not told of it."""
    draws = joint_draws_in(readings)
    if not draws:
        return (
            "Parameters are held at their base values; what each assumption does alone is shown, what they do together "
            "is not."
        )
    return (
        f"Intervals of the base case are Monte-Carlo errors; what parameters do together is shown by {draws:,} draws, "
        "as far as their distributions and the pathway tell it."
    )
