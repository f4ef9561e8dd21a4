"""From a tariff document (YAML) to a tariff, or to the lines and the rules that it breaks."""

from typing import Any

import yaml
from pydantic import ValidationError

from rating_engine.domain.tariff import Tariff
from rating_engine.domain.yaml_reader import DocumentInvalid, Problem, Source, read

# What pydantic calls a broken rule, and what we do.
RULES = {
    "missing": "missing-key",
    "extra_forbidden": "unknown-key",
    "literal_error": "choice",
    "model": "choice",
    "dict_type": "mapping",
    "model_type": "mapping",
    "model_attributes_type": "mapping",
    "tuple_type": "list",
    "list_type": "list",
    "too_short": "list",
    "int_parsing": "whole-number",
    "int_type": "whole-number",
    "int_from_float": "whole-number",
    "greater_than_equal": "whole-number",
    "less_than_equal": "whole-number",
    "bool_parsing": "yes-or-no",
    "string_type": "text",
    "string_too_short": "text",
    "string_too_long": "text",
    "string_pattern_mismatch": "pattern",
}
PATTERN_RULES = {"code": "code", "item": "item", "from_month": "month", "until_month": "month"}


def parse(text: str) -> Tariff:
    """Read a tariff document.

    :raises DocumentInvalid: naming the line and the rule of each problem
    """
    source = read(text)
    if not isinstance(source.root, yaml.MappingNode):
        raise DocumentInvalid([source.problem((), rule="mapping", message="a mapping of key: value is wanted")])
    try:
        return Tariff.model_validate(source.plain)
    except ValidationError as error:
        found = sorted(_problems(error, source=source), key=lambda problem: problem.line)
        raise DocumentInvalid(found) from error


def schema() -> dict[str, Any]:
    """Give the JSON schema of tariff documents."""
    found = Tariff.model_json_schema()
    # A list of blocks is a bare list in documents; what holds its rows is ours alone.
    blocks = found["$defs"]["BlockList"]
    found["$defs"]["BlockList"] = {**blocks["properties"]["rows"], "description": blocks["description"]}
    found["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    found["title"] = "A tariff of Suiden (suiden-tariff/1)"
    return found


def _problems(error: ValidationError, *, source: Source) -> list[Problem]:
    problems: list[Problem] = []
    found = error.errors(include_url=False)
    for one in found:
        # A list whose entries are all bad is also called too short: once is enough.
        if one["type"] == "too_short" and any(len(other["loc"]) > len(one["loc"]) for other in found):
            continue
        context = one.get("ctx", {})
        kind, place = one["type"], tuple(one["loc"])
        last = str(place[-1]) if place else ""
        rule = str(context.get("rule", RULES.get(kind, kind.replace("_", "-"))))
        if kind.startswith("date"):
            rule = "date"
        elif rule == "pattern":
            rule = PATTERN_RULES.get(last, "name")
        problems.append(
            source.problem(place, rule=rule, message=_message(kind, one["msg"], last=last, given=one["input"]))
        )
    return problems


def _message(kind: str, message: str, *, last: str, given: object) -> str:
    match kind:
        case "missing":
            return f"{last} is missing"
        case "extra_forbidden":
            return f"{last} is not known here"
        case _:
            shown = f"{given}: " if isinstance(given, str | int) and kind != "rule" else ""
            return f"{shown}{message[:1].lower()}{message[1:]}"


__all__ = ["DocumentInvalid", "parse", "schema"]
