"""The chain of files that a scenario builds on, merged; knows in which file and line each entry stands."""

import os.path
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hcc_sim.errors import InputError, Problem, Problems, nearest
from hcc_sim.scenario.shape import describe
from hcc_sim.strict_yaml import Document, Keys, dotted, read_yaml
from hcc_sim.units import shown

MOST_FILES = 10


class Chain:
    """The file and those it extends, merged; knows in which file and line each entry stands."""

    def __init__(self, path: Path, problems: Problems) -> None:
        self.problems = problems
        self.documents: list[Document] = []  # outermost first
        self.complete = True  # False where a file of the chain could not be read
        self._load(path)
        if not self.documents:
            problems.raise_if_any()
        self.data: dict[str, Any] = {}
        for depth in reversed(range(len(self.documents))):
            self._merge_file(depth)

    def problem(self, keys: Keys, message: str) -> None:
        """Note a problem with these keys, in the outermost file that holds them, or most of them."""
        for end in range(len(keys), -1, -1):
            for depth, document in enumerate(self.documents):
                if document.has(keys[:end]):
                    self._problem_in(depth, keys, message)
                    return

    def depth_of(self, keys: Keys) -> int:
        """How many files above have nothing at these keys; all of them, if none has."""
        return next((depth for depth, one in enumerate(self.documents) if one.has(keys)), len(self.documents))

    def _problem_in(self, depth: int, keys: Keys, message: str) -> None:
        document = self.documents[depth]
        extends = f" ({self._files(depth + 1)})" if depth else ""
        self.problems.add(Problem(document.file, document.line(keys), dotted(keys), message + extends))

    def _files(self, count: int, *further: Path) -> str:
        return "extends: " + " -> ".join([*(document.file for document in self.documents[:count]), *map(str, further)])

    def _load(self, path: Path) -> None:
        visited: list[str] = []
        while (document := self._read(path)) is not None:
            if (real := os.path.realpath(path)) in visited:
                return self._broken(f"circular, leads back to {path}; a file cannot build on itself")
            if len(self.documents) == MOST_FILES:
                return self._broken(f"more than {MOST_FILES} files extend one another")
            visited.append(real)
            self.documents.append(document)
            if "extends" not in document.data:
                return None
            extends = document.data["extends"]
            if not isinstance(extends, str) or not extends.strip():
                return self._broken(f"given {shown(extends)}; accepted: {describe(('extends',))}")
            path = Path(os.path.normpath(path.parent / extends))
        return None

    def _broken(self, message: str) -> None:
        """Note that the innermost file so far cannot be extended as it says."""
        self.complete = False
        self._problem_in(len(self.documents) - 1, ("extends",), message)

    def _read(self, path: Path) -> Document | None:
        try:
            document = read_yaml(path)
            if not isinstance(document.data, dict):
                message = f"given {shown(document.data)}; accepted: a mapping that begins with 'title: ...'"
                raise InputError(document.problem((), message))
        except InputError as error:
            self.complete = False
            for problem in error.problems:
                if self.documents and problem.line is None:  # of the whole file: shown where it is named
                    self._broken(f"{problem.file} {problem.message}; the path is relative to this file")
                    continue
                extends = f" ({self._files(len(self.documents), path)})" if self.documents else ""
                self.problems.add(Problem(problem.file, problem.line, problem.key, problem.message + extends))
            return None
        return document

    def _merge_file(self, depth: int) -> None:
        document = self.documents[depth]
        for keys in _nulls(document.data, ()):
            fix = "write {} for a strategy that sets nothing" if keys[0] == "strategies" else "give a value"
            self._problem_in(depth, keys, f"has no value (null); {fix}, or remove the key")
        if "without" in document.data:
            self._drop(depth, document.data["without"])
        self.data = _merged(self.data, document.data)
        if depth:  # a file's own affair, not inherited
            self.data.pop("without", None)
            self.data.pop("extends", None)

    def _drop(self, depth: int, without: Any) -> None:
        if not isinstance(without, list):
            return self._problem_in(depth, ("without",), f"given {shown(without)}; accepted: {describe(('without',))}")
        inherited = self.data.get("strategies", {})
        kept = dict(inherited) if isinstance(inherited, dict) else {}
        for number, name in enumerate(without):
            if isinstance(name, str) and name in kept:
                del kept[name]
            elif self.complete or not isinstance(name, str):
                hint = nearest(name, kept) if isinstance(name, str) else ""
                known = f"Inherited: {', '.join(kept)}" if kept else "Nothing is inherited"
                message = " ".join(f"unknown strategy {shown(name)}. {hint} {known}".split())
                self._problem_in(depth, ("without", number), message)
        if isinstance(inherited, dict):
            self.data["strategies"] = kept
        return None


def _nulls(data: Any, keys: Keys) -> Iterator[Keys]:
    if data is None:
        yield keys
    elif isinstance(data, dict | list):
        for key, value in data.items() if isinstance(data, dict) else enumerate(data):
            yield from _nulls(value, (*keys, key))


def _merged(old: Any, new: Any) -> Any:
    if not (isinstance(old, dict) and isinstance(new, dict)):
        return new
    return {**old, **{key: _merged(old.get(key), value) for key, value in new.items()}}


def at(data: Any, keys: Keys) -> Any:
    """What stands at these keys, None if nothing does."""
    for key in keys:
        try:
            data = data[key]
        except (KeyError, IndexError, TypeError):
            return None
    return data
