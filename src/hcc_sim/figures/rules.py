"""The rules of the audit: each finds figures that contradict themselves or one another, and says by which formula.

A rule is a function from all evidence to findings; its docstring is what a reader is told of it.  None repairs.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from itertools import combinations, islice, pairwise

from hcc_sim.figures.medians import medians_of
from hcc_sim.figures.reading import Evidence
from hcc_sim.figures.schema import Figure, Study

QUANTILE = {95: 1.959963984540054, 90: 1.6448536269514722}
"""z of a two-sided interval, by its level."""

ENDPOINTS_OF_DEATH = ("overall survival",)
ENDPOINTS_BEFORE_DEATH = ("progression-free survival", "recurrence-free survival", "disease-free survival")
SAME = 1.0 + 1e-9
"""Numbers printed in decimals are compared with this much slack, for they are binary here."""


FARTHEST_SIZE = 1_000
"""Patients more or fewer, as far as a size is looked for of which a percentage could be."""


@dataclass(frozen=True)
class Finding:
    """What a rule found: the study (the first of two), the figures by id, and what does not fit."""

    rule: str
    study: str
    figures: tuple[str, ...]
    message: str


# --- one number -------------------------------------------------------------------------------------------------------


def hazard_ratio_outside_its_interval(evidence: Evidence) -> Iterator[Finding]:
    """A hazard ratio v that is not low < v < high: no estimate lies outside its interval or at its end."""
    for study, f, value, low, high in _ratios_with_interval(evidence):
        if not low < value < high:
            yield _found(hazard_ratio_outside_its_interval, study, [f], f"{value} against {low} to {high}")


def interval_not_symmetric(evidence: Evidence) -> Iterator[Finding]:
    """ln v further from (ln low + ln high) / 2 than rounding of the three can bring it."""
    for study, f, value, low, high in _ratios_with_interval(evidence):
        half = half_unit(value, low, high)
        slack = half / value + 0.5 * (half / low + half / high)
        if abs(math.log(value) - 0.5 * math.log(low * high)) > slack * SAME:
            middle = math.sqrt(low * high)
            message = f"{value}, but the middle of {low} to {high} is {middle:.2f}"
            yield _found(interval_not_symmetric, study, [f], message)


def p_value_that_does_not_belong(evidence: Evidence) -> Iterator[Finding]:
    """p = 2 (1 - Phi(|ln v| / s)), s = (ln high - ln low) / (2 z), z by the level, over all that rounding allows."""
    for study, f, value, low, high in _ratios_with_interval(evidence):
        if f.p is None or f.level is None:
            continue
        least, most = _possible_p(value, low, high, f.level)
        if _p_agrees(f.p, least, most):
            continue
        other_level = next(level for level in QUANTILE if level != f.level)
        would = {
            "one-sided": _p_agrees(f.p, least / 2, most / 2),
            f"of a {other_level}% interval": _p_agrees(f.p, *_possible_p(value, low, high, other_level)),
        }
        fits = " or ".join(how for how, agrees in would.items() if agrees)
        message = f"printed p {f.p}; estimate and {f.level}% interval give {least:.2g} to {most:.2g}"
        message += f"; {fits} it would fit" if fits else ""
        yield _found(p_value_that_does_not_belong, study, [f], message)


def percentage_of_no_whole_number(evidence: Evidence) -> Iterator[Finding]:
    """No whole x of the stated n with 100 x / n rounding to the percentage; or x is stated and gives another one."""
    for study, f in evidence.figures():
        n = _denominator(study, f)
        if f.measure != "proportion" or f.unit != "%" or f.kind == "derived" or f.value is None or n is None:
            continue
        if f.events is not None:
            if not _rounds_to(f.events, n, f.value):
                message = f"{f.events} of {n} is {100 * f.events / n:.2f}%, printed {f.value}%"
                yield _found(percentage_of_no_whole_number, study, [f], message)
        elif not _has_count(n, f.value):
            would = " or ".join(f"{_count(m, f.value)} of {m}" for m in _near(n, f.value))
            message = f"{f.value}% of {n}; {would or f'nothing within {FARTHEST_SIZE} of it'} would give it"
            yield _found(percentage_of_no_whole_number, study, [f], message)


# --- one study --------------------------------------------------------------------------------------------------------


def medians_against_hazard_ratio(evidence: Evidence) -> Iterator[Finding]:
    """m_c / m_t outside the hazard ratio's interval or across 1 from it; Weibull shape k: HR = (m_c / m_t)^k."""
    for study, f, treated, control, ratio in _ratios_with_medians(evidence):
        if f.value is None or ratio == 1.0:
            continue
        shape = math.log(f.value) / math.log(ratio)
        low, high = f.interval or (None, None)
        outside = (low is not None and ratio < low) or (high is not None and ratio > high)
        if shape >= 0 and not outside:
            continue
        where = "across 1" if shape < 0 else "outside the interval"
        fits = f"shape {shape:.2f} would reconcile them" if shape > 0 else "no shape reconciles them"
        printed = f"{f.value}" + (f" ({low} to {high})" if f.interval else "")
        message = f"medians {control.value} / {treated.value} = {ratio:.2f}, hazard ratio {printed}: {where}; {fits}"
        yield _found(medians_against_hazard_ratio, study, [f, treated, control], message)


def survival_that_rises(evidence: Evidence) -> Iterator[Finding]:
    """S(t) above S(s) for s < t on one curve; a median is the point where S is 50%."""
    for study in evidence.studies.values():
        for curve in _curves(study).values():
            for (s, before, a), (t, after, b) in pairwise(sorted(curve, key=lambda point: (point[0], -point[1]))):
                if after > before * SAME and t > s:
                    message = f"{before:g}% at {s:g} months, then {after:g}% at {t:g}"
                    yield _found(survival_that_rises, study, [a, b], message)


def event_free_beyond_survival(evidence: Evidence) -> Iterator[Finding]:
    """A median, or a share at one time, free of progression or recurrence above that of survival from the same zero."""
    for study in evidence.studies.values():
        known = [f for f in study.figures if f.value is not None and f.measure in ("median", "survival_at")]
        for free, alive in ((a, b) for a in known for b in known):
            if free.endpoint not in ENDPOINTS_BEFORE_DEATH or alive.endpoint not in ENDPOINTS_OF_DEATH:
                continue
            alike = _alike(free, alive, "measure", "regimen", "subset", "unit", "time_months", "time_zero")
            if alike and (free.value or 0) > (alive.value or 0):
                message = f"{free.endpoint} {free.value} above overall survival {alive.value}"
                yield _found(event_free_beyond_survival, study, [free, alive], message)


def one_quantity_with_two_values(evidence: Evidence) -> Iterator[Finding]:
    """Two values of one arm or contrast, endpoint, subset, measure, time; criterion and zero alike or unstated."""
    told = ("median", "hazard_ratio", "survival_at", "proportion", "count", "duration", "point")
    same = ("regimen", "comparator", "endpoint", "subset", "measure", "time_months", "unit")
    for study in evidence.studies.values():
        for a, b in combinations([f for f in study.figures if f.value is not None and f.measure in told], 2):
            if not _alike(a, b, *same) or a.value == b.value:
                continue
            if _compatible(a.time_zero, b.time_zero) and _compatible(a.criterion, b.criterion):
                message = f"{a.value} and {b.value} {a.unit}"
                yield _found(one_quantity_with_two_values, study, [a, b], message)


def values_against_the_heading(evidence: Evidence) -> Iterator[Finding]:
    """The heading names arm A before arm B, but the value that is A's is printed after that of B."""
    for study in evidence.studies.values():
        for document, order in study.headings.items():
            placed = [f for f in study.figures if f.document == document and f.place is not None]
            for a, b in combinations(placed, 2):
                if not _alike(a, b, "endpoint", "criterion", "measure", "unit") or a.regimen == b.regimen:
                    continue
                first, second = sorted((a, b), key=_place)
                named_first = order.index(str(first.regimen)) < order.index(str(second.regimen))
                if _place(first) < _place(second) and not named_first:
                    message = f"{first.value} is printed first and is of {first.regimen}, which the heading names later"
                    yield _found(values_against_the_heading, study, [first, second], message)


# --- several studies --------------------------------------------------------------------------------------------------


def range_without_its_members(evidence: Evidence) -> Iterator[Finding]:
    """A figure said to be covered by a range lies outside it."""
    figures = {f.id: f for _, f in evidence.figures()}
    for study, f in evidence.figures():
        for name in f.members:
            member, (low, high) = figures[name], f.interval or (None, None)
            if member.value is None or low is None or high is None:
                continue
            if not low <= member.value <= high:
                message = f"{low} to {high} {f.unit}, and {member.value} of {name}"
                yield _found(range_without_its_members, study, [f, member], message)


def same_median_in_two_studies(evidence: Evidence) -> Iterator[Finding]:
    """One regimen, endpoint and median in two studies: a control arm used twice, cohorts that overlap, or chance."""
    by: defaultdict[tuple[object, ...], list[tuple[Study, Figure]]] = defaultdict(list)
    for study, f in evidence.figures():
        if f.measure == "median" and f.value is not None and f.regimen is not None:
            by[f.regimen, f.endpoint, f.value, f.unit].append((study, f))
    for (regimen, endpoint, value, unit), found in by.items():
        for (s, a), (t, b) in combinations(found, 2):
            if s is not t:
                message = f"{endpoint} of {regimen} is {value} {unit} in both"
                yield _found(same_median_in_two_studies, s, [a, b], message)


def cohorts_that_may_overlap(evidence: Evidence) -> Iterator[Finding]:
    """Two cohorts of one country under one name of trial, or with an arm in common under one first author."""
    cohorts = [s for s in evidence.studies.values() if s.design in ("cohort", "single arm") and s.arms]
    for s, t in combinations(cohorts, 2):
        shared = {arm.regimen for arm in s.arms} & {arm.regimen for arm in t.arms}
        family = _letters(s.trial) is not None and _letters(s.trial) == _letters(t.trial)
        if s.country == t.country and (family or (shared and s.first_author and s.first_author == t.first_author)):
            common = f"both with {' and '.join(sorted(shared))}" if shared else "arms differ"
            message = f"{s.trial or s.first_author} and {t.trial or t.first_author}, {s.country}; {common}"
            yield Finding(cohorts_that_may_overlap.__name__, s.study, (s.figures[0].id, t.figures[0].id), message)


def one_trial_in_two_documents(evidence: Evidence) -> Iterator[Finding]:
    """A study told by more than one document: its figures must not count twice."""
    for study in evidence.studies.values():
        first: dict[str, Figure] = {}
        for f in study.figures:
            first.setdefault(f.document, f)
        if len(first) > 1:
            message = " and ".join(first)
            yield _found(one_trial_in_two_documents, study, list(first.values()), message)


Rule = Callable[[Evidence], Iterator[Finding]]
RULES: tuple[Rule, ...] = (
    hazard_ratio_outside_its_interval,
    interval_not_symmetric,
    p_value_that_does_not_belong,
    medians_against_hazard_ratio,
    percentage_of_no_whole_number,
    survival_that_rises,
    event_free_beyond_survival,
    one_quantity_with_two_values,
    values_against_the_heading,
    range_without_its_members,
    same_median_in_two_studies,
    cohorts_that_may_overlap,
    one_trial_in_two_documents,
)


# --- what rules share -------------------------------------------------------------------------------------------------


def half_unit(*printed: float) -> float:
    """Half a unit of the last decimal of numbers printed alike (a whole number has none; 0.3 beside 0.55 is 0.30)."""
    return 0.5 * 10.0 ** -max(map(_decimals, printed))


def _decimals(printed: float) -> int:
    exponent = Decimal(repr(printed)).as_tuple().exponent
    return max(-exponent, 0) if isinstance(exponent, int) else 0


def _ratios_with_medians(evidence: Evidence) -> Iterator[tuple[Study, Figure, Figure, Figure, float]]:
    """Each hazard ratio beside which both medians are printed: study, ratio, treated, control, m_c / m_t."""
    for study, f in evidence.figures():
        medians = medians_of(study, f) if f.measure == "hazard_ratio" and f.unit == "ratio" else None
        if medians is not None:
            treated, control = medians
            yield study, f, treated, control, (control.value or math.nan) / (treated.value or math.nan)


def _found(rule: Rule, study: Study, figures: Sequence[Figure], message: str) -> Finding:
    return Finding(rule.__name__, study.study, tuple(f.id for f in figures), message)


def _ratios_with_interval(evidence: Evidence) -> Iterator[tuple[Study, Figure, float, float, float]]:
    for study, f in evidence.figures():
        if f.measure == "hazard_ratio" and f.unit == "ratio" and f.value is not None and f.interval is not None:
            low, high = f.interval
            if low is not None and high is not None:
                yield study, f, f.value, low, high


def _possible_p(value: float, low: float, high: float, level: int) -> tuple[float, float]:
    """The least and the greatest two-sided p over all numbers that are printed as these."""
    half = half_unit(value, low, high)
    possible = [
        _two_sided_p(v, lo, hi, level)
        for v in (value - half, value, value + half)
        for lo in (low - half, low + half)
        for hi in (high - half, high + half)
        if 0 < lo < hi and v > 0
    ]
    return min(possible), 1.0 if value - half <= 1 <= value + half else max(possible)


def _two_sided_p(value: float, low: float, high: float, level: int) -> float:
    error = (math.log(high) - math.log(low)) / (2.0 * QUANTILE[level])
    return math.erfc(abs(math.log(value)) / error / math.sqrt(2.0))


def _p_agrees(printed: str, least: float, most: float) -> bool:
    """Whether some p of least to most could be printed so: `< 0.001`, `= 0.02`, `> 0.05`."""
    sign, number = printed.split()
    if sign in "<≤":
        return least < float(number)
    if sign in ">≥":
        return most > float(number)
    half = 0.5 * 10.0 ** -len(number.partition(".")[2])
    return least <= float(number) + half and most >= float(number) - half


def _denominator(study: Study, figure: Figure) -> int | None:
    """The patients of whom a percentage is: the figure's own, else the arm's unless the figure is of a part of it."""
    if figure.patients is not None:
        return figure.patients
    if figure.subset is not None or figure.comparator is not None:
        return None
    return next((arm.patients for arm in study.arms if arm.regimen == figure.regimen), None)


def _count(of: int, percentage: float) -> int:
    return round(of * percentage / 100.0)


def _near(n: int, percentage: float, most: int = 3) -> list[int]:
    """The sizes nearest to n, none twice as large, of which some whole number is the percentage."""
    around = (m for off in range(1, min(n, FARTHEST_SIZE + 1)) for m in (n - off, n + off))
    return list(islice((m for m in around if _has_count(m, percentage)), most))


def _has_count(of: int, percentage: float) -> bool:
    near = _count(of, percentage)
    return any(_rounds_to(count, of, percentage) for count in (near - 1, near, near + 1))


def _rounds_to(count: int, of: int, percentage: float) -> bool:
    """Exactly; what lies half-way may have been rounded up, or to the even digit, but not down to an odd one."""
    unit = Fraction(1, 10 ** _decimals(percentage))
    printed = Fraction(repr(percentage))
    off = (Fraction(100 * count, of) - printed) / unit
    even = (printed / unit) % 2 == 0
    return -Fraction(1, 2) <= off < Fraction(1, 2) or (even and off == Fraction(1, 2))


def _alike(a: Figure, b: Figure, *fields: str) -> bool:
    return all(getattr(a, field) == getattr(b, field) for field in fields)


def _compatible(a: str | None, b: str | None) -> bool:
    """Equal, or one of them not stated."""
    return a == b or "not stated" in (a, b) or None in (a, b)


def _curves(study: Study) -> dict[tuple[object, ...], list[tuple[float, float, Figure]]]:
    """Points (months, percent, figure) of each curve: regimen, endpoint, subset, document, time zero."""
    curves: defaultdict[tuple[object, ...], list[tuple[float, float, Figure]]] = defaultdict(list)
    for f in study.figures:
        key = (f.regimen, f.endpoint, f.subset, f.document, f.time_zero, f.criterion)
        if f.measure == "survival_at" and f.value is not None and f.time_months is not None:
            curves[key].append((f.time_months, f.value, f))
        elif f.measure == "median" and f.value is not None and f.unit == "months":
            curves[key].append((f.value, 50.0, f))
    return curves


def _place(figure: Figure) -> int:
    return figure.place or 0


def _letters(trial: str | None) -> str | None:
    """`CHANCE` of CHANCE2201; None of a name without a number, which has no family."""
    if trial is None or not trial[-1].isdigit():
        return None
    return trial.rstrip("0123456789").rstrip("- ") or None
