"""Words that plots share: of whom they tell, from when, and what their errors are."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

from hcc_sim.report.screen import NOT_ADVICE, population_in_words, regimens_in_words

LONGEST_TITLE = 80

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from hcc_sim.analyses.compare import Comparison


def about(comparison: Comparison) -> str:
    """Of whom a plot tells, and under which regimens."""
    regimens = regimens_in_words(comparison.scenario)
    told = f"{population_in_words(comparison).capitalize()}" + (f"; regimen {regimens}" if regimens else "")
    return short(told, 120)


def time_axis(comparison: Comparison) -> str:
    """From when months count."""
    return f"months since {comparison.time_zero.removeprefix('the ')}"


def foot(comparison: Comparison, what: str = "Bands and bars: ±1.96 Monte-Carlo standard errors;") -> str:
    """What the errors are, the seed, and the warning."""
    return f"{what} parameters are held at their base values. Seed {comparison.scenario.seed}.\n{NOT_ADVICE}"


def short(text: str, most: int) -> str:
    """The text, cut off where it would run out of the picture."""
    return text if len(text) <= most else text[: most - 1] + "…"


def head(figure: Figure, title: str, told: str, height_inches: float) -> None:
    """Title of a figure, and of whom it tells below."""
    cut = textwrap.shorten(title, LONGEST_TITLE, placeholder="…")
    figure.text(0.03, 1 - 0.2 / height_inches, cut, fontsize=12.5, fontweight="bold", va="top", parse_math=False)
    figure.text(0.03, 1 - 0.5 / height_inches, told, fontsize=9, color="#333333", va="top", parse_math=False)
