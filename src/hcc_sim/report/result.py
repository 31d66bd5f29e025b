"""The result of a run as Python users have it: tables as DataFrames, plots that a notebook shows, files."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hcc_sim.analyses.compare import Comparison, compare

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from hcc_sim.scenario import Scenario


@dataclass(frozen=True)
class Picture:
    """A plot: a notebook shows it, `figure` is matplotlib's, `data` are the numbers that it is drawn from."""

    name: str
    figure: Figure
    data: pd.DataFrame

    def save(self, path: Path | str) -> None:
        """Write it; the ending says as what (SVG, PNG, PDF).

        Raises:
            ValueError: an ending that matplotlib does not know.
        """
        self.figure.savefig(path, dpi=150)

    def _repr_svg_(self) -> str:
        text = io.StringIO()
        self.figure.savefig(text, format="svg", metadata={"Date": None})
        return text.getvalue()


class Result(Comparison):
    """A comparison of strategies with its plots, report and workbook."""

    def plot(self, name: str = "survival") -> Picture:
        """One of the plots that a run writes, by the name of its file.

        Raises:
            ValueError: there is none of that name; all names are told.
        """
        from hcc_sim.report.plots import draw

        plot = draw(self, name)
        return Picture(name, plot.figure, next(iter(plot.tables.values())))

    def write(self, folder: Path | str, *, force: bool = False, plots: bool = True) -> list[str]:
        """Write what `hcc-sim run` writes into a new folder; the names of the files.

        Raises:
            InputError: the folder is there already and `force` does not replace it.
        """
        from hcc_sim.report.folder import check_free, new_folder
        from hcc_sim.report.results import write_results

        place = Path(folder)
        check_free(place, force=force)
        with new_folder(place, force=force) as temporary:
            return write_results(temporary, self, {}, plots=plots)


def run(scenario: Scenario, **options: Any) -> Result:
    """Simulate a scenario's patients under every strategy; options and errors are those of `compare`."""
    compared = compare(scenario, **options)
    given: Mapping[str, Any] = {field.name: getattr(compared, field.name) for field in fields(compared)}
    return Result(**given)
