"""The fit that scenarios stand on: what the calibration says of every uncertain parameter, jointly.

A calibration folder with `priors.yaml` asks for a fit, in its folder `fitted/`; it is refused where figures, priors,
parameters or the pathway have changed since.  A parameter's base case is the mean of the joint draws on its unbounded
scale z; where another belief is given, the rest is taken given that (regression on the joint distribution of z).
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from hcc_sim.errors import InputError, Problem
from hcc_sim.parameters import Calibration, Distribution, Parameter, Parameters, data_folder
from hcc_sim.quantiles import score_of, value_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from hcc_sim.pathway.model import Pathway

VERSION = 1
"""Raised when the meaning of the engine or of a target changes: fits of another version are stale."""

FOLDER, SUMMARY, PRIORS, FIGURES = "fitted", "fit.json", "priors.yaml", "figures"
DRAWS = "draws.parquet"
SEAL = "seal"
IDENTITY = ("hash", "of_draws")
"""What all files of a fit carry: what it was made from, and the hash of its draws."""

FILES = (PRIORS, "bridges.yaml", "vocabulary.yaml")
"""Beside the figures, files of which every byte counts for the fit."""
RENEW = "hcc-sim calibrate"
OF_TRIAL = "trial."
"""How names of quantities begin that trials have for themselves: how they look at their patients."""

OF_SCENARIO = "population."
"""How names of parameters begin that say who is simulated; changing them says nothing of the trials' patients."""

PRIOR_ONLY, BY_NETWORK = "prior only", "network"
"""Verdicts of the ledger: no figure tells of it; it was sought to show a ratio of the network."""

UNSURE = 0.85
"""Posterior over prior standard deviation from which a parameter stays assumed."""
DESCRIBED = "described"
"""The grade of a regimen without a survival time or a ratio: what no figure tells of it must be given by the user."""


@dataclass(frozen=True)
class Quantity:
    """What the fit says of one quantity: its value and z in the base case, and the range of the draws on z.

    `family`, `low` and `high` are its prior; `posterior` is the central 95% interval after.
    """

    name: str
    parameter: str
    prior: Distribution
    value: float
    z: float
    z_least: float
    z_most: float
    posterior: tuple[float, float]
    verdict: str
    figures: tuple[str, ...]
    sd_ratio: float = 0.0

    @property
    def unsure(self) -> bool:
        """Whether figures leave it nearly as broad as its prior, wherever they moved it."""
        return self.sd_ratio >= UNSURE and self.verdict != BY_NETWORK

    def at(self, z: float) -> float:
        """The value at a z."""
        return value_of(self.prior.family, self.prior.low, self.prior.high)(z)

    def score(self, value: float) -> float:
        """The z of a value."""
        return score_of(self.prior.family, self.prior.low, self.prior.high)(value)


@dataclass(frozen=True)
class Known:
    """A regimen that the documents name: its grade, and the arms that were fitted."""

    key: str
    name: str
    grade: str
    arms: tuple[str, ...]


@dataclass(frozen=True)
class FitInUse:
    """A fit as scenarios use it: quantities, covariances of z, regimens and what made it."""

    folder: Path
    quantities: Mapping[str, Quantity]
    covariance: Mapping[str, Mapping[str, float]]
    regimens: Mapping[str, Known]
    summary: Mapping[str, Any]
    _regressions: dict[tuple[str, ...], tuple[list[str], Any]] = field(default_factory=dict, repr=False, compare=False)

    @property
    def arms(self) -> dict[str, None]:
        """The study arms that were fitted, such as `launch/lenvatinib`."""
        owners = (name.partition(": ")[0] for name, one in self.quantities.items() if one.parameter)
        return dict.fromkeys(owner for owner in owners if "/" in owner)

    def grade_of_arm(self, arm: str) -> str:
        """Calibrated where figures tell its progression, else what its regimen is."""
        told = self.tells(arm, "progression.median_of_non_responders", priors_too=False)
        return "calibrated" if told else self.regimens[arm.partition("/")[2]].grade

    def of_network(self, regimen: str) -> tuple[str, ...]:
        """What to say of a regimen that a ratio of the network alone tells."""
        return tuple(
            f"By the network alone: a hazard ratio of {math.exp(one['mean']):.2f} against {one['comparator']} "
            f"({one['endpoint']})" + (f", over assumed bridges {', '.join(one['bridges'])}." if one["bridges"] else ".")
            for one in self.summary["only_in_network"]
            if one["regimen"] == regimen
        )

    def tells(self, owner: str, parameter: str, *, priors_too: bool) -> bool:
        """Whether an arm or a regimen has its own value of a parameter; with `priors_too` one that no figure tells."""
        found = self.quantities.get(f"{owner}: {parameter}")
        return found is not None and (priors_too or not found.unsure)

    def shifts(self, beliefs: Mapping[str, float], z: Mapping[str, float] | None = None) -> dict[str, float]:
        """Quantity -> by how much its z moves, given these values of common parameters.

        E[z_q | z_b] - E[z_q] = C_qb C_bb^-1 (z_b - E[z_b]); a belief outside the draws counts as the nearest of them.
        Of a draw, `z` (which holds the beliefs at least), the same takes what the draw has for the beliefs away and
        puts their values in its place: z_q + C_qb C_bb^-1 (value_b - z_b).
        """
        names = tuple(name for name in beliefs if name in self.covariance)
        if not names:
            return {}
        import numpy as np  # most starts hold no belief

        others, weights = self._regression(names)
        off = [self.score_within(name, beliefs[name]) - (self.quantities[name].z if z is None else z[name])
               for name in names]  # fmt: skip
        moved = (weights * np.array(off)).sum(axis=1)  # no matrix product: its last bits differ between machines
        return {other: shift for other, shift in zip(others, moved.tolist(), strict=True) if other not in beliefs}

    def score_within(self, name: str, value: float) -> float:
        """The z of a value, or the nearest z that a draw has."""
        one = self.quantities[name]
        return min(max(one.score(value), one.z_least), one.z_most)

    def _regression(self, names: tuple[str, ...]) -> tuple[list[str], Any]:
        """Quantities that these parameters tell of, and (quantities, names) by how much: C_qb C_bb^-1."""
        import numpy as np

        if names not in self._regressions:
            between = np.array([[self.covariance[a].get(b, 0.0) for b in names] for a in names])
            others = list(dict.fromkeys(other for name in names for other in self.covariance[name]))
            across = np.array([[self.covariance[name].get(other, 0.0) for name in names] for other in others])
            self._regressions[names] = others, np.linalg.solve(between, across.T).T
        return self._regressions[names]

    def rows(self, names: Sequence[str], calibration: Calibration) -> NDArray[np.float64]:
        """(draws, names) z of quantities in the joint draws.

        Raises:
            InputError: there are no draws, or they belong to another fit.
        """
        import numpy as np
        import pyarrow as pa
        import pyarrow.parquet as pq

        try:
            table = pq.read_table(self.folder / DRAWS)
        except (OSError, pa.ArrowException) as error:
            refuse(self.folder, f"has no draws that can be read ({str(error).splitlines()[0]})", calibration)
        told = {key: (table.schema.metadata or {}).get(key.encode(), b"").decode() for key in IDENTITY}
        if told != {key: self.summary[key] for key in IDENTITY}:
            refuse(self.folder, "holds draws of another fit", calibration)
        columns = [list(map(self.quantities[name].score, table[name].to_pylist())) for name in names]
        return np.column_stack(columns)

    def outside(self, beliefs: Mapping[str, float]) -> tuple[str, ...]:
        """Names of the beliefs that lie outside the draws: the fit says nothing of such a world."""
        known = [self.quantities[name] for name in beliefs if name in self.covariance]
        return tuple(q.name for q in known if not q.z_least <= q.score(beliefs[q.name]) <= q.z_most)

    def common(self, parameters: Parameters, shifts: Mapping[str, float]) -> dict[str, Parameter]:
        """Every parameter that is common to all patients, as fitted."""
        return {
            name: self._fitted(parameters[name], quantity, shifts, "fit")
            for name, quantity in self.quantities.items()
            if name == quantity.parameter
        }

    def of_arm(
        self, owner: str, parameters: Parameters, shifts: Mapping[str, float], set_by: str
    ) -> dict[str, Parameter]:
        """The parameters that an arm or a regimen has for itself, as fitted."""
        found = {}
        for name, parameter in parameters.items():
            quantity = self.quantities.get(f"{owner}: {name}")
            if quantity is not None:
                found[name] = self._fitted(parameter, quantity, shifts, set_by)
        return found

    def _fitted(self, parameter: Parameter, one: Quantity, shifts: Mapping[str, float], set_by: str) -> Parameter:
        moved = one.name in shifts
        value = one.at(one.z + shifts[one.name]) if moved else one.value
        low, high = one.posterior
        if moved:  # as broad as before: how much a belief narrows it is not kept
            low, high = (one.at(one.score(end) + shifts[one.name]) for end in (low, high))
        told = replace(
            parameter,
            value=min(max(value, parameter.bounds[0]), parameter.bounds[1]),
            distribution=Distribution(one.prior.family, min(low, value), max(high, value)),
            set_by=set_by,
        )
        if one.verdict == PRIOR_ONLY:
            nothing = "no figure tells of it" if parameter.of_arm or parameter.kind == "calibrated" else ""
            reason = "; ".join(filter(None, (parameter.reason, nothing)))
            return replace(told, kind="assumed", reason=reason, sources=parameter.sources)
        studies = tuple(dict.fromkeys(figure.partition(".")[0] for figure in one.figures))
        if one.unsure:
            derivation = f"moved by figures that leave it unsure ({', '.join(one.figures)})" if one.figures else ""
            return replace(told, kind="assumed", derivation=derivation)
        derivation = "fitted with all others to the figures of all studies"
        if one.figures:
            derivation += f"; most is told by {', '.join(one.figures)}"
        return replace(told, kind="calibrated", sources=studies, where="", derivation=derivation, support="")


def folder_of(calibration: Calibration) -> Path:
    """Where the fit of a calibration is kept."""
    return calibration.folder / FOLDER


# --- reading, and whether it is fresh ---------------------------------------------------------------------------------


def fit_in_use(calibration: Calibration) -> FitInUse | None:
    """The fit of a calibration; None where its folder asks for none.

    Raises:
        InputError: there is none although priors ask for one, it cannot be read, it is one of some studies only, or
            figures, priors or parameters have changed since.  Whether the pathway has is for `check_pathway`.
    """
    if not (calibration.folder / PRIORS).is_file():
        return None
    folder = folder_of(calibration)
    try:
        text = (folder / SUMMARY).read_bytes()
    except OSError:
        refuse(folder, "holds no fit", calibration)
    fit = _read(folder, text, calibration)
    if fit.summary["studies"]:
        refuse(folder, f"holds a fit of {', '.join(fit.summary['studies'])} only", calibration)
    if fit.summary["hash_of_files"] != hash_of_files(calibration):
        refuse(folder, "is stale, for figures, priors or parameters have changed since", calibration)
    return fit


def parameters_in_use(calibration: Calibration) -> tuple[Parameters, FitInUse | None]:
    """All parameters as a run takes them before any scenario speaks, and the fit that they come from, if any.

    Raises:
        InputError: as `fit_in_use`.
    """
    fit = fit_in_use(calibration)
    known = calibration.parameters
    return (known, None) if fit is None else (known.with_entries(fit.common(known, {})), fit)


def check_pathway(fit: FitInUse, calibration: Calibration, pathway: Pathway) -> None:
    """Raises InputError where the pathway has changed since the fit."""
    if fit.summary["hash"] != _with_pathway(fit.summary["hash_of_files"], pathway):
        refuse(fit.folder, "is stale, for the pathway has changed since", calibration)


def _read(folder: Path, text: bytes, calibration: Calibration) -> FitInUse:
    try:
        return _parsed(folder, text)
    except (ValueError, KeyError, TypeError) as error:
        refuse(folder, f"cannot be read ({error})", calibration)


def sealed(summary: Mapping[str, Any]) -> dict[str, Any]:
    """The summary of a fit with a hash over all of it, by which a change by hand is noticed."""
    rest = {key: value for key, value in summary.items() if key != SEAL}
    return rest | {SEAL: hashlib.sha256(json.dumps(rest, sort_keys=True).encode()).hexdigest()}


@lru_cache(maxsize=4)
def _parsed(folder: Path, text: bytes) -> FitInUse:
    summary = json.loads(text)
    if not isinstance(summary, dict) or summary != sealed(summary):
        raise ValueError("it was changed by hand, or is not whole")
    quantities = {
        one["name"]: Quantity(
            one["name"],
            one["parameter"],
            Distribution(one["family"], one["low"], one["high"]),
            one["value"],
            one["z"],
            one["z_least"],
            one["z_most"],
            (one["posterior_low"], one["posterior_high"]),
            one["verdict"],
            tuple(one["figures"]),
            one["sd_ratio"],
        )
        for one in summary["ledger"]
        if not one["name"].startswith(OF_TRIAL) and one["parameter"]
    }
    regimens = {
        one["key"]: Known(one["key"], one["name"], one["grade"], tuple(one["arms"])) for one in summary["regimens"]
    }
    return FitInUse(folder, quantities, summary["covariance"], regimens, summary)


def refuse(folder: Path, message: str, calibration: Calibration) -> NoReturn:
    """Raises InputError: what is wrong with the fit in a folder, and the command that renews it."""
    of_folder = "" if calibration.folder == data_folder("calibration") else f" --calibration {calibration.folder}"
    raise InputError(Problem(str(folder), None, "", f"{message}: {RENEW}{of_folder}"))


def hash_of(calibration: Calibration, pathway: Pathway) -> str:
    """One hash over all that a fit hangs on: figures, priors, parameters, the pathway's data, and the version."""
    return _with_pathway(hash_of_files(calibration), pathway)


def _with_pathway(of_files: str, pathway: Pathway) -> str:
    from hcc_sim.pathway.model import Law

    laws = [
        (name, law.make.__qualname__, sorted(law.amounts.items()), law.cured_share)
        for name, law in sorted(pathway.laws.items())
        if isinstance(law, Law)  # the life table's are numbers of a file
    ]
    everything = (pathway.start, pathway.states, pathway.attributes, pathway.epochs, pathway.at_start)
    data = repr((*everything, pathway.everywhere, laws))
    return _sha256([of_files, data, str(VERSION)])


def hash_of_files(calibration: Calibration) -> str:
    """The part of it that concerns files: lines of figures, priors, bridges and names; numbers of parameters.

    Comments and the words of parameters do not count; nor do prices and utilities, which move nobody, nor populations
    and regimens, whom a scenario simulates.
    """
    parts = [
        repr((p.name, p.unit, p.decision, p.of_arm, p.bounds, p.distribution, p.value))
        for p in calibration.parameters.of_pathway().values()
    ]
    table = calibration.life_table
    parts.append(repr((table.ages_years, table.female_per_year, table.male_per_year)))
    files = [calibration.folder / name for name in FILES]
    files += sorted((calibration.folder / FIGURES).glob("*.yaml"))
    parts += [f"{file.name} {hashlib.sha256(_without_comments(file.read_bytes())).hexdigest()}" for file in files]
    return _sha256(parts)


def _without_comments(content: bytes) -> bytes:
    """Lines that are no comments, however they end: neither a remark nor a checkout makes a fit stale."""
    return b"\n".join(line for line in content.splitlines() if not line.lstrip().startswith(b"#"))


def _sha256(parts: Iterable[str]) -> str:
    return hashlib.sha256(json.dumps(list(parts)).encode()).hexdigest()
