"""How plots look: colours, dashes and type, told apart by the colour-blind and in black and white."""

from __future__ import annotations

from typing import Any

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#000000", "#E69F00", "#56B4E9", "#7A7A7A")
"""Told apart by colour-blind readers: Okabe and Ito, with grey for their yellow, which does not show on white."""

DASHES: tuple[Any, ...] = (
    "solid",
    (0, (6, 1.6)),
    (0, (2.4, 1.2)),
    (0, (7, 1.6, 1.4, 1.6)),
    (0, (1.1, 1.1)),
    (0, (7, 1.6, 1.4, 1.6, 1.4, 1.6)),
    (0, (11, 2)),
    (0, (4, 1.2, 4, 1.2, 1.1, 1.2)),
)
"""And in black and white."""


def strategy_style(position: int) -> dict[str, Any]:
    """Colour and dashes by a strategy's position; beyond eight, old colours meet new dashes."""
    return {
        "color": COLOURS[position % len(COLOURS)],
        "linestyle": DASHES[(position + position // len(COLOURS)) % len(DASHES)],
    }


STYLE: Any = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans", "Verdana", "Helvetica", "Arial"],
    "font.size": 9.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#555555",
    "axes.labelcolor": "#222222",
    "axes.axisbelow": True,
    "axes.grid": True,
    "grid.color": "#E4E4E4",
    "grid.linewidth": 0.7,
    "xtick.color": "#444444",
    "ytick.color": "#444444",
    "lines.linewidth": 1.7,
    "svg.fonttype": "none",
    "svg.hashsalt": "hcc-sim",
    "path.simplify": False,
}

GREY, DARK, FAINT = "#9A9A9A", "#222222", "#F3F1EC"

DESIGN_STYLES: dict[str, tuple[str, Any]] = {
    "randomised": (COLOURS[0], "solid"),
    "cohort": (COLOURS[1], (0, (5, 2))),
    "indirect comparison": (COLOURS[2], (0, (1, 1.3))),
}
OTHER_DESIGN: tuple[str, Any] = (COLOURS[3], (0, (6, 1.5, 1, 1.5)))
"""Colour and dashes by the design of a study."""
