"""Vials and capsules: how many packs a dose takes, on average over patients."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from statistics import NormalDist

from hcc_sim.pathway.model import Amount, number

_STANDARD = NormalDist()
_FAR = 8.0
"""Standard deviations beyond which no body weight is looked for."""


@dataclass(frozen=True, kw_only=True)
class Packs:
    """Packs of `size` that a dose takes, `times` over.

    With `kg_mean` and `kg_sd` the dose is by kilogram, and body weight is normal: the mean of ceil(dose x weight /
    size) is the sum over k = 0, 1, ... of P(dose x weight > k size), and no weight is below 0.  Of a share `shared` of
    patients nothing is thrown away, for what is left of a pack goes to the next.
    """

    dose: Amount
    size: float
    times: float = 1.0
    shared: Amount = 0.0
    kg_mean: Amount | None = None
    kg_sd: Amount = 0.0

    def number(self, values: Mapping[str, float]) -> float:
        """Mean packs at these values of parameters.

        Raises:
            ValueError: a dose, a weight or a share that cannot be.
        """
        dose, shared = number(self.dose, values), number(self.shared, values)
        mean, sd = (1.0, 0.0) if self.kg_mean is None else (number(self.kg_mean, values), number(self.kg_sd, values))
        if not (0.0 <= dose < math.inf and 0.0 < mean < math.inf and 0.0 <= sd < math.inf and 0.0 <= shared <= 1.0):
            raise ValueError(
                f"a dose of {dose:g} for a mean weight of {mean:g} (standard deviation {sd:g}), shared by {shared:g}: "
                "needs a dose of at least 0, a weight above 0 and a share from 0 to 1"
            )
        exact = dose * mean / self.size
        return self.times * (shared * exact + (1.0 - shared) * self._whole(dose, mean, sd))

    def _whole(self, dose: float, mean: float, sd: float) -> float:
        if sd == 0.0 or dose == 0.0:
            return float(math.ceil(dose * mean / self.size))
        least = _STANDARD.cdf(-mean / sd)
        packs, k = 1.0, 1
        while (kg := k * self.size / dose) < mean + _FAR * sd:
            packs += (1.0 - _STANDARD.cdf((kg - mean) / sd)) / (1.0 - least)
            k += 1
        return packs
