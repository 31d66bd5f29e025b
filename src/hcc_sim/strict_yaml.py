"""YAML that is safe to take from strangers: YAML 1.2 core rules, hard limits, and the line of every key.

The document is built from the parser's events, so that depth, aliases and size are checked before anything grows.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from .errors import InputError, Problem, Problems

MOST_BYTES = 1_000_000
MOST_DEPTH = 40
MOST_ALIASES = 100
MOST_NODES = 100_000

Keys = tuple[str | int, ...]

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_NULL = re.compile(r"|~|null|Null|NULL")
_BOOL = re.compile(r"true|True|TRUE|false|False|FALSE")
_INT = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_NOT_FINITE = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_UNREADABLE = re.compile("[^\n\r\x20-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_REMEDIES = {
    "mapping values are not allowed": "put text that holds ': ' in quotes, and check the indentation",
    "could not find expected ':'": "write 'key: value', with a blank after the colon",
    "while scanning a quoted scalar": "close the quotes",
    "expected ',' or": "close the bracket, and put commas between entries",
    "expected <block end>": "give keys of the same level the same indentation",
    "cannot start any token": "put the value in quotes",
}


@dataclass
class _Node:
    """A value with its line and, for lists and mappings, the line and node of each child."""

    value: Any
    line: int
    children: dict[str | int, tuple[int, "_Node"]] = field(default_factory=dict)
    size: int = 1
    height: int = 1
    plain: bool = False


@dataclass(frozen=True)
class Document:
    """A file that was read: its data (dict, list, str, int, float, bool, None), bytes, and lines."""

    file: str
    content: bytes
    data: Any
    _root: _Node

    def has(self, keys: Keys) -> bool:
        """Whether the document holds something at this path of keys (list entries by their number)."""
        return self._walk(keys)[1] == len(keys)

    def line(self, keys: Keys = ()) -> int:
        """The line, from 1, of the key at this path; of its nearest existing parent if there is no such key."""
        return self._walk(keys)[0]

    def problem(self, keys: Keys, message: str) -> Problem:
        """A problem at this path of keys."""
        return Problem(self.file, self.line(keys), dotted(keys), message)

    def _walk(self, keys: Keys) -> tuple[int, int]:
        node, line = self._root, self._root.line
        for found, key in enumerate(keys):
            if key not in node.children:
                return line, found
            line, node = node.children[key]
        return line, len(keys)


def dotted(keys: Keys) -> str:
    """A path of keys as messages write it: ``strategies.conservative``, list entries as ``without[0]``."""
    text = "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in keys)
    return text.removeprefix(".")


def read_scalar(text: str) -> str | int | float | bool | None:
    """What unquoted text means by the YAML 1.2 core rules: null, a truth value, a number, else text.

    Numbers too long for the machine raise ValueError.
    """
    if _INT.fullmatch(text):
        if len(text) > 300:
            raise ValueError("a whole number of more than 300 digits")
        return int(text, 0) if text[:2] in ("0o", "0x") else int(text)
    if _FLOAT.fullmatch(text):
        return float(text)
    if _NULL.fullmatch(text):
        return None
    if _BOOL.fullmatch(text):
        return text[0] in "tT"
    if _NOT_FINITE.fullmatch(text):
        return float(text.replace(".", ""))
    return text


def read_yaml(path: Path | str) -> Document:
    """Read one YAML document from a file; InputError with file, line and remedy whatever is wrong with it.

    Accepted: UTF-8, at most 1 MB, one document, text keys each of which occurs once, depth at most 40, at most 100
    aliases and 100,000 nodes. Not accepted: tabs, tags, merge keys. Lists and mappings behind an alias are shared.
    """
    file = str(path)
    content = _bytes(Path(path), file)
    return _Builder(file, _text(content, file)).document(content)


def _bytes(path: Path, file: str) -> bytes:
    def refuse(message: str) -> InputError:
        return InputError(Problem(file, None, "", message))

    try:
        if path.is_dir():
            raise refuse("is a folder; name a file")
        if not path.exists():
            raise refuse("does not exist; check the name and the folder")
        if not path.is_file():
            raise refuse("is not an ordinary file")
        with path.open("rb") as stream:
            content = stream.read(MOST_BYTES + 1)
    except OSError as error:
        raise refuse(f"cannot be read ({error.strerror}); check its name and permissions") from None
    if len(content) > MOST_BYTES:
        raise refuse("is larger than 1 MB; is it the right file? Nothing this program reads is that large")
    return content


def _text(content: bytes, file: str) -> str:
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise InputError(Problem(file, line, "", "is not UTF-8; save it with the encoding UTF-8")) from None
    if unreadable := _UNREADABLE.search(text):
        line = text.count("\n", 0, unreadable.start()) + 1
        what = "a tab" if unreadable[0] == "\t" else f"the character U+{ord(unreadable[0]):04X}"
        fix = "use blanks instead" if unreadable[0] == "\t" else "remove it"
        raise InputError(Problem(file, line, "", f"{what} is not accepted: {fix}"))
    return text


def _line(event: yaml.Event) -> int:
    return event.start_mark.line + 1 if event.start_mark else 1


class _Builder:
    """Builds the document of one text from the parser's events, within the limits."""

    def __init__(self, file: str, text: str) -> None:
        self.file = file
        self.events: Iterator[yaml.Event] = yaml.parse(text, Loader=_LOADER)
        self.problems = Problems()
        self.anchors: dict[str, _Node | None] = {}  # None while the anchored node is being built
        self.aliases = 0
        self.nodes = 0

    def document(self, content: bytes) -> Document:
        self.next()
        root = None
        while not isinstance(event := self.next(), yaml.StreamEndEvent):
            if root is not None:
                raise self.error(event, (), "a second document begins here ('---'); keep one document per file")
            root = self.build(self.next(), (), 1)
            self.next()
        if root is None or (root.value is None and not self.problems.found):
            raise InputError(Problem(self.file, None, "", "is empty; `hcc-sim scenarios` shows examples to start from"))
        self.problems.raise_if_any()
        return Document(self.file, content, root.value, root)

    def next(self) -> yaml.Event:
        try:
            return next(self.events)
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            text = f"{error.context or ''} {error.problem or ''}".strip()
            fixes = [fix for sign, fix in _REMEDIES.items() if sign in text]
            fix = fixes[0] if fixes else "check indentation, colons and quotes here and on the line before"
            line = mark.line + 1 if mark else None
            syntax = Problem(self.file, line, "", f"is not YAML: {text}; {fix}")
            raise InputError([*self.problems.found, syntax]) from None
        except yaml.YAMLError as error:
            text = " ".join(str(error).split())
            raise InputError(Problem(self.file, None, "", f"is not YAML: {text}")) from None

    def problem(self, event: yaml.Event, keys: Keys, message: str) -> Problem:
        return Problem(self.file, _line(event), dotted(keys), message)

    def error(self, event: yaml.Event, keys: Keys, message: str) -> InputError:
        return InputError([*self.problems.found, self.problem(event, keys, message)])

    def build(self, event: yaml.Event, keys: Keys, depth: int) -> _Node:
        """The node that begins with this event, its inner nodes included."""
        if isinstance(event, yaml.AliasEvent):
            return self.alias(event, keys, depth)
        assert isinstance(event, yaml.ScalarEvent | yaml.CollectionStartEvent)
        self.count(event, keys, 1, depth)
        if event.tag is not None:
            fix = "remove it (to make text of a value, put it in quotes)"
            tag = event.tag.replace("tag:yaml.org,2002:", "!!")
            self.problems.add(self.problem(event, keys, f"the tag '{tag}' is not accepted: {fix}"))
        if event.anchor:
            self.anchors[event.anchor] = None
        if isinstance(event, yaml.ScalarEvent):
            node = self.scalar(event, keys)
        elif isinstance(event, yaml.MappingStartEvent):
            node = self.mapping(event, keys, depth)
        else:
            node = self.sequence(event, keys, depth)
        for _, child in node.children.values():
            node.size += child.size
            node.height = max(node.height, child.height + 1)
        if event.anchor:
            self.anchors[event.anchor] = node
        return node

    def count(self, event: yaml.Event, keys: Keys, size: int, depth: int) -> None:
        self.nodes += size
        if depth > MOST_DEPTH:
            raise self.error(event, (), f"is nested more than {MOST_DEPTH} levels deep; write it flatter")
        if self.nodes > MOST_NODES:
            raise self.error(event, (), f"holds more than {MOST_NODES:,} values, aliases written out; shorten it")

    def alias(self, event: yaml.AliasEvent, keys: Keys, depth: int) -> _Node:
        self.aliases += 1
        if self.aliases > MOST_ALIASES:
            raise self.error(event, keys, f"uses more than {MOST_ALIASES} aliases ('*name'); write the values out")
        if event.anchor not in self.anchors:
            raise self.error(event, keys, f"alias '*{event.anchor}' stands for nothing; no '&{event.anchor}' before it")
        node = self.anchors[event.anchor]
        if node is None:
            raise self.error(event, keys, f"alias '*{event.anchor}' holds itself; write the values out")
        self.count(event, keys, node.size, depth + node.height - 1)
        return node

    def scalar(self, event: yaml.ScalarEvent, keys: Keys) -> _Node:
        plain = event.implicit[0]  # the styles of the two parsers differ
        value: Any = event.value
        if plain:
            try:
                value = read_scalar(event.value)
            except ValueError as error:
                self.problems.add(self.problem(event, keys, f"{error} is not accepted"))
        return _Node(value, _line(event), plain=plain)

    def sequence(self, event: yaml.Event, keys: Keys, depth: int) -> _Node:
        node = _Node([], _line(event))
        while not isinstance(item := self.next(), yaml.SequenceEndEvent):
            number = len(node.value)
            child = self.build(item, (*keys, number), depth + 1)
            node.value.append(child.value)
            node.children[number] = (_line(item), child)
        return node

    def mapping(self, event: yaml.Event, keys: Keys, depth: int) -> _Node:
        node = _Node({}, _line(event))
        while not isinstance(start := self.next(), yaml.MappingEndEvent):
            key = self.build(start, keys, depth + 1)
            name = self.name(key, start, keys)
            item = self.next()
            child = self.build(item, (*keys, name), depth + 1)
            if name in node.children:
                message = f"duplicate key, first on line {node.children[name][0]}; keep one of them"
                self.problems.add(self.problem(start, (*keys, name), message))
                continue
            node.value[name] = child.value
            node.children[name] = (_line(start), child)
        return node

    def name(self, key: _Node, event: yaml.Event, keys: Keys) -> str:
        if isinstance(key.value, str):
            if key.value == "<<" and key.plain:
                fix = "write the entries out, or put them in a file of their own and use extends"
                self.problems.add(self.problem(event, (*keys, "<<"), f"merge keys are not accepted: {fix}"))
            return key.value
        if isinstance(key.value, list | dict):
            raise self.error(event, keys, "a list or mapping cannot be a key; write text before the colon")
        written = event.value if isinstance(event, yaml.ScalarEvent) else str(key.value)
        message = f"a key must be text; write '{written}' in quotes" if written else "a key is missing before the colon"
        self.problems.add(self.problem(event, (*keys, written) if written else keys, message))
        return written
