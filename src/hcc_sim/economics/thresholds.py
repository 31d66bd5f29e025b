"""Where the choice turns: over thresholds, and over the price of something that a strategy uses."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from hcc_sim.economics.costs_and_effects import CostsAndEffects
from hcc_sim.economics.increments import Status, increments


class Best(NamedTuple):
    """From one threshold up to another, a strategy has the highest expected net benefit."""

    strategy: str
    from_threshold: float
    to_threshold: float


def best_by_threshold(table: CostsAndEffects) -> list[Best]:
    """Which strategy has the highest expected net benefit at thresholds from 0 up, in order.

    They are those of the frontier, and the choice turns at their incremental cost-effectiveness ratios: net benefit and
    ratios cannot disagree.
    """
    frontier = [row for row in increments(table) if row.status == Status.FRONTIER]
    turns = [0.0, *(row.icer for row in frontier[1:]), math.inf]
    return [Best(row.strategy, low, high) for row, low, high in zip(frontier, turns[:-1], turns[1:], strict=True)]


def price_range(
    table: CostsAndEffects, strategy: str, quantities: ArrayLike, price: float, threshold: float
) -> tuple[float, float] | None:
    """The prices of something at which a strategy has the highest expected net benefit, all else staying as it is.

    Args:
        table: costs and effects at the present price.
        strategy: the one that is to be best.
        quantities: (S,) how much of it each strategy uses per patient, discounted as costs are.
        price: the present one, for each unit of quantity.
        threshold: willingness to pay for a unit of effect.

    Returns:
        The lowest and the highest such price (from 0; inf where no price is too high), None if there is none.

    Raises:
        ValueError: an unknown strategy, quantities that do not fit, a price or threshold below 0.
    """
    amounts = np.asarray(quantities, dtype=np.float64)
    if amounts.shape != (len(table.strategies),) or not np.isfinite(amounts).all() or (amounts < 0.0).any():
        raise ValueError(f"quantities are {amounts}; one of at least 0 is needed for each of {table.strategies}")
    if not (0.0 <= price < math.inf and 0.0 <= threshold < math.inf):
        raise ValueError(f"the price is {price} and the threshold {threshold}; both must be at least 0 and finite")
    own = table.place(strategy)
    benefit = threshold * table.mean_effects - table.mean_costs
    low, high = 0.0, math.inf
    for other in range(len(table.strategies)):
        ahead, uses_more = float(benefit[own] - benefit[other]), float(amounts[own] - amounts[other])
        if uses_more > 0.0:
            high = min(high, price + ahead / uses_more)
        elif uses_more < 0.0:
            low = max(low, price + ahead / uses_more)
        elif ahead < 0.0:
            return None
    return (low, high) if low <= high else None
