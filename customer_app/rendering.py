"""Templates: a page type made of ready-to-print strings goes in, HTML comes out."""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import jinja2

from customer_app.navigation import Entry
from customer_app.statics import Statics
from kernel.i18n import LANGUAGES, LOCALES, Translate

TEMPLATES = Path(__file__).resolve().parent / "templates"


class FragmentUnknown(Exception):
    """The page has no fragment of that name."""


@dataclass(frozen=True, slots=True)
class Page:
    """What a template gets. Fields are strings, numbers and markup ready to print; nothing in it can query."""

    TEMPLATE: ClassVar[str]
    FRAGMENTS: ClassVar[dict[str, str]] = {}  # name -> partial, the same that the full page includes
    ACTIVE: ClassVar[str] = ""  # path of the menu entry that is lit
    PLOTS: ClassVar[bool] = False  # Plotly is on the page

    def topics(self) -> tuple[str, ...]:
        """Name the live topics (see topics.py) that refresh parts of this page."""
        return ()


@dataclass(frozen=True, slots=True)
class Frame:
    """What surrounds every page."""

    utility_name: str
    locale: str
    theme: str
    token: str
    here: str
    who_name: str
    entries: tuple[Entry, ...]
    clock_text: str
    said: str
    topics: str
    translate: Translate
    live_mark: str = ""  # from when on its live topics may have changed
    locales: tuple[str, ...] = LOCALES  # to choose from

    @property
    def language(self) -> str:
        return LANGUAGES.get(self.locale, self.locale)

    @property
    def languages(self) -> tuple[tuple[str, str], ...]:
        """Give the languages to choose from, each named in itself."""
        return tuple((locale, LANGUAGES[locale]) for locale in self.locales)


class Renderer:
    """Holds the compiled templates."""

    def __init__(self, statics: Statics) -> None:
        self._environment = jinja2.Environment(
            loader=jinja2.FileSystemLoader(TEMPLATES),
            autoescape=True,
            undefined=jinja2.StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
        )
        self._environment.globals["static"] = statics.address
        self._environment.globals["icon"] = self._environment.get_template("parts/icons.html").module.icon  # type: ignore[attr-defined]

    def html(self, page: Page, *, frame: Frame, fragment: str = "") -> str:
        """:raises FragmentUnknown: if the page has no such fragment"""
        name = page.TEMPLATE
        if fragment:
            try:
                name = page.FRAGMENTS[fragment]
            except KeyError as error:
                raise FragmentUnknown(f"{page.TEMPLATE} has no fragment {fragment}") from error
        return self._environment.get_template(name).render(page=page, frame=frame, _=frame.translate)

    def part(self, name: str, *, translate: Translate, **things: object) -> str:
        """Give a partial that stands alone, outside any page."""
        return self._environment.get_template(name).render(_=translate, **things)
