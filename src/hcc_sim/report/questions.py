"""What `timing` and `designs` find, for a reader and for a program."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from hcc_sim.analyses.timing import ALIVE, ENDINGS, FREE
from hcc_sim.report.numbers import STANDARD_ERRORS
from hcc_sim.units import format_duration

if TYPE_CHECKING:
    from hcc_sim.analyses.designs import Finding
    from hcc_sim.analyses.timing import Timing

WIDTH, WIDTHS = 80, (13, 15, 14, 15)


def timing_in_words(found: Timing) -> str:
    """A line for each delay, the best of them, and what ended the window."""
    alive = [row for row in found.outcomes if row.outcome == ALIVE]
    free = [row for row in found.outcomes if row.outcome == FREE]
    first = format_duration(alive[0].delay_months)
    lines = [
        f"{found.scenario.title}: the delay of surgery, all else as under '{found.strategy}'",
        f"Population: {found.population}; months of the first 120, ± 1.96 Monte-Carlo standard errors",
        "",
        f"{'delay':>12s} {'alive':>13s} {'minus ' + first:>15s} {'no disease':>14s} {'minus ' + first:>15s}",
    ]
    for one, other in zip(alive, free, strict=True):
        told = []
        for row in (one, other):
            told.append(f"{row.value:.2f} ± {_error(row.mc_se)}")
            told.append(f"{row.difference:+.2f} ± {_error(row.difference_mc_se)}")
        cells = (f"{cell:>{width}s}" for cell, width in zip(told, WIDTHS, strict=True))
        lines.append(" ".join([f"{format_duration(one.delay_months):>12s}", *cells]))
    best = max(alive, key=lambda row: row.value)
    same = all(row.value == best.value for row in alive)
    told_best = f"Longest life at {format_duration(best.delay_months)}: {best.value:.1f} months."
    lines += ["", "The delay makes no difference to these patients." if same else told_best, ""]
    lines.append("What ended the window before surgery, % of these patients")
    delays = list(dict.fromkeys(row.delay_months for row in found.endings))
    shown = [delays[0], *delays[len(delays) // 3 : -1 : max(1, len(delays) // 3)], delays[-1]]
    shown = list(dict.fromkeys(shown))
    lines.append(f"{'':28s}" + "".join(f"{format_duration(delay):>12s}" for delay in shown))
    for ending in ENDINGS:
        shares = {row.delay_months: row.share for row in found.endings if row.ended_by == ending}
        lines.append(f"{ending:28s}" + "".join(f"{100 * shares[delay]:>12.1f}" for delay in shown))
    return "\n".join(lines) + "\n"


def _error(mc_se: float) -> str:
    return "unknown" if math.isnan(mc_se) else f"{STANDARD_ERRORS * mc_se:.2f}"


def designs_in_words(found: Sequence[Finding]) -> str:
    """For each design what it finds, what is true, and by how much it is wrong."""
    if not found:
        return "Too few patients in a group of either design, or nothing that could be taken away from them.\n"
    parts = []
    for one in found:
        naive, causal = (f"{d.months:+.1f} ± {STANDARD_ERRORS * d.mc_se:.1f}" for d in (one.naive, one.causal))
        group = one.design.group
        text = (
            f"{one.design.name}: {one.group:,} {group}, {one.others:,} {one.design.others}. The design finds {naive} "
            f"months of the first {one.within_months:g} (hazard ratio {one.hazard_ratio:.2f}). The same {group} with "
            f"the same luck, had that not happened to them: {causal} months. The design is wrong by "
            f"{one.bias_months:+.1f} months."
        )
        parts.append(textwrap.fill(text[0].upper() + text[1:], WIDTH))
    return "\n\n".join(parts) + "\n"


def designs_rows(found: Sequence[Finding]) -> list[dict[str, Any]]:
    """A row for each design."""
    return [
        {
            "design": one.design.name,
            "patients": one.group,
            "others": one.others,
            "within_months": one.within_months,
            "naive_months": one.naive.months,
            "naive_mc_se": one.naive.mc_se,
            "naive_hazard_ratio": one.hazard_ratio,
            "causal_months": one.causal.months,
            "causal_mc_se": one.causal.mc_se,
            "bias_months": one.bias_months,
        }
        for one in found
    ]
