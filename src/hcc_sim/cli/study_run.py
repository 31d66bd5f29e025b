"""A study from the command line: run what its folder lacks, write what was found, show it."""

from __future__ import annotations

import json
import os
import textwrap
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hcc_sim.cli.options import TableFormat, in_format, whole
from hcc_sim.cli.progress import progress_of_draws
from hcc_sim.cli.run import MOST_THREADS, prepared
from hcc_sim.cli.terminal import command_line, say, unfinished, write
from hcc_sim.errors import Problems

if TYPE_CHECKING:
    from hcc_sim.analyses.asking import Question
    from hcc_sim.analyses.study.execute import Workers
    from hcc_sim.scenario import Scenario

WIDTH = 100


@dataclass(frozen=True)
class Place:
    """Where a study is run and kept, and what is shown of it."""

    out: Path | None
    force: bool
    dask: str | None
    threads: str | None
    no_plots: bool
    output: TableFormat


def answer_in_folder(asked: Scenario, place: Place, ask: Callable[[], Question[Any]]) -> None:
    """Ask, run what the folder lacks, write what was found, show it."""
    started = time.perf_counter()
    problems = Problems()
    processors = whole("--threads", place.threads, 1, MOST_THREADS, problems) or os.cpu_count() or 1
    problems.raise_if_any()

    from hcc_sim.analyses.study.folder import check_study_folder, clear, locked

    if place.out is not None:
        check_study_folder(place.out)
    workers = _workers(place.dask, processors)
    prepared(asked)  # what does not fit the pathway is told before anything is made
    question = ask()
    study = question.study
    folder = place.out if place.out is not None else Path("results") / f"{asked.files[0].stem}-{study.analysis}"
    with locked(folder):
        if place.force:
            clear(folder)
        parts = study.folder(folder)
        parts.begin()
        question = _of_all_draws(folder, question)
        if place.output is TableFormat.table and (told := _complete(folder, question, plots=not place.no_plots)):
            more = "more --draws add to it, " if study.design.extends else ""
            say(f"{folder} is complete with {told['draws']:,} draws; {more}--force begins anew.")
            _show_headline(told["said"], place.output, folder)
            return
        unfinished.append(folder)
        say(question.sizes)
        with progress_of_draws() as progress:
            answer = question.within(folder, workers, progress)
        _write(asked, question, answer, place, folder, {"threads": processors, "started": started})
        unfinished.clear()


def _write(
    asked: Scenario, question: Question[Any], answer: Any, place: Place, folder: Path, how: dict[str, Any]
) -> None:
    """The base case with everything that a run tells of it, then what the study found."""
    from hcc_sim.analyses.compare import compare
    from hcc_sim.analyses.questions import readings_of
    from hcc_sim.report.study_results import write_study

    compared = compare(asked, threads=how["threads"])
    how = {
        "wall_seconds": round(time.perf_counter() - how["started"], 3),
        "threads": how["threads"],
        "command": ["hcc-sim", *command_line],
        "sizes": question.sizes,
        "readings": [*(["psa"] if question.name == "voi" else []), question.name],
        "asked": {"psa": {}, question.name: question.asked},
    }
    readings = readings_of(answer)
    write_study(folder, compared, readings, question.study, how, plots=not place.no_plots)
    outside = [f"Fit not renewed for {', '.join(asked.fit_not_renewed)}."] if asked.fit_not_renewed else []
    _show_headline([text for reading in readings for text in reading.sentences()], place.output, folder, outside)
    if place.output is not TableFormat.table:
        name, table = next(iter(readings[-1].tables().items()))
        write(in_format([row._asdict() for row in table.rows], place.output, table.columns))
        say(f"{name}.csv and all else in {folder}")


def _show_headline(
    sentences: Sequence[str], output: TableFormat, folder: Path, not_renewed: Sequence[str] = ()
) -> None:
    if output is not TableFormat.table:
        return
    from hcc_sim.report.screen import NOT_ADVICE

    for text in (*not_renewed, *sentences):
        write("\n".join(textwrap.wrap(text, WIDTH, break_on_hyphens=False, break_long_words=False)) + "\n\n")
    write(f"Tables, plots, report.html, workbook.xlsx: {folder}\n")
    write(f"{NOT_ADVICE}\n")


def _of_all_draws(folder: Path, question: Question[Any]) -> Question[Any]:
    """With all draws that the folder was complete with, where more than those asked for."""
    from hcc_sim.analyses.study.design import Joint
    from hcc_sim.analyses.study.folder import MANIFEST

    study = question.study
    if not isinstance(study.design, Joint):
        return question
    try:
        there = json.loads((folder / MANIFEST).read_bytes())["draws"]
    except (OSError, ValueError, KeyError, TypeError):
        return question
    if not isinstance(there, int) or there <= study.design.draws:
        return question
    return replace(question, study=replace(study, design=replace(study.design, draws=there)))


def _complete(folder: Path, question: Question[Any], *, plots: bool) -> dict[str, Any] | None:
    """What the manifest says, where it tells of this study and reading, and all files that it names are there."""
    from hcc_sim.analyses.study.execute import lacking
    from hcc_sim.analyses.study.folder import MANIFEST

    try:
        told = json.loads((folder / MANIFEST).read_bytes())
        enough = told["draws"] >= question.study.design.draws and question.name in told["readings"]
        enough &= told["asked"].get(question.name) == json.loads(json.dumps(question.asked))
        enough &= all((folder / name).is_file() for name in told["files"])
        enough &= not plots or any(name.startswith("plots/") for name in told["files"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    if not enough or lacking(question.study.folder(folder), told["draws"]):
        return None
    return dict(told)


def _workers(dask: str | None, processors: int) -> Workers:
    if dask is not None:
        from hcc_sim.analyses.study.cluster import Cluster

        return Cluster(dask)
    from hcc_sim.analyses.study.execute import Local

    return Local(processors)
