"""The sampling error of a reported number, on the scale where the number is roughly normal.

Intervals are (low, high), either may be None, and are taken at their own level, in percent.  Where none is printed, the
error follows from the number of patients or events.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Literal

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
Scale = Literal["log", "logit", "complementary log-log"]
Basis = Literal["interval", "patients or events", "p", "bound on p"]
Interval = Sequence[float | None]

DOWN_WEIGHT = 2.0
"""By what the variance of a figure with status `down-weight` is multiplied."""

SHARE_WITH_EVENT = 2.0 / 3.0
"""Assumed share of patients with an event, where a median is printed with patients but without events."""

LEAST_LEFT = 0.1
"""Share of the variance of a log hazard ratio that its medians leave unexplained, at the least."""

_LN2 = math.log(2.0)


@dataclass(frozen=True)
class Reading:
    """A reported number as a normal observation: value and standard error on the working scale.

    `basis` says where the error comes from.  Under "bound on p" the error is the largest that the bound allows.
    """

    value: float
    error: float
    scale: Scale
    basis: Basis


def of_median(
    median_months: float,
    *,
    interval: Interval | None = None,
    level: float | None = None,
    patients: float | None = None,
    events: float | None = None,
    shape: float = 1.0,
) -> Reading:
    """A median survival time on the log scale.

    An interval may claim more than its patients can tell, where a step of the curve or a smoothed estimate made it
    narrow: where patients are given, the error is no smaller than theirs.

    Without an interval, the error of the Kaplan-Meier estimate at the median, sqrt(S (1 - S) / n_effective) with
    S = 1/2, is divided by the slope there of a Weibull curve, |dS / d ln t| = shape ln(2) / 2, which gives
    1 / (shape ln(2) sqrt(n_effective)); `effective_patients` says how censoring enters.

    Interval of a median: R. Brookmeyer and J. Crowley, Biometrics 38 (1982) 29-41, doi:10.2307/2530286; error by the
    slope: D. Collett, Modelling Survival Data in Medical Research, 3rd ed. (2015), section 2.4, doi:10.1201/b18041.

    Args:
        median_months: above 0; any unit of time does, for the error is relative.
        interval, level: in the same unit.
        patients, events: in the arm.
        shape: Weibull shape of the curve near its median, for the error by patients.

    ValueError: a number out of its range, or neither interval nor patients nor events.
    """
    value = math.log(_positive("a median", median_months))
    printed = None if interval is None else _error_of_interval("median", value, interval, level, math.log)
    if printed is not None and patients is None and events is None:
        return Reading(value, printed, "log", "interval")
    by_patients = 1.0 / (_positive("a shape", shape) * _LN2 * math.sqrt(effective_patients(patients, events)))
    if printed is not None and printed >= by_patients:
        return Reading(value, printed, "log", "interval")
    return Reading(value, by_patients, "log", "patients or events")


def effective_patients(patients: float | None, events: float | None) -> float:
    """How many patients without censoring would tell the survival at the median as well as these.

    By Greenwood's formula Var S(m) = S^2 * integral of dH / (n exp(-H) G) over the cumulative hazard H from 0 to ln 2,
    where G is the share not yet censored.  If censoring has a hazard proportional to that of the event (J. A. Koziol
    and S. B. Green, Biometrika 63 (1976) 465-474, doi:10.1093/biomet/63.3.465), G = exp(-H (q - 1)) with
    q = patients / events, and n_effective = patients q / (2^q - 1): all patients where nobody is censored, never more
    than 1.35 times the events, and kept from falling below the events where more than three in four are censored.

    With events alone, the events; with patients alone, q follows from SHARE_WITH_EVENT.

    ValueError: neither is given, or one is not above 0.
    """
    if patients is None:
        if events is None:
            raise ValueError("a median needs its interval, the patients of its arm or their events")
        return _positive("events", events)
    _positive("patients", patients)
    events = patients * SHARE_WITH_EVENT if events is None else _positive("events", events)
    q = max(1.0, patients / events)
    uncensored = q / math.expm1(q * _LN2) if q < 500.0 else 0.0
    return min(patients, max(events, patients * uncensored))


def of_proportion(patients: float, *, percent: float | None = None, count: float | None = None) -> Reading:
    """A proportion x / n on the logit scale, with error sqrt(1 / x + 1 / (n - x)).

    Where the whole number of patients next to it is 0 or n, a half is added to x and to n - x (J. B. S. Haldane, Annals
    of Human Genetics 20 (1956) 309-311, doi:10.1111/j.1469-1809.1955.tb01285.x).

    ValueError: not exactly one of percent and count, or outside 0 to n.
    """
    if (percent is None) == (count is None):
        raise ValueError("a proportion is given either in percent or as a count")
    _positive("patients", patients)
    x = count if count is not None else patients * (percent or 0.0) / 100.0
    if not 0.0 <= x <= patients:
        raise ValueError(f"a proportion lies between none and all of {patients:g} patients, not at {x:g}")
    yes, no = _without_zero(x, patients)
    return Reading(math.log(yes / no), math.sqrt(1.0 / yes + 1.0 / no), "logit", "patients or events")


def of_survival_at(
    percent: float, patients: float | None = None, *, interval: Interval | None = None, level: float | None = None
) -> Reading:
    """Survival S at one time on the complementary log-log scale, ln(-ln S) = ln H.

    Chosen over the logit because there a Weibull curve is a straight line in ln t and a hazard ratio a shift, and since
    it is the scale of many printed intervals (J. D. Kalbfleisch and R. L. Prentice, The Statistical Analysis of Failure
    Time Data, 2nd ed. (2002), section 1.4, doi:10.1002/9781118032985).  Without an interval the error is
    sqrt((1 - S) / (n S)) / |ln S|, as if nobody were censored before.

    Percent and interval run from 0 to 100; 0 and 100 need the patients, and a half is added as in `of_proportion`.

    ValueError: percent out of range, or nothing that tells the error.
    """
    if not 0.0 <= percent <= 100.0:
        raise ValueError(f"survival lies between 0 and 100%, not at {percent:g}%")
    if patients is not None:
        alive, dead = _without_zero(_positive("patients", patients) * percent / 100.0, patients)
        survival = alive / (alive + dead)
    elif 0.0 < percent < 100.0:
        survival = percent / 100.0
    else:
        raise ValueError(f"survival of {percent:g}% needs the patients it is of")
    value = _log_minus_log(survival)
    if interval is not None:
        shares = [None if end is None else end / 100.0 for end in interval]
        error = _error_of_interval("survival", value, shares, level, _log_minus_log)
        return Reading(value, error, "complementary log-log", "interval")
    if patients is None:
        raise ValueError("survival at a time needs its interval or the patients of its arm")
    error = math.sqrt((1.0 - survival) / (survival * patients)) / abs(math.log(survival))
    return Reading(value, error, "complementary log-log", "patients or events")


def of_hazard_ratio(
    value: float,
    interval: Interval | None = None,
    level: float | None = None,
    *,
    events: float | None = None,
    allocation: tuple[float, float] | None = None,
    p: str | None = None,
) -> Reading:
    """A hazard ratio on the log scale, from its interval, else from the events, else from p.

    With d events the error is sqrt(1 / (d a (1 - a))), a the share of patients treated; 4 / d for equal arms
    (D. Schoenfeld, Biometrika 68 (1981) 316-319, doi:10.1093/biomet/68.1.316).  A two-sided `p` of "= 0.02" gives
    |ln HR| / z.  "< 0.001" says only that the error is smaller than |ln HR| / z of 0.001: this bound is taken, the
    widest error that the print allows, and the basis of the reading says so.

    Events are of both arms together; `allocation` is patients treated and control, or anything in their ratio, equal if
    None; the rest is as printed.

    ValueError: a number out of its range, or nothing that tells the error; p tells none where the ratio is 1.
    """
    log_ratio = math.log(_positive("a hazard ratio", value))
    if interval is not None:
        error = _error_of_interval("hazard ratio", log_ratio, interval, level, math.log)
        return Reading(log_ratio, error, "log", "interval")
    if events is not None:
        treated, control = allocation or (1.0, 1.0)
        share = _positive("allocation", treated) / (treated + _positive("allocation", control))
        error = 1.0 / math.sqrt(_positive("events", events) * share * (1.0 - share))
        return Reading(log_ratio, error, "log", "patients or events")
    if p is None:
        raise ValueError("a hazard ratio needs its interval, the events or p")
    probability = 1.0 if ">" in p else float(p.lstrip("<=≤ "))
    if not 0.0 < probability < 1.0 or log_ratio == 0.0:
        raise ValueError(f"p {p} does not tell the error of a hazard ratio of {value:g}")
    error = abs(log_ratio) / NormalDist().inv_cdf(1.0 - 0.5 * probability)
    return Reading(log_ratio, error, "log", "bound on p" if p.lstrip()[0] in "<≤" else "p")


def events_of_ratio(error: float, patients_treated: float, patients_control: float) -> tuple[float, float]:
    """Events (treated, control) that an error of ln HR implies: 1 / d_t + 1 / d_c = error^2, d_t : d_c as the patients.

    Not whole numbers; an adjusted or stratified ratio may imply fewer or more than there were.

    ValueError: a number is not above 0.
    """
    treated, control = _positive("patients", patients_treated), _positive("patients", patients_control)
    share = (1.0 / treated + 1.0 / control) / _positive("an error", error) ** 2
    return share * treated, share * control


def covariance_of_trial(
    treated: Sequence[Reading],
    control: Reading,
    ratios: Sequence[Reading],
    events_treated: Sequence[float],
    events_control: float,
    shape: float,
) -> FloatArray:
    r"""Covariance (2 J + 1, 2 J + 1) of J treated medians, the control median and J log hazard ratios, in this order.

    The same patients make the medians and the ratios.  In Weibull arms of shape k with d events,

        cov(ln m_j, ln HR_j) = -1 / (k d_j),  cov(ln m_c, ln HR_j) = 1 / (k d_c),  cov(ln HR_i, ln HR_j) = 1 / d_c.

    ln HR is k (ln m_c - ln m_j), its partial-likelihood estimate is efficient (J. M. Begun and others, Annals of
    Statistics 11 (1983) 432-452, doi:10.1214/aos/1176346151), and any regular estimator has with an efficient one the
    covariance that is the variance of the efficient one, 1 / (k^2 d) for ln m of an arm (J. A. Hausman, Econometrica 46
    (1978) 1251-1271, doi:10.2307/1913827).  Exact in large samples at HR = 1; at HR = 1/2 the sum is 4% too large.

    A printed interval may claim more precision than the events can give.  Then the covariances of medians with ratios
    shrink by one factor, so that LEAST_LEFT of the variance of ln HR stays: the matrix is always positive definite.

    ValueError: an error, a number of events or the shape is not above 0.
    """
    arms = len(treated)
    _positive("a shape", shape)
    medians = np.diag([_positive("an error", one.error) ** 2 for one in (*treated, control)])
    variances = np.array([_positive("an error", one.error) ** 2 for one in ratios])
    shared = 1.0 / _positive("events", events_control)
    # What ratios share is less than the variance of any of them.
    in_common = min(shared, (1.0 - LEAST_LEFT) * variances.min())
    between = np.diag(variances - in_common) + in_common
    own = np.diag([-1.0 / (shape * _positive("events", d)) for d in events_treated])
    cross = np.column_stack([own, np.full(arms, shared / shape)])
    explained = cross @ np.linalg.solve(medians, cross.T)
    most = float(np.linalg.eigvals(np.linalg.solve(between, explained)).real.max())
    cross *= min(1.0, math.sqrt((1.0 - LEAST_LEFT) / most))
    return np.block([[medians, cross.T], [cross, between]])


def _error_of_interval(
    name: str, value: float, interval: Interval, level: float | None, scale: Callable[[float], float]
) -> float:
    """Half the width over z, on the working scale; with one end, its distance from the value over z."""
    if level is None or not 0.0 < level < 100.0:
        raise ValueError(f"the interval of a {name} needs its level between 0 and 100%, not {level}")
    low, high = interval
    if low is not None and high is not None and not low < high:
        raise ValueError(f"the interval of a {name} must rise, not {low:g} to {high:g}")
    try:
        ends = [scale(end) for end in (low, high) if end is not None]
    except ValueError:
        raise ValueError(f"an end of the interval of a {name} is out of range: {low} to {high}") from None
    if not ends:
        raise ValueError(f"the interval of a {name} has no end")
    width = abs(ends[1] - ends[0]) / 2.0 if len(ends) == 2 else abs(ends[0] - value)
    return _positive(f"the width of the interval of a {name}", width) / NormalDist().inv_cdf(0.5 + level / 200.0)


def _without_zero(x: float, n: float) -> tuple[float, float]:
    """x and n - x; with a half added to both where the whole number next to x is 0 or n."""
    return (round(x) + 0.5, n - round(x) + 0.5) if round(x) in (0, n) else (x, n - x)


def _log_minus_log(survival: float) -> float:
    return math.log(-math.log(survival))


def _positive(name: str, number: float) -> float:
    if not 0.0 < number < math.inf:
        raise ValueError(f"{name} must be finite and above 0, not {number}")
    return number
