"""What `designs` finds, for a reader and for a program."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from hcc_sim.report.numbers import STANDARD_ERRORS

if TYPE_CHECKING:
    from hcc_sim.analyses.designs import Finding

WIDTH = 80


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
