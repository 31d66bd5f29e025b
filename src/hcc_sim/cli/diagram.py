"""`diagram` and `schema`: the pathway as a picture, the form of a scenario file."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from hcc_sim.cli.options import CalibrationOption, PictureFormat, load
from hcc_sim.cli.terminal import replace_file, say, write
from hcc_sim.errors import InputError, Problem, Problems


def diagram(
    scenario: Annotated[
        str | None, typer.Argument(metavar="[SCENARIO]", help="A scenario file or name; all share one pathway.")
    ] = None,
    output: Annotated[
        PictureFormat | None, typer.Option("--format", help="By default that of FILE's ending, else mermaid.")
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", metavar="FILE", help="Write to a file.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace an existing file.")] = False,
    calibration: CalibrationOption = None,
) -> None:
    """Draw the pathway, as Mermaid text or as SVG."""
    if out is not None and os.path.lexists(out) and not (force and out.is_file()):
        remedy = "choose another name, or --force to replace it" if out.is_file() else "choose the name of a file"
        raise InputError(Problem("--out", None, "", f"{out} exists; {remedy}"))

    from hcc_sim.parameters import load_calibration
    from hcc_sim.pathway import diagram as draw
    from hcc_sim.scenario import hcc_pathway_of

    if scenario is None:
        pathway = hcc_pathway_of(load_calibration(calibration))
    else:
        pathway = hcc_pathway_of(load(scenario, Problems(), None, calibration).calibration)
    wanted = output or (PictureFormat.svg if out is not None and out.suffix == ".svg" else PictureFormat.mermaid)
    text = draw.svg(pathway) if wanted is PictureFormat.svg else draw.mermaid(pathway)
    if out is None:
        write(text if text.endswith("\n") else text + "\n")
    else:
        replace_file(out, text.encode())
        say(f"{wanted.value} in {out}")


def schema(calibration: CalibrationOption = None) -> None:
    """Print the JSON Schema of scenario files, for editors."""
    import json

    from hcc_sim.parameters import load_calibration
    from hcc_sim.scenario import scenario_schema

    write(json.dumps(scenario_schema(load_calibration(calibration)), indent=2, ensure_ascii=False) + "\n")
