"""`diagram` and `schema`: the pathway as a picture, the form of a scenario file."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hcc_sim.cli.options import CalibrationOption, PictureFormat, load, strategy_of
from hcc_sim.cli.terminal import replace_file, say, write
from hcc_sim.errors import InputError, Problem, Problems, nearest

if TYPE_CHECKING:
    from hcc_sim.scenario import Scenario

FEW = 0.095
"""Shares below it are told to a tenth of a percentage point."""


def diagram(
    scenario: Annotated[
        str | None, typer.Argument(metavar="[SCENARIO]", help="A scenario file or name; all share one pathway.")
    ] = None,
    part: Annotated[
        str | None,
        typer.Option("--part", metavar="NAME", help="Only therapy, conversion, resectable, surgery or relapse."),
    ] = None,
    numbers: Annotated[
        bool, typer.Option("--numbers", help="Shares and median times beside the arrows, from a run of SCENARIO.")
    ] = False,
    strategy: Annotated[
        str | None, typer.Option("--strategy", metavar="NAME", help="Whose numbers; by default the scenario's first.")
    ] = None,
    output: Annotated[
        PictureFormat | None, typer.Option("--format", help="By default that of FILE's ending, else mermaid.")
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", metavar="FILE", help="Write to a file.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace an existing file.")] = False,
    calibration: CalibrationOption = None,
) -> None:
    """Draw the pathway or a part of it, as Mermaid text or as SVG."""
    if out is not None and os.path.lexists(out) and not (force and out.is_file()):
        remedy = "choose another name, or --force to replace it" if out.is_file() else "choose the name of a file"
        raise InputError(Problem("--out", None, "", f"{out} exists; {remedy}"))

    from hcc_sim.parameters import load_calibration
    from hcc_sim.pathway import diagram as draw
    from hcc_sim.pathway.hcc import PARTS
    from hcc_sim.scenario import hcc_pathway_of

    if part is not None and part not in PARTS:
        told = f"unknown part '{part}'. {nearest(part, PARTS)} Accepted: {', '.join(PARTS)}"
        raise InputError(Problem("--part", None, "", " ".join(told.split())))
    beside: dict[tuple[str, str], str] = {}
    if scenario is None:
        if numbers or strategy is not None:
            raise InputError(
                Problem("--numbers", None, "", "are those of a run: name a scenario, such as surgical-timing")
            )
        pathway = hcc_pathway_of(load_calibration(calibration))
    else:
        asked = load(scenario, Problems(), None, calibration)
        pathway = hcc_pathway_of(asked.calibration)
        chosen = strategy_of(asked, strategy)
        if numbers:
            beside = _numbers(asked, chosen)
    title = pathway.title if not beside else f"{pathway.title}: '{chosen}' of '{asked.title}'"
    if part is not None:
        names = [state.name for state in PARTS[part]]
        drawn: draw.Drawn = draw.part_of(pathway, names, f"{title}, {part}", beside)
    else:
        drawn = replace(draw.with_numbers(pathway, beside), title=title) if beside else pathway
    wanted = output or (PictureFormat.svg if out is not None and out.suffix == ".svg" else PictureFormat.mermaid)
    text = draw.svg(drawn) if wanted is PictureFormat.svg else draw.mermaid(drawn)
    if out is None:
        write(text if text.endswith("\n") else text + "\n")
    else:
        replace_file(out, text.encode())
        say(f"{wanted.value} in {out}")


def _numbers(asked: Scenario, strategy: str) -> dict[tuple[str, str], str]:
    """(state, exit) -> share, and median months where time passes."""
    from hcc_sim.analyses.ways import ways

    found = {}
    for way in ways(asked, strategy):
        share = f"{100 * way.share:.0f}%" if way.share >= FEW else f"{100 * way.share:.1f}%"
        after = f", {way.median_months:.1f} mo" if way.median_months > 0.0 else ""
        found[way.state, way.exit] = share + after
    return found


def schema(calibration: CalibrationOption = None) -> None:
    """Print the JSON Schema of scenario files, for editors."""
    import json

    from hcc_sim.parameters import load_calibration
    from hcc_sim.scenario import scenario_schema

    write(json.dumps(scenario_schema(load_calibration(calibration)), indent=2, ensure_ascii=False) + "\n")
