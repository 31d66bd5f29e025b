"""Studies as Python users have them: `hcc_sim.psa(scenario, ...)` runs, the answer has tables, draws and plots."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hcc_sim.analyses import questions
from hcc_sim.analyses.asking import Question
from hcc_sim.analyses.questions import Reading, readings_of, tables_of
from hcc_sim.analyses.voi import Information
from hcc_sim.report.result import Picture

if TYPE_CHECKING:
    import pandas as pd

    from hcc_sim.scenario import Scenario


@dataclass(frozen=True)
class Answer:
    """What a study found; `reading` is the analysis itself."""

    question: Question[Any]
    reading: Reading

    @property
    def sentences(self) -> tuple[str, ...]:
        """The headline."""
        return self.reading.sentences()

    @property
    def tables(self) -> tuple[str, ...]:
        """Names of tables."""
        return tuple(tables_of(readings_of(self.reading)))

    def table(self, name: str) -> pd.DataFrame:
        """One of the tables that the command writes, by the name of its file.

        Raises:
            ValueError: there is none of that name; all names are told.
        """
        found = tables_of(readings_of(self.reading))
        if name not in found:
            raise ValueError(f"no table {name!r}; there are {', '.join(found)}")
        return found[name].frame()

    def draws(self) -> pd.DataFrame:
        """A row for each draw, part of the patients and strategy: outcomes, then what was given."""
        from hcc_sim.analyses.study.folder import table_of
        from hcc_sim.analyses.study.runs import Done

        (first, *_) = readings_of(self.reading)
        assert not isinstance(first, Information)
        told = first.table
        nothing = np.empty((told.draws, 0))
        frame: pd.DataFrame = table_of(Done(0, told.inputs, told.means, nothing), told.shape, errors=False).to_pandas()
        return frame

    def plot(self, name: str) -> Picture:
        """One of the plots that the command writes, by the name of its file.

        Raises:
            ValueError: there is none of that name; all names are told.
        """
        import matplotlib as mpl

        from hcc_sim.report.study_plots import plots_of_readings
        from hcc_sim.report.style import STYLE

        found = plots_of_readings(readings_of(self.reading))
        if name not in found:
            raise ValueError(f"no plot {name!r}; there are {', '.join(found)}")
        with mpl.rc_context(STYLE):
            plot = found[name]()
        return Picture(name, plot.figure, next(iter(plot.tables.values())))


def _asking(ask: Callable[..., Question[Any]]) -> Callable[..., Answer]:
    def answer(scenario: Scenario, *given: Any, folder: Path | str | None = None, **options: Any) -> Answer:
        question = ask(scenario, *given, **options)
        return Answer(question, question.answer(folder))

    answer.__doc__ = (
        f"{ask.__doc__}\n\n    Run and read; with `folder` draws are kept there, and the same call goes on.\n    "
    )
    answer.__name__ = ask.__name__
    return answer


psa = _asking(questions.psa)
voi = _asking(questions.voi)
one_way = _asking(questions.one_way)
two_way = _asking(questions.two_way)
threshold = _asking(questions.threshold)
timing = _asking(questions.timing)
sobol = _asking(questions.sobol)
morris = _asking(questions.morris)
