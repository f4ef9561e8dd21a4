"""Every message has its Japanese, every customer's its Chinese, and no template holds words outside a message."""

import re

import pytest
from babel.messages.catalog import Message

from customer_app import messages
from customer_app.rendering import TEMPLATES
from kernel.i18n import LOCALES, SOURCE_LOCALE

TRANSLATED = [locale for locale in LOCALES if locale != SOURCE_LOCALE]
PARAMETER = re.compile(r"%\((\w+)\)s")
# Names of languages and products, units and signs stand as they are.
BARE = re.compile(r"^[\s\d\W]*$|^(日本語|简体中文|English|EN|Suiden|mm|kWh|L|A|V|kPa)$")
NOT_TEXT = re.compile(
    r"\{#.*?#\}|\{%-?.*?-?%\}|\{\{.*?\}\}|<!--.*?-->|<(script|style)\b.*?</\1>|<svg\b.*?</svg>", re.DOTALL
)
SPOKEN = re.compile(r'\b(?:aria-label|title|placeholder|alt)="([^"]*)"')


def entries(locale: str) -> list[Message]:
    return [message for message in messages.read(locale) if message.id]


@pytest.mark.parametrize("locale", TRANSLATED)
def test_no_message_lacks_a_translation(locale: str) -> None:
    wanted = messages.of_language(locale, wanted=messages.collect())
    assert messages.missing(locale, wanted=wanted) == []


@pytest.mark.parametrize("locale", TRANSLATED)
def test_translations_use_the_parameters_of_their_message(locale: str) -> None:
    for message in entries(locale):
        if PARAMETER.search(str(message.id)):
            assert set(PARAMETER.findall(str(message.string))) == set(PARAMETER.findall(str(message.id))), message.id


@pytest.mark.parametrize("name", sorted(path.relative_to(TEMPLATES).as_posix() for path in TEMPLATES.rglob("*.html")))
def test_templates_hold_no_words_outside_messages(name: str) -> None:
    path = TEMPLATES / name
    text = NOT_TEXT.sub(" ", re.sub(r"{% block main_\w+ %}.*?{% endblock %}", "", path.read_text()))
    spoken = [found for found in SPOKEN.findall(text) if not BARE.match(found)]
    between = [part.strip() for part in re.sub(r"<[^>]*>", "\n", text).split("\n")]
    assert [part for part in [*spoken, *between] if not BARE.match(part)] == []
