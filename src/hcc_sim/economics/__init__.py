"""What strategies cost and are worth, and which to choose: from tables of costs and effects alone.

`costs_and_effects` is the table: a row for each draw, a column for each strategy.  `increments` orders strategies along
the frontier, `net_benefit` values them at a threshold, `thresholds` says where the choice turns, `partial_information`
what it would be worth to know some inputs.
"""

from hcc_sim.economics.costs_and_effects import CostsAndEffects
from hcc_sim.economics.increments import Increment, Pair, increments, pair
from hcc_sim.economics.net_benefit import (
    Optimum,
    Value,
    acceptability,
    acceptability_frontier,
    expected_loss,
    net_health_benefit,
    net_monetary_benefit,
    value_of_perfect_information,
)
from hcc_sim.economics.partial_information import (
    ForAll,
    Partial,
    Share,
    Shares,
    population_value,
    shares_of_variance,
    value_of_partial_information,
)
from hcc_sim.economics.thresholds import Best, best_by_threshold, price_range

__all__ = [
    "Best",
    "CostsAndEffects",
    "ForAll",
    "Increment",
    "Optimum",
    "Pair",
    "Partial",
    "Share",
    "Shares",
    "Value",
    "acceptability",
    "acceptability_frontier",
    "best_by_threshold",
    "expected_loss",
    "increments",
    "net_health_benefit",
    "net_monetary_benefit",
    "pair",
    "population_value",
    "price_range",
    "shares_of_variance",
    "value_of_partial_information",
    "value_of_perfect_information",
]
