"""The calibration as a page: method, fit per arm, what does not fit, hazard ratios three ways, what was learned."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from typing import Any

import numpy as np

from hcc_sim.calibration.fit import LEARNED, MOVED
from hcc_sim.calibration.fitted import Fitted
from hcc_sim.calibration.reproduce import FAR, Row
from hcc_sim.calibration.ridge import EQUALLY
from hcc_sim.calibration.three_ways import ThreeWays
from hcc_sim.fit_in_use import PRIOR_ONLY, UNSURE
from hcc_sim.pathway.hcc import EFFECT_OF_SURGERY
from hcc_sim.quantiles import CENTRAL, score_of
from hcc_sim.report.calibration import by_follow_up, quality, reported, three_ways_summary
from hcc_sim.report.markdown import plain, table

METHOD = """Every uncertain quantity has a prior F; its value is F^-1(Phi(z)), so that the prior of all z together is
N(0, I). Each study arm is simulated with the pathway: {patients:,} patients with common luck (seed {seed}), followed
for 120 months. A target is a figure y with its sampling error, beside what the simulation says of it, mu(z):

- a median m: ln m + logit S(m) / (2 k ln 2), the simulated median to first order, with k 1.5 for overall and 1 for
  other survival; error from its interval, but no smaller than its patients can tell, 1 / (k ln 2 sqrt(n)) with n for
  censoring;
- a share: its logit; survival at a time: ln(-ln S); a hazard ratio: the Cox estimate over the trial's follow-up, error
  from its interval at its own level; medians and ratio of a contrast are correlated, the patients being the same;
- down-weighted figures have twice the variance; excluded ones are shown and not fitted;
- the Monte-Carlo error of the predictions (covariance over 40 seeds) is added to that of the figures.

The most probable z minimises |z|^2 + |W (y - mu(z))|^2 (Gauss-Newton); {draws} joint draws solve Q'r(z) = Q'e on the
simulations themselves (randomize-then-optimize; docs/decisions/0009-calibration.md). z below is (posterior predictive
mean - reported) / sampling error."""


def page(fit: Fitted, rows: Sequence[Row], ratios: Sequence[ThreeWays]) -> str:
    """The page as Markdown."""
    summary = fit.summary
    parts = [
        "# The calibration",
        "Made by `hcc-sim reproduce --out DIR` from a fit; not written by hand.",
        METHOD.format(patients=fit.patients, seed=fit.seed, draws=summary["draws"]),
        "## How well it fits",
        quality(rows),
        f"The figures spend {summary['effective_parameters']:.0f} effective parameters, so a mean z squared of about "
        f"{_expected(rows, summary['effective_parameters']):.2f} is expected where the model is right: much less would "
        "mean that the errors are taken too large, much more that figures contradict one another or the pathway.",
        f"Draws lie {summary['distance_from_root']:.2f} prior standard deviations from their roots (median). Weighted "
        f"to the exact posterior {summary['draws']} draws would count as "
        f"{summary['effective_draws_if_weighted']}: with hundreds of unknowns small bends add up. They are used as "
        "they are.",
        *map(plain_line, summary["doubts"]),
        CHECK,
        table(("figures", "how many", "distance", "p"), map(_check, summary["predictive_checks"])),
        "![Reported against simulated](pictures/reproduce.svg)",
        *_far(rows),
        "## Every arm",
        "Beside each arm its figures and the parameters they spend: with nearly one for each, agreement tells little.",
        *(
            _study(study, list(group), summary["effective_parameters_of_arms"])
            for study, group in groupby(rows, key=lambda row: row.study)
        ),
        *_ridge(summary),
        *_network(summary["only_in_network"]),
        "## Hazard ratios three ways",
        " ".join(three_ways_summary(ratios, fit.without_study)),
        table(
            ("hazard ratio", "reported", "one shape", "own shape", "without its study", "fitted, by follow-up"),
            (_three(row) for row in ratios),
        ),
        "## What was learned",
        _verdicts(summary["ledger"]),
        table(("quantity", "before", "after", "verdict", "told most by"), map(_entry, _told(summary["ledger"]))),
        "## What is left out",
        table(("figure", "why"), ((f"`{one['figure']}`", one["why"]) for one in summary["left_out"])),
    ]
    return "\n\n".join(parts) + "\n"


def _expected(rows: Sequence[Row], effective_parameters: float) -> float:
    fitted = sum(row.role == "fitted" for row in rows)
    return max(fitted - effective_parameters, 0.0) / max(fitted, 1)


def _far(rows: Sequence[Row]) -> list[str]:
    far = [row for row in rows if row.role == "fitted" and abs(row.z) > FAR]
    if not far:
        return []
    told = [
        f"- {row.study}, {row.arm}: {row.endpoint}, {row.measure} {row.reported}, simulated {row.simulated:.1f}, "
        f"z {row.z:+.1f}. {row.flag}"
        for row in far
    ]
    return [f"Beyond {FAR:g} sampling errors:", "\n".join(map(plain, told))]


BOUGHT = 0.8
"""Share of an arm's figures that its parameters spend, from which their agreement with the fit tells nothing."""

CHECK = """Posterior predictive check: the distance (y - mu)' V^-1 (y - mu) of the report from the draws, which would be
the number of figures were the model right and its draws not fitted to them, and the share p of replicates that lie
farther."""


def plain_line(doubt: str) -> str:
    """A doubt about the draws, to be read first."""
    return f"**Doubtful**: {plain(doubt)}."


def _check(check: Mapping[str, Any]) -> tuple[str, ...]:
    return (
        check["kind"].replace("_", " "),
        str(check["figures"]),
        f"{check['distance']:.1f}",
        f"{check['p']:.3f}",
    )


def _ridge(summary: Mapping[str, Any]) -> list[str]:
    points = summary["ridge"]
    entry = next((entry for entry in summary["ledger"] if entry["name"] == EFFECT_OF_SURGERY), None)
    if entry is None:
        return []
    heading = "## What surgery does, and who is operated"
    if not points:
        return [heading, NOT_SOUGHT]
    least = min(point["objective"] for point in points)
    near = [point for point in points if point["objective"] - least <= EQUALLY]
    effects, sizes = ([point[key] for point in near] for key in ("effect", "selection"))
    told = RIDGE.format(
        before=_span(entry, "prior"),
        after=_span(entry, "posterior"),
        left=entry["sd_ratio"],
        by_grid=_left_by(points, entry),
        equally=EQUALLY,
        near=len(near),
        all=len(points),
        most=max(point["objective"] for point in points) - least,
        effects=f"{min(effects):g} to {max(effects):g}",
        sizes=f"{min(sizes):g} to {max(sizes):g}",
    )
    return [heading, told, "![Effect of surgery against selection](pictures/ridge.svg)"]


def _left_by(points: Sequence[Mapping[str, float]], entry: Mapping[str, Any]) -> float:
    """The share of the prior's standard deviation that a parabola through the least at each effect leaves."""
    least: dict[float, float] = {}
    for point in points:
        least[point["effect"]] = min(point["objective"], least.get(point["effect"], math.inf))
    score = score_of(entry["family"], entry["low"], entry["high"])
    bend = np.polyfit([score(effect) for effect in least], list(least.values()), 2)[0]
    return float(1.0 / math.sqrt(1.0 + max(bend, 0.0)))


NOT_SOUGHT = """Which effects of surgery go with which strength of selection has not been sought for this fit:
`hcc-sim calibrate --ridge` does, in twice the time."""

RIDGE = """Studies that compare operated with unoperated patients are simulated as they were made, so they tell of
`surgery.effect` and of selection together: how much less often those decline whose tumour responded deeply, and how
much less deeply aggressive tumours respond. Each point of the grid holds both, with everything else fitted anew.
{near} of {all} points lie within {equally} of the least sum of squares, with effects of {effects} and selection of
{sizes} times that fitted; the worst of all lies {most:.1f} above. `surgery.effect` was {before} before the figures and
is {after} after. Of its prior's standard deviation on the log scale the draws leave {left:.2f}, a parabola through the
least sum of squares at each effect {by_grid:.2f}: two rough answers to one question."""


def _network(solved: Sequence[Mapping[str, Any]]) -> list[str]:
    if not solved:
        return []
    rows = (
        (
            f"`{one['regimen']}`",
            f"`{one['comparator']}`",
            one["endpoint"],
            f"{math.exp(one['mean']):.2f} ({math.exp(one['mean'] - CENTRAL * one['sd']):.2f} to "
            f"{math.exp(one['mean'] + CENTRAL * one['sd']):.2f})",
            f"{math.exp(one['reached']):.2f}",
            f"{one['missed']:.2f}",
            ", ".join(one["bridges"]) or "none",
        )
        for one in solved
    )
    return [
        "## Regimens that the network alone knows",
        "The progression of each was sought, draw by draw, until the simulated contrast showed the ratio that the "
        "network drew. Where it was missed, no progression shows so extreme a ratio, for survival after progression is "
        "common to all.",
        table(("regimen", "against", "by", "hazard ratio", "simulated", "missed at most (log)", "bridges"), rows),
    ]


def _study(study: str, rows: Sequence[Row], spent: Sequence[Mapping[str, Any]]) -> str:
    lines = (
        (row.arm, f"{row.endpoint}, {row.measure.replace('_', ' ')}", reported(row), f"{row.simulated:.2f}",
         f"{row.z:+.1f}", "" if row.inside is None else "yes" if row.inside else "no", row.role)
        for row in rows
    )  # fmt: skip
    own = [one for one in spent if one["arm"].partition("/")[0] == study]
    told = "; ".join(
        f"{one['arm'].partition('/')[2]}: {one['figures']} figures, {one['effective_parameters']:.1f} parameters"
        + (", so agreement is uninformative" if one["effective_parameters"] > BOUGHT * one["figures"] else "")
        for one in own
    )
    heading = f"### {study}\n\n" + (f"{told}.\n\n" if told else "")
    return heading + table(("arm", "of", "reported", "simulated", "z", "inside", "role"), lines)


def _three(row: ThreeWays) -> tuple[str, ...]:
    ends = "" if row.without_study_low is None else f" ({row.without_study_low:.2f} to {row.without_study_high:.2f})"
    span = "" if row.interval_low is None else f" ({row.interval_low} to {row.interval_high})"
    values = ((row.one_shape, row.one_shape_inside), (row.own_shape, row.own_shape_inside))
    told = [
        "" if value is None else f"{value:.2f}{' (outside)' if inside is False else ''}" for value, inside in values
    ]
    without = "" if row.without_study is None else f"{row.without_study:.2f}{ends}"
    return f"`{row.figure}`", f"{row.reported}{span}", *told, without, by_follow_up(row).replace("!", "(outside)")


def _told(ledger: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    return [entry for entry in ledger if entry["verdict"] != PRIOR_ONLY]


def _verdicts(ledger: Sequence[Mapping[str, Any]]) -> str:
    count = Counter(entry["verdict"] for entry in ledger)
    prior_only = [entry["name"] for entry in ledger if entry["verdict"] == PRIOR_ONLY and ": " not in entry["name"]]
    return (
        f"{count['learned']} quantities learned (posterior standard deviation below {LEARNED:g} of the prior's), "
        f"{count['partly']} partly (below {UNSURE:g}, or moved by more than {MOVED:g} of it), {count[PRIOR_ONLY]} "
        f"prior only. Common to all and prior only: {', '.join(f'`{name}`' for name in prior_only)}."
    )


def _entry(entry: Mapping[str, Any]) -> tuple[str, ...]:
    figures = ", ".join(f"`{figure}`" for figure in entry["figures"])
    return f"`{entry['name']}`", _span(entry, "prior"), _span(entry, "posterior"), entry["verdict"], figures


def _span(entry: Mapping[str, Any], when: str) -> str:
    return f"{entry[f'{when}_median']:.3g} ({entry[f'{when}_low']:.3g} to {entry[f'{when}_high']:.3g})"
