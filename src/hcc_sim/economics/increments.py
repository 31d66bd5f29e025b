"""Incremental analysis: which strategies are on the frontier, and what each further unit of effect costs there.

Of the expected costs and effects, means over draws: a ratio of means, not a mean of ratios.  Extended dominance: S. B.
Cantor, Medical Decision Making 14 (1994) 259-265, doi:10.1177/0272989X9401400308.
"""

from __future__ import annotations

import math
from enum import StrEnum
from typing import NamedTuple

from hcc_sim.economics.costs_and_effects import CostsAndEffects

DEFINITION = (
    "Strategies in order of expected cost. A strategy is dominated if another costs no more and does no less, one of "
    "the two strictly; extendedly dominated if two others can be mixed so that the mixture dominates it. The others "
    "form the frontier; the incremental cost-effectiveness ratio (ICER) of each is its expected cost above that of the "
    "one before on the frontier, divided by its expected effect above."
)


class Status(StrEnum):
    """Where a strategy stands."""

    FRONTIER = "on the frontier"
    DOMINATED = "dominated"
    EXTENDED = "extendedly dominated"
    EQUAL = "equal to another"


class Increment(NamedTuple):
    """A strategy with its expected cost and effect; on the frontier what it adds to the one before, `versus`.

    Of one that is not, `versus` is what dominates it (two names with ' and ' where they do so mixed) or is equal to it.
    The first on the frontier has no ratio: NaN.
    """

    strategy: str
    cost: float
    effect: float
    status: Status
    versus: str
    incremental_cost: float
    incremental_effect: float
    icer: float


class Pair(NamedTuple):
    """One strategy against another: differences of expected cost and effect, their ratio where it means a price.

    `reading` says what the ratio is: the price of a unit gained, the saving for a unit lost, or why there is none.
    """

    strategy: str
    versus: str
    incremental_cost: float
    incremental_effect: float
    icer: float
    reading: str


def increments(table: CostsAndEffects) -> list[Increment]:
    """All strategies in order of expected cost, of equal cost the more effective first."""
    costs, effects = table.mean_costs.tolist(), table.mean_effects.tolist()
    order = sorted(range(len(costs)), key=lambda s: (costs[s], -effects[s]))
    frontier: list[int] = []
    status: dict[int, tuple[Status, str]] = {}
    for s in order:
        best = frontier[-1] if frontier else None
        if best is not None and effects[s] <= effects[best]:
            same = costs[s] == costs[best] and effects[s] == effects[best]
            status[s] = (Status.EQUAL if same else Status.DOMINATED, table.strategies[best])
            continue
        while len(frontier) > 1 and _bends_down(costs, effects, frontier[-2], frontier[-1], s):
            mixed = frontier.pop()
            status[mixed] = (Status.EXTENDED, f"{table.strategies[frontier[-1]]} and {table.strategies[s]}")
        frontier.append(s)
    # What dominated a strategy may itself have been dominated by a mixture since: it stays dominated all the same.
    before = dict(zip(frontier[1:], frontier, strict=False))
    found = []
    for s in order:
        stands, versus = status.get(s, (Status.FRONTIER, ""))
        more_cost = more_effect = ratio = math.nan
        if s in before:
            b = before[s]
            versus, more_cost, more_effect = table.strategies[b], costs[s] - costs[b], effects[s] - effects[b]
            ratio = more_cost / more_effect
        found.append(
            Increment(table.strategies[s], costs[s], effects[s], stands, versus, more_cost, more_effect, ratio)
        )
    return found


def _bends_down(costs: list[float], effects: list[float], a: int, b: int, c: int) -> bool:
    """Whether the ratio from a to b is above that from b to c: slopes compared without dividing."""
    return (costs[b] - costs[a]) * (effects[c] - effects[b]) > (costs[c] - costs[b]) * (effects[b] - effects[a])


def pair(table: CostsAndEffects, strategy: str, versus: str) -> Pair:
    """One strategy against another.

    Raises:
        ValueError: a strategy that the table does not have.
    """
    one, other = table.place(strategy), table.place(versus)
    cost = float(table.mean_costs[one] - table.mean_costs[other])
    effect = float(table.mean_effects[one] - table.mean_effects[other])
    if cost == 0.0 and effect == 0.0:
        return Pair(strategy, versus, cost, effect, math.nan, "no difference")
    if cost <= 0.0 <= effect:
        return Pair(strategy, versus, cost, effect, math.nan, "dominates: costs no more and does no less")
    if effect <= 0.0 <= cost:
        return Pair(strategy, versus, cost, effect, math.nan, "is dominated: costs no less and does no more")
    reading = "costs this for a unit gained" if effect > 0.0 else "saves this for a unit lost"
    return Pair(strategy, versus, cost, effect, cost / effect, f"{reading} ({table.effect})")
