"""On which terms costs and effects are told: whose costs, in money of which year, and what the future counts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from hcc_sim.economics.items import Item


@dataclass(frozen=True)
class Terms:
    """The terms of an analysis.

    `currency` (ISO 4217) and `price_year` of everything told; `thresholds`, the same money per QALY, rise; discount
    rates are annual; `conversions` say what one unit of other money is worth in this (price index and exchange rate in
    one number); `perspective` is whose costs are counted, in words; `items` are the analyst's own.
    """

    currency: str
    price_year: int
    discount_costs: float
    discount_effects: float
    thresholds: tuple[float, ...]
    perspective: str = ""
    conversions: Mapping[str, float] = field(default_factory=dict)
    items: tuple[Item, ...] = ()

    @property
    def money(self) -> str:
        """Such as 'USD 2021'."""
        return f"{self.currency} {self.price_year}"
