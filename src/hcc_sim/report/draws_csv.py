"""Draws as CSV for other programs: a row each, a column for each strategy or parameter, names in the first row.

That is what `as.matrix(read.csv(...))` makes the matrices of the R package BCEA from, a data frame for `e` and `c` of
the R package voi, and what the web tool SAVI takes as its three files.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

    from hcc_sim.economics import CostsAndEffects

COSTS, EFFECTS, PARAMETERS = "psa_costs.csv", "psa_effects.csv", "psa_parameters.csv"


def write_draws_csv(folder: Path, draws: CostsAndEffects, parameters: pd.DataFrame | None = None) -> list[str]:
    """Write costs and effects, and parameters if there are any; the names of the files.

    Args:
        folder: into which they go.
        draws: of all strategies.
        parameters: (D, P), a column for each that was drawn, a row for each draw in the same order.

    Raises:
        ValueError: parameters that do not fit the draws: too many rows or too few, a name twice, a number that is not
            finite.
    """
    if parameters is not None:
        _check(parameters, draws.draws)
    _write(folder / COSTS, draws.strategies, draws.costs.tolist())
    _write(folder / EFFECTS, draws.strategies, draws.effects.tolist())
    if parameters is None:
        return [COSTS, EFFECTS]
    _write(folder / PARAMETERS, list(map(str, parameters.columns)), parameters.astype(float).to_numpy().tolist())
    return [COSTS, EFFECTS, PARAMETERS]


def _write(path: Path, names: Sequence[str], rows: Iterable[Sequence[float]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(names)
        writer.writerows(rows)


def _check(parameters: pd.DataFrame, draws: int) -> None:
    if len(parameters) != draws:
        raise ValueError(f"{len(parameters)} draws of parameters and {draws} of costs and effects")
    if not parameters.columns.is_unique:
        twice = parameters.columns[parameters.columns.duplicated()].unique()
        raise ValueError(f"named twice: {', '.join(map(repr, twice))}")
    values = parameters.astype(float).to_numpy()
    if (wrong := np.argwhere(~np.isfinite(values))).size:
        draw, place = wrong[0]
        raise ValueError(f"{parameters.columns[place]!r} in draw {draw} is {values[draw, place]}")
