"""The pathway with the background mortality of a calibration."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from hcc_sim.parameters import Calibration, LifeTable

if TYPE_CHECKING:
    from hcc_sim.pathway.model import Pathway


def hcc_pathway_of(calibration: Calibration, other_families: frozenset[str] = frozenset()) -> Pathway:
    """The pathway with the background mortality of the calibration; laws of those names of their other family."""
    return _hcc_pathway_with(calibration.life_table, other_families)


@lru_cache(maxsize=16)
def _hcc_pathway_with(table: LifeTable, other_families: frozenset[str]) -> Pathway:
    """Built and checked once: many programs are compiled from it, one for each strategy and each turn of a value."""
    from hcc_sim.laws import PiecewiseExponential
    from hcc_sim.pathway.hcc import hcc_pathway

    return hcc_pathway(
        PiecewiseExponential.from_life_table(table.ages_years, table.female_per_year),
        PiecewiseExponential.from_life_table(table.ages_years, table.male_per_year),
        sorted(other_families),
    )
