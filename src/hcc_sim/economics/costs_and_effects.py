"""The table on which strategies are decided between."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True, init=False)
class CostsAndEffects:
    """Costs and effects of strategies: draws (D, S) of their means over patients, the same draws for all.

    A base case is a table of one draw.  Costs are in `currency`, effects in `effect` (QALYs unless said), both
    discounted or both not.
    """

    strategies: tuple[str, ...]
    costs: Floats
    effects: Floats
    currency: str
    effect: str

    def __init__(
        self,
        strategies: tuple[str, ...] | list[str],
        costs: ArrayLike,
        effects: ArrayLike,
        currency: str = "",
        effect: str = "QALY",
    ) -> None:
        """Check and keep.

        Args:
            strategies: S names.
            costs: (D, S), or (S,) for one draw.
            effects: of the same shape.
            currency: with its price year, as "USD 2021".
            effect: what effects are counted in.

        Raises:
            ValueError: no strategy, a name twice, shapes that do not fit, a number that is not finite.
        """
        names = tuple(strategies)
        if not names:
            raise ValueError("there is no strategy")
        if twice := [name for name, count in Counter(names).items() if count > 1]:
            raise ValueError(f"named twice: {', '.join(map(repr, twice))}")
        object.__setattr__(self, "strategies", names)
        for what, given in (("costs", costs), ("effects", effects)):
            values = np.atleast_2d(np.array(given, dtype=np.float64))
            if values.ndim != 2 or values.shape[1] != len(names) or not len(values):
                raise ValueError(f"{what} have the shape {values.shape}; they need (draws, {len(names)})")
            if (wrong := np.argwhere(~np.isfinite(values))).size:
                draw, place = wrong[0]
                raise ValueError(f"{what} of {names[place]!r} in draw {draw} are {values[draw, place]}")
            values.setflags(write=False)
            object.__setattr__(self, what, values)
        if self.costs.shape != self.effects.shape:
            raise ValueError(f"{len(self.costs)} draws of costs and {len(self.effects)} of effects")
        object.__setattr__(self, "currency", currency)
        object.__setattr__(self, "effect", effect)

    def place(self, strategy: str) -> int:
        """The column of a strategy.

        Raises:
            ValueError: there is none of that name.
        """
        if strategy not in self.strategies:
            raise ValueError(f"no strategy {strategy!r}; there are {', '.join(map(repr, self.strategies))}")
        return self.strategies.index(strategy)

    @property
    def draws(self) -> int:
        """How many."""
        return len(self.costs)

    @property
    def mean_costs(self) -> Floats:
        """(S,) over draws."""
        return self.costs.mean(axis=0)

    @property
    def mean_effects(self) -> Floats:
        """(S,) over draws."""
        return self.effects.mean(axis=0)
