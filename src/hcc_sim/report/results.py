"""What `run` writes: the tables, the workbook, the stays if they are kept, the plots, and last the manifest."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Mapping
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hcc_sim.report.folder import MANIFEST
from hcc_sim.report.manifest import manifest
from hcc_sim.report.page import page
from hcc_sim.report.workbook import WORKBOOK, write_workbook

REPORT = "report.html"

if TYPE_CHECKING:
    from hcc_sim.analyses.compare import Comparison
    from hcc_sim.engine import Program
    from hcc_sim.history import Stays
    from hcc_sim.outcomes import Table
    from hcc_sim.scenario import Scenario


def write_results(folder: Path, comparison: Comparison, how: Mapping[str, Any], *, plots: bool = True) -> list[str]:
    """Write everything but the stays into the folder; the names of all files, the manifest's `files` among them."""
    write_tables(folder, comparison)
    write_workbook(folder / WORKBOOK, comparison)
    if plots:
        from hcc_sim.report.plots import write_plots

        write_plots(folder / "plots", comparison)
    text = page(comparison, how, folder / "plots" if plots else None)
    (folder / REPORT).write_text(text, encoding="utf-8", newline="")
    files = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    text = json.dumps(manifest(comparison, files, how), indent=2, ensure_ascii=False, allow_nan=False)
    (folder / MANIFEST).write_text(text + "\n", encoding="utf-8", errors="replace")
    return [*files, MANIFEST]


def write_tables(folder: Path, comparison: Comparison) -> None:
    """Write the tables of a comparison, and its parameters, as CSV."""
    tables = comparison.tables._asdict()
    if comparison.valuation is not None:
        tables |= comparison.valuation.tables._asdict()
    for name, table in tables.items():
        (folder / f"{name}.csv").write_text(csv_text(table), encoding="utf-8", newline="")
    write_parameters(folder / "parameters.csv", comparison.scenario)


def csv_text(table: Table[Any]) -> str:
    """The table as CSV: numbers with as many digits as give back the same bits, NaN empty, lines ending in LF."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(table.columns)
    writer.writerows(["" if cell != cell else cell for cell in row] for row in table.rows)
    return text.getvalue()


def as_json(comparison: Comparison) -> str:
    """The rows of summary.csv and what was said about them, as JSON; what is missing is null."""
    rows = [
        {key: None if value != value else value for key, value in row._asdict().items()}
        for row in comparison.tables.summary.rows
    ]
    said = {
        "title": comparison.scenario.title,
        "primary_population": comparison.primary,
        "headline": comparison.headline(),
        "strongest_assumption": comparison.strongest_assumption(),
        "notes": list(comparison.notes()),
        "summary": rows,
    }
    return json.dumps(said, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


# --- parameters -----------------------------------------------------------------------------------------------------

_COLUMNS = (
    "name", "value", "unit", "kind", "meaning", "source", "where", "reason", "derivation", "distribution", "low",
    "high", "decision", "set_by",
)  # fmt: skip


def write_parameters(path: Path, scenario: Scenario) -> None:
    """One row per parameter as the first strategy has it; where strategies differ, the value under each beside it."""
    sets = {strategy.name: strategy.parameters for strategy in scenario.strategies}
    first = next(iter(sets.values()))
    further = [f"{column}: {name}" for name in sets for column in ("value", "set_by")] if len(sets) > 1 else []
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow([*_COLUMNS, *further])
        for name, p in first.items():
            low, high = (p.distribution.low, p.distribution.high) if p.distribution else ("", "")
            row = [
                name, p.value, p.unit, p.kind, p.meaning, "; ".join(p.sources), p.where, p.reason, p.derivation,
                p.distribution.family if p.distribution else "held", low, high, "yes" if p.decision else "no", p.set_by,
            ]  # fmt: skip
            if further:
                differ = len({parameters[name].value for parameters in sets.values()}) > 1
                for parameters in sets.values():
                    row += [parameters[name].value, parameters[name].set_by] if differ else ["", ""]
            writer.writerow(row)


# --- stays ----------------------------------------------------------------------------------------------------------


class StayFiles:
    """Writes the stays of each strategy to a Parquet file of its own, chunk by chunk, so that memory stays flat.

    States and exits are dictionary columns of names; a stay that the horizon ended has an empty `next_state` and
    `ended_by` = horizon.  Then a column of truths for each attribute that stays show.
    """

    def __init__(self, folder: Path, scenario: Scenario) -> None:
        self.folder = folder
        self.files = file_names([strategy.name for strategy in scenario.strategies])
        self._writers: dict[str, Any] = {}

    def keep(self, strategy: str, program: Program, stays: Stays) -> None:
        """Append one chunk."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        def names(positions: Any, known: tuple[str, ...], otherwise: str) -> Any:
            dictionary = pa.array([*known, otherwise], pa.string())
            inside = positions.copy()
            inside[inside < 0] = len(known)
            return pa.DictionaryArray.from_arrays(pa.array(inside), dictionary)

        table = pa.table(
            {
                "patient": stays.patient,
                "state": names(stays.state, program.state_names, ""),
                "entered_months": stays.entered_months,
                "left_months": stays.left_months,
                "next_state": names(stays.next_state, program.state_names, ""),
                "ended_by": names(stays.ended_by, program.exit_names, "horizon"),
                **{name: (stays.shown >> bit) % 2 == 1 for bit, name in enumerate(program.pathway.shown)},
            }
        )
        if strategy not in self._writers:
            self.folder.mkdir(exist_ok=True)
            self._writers[strategy] = pq.ParquetWriter(self.folder / self.files[strategy], table.schema)
        self._writers[strategy].write_table(table)

    def __enter__(self) -> StayFiles:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Finish the files; after a failure (a full disk) a second one of the same kind tells nothing new."""
        for writer in self._writers.values():
            with suppress(OSError) if kind else nullcontext():
                writer.close()


def file_names(strategies: list[str]) -> dict[str, str]:
    """A file name for each strategy that every system accepts, no two alike."""
    names: dict[str, str] = {}
    taken: set[str] = set()
    for strategy in strategies:
        base = re.sub(r"[^\w .+()-]", "_", strategy)[:60].strip(" .") or "strategy"
        name, number = base, 1
        while name.casefold() in taken:
            number += 1
            name = f"{base}-{number}"
        taken.add(name.casefold())
        names[strategy] = f"{name}.parquet"
    return names
