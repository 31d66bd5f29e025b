"""What is checked of a scenario file: its shape, and all that needs the calibration."""

from collections.abc import Mapping
from pathlib import Path

from pydantic import ValidationError

from hcc_sim.economics.conversion import in_money_of, read_value
from hcc_sim.economics.terms import Terms
from hcc_sim.errors import InputError, Problem, nearest
from hcc_sim.fit_in_use import DESCRIBED, FitInUse
from hcc_sim.layers import AROUND_SURGERY, Regimen
from hcc_sim.parameters import Calibration, NamedSet
from hcc_sim.patients import Patients, read_patients
from hcc_sim.scenario.chain import Chain, at
from hcc_sim.scenario.shape import MOST_SUBGROUPS, NAME_TEXT, ScenarioFile, describe, unknown_key
from hcc_sim.strict_yaml import Keys, read_scalar
from hcc_sim.subgroups import values_at_start
from hcc_sim.units import shown


class ParameterCheck:
    """Checks what needs the calibration: names of parameters, regimens and presets, and values in their units."""

    def __init__(self, calibration: Calibration, fit: FitInUse | None, chain: Chain) -> None:
        self.calibration = calibration
        self.parameters = calibration.parameters
        self.fit = fit
        self.chain = chain
        self._terms: Terms | None = None

    def use(self, terms: Terms | None) -> None:
        """Take prices in the money of these terms from now on."""
        if terms is not None:
            self.parameters, self._terms = in_money_of(terms, self.parameters), terms

    def _read(self, name: str, value: object) -> float:
        return read_value(self.parameters[name], value, self._terms)

    def values(self, keys: Keys) -> dict[str, float]:
        """The parameter values under these keys, each in its unit."""
        read = {}
        written = at(self.chain.data, keys)
        for name, value in written.items() if isinstance(written, dict) else ():
            if value is None or (name in ("regimen", *AROUND_SURGERY) and keys[0] == "strategies"):
                continue
            if name not in self.parameters:
                self.chain.problem((*keys, name), self.parameters.unknown(name))
                continue
            try:
                read[name] = self._read(name, value)
            except ValueError as error:
                self.chain.problem((*keys, name), str(error))
        return read

    def turned(self) -> None:
        """Note a problem for each parameter to be turned that is not there, or that has no uncertainty."""
        names = at(self.chain.data, ("turn",))
        for place, name in enumerate(names if isinstance(names, list) else ()):
            if not isinstance(name, str):
                continue  # told with the shape of the file
            if name not in self.parameters:
                self.chain.problem(("turn", place), self.parameters.unknown(name))
                continue
            prior = self.parameters[name].distribution
            if self.parameters[name].decision or prior is None or prior.family == "fixed":
                told = f"given {shown(name)}, which is held or decided; name one with a distribution"
                self.chain.problem(("turn", place), told)

    def subgroups(self) -> None:
        """Note a problem for each attribute that does not part patients at their start, and for too many parts."""
        given = at(self.chain.data, ("subgroups",))
        parts = 0
        for name, cuts in given.items() if isinstance(given, dict) else ():
            parts += len(cuts) + 1 if isinstance(cuts, list) else 0
            if name not in (known := list(values_at_start())):
                told = f"unknown attribute {shown(name)}. {nearest(name, known)} Accepted: {', '.join(known)}"
                self.chain.problem(("subgroups", name), " ".join(told.split()))
        if parts > MOST_SUBGROUPS:
            told = f"given cut points for {parts} subgroups; accepted: at most {MOST_SUBGROUPS} in all"
            self.chain.problem(("subgroups",), told)

    def patients(self) -> Patients | None:
        """The patients of the file that the population names, None if it names none or the file is wrong."""
        keys = ("population", "file")
        name = at(self.chain.data, keys)
        if not isinstance(name, str) or not name.strip():
            return None
        document = next(one for one in self.chain.documents if one.has(keys))
        try:
            return read_patients(Path(document.file).parent / name)
        except InputError as error:
            for problem in error.problems:
                if problem.line is None and not problem.key:  # of the whole file: told where it is named
                    self.chain.problem(keys, f"{problem.file} {problem.message}; the path is relative to this file")
                else:
                    self.chain.problems.add(problem)
            return None

    def preset(self) -> NamedSet | None:
        """The preset that the population names, None if it names none."""
        keys, known = ("population", "preset"), self.calibration.populations
        name = at(self.chain.data, keys)
        if isinstance(name, str) and name in known:
            return known[name]
        if name is not None:
            self._unknown(keys, name, known, "")
        return None

    def regimen(self, keys: Keys) -> Regimen | None:
        """The regimen named there, None if none is: put together in regimens.yaml, one of the fit, or a study's arm."""
        name = at(self.chain.data, keys)
        if name is None:
            return None
        fit = self.fit
        of_arm = tuple(parameter.name for parameter in self.parameters.values() if parameter.of_arm)
        if isinstance(name, str) and name in self.calibration.regimens:
            return self._put_together(keys, self.calibration.regimens[name])
        if fit is not None and isinstance(name, str):
            if name in fit.arms:
                arm = dict.fromkeys(of_arm, name)
                return Regimen(name, fit.grade_of_arm(name), (), {}, arm, name.partition("/")[2])
            if name in fit.regimens:
                grade = fit.regimens[name].grade
                known = [one for one in of_arm if fit.tells(name, one, priors_too=grade != DESCRIBED)]
                return Regimen(name, grade, (), {}, dict.fromkeys(known, name), name)
        further = "" if fit is None else "; or a regimen of `hcc-sim evidence regimens`, or a study's arm"
        self._unknown(keys, name, {**self.calibration.regimens, **(fit.regimens if fit else {})}, further)
        return None

    def around_surgery(self, keys: Keys) -> dict[str, str]:
        """The therapies around surgery named at these keys, by their kind: such of whose effect the fit has draws."""
        found = {}
        for kind in AROUND_SURGERY:
            name = at(self.chain.data, (*keys, kind))
            if name is None or (not keys and not isinstance(name, str)):
                continue  # told with the shape of the file
            effect = f"{kind}.effect_on_outgrowth"
            fit = self.fit
            known = [key for key in fit.regimens if fit.tells(key, effect, priors_too=True)] if fit else []
            if name in known:
                found[kind] = str(name)
                continue
            hint = nearest(name, known) if isinstance(name, str) else ""
            accepted = f"Accepted: {', '.join(known) or 'none, for no fit is in use'}"
            told = f"unknown {kind} therapy {shown(name)}. {hint} {accepted}"
            self.chain.problem((*keys, kind), " ".join(told.split()))
        return found

    def _unknown(self, keys: Keys, name: object, known: Mapping[str, object], further: str) -> None:
        what = f"{keys[-1]} {shown(name)}. {nearest(name, known) if isinstance(name, str) else ''}"
        listed = self.calibration.regimens if keys[-1] == "regimen" else known
        accepted = f"Accepted: {', '.join(listed) or 'none exists'}{further}"
        self.chain.problem(keys, " ".join(f"unknown {what} {accepted}".split()))

    def _put_together(self, keys: Keys, named: NamedSet) -> Regimen:
        """A regimen of regimens.yaml, whose arms must be those of the fit."""
        for parameter, arm in named.fitted.items():
            if self.fit is None or arm not in self.fit.arms:
                hint = nearest(arm, self.fit.arms) if self.fit else "no fit is in use (priors.yaml asks for one)."
                told = f"'{named.name}' of regimens.yaml takes {parameter} from '{arm}', which no fit has. {hint}"
                self.chain.problem(keys, told.strip())
        grade = "calibrated" if named.fitted else ""
        return Regimen(named.name, grade, named.borrowed, named.entries, named.fitted, named.given)

    def completes(self, regimen: Regimen, strategy: str, values: Mapping[str, float]) -> None:
        """Note a problem where a strategy lacks what each regimen has its own value of, or a fit that is not there."""
        told = {*regimen.entries, *regimen.fitted, *values}
        if self.fit is None:
            of_a_fit = [p.name for p in self.parameters.values() if p.kind == "calibrated" and not p.derivation]
            if missing := [name for name in of_a_fit if name not in told]:
                fix = "give values under parameters, or a folder whose priors.yaml asks for a fit"
                self.chain.problem(("strategies", strategy), f"{', '.join(missing)} left to a fit; {fix}")
            return
        missing = [name for name, parameter in self.parameters.items() if parameter.of_arm and name not in told]
        if not missing:
            return
        known = (
            f"of '{regimen.name}' ({regimen.grade}) no figure tells" if regimen.name else "no regimen is named to tell"
        )
        keys = (
            ("strategies", strategy, "regimen")
            if at(self.chain.data, ("strategies", strategy, "regimen"))
            else ("regimen",)
        )
        fix = "give your own values under parameters" + ("" if regimen.name else ", or name a regimen")
        self.chain.problem(keys, f"{known} {', '.join(missing)}; {fix}")

    def overrides(self, overrides: Mapping[str, str]) -> dict[str, float]:
        """The values of ``--set name=text``, each in its unit."""
        read = {}
        for name, text in overrides.items():
            try:
                if name not in self.parameters:
                    raise ValueError(self.parameters.unknown(name))
                read[name] = self._read(name, read_scalar(text.strip()))
            except ValueError as error:
                self.chain.problems.add(Problem("--set", None, name, str(error)))
        return read


def check_shape(chain: Chain) -> ScenarioFile | None:
    """The merged data as a model; None, and problems noted, if its shape is wrong."""
    try:
        return ScenarioFile.model_validate(chain.data)
    except ValidationError as error:
        for fault in error.errors(include_url=False, include_context=False):
            of_key = fault["loc"][0] == "strategies" and len(fault["loc"]) == 3  # the third is "[key]"
            keys = fault["loc"][:-1] if of_key else fault["loc"]
            given = keys[-1] if of_key else at(chain.data, keys)
            if fault["type"] == "missing":
                if chain.complete:
                    chain.problem(keys, f"missing; accepted: {describe(keys)}")
            elif fault["type"] == "extra_forbidden":
                chain.problem(keys, unknown_key(keys))
            elif given is not None:  # null was noted where it stands
                reason = f"given {shown(given)}{_hint(given)}"
                if fault["type"] == "value_error":
                    reason = fault["msg"].removeprefix("Value error, ")
                chain.problem(keys, f"{reason}; accepted: {NAME_TEXT if of_key else describe(keys)}")
    return None


def _hint(given: object) -> str:
    """The commonest ways to write a number as text, or the reverse."""
    if isinstance(given, str) and isinstance(_number(given), int | float):
        return " (text: remove the quotes)"
    if isinstance(given, float) and given.is_integer() and given < 1e20:
        return f" (write {given:.0f})"
    return ""


def _number(text: str) -> object:
    try:
        return read_scalar(text)
    except ValueError:
        return None
