"""What a trial reports, read off simulated arms: medians, shares, ratios, each beside the number that was printed.

A statistic gives two numbers: a prediction on the working scale on which sampling errors are known (log for times and
ratios, logit for shares, complementary log-log for landmarks), and the same in the unit of the print.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import numpy as np

from hcc_sim.calibration.trial import Arm, Flags, Floats, survival_at
from hcc_sim.outcomes.hazard_ratio import hazard_ratio

GOLDEN = 0.6180339887498949
"""Multiples of it modulo 1 fill the unit interval evenly: when patients entered a trial, without luck of their own."""

EARLY_MONTHS = 24.0
"""Relapses up to here after surgery are early."""


FEWEST = 3
"""Members of whom a middle third can be told."""


class Predicted(NamedTuple):
    """A simulated number on the working scale and as it would be printed."""

    working: float
    printed: float


Values = Mapping[str, float]
Times = Callable[[Arm], tuple[Floats, Flags]]
"""Months from a time zero, and whose they are: of everybody, of the resected ..."""


@dataclass(frozen=True)
class Statistic:
    """How a figure is read off one arm, or off an arm and its comparator."""

    read: Callable[..., Predicted]
    contrast: bool = False

    def __call__(self, values: Values, *arms: Arm) -> Predicted:
        """The prediction for arms simulated with these values of the trial's own parameters (`trial.*`)."""
        return self.read(values, *arms)


# --- whose time from when ---------------------------------------------------------------------------------------------


def overall_survival(arm: Arm) -> tuple[Floats, Flags]:
    """From the start of therapy to death, of everybody."""
    return arm.death, np.ones(arm.patients, dtype=bool)


def progression_free_survival(arm: Arm) -> tuple[Floats, Flags]:
    """From the start of therapy to progression or death, of everybody; surgery is ignored."""
    return arm.failure, np.ones(arm.patients, dtype=bool)


def survival_after_resection(arm: Arm) -> tuple[Floats, Flags]:
    """From resection to death, of the resected."""
    return _since(arm.death, arm.resection)


def recurrence_free_survival(arm: Arm) -> tuple[Floats, Flags]:
    """From resection to relapse or death, of the resected."""
    return _since(np.minimum(arm.recurrence, arm.death), arm.resection)


def duration_of_response(arm: Arm) -> tuple[Floats, Flags]:
    """From response to progression or death, of those who responded."""
    return _since(arm.failure, arm.response)


def time_to_response(arm: Arm) -> tuple[Floats, Flags]:
    """From the start of therapy to response, of those who responded."""
    return arm.response, np.isfinite(arm.response)


def time_to_surgery(arm: Arm) -> tuple[Floats, Flags]:
    """From the start of therapy to the operation, of the operated."""
    return arm.operation, np.isfinite(arm.operation)


def survival_after_progression(arm: Arm) -> tuple[Floats, Flags]:
    """From progression to death, of those who progressed."""
    return _since(arm.death, arm.progression)


def survival_after_recurrence(arm: Arm, *, early: bool) -> tuple[Floats, Flags]:
    """From an early or a late relapse after resection to death."""
    times, relapsed = _since(arm.death, arm.recurrence)
    return times, relapsed & (_is_early(arm) == early)


def survival_by_operation(arm: Arm, *, operated: bool, among_converted: bool) -> tuple[Floats, Flags]:
    """As a study sees it that compares those who were operated with those who were not, whatever made them differ.

    From conversion where it looks among the converted, else from the start of therapy.
    """
    start = arm.conversion if among_converted else np.zeros(arm.patients)
    times, there = _since(arm.death, start)
    return times, there & (np.isfinite(arm.operation) == operated)


def _since(end: Floats, start: Floats) -> tuple[Floats, Flags]:
    began = np.isfinite(start) & (end > start)
    with np.errstate(invalid="ignore"):
        return end - start, began


def _is_early(arm: Arm) -> Flags:
    with np.errstate(invalid="ignore"):
        return arm.recurrence - arm.resection <= EARLY_MONTHS


# --- statistics of one arm --------------------------------------------------------------------------------------------


def median(times: Times, printed_months: float, shape: float) -> Statistic:
    """The median as the smooth statement "survival at the printed median is 0.5": visits make medians themselves jump.

    The prediction is ln m + logit S(m) / (2 k ln 2): the simulated median to first order, for a curve that there has
    the slope of a Weibull one of shape k.
    """
    return Statistic(partial(_median, times, printed_months, shape))


def _median(times: Times, printed: float, shape: float, _: Values, arm: Arm) -> Predicted:
    months, members = times(arm)
    months = months[members]
    if not len(months):
        return Predicted(math.nan, math.nan)
    logit = _logit(_counted(months > printed), len(months))
    return Predicted(math.log(printed) + logit / (2.0 * shape * math.log(2.0)), float(np.median(months)))


def disease_specific_median(times: Times, printed_months: float, shape: float) -> Statistic:
    """The same where who dies of other causes is censored then (product-limit estimate)."""
    return Statistic(partial(_disease_specific_median, times, printed_months, shape))


def _disease_specific_median(times: Times, printed: float, shape: float, _: Values, arm: Arm) -> Predicted:
    months, members = times(arm)
    order = np.argsort(months[members], kind="stable")
    months, died = months[members][order], ~arm.of_other_causes[members][order]
    n = len(months)
    if not n:
        return Predicted(math.nan, math.nan)
    left = n - np.arange(n)
    survival = np.cumprod(1.0 - (died & np.isfinite(months)) / left)
    by_then = int(np.searchsorted(months, printed, side="right"))
    at_printed = float(survival[by_then - 1]) if by_then else 1.0
    half = int(np.searchsorted(-survival, -0.5))
    median_months = float(months[half]) if half < n else math.inf
    logit = _logit(at_printed * n, n)
    return Predicted(math.log(printed) + logit / (2.0 * shape * math.log(2.0)), median_months)


def middle(times: Times) -> Statistic:
    """The typical time of something that is seen at visits: the geometric mean of the middle third of all times.

    Such times lie in heaps, so that a median jumps from one to the next; this goes over smoothly.
    """
    return Statistic(partial(_middle, times))


def _middle(times: Times, _: Values, arm: Arm) -> Predicted:
    months, members = times(arm)
    ordered = np.sort(months[members])
    if len(ordered) < FEWEST:
        return Predicted(math.nan, math.nan)
    third = ordered[len(ordered) // 3 : len(ordered) - len(ordered) // 3]
    working = float(np.log(np.maximum(third, 1e-3)).mean())
    return Predicted(working, math.exp(working))


def landmark(times: Times, at_months: float) -> Statistic:
    """Survival at a time, in percent, on the complementary log-log scale."""
    return Statistic(partial(_landmark, times, at_months))


def _landmark(times: Times, at: float, _: Values, arm: Arm) -> Predicted:
    months, members = times(arm)
    n = int(np.count_nonzero(members))
    if not n:
        return Predicted(math.nan, math.nan)
    share = survival_at(months[members], at)
    inside = min(max(share, 0.5 / n), 1.0 - 0.5 / n)
    return Predicted(math.log(-math.log(inside)), 100.0 * share)


def share(of: Callable[[Arm], Flags], among: Callable[[Arm], Flags] | None = None, shift: str = "") -> Statistic:
    """A share in percent, on the logit scale; `shift` names a parameter that is added there."""
    return Statistic(partial(_share, of, among, shift))


def _share(
    of: Callable[[Arm], Flags], among: Callable[[Arm], Flags] | None, shift: str, values: Values, arm: Arm
) -> Predicted:
    members = among(arm) if among is not None else np.ones(arm.patients, dtype=bool)
    n = int(np.count_nonzero(members))
    if not n:
        return Predicted(math.nan, math.nan)
    logit = _logit(_counted(of(arm) & members), n) + (values[shift] if shift else 0.0)
    return Predicted(logit, 100.0 / (1.0 + math.exp(-logit)))


def _counted(flags: Flags) -> float:
    return float(np.count_nonzero(flags))


def _logit(count: float, of: int) -> float:
    """Kept off both ends by half a patient, so that a search may start where nobody is."""
    inside = min(max(count, 0.5), of - 0.5)
    return math.log(inside / (of - inside))


def responded(arm: Arm) -> Flags:
    """Whose tumour responded."""
    return np.isfinite(arm.response)


def converted(arm: Arm) -> Flags:
    """Who met the criteria of resection."""
    return np.isfinite(arm.conversion)


def operated(arm: Arm) -> Flags:
    """Who was operated for cure, whatever the surgeon then did."""
    return np.isfinite(arm.operation)


def resected(arm: Arm) -> Flags:
    """Who survived a resection."""
    return np.isfinite(arm.resection)


def dead_around_operation(arm: Arm) -> Flags:
    """Who died at the first operation."""
    return operated(arm) & (arm.death == arm.operation)


def relapsed(early: bool, arm: Arm) -> Flags:
    """Who had an early or a late relapse after resection."""
    return np.isfinite(arm.recurrence) & (_is_early(arm) == early)


def treated_again(arm: Arm) -> Flags:
    """Whose first relapse after resection was treated with curative intent."""
    return np.isfinite(arm.recurrence) & (arm.repeat == arm.recurrence)


# --- statistics of two arms -------------------------------------------------------------------------------------------


def contrast(times: Times) -> Statistic:
    """The hazard ratio of two arms that entered evenly and were followed up for `trial.follow_up` (median)."""
    return Statistic(partial(_contrast, times), contrast=True)


def _contrast(times: Times, values: Values, arm: Arm, versus: Arm) -> Predicted:
    observed = [_followed(*times(one), values["trial.follow_up"]) for one in (arm, versus)]
    found = hazard_ratio(*observed[0], *observed[1])
    if not math.isfinite(found.log_ratio):  # too few events to tell
        return Predicted(math.nan, math.nan)
    return Predicted(found.log_ratio, math.exp(found.log_ratio))


def _followed(months: Floats, members: Flags, median_months: float) -> tuple[Floats, Flags]:
    """Times censored where follow-up, spread evenly over half to one and a half of its median, ends."""
    months = months[members]
    end = median_months * (0.5 + (np.arange(1, len(months) + 1) * GOLDEN) % 1.0)
    return np.minimum(months, end), months <= end
