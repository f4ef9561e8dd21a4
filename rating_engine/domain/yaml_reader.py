"""Reading a YAML document strictly: every complaint names its line, its place and the rule."""

from collections.abc import Sequence
from dataclasses import dataclass

import yaml

MAX_CHARACTERS = 1_000_000
MAX_DEPTH = 60
UNSEEN = ("rows",)  # steps of the typed form that documents do not have
NULL = "tag:yaml.org,2002:null"

Place = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Problem:
    """One rule that a document breaks, and where."""

    line: int
    place: str
    rule: str
    message: str

    def __str__(self) -> str:
        return f"line {self.line}, {self.place or 'document'}: {self.message} [{self.rule}]"


class DocumentInvalid(ValueError):
    """The document breaks rules; the message names line, place, rule and cure of each."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = tuple(problems)
        self.line, self.place, self.rule = problems[0].line, problems[0].place, problems[0].rule


@dataclass(frozen=True, slots=True)
class Source:
    """A document read: `plain` has mappings, lists, texts as they are written, and None; nothing is guessed."""

    plain: object
    root: yaml.Node

    def find(self, place: Place) -> tuple[int, str]:
        """Tell the line of a place, and its name; steps that are not in the document are left out of the search."""
        node, name = self.root, ""
        line = node.start_mark.line + 1
        for step in place:
            child = _child(node, step)
            if child is None:
                name = name if str(step).startswith("=") or step in UNSEEN else _named(name, step)
                continue
            line, node = child
            name = _named(name, step)
        return line, name

    def problem(self, place: Place, *, rule: str, message: str) -> Problem:
        line, name = self.find(place)
        return Problem(line, name, rule, message)


def read(text: str) -> Source:
    """Read a document.

    :raises DocumentInvalid: if it is no YAML document, names a key twice, or is too large or too deep to be one of ours
    """
    if len(text) > MAX_CHARACTERS:
        raise DocumentInvalid([Problem(1, "", "too-large", f"over {MAX_CHARACTERS} characters")])
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        line = 1 if error.problem_mark is None else error.problem_mark.line + 1
        raise DocumentInvalid([Problem(line, "", "yaml", str(error.problem))]) from error
    except (yaml.YAMLError, RecursionError) as error:
        raise DocumentInvalid([Problem(1, "", "yaml", f"not YAML: {error}")]) from error
    if root is None:
        raise DocumentInvalid([Problem(1, "", "empty", "the document is empty")])
    problems: list[Problem] = []
    plain = _plain(root, place="", depth=0, seen=set(), problems=problems)
    if problems:
        raise DocumentInvalid(problems)
    return Source(plain, root)


def _plain(node: yaml.Node, *, place: str, depth: int, seen: set[int], problems: list[Problem]) -> object:
    line = node.start_mark.line + 1
    if isinstance(node, yaml.ScalarNode):
        return None if node.tag == NULL else str(node.value)
    if id(node) in seen or depth > MAX_DEPTH:
        problems.append(Problem(line, place, "too-deep", "no anchors, and no more than sixty levels"))
        return None
    seen.add(id(node))
    if isinstance(node, yaml.SequenceNode):
        return [
            _plain(child, place=f"{place}[{index}]", depth=depth + 1, seen=seen, problems=problems)
            for index, child in enumerate(node.value)
        ]
    found: dict[str, object] = {}
    for key, child in node.value:
        name = str(key.value)
        inner = f"{place}.{name}" if place else name
        if name in found:
            problems.append(Problem(key.start_mark.line + 1, inner, "key-twice", f"{name} is given twice"))
        found[name] = _plain(child, place=inner, depth=depth + 1, seen=seen, problems=problems)
    return found


def _child(node: yaml.Node, step: str | int) -> tuple[int, yaml.Node] | None:
    if isinstance(node, yaml.MappingNode):
        for key, child in node.value:
            if str(key.value) == str(step):
                return key.start_mark.line + 1, child
    elif isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
        child = node.value[step]
        return child.start_mark.line + 1, child
    return None


def _named(name: str, step: str | int) -> str:
    if isinstance(step, int):
        return f"{name}[{step}]"
    return f"{name}.{step}" if name else step
