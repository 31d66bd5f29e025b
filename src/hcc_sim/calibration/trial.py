"""A trial arm inside the pathway: what the trial would have seen of each simulated patient.

Times are months from the start of therapy, infinite where nothing happened within the horizon.  A trial is observed by
its own scans and followed up for its own time: parameters apart from the scenario's (`trial.*`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hcc_sim.engine import Program, compile_pathway, simulate_all
from hcc_sim.history import Stays
from hcc_sim.pathway.hcc import DEATHS
from hcc_sim.pathway.model import Pathway

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

HORIZON_MONTHS = 120.0
RESPONSE, CONVERSION, RESECTION = "depth of response", "treated tumour", "resection"
SEEN, AFTER_SURGERY, RESECTED = "disease seen", "relapse after surgery", "margin"
REPEAT = "curative treatment again"
OTHER_CAUSES = "dead of other causes"
PATHOLOGICAL_COMPLETE_RESPONSE = "pathological complete response"


@dataclass(frozen=True)
class Arm:
    """Simulated patients of an arm, one entry of each array a patient."""

    death: Floats
    progression: Floats
    """First disease seen, false alarms that were believed included; surgery is ignored."""
    response: Floats
    conversion: Floats
    operation: Floats
    """First entry into an operation for cure, at conversion or at relapse."""
    resection: Floats
    """First resection survived and not abandoned."""
    recurrence: Floats
    """First relapse seen after resection."""
    repeat: Floats
    """First curative treatment of a relapse after surgery."""
    complete_pathological_response: Flags
    """At the first resection."""
    of_other_causes: Flags
    """Who died of neither cancer, liver nor operation."""

    @property
    def patients(self) -> int:
        """How many."""
        return len(self.death)

    @property
    def failure(self) -> Floats:
        """Progression or death, whichever comes first: progression-free survival ends."""
        return np.minimum(self.progression, self.death)


def simulate_arm(pathway: Pathway, values: Mapping[str, float], *, seed: int, patients: int, threads: int = 1) -> Arm:
    """Simulate an arm with these values of the pathway's parameters, followed for `HORIZON_MONTHS`.

    Raises:
        PathwayError: values that do not fit the pathway.
        EngineError: a run that has to stop.
    """
    program = compile_pathway(pathway, values)
    stays = simulate_all(program, seed=seed, patients=patients, horizon_months=HORIZON_MONTHS, threads=threads)
    return arm_of(stays, program, patients)


def arm_of(stays: Stays, program: Program, patients: int) -> Arm:
    """Read an arm's times off the stays of patients 0 to `patients - 1`."""
    who = stays.patient.astype(np.int64)

    def first_entry(state: str) -> Floats:
        return _first(who, stays.entered_months, stays.state == program.state_names.index(state), patients)

    deaths = [program.state_names.index(name) for name in DEATHS]
    of_other_causes = stays.next_state == program.state_names.index(OTHER_CAUSES)
    died = (stays.next_state >= min(deaths)) & np.isin(stays.next_state, deaths)
    complete = stays.ended_by == program.exit_names.index(PATHOLOGICAL_COMPLETE_RESPONSE)
    resection = first_entry(RESECTED)
    unresected = ~np.isfinite(resection)  # a relapse after surgery may also follow a second conversion
    complete_at = _first(who, stays.left_months, complete, patients)
    return Arm(
        death=_first(who, stays.left_months, died, patients),
        progression=first_entry(SEEN),
        response=first_entry(RESPONSE),
        conversion=first_entry(CONVERSION),
        operation=first_entry(RESECTION),
        resection=resection,
        recurrence=np.where(unresected, np.inf, first_entry(AFTER_SURGERY)),
        repeat=np.where(unresected, np.inf, first_entry(REPEAT)),
        complete_pathological_response=np.isfinite(resection) & (complete_at == resection),
        of_other_causes=np.isfinite(_first(who, stays.left_months, of_other_causes, patients)),
    )


def _first(who: NDArray[np.int64], months: Floats, rows: Flags, patients: int) -> Floats:
    """The time of each patient's first such row; infinite without one."""
    times = np.full(patients, np.inf)
    found = np.flatnonzero(rows)[::-1]  # the first row of a patient is written last
    times[who[found]] = months[found]
    return times


def survival_at(times: Floats, months: float) -> float:
    """The share whose time is later: with everybody followed to the horizon no estimator is needed."""
    return float(np.count_nonzero(times > months)) / len(times)
