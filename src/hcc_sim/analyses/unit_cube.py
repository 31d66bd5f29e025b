"""What designs of global sensitivity analysis share: parameters, groups of them, and results that belong to a design.

A design is a table of points in the open unit cube, one row a draw, one column a parameter; a value is its quantile
function at the number.  Parameters are independent there: what was fitted jointly enters as the independent normal
numbers behind it, or as one group.

**Monte-Carlo noise.**  Every draw is simulated with the same patients and the same luck, so a result is a function of
the point alone: the expected outcome plus the error of these patients, which moves with the parameters as their
histories do, by little for a small step.  A reading describes this function.  The error does not enter as a scatter
between draws, which would add to every total index and every standard deviation of effects; neither is it averaged away
by more draws, nor part of any interval: intervals are about the points that were drawn.  Another seed, or more
patients, shows its size.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

RESAMPLES = 1_000
"""Of a bootstrap: a half-width is then known to 2 percent."""

AS_GOOD_AS_EQUAL = 1e-12
"""Outcomes that differ by no more than this share of the largest differ by rounding."""


def check_parameters(names: tuple[str, ...], groups: tuple[str, ...] | None, seed: int) -> None:
    """Whether a design can be about these.

    Raises:
        ValueError: no parameters, one named twice, groups that are not one for each parameter or only one, a seed
            below 0.
    """
    if not names:
        raise ValueError("a design needs parameters")
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"parameters are named more than once: {', '.join(twice)}")
    if groups is not None and len(groups) != len(names):
        raise ValueError(f"one group for each of the {len(names)} parameters was expected, not {len(groups)}")
    if groups is not None and len(set(groups)) == 1 < len(names):  # sampled by parameter, analysed as one by SALib
        raise ValueError(f"all parameters are in the group '{groups[0]}': at least two groups are needed")
    if seed < 0:
        raise ValueError(f"a seed is 0 or more, not {seed}")


def factors(names: tuple[str, ...], groups: tuple[str, ...] | None) -> tuple[str, ...]:
    """What results are told of: parameters, or groups in the order in which they first appear."""
    return tuple(dict.fromkeys(groups or names))


def problem(names: tuple[str, ...], groups: tuple[str, ...] | None) -> dict[str, Any]:
    """The design as SALib wants it told, always a new dictionary: SALib writes into it."""
    bounds = [[0.0, 1.0]] * len(names)
    return {"num_vars": len(names), "names": list(names), "groups": list(groups or names), "bounds": bounds}


def results(
    outcomes: Floats,
    names_of_outcomes: Sequence[str],
    design: str,
    shape: tuple[int, int],
    own: Callable[[], Floats],
    points: Floats | None,
) -> Floats:
    """Outcomes (D, Y) of a design with points of this shape (D, P), or an error that tells what was expected.

    `design` describes it in an error; `points` are those that were simulated, compared with its `own` where given.

    Raises:
        ValueError: the results of another design.
    """
    found = np.asarray(outcomes, dtype=np.float64)
    expected = (shape[0], len(names_of_outcomes))
    if found.shape != expected:
        raise ValueError(f"{design} reads outcomes of shape {expected}, draws by outcomes, not {found.shape}")
    if points is None:
        return found
    if np.shape(points) != shape:
        raise ValueError(f"{design} has points of shape {shape}, not {np.shape(points)}")
    differ = np.flatnonzero(np.any(np.asarray(points) != own(), axis=1))
    if len(differ):
        told = f"{len(differ):,} of {shape[0]:,} rows differ, the first is row {differ[0]}"
        why = "another seed, kind of design or order of rows"
        raise ValueError(f"these are not the points of {design}: {told}. They are of {why}.")
    return found


def tells_nothing(outcome: Floats) -> bool:
    """Whether an outcome (D,) is unknown or infinite in some draw, or the same in all of them."""
    if not np.isfinite(outcome).all():
        return True
    return bool(np.ptp(outcome) <= AS_GOOD_AS_EQUAL * np.abs(outcome).max())
