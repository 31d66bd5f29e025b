"""Pathways drawn: nothing is left out, nothing overlaps, hostile names do no harm."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from html import unescape
from itertools import combinations, pairwise
from random import Random
from xml.etree import ElementTree

import pytest

from hcc_sim.laws import Exponential
from hcc_sim.pathway import diagram, layout
from hcc_sim.pathway.layout import Box, Drawing, Link, _lanes, arrange
from hcc_sim.pathway.model import BACK, Arm, Branch, Delay, Exit, Hazard, Pathway, Schedule, Service, State, Visit

SCANS = Schedule("scans", 3.0)


def event(name: str, to: str | None = None) -> Hazard:
    return Hazard(name, "any", to=to, in_place=to is None)


def branch(name: str, **arms: str) -> State:
    """A branch whose arms are given as name_of_arm="target"."""
    share = 1.0 / len(arms)
    return State(name, (Branch(name, tuple(Arm(to, share, arm.replace("_", " ")) for arm, to in arms.items())),))


TUMOUR = (event("local regrowth"), event("occult outgrowth"))

EVERYWHERE = (event("decompensation", "decompensated liver"), event("death of other causes", "dead of other causes"))

STATES = (
    State(
        "on conversion therapy",
        (
            event("response", "resectable?"),
            event("progression"),
            event("toxicity stops therapy", "next-line therapy"),
            Delay(6.0, to="resectable?", name="assessment"),
            Visit("scan on therapy", SCANS, to="what the scan shows"),
        ),
    ),
    branch("what the scan shows", progression_seen="next-line therapy", nothing_seen=BACK),
    branch(
        "resectable?", criteria_met="what therapy left behind", not_yet="on conversion therapy", never="supportive care"
    ),
    branch("what therapy left behind", dead="converted", viable="converted", viable_and_occult="converted"),
    State(
        "converted",
        (
            Delay(2.0, to="surgical decision", name="surgery delay"),
            event("sterilisation"),
            *TUMOUR,
            Visit("scan while watched", SCANS, to="what the visit shows"),
        ),
    ),
    branch("surgical decision", accepts="wash-out", declines="converted", unfit="converted"),
    State("wash-out", (Delay(1.0, to="awaiting surgery", name="drugs washed out"), *TUMOUR)),
    State("awaiting surgery", (Service("theatre slot", 0.5, to="resection"), *TUMOUR)),
    branch("resection", dies="dead around the operation", R0="what the surgeon finds", R1="what the surgeon finds"),
    branch(
        "what the surgeon finds", nothing_more="specimen", found_and_resected="specimen", abandoned="next-line therapy"
    ),
    branch("specimen", pCR="after surgery", viable_tumour="after surgery"),
    State(
        "after surgery",
        (
            Delay(6.0, in_place=True, restarts=True, name="adjuvant ends"),
            *TUMOUR,
            event("new primary"),
            Visit("scan after surgery", SCANS, to="what the visit shows"),
            Visit("false alarm", SCANS, probability=0.02, to="relapse seen"),
        ),
    ),
    branch("what the visit shows", seen="relapse seen", missed=BACK),
    branch("relapse seen", curative_again="after surgery", systemic="next-line therapy", supportive="supportive care"),
    State(
        "next-line therapy",
        (
            event("death of cancer", "dead of cancer"),
            event("second conversion", "surgical decision"),
            event("a further line", "next-line therapy"),
            event("end of active therapy", "supportive care"),
        ),
    ),
    State("supportive care", (event("death of cancer", "dead of cancer"),)),
    State(
        "decompensated liver",
        (event("death of liver failure", "dead of liver failure"), event("death of cancer", "dead of cancer")),
    ),
    State("dead of cancer", final=True),
    State("dead of liver failure", final=True),
    State("dead around the operation", final=True),
    State("dead of other causes", final=True),
)


def a_pathway(*states: State, everywhere: tuple[Hazard, ...] = (), title: str = "A title") -> Pathway:
    return Pathway(title, states[0].name, states, laws={"any": Exponential(0.1)}, everywhere=everywhere)


@pytest.fixture(scope="module")
def cancer() -> Pathway:
    title = "Conversion therapy and surgery for liver cancer"
    return a_pathway(*STATES, everywhere=(*EVERYWHERE, event("ageing")), title=title)


TINY = a_pathway(State("alive", (event("death", "dead"),)), State("dead", final=True))
HOSTILE_NAME = 'a"b <i>&amp; #quot; `md` %%{init: {}}%% ]]> --> |x|; \\ 肝癌\n\x07 end'
HOSTILE = a_pathway(
    State(HOSTILE_NAME, (event(f"to {HOSTILE_NAME}", "dead"), event(f"in {HOSTILE_NAME}"))),
    State("dead", final=True),
    title=HOSTILE_NAME,
)
ONLY_EVERYWHERE = a_pathway(
    State("alive", ()), State("dead", final=True), everywhere=(event("death", "dead"), event("ageing"))
)
CHAIN = a_pathway(*(State(f"s{k}", (event("next", f"s{k + 1}"),)) for k in range(7)), State("s7", final=True))
PATHWAYS = {"tiny": TINY, "hostile": HOSTILE, "only everywhere": ONLY_EVERYWHERE, "chain": CHAIN}


@pytest.fixture(params=["cancer", *PATHWAYS])
def pathway(request: pytest.FixtureRequest, cancer: Pathway) -> Pathway:
    return PATHWAYS.get(request.param, cancer)


def exit_names(exits: Sequence[Exit]) -> Iterator[str]:
    for exit in exits:
        if isinstance(exit, Branch):
            yield exit.name
            yield from (arm.name for arm in exit.arms)
        else:
            yield exit.name


def on_one_line(text: str) -> str:
    return " ".join(text.replace("\x07", "\ufffd").split())


# --- Mermaid ----------------------------------------------------------------------------------------------------------

NODE = re.compile(r'    (\w+)(\(|\{|\(\[|\[)"([^"]*)"(\)|\}|\]\)|\]):::(\w+)')
EDGE = re.compile(r'    (\w+) -->\|"([^"]*)"\| (\w+)')
CLASS = re.compile(r"    classDef (\w+) [\w#:,]+")
CLOSING = {"(": ")", "{": "}", "([": "])", "[": "]"}


def mermaid_parts(text: str) -> tuple[dict[str, tuple[str, str]], list[tuple[str, str, str]]]:
    """Nodes as id -> (label, class) and edges as (source, label, target); fails on a line that is neither."""
    dashes, title, more_dashes, head, *lines = text.splitlines()
    assert (dashes, more_dashes, head) == ("---", "---", "flowchart TD")
    assert re.fullmatch(r'title: "(?:[^"\\]|\\.)*"', title)
    nodes: dict[str, tuple[str, str]] = {}
    edges, classes = [], set()
    for line in lines:
        if node := NODE.fullmatch(line):
            name, opening, label, closing, kind = node.groups()
            assert name not in nodes
            assert closing == CLOSING[opening]
            nodes[name] = (read(label), kind)
        elif edge := EDGE.fullmatch(line):
            edges.append((edge[1], read(edge[2]), edge[3]))
        else:
            declared = CLASS.fullmatch(line)
            assert declared, line
            classes.add(declared[1])
    assert {kind for _, kind in nodes.values()} <= classes
    assert {end for source, _, target in edges for end in (source, target)} <= set(nodes)
    return nodes, edges


def read(label: str) -> str:
    """A label as Mermaid reads it: nothing but <br/> and entities may have a meaning."""
    text = label.replace("<br/>", "\n")
    assert not re.search(r"[<>&`\\%]|#(?!\d+;)", text)
    return re.sub(r"#(\d+);", lambda code: chr(int(code[1])), text)


def test_mermaid_shows_every_state_once(pathway: Pathway) -> None:
    nodes, _ = mermaid_parts(diagram.mermaid(pathway))
    shown = sorted(label.split("\n")[0] for label, kind in nodes.values() if kind != "legend")
    assert shown == sorted(on_one_line(state.name) for state in pathway.states)


def test_mermaid_shows_every_exit(pathway: Pathway) -> None:
    nodes, edges = mermaid_parts(diagram.mermaid(pathway))
    shown = "\n".join([label for label, _ in nodes.values()] + [label for _, label, _ in edges])
    for state in pathway.states:
        for name in exit_names(pathway.exits_of(state)):
            assert on_one_line(name) in shown


def test_mermaid_shows_kinds_and_joins_labels(cancer: Pathway) -> None:
    nodes, edges = mermaid_parts(diagram.mermaid(cancer))
    ids = {label.split("\n")[0]: (node, kind) for node, (label, kind) in nodes.items()}
    assert ids["converted"][1] == "timed"
    assert ids["resection"][1] == "branch"
    assert ids["dead of cancer"][1] == "final"
    assert (ids["resection"][0], "R0 / R1", ids["what the surgeon finds"][0]) in edges
    pairs = [(source, target) for source, _, target in edges]
    assert len(pairs) == len(set(pairs))


# --- what is drawn without an arrow -----------------------------------------------------------------------------------


def notes(pathway: Pathway, name: str) -> tuple[str, ...]:
    return next(shape.notes for shape in diagram.shapes(pathway) if shape.name == name)


def test_exits_in_place_back_and_anew_are_told_in_the_box(cancer: Pathway) -> None:
    assert notes(cancer, "wash-out") == ("meanwhile: local regrowth, occult outgrowth",)
    assert notes(cancer, "what the visit shows") == ("back: missed",)
    assert notes(cancer, "next-line therapy") == ("anew: a further line",)
    assert all(arrow.source != arrow.target for arrow in diagram.arrows(cancer))


def test_an_exit_that_holds_everywhere_stands_in_the_legend_alone(cancer: Pathway) -> None:
    assert diagram.shared_exits(cancer) == (
        "From every state in which time passes: decompensation → decompensated liver; "
        "death of other causes → dead of other causes; ageing",
    )
    assert notes(cancer, "dead of other causes") == ("from every state",)
    assert not any(arrow.target == "dead of other causes" for arrow in diagram.arrows(cancer))


@pytest.mark.parametrize(("sources", "arrows"), [(diagram.MANY - 1, diagram.MANY - 1), (diagram.MANY, 0)])
def test_an_exit_of_many_states_stands_in_the_legend_instead_of_as_many_arrows(sources: int, arrows: int) -> None:
    road = [State(f"s{k}", (event("next", f"s{k + 1}"),)) for k in range(8)]
    road = [replace(s, exits=(*s.exits, event("death", "dead"))) if k < sources else s for k, s in enumerate(road)]
    drawn = a_pathway(*road, State("s8", final=True), State("dead", final=True))
    assert sum(arrow.target == "dead" for arrow in diagram.arrows(drawn)) == arrows
    told = (f"From {', '.join(f's{k}' for k in range(sources))}: death → dead",)
    assert diagram.shared_exits(drawn) == (() if arrows else told)


def test_every_other_state() -> None:
    road = [State(f"s{k}", (event("next", f"s{k + 1}"), event("fall", "ill"))) for k in range(6)]
    drawn = a_pathway(*road, State("ill", (event("death", "s6"),)), State("s6", final=True))
    assert diagram.shared_exits(drawn) == ("From every other state in which time passes: fall → ill",)
    assert notes(drawn, "ill") == ("from every other state",)


def test_a_branch_with_a_name_of_its_own_shows_it() -> None:
    fork = State("fork", (Branch("which way", (Arm("left", 0.5, "l"), Arm("right", 0.5, "r"))),))
    drawn = a_pathway(fork, State("left", final=True), State("right", final=True))
    assert notes(drawn, "fork") == ("which way",)
    assert "which way" in diagram.svg(drawn)


# --- SVG --------------------------------------------------------------------------------------------------------------

SVG = "{http://www.w3.org/2000/svg}"


def titles(pathway: Pathway) -> list[str]:
    root = ElementTree.fromstring(diagram.svg(pathway).encode())
    return [title.text or "" for title in root.iter(f"{SVG}title")]


def test_svg_shows_every_state_once(pathway: Pathway) -> None:
    shown = [title for title in titles(pathway) if " → " not in title]
    assert shown[0] == on_one_line(pathway.title)
    expected = ["; ".join((on_one_line(s.name), *s.notes)) for s in diagram.shapes(pathway)]
    assert shown[1:] == expected
    assert sorted(shape.name for shape in diagram.shapes(pathway)) == sorted(state.name for state in pathway.states)


def test_svg_shows_every_exit(pathway: Pathway) -> None:
    root = ElementTree.fromstring(diagram.svg(pathway).encode())
    written = " ".join(text.text or "" for text in root.iter(f"{SVG}text")).replace(" ", "")  # lines are wrapped
    for state in pathway.states:
        for name in [state.name, *exit_names(pathway.exits_of(state))]:
            assert on_one_line(name).replace(" ", "") in written


def test_svg_stands_alone(pathway: Pathway) -> None:
    text = diagram.svg(pathway)
    assert text.count("http") == 1 == text.count('xmlns="http://www.w3.org/2000/svg"')
    tags = {element.tag.removeprefix(SVG) for element in ElementTree.fromstring(text.encode()).iter()}
    assert tags <= {"svg", "title", "g", "rect", "path", "polygon", "text"}
    assert not re.search(r"url\(|@import|\bhref\b|\bid=\"(?!heading)", text)


def test_hostile_names_arrive_unchanged() -> None:
    assert titles(HOSTILE)[0] == on_one_line(HOSTILE_NAME)
    assert on_one_line(HOSTILE_NAME) in unescape(diagram.svg(HOSTILE))


def test_a_character_that_xml_forbids_is_replaced() -> None:
    drawn = replace(TINY, title="a\x00b\ud800c\ufffe")
    assert titles(drawn)[0] == "a\ufffdb\ufffdc\ufffd"
    diagram.mermaid(drawn).encode()


def test_the_legend_explains_only_what_is_drawn(cancer: Pathway) -> None:
    long, short = diagram.svg(cancer), diagram.svg(TINY)
    for word in ("branch: ", "meanwhile: happens", "back: to", "anew: into", "to an earlier state"):
        assert word in long
        assert word not in short


PRINT = """
from test_diagram import EVERYWHERE, STATES, a_pathway, diagram
drawn = a_pathway(*STATES, everywhere=EVERYWHERE)
print(ascii(diagram.svg(drawn) + diagram.mermaid(drawn)))
"""


def test_same_pathway_same_bytes() -> None:
    drawn = a_pathway(*STATES, everywhere=EVERYWHERE)
    here = ascii(diagram.svg(drawn) + diagram.mermaid(drawn))
    path = os.pathsep.join([os.path.dirname(__file__), *sys.path])
    seeded = {**os.environ, "PYTHONPATH": path, "PYTHONHASHSEED": "1"}
    elsewhere = subprocess.run(
        [sys.executable, "-c", PRINT], env=seeded, capture_output=True, text=True, check=True
    ).stdout.strip()
    assert elsewhere == here


# --- layout -----------------------------------------------------------------------------------------------------------

Area = tuple[float, float, float, float]


def area(centre: tuple[float, float], width: float, height: float) -> Area:
    x, y = centre
    return (x - width / 2, y - height / 2, x + width / 2, y + height / 2)


def overlap(a: Area, b: Area) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


def segments(arrow: Sequence[tuple[float, float]]) -> list[Area]:
    return [(min(a, c), min(b, d), max(a, c), max(b, d)) for (a, b), (c, d) in pairwise(arrow)]


def faults(boxes: Sequence[Box], links: Sequence[Link], drawing: Drawing) -> list[str]:
    """Whatever lies on something else."""
    box_areas = [area(at, box.width, box.height) for at, box in zip(drawing.boxes, boxes, strict=True)]
    label_areas = [area(at, link.width, link.height) for at, link in zip(drawing.labels, links, strict=True)]
    things = [(f"box {k}", a) for k, a in enumerate(box_areas)] + [(f"label {k}", a) for k, a in enumerate(label_areas)]
    found = [f"{a} on {b}" for (a, one), (b, other) in combinations(things, 2) if overlap(one, other)]
    for k, (arrow, link) in enumerate(zip(drawing.arrows, links, strict=True)):
        foreign = [(n, a) for n, a in things if n not in (f"box {link.source}", f"box {link.target}", f"label {k}")]
        for part in segments(arrow):
            found += [f"arrow {k} through {name}" for name, other in foreign if overlap(part, other)]
    return found


def crossings(drawing: Drawing) -> int:
    """How often arrows cross; an arrow that lies on another one counts as a hundred crossings."""
    count = 0
    for one, other in combinations(drawing.arrows, 2):
        for a in segments(one):
            for b in segments(other):
                meet = max(a[0], b[0]), max(a[1], b[1]), min(a[2], b[2]), min(a[3], b[3])
                if meet[0] <= meet[2] and meet[1] <= meet[3]:
                    count += 100 if meet[2] - meet[0] > 1 or meet[3] - meet[1] > 1 else 1
    return count


def test_nothing_lies_on_anything_else(pathway: Pathway) -> None:
    drawn = diagram.picture(pathway)
    assert faults(drawn.boxes, drawn.links, drawn.drawing) == []


def test_the_faults_would_be_seen(cancer: Pathway) -> None:
    drawn = diagram.picture(cancer)
    moved = replace(drawn.drawing, boxes=(drawn.drawing.boxes[4], *drawn.drawing.boxes[1:]))
    assert any("box 0 on box 4" in fault for fault in faults(drawn.boxes, drawn.links, moved))
    moved = replace(drawn.drawing, labels=(drawn.drawing.boxes[4], *drawn.drawing.labels[1:]))
    assert "box 4 on label 0" in faults(drawn.boxes, drawn.links, moved)
    straight = ((drawn.drawing.boxes[4]), (drawn.drawing.boxes[4]))
    moved = replace(drawn.drawing, arrows=(straight, *drawn.drawing.arrows[1:]))
    assert "arrow 0 through box 4" in faults(drawn.boxes, drawn.links, moved)
    doubled = replace(drawn.drawing, arrows=(drawn.drawing.arrows[1], *drawn.drawing.arrows[1:]))
    assert crossings(doubled) >= 100


def test_few_arrows_cross(cancer: Pathway) -> None:
    assert crossings(diagram.picture(cancer).drawing) <= 2


def test_text_fits_between_the_slanting_sides_and_into_the_boxes(cancer: Pathway) -> None:
    drawn = diagram.picture(cancer)
    for shape, box, name, small in zip(drawn.shapes, drawn.boxes, drawn.names, drawn.notes, strict=True):
        lines = [*name, *small]
        tall = sum(line.height for line in lines)
        assert tall < box.height
        y = -tall / 2
        for line in lines:
            furthest = max(abs(y), abs(y + line.height)) - line.height / 4  # letters do not fill their line
            room = box.width * (1 - 2 * furthest / box.height) if shape.kind == "branch" else box.width
            assert line.width <= room
            y += line.height


def test_a_word_longer_than_a_line_is_cut() -> None:
    word = "pneumonoultramicroscopicsilicovolcanoconiosis" * 2
    drawn = diagram.picture(a_pathway(State(word, (event("death", "dead"),)), State("dead", final=True)))
    assert len(drawn.names[0]) > 1
    assert "".join(text.line for text in drawn.names[0]) == word
    assert max(text.width for text in drawn.names[0]) <= 190.0


@pytest.mark.parametrize("turned", [False, True])
def test_an_arrow_that_arrives_where_another_leaves_runs_below_it(turned: bool) -> None:
    steps = [(0.0, 50.0, 0), (52.0, 100.0, 1)]
    lanes = _lanes(steps[::-1] if turned else steps)
    assert lanes[1] < lanes[0]


def test_arrows_lead_from_edge_to_edge_with_right_angles(cancer: Pathway) -> None:
    drawn = diagram.picture(cancer)
    for link, arrow in zip(drawn.links, drawn.drawing.arrows, strict=True):
        for end, (x, y) in ((link.source, arrow[0]), (link.target, arrow[-1])):
            box, (middle_x, middle_y) = drawn.boxes[end], drawn.drawing.boxes[end]
            assert abs(x - middle_x) < box.width / 2
            assert abs(y - middle_y) == pytest.approx(box.height / 2 - box.inset(x - middle_x), abs=1.0)
        assert all(a == c or b == d for (a, b), (c, d) in pairwise(arrow))
        downwards = drawn.drawing.boxes[link.source][1] < drawn.drawing.boxes[link.target][1]
        assert downwards == (link.source < link.target)


@pytest.mark.parametrize("seed", range(12))
def test_random_graphs_have_no_faults_either(seed: int) -> None:
    random = Random(seed)
    boxes, links = some_graph(random)
    drawing = arrange(boxes, links)
    assert faults(boxes, links, drawing) == []
    assert crossings(drawing) < 100


def some_graph(random: Random) -> tuple[list[Box], list[Link]]:
    count = random.randint(1, 14)
    boxes = [
        Box(random.randrange(60, 240, 2), random.randrange(30, 90, 2), random.random() < 0.4) for _ in range(count)
    ]
    pairs = {(a, b) for a, b in ((random.randrange(count), random.randrange(count)) for _ in range(20)) if a != b}
    return boxes, [Link(a, b, random.randint(20, 160), random.randint(14, 60)) for a, b in sorted(pairs)]


@pytest.mark.parametrize("seed", range(12))
def test_crossings_are_counted_right_and_no_exchange_is_left_that_lessens_them(seed: int) -> None:
    random = Random(seed)
    boxes, links = some_graph(random)
    graph = layout._Graph(boxes, links, layout._rows(len(boxes), links))
    order: list[list[int]] = [[] for _ in range(graph.row_count)]
    for node, placed in enumerate(graph.nodes):
        order[placed.row].append(node)
    for row in order:
        random.shuffle(row)

    def counted() -> int:
        place = {node: at for row in order for at, node in enumerate(row)}
        arrows = [[(place[a], place[b]) for a in row for b in graph.below[a]] for row in order]
        return sum((a - c) * (b - d) < 0 for row in arrows for (a, b), (c, d) in combinations(row, 2))

    before = counted()
    assert layout._crossings(graph, order) == before
    layout._exchange(graph, order)
    after = counted()
    assert layout._crossings(graph, order) == after <= before
    for row in order:
        for at in range(len(row) - 1):
            row[at], row[at + 1] = row[at + 1], row[at]
            assert counted() >= after
            row[at], row[at + 1] = row[at + 1], row[at]


def test_the_start_stands_on_top_even_if_it_is_told_later() -> None:
    states = (
        State("dead", final=True),
        State("ill", (event("death", "dead"),)),
        State("well", (event("fall", "ill"),)),
    )
    drawn = Pathway("t", "well", states, laws={"any": Exponential(0.1)})
    assert [shape.name for shape in diagram.shapes(drawn)] == ["well", "dead", "ill"]
    heights = [y for _, y in diagram.picture(drawn).drawing.boxes]
    assert heights[0] == min(heights)


def test_boxes_without_arrows_stand_below_the_start() -> None:
    drawn = diagram.picture(ONLY_EVERYWHERE).drawing
    assert drawn.arrows == ()
    assert drawn.boxes[0][1] < drawn.boxes[1][1]


def test_an_arrow_from_a_box_to_itself_is_refused() -> None:
    with pytest.raises(ValueError, match="itself"):
        arrange([Box(10, 10)], [Link(0, 0, 5, 5)])
