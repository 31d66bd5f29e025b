"""A pathway drawn: as Mermaid text for documents, as SVG for readers and for paper."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from math import ceil, hypot
from typing import Literal
from xml.sax.saxutils import escape

from hcc_sim.pathway.layout import Box, Drawing, Link, Point, arrange
from hcc_sim.pathway.model import BACK, Branch, Exit, Pathway, State

Kind = Literal["timed", "branch", "final", "elsewhere"]

MANY = 5
"""From how many states on the same exit to the same state is told in the legend instead of by as many arrows."""


# --- what is drawn ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Part:
    """Some states of a pathway, and by name those elsewhere that they lead to; or all states.

    `numbers` are shown beside the exits of a state: (state, exit) -> text.
    """

    title: str
    start: str
    states: tuple[State, ...]
    everywhere: tuple[Exit, ...] = ()
    elsewhere: frozenset[str] = frozenset()
    numbers: Mapping[tuple[str, str], str] = field(default_factory=dict)

    def told(self, state: str, exit: str) -> str:
        """The name of an exit, with its number."""
        number = self.numbers.get((state, exit))
        return exit if number is None else f"{exit} ({number})"


Drawn = Pathway | Part


def part_of(pathway: Pathway, states: Collection[str], title: str, numbers: Mapping[tuple[str, str], str]) -> Part:
    """The states of these names, in the pathway's order, with those that they lead to."""
    inside = tuple(state for state in pathway.states if state.name in states)
    targets = {name for state in inside for _, name in _ways(pathway.exits_of(state)) if name not in (None, BACK)}
    outside = tuple(state for state in pathway.states if state.name in targets - set(states))
    shown = tuple(state if state.final else State(state.name, final=True) for state in outside)
    elsewhere = frozenset(state.name for state in outside if not state.final)
    return Part(title, inside[0].name, (*inside, *shown), pathway.everywhere, elsewhere, numbers)


def with_numbers(pathway: Pathway, numbers: Mapping[tuple[str, str], str]) -> Part:
    """The whole pathway, with numbers beside its exits."""
    return Part(pathway.title, pathway.start, pathway.states, pathway.everywhere, numbers=numbers)


def _part(drawn: Drawn) -> Part:
    return drawn if isinstance(drawn, Part) else with_numbers(drawn, {})


@dataclass(frozen=True)
class Shape:
    """A state as a reader meets it: its name, and what happens there without an arrow."""

    name: str
    kind: Kind
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Arrow:
    """All that leads from one state to another."""

    source: str
    target: str
    names: tuple[str, ...]

    @property
    def label(self) -> str:
        """The names of the exits."""
        return " / ".join(map(_line, self.names))


def shapes(drawn: Drawn) -> tuple[Shape, ...]:
    """The states to draw, the start first, then in the pathway's order."""
    part = _part(drawn)
    ordered = sorted(part.states, key=lambda state: state.name != part.start)
    return tuple(
        Shape(state.name, _kind_in(part, state), tuple(dict.fromkeys(_notes(part, state)))) for state in ordered
    )


def arrows(drawn: Drawn) -> tuple[Arrow, ...]:
    """The arrows to draw: one for each pair of different states, shared exits left out."""
    part = _part(drawn)
    shared = _shared(part)
    names: dict[tuple[str, str], list[str]] = {}
    for state in part.states:
        for name, target in _ways(state.exits):
            if target is not None and target not in (BACK, state.name) and (name, target) not in shared:
                names.setdefault((state.name, target), []).append(part.told(state.name, name))
    return tuple(Arrow(*ends, tuple(dict.fromkeys(joined))) for ends, joined in names.items())


def shared_exits(drawn: Drawn) -> tuple[str, ...]:
    """What the legend says of exits that many states share."""
    part = _part(drawn)
    lines: dict[str, list[str]] = {}
    for (name, target), sources in _shared(part).items():
        whence = _whence(part, target, sources)
        whence = f"{whence} in which time passes" if whence else ", ".join(map(_line, sources))
        lines.setdefault(whence, []).append(f"{_line(name)} → {_line(target)}" if target else _line(name))
    return tuple(f"From {whence}: {'; '.join(ways)}" for whence, ways in lines.items())


def _shared(pathway: Part) -> dict[tuple[str, str | None], tuple[str, ...]]:
    """The exits (name, target) that hold everywhere or in many states, with these states."""
    timed = [state for state in pathway.states if _kind(state) == "timed"]
    sources: dict[tuple[str, str | None], list[str]] = {}
    for state in timed:
        for name, target in dict.fromkeys(_ways(state.exits)):
            if target not in (None, state.name):
                sources.setdefault((name, target), []).append(state.name)
    shared = {way: tuple(names) for way, names in sources.items() if len(names) >= MANY}
    return shared | {way: tuple(state.name for state in timed) for way in _ways(pathway.everywhere)}


def _whence(pathway: Part, target: str | None, sources: Collection[str]) -> str:
    """'every state' or 'every other state' if the sources are these, else nothing."""
    missing = {state.name for state in pathway.states if _kind(state) == "timed"} - {*sources}
    return "every state" if not missing else "every other state" if missing == {target} else ""


def _kind_in(part: Part, state: State) -> Kind:
    return "elsewhere" if state.name in part.elsewhere else _kind(state)


def _kind(state: State) -> Kind:
    return "final" if state.final else "timed" if state.branch is None else "branch"


def _ways(exits: Iterable[Exit]) -> Iterator[tuple[str, str | None]]:
    """Name and target of every way out; the target is None where the patient stays."""
    for exit in exits:
        if isinstance(exit, Branch):
            yield from ((arm.name, arm.to) for arm in exit.arms)
        else:
            yield exit.name, exit.to


def _notes(pathway: Part, state: State) -> Iterator[str]:
    if state.branch is not None and state.branch.name != state.name:
        yield _line(state.branch.name)
    ways = list(_ways(state.exits))
    for word, target in (("meanwhile", None), ("back", BACK), ("anew", state.name)):
        names = [_line(pathway.told(state.name, name)) for name, to in ways if to == target]
        if names:
            yield f"{word}: {', '.join(names)}"
    for (_, target), sources in _shared(pathway).items():
        if target == state.name:
            yield f"from {_whence(pathway, target, sources) or 'states named below'}"


_UNPRINTABLE = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def _line(text: str) -> str:
    """The text on one line, and without the characters that XML forbids."""
    return " ".join(_UNPRINTABLE.sub("\ufffd", text).split())


# --- Mermaid ----------------------------------------------------------------------------------------------------------

_BRACKETS = {"timed": ("(", ")"), "branch": ("{", "}"), "final": ("([", "])"), "elsewhere": ("[", "]")}
_FILLS = {"timed": "#e3eef8", "branch": "#fff4d6", "final": "#3b4252", "elsewhere": "#ffffff"}
_STROKES = {"timed": "#0072b2", "branch": "#b07800", "final": "#3b4252", "elsewhere": "#8a8f98"}
_INKS = {"timed": "#1a1a1a", "branch": "#1a1a1a", "final": "#ffffff", "elsewhere": "#1a1a1a"}
_MERMAID_SIGNS = str.maketrans({sign: f"#{ord(sign)};" for sign in "#\"'`<>&%;\\"})


def mermaid(pathway: Drawn) -> str:
    """The pathway as a Mermaid flowchart."""
    drawn = shapes(pathway)
    ids = {shape.name: f"s{at}" for at, shape in enumerate(drawn)}
    lines = ["---", f"title: {json.dumps(_line(pathway.title), ensure_ascii=False)}", "---", "flowchart TD"]
    for shape in drawn:
        opening, closing = _BRACKETS[shape.kind]
        text = "<br/>".join(_mermaid_text(part) for part in (shape.name, *shape.notes))
        lines.append(f'    {ids[shape.name]}{opening}"{text}"{closing}:::{shape.kind}')
    for arrow in arrows(pathway):
        lines.append(f'    {ids[arrow.source]} -->|"{_mermaid_text(arrow.label)}"| {ids[arrow.target]}')
    legend = "<br/>".join(map(_mermaid_text, shared_exits(pathway)))
    if legend:
        lines.append(f'    legend["{legend}"]:::legend')
    for kind in _BRACKETS:
        if kind == "elsewhere" and all(shape.kind != kind for shape in drawn):
            continue
        lines.append(f"    classDef {kind} fill:{_FILLS[kind]},stroke:{_STROKES[kind]},color:{_INKS[kind]}")
    lines.append("    classDef legend fill:#ffffff,stroke:#ffffff,color:#1a1a1a")
    return "\n".join(lines) + "\n"


def _mermaid_text(text: str) -> str:
    return _line(text).translate(_MERMAID_SIGNS)


# --- text whose size is estimated, since an SVG brings no font --------------------------------------------------------

_NAME, _LABEL, _NOTE, _TITLE = 14.0, 12.0, 11.0, 20.0
_LEADING = 1.25
_CLASSES = ((" ijl.,:;'|!I", 0.29), ('frt()[]/-"', 0.36), ("mwMW%@—→", 0.92), ("ABCDEFGHKNOPQRSTUVXYZ&", 0.72))
_EMS = {sign: ems for signs, ems in _CLASSES for sign in signs}


@dataclass(frozen=True)
class _Text:
    """One line of text, its type size and its weight."""

    line: str
    size: float
    bold: bool = False

    @property
    def width(self) -> float:
        """A little more than Helvetica, Arial or Liberation Sans need."""
        return sum(map(_ems, self.line)) * self.size * (1.12 if self.bold else 1.05)

    @property
    def height(self) -> float:
        return self.size * _LEADING


def _ems(sign: str) -> float:
    if unicodedata.combining(sign):
        return 0.0
    return 1.0 if unicodedata.east_asian_width(sign) in "WF" else _EMS.get(sign, 0.56)


def _wrapped(text: str, size: float, width: float, bold: bool = False) -> list[_Text]:
    """The text in as few lines as the width allows, about equally long."""
    lines = _filled(text, size, width, bold)
    while len(lines) > 1:
        width *= 0.95
        narrower = _filled(text, size, width, bold)
        if len(narrower) > len(lines):
            break
        lines = narrower
    return lines


def _filled(text: str, size: float, width: float, bold: bool) -> list[_Text]:
    """The text in lines of at most that width; longer words are cut."""
    lines = [""]
    for word in _line(text).split(" "):
        while _Text(word, size, bold).width > width and len(word) > 1:
            cut = next(n for n in range(len(word) - 1, 0, -1) if n == 1 or _Text(word[:n], size, bold).width <= width)
            lines.append(word[:cut])
            word = word[cut:]
        joined = f"{lines[-1]} {word}".strip()
        if _Text(joined, size, bold).width <= width:
            lines[-1] = joined
        else:
            lines.append(word)
    return [_Text(line, size, bold) for line in lines if line] or [_Text("", size, bold)]


def _height(lines: Iterable[_Text]) -> float:
    return sum(line.height for line in lines)


# --- the picture ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Picture:
    """What `svg` draws: shapes and arrows with their lines of text, and where they lie."""

    shapes: tuple[Shape, ...]
    arrows: tuple[Arrow, ...]
    names: tuple[list[_Text], ...]
    notes: tuple[list[_Text], ...]
    labels: tuple[list[_Text], ...]
    boxes: tuple[Box, ...]
    links: tuple[Link, ...]
    drawing: Drawing


def picture(pathway: Drawn) -> Picture:
    """The pathway laid out."""
    drawn, led = shapes(pathway), arrows(pathway)
    place = {shape.name: at for at, shape in enumerate(drawn)}
    names = tuple(_wrapped(shape.name, _NAME, 190.0, bold=True) for shape in drawn)
    notes = tuple([line for note in shape.notes for line in _wrapped(note, _NOTE, 255.0)] for shape in drawn)
    labels = tuple(_wrapped(arrow.label, _LABEL, 190.0) for arrow in led)
    boxes = tuple(_box(shape.kind, name, note) for shape, name, note in zip(drawn, names, notes, strict=True))
    links = tuple(
        Link(place[arrow.source], place[arrow.target], ceil(max(t.width for t in label)) + 6, ceil(_height(label)) + 2)
        for arrow, label in zip(led, labels, strict=True)
    )
    return Picture(drawn, led, names, notes, labels, boxes, links, arrange(boxes, links))


def _box(kind: Kind, name: list[_Text], notes: list[_Text]) -> Box:
    lines = name + notes
    tall = _height(lines)
    if kind != "branch":
        padding = 18.0 if kind == "final" else 12.0
        wide = max(line.width for line in lines) + 2 * padding
        return Box(max(110.0, _even(wide)), _even(tall + 12 + (6 if notes else 0)))
    height = _even(tall * 1.6 + 18)
    wide, y = 120.0, -tall / 2
    for line in lines:  # each line must fit between the diamond's slanting sides
        reach = max(abs(y), abs(y + line.height)) - 2
        wide = max(wide, (line.width + 8) / (1 - 2 * reach / height))
        y += line.height
    return Box(_even(wide), height, pointed=True)


def _even(length: float) -> float:
    return 2.0 * ceil(length / 2)


# --- SVG --------------------------------------------------------------------------------------------------------------

_MARGIN = 24.0
_LEAST_WIDTH = 640.0
_FONTS = "Helvetica, Arial, 'Liberation Sans', 'Noto Sans', sans-serif"
_DOWN, _UP = "#4a4f57", "#a3378c"
_KINDS: dict[Kind, str] = {
    "timed": "state in which time passes",
    "branch": "branch: found or decided at once",
    "final": "final state",
    "elsewhere": "state of another part",
}
START_OF_PART = "thick border: where this part begins"
NUMBERS = "in brackets: share of those who leave by it, and median months until then, where time passes"
_WORDS = {
    "meanwhile": "meanwhile: happens while the patient stays here; nobody need notice",
    "back": "back: to the state the patient came from, as if never left",
    "anew": "anew: into the same state once more",
}


def svg(pathway: Drawn) -> str:
    """The pathway as a self-contained SVG picture."""
    drawn = picture(pathway)
    width = max(_LEAST_WIDTH, drawn.drawing.width) + 2 * _MARGIN
    title = _wrapped(pathway.title, _TITLE, width - 2 * _MARGIN, bold=True)
    top = _MARGIN + _height(title) + 16
    left = round((width - drawn.drawing.width) / 2)
    legend, legend_height = _legend(pathway, drawn, width)
    below = top + drawn.drawing.height + 28
    height = ceil(below + legend_height + _MARGIN)
    body = [
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" width="{width:g}" height="{height}" '
        f'viewBox="0 0 {width:g} {height}" font-family="{_FONTS}">',
        f"<title>{_xml(pathway.title)}</title>",
        f'<rect width="{width:g}" height="{height}" fill="#ffffff"/>',
        f'<g id="heading">{_lines(title, width / 2, _MARGIN + _height(title) / 2, "#1a1a1a")}</g>',
        f'<g transform="translate({left:g} {top:g})">',
        *_arrows(drawn),
        *_shapes(drawn),
        "</g>",
        f'<g transform="translate({_MARGIN:g} {below:g})">{legend}</g>',
        "</svg>",
    ]
    return "\n".join(body) + "\n"


def _arrows(drawn: Picture) -> Iterator[str]:
    upward = [link.target < link.source for link in drawn.links]
    for arrow, points, up in zip(drawn.arrows, drawn.drawing.arrows, upward, strict=True):
        colour = _UP if up else _DOWN
        line = _rounded(points)
        yield f"<g><title>{_xml(f'{arrow.source} → {arrow.target}: {arrow.label}')}</title>"
        yield f'<path d="{line}" fill="none" stroke="#ffffff" stroke-width="5"/>'
        yield f'<path d="{line}" fill="none" stroke="{colour}" stroke-width="1.5"/>{_head(points, colour)}</g>'
    for link, label, at, up in zip(drawn.links, drawn.labels, drawn.drawing.labels, upward, strict=True):
        x, y = at[0] - link.width / 2, at[1] - link.height / 2
        yield f'<rect x="{x:g}" y="{y:g}" width="{link.width:g}" height="{link.height:g}" fill="#ffffff"/>'
        yield _lines(label, *at, _UP if up else "#1a1a1a")


def _shapes(drawn: Picture) -> Iterator[str]:
    everything = zip(drawn.shapes, drawn.boxes, drawn.drawing.boxes, drawn.names, drawn.notes, strict=True)
    for at, (shape, box, (x, y), name, notes) in enumerate(everything):
        ink = _INKS[shape.kind]
        yield f"<g><title>{_xml('; '.join((shape.name, *shape.notes)))}</title>"
        yield _outline(shape.kind, x, y, box.width, box.height, 3.0 if at == 0 else 1.5)
        gap = 6.0 if notes and shape.kind != "branch" else 0.0
        top = y - (_height(name) + gap + _height(notes)) / 2
        yield _lines(name, x, top + _height(name) / 2, ink)
        if gap:
            rule, half = top + _height(name) + gap / 2, box.width / 2 - 12
            yield f'<path d="M{x - half:g} {rule:g}H{x + half:g}" stroke="{ink}" stroke-opacity="0.3"/>'
        if notes:
            yield _lines(notes, x, top + _height(name) + gap + _height(notes) / 2, ink)
        yield "</g>"


def _outline(kind: Kind, x: float, y: float, width: float, height: float, stroke: float) -> str:
    left, top, colours = x - width / 2, y - height / 2, f'fill="{_FILLS[kind]}" stroke="{_STROKES[kind]}"'
    if kind == "branch":
        corners = f"{left:g},{y:g} {x:g},{top:g} {left + width:g},{y:g} {x:g},{top + height:g}"
        return f'<polygon points="{corners}" {colours} stroke-width="{stroke:g}"/>'
    radius = min(height / 2, 22.0) if kind == "final" else 8.0
    dashes = ' stroke-dasharray="5 3"' if kind == "elsewhere" else ""
    return (
        f'<rect x="{left:g}" y="{top:g}" width="{width:g}" height="{height:g}" rx="{radius:g}" {colours} '
        f'stroke-width="{stroke:g}"{dashes}/>'
    )


def _lines(lines: Iterable[_Text], x: float, y: float, ink: str, anchor: str = "middle") -> str:
    """Lines of text, centred on y."""
    lines = list(lines)
    top, parts = y - _height(lines) / 2, []
    for text in lines:
        weight = ' font-weight="600"' if text.bold else ""
        parts.append(
            f'<text x="{x:g}" y="{top + 0.5 * text.height + 0.35 * text.size:.1f}" text-anchor="{anchor}" '
            f'font-size="{text.size:g}"{weight} fill="{ink}">{_xml(text.line)}</text>'
        )
        top += text.height
    return "".join(parts)


def _rounded(points: tuple[Point, ...]) -> str:
    """A path through the points with rounded corners."""
    parts = [f"M{points[0][0]:g} {points[0][1]:g}"]
    for before, corner, after in zip(points, points[1:], points[2:], strict=False):
        (x1, y1), (x2, y2) = _towards(corner, before, 5.0), _towards(corner, after, 5.0)
        parts.append(f"L{x1:g} {y1:g}Q{corner[0]:g} {corner[1]:g} {x2:g} {y2:g}")
    x, y = _towards(points[-1], points[-2], 5.0)
    return "".join([*parts, f"L{x:g} {y:g}"])


def _towards(start: Point, end: Point, most: float) -> Point:
    distance = hypot(end[0] - start[0], end[1] - start[1])
    share = min(most, distance / 2) / distance if distance else 0.0
    return start[0] + share * (end[0] - start[0]), start[1] + share * (end[1] - start[1])


def _head(points: tuple[Point, ...], colour: str) -> str:
    x, y = points[-1]
    back = -8.0 if points[-2][1] < y else 8.0
    return f'<polygon points="{x:g},{y:g} {x - 4:g},{y + back:g} {x + 4:g},{y + back:g}" fill="{colour}"/>'


def _legend(pathway: Drawn, drawn: Picture, width: float) -> tuple[str, float]:
    """The legend from its top left corner, and its height."""
    kinds = {shape.kind for shape in drawn.shapes}
    samples = [(_outline(kind, 19, 0, 38, 20, 1.5), _KINDS[kind]) for kind in _KINDS if kind in kinds]
    if any(link.target < link.source for link in drawn.links):
        up = ((19.0, 10.0), (19.0, -10.0))
        samples.append(
            (
                f'<path d="{_rounded(up)}" stroke="{_UP}" stroke-width="1.5"/>{_head(up, _UP)}',
                "back to an earlier state",
            )
        )
    parts, x, y = [], 0.0, 10.0
    for sample, meaning in samples:
        text = _Text(meaning, _LABEL)
        if x and x + 46 + text.width > width - 2 * _MARGIN:
            x, y = 0.0, y + 28
        parts.append(f'<g transform="translate({x:g} {y:g})">{sample}{_lines([text], 46, 0, "#1a1a1a", "start")}</g>')
        x += ceil(46 + text.width + 26)
    words = [
        START_OF_PART if isinstance(pathway, Part) and pathway.elsewhere else "thick border: where a patient starts"
    ]
    if isinstance(pathway, Part) and pathway.numbers:
        words.append(NUMBERS)
    words += [_WORDS[word] for word in _WORDS if any(n.startswith(f"{word}: ") for s in drawn.shapes for n in s.notes)]
    words += shared_exits(pathway)
    lines = [line for word in words for line in _wrapped(word, _LABEL, width - 2 * _MARGIN)]
    y += 22
    parts.append(_lines(lines, 0, y + _height(lines) / 2, "#1a1a1a", "start"))
    return "".join(parts), y + _height(lines)


def _xml(text: str) -> str:
    return escape(_line(text))
