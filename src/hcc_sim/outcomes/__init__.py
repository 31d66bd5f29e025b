"""Stays in, numbers out: what is asked (`definitions`), counted by chunks (`tally`), told with errors (`estimates`)."""

from hcc_sim.outcomes.definitions import Definitions, Endpoint, Population, Share, TimeIn
from hcc_sim.outcomes.estimates import Estimate, contrasts, curves, estimates, notes, same_patients, summary
from hcc_sim.outcomes.tally import Tally

__all__ = [
    "Definitions",
    "Endpoint",
    "Estimate",
    "Population",
    "Share",
    "Tally",
    "TimeIn",
    "contrasts",
    "curves",
    "estimates",
    "notes",
    "same_patients",
    "summary",
]
