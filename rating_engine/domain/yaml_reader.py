"""Reading a YAML document strictly: every complaint names its line, its place and the rule."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import TypeVar

import yaml

MAX_CHARACTERS = 1_000_000
DECIMAL = re.compile(r"-?(0|[1-9][0-9]{0,11})(\.[0-9]{1,6})?")
INTEGER = re.compile(r"-?(0|[1-9][0-9]{0,11})")

Choice = TypeVar("Choice", bound=str)


class DocumentInvalid(ValueError):
    """The document breaks a rule; the message names line, place, rule and cure."""

    def __init__(self, *, line: int, place: str, rule: str, message: str) -> None:
        super().__init__(f"line {line}, {place or 'document'}: {message} [{rule}]")
        self.line, self.place, self.rule = line, place, rule


@dataclass(frozen=True, slots=True)
class Node:
    """One place in a document."""

    raw: yaml.Node
    place: str

    @property
    def line(self) -> int:
        return self.raw.start_mark.line + 1

    def refuse(self, rule: str, message: str) -> DocumentInvalid:
        return DocumentInvalid(line=self.line, place=self.place, rule=rule, message=message)

    def mapping(self, *, required: Sequence[str] = (), optional: Sequence[str] = ()) -> dict[str, "Node"]:
        """:raises DocumentInvalid: unless it is a mapping with the required and none but the known keys"""
        fields = self.entries()
        for key in required:
            if key not in fields:
                raise self.refuse("missing-key", f"{key} is missing")
        for key, node in fields.items():
            if key not in required and key not in optional:
                known = ", ".join([*required, *optional])
                raise node.refuse("unknown-key", f"{key} is not known here; known are {known}")
        return fields

    def entries(self) -> dict[str, "Node"]:
        """:raises DocumentInvalid: unless it is a mapping with keys of its own"""
        if not isinstance(self.raw, yaml.MappingNode):
            raise self.refuse("mapping", "a mapping of key: value is wanted")
        fields: dict[str, Node] = {}
        for key, child in self.raw.value:
            name = str(key.value)
            node = Node(child, f"{self.place}.{name}" if self.place else name)
            if name in fields:
                raise node.refuse("key-twice", f"{name} is given twice")
            fields[name] = node
        return fields

    def items(self) -> list["Node"]:
        """:raises DocumentInvalid: unless it is a list with something in it"""
        if not isinstance(self.raw, yaml.SequenceNode) or not self.raw.value:
            raise self.refuse("list", "a list with at least one entry is wanted")
        return [Node(child, f"{self.place}[{index}]") for index, child in enumerate(self.raw.value)]

    def text(self) -> str:
        """:raises DocumentInvalid: unless it is a plain text, not empty"""
        if not isinstance(self.raw, yaml.ScalarNode) or not self.raw.value.strip():
            raise self.refuse("text", "a text is wanted")
        return self.raw.value

    def number(self) -> Decimal:
        """:raises DocumentInvalid: unless it is an exact decimal with at most six decimals"""
        text = self.text()
        if self.raw.tag == "tag:yaml.org,2002:float":
            raise self.refuse("exact-decimal", f'write "{text}" in quotes: prices are exact decimals, not floats')
        if not DECIMAL.fullmatch(text):
            raise self.refuse("exact-decimal", f'{text} is no exact decimal such as "29.80"')
        return Decimal(text)

    def integer(self, *, least: int, most: int) -> int:
        """:raises DocumentInvalid: unless it is a whole number within the limits"""
        text = self.text()
        if not INTEGER.fullmatch(text) or not least <= int(text) <= most:
            raise self.refuse("whole-number", f"{text} is no whole number from {least} to {most}")
        return int(text)

    def day(self) -> date:
        """:raises DocumentInvalid: unless it is a date such as 2026-04-01"""
        try:
            return date.fromisoformat(self.text())
        except ValueError as error:
            raise self.refuse("date", f"{self.text()} is no date such as 2026-04-01") from error

    def yes_or_no(self) -> bool:
        """:raises DocumentInvalid: unless it is true or false"""
        return self.choice(("true", "false")) == "true"

    def choice(self, known: Sequence[Choice]) -> Choice:
        """:raises DocumentInvalid: unless it is one of the known words"""
        text = self.text()
        for word in known:
            if text == word:
                return word
        raise self.refuse("choice", f"{text} is none of {', '.join(known)}")


def read(text: str) -> Node:
    """Read a document.

    :raises DocumentInvalid: if it is no YAML document, or too large or too deep to be one of ours
    """
    if len(text) > MAX_CHARACTERS:
        raise DocumentInvalid(line=1, place="", rule="too-large", message=f"over {MAX_CHARACTERS} characters")
    try:
        raw = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        line = 1 if error.problem_mark is None else error.problem_mark.line + 1
        raise DocumentInvalid(line=line, place="", rule="yaml", message=str(error.problem)) from error
    except (yaml.YAMLError, RecursionError) as error:
        raise DocumentInvalid(line=1, place="", rule="yaml", message=f"not YAML: {error}") from error
    if raw is None:
        raise DocumentInvalid(line=1, place="", rule="empty", message="the document is empty")
    return Node(raw, "")
