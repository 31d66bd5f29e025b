"""Targets: which figures of which study arms the pathway can be held against, how they are read, how sure they are.

An arm of a study is simulated with its own parameters; a regimen `resection+X` is those of arm X who were resected.
What cannot be expressed yet is listed with what it waits for.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import combinations

from hcc_sim.calibration import sampling, statistics
from hcc_sim.calibration.network_data import as_ratio
from hcc_sim.calibration.sampling import DOWN_WEIGHT, Reading
from hcc_sim.calibration.starts import start_of
from hcc_sim.calibration.statistics import Statistic
from hcc_sim.calibration.trial import HORIZON_MONTHS
from hcc_sim.figures import Evidence, Figure, Study
from hcc_sim.figures.schema import Compares

OVERALL, PROGRESSION_FREE = "overall survival", "progression-free survival"
DISEASE_SPECIFIC = "disease-specific survival"
SHAPES = {OVERALL: 1.5, PROGRESSION_FREE: 1.0}
"""Weibull shape near the median, by endpoint (section 6.1 of the calibration); 1 for all others."""

OPERATED = "resection+"
ASSUMED_PATIENTS = 100
"""Where no size of an arm is printed and none follows from an interval."""

OF_OPERATED = ("complete pathological response", "perioperative death", "time to surgery")

CONTRADICT = 3.0
"""Sampling errors (of both together) between two figures of one quantity, beyond which neither is believed."""

BORROWED_ERROR = 0.3
"""Added to the error, on the working scale, of what is told of other patients."""


@dataclass(frozen=True)
class Target:
    """A figure beside what the simulation says of it."""

    study: str
    arm: str
    versus: str | None
    figure: Figure
    statistic: Statistic
    reading: Reading
    note: str = ""
    counted_of: float | None = None
    """Of a count: how many patients it is of."""
    compares: Compares | None = None
    """Whether its study compares operated with not operated patients, and among whom."""
    taken_for: str | None = None
    """Whose patients its study's are taken for."""

    @property
    def fitted(self) -> bool:
        """Whether it informs the fit; excluded figures are only shown beside it."""
        return self.figure.status != "exclude"

    @property
    def of_operated(self) -> bool:
        """Whether it tells of operated patients only."""
        of_share = self.figure.endpoint in OF_OPERATED
        return of_share or str(self.figure.regimen).startswith(OPERATED) or self.taken_for is not None

    @property
    def arms(self) -> tuple[str, ...]:
        """The arms that are simulated for it."""
        return (self.arm,) if self.versus is None else (self.arm, self.versus)


@dataclass(frozen=True)
class LeftOut:
    """A figure with a number that is no target, and why."""

    study: str
    figure: Figure
    why: str


def key(study: str, regimen: str) -> str:
    """`launch/tace+lenvatinib`: an arm, or the arm that a group of operated patients comes from."""
    return f"{study}/{regimen.removeprefix(OPERATED)}"


def targets_of(evidence: Evidence) -> tuple[list[Target], list[LeftOut]]:
    """All targets, and the clinical figures that are none, study by study."""
    found: list[Target] = []
    left: list[LeftOut] = []
    reference = next((key(one.study, one.arms[0].regimen) for one in evidence.studies.values() if one.stands_in), None)
    for study in evidence.studies.values():
        told: list[Target] = []
        for figure in study.figures:
            if not figure.has_number or figure.status == "context":
                continue
            target = _target(study, figure)
            if isinstance(target, str):
                left.append(LeftOut(study.study, figure, target))
                continue
            same = next((i for i, other in enumerate(told) if tells_the_same(target.figure, other.figure)), None)
            if same is None:
                told.append(target)
                continue
            kept, other = told[same], target
            if tells_more(other.figure, kept.figure):
                kept, other = other, kept
            told[same] = kept
            left.append(LeftOut(study.study, other.figure, f"counts once, as {kept.figure.id}"))
        found += _with_reference(_without_contradictions(told, left), reference, left)
    return found, left


def _of_the_same(a: Figure, b: Figure) -> bool:
    """Two figures of one quantity: all alike but the value, with one criterion or none stated in one of the places."""
    fields = ("regimen", "comparator", "endpoint", "measure", "unit", "time_months", "subset")
    criteria = {a.criterion, b.criterion} - {None, "not stated"}
    return len(criteria) < 2 and all(getattr(a, field) == getattr(b, field) for field in fields)


def tells_the_same(a: Figure, b: Figure) -> bool:
    """One number told twice."""
    return a.value is not None and a.value == b.value and _of_the_same(a, b)


def _without_contradictions(targets: list[Target], left: list[LeftOut]) -> list[Target]:
    """Without any two figures of one quantity that are farther apart than `CONTRADICT` sampling errors."""
    against: dict[str, str] = {}
    for one, other in combinations([target for target in targets if target.fitted], 2):
        if one.reading.scale == other.reading.scale and _of_the_same(one.figure, other.figure):
            apart = abs(one.reading.value - other.reading.value)
            if apart > CONTRADICT * math.hypot(one.reading.error, other.reading.error):
                against |= {one.figure.id: other.figure.id, other.figure.id: one.figure.id}
    for target in targets:
        if target.figure.id in against:
            why = f"contradicts {against[target.figure.id]}: exclude one of them, with the reason, or both stay out"
            left.append(LeftOut(target.study, target.figure, why))
    return [target for target in targets if target.figure.id not in against]


def tells_more(a: Figure, b: Figure) -> bool:
    """Of one number told twice: the one with an interval, then the one with a criterion."""
    return _told(a) > _told(b)


def _told(figure: Figure) -> tuple[bool, bool]:
    return figure.interval is not None, figure.criterion not in (None, "not stated")


def _with_reference(targets: list[Target], reference: str | None, left: list[LeftOut]) -> Iterator[Target]:
    """Arms of which only the operated are told borrow the therapy of the reference arm; contrasts of such cannot."""
    with_therapy = {arm for target in targets if not target.of_operated for arm in target.arms}
    for target in targets:
        if set(target.arms) <= with_therapy:
            yield target
        elif target.versus is not None:
            left.append(LeftOut(target.study, target.figure, "a contrast of operated patients, therapy not told"))
        elif reference is None:
            left.append(
                LeftOut(target.study, target.figure, "of operated patients, and no study stands in for therapy")
            )
        else:
            note = "; ".join(filter(None, (target.note, f"converted as in {reference}")))
            yield replace(target, arm=reference, note=note)


def _target(study: Study, figure: Figure) -> Target | str:
    """A target, or why it is none."""
    regimen, comparator = figure.regimen, figure.comparator
    if regimen is None:
        return "of patients in general"
    if comparator is not None and figure.measure != "hazard_ratio":
        return "a difference between arms, whose own figures count"
    if figure.waits_for is not None:
        return f"waits for {figure.waits_for}"
    if comparator is not None and (start_of(key("", regimen)) is None) != (start_of(key("", comparator)) is None):
        return "its arms start at different places"
    borrowed = study.taken_for or ""
    try:
        read = _reader(study, figure)
    except (ValueError, ZeroDivisionError) as error:
        return f"tells no error: {error}"
    if isinstance(read, str):
        return read
    statistic, reading, note = read
    if figure.status == "down-weight":
        reading = replace(reading, error=reading.error * math.sqrt(DOWN_WEIGHT))
    if borrowed:
        reading = replace(reading, error=math.hypot(reading.error, BORROWED_ERROR))
        note = "; ".join(filter(None, (note, borrowed)))
    versus = key(study.study, comparator) if comparator is not None else None
    counted = _operated(study, figure) if figure.measure == "count" else None
    arm = key(study.study, regimen)
    about = (counted, study.compares, study.taken_for)
    return Target(study.study, arm, versus, figure, statistic, reading, note, *about)


Read = tuple[Statistic, Reading, str]
"""How a figure is read, with what error, and a note."""


def _reader(study: Study, figure: Figure) -> Read | str:
    match figure.measure:
        case "median" if figure.unit in MONTHS_IN:
            return _median(study, figure)
        case "survival_at":
            return _landmark(study, figure)
        case "hazard_ratio":
            return _ratio(study, figure)
        case "range" if figure.endpoint == OVERALL and figure.time_months is not None:
            return _landmark(study, figure)
        case "range" if figure.unit in MONTHS_IN:
            return _median(study, figure)
        case "proportion" | "count" | "range":
            return _share(study, figure)
    return f"a {figure.measure} of {figure.endpoint} is not read off the pathway"


LOOKS = ("first interim analysis", "later analysis")
"""Subsets that are all patients of a trial, looked at one after the other."""

EARLY_OR_LATE = {"early recurrence": True, "late recurrence": False}

MONTHS_IN = {"months": 1.0, "days": 12.0 / 365.25, "weeks": 84.0 / 365.25, "years": 12.0}


# --- times ------------------------------------------------------------------------------------------------------------


def _times(study: Study, figure: Figure) -> statistics.Times | str:
    """Whose time from when a figure tells."""
    regimen = figure.regimen or ""
    if figure.subset in EARLY_OR_LATE and figure.endpoint == OVERALL and figure.time_zero == "recurrence":
        return partial(statistics.survival_after_recurrence, early=EARLY_OR_LATE[figure.subset])
    if study.compares is not None:
        operated, among_converted = regimen.startswith(OPERATED), study.compares == "converted"
        return partial(statistics.survival_by_operation, operated=operated, among_converted=among_converted)
    start = start_of(regimen)
    if regimen.startswith(OPERATED) or (start is not None and start.from_resection):
        of_resected: Mapping[str, statistics.Times] = {
            OVERALL: statistics.survival_after_resection,
            "time to surgery": statistics.time_to_surgery,
            "recurrence-free survival": statistics.recurrence_free_survival,
            "disease-free survival": statistics.recurrence_free_survival,
            DISEASE_SPECIFIC: statistics.survival_after_resection,
        }
        return of_resected.get(figure.endpoint, f"{figure.endpoint} of the resected is not read off the pathway")
    if start is not None and figure.endpoint == "disease-free survival":
        return statistics.progression_free_survival
    if start is not None and figure.endpoint == DISEASE_SPECIFIC and figure.time_zero == "resection":
        return statistics.survival_after_resection
    of_all: Mapping[str, statistics.Times] = {
        OVERALL: statistics.overall_survival,
        PROGRESSION_FREE: statistics.progression_free_survival,
        "duration of response": statistics.duration_of_response,
        "survival after progression": statistics.survival_after_progression,
        "time to response": statistics.time_to_response,
    }
    return of_all.get(figure.endpoint, f"{figure.endpoint} is not read off the pathway")


def _median(study: Study, figure: Figure) -> Read | str:
    times = _times(study, figure)
    if isinstance(times, str):
        return times
    factor = MONTHS_IN[str(figure.unit)]
    ends = [None if end is None else end * factor for end in figure.interval or (None, None)]
    if figure.value is None:
        reading = _middle(ends, "log")
        if reading is None:
            return ONE_END
        return _typical(figure, times, math.exp(reading.value), 1.0), reading, SPAN
    shape = SHAPES.get(figure.endpoint, 1.0)
    months = figure.value * factor
    if months >= HORIZON_MONTHS:
        return BEYOND.format("median", months)
    patients, note = size_for_error(study, figure)
    interval = None if figure.interval is None else ends
    reading = sampling.of_median(months, interval=interval, level=figure.level, patients=patients, shape=shape)
    if interval is not None and reading.basis != "interval":
        note = "its interval claims more than its patients tell: error from those"
    return _typical(figure, times, months, shape), reading, note


def _typical(figure: Figure, times: statistics.Times, months: float, shape: float) -> Statistic:
    """The median of a survival time; of a time that visits make, the middle."""
    if figure.endpoint in ("time to response", "time to surgery"):
        return statistics.middle(times)
    if figure.endpoint == DISEASE_SPECIFIC:
        return statistics.disease_specific_median(times, months, shape)
    return statistics.median(times, months, shape)


def _landmark(study: Study, figure: Figure) -> Read | str:
    times = _times(study, figure)
    if isinstance(times, str):
        return times
    at = figure.time_months or 0.0
    if at >= HORIZON_MONTHS:
        return BEYOND.format("time", at)
    if figure.value is None:
        shares = [None if end is None else end / 100.0 for end in figure.interval or ()]
        reading = _middle(shares, "complementary log-log")
        return ONE_END if reading is None else (statistics.landmark(times, at), reading, SPAN)
    patients, note = _patients(study, figure)
    reading = sampling.of_survival_at(figure.value, patients, interval=figure.interval, level=figure.level)
    return statistics.landmark(times, at), reading, note


BEYOND = f"a {{}} beyond the follow-up of simulated trials ({{:g}} of {HORIZON_MONTHS:g} months)"
SPAN = "a span over series: its middle, half its width as error"
ONE_END = "one end of a range only"


def _middle(ends: Sequence[float | None], scale: sampling.Scale) -> Reading | None:
    """A span over several series on a working scale: its middle, with half its width as error.

    Raises:
        ValueError: an end out of range, or no width.
    """
    known = [TO_SCALE[scale](end) for end in ends if end is not None]
    if len(known) != 2:
        return None
    if known[0] == known[1]:
        raise ValueError("a range without width")
    return Reading(0.5 * sum(known), 0.5 * abs(known[1] - known[0]), scale, "interval")


TO_SCALE: Mapping[sampling.Scale, Callable[[float], float]] = {
    "log": math.log,
    "logit": lambda share: math.log(share / (1.0 - share)),
    "complementary log-log": lambda survival: math.log(-math.log(survival)),
}


def _ratio(study: Study, figure: Figure) -> Read | str:
    times = _times(study, figure)
    if isinstance(times, str):
        return times
    if figure.unit != "ratio" or figure.value is None:
        return "enters the network only: no ratio is printed"
    if figure.subset in LOOKS:
        later = LOOKS[LOOKS.index(figure.subset) + 1 :]
        for other in study.figures:
            if other.subset in later and _of_the_same(other.model_copy(update={"subset": figure.subset}), figure):
                return f"overtaken by {other.id}, a later look at the same patients"
    elif figure.subset is not None:
        return "a contrast of parts of an arm"
    value, low, high, notes = as_ratio(figure)
    interval = None if low is None and high is None else (low, high)
    try:
        reading = sampling.of_hazard_ratio(value or figure.value, interval, figure.level, p=figure.p)
    except ValueError as error:
        return str(error)
    if reading.basis != "interval":
        notes = (*notes, f"error from its p ({figure.p})")
    note = "; ".join(notes)
    return statistics.contrast(times), reading, note


# --- shares -----------------------------------------------------------------------------------------------------------

SHARES: Mapping[str, Statistic] = {
    "resection": statistics.share(statistics.operated),
    "curative treatment": statistics.share(statistics.operated),
    "conversion": statistics.share(statistics.converted),
    "complete pathological response": statistics.share(
        lambda arm: arm.complete_pathological_response, statistics.resected
    ),
    "perioperative death": statistics.share(statistics.dead_around_operation, statistics.operated),
}
RESPONSE = statistics.share(statistics.responded)
RESPONSE_BY_RECIST = statistics.share(statistics.responded, shift="trial.recist_log_odds")


def _share(study: Study, figure: Figure) -> Read | str:
    if figure.endpoint == "objective response":
        statistic = RESPONSE_BY_RECIST if figure.criterion == "RECIST 1.1" else RESPONSE
    elif figure.endpoint in SHARES:
        statistic = SHARES[figure.endpoint]
    else:
        return f"{figure.endpoint} is not read off the pathway"
    if figure.endpoint == "curative treatment" and figure.subset in EARLY_OR_LATE:
        among = partial(statistics.relapsed, EARLY_OR_LATE[figure.subset])
        statistic = statistics.share(statistics.treated_again, among)
    elif figure.subset is not None:
        return f"of a part of the arm ({figure.subset})"
    if figure.measure == "range":
        ends = [None if end is None else end / 100.0 for end in figure.interval or ()]
        reading = _middle(ends, "logit")
        return ONE_END if reading is None else (statistic, reading, SPAN)
    patients, note = _patients(study, figure)
    if figure.endpoint in OF_OPERATED:
        operated = _operated(study, figure)
        if figure.measure == "count" and operated is None:
            return "a count without the number of patients that it is of"
        if operated is not None:
            patients, note = operated, f"of {operated:g} who were operated"
    if figure.measure == "count":
        return statistic, sampling.of_proportion(patients, count=figure.value), note
    if figure.endpoint == "objective response" and figure.criterion == "not stated":
        note = "; ".join(filter(None, (note, "criterion not stated, taken as mRECIST")))
    return statistic, sampling.of_proportion(patients, percent=figure.value), note


def _operated(study: Study, figure: Figure) -> float | None:
    """How many of an arm were operated: of the figure's own patients, else by the share that the study prints."""
    if figure.patients is not None:
        return figure.patients
    sizes = _sizes(study)
    for other in study.figures:
        if other.endpoint == "resection" and other.regimen == figure.regimen and other.value and other.unit == "%":
            size = sizes.get(str(figure.regimen))
            return None if size is None else round(size * other.value / 100.0)
    return sizes.get(str(figure.regimen)) if str(figure.regimen).startswith(OPERATED) else None


def _sizes(study: Study) -> dict[str, int | None]:
    return {arm.regimen: arm.patients for arm in study.arms}


def _patients(study: Study, figure: Figure) -> tuple[float, str]:
    """The patients that a figure is of; where no size is printed, what hazard ratios imply, else an assumption."""
    known = figure.patients or _sizes(study).get(str(figure.regimen))
    if known is not None:
        return known, ""
    for other in study.figures:
        of_arm = str(figure.regimen) in (other.regimen, other.comparator)
        if other.measure == "hazard_ratio" and of_arm and other.interval and other.endpoint == OVERALL:
            error = sampling.of_hazard_ratio(other.value or 1.0, other.interval, other.level).error
            events, _ = sampling.events_of_ratio(error, 1.0, 1.0)
            return events / sampling.SHARE_WITH_EVENT, "size from the interval of the hazard ratio"
    return ASSUMED_PATIENTS, f"no size printed: {ASSUMED_PATIENTS} assumed"


def size_for_error(study: Study, figure: Figure) -> tuple[float | None, str]:
    """The patients that tell a figure's error, with a note if assumed; None where an interval tells it instead."""
    patients, note = _patients(study, figure)
    return (None, "") if note and figure.interval is not None else (patients, note)


def arms_of(targets: list[Target]) -> Iterator[str]:
    """The arms that are simulated, each once, in order."""
    yield from dict.fromkeys(arm for target in targets for arm in target.arms)
