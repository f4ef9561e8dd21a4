"""Whoever a text is written for: their words, and how they write numbers and times."""

from typing import Protocol

from customer_app.formats import Formats
from kernel.i18n import Translate


class Reader(Protocol):
    """A visit of these pages, or the addressee of a letter."""

    @property
    def translate(self) -> Translate: ...

    @property
    def formats(self) -> Formats: ...
