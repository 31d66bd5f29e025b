"""Microsimulation of conversion therapy and surgical timing in hepatocellular carcinoma.

`load_scenario(path)` reads and checks a scenario file, `run(scenario)` compares its strategies; `psa`, `voi`,
`one_way`, `two_way`, `threshold`, `timing`, `sobol` and `morris` ask what the answer hangs on.  A pathway of one's own
is declared with `pathway` and `laws`, then `compile_pathway`, `simulate` and `simulate_all`; `occupancy` and
`time_in_state` tell where its patients are.  Everything is imported on first use, so that `import hcc_sim` stays light.
"""

from __future__ import annotations

from typing import Any

_HOMES = {
    "load_scenario": ("hcc_sim.scenario", "load_scenario"),
    "run": ("hcc_sim.report.result", "run"),
    **{
        name: ("hcc_sim.report.answer", name)
        for name in ("psa", "voi", "one_way", "two_way", "threshold", "timing", "sobol", "morris")
    },
    "compile_pathway": ("hcc_sim.engine", "compile_pathway"),
    "simulate": ("hcc_sim.engine", "simulate"),
    "simulate_all": ("hcc_sim.engine", "simulate_all"),
    "occupancy": ("hcc_sim.outcomes", "occupancy"),
    "time_in_state": ("hcc_sim.outcomes", "time_in_state"),
    "pathway": ("hcc_sim.pathway", ""),
    "laws": ("hcc_sim.laws", ""),
}
"""Public name -> module and name in it, empty for the module itself."""

_NOT_INSTALLED = "0+unknown"


def __getattr__(name: str) -> Any:
    if name == "__version__":
        return _version()
    if name not in _HOMES:
        raise AttributeError(f"module 'hcc_sim' has no attribute {name!r}")
    from importlib import import_module

    module, attribute = _HOMES[name]
    home = import_module(module)
    return getattr(home, attribute) if attribute else home


def __dir__() -> list[str]:
    return sorted([*globals(), "__version__", *_HOMES])


def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("hcc-sim")
    except PackageNotFoundError:  # run from the source without installing
        return _NOT_INSTALLED
