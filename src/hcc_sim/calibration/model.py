"""The model of all trials at once: from unknowns to what every target would have shown.

The unknowns are numbers z with standard normal priors (`prior`): those common to all, the effects of each study, and
for response, progression and the share that can become resectable one of each regimen and one of each arm.  Common luck
makes predictions smooth enough in z for derivatives by differences.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import networkx as nx
import numpy as np
from numpy.typing import NDArray

from hcc_sim.calibration.parallel import in_parallel
from hcc_sim.calibration.prior import OF_ARM, Prior
from hcc_sim.calibration.starts import OWN, start_of
from hcc_sim.calibration.statistics import Predicted
from hcc_sim.calibration.targets import Target, arms_of
from hcc_sim.calibration.trial import Arm, simulate_arm
from hcc_sim.engine import parameters_in_use
from hcc_sim.fit_in_use import OF_TRIAL
from hcc_sim.pathway.model import Pathway

Floats = NDArray[np.float64]

OF_STUDY = "study."
OF_RESECTABLE = "study.resectable_"
"""How names of priors begin that each study has for itself; of the latter those whose patients are resectable."""


def _times(value: float, factor: float) -> float:
    return value * factor


def _shifted(share: float, log_odds: float) -> float:
    odds = share / (1.0 - share) * math.exp(log_odds)
    return odds / (1.0 + odds)


EFFECTS: Mapping[str, tuple[str, Callable[[float, float], float]]] = {
    "study.death_factor": ("death.median_after_progression", _times),
    "study.dead_log_odds": ("conversion.dead_share", _shifted),
    "study.resectable_occult_log_odds": ("resectable.occult_share", _shifted),
    "study.resectable_outgrowth_factor": ("outgrowth.median", _times),
    "study.resectable_death_factor": ("death.median_after_relapse", _times),
}
"""What a study's own effects change, and how."""

LARGER = 4
"""Times as many patients where a study compares groups of which one is small."""

STEP, STEP_OF_COMMON = 0.2, 0.6
"""Of z, for derivatives: large against the grain of counted patients, small against the curve of the model.  What is
common to all moves each prediction less, and its priors are narrower."""


FEWER, FEWEST = 4, 1_000
"""Where fewer patients do: a part of them, but no fewer than these."""

SHARED_BY_REGIMEN = 0.7
"""Share of the prior variance of what is an arm's own that all arms of its regimen have in common (assumed): studies of
one treatment resemble one another, but patients differ."""


@dataclass(frozen=True)
class Unknown:
    """A number z with a standard normal prior, and who depends on it: an arm, a study, a regimen; empty for all."""

    name: str
    owner: str = ""

    def concerns(self, arm: str) -> bool:
        """Whether an arm's patients or its trial depend on it."""
        study, _, regimen = arm.partition("/")
        return self.owner in ("", arm, study, regimen)


@dataclass(frozen=True)
class Quantity:
    """Something with a prior: its value is that of the prior at a sum of unknowns with weights.

    Weights have unit length but for a regimen's, which is the mean of its arms on the scale of z.
    """

    name: str
    prior: Prior
    owner: str
    places: tuple[int, ...]
    weights: tuple[float, ...] = (1.0,)

    @property
    def spread(self) -> float:
        """Prior standard deviation of its z."""
        return math.hypot(*self.weights)

    def at(self, z: Floats) -> float:
        """Its own z."""
        return sum(weight * float(z[place]) for place, weight in zip(self.places, self.weights, strict=True))

    def value(self, z: Floats) -> float:
        """Its value, in the unit of its prior."""
        return self.prior.at(self.at(z))

    @property
    def moves_patients(self) -> bool:
        """Whether patients' histories depend on it; else only how a trial looks at them does."""
        return bool(self.prior.parameter) or self.prior.name in EFFECTS


@dataclass(frozen=True)
class Model:
    """Targets, priors and the pathway with the values that are held; `patients` are simulated in each arm."""

    pathway: Pathway
    held: Mapping[str, float]
    priors: Mapping[str, Prior]
    targets: Sequence[Target]
    seed: int
    patients: int

    @cached_property
    def arms(self) -> tuple[str, ...]:
        """The arms that are simulated."""
        return tuple(arms_of(list(self.targets)))

    @cached_property
    def _made(self) -> tuple[tuple[Unknown, ...], tuple[Quantity, ...]]:
        """Unknowns and quantities: common ones first, then of studies, of arms, of regimens over their arms."""
        unknowns: list[Unknown] = []
        quantities: list[Quantity] = []

        def place(name: str, owner: str = "") -> int:
            unknowns.append(Unknown(name, owner))
            return len(unknowns) - 1

        of_arm = {name: prior for name, prior in self.priors.items() if name.startswith(OF_ARM)}
        of_study = {name: prior for name, prior in self.priors.items() if name.startswith(OF_STUDY)}
        for name, prior in self.priors.items():
            if name not in of_arm and name not in of_study and name not in OWN:
                quantities.append(Quantity(name, prior, "", (place(name),)))
        kinds: defaultdict[str, set[bool]] = defaultdict(set)
        for arm in self.arms:
            kinds[arm.partition("/")[0]].add(start_of(arm) is not None)
        for study, resectable in kinds.items():
            for name, prior in of_study.items():
                if name.startswith(OF_RESECTABLE) not in resectable:
                    continue
                own = f"{study}: {name}"
                quantities.append(Quantity(own, prior, study, (place(own, study),)))
        shared: dict[tuple[str, str], int] = {}
        arms_of_regimen: defaultdict[tuple[str, str], list[int]] = defaultdict(list)
        weights = (math.sqrt(SHARED_BY_REGIMEN), math.sqrt(1.0 - SHARED_BY_REGIMEN))
        for arm in self.arms:
            regimen = arm.partition("/")[2]
            start = start_of(arm)
            for prior in of_arm.values() if start is None else (self.priors[own] for own in start.own):
                common = (regimen, prior.parameter)
                if common not in shared:
                    shared[common] = place(f"{regimen}: {prior.parameter}", regimen)
                own = f"{arm}: {prior.parameter}"
                quantities.append(Quantity(own, prior, arm, (shared[common], place(own, arm)), weights))
                arms_of_regimen[common].append(quantities[-1].places[1])
        for (regimen, parameter), places in arms_of_regimen.items():
            prior = next(prior for prior in self.priors.values() if prior.parameter == parameter)
            among = (weights[0], *(weights[1] / len(places) for _ in places))
            everywhere = (shared[regimen, parameter], *places)
            quantities.append(Quantity(f"{regimen}: {parameter}", prior, regimen, everywhere, among))
        return tuple(unknowns), tuple(quantities)

    @property
    def unknowns(self) -> tuple[Unknown, ...]:
        """The numbers z that are sought."""
        return self._made[0]

    @property
    def quantities(self) -> tuple[Quantity, ...]:
        """What has a value, by the unknowns that make it."""
        return self._made[1]

    @cached_property
    def _moving(self) -> frozenset[int]:
        return frozenset(place for one in self.quantities if one.moves_patients for place in one.places)

    @cached_property
    def _moved_by(self) -> dict[str, set[int]]:
        """Parameter of the pathway -> the unknowns that set or change it."""
        found: defaultdict[str, set[int]] = defaultdict(set)
        for one in self.quantities:
            if one.moves_patients:
                changed = EFFECTS[one.prior.name][0] if one.prior.name in EFFECTS else one.prior.parameter
                found[changed].update(one.places)
        return dict(found)

    @property
    def _sought(self) -> frozenset[str]:
        return frozenset(self._moved_by)

    @cached_property
    def _compared(self) -> frozenset[str]:
        return frozenset(arm for target in self.targets if target.compares is not None for arm in target.arms)

    @cached_property
    def _by_owner(self) -> dict[str, list[Quantity]]:
        found: defaultdict[str, list[Quantity]] = defaultdict(list)
        for one in self.quantities:
            found[one.owner].append(one)
        return dict(found)

    @cached_property
    def clusters(self) -> tuple[tuple[str, ...], ...]:
        """Arms that some target sees together: they are simulated side by side."""
        graph = nx.Graph()
        graph.add_nodes_from(self.arms)
        graph.add_edges_from(target.arms for target in self.targets if target.versus is not None)
        order = {arm: number for number, arm in enumerate(self.arms)}
        return tuple(tuple(sorted(found, key=order.__getitem__)) for found in nx.connected_components(graph))

    def values(self, z: Floats, arm: str) -> dict[str, float]:
        """The values of the pathway's parameters, and of the trial's own, in an arm.

        A regimen's key gives those of the mean of its arms, without effects of any study.
        """
        start = start_of(arm)
        values = dict(self.held) if start is None else {**self.held, **start.held}
        effects = []
        for quantity in (one for owner in ("", arm.partition("/")[0], arm) for one in self._by_owner.get(owner, ())):
            value = quantity.value(z)
            if quantity.prior.name in EFFECTS:
                effects.append((*EFFECTS[quantity.prior.name], value))
            else:
                values[quantity.prior.parameter or quantity.prior.name] = value
        for name, change, value in effects:
            values[name] = change(values[name], value)
        return values

    def with_luck(self, kind: int) -> Model:
        """The same model with patients of other luck."""
        return replace(self, seed=(self.seed + kind) % 2**64)

    def with_patients(self, patients: int) -> Model:
        """The same model with other numbers of patients in each arm."""
        return self if patients == self.patients else replace(self, patients=patients)

    def with_fewer(self) -> Model:
        """The same model with a part of the patients, for what need not be told so well."""
        return self.with_patients(max(self.patients // FEWER, min(FEWEST, self.patients)))

    def simulate(self, z: Floats, arm: str) -> Arm:
        """The patients of an arm."""
        many = LARGER if arm in self._compared else 1
        return simulate_arm(self.pathway, self.values(z, arm), seed=self.seed, patients=many * self.patients)

    def predict(self, z: Floats) -> list[Predicted]:
        """What every target would have shown."""
        return self.predict_all([z])[0]

    def predict_all(self, points: Sequence[Floats]) -> list[list[Predicted]]:
        """The same for several points, on all processors."""

        def of_cluster(task: tuple[Floats, tuple[str, ...]]) -> dict[int, Predicted]:
            return self.predict_arms(*task)

        tasks = [(z, arms) for z in points for arms in self.clusters]
        found = list(in_parallel(of_cluster, tasks))
        size = len(self.clusters)
        joined = []
        for start in range(0, len(found), size):
            by_target = {number: p for part in found[start : start + size] for number, p in part.items()}
            joined.append([by_target[number] for number in range(len(self.targets))])
        return joined

    def predict_arms(self, z: Floats, arms: Sequence[str]) -> dict[int, Predicted]:
        """What the targets of some arms would have shown, by the place of the target."""
        return self._predict_cluster(z, {arm: self.simulate(z, arm) for arm in arms})

    def _predict_cluster(self, z: Floats, simulated: Mapping[str, Arm]) -> dict[int, Predicted]:
        found = {}
        trial: dict[str, dict[str, float]] = {}
        for number, target in enumerate(self.targets):
            if target.arm in simulated:
                values = trial.setdefault(target.arm, self.trial_values(z))
                found[number] = target.statistic(values, *(simulated[arm] for arm in target.arms))
        return found

    def trial_values(self, z: Floats) -> dict[str, float]:
        """The values of how trials look: follow-up, criterion of response."""
        return {one.name: one.value(z) for one in self._of_trial}

    @cached_property
    def _of_trial(self) -> list[Quantity]:
        return [one for one in self.quantities if one.name.startswith(OF_TRIAL)]

    def slopes(self, z: Floats, active: NDArray[np.bool_] | None = None) -> Floats:
        """Derivatives (T, U) of the predictions at z along each unknown, by central differences.

        Args:
            z: (U,) the point.
            active: (U,) which unknowns to vary; the derivatives along others are 0.
        """
        varied = np.flatnonzero(np.ones(len(z), dtype=bool) if active is None else active)
        found = np.zeros((len(self.targets), len(z)))
        largest_first = sorted(self.clusters, key=len, reverse=True)
        for part in in_parallel(lambda arms: self._slopes_of_cluster(z, arms, varied), largest_first, long=True):
            for number, slope in part.items():
                found[number] = slope
        return found

    def _slopes_of_cluster(self, z: Floats, arms: tuple[str, ...], varied: NDArray[np.intp]) -> dict[int, Floats]:
        base = {arm: self.simulate(z, arm) for arm in arms}
        idle = {arm: self._idle(z, arm) for arm in arms}
        slopes: dict[int, Floats] = defaultdict(lambda: np.zeros(len(z)))
        for place in varied:
            unknown = self.unknowns[place]
            concerned = [arm for arm in arms if unknown.concerns(arm) and place not in idle[arm]]
            if not concerned:
                continue
            width = STEP if unknown.owner else STEP_OF_COMMON
            beside = []
            for step in (-width, width):
                moved = z.copy()
                moved[place] += step
                again = {arm: self.simulate(moved, arm) for arm in concerned} if place in self._moving else {}
                beside.append(self._predict_cluster(moved, base | again))
            below, above = beside
            for number, high in above.items():
                slopes[number][place] = (high.working - below[number].working) / (2.0 * width)
        return dict(slopes)

    def _idle(self, z: Floats, arm: str) -> frozenset[int]:
        """The unknowns that move patients, but nobody in an arm: they belong to roads that are closed there."""
        used = parameters_in_use(self.pathway, self.values(z, arm), self._sought)
        return self._moving - frozenset().union(*(self._moved_by[parameter] for parameter in used & self._sought))
