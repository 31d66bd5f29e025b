"""Numbers for a reader: as many decimals as their error deserves."""

from __future__ import annotations

import math
from collections.abc import Iterable

STANDARD_ERRORS = 1.96
FEWEST_DECIMALS, MOST_DECIMALS = 1, 3


def decimals(errors: Iterable[float]) -> int:
    """Decimals that show the largest of the errors with one digit, two if it begins with 1; 1 to 3 of them."""
    largest = max((e for e in errors if e > 0 and math.isfinite(e)), default=math.nan)
    if math.isnan(largest):
        return FEWEST_DECIMALS
    return min(max(-math.floor(math.log10(largest / 2)), FEWEST_DECIMALS), MOST_DECIMALS)


def with_error(value: float, half_width: float, places: int) -> str:
    """`60.3 ± 0.5`; the value alone if it has no error, a dash if there is no value."""
    if math.isnan(value):
        return "-"
    text = plain(value, places)
    return text if math.isnan(half_width) else f"{text} ± {plain(half_width, places)}"


def signed_with_error(value: float, half_width: float, places: int) -> str:
    """`+0.3 ± 0.5`; a difference that is exactly nothing is `0`."""
    if value == 0 and half_width == 0:
        return "0"
    text = with_error(value, half_width, places)
    return f"+{text}" if value > 0 and not text.startswith("0 ") and text != "0" else text


def plain(value: float, places: int) -> str:
    """Fixed decimals, thousands apart, no negative zero."""
    text = f"{value:,.{places}f}"
    return text.removeprefix("-") if not text.strip("-0.,") else text
