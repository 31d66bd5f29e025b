"""Words that plots share: of whom they tell, from when, what their errors are, and names that fit their place."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from hcc_sim.report.screen import NOT_ADVICE, population_in_words, regimens_in_words
from hcc_sim.units import UNITS, is_money

LONGEST_TITLE = 80
FOOT_LETTERS = 165
"""Letters of a foot on a line."""

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from matplotlib.legend import Legend

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
    cut, told = textwrap.shorten(title, LONGEST_TITLE, placeholder="…"), " ".join(told.split())
    figure.text(0.03, 1 - 0.2 / height_inches, cut, fontsize=12.5, fontweight="bold", va="top", parse_math=False)
    figure.text(0.03, 1 - 0.5 / height_inches, told, fontsize=9, color="#333333", va="top", parse_math=False)


def foot_lines(text: str, seed: int) -> list[str]:
    """What a plot's marks mean, the seed, and the warning, in lines for `put_foot`."""
    lines = [line for part in text.split("\n") for line in textwrap.wrap(part, FOOT_LETTERS)]
    return [*lines, f"Seed {seed}. {NOT_ADVICE}"]


def put_foot(figure: Figure, lines: Sequence[str], height_inches: float) -> None:
    """The foot at the lower edge; a line needs `LINE_INCHES`."""
    figure.text(
        0.03, 0.09 / height_inches, "\n".join(lines), fontsize=7.5, color="#666666", va="bottom", parse_math=False
    )


LINE_INCHES = 0.135
"""Height of a line of a foot."""


def foot_inches(lines: Sequence[str]) -> float:
    """What a foot takes from the height of a figure."""
    return 0.15 + LINE_INCHES * len(lines)


def put_key(where: Any, handles: Iterable[Any], labels: Iterable[str], **given: Any) -> Legend:
    """A legend of a figure or of axes in which names stay what they are, whatever they begin with."""
    told = [
        f"\u200b{label}" if label.startswith("_") else label for label in labels
    ]  # else matplotlib 3.9 leaves it out
    key: Legend = where.legend(list(handles), told, frameon=False, **given)
    for text in key.get_texts():
        text.set_parse_math(False)
    return key


def in_lines(name: str, most: int, lines: int = 2) -> str:
    """A name on up to so many lines of so many letters, broken where its parts meet; cut off if it is longer."""
    owner, colon, rest = name.partition(": ")
    if colon and lines == 2 and len(name) > most and max(len(owner) + 1, len(rest)) <= most:
        return f"{owner}:\n{rest}"
    pieces = [piece for piece in re.split(r"(?<=[ /+_.:-])", " ".join(name.split())) if piece]
    found = [""]
    for piece in pieces:
        if found[-1] and len((found[-1] + piece).rstrip()) > most and len(found) < lines:
            found.append("")
        found[-1] += piece
    return "\n".join(short(line.rstrip(), most) for line in found)


def scaled(unit: str) -> tuple[float, str]:
    """By what numbers of a unit are multiplied in plots, and what they are then in: money in thousands."""
    return (0.001, f"1,000 {unit}") if is_money(unit.partition(" at ")[0]) else (1.0, unit)


def tick(unit: str, value: float, digits: int = 3) -> str:
    """A value of a parameter on an axis that says its unit: money without it, durations with theirs."""
    rounded = float(f"{value:.{digits}g}")
    return f"{rounded:,.10g}" if is_money(unit) else UNITS[unit].format(rounded)


def axis_name(name: str, unit: str, most: int = 60) -> str:
    """A parameter with its unit, for an axis; durations say theirs at each value."""
    told = "" if unit in ("months", "number", "count", "positive number") else f" ({unit})"
    return f"{in_lines(name, most)}{told}"
