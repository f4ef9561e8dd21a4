"""Languages: messages in gettext catalogues, one folder a language, read at start."""

from collections.abc import Callable
from functools import cache
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.pofile import read_po

CATALOGUES = Path(__file__).resolve().parent.parent / "customer_app" / "locales"
SOURCE_LOCALE = "en"
LANGUAGES = {"en": "English", "ja": "日本語", "zh": "简体中文"}  # that customers may choose, each named in itself
LOCALES = tuple(LANGUAGES)
STAFF_LOCALES = ("en", "ja")  # of staff's pages

Translate = Callable[..., str]


def translator(locale: str) -> Translate:
    """Give a function that translates an English message and fills in its named parameters.

    A message without a translation is shown in English; a test finds those.
    """
    messages = _messages(locale)

    def translate(message: str, /, **parameters: object) -> str:
        text = messages.get(message) or message
        return text % parameters if parameters else text

    return translate


def mark(message: str) -> str:
    """Mark a message for translation where it is written; it is translated where it is shown."""
    return message


def choose_locale(*, wanted: str | None, accept_language: str) -> str:
    """Choose among our languages: the one asked for, else the browser's first that we have, else English."""
    if wanted in LOCALES:
        return wanted
    for part in accept_language.split(","):
        code = part.split(";")[0].strip().lower().split("-")[0]
        if code in LOCALES:
            return code
    return SOURCE_LOCALE


@cache
def _messages(locale: str) -> dict[str, str]:
    path = CATALOGUES / locale / "messages.po"
    if locale == SOURCE_LOCALE or not path.exists():
        return {}
    with path.open("rb") as file:
        catalogue: Catalog = read_po(file, locale=locale)
    return {
        str(message.id): str(message.string)
        for message in catalogue
        if message.id and message.string and not message.fuzzy
    }
