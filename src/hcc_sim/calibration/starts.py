"""How patients of a trial start: most on conversion therapy, some resectable already."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Start:
    """Patients who are resectable already: what is held in their trials, and what each regimen has of its own.

    `from_resection` says that trials enrol them after surgery and count from it; else from the start.
    """

    held: Mapping[str, float]
    own: tuple[str, ...] = ()
    from_resection: bool = False


_RESECTABLE = {"population.resectable_share": 1.0}
_ADJUVANT = {"adjuvant.share_after_viable_tumour": 1.0, "adjuvant.share_after_complete_response": 1.0}

STARTS: Mapping[str, Start] = {
    "adjuvant": Start(_RESECTABLE | _ADJUVANT, ("adjuvant.effect_on_outgrowth",), from_resection=True),
    "observation": Start(_RESECTABLE, from_resection=True),
    "neoadjuvant": Start(
        _RESECTABLE | {"neoadjuvant.share": 1.0}, ("neoadjuvant.effect_on_outgrowth", "neoadjuvant.dead_share")
    ),
    "resection": Start(_RESECTABLE),
}
"""By the first word of a regimen's key."""

OWN = frozenset(parameter for start in STARTS.values() for parameter in start.own)
"""Parameters that are common to no trials: each regimen that has them has a value of its own."""


def start_of(arm: str) -> Start | None:
    """How the patients of an arm (`storm/observation`) or a regimen start; None on conversion therapy."""
    return STARTS.get(arm.rpartition("/")[2].split(" ")[0])
