"""Stays in, numbers out: what is asked (`definitions`), counted by chunks (`tally`), told with errors (`estimates`).

`states` tells of any pathway, asked nothing else, where patients are and for how long.
"""

from hcc_sim.outcomes.definitions import Definitions, Endpoint, Population, Share, TimeIn
from hcc_sim.outcomes.estimates import (
    Estimate,
    contrasts,
    curves,
    estimates,
    notes,
    restricted_mean,
    same_patients,
    summary,
)
from hcc_sim.outcomes.states import StateTally, occupancy, time_in_state
from hcc_sim.outcomes.tally import Tally

__all__ = [
    "Definitions",
    "Endpoint",
    "Estimate",
    "Population",
    "Share",
    "StateTally",
    "Tally",
    "TimeIn",
    "contrasts",
    "curves",
    "estimates",
    "notes",
    "occupancy",
    "restricted_mean",
    "same_patients",
    "summary",
    "time_in_state",
]
