"""Collecting what is to be translated: `python -m customer_app.messages` updates the catalogues.

Languages of customers alone have what customers meet: their pages, letters, and what the checker says to them.
"""

import re
import sys
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import jinja2
from babel.messages.catalog import Catalog
from babel.messages.extract import extract
from babel.messages.pofile import read_po, write_po
from jinja2.ext import babel_extract

from customer_app.elsewhere import MESSAGES
from kernel.i18n import CATALOGUES, LOCALES, SOURCE_LOCALE, STAFF_LOCALES

HERE = Path(__file__).resolve().parent
KEYWORDS: dict[str, None] = {"_": None, "mark": None, "translate": None}
# What only staff ever see; all else is for customers too.
STAFF_PLACES = re.compile(
    r"customer_app/(templates/(operator|office|crew|audit|handheld|works)/"
    r"|routes/(operator|office|crew|audit|works|handheld|api_)\w*\.py"
    r"|(adjustment_texts|anomaly_texts|checker_\w+|collection_pages|evidence\w*|gap_pages|incident_\w+|meter_pages"
    r"|navigation|office_\w+|telemetry|tickets|watch_\w+|zone_charts)\.py)"
    r"|ingest_gateway/queries/checker\.py"
)
TEMPLATE_OPTIONS = {"trim_blocks": "true", "lstrip_blocks": "true"}


class MessagesMissing(Exception):
    """A catalogue lacks translations; the message names them."""


def main() -> int:
    """Write messages.pot and bring every language's catalogue up to date; the exit code tells if one has gaps."""
    wanted = collect()
    with (CATALOGUES / "messages.pot").open("wb") as file:
        write_po(file, wanted, width=120, sort_output=True, omit_header=True)
    gaps = 0
    for locale in LOCALES:
        if locale == SOURCE_LOCALE:
            continue
        catalogue = read(locale)
        catalogue.update(of_language(locale, wanted=wanted), no_fuzzy_matching=True)
        catalogue.obsolete.clear()
        path = CATALOGUES / locale / "messages.po"
        path.parent.mkdir(exist_ok=True)
        with path.open("wb") as file:
            write_po(file, catalogue, width=120, sort_output=True, omit_header=True)
        untranslated = missing(locale, wanted=of_language(locale, wanted=wanted))
        gaps += len(untranslated)
        found = [f"{locale}: {len(catalogue)} messages, {len(untranslated)} without translation", *untranslated]
        sys.stdout.write("\n  ".join(found) + "\n")
    return 1 if gaps else 0


def collect() -> Catalog:
    """Find every message in templates and code of the pages."""
    catalogue = Catalog(locale=None, charset="utf-8", fuzzy=False)
    for path in sorted([*HERE.rglob("*.py"), *HERE.rglob("*.html")]):
        place = path.relative_to(HERE.parent).as_posix()
        for _, message, _comments in _messages_in(path):
            catalogue.add(message, locations=[(place, 0)])
    for place, messages in MESSAGES.items():
        for message in messages:
            catalogue.add(message, locations=[(place, 0)])
    return catalogue


def of_language(locale: str, *, wanted: Catalog) -> Catalog:
    """Give what a language must have: all, or what customers meet."""
    if locale in STAFF_LOCALES:
        return wanted
    catalogue = Catalog(locale=None, charset="utf-8", fuzzy=False)
    for message in wanted:
        places = [place for place, _line in message.locations]
        if message.id and not all(STAFF_PLACES.match(place) for place in places):
            catalogue.add(str(message.id), locations=message.locations)
    return catalogue


def read(locale: str) -> Catalog:
    """Read a language's catalogue; an empty one if it has none yet."""
    path = CATALOGUES / locale / "messages.po"
    if not path.exists():
        return Catalog(locale=locale)
    with path.open("rb") as file:
        return read_po(file, locale=locale)


def missing(locale: str, *, wanted: Catalog) -> list[str]:
    """List the messages that a language does not have yet."""
    have = {str(message.id) for message in read(locale) if message.id and message.string and not message.fuzzy}
    return sorted(str(message.id) for message in wanted if message.id and str(message.id) not in have)


def _messages_in(path: Path) -> Iterator[tuple[int, str, list[str]]]:
    content = BytesIO(path.read_bytes())
    if path.suffix == ".html":
        for line, _function, message, comments in babel_extract(content, list(KEYWORDS), [], TEMPLATE_OPTIONS):
            if isinstance(message, tuple):  # a call with named parameters
                message = next((part for part in message if part), None)
            if isinstance(message, str):
                yield line, message, comments
    else:
        for line, message, comments, _context in extract("python", content, KEYWORDS):
            if isinstance(message, str):
                yield line, message, list(comments)


def template_environment() -> jinja2.Environment:
    """Give an environment that only parses, for those who check the templates."""
    return jinja2.Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)


if __name__ == "__main__":
    sys.exit(main())
