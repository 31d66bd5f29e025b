"""Fits as files: written whole, read back only while they belong to the figures, priors and pathway they came from."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hcc_sim.calibration.fit import Fit
from hcc_sim.calibration.left_out import LeftOutRatio
from hcc_sim.calibration.only_in_network import Solved
from hcc_sim.files import written_together
from hcc_sim.fit_in_use import DRAWS, IDENTITY, SUMMARY, VERSION, hash_of, hash_of_files, refuse, sealed
from hcc_sim.parameters import Calibration
from hcc_sim.scenario import hcc_pathway_of

Floats = NDArray[np.float64]

UNKNOWNS = "unknowns.parquet"
FILES = (DRAWS, UNKNOWNS, SUMMARY)
KEYS = (
    "hash",
    "of_draws",
    "studies",
    "seed",
    "patients",
    "draws",
    "ledger",
    "regimens",
    "covariance",
    "without_study",
    "left_out",
    "effective_parameters",
)


@dataclass(frozen=True)
class Fitted:
    """A fit read from its files: draws (D,) of each quantity in its unit, z of each unknown (D, U), and the summary."""

    draws: Mapping[str, Floats]
    z: Floats
    summary: Mapping[str, Any]

    @property
    def studies(self) -> list[str]:
        """The studies that it is a fit of; none means all."""
        return self.summary["studies"]

    @property
    def without_study(self) -> list[LeftOutRatio]:
        """Hazard ratios as predicted without their studies."""
        return [LeftOutRatio(**one) for one in self.summary["without_study"]]

    @property
    def seed(self) -> int:
        """Of its common luck."""
        return self.summary["seed"]

    @property
    def patients(self) -> int:
        """In each arm."""
        return self.summary["patients"]


def write_fit(folder: Path, fit: Fit, calibration: Calibration, *, seed: int, patients: int) -> None:
    """Write all `FILES` into a folder, in place of what is there only once all are made."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    z = fit.posterior.draws
    summary = sealed(_summary(fit, calibration, seed, patients))
    identity = {key: str(summary[key]) for key in IDENTITY}
    with written_together(folder, FILES) as made:
        for name, columns in ((DRAWS, fit.values), (UNKNOWNS, dict(zip(fit.unknowns, z.T, strict=True)))):
            table = pa.table({key: pa.array(column) for key, column in columns.items()})
            pq.write_table(table.replace_schema_metadata(identity), made / name)
        text = json.dumps(summary, indent=1, ensure_ascii=False)
        (made / SUMMARY).write_text(text + "\n", encoding="utf-8")


def _summary(fit: Fit, calibration: Calibration, seed: int, patients: int) -> dict[str, Any]:
    posterior = fit.posterior
    return {
        "hash": hash_of(calibration, hcc_pathway_of(calibration)),
        "hash_of_files": hash_of_files(calibration),
        "of_draws": hashlib.sha256(np.ascontiguousarray(posterior.draws).tobytes()).hexdigest(),
        "calibration_version": VERSION,
        "studies": list(fit.studies),
        "seed": seed,
        "patients": patients,
        "draws": len(posterior.draws),
        "effective_draws_if_weighted": round(posterior.effective, 2),
        "distance_from_root": round(float(np.median(posterior.off)), 4),
        "effective_parameters": round(posterior.effective_parameters, 1),
        "objective": round(fit.objective, 2),
        "figures": [target.figure.id for target in fit.targets],
        "doubts": list(posterior.doubts),
        "effective_parameters_of_arms": [one._asdict() for one in fit.of_arms],
        "predictive_checks": [one._asdict() for one in fit.checks],
        "regimens": [asdict(one) for one in fit.regimens],
        "only_in_network": [_of_network(one) for one in fit.only_in_network],
        "ridge": [one._asdict() for one in fit.ridge],
        "covariance": fit.covariance,
        "ledger": [asdict(entry) for entry in fit.ledger],
        "without_study": [one._asdict() for one in fit.without_study],
        "left_out": [{"figure": one.figure.id, "why": one.why} for one in fit.left_out],
    }


def _of_network(solved: Solved) -> dict[str, Any]:
    fields = ("regimen", "comparator", "endpoint", "mean", "sd", "bridges", "figures", "borrowed", "missed")
    return {field: getattr(solved, field) for field in fields} | {"reached": float(solved.reached.mean())}


def read_fit(folder: Path, calibration: Calibration) -> Fitted:
    """Read a fit.

    Raises:
        InputError: there is none, a file is torn or of another fit, or it is stale: figures, priors, parameters, the
            pathway or the version have changed since.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    missing = [name for name in FILES if not (folder / name).is_file()]
    if missing:
        refuse(folder, f"holds no fit ({', '.join(missing)} missing)", calibration)
    try:
        summary = json.loads((folder / SUMMARY).read_text(encoding="utf-8"))
        tables = [pq.read_table(folder / name) for name in (DRAWS, UNKNOWNS)]
        if absent := [key for key in KEYS if key not in summary]:
            raise KeyError(f"{SUMMARY} lacks {', '.join(absent)}")
        found = {tuple(summary[key] for key in IDENTITY), *(_identity(table) for table in tables)}
    except (OSError, ValueError, KeyError, pa.ArrowException) as error:
        refuse(folder, f"cannot be read ({str(error).splitlines()[0]})", calibration)
    if len(found) != 1:
        refuse(folder, "holds files of different fits", calibration)
    if summary["hash"] != hash_of(calibration, hcc_pathway_of(calibration)):
        refuse(folder, "is stale, for figures, priors, parameters or the pathway have changed since", calibration)
    columns = {name: tables[0][name].to_numpy() for name in tables[0].column_names}
    z = np.column_stack([tables[1][name].to_numpy() for name in tables[1].column_names])
    return Fitted(columns, z, summary)


def _identity(table: Any) -> tuple[str, ...]:
    metadata = table.schema.metadata or {}
    return tuple(metadata.get(key.encode(), b"").decode() for key in IDENTITY)
