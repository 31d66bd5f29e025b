"""Read a scenario file: check it whole, and join defaults, preset, regimen, scenario, strategy and ``--set``."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from hcc_sim.economics.terms import Terms
from hcc_sim.errors import InputError, Problem, Problems
from hcc_sim.fit_in_use import FitInUse, fit_in_use
from hcc_sim.layers import NO_REGIMEN, Layers, with_remarks
from hcc_sim.parameters import Calibration, Parameters, load_calibration
from hcc_sim.patients import Patients
from hcc_sim.scenario.chain import Chain
from hcc_sim.scenario.checks import ParameterCheck, check_shape
from hcc_sim.scenario.economics import terms_of
from hcc_sim.scenario.shape import HIGHEST_SEED, MOST_PATIENTS, SEED_TEXT, SIZE_TEXT
from hcc_sim.subgroups import Subgroup, subgroups_by
from hcc_sim.units import shown


@dataclass(frozen=True)
class Strategy:
    """A named set of parameter values, joined with everything it builds on.

    ``parameters`` are what the model uses; ``given`` is what the strategy itself sets, in each parameter's unit (these
    are decisions); ``regimen`` is the strategy's own or the scenario's, empty if neither names one;
    ``around_surgery`` are adjuvant and neoadjuvant therapies named in the same way, by their kind; ``layers`` are what
    the parameters were put together from, to do so again where one of them is turned.
    """

    name: str
    parameters: Parameters
    given: Mapping[str, float]
    regimen: str
    around_surgery: Mapping[str, str]
    layers: Layers


@dataclass(frozen=True)
class Scenario:
    """A scenario that was checked and can be run.

    ``size`` in patients; ``horizon_months`` from each patient's start; ``start`` is the state in which patients
    begin, empty for the pathway's own; ``preset`` and ``regimen`` are empty if none is named; ``turn`` are parameters
    across whose uncertainty the answer is told, empty for the usual ones; ``subgroups`` are those of whom outcomes are
    told apart; ``patients`` are those of a file, if one is named; ``terms`` are those on which costs and effects are
    told, None if the file says nothing of economics; ``strategies`` in the order of the file; ``files`` the file and
    what it extends, outermost first; ``sha256`` over the bytes of these files and the overrides (size and seed given on
    the command line are fields of their own).
    """

    title: str
    question: str
    description: str
    size: int
    seed: int
    horizon_months: float
    start: str
    preset: str
    regimen: str
    strategies: tuple[Strategy, ...]
    turn: tuple[str, ...]
    subgroups: tuple[Subgroup, ...]
    patients: Patients | None
    overrides: Mapping[str, float]
    files: tuple[Path, ...]
    sha256: str
    calibration: Calibration
    fit: FitInUse | None = None
    terms: Terms | None = None

    @property
    def fit_not_renewed(self) -> tuple[str, ...]:
        """Assumptions held at values that no draw of the fit comes near: what the fit says is not renewed for them."""
        if self.fit is None:
            return ()
        return tuple(dict.fromkeys(name for one in self.strategies for name in self.fit.outside(one.layers.beliefs)))


def load_scenario(
    path: Path | str,
    *,
    calibration: Calibration | Path | str | None = None,
    overrides: Mapping[str, str] | None = None,
    patients: int | None = None,
    seed: int | None = None,
) -> Scenario:
    """Read and check a scenario file.

    ``calibration`` is one already loaded, or its folder; ``overrides`` maps parameter names to text as after
    ``--set``; ``patients`` and ``seed`` replace those of the file. Raises InputError with all problems of the file
    (and of what it extends), each with file, line, key, what was given and what is accepted.
    """
    if not isinstance(calibration, Calibration):
        calibration = load_calibration(calibration)
    problems = Problems()
    chain = Chain(Path(path), problems)
    file = check_shape(chain)
    fit = None
    try:
        fit = fit_in_use(calibration)
    except InputError as error:  # told with what is wrong with the file; the rest of it cannot be checked
        for problem in error.problems:
            problems.add(problem)
        problems.raise_if_any()
    check = ParameterCheck(calibration, fit, chain)
    terms = terms_of(file, chain, calibration)
    check.use(terms)
    common = check.values(("parameters",))
    settings = check.overrides(overrides or {})
    check.turned()
    check.subgroups()
    patients_of_file = check.patients()
    preset = check.preset()
    regimen = check.regimen(("regimen",))
    given = {}
    own_regimens = {}
    around = check.around_surgery(())
    own_around = {}
    for name in chain.data["strategies"] if isinstance(chain.data.get("strategies"), dict) else ():
        given[name] = check.values(("strategies", name))
        own_regimens[name] = check.regimen(("strategies", name, "regimen")) or regimen or NO_REGIMEN
        own_around[name] = {**around, **check.around_surgery(("strategies", name))}
        check.completes(own_regimens[name], name, {**common, **given[name], **settings})
    if not given and chain.complete and isinstance(chain.data.get("strategies", {}), dict):
        chain.problem(("strategies",), "no strategy remains; name at least one, such as 'operate at once: {}'")
    _check_option("--patients", patients, 1, MOST_PATIENTS, SIZE_TEXT, problems)
    _check_option("--seed", seed, 0, HIGHEST_SEED, SEED_TEXT, problems)
    problems.raise_if_any()
    assert file is not None

    def strategy(name: str) -> Strategy:
        chosen = own_regimens[name]
        around = own_around[name]
        layers = Layers(name, check.parameters, fit, preset, chosen, around, common, given[name], settings)
        parameters = layers.parameters()
        layers = replace(layers, regimen=with_remarks(chosen, parameters, fit))
        return Strategy(name, parameters, given[name], chosen.name, around, layers)

    return Scenario(
        title=file.title,
        question=file.question,
        description=file.description,
        size=file.population.size if patients is None else patients,
        seed=file.run.seed if seed is None else seed,
        horizon_months=file.run.horizon,
        start=file.population.start,
        preset=file.population.preset,
        regimen=file.regimen,
        strategies=tuple(strategy(name) for name in given),
        turn=tuple(dict.fromkeys(file.turn)),
        subgroups=tuple(part for name, cuts in file.subgroups.items() for part in subgroups_by(name, cuts)),
        patients=patients_of_file,
        overrides=settings,
        files=tuple(Path(document.file) for document in chain.documents),
        sha256=_hash(chain, overrides or {}, patients_of_file),
        calibration=calibration,
        fit=fit,
        terms=terms,
    )


def _hash(chain: Chain, overrides: Mapping[str, str], patients: Patients | None) -> str:
    hashes = [hashlib.sha256(document.content).hexdigest() for document in chain.documents]
    hashes += [] if patients is None else [patients.sha256]
    return hashlib.sha256(json.dumps([hashes, sorted(overrides.items())]).encode()).hexdigest()


def _check_option(option: str, value: object, low: int, high: int, accepted: str, problems: Problems) -> None:
    is_whole = isinstance(value, int) and not isinstance(value, bool)
    if value is not None and not (is_whole and low <= value <= high):  # type: ignore[operator]
        problems.add(Problem(option, None, "", f"given {shown(value)}; accepted: {accepted}"))
