"""Simulate any pathway: compile it with its numbers, then run patients through it."""

from hcc_sim.engine.compile import Program, compile_pathway, parameters_in_use
from hcc_sim.engine.simulate import (
    CHUNK,
    SPAN,
    Chunk,
    EngineError,
    attributes_at_start,
    simulate,
    simulate_all,
    starting_attributes,
)

__all__ = [
    "CHUNK",
    "SPAN",
    "Chunk",
    "EngineError",
    "Program",
    "attributes_at_start",
    "compile_pathway",
    "parameters_in_use",
    "simulate",
    "simulate_all",
    "starting_attributes",
]
