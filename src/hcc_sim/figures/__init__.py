"""Reported figures: what the documents print, with an address for each number, checked and read."""

from hcc_sim.figures.reading import Evidence, load_evidence
from hcc_sim.figures.schema import Arm, Figure, Study, study_schema
from hcc_sim.figures.table import Row, rows

__all__ = ["Arm", "Evidence", "Figure", "Row", "Study", "load_evidence", "rows", "study_schema"]
