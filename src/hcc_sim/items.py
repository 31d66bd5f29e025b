"""Mappings of a YAML file under check: every entry is read as what it should be, and every problem is noted."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from hcc_sim.errors import Problems, nearest
from hcc_sim.strict_yaml import Document, Keys
from hcc_sim.units import shown


@dataclass(frozen=True)
class Item:
    """One mapping of a file under check: hands out its entries, and notes a problem where one is wrong."""

    document: Document
    keys: Keys
    problems: Problems

    @property
    def name(self) -> str:
        """The last key."""
        return str(self.keys[-1])

    @property
    def data(self) -> Any:
        """What stands there."""
        data = self.document.data
        for key in self.keys:
            data = data[key]
        return data

    def problem(self, message: str, *keys: str | int) -> None:
        """Note what is wrong there, or at a key below."""
        self.problems.add(self.document.problem((*self.keys, *keys), message))

    def names(self) -> list[str]:
        """The keys, none and a problem if this is no mapping."""
        if isinstance(self.data, dict):
            return list(self.data)
        self.problem(f"given {shown(self.data)}; accepted: a mapping (keys with values)")
        return []

    def items(self) -> Iterator[Item]:
        """The entries, each to be checked."""
        for name in self.names():
            if not name or set(name) & set(" =\t"):
                self.problem("a name must be text without blanks and '='", name)
            yield Item(self.document, (*self.keys, name), self.problems)

    def expect(self, required: tuple[str, ...], optional: tuple[str, ...] = ()) -> bool:
        """Whether this is a mapping; notes missing and unknown keys."""
        if not isinstance(self.data, dict):
            self.names()
            return False
        for key in self.data:
            if key not in required + optional:
                hint = nearest(key, required + optional)
                accepted = ", ".join(required + optional)
                self.problem(f"unknown key {shown(key)}. {hint} Accepted: {accepted}".replace("  ", " "), key)
        if missing := [key for key in required if key not in self.data]:
            self.problem(f"{' and '.join(missing)} missing")
        return True

    def text(self, key: str) -> str:
        """A text that is not blank; empty where there is none, and a problem if something else is there."""
        value = self.data.get(key, "")
        if key in self.data and (not isinstance(value, str) or not value.strip()):
            self.problem(f"given {shown(value)}; accepted: text (put it in quotes if it looks like a number)", key)
            return ""
        return str(value)

    def flag(self, key: str) -> bool:
        """True or false, false where there is none, and a problem if something else is there."""
        value = self.data.get(key, False)
        if not isinstance(value, bool):
            self.problem(f"given {shown(value)}; accepted: true or false", key)
        return value is True

    def texts(self, key: str) -> tuple[str, ...]:
        """A list of texts; one text is a list of one."""
        value = self.data.get(key, [])
        values = [value] if isinstance(value, str) else value
        if not isinstance(values, list) or not all(isinstance(v, str) and v.strip() for v in values):
            self.problem(f"given {shown(value)}; accepted: text or a list of texts", key)
            return ()
        return tuple(values)

    def one_of(self, key: str, accepted: tuple[str, ...]) -> str:
        """One of these texts; empty where there is none, and a problem if something else is there."""
        value = self.data.get(key, "")
        if key in self.data and value not in accepted:
            hint = nearest(value, accepted) if isinstance(value, str) else ""
            self.problem(f"given {shown(value)}. {hint} Accepted: {', '.join(accepted)}".replace("  ", " "), key)
            return ""
        return str(value)

    def number(self, read: Callable[[object], float], *keys: str | int) -> float:
        """The number that `read` makes of what stands at these keys; NaN and a problem where it raises ValueError."""
        value = self.data
        for key in keys:
            value = value[key]
        try:
            return read(value)
        except ValueError as error:
            self.problem(str(error), *keys)
            return math.nan
