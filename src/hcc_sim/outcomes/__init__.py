"""Stays in, numbers out: what is asked (`definitions`), counted by chunks (`tally`), told with errors (`estimates`).

`tables` puts what is told into rows, `rates` hazard ratios between strategies.  `states` tells of any pathway, asked
nothing else, where patients are, how long.  `survival` is for people who may be censored or weighted.
"""

from hcc_sim.outcomes.definitions import Definitions, Endpoint, Population, Share, TimeIn, only, with_subgroups
from hcc_sim.outcomes.estimates import (
    Estimate,
    Estimates,
    estimate_named,
    estimates,
    estimates_of,
    notes,
    restricted_mean,
    same_fate_of_others,
    same_patients,
)
from hcc_sim.outcomes.rates import RateRatio, hazard_ratio_table
from hcc_sim.outcomes.states import StateTally, occupancy, time_in_state
from hcc_sim.outcomes.survival import aalen_johansen, kaplan_meier, numbers_at_risk, ratios_by_period
from hcc_sim.outcomes.tables import (
    Contrast,
    Incident,
    Point,
    Table,
    Told,
    contrast_table,
    contrasts,
    curve_table,
    curves,
    incidence_table,
    summary,
    summary_table,
)
from hcc_sim.outcomes.tally import Tally

__all__ = [
    "Contrast",
    "Definitions",
    "Endpoint",
    "Estimate",
    "Estimates",
    "Incident",
    "Point",
    "Population",
    "RateRatio",
    "Share",
    "StateTally",
    "Table",
    "Tally",
    "TimeIn",
    "Told",
    "aalen_johansen",
    "contrast_table",
    "contrasts",
    "curve_table",
    "curves",
    "estimate_named",
    "estimates",
    "estimates_of",
    "hazard_ratio_table",
    "incidence_table",
    "kaplan_meier",
    "notes",
    "numbers_at_risk",
    "occupancy",
    "only",
    "ratios_by_period",
    "restricted_mean",
    "same_fate_of_others",
    "same_patients",
    "summary",
    "summary_table",
    "time_in_state",
    "with_subgroups",
]
