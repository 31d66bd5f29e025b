"""Time-to-event laws: cumulative hazard H(t), its inverse, and what follows from them; see `docs/laws.md`.

`distributions` holds the laws as people write them, `law` what all can do, `formulas` their compiled half, `curves`
laws as piecewise polynomials, `prentice` the generalised gamma.
"""

from hcc_sim.laws.distributions import (
    FLEXSURV,
    CuredShare,
    Exponential,
    GeneralisedGamma,
    Gompertz,
    LogLogistic,
    LogNormal,
    PiecewiseExponential,
    Tabulated,
    Weibull,
)
from hcc_sim.laws.formulas import (
    LawTable,
    cumulative_hazard,
    cumulative_hazards,
    inverse_cumulative_hazard,
    inverse_cumulative_hazards,
)
from hcc_sim.laws.law import Law, tabulate

__all__ = [
    "FLEXSURV",
    "CuredShare",
    "Exponential",
    "GeneralisedGamma",
    "Gompertz",
    "Law",
    "LawTable",
    "LogLogistic",
    "LogNormal",
    "PiecewiseExponential",
    "Tabulated",
    "Weibull",
    "cumulative_hazard",
    "cumulative_hazards",
    "inverse_cumulative_hazard",
    "inverse_cumulative_hazards",
    "tabulate",
]
