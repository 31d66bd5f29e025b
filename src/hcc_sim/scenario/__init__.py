"""Scenarios: read from a file and checked whole, joined with parameters, and compiled strategy by strategy.

`shape` says what may stand in a file, `chain` reads the file and what it extends, `checks` and `economics` say what is
wrong, `load` joins what is right, `programs` compiles.
"""

from hcc_sim.scenario.background import hcc_pathway_of
from hcc_sim.scenario.load import Scenario, Strategy, load_scenario
from hcc_sim.scenario.programs import programs
from hcc_sim.scenario.shape import HIGHEST_SEED, MOST_PATIENTS, scenario_schema

__all__ = [
    "HIGHEST_SEED",
    "MOST_PATIENTS",
    "Scenario",
    "Strategy",
    "hcc_pathway_of",
    "load_scenario",
    "programs",
    "scenario_schema",
]
