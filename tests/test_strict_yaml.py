"""Reading YAML: 1.2 core rules, lines, limits; whatever the bytes, a document or an InputError, and soon."""

import math
import time
from datetime import timedelta
from pathlib import Path

import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st

from hcc_sim import strict_yaml
from hcc_sim.errors import InputError
from hcc_sim.strict_yaml import Document, read_scalar, read_yaml


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("yaml") / "mine.yaml"


@pytest.fixture(params=["libyaml", "python"])
def parser(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Both parsers of PyYAML: the compiled one may be missing on a machine."""
    if request.param == "python":
        monkeypatch.setattr(strict_yaml, "_LOADER", yaml.SafeLoader)
    elif not yaml.__with_libyaml__:
        pytest.skip("PyYAML without libyaml")
    return request.param


def read(file: Path, text: str | bytes) -> Document:
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_yaml(file)


def refusal(file: Path, text: str | bytes) -> str:
    with pytest.raises(InputError) as caught:
        read(file, text)
    return str(caught.value).replace(str(file), "FILE")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e5", 1e5), ("1.5", 1.5), (".5", 0.5), ("5.", 5.0), ("-1.25E-3", -0.00125), ("12", 12), ("+7", 7), ("-0", 0),
        ("007", 7), ("0o17", 15), ("0x1F", 31), ("true", True), ("False", False), ("null", None), ("~", None),
        ("", None), (".inf", math.inf), ("-.Inf", -math.inf), ("1e999", math.inf),
        # text by YAML 1.2, though not by the 1.1 that PyYAML follows
        ("no", "no"), ("Yes", "Yes"), ("on", "on"), ("off", "off"), ("1:30", "1:30"), ("2024-05-02", "2024-05-02"),
        ("1_000", "1_000"), ("0b11", "0b11"), ("tRUE", "tRUE"), ("42 days", "42 days"), ("35.9%", "35.9%"), ("١", "١"),
    ],
)  # fmt: skip
def test_scalars(text: str, value: object):
    assert read_scalar(text) == value
    assert type(read_scalar(text)) is type(value)


def test_not_a_number():
    assert math.isnan(read_scalar(".nan"))


def test_scalars_in_a_file(file: Path, parser: str):
    document = read(file, "a: 1e5\nno: no\nc: '1'\nd: \"true\"\ne: 2024-05-02\nf: [1, .5, ~, x]\ng: |\n  5\nh:\n")
    assert document.data == {
        "a": 1e5, "no": "no", "c": "1", "d": "true", "e": "2024-05-02", "f": [1, 0.5, None, "x"], "g": "5\n", "h": None,
    }  # fmt: skip


def test_byte_order_mark_and_crlf(file: Path, parser: str):
    document = read(file, b"\xef\xbb\xbfa: 1\r\nb: 2\r\n")
    assert document.data == {"a": 1, "b": 2}
    assert document.line(("b",)) == 2
    assert document.content.startswith(b"\xef\xbb\xbf")


def test_lines(file: Path, parser: str):
    text = "# comment\na:\n  b: {c: 1,\n      d: 2}\nlist:\n  - x\n  -\n    y: 1\n"
    document = read(file, text)
    lines = {("a",): 2, ("a", "b"): 3, ("a", "b", "c"): 3, ("a", "b", "d"): 4, ("list",): 5, ("list", 0): 6}
    lines |= {("list", 1, "y"): 8, (): 2}
    assert {keys: document.line(keys) for keys in lines} == lines
    assert document.has(("list", 1, "y"))
    assert not document.has(("a", "z"))
    assert document.line(("a", "b", "z", "deeper")) == 3, "the nearest parent's"


def test_alias_is_the_same_value(file: Path, parser: str):
    document = read(file, "a: &x\n  b: 1\nc: *x\n")
    assert document.data == {"a": {"b": 1}, "c": {"b": 1}}
    assert document.line(("c",)) == 3
    assert document.line(("c", "b")) == 2, "where it can be corrected"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\na: 2\nb: {c: 1, c: 2}\na: 3\n", "FILE:2: a: duplicate key, first on line 1; keep one of them\n"
         "FILE:3: b.c: duplicate key, first on line 3; keep one of them\n"
         "FILE:4: a: duplicate key, first on line 1; keep one of them"),
        ("1: x\n", "FILE:1: 1: a key must be text; write '1' in quotes"),
        ("true: x\n", "FILE:1: true: a key must be text; write 'true' in quotes"),
        ("[a]: x\n", "FILE:1: a list or mapping cannot be a key; write text before the colon"),
        ("a:\n  ?\n  : 1\n", "FILE:2: a: a key is missing before the colon"),
        ("a: !!str 5\n", "FILE:1: a: the tag '!!str' is not accepted: remove it"
         " (to make text of a value, put it in quotes)"),
        ("a: ! 5\n", "FILE:1: a: the tag '!' is not accepted: remove it (to make text of a value, put it in quotes)"),
        ("a: 1\n...\n---\nb: 1\n", "FILE:3: a second document begins here ('---'); keep one document per file"),
        ("a: &x [*x]\n", "FILE:1: a[0]: alias '*x' holds itself; write the values out"),
        ("a:\tb\n", "FILE:1: a tab is not accepted: use blanks instead"),
        ("a: b\u2028c\n", "FILE:1: the character U+2028 is not accepted: remove it"),
        ("# only a comment", "FILE: is empty; `hcc-sim scenarios` shows examples to start from"),
        ("a: " + "9" * 5000, "FILE:1: a: a whole number of more than 300 digits is not accepted"),
    ],
)  # fmt: skip
def test_refusals(file: Path, parser: str, text: str, message: str):
    assert refusal(file, text) == message


def test_limits_are_where_they_are_said_to_be(file: Path, parser: str):
    assert read(file, "[" * 40 + "]" * 40)
    assert "more than 40 levels" in refusal(file, "[" * 41 + "]" * 41)
    many = "a: &x 1\nb: [" + "*x," * 100
    assert read(file, many + "]")
    assert "more than 100 aliases" in refusal(file, many + "*x]")
    assert len(read(file, "[" + "1," * 99_999 + "]").data) == 99_999
    assert "more than 100,000 values" in refusal(file, "[" + "1," * 100_000 + "]")
    assert read(file, b"a: 1\n" + b"#" * 999_995)
    assert "larger than 1 MB" in refusal(file, b"a: 1\n" + b"#" * 999_996)


def test_depth_counts_through_aliases(file: Path, parser: str):
    for outer, fits in ((19, True), (20, False)):
        text = f"a: &a {'[' * 20}{']' * 20}\nb: {'[' * outer}*a{']' * outer}\n"
        if fits:
            assert read(file, text)
        else:
            assert "more than 40 levels" in refusal(file, text)


@pytest.mark.parametrize(
    "piece", ["[", "{", "- ", "? ", "a: ", "&a ", "*a ", "!x ", "'", '"', "%", "---\n", "[],", "\n"]
)
def test_a_megabyte_of_nonsense_is_refused_soon(file: Path, parser: str, piece: str):
    begun = time.perf_counter()
    text = "x: " + piece * (999_000 // len(piece)) + "\n]"
    assert refusal(file, text).startswith("FILE")
    assert time.perf_counter() - begun < 10


PIECES = (
    *(
        "a",
        "b: ",
        "- ",
        "? ",
        ": ",
        "[",
        "]",
        "{",
        "}",
        ", ",
        "&x ",
        "*x",
        "!t ",
        "!!python/name:os ",
        "'",
        '"',
        "|",
        ">",
    ),
    *("\n", "\n  ", "#", "%YAML 1.1\n", "---\n", "...\n", "<<", "~", "1", ".nan", "\t", "\\", "\ufeff", "@", "`", "\r"),
)
SNIPPETS = st.lists(st.sampled_from(PIECES)).map("".join)


@settings(max_examples=300, deadline=timedelta(seconds=5))
@given(st.one_of(st.text(), SNIPPETS, st.binary()))
@example("a: 0o" + "7" * 400)
@example("a: !!binary x")
@example("? ? ? a")
@example("%TAG ! tag:x,2000:\n--- !y a")
def test_anything_is_read_or_refused(file: Path, text: str | bytes):
    result = attempt(file, text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text)
    if isinstance(result, InputError):
        assert result.problems
        assert all(p.file == str(file) and p.message and (p.line is None or p.line >= 1) for p in result.problems)
    else:
        assert result.data is not None


def attempt(file: Path, content: bytes) -> Document | InputError:
    try:
        return read(file, content)
    except InputError as error:
        return error


PLAIN_TEXT = st.text(max_size=20).filter(lambda text: isinstance(read_scalar(text), str) and text != "<<")
PLAIN_DATA = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), PLAIN_TEXT),
    lambda inner: st.one_of(st.lists(inner, max_size=5), st.dictionaries(PLAIN_TEXT, inner, max_size=5)),
    max_leaves=30,
).filter(lambda data: data is not None)


@settings(max_examples=200, deadline=timedelta(seconds=5))
@given(PLAIN_DATA, st.booleans())
def test_agrees_with_pyyaml_on_plain_documents(file: Path, data: object, flow: bool):
    text = yaml.safe_dump(data, default_flow_style=flow, width=10_000)
    assert read(file, text).data == yaml.safe_load(text) == data
