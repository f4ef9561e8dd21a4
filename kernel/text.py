"""Text as people type it, made comparable."""

import unicodedata

import jaconv


class TextUnusable(ValueError):
    """The text holds a character that cannot be stored."""


def clean(text: str) -> str:
    """Bring text to NFC, keep variant kanji, cut white space at both ends.

    :raises TextUnusable: if it holds NUL or a lone surrogate
    """
    if "\0" in text or any("\ud800" <= character <= "\udfff" for character in text):
        raise TextUnusable("the text holds NUL or half of a character; type it again")
    return unicodedata.normalize("NFC", text).strip()


def fold(text: str) -> str:
    """Fold for searching: NFKC, hiragana as katakana, lower case, no white space, no hyphens or dots between parts."""
    wide = unicodedata.normalize("NFKC", clean(text))
    return "".join(c for c in jaconv.hira2kata(wide).casefold() if not c.isspace() and c not in "-‐‑–—・.,")


def digits_only(text: str) -> str:
    """Keep the digits of a telephone number; full-width ones become ASCII."""
    return "".join(c for c in unicodedata.normalize("NFKC", text) if c.isdecimal())
