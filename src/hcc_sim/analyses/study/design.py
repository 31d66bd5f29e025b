"""Designs: which uncertain quantities have which values in which draw."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hcc_sim.analyses.study.runs import Rows
from hcc_sim.analyses.study.uncertain import CALIBRATION, REGIMENS, Uncertain
from hcc_sim.elementary import normal_quantiles
from hcc_sim.fit_in_use import FitInUse
from hcc_sim.luck import name_keys, uniforms
from hcc_sim.quantiles import FARTHEST, value_of
from hcc_sim.scenario import Scenario

Floats = NDArray[np.float64]

JOINT = "parameter:joint draw"
"""Address of the luck behind draws that the fit has no row for; the count is the direction that it weighs."""


@dataclass(frozen=True)
class Listed:
    """Every draw written out: (D, C) values, NaN where a draw leaves the base value; the same patients in all."""

    columns: tuple[str, ...]
    values: Floats
    told: Mapping[str, Any] = field(default_factory=dict)
    """What to say of it beside a hash of its values."""

    unknowns = ()
    same_patients = True
    extends = False

    @property
    def draws(self) -> int:
        """How many."""
        return len(self.values)

    @property
    def probe(self) -> tuple[Rows, ...]:
        """Draws by whose values it is told whether two machines work out the same: the first and the last."""
        return self.rows(0, 1), self.rows(self.draws - 1, 1)

    @property
    def identity(self) -> Mapping[str, Any]:
        """All of it."""
        digest = hashlib.sha256(np.ascontiguousarray(self.values, "<f8").tobytes()).hexdigest()
        return {**self.told, "columns": list(self.columns), "draws": self.draws, "values": digest}

    def rows(self, first: int, count: int) -> Rows:
        """Some of them."""
        return Rows(first, self.values[first : first + count])


@dataclass(frozen=True)
class Joint:
    """Draws from everything uncertain at once: row d of the joint draws of the fit, and all else by its luck.

    Beyond the rows that the fit has, further ones are made like them: normal on the unbounded scale, with their mean
    and the covariance that the fit states (see `covariance_of`).

    Attributes:
        quantities: what is drawn; of the fit's either all or none.
        seed: of the luck.
        draws: how many.
        same_patients: whether all have the same.
        unknowns: quantities of the fit, empty where it is not drawn.
        fitted: (R, U) their z in its rows.
        root: (U, U) of their covariance: what standard normal numbers are multiplied by, row by row.
    """

    quantities: tuple[Uncertain, ...]
    seed: int
    draws: int
    same_patients: bool = False
    unknowns: tuple[str, ...] = ()
    fitted: Floats = field(default_factory=lambda: np.empty((0, 0)))
    root: Floats = field(default_factory=lambda: np.empty((0, 0)))

    extends = True

    @property
    def columns(self) -> tuple[str, ...]:
        """All that is drawn."""
        return tuple(one.name for one in self.quantities)

    @property
    def probe(self) -> tuple[Rows, ...]:
        """Draws by whose values it is told whether two machines work out the same: of the fit's rows, and beyond."""
        return self.rows(0, 1), self.rows(len(self.fitted), 1)

    @property
    def identity(self) -> Mapping[str, Any]:
        """All but how many."""
        return {"drawn": list(self.columns), "jointly": bool(self.unknowns), "same_patients": self.same_patients}

    def rows(self, first: int, count: int) -> Rows:
        """Some of them."""
        keys = name_keys(f"parameter:{name}" for name in (*self.columns, JOINT.partition(":")[2]))
        values = np.full((count, len(self.quantities)), np.nan)
        for place, one in enumerate(self.quantities):
            if self.unknowns and one.source in (CALIBRATION, REGIMENS):
                continue  # by its z
            prior = one.distribution
            at = value_of(prior.family, prior.low, prior.high)
            low, high = one.bounds
            (scores,) = self._scores(keys[f"parameter:{one.name}"], first, count, 1)
            values[:, place] = [min(max(at(z), low), high) for z in scores.tolist()]
        return Rows(first, values, self._fit(keys[JOINT], first, count) if self.unknowns else None)

    def _fit(self, key: int, first: int, count: int) -> Floats:
        """(count, U) z of quantities of the fit."""
        known = len(self.fitted)
        found = np.empty((count, len(self.unknowns)))
        there = max(0, min(known - first, count))
        found[:there] = self.fitted[first : first + there]
        if there < count:
            found[there:] = self.fitted.mean(axis=0)
            weights = self._scores(key, first + there, count - there, len(self.root))
            for scores, off in zip(weights, self.root, strict=True):  # in turn: sums have the same bits everywhere
                found[there:] += scores[:, np.newaxis] * off
        return found

    def _scores(self, key: int, first: int, count: int, addresses: int) -> Floats:
        """(addresses, count) standard normal numbers of consecutive draws at the first addresses."""
        draws = np.tile(np.arange(first, first + count, dtype=np.uint64), addresses)
        at, scores = np.repeat(np.arange(addresses, dtype=np.uint64), count), np.empty(len(draws))
        found = np.empty(len(draws))
        uniforms(np.uint64(self.seed), draws, np.uint64(key), at, found)
        normal_quantiles(found, scores, np.empty(len(draws), np.int32), np.empty(len(draws)))
        return np.clip(scores, -FARTHEST, FARTHEST).reshape(addresses, count)


Design = Listed | Joint
"""What is drawn or turned, in how many draws; `extends`: whether its first draws are those of a smaller one."""


def joint_draws(
    scenario: Scenario,
    known: Mapping[str, Uncertain],
    draws: int,
    *,
    sources: Collection[str] | None = None,
    same_patients: bool = False,
) -> Joint:
    """Draws of all that is uncertain in a scenario, or of what comes from some sources only; the fit is drawn whole.

    Raises:
        InputError: the fit has no draws.
    """
    of_fit = {CALIBRATION, REGIMENS}
    drawn = {one.source for one in known.values()} if sources is None else set(sources)
    drawn |= of_fit if drawn & of_fit else set()
    wanted = tuple(one for one in known.values() if one.source in drawn)
    fit = scenario.fit
    if fit is None or not drawn & of_fit:
        return Joint(wanted, scenario.seed, draws, same_patients)
    held = [name for name in scenario.strategies[0].layers.beliefs if name in fit.quantities]
    ours = (one.name for one in wanted if one.source in of_fit)
    quantities = tuple(dict.fromkeys([*ours, *held]))
    rows = fit.rows(quantities, scenario.calibration)
    sizes, axes = np.linalg.eigh(covariance_of(fit, quantities, rows))
    root = (axes * np.sqrt(np.clip(sizes, 0.0, None))).T
    return Joint(wanted, scenario.seed, draws, same_patients, quantities, rows, root)


def covariance_of(fit: FitInUse, names: Sequence[str], rows: Floats) -> Floats:
    """(U, U) of the z of quantities: as the fit states it, where it does; else by its rows.

    The fit states how parameters of all patients go with one another and with those of regimens: to first order, for
    from 200 rows, which come in opposite pairs, a correlation would have an error of 0.1.  How two of a regimen's own
    go together beyond that is taken from the rows.
    """
    common = [place for place, name in enumerate(names) if name in fit.covariance]
    own = [place for place, name in enumerate(names) if name not in fit.covariance]
    of_common = np.array([[fit.covariance[names[a]].get(names[b], 0.0) for b in common] for a in common])
    if not own:
        return of_common
    across = np.array([[fit.covariance[names[a]].get(names[b], 0.0) for b in own] for a in common])
    across = across.reshape(len(common), len(own))
    off = rows - rows.mean(axis=0)
    slopes = np.linalg.solve(of_common, across) if common else across
    rest = off[:, own] - (off[:, common, np.newaxis] * slopes).sum(axis=1)
    found = np.empty((len(names), len(names)))
    found[np.ix_(common, common)] = of_common.reshape(len(common), len(common))
    found[np.ix_(common, own)] = across
    found[np.ix_(own, common)] = across.T
    explained = (across[:, :, np.newaxis] * slopes[:, np.newaxis]).sum(axis=0)
    found[np.ix_(own, own)] = explained + (rest[:, :, np.newaxis] * rest[:, np.newaxis]).mean(axis=0)
    return found


def listed(columns: Sequence[Uncertain], rows: Sequence[Mapping[str, float]], **told: Any) -> Listed:
    """A design of explicit draws, each a mapping of the names of quantities to values.

    Raises:
        InputError: a value that a quantity cannot have.
    """
    names = tuple(one.name for one in columns)
    values = np.full((len(rows), len(names)), np.nan)
    by_name = {one.name: one for one in columns}
    for at, row in enumerate(rows):
        for name, value in row.items():
            by_name[name].check(value, "design")
            values[at, names.index(name)] = value
    return Listed(names, values, told)
