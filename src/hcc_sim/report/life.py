"""One patient's history under every strategy, in lines that can be read aloud."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hcc_sim.pathway.hcc import BCLC, CNLC, TUMOUR_EVENTS, progression, sterilisation

if TYPE_CHECKING:
    import pandas as pd

    from hcc_sim.pathway.model import Pathway

UNSEEN = tuple(event.name for event in (progression, *TUMOUR_EVENTS, sterilisation))
"""Events that happen in the patient without anybody noticing."""

TRUTHS = (
    "start of therapy",
    "depth of response",
    "second regimen",
    "treated tumour",
    "elsewhere",
    "resectable tumour",
    "after neoadjuvant therapy",
    "disease left behind",
)
"""Branches that settle what is true of the patient; nobody sees them either."""

NO_NEWS = ": as it was"
"""How the names of ways out of a branch end that say nothing to a reader."""

ROMAN = ("", "I", "II", "III", "IV")
HORIZON = "horizon"
INDENT = " " * 17


@dataclass(frozen=True)
class Moment:
    """Everything that happens at one time, and the state in which the patient goes on, empty if it is the same."""

    months: float
    steps: tuple[str, ...]
    truths: tuple[str, ...]
    state: str
    final: bool

    def text(self, width: int) -> str:
        """`month    3.2   criteria met → converted`, wrapped."""
        told = ", ".join(self.steps) + (f" (in truth: {', '.join(self.truths)})" if self.truths else "")
        told = f"{told} → {self.state}" if self.state and not self.final else told
        begin = f"  month {self.months:6.1f}   "
        return textwrap.fill(told.strip(), width, initial_indent=begin, subsequent_indent=INDENT)


def story(
    pathway: Pathway, attributes: Mapping[str, float], histories: Mapping[str, pd.DataFrame], width: int
) -> Iterator[tuple[str, list[str]]]:
    """A heading and its lines for the patient, then for each strategy; `histories` as from `Stays.to_frame`."""
    yield "At the start of therapy", [textwrap.indent(textwrap.fill(describe(attributes), width - 2), "  ")]
    told: dict[str, list[Moment]] = {}
    for strategy, stays in histories.items():
        life = moments(pathway, stays)
        yield f"Under '{strategy}'", [_in_short(life, stays), *_lines(life, told, width)]
        told[strategy] = life


def describe(attributes: Mapping[str, float]) -> str:
    """Sex, age, tumour, liver, stages and aggressiveness in words."""
    sex = "man" if attributes["male"] else "woman"
    aggressiveness = attributes["aggressiveness"]
    side = "above" if aggressiveness >= 0 else "below"
    number = int(attributes["tumour number"])
    tumours = "one tumour" if number == 1 else f"{number if number < 4 else 'more than three'} tumours"
    extent = [f"{tumours}, the largest of {attributes['tumour size']:.1f} cm"]
    if attributes["PVTT type"]:
        extent.append(f"a portal vein thrombus of type {ROMAN[int(attributes['PVTT type'])]}")
    if attributes["extrahepatic spread"]:
        extent.append("extrahepatic spread")
    stages = f"BCLC {BCLC[int(attributes['BCLC stage'])]}, CNLC {CNLC[int(attributes['CNLC stage'])]}"
    return (
        f"A {sex} of {attributes['age']:.1f} years{', HBV' if attributes['HBV'] else ''}, ECOG "
        f"{attributes['ECOG']:.0f}, Child-Pugh score {attributes['Child-Pugh score']:.0f}; {', '.join(extent)}; AFP "
        f"{10 ** attributes['log10 AFP']:,.3g} ng/mL; {stages}. Aggressiveness of the tumour "
        f"{abs(aggressiveness):.2f} standard deviations {side} the mean."
    )


def moments(pathway: Pathway, stays: pd.DataFrame) -> list[Moment]:
    """The stays folded: what happens at the same time is one moment, branches do not stand alone."""
    found: list[Moment] = []
    steps: list[str] = []
    truths: list[str] = []
    rows: list[dict[str, Any]] = [{str(k): v for k, v in row.items()} for row in stays.to_dict("records")]
    for number, row in enumerate(rows):
        if not str(row["ended_by"]).endswith(NO_NEWS):
            told = truths if str(row["state"]) in TRUTHS else steps
            told.append(_step(pathway, str(row["state"]), str(row["ended_by"])))
        last = number + 1 == len(rows)
        if last or rows[number + 1]["left_months"] > row["left_months"]:
            final = bool(row["next_state"]) and pathway.state(str(row["next_state"])).final
            found.append(
                Moment(float(row["left_months"]), tuple(steps), tuple(truths), _state_after(row, found), final)
            )
            steps, truths = [], []
    return found


def _step(pathway: Pathway, state: str, ended_by: str) -> str:
    if ended_by == HORIZON:
        return "still alive when observation ends" if not pathway.state(state).final else "observation ends"
    return f"{ended_by} (unseen)" if ended_by in UNSEEN else ended_by


def _state_after(row: dict[str, Any], before: list[Moment]) -> str:
    """The state that follows, empty if it is the one in which the patient was anyway, or none."""
    name = str(row["next_state"])
    here = next((m.state for m in reversed(before) if m.state), "")
    return "" if name == here else name


def _in_short(life: list[Moment], stays: pd.DataFrame) -> str:
    last, end = life[-1], stays.iloc[-1]
    if last.final:
        return f"  Lives for {last.months:.1f} months from the start of therapy; {end['next_state']}."
    return f"  Alive when observation ends, after {last.months:.1f} months; {end['state']}."


def _lines(life: list[Moment], told: Mapping[str, list[Moment]], width: int) -> list[str]:
    """All moments; those shared with an earlier strategy are not told twice."""
    shared = {strategy: _shared(life, other) for strategy, other in told.items()}
    closest = max(shared, key=lambda name: shared[name], default="")
    count = shared.get(closest, 0)
    if count == 0:
        return [moment.text(width) for moment in life]
    if count == len(life) == len(told[closest]):
        return [f"  The same history as under '{closest}'."]
    until = min(life[count].months, told[closest][count].months)
    return [f"  As under '{closest}' until month {until:.1f}, then:", *(moment.text(width) for moment in life[count:])]


def _shared(life: list[Moment], other: list[Moment]) -> int:
    count = 0
    for mine, theirs in zip(life, other, strict=False):
        if mine != theirs:
            break
        count += 1
    return count
