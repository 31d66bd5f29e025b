"""What a strategy's parameters are put together from: defaults, the fit, a preset, a regimen, and what files say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from hcc_sim.fit_in_use import OF_SCENARIO, PRIOR_ONLY, FitInUse
from hcc_sim.parameters import NamedSet, Parameter, Parameters
from hcc_sim.units import UNITS


@dataclass(frozen=True)
class Regimen:
    """A conversion treatment as a scenario names it.

    ``entries`` are values of its own; ``fitted`` says of which study arm or regimen of the fit a parameter is taken;
    ``grade`` is what is known of it (calibrated, network, described), empty where no fit is in use; ``borrowed`` are
    notes to be shown with every headline; ``given`` is what patients get, such as ``haic+lenvatinib+pd1``, empty where
    nobody says.
    """

    name: str
    grade: str
    borrowed: tuple[str, ...]
    entries: Mapping[str, Parameter]
    fitted: Mapping[str, str]
    given: str = ""


NO_REGIMEN = Regimen("", "", (), {}, {})

AROUND_SURGERY: Mapping[str, tuple[str, ...]] = {
    "adjuvant": ("adjuvant.share_after_viable_tumour", "adjuvant.share_after_complete_response"),
    "neoadjuvant": ("neoadjuvant.share",),
}
"""Therapies around surgery that a strategy may name as the fit does, and who has them: all, if it does not say."""


@dataclass(frozen=True)
class Layers:
    """What a strategy's parameters are put together from; later wins.

    Defaults, the fit, the preset, the regimen, therapies around surgery (names of the fit, by their kind), what the
    scenario, the strategy and ``--set`` say.  Where scenario or
    ``--set`` give another value of an assumption that the fit is conditional on, the fit is taken given that.
    """

    strategy: str
    defaults: Parameters
    fit: FitInUse | None
    preset: NamedSet | None
    regimen: Regimen
    around_surgery: Mapping[str, str]
    common: Mapping[str, float]
    given: Mapping[str, float]
    settings: Mapping[str, float]

    @property
    def beliefs(self) -> dict[str, float]:
        """The assumptions that are common to all patients, and that scenario or ``--set`` hold at another value."""
        return self.beliefs_among({**self.common, **self.settings})

    def beliefs_among(self, values: Mapping[str, float]) -> dict[str, float]:
        """Those on which the fit is conditional: what is fitted itself, or who is simulated, tells nothing else."""
        return {
            name: value
            for name, value in values.items()
            if self.fit is not None
            and name in self.fit.covariance
            and self.defaults[name].kind == "assumed"
            and not name.startswith(OF_SCENARIO)
        }

    def parameters(self, turned: Mapping[str, float] | None = None) -> Parameters:
        """The parameters; ``turned`` are values taken for certain, of the fit too, whoever sets them otherwise."""
        turned = turned or {}
        parameters = self.defaults
        shifts: Mapping[str, float] = {}
        if self.fit is not None:
            shifts = self.fit.shifts({**self.beliefs, **self.beliefs_among(turned)})
            parameters = parameters.with_entries(self.fit.common(parameters, shifts))
        if self.preset is not None:
            parameters = parameters.with_entries(self.preset.entries)
        parameters = parameters.with_entries(self._of_regimen(shifts))
        parameters = parameters.with_entries(self._around_surgery(shifts))
        parameters = parameters.with_values(self.common, "scenario")
        parameters = parameters.with_values(self.given, f"strategy {self.strategy}", decision=True)
        parameters = parameters.with_values(self.settings, "--set")
        return parameters.with_values(turned, "turning")

    def _around_surgery(self, shifts: Mapping[str, float]) -> dict[str, Parameter]:
        entries: dict[str, Parameter] = {}
        for kind, name in self.around_surgery.items():
            assert self.fit is not None
            entries |= self.fit.of_arm(name, self.defaults, shifts, name)
            entries |= {share: replace(self.defaults[share], value=1.0, set_by=name) for share in AROUND_SURGERY[kind]}
        return entries

    def _of_regimen(self, shifts: Mapping[str, float]) -> dict[str, Parameter]:
        entries = dict(self.regimen.entries)
        for name, owner in self.regimen.fitted.items():
            assert self.fit is not None
            of_owner = self.fit.of_arm(owner, self.defaults, shifts, f"regimen {self.regimen.name}")
            entries[name] = of_owner[name]
        return entries


def with_remarks(regimen: Regimen, parameters: Parameters, fit: FitInUse | None) -> Regimen:
    """The regimen with a note on each value that no figure tells, or only a ratio of the network."""
    notes = []
    for name, owner in regimen.fitted.items():
        p = parameters[name]
        if fit is None or not p.set_by.startswith("regimen "):
            continue
        known = fit.quantities[f"{owner}: {name}"]
        if known.unsure:
            assert p.distribution is not None
            ends = (p.value, p.distribution.low, p.distribution.high)
            value, low, high = (UNITS[p.unit].format(float(f"{x:.3g}")) for x in ends)
            told = "No figure tells" if known.verdict == PRIOR_ONLY else "Hardly any figure tells"
            notes.append(f"{told} {name} of {owner}: {value} ({low} to {high}) is little surer than its prior.")
    return replace(regimen, borrowed=(*regimen.borrowed, *notes, *(fit.of_network(regimen.name) if fit else ())))
