"""The published schema of tariff documents, and the documents that it describes."""

import json
import re
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import yaml

from rating_engine import tariffs
from rating_engine.domain.document import parse, schema

ROOT = Path(__file__).resolve().parents[3]
GUIDE = (ROOT / "docs" / "tariffs.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```yaml\n(format: .*?)```", GUIDE, flags=re.DOTALL)
SCHEMA = schema()


def test_the_schema_in_the_documents_is_that_of_the_code() -> None:
    stored = json.loads((ROOT / "docs" / "tariff.schema.json").read_text(encoding="utf-8"))
    assert stored == json.loads(json.dumps(SCHEMA)), "run: suiden tariff schema > docs/tariff.schema.json"


@pytest.mark.parametrize("text", [*tariffs.documents(), *EXAMPLES], ids=lambda text: text.split("code: ")[1].split()[0])
def test_every_tariff_that_comes_along_is_as_the_schema_says(text: str) -> None:
    assert fits(yaml.safe_load(text), SCHEMA) == []
    parse(text)


def test_what_the_schema_refuses_is_refused() -> None:
    broken = yaml.safe_load(tariffs.document("jp-tokyo")) | {"colour": "blue"}
    assert fits(broken, SCHEMA) != []


def test_the_guide_shows_documents() -> None:
    assert len(EXAMPLES) >= 3


def test_the_guide_names_every_part_of_a_document() -> None:
    missing = [name for name in names_in(SCHEMA) if f"`{name}`" not in GUIDE and f"{name}:" not in GUIDE]
    assert missing == []


def names_in(found: Any) -> set[str]:
    if isinstance(found, dict):
        own = set(found.get("properties", {}))
        return own.union(*(names_in(one) for one in found.values()))
    return set().union(*(names_in(one) for one in found)) if isinstance(found, list) else set()


def fits(value: Any, rule: dict[str, Any]) -> list[str]:
    """Hold a value against as much of JSON schema as ours uses; tell what does not fit."""
    if "$ref" in rule:
        return fits(value, SCHEMA["$defs"][rule["$ref"].rsplit("/", 1)[1]])
    for key in ("anyOf", "oneOf"):
        if key in rule:
            tried = [fits(value, one) for one in rule[key]]
            return [] if [] in tried else [f"{value!r:.60} fits none: {tried[0][:1]}"]
    if "const" in rule and value != rule["const"]:
        return [f"{value!r} is not {rule['const']!r}"]
    if "enum" in rule and value not in rule["enum"]:
        return [f"{value!r} is none of {rule['enum']}"]
    match rule.get("type"):
        case "object":
            return _object(value, rule)
        case "array":
            if not isinstance(value, list) or len(value) < rule.get("minItems", 0):
                return [f"{value!r:.60} is no list"]
            return [problem for one in value for problem in fits(one, rule.get("items", {}))]
        case "string":
            text = value.isoformat() if isinstance(value, date) else value
            is_good = isinstance(text, str) and re.search(rule.get("pattern", ""), text) is not None
            return [] if is_good else [f"{value!r} is no such text"]
        case "integer":
            return [] if isinstance(value, int) and rule.get("minimum", value) <= value else [f"{value!r}: no integer"]
        case "number":
            is_number = isinstance(value, int | float | Decimal) and not isinstance(value, bool)
            return [] if is_number else [f"{value!r} is no number"]
        case "boolean":
            return [] if isinstance(value, bool) else [f"{value!r} is not true or false"]
        case "null":
            return [] if value is None else [f"{value!r} is something"]
        case _:
            return []


def _object(value: Any, rule: dict[str, Any]) -> list[str]:
    if not isinstance(value, dict):
        return [f"{value!r:.60} is no mapping"]
    problems = [f"{name} is missing" for name in rule.get("required", []) if name not in value]
    rest = rule.get("additionalProperties", True)
    for key, one in value.items():
        name = str(key)
        if name in rule.get("properties", {}):
            problems += fits(one, rule["properties"][name])
        elif isinstance(rest, dict):
            problems += fits(one, rest)
        elif rest is False and not rule.get("patternProperties"):
            problems.append(f"{name} is not known")
    return problems
