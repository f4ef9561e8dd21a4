"""How names, addresses, telephone and other numbers are folded, so that what people type finds them."""

import re
import unicodedata
from dataclasses import dataclass

from kernel.text import TextUnusable, clean, digits_only, fold

SEPARATOR = "|"
CODE_SEPARATORS = "-._ "
SEARCH_LENGTH = 100
SEARCH_WORDS = 5
SHORTEST_PHONE = 4
_NOT_IN_PHONE = re.compile(r"[^\d\s()+\-‐‑–—−―ー.]")

# One family writes its name with one of these; who looks for it types the first of the row.
VARIANT_KANJI = (
    "高髙", "崎﨑嵜", "辺邊邉", "斉斎齊齋", "浜濱濵", "沢澤", "島嶋嶌", "広廣", "国國", "真眞", "恵惠", "徳德", "桜櫻",
    "吉𠮷", "富冨", "桑桒", "栄榮", "関關", "滝瀧", "竜龍", "蔵藏", "塩鹽", "柳栁", "瀬瀨", "礼禮", "寿壽", "条條",
    "黒黑", "増增", "曽曾", "渕淵", "児兒", "万萬", "円圓", "与與", "来來", "将將", "静靜",
)  # fmt: skip
_SAME_KANJI = {ord(other): row[0] for row in VARIANT_KANJI for other in row[1:]}
_NO_SEPARATOR = {ord(SEPARATOR): None}
_NO_CODE_SEPARATORS = {ord(character): None for character in CODE_SEPARATORS + "-‐‑–—−"}


def text_key(text: str) -> str:
    """Fold a name or an address for searching; variant kanji count as the common one."""
    return fold(_straighten(text)).translate(_SAME_KANJI).translate(_NO_SEPARATOR)


def name_key(*, name: str, name_kana: str, name_latin: str) -> str:
    """Join the folded spellings of a party's name; each search column of the table is one part of it."""
    return SEPARATOR.join(text_key(part) for part in (name, name_kana, name_latin))


def address_key(*, address: str, building: str) -> str:
    """Fold a point's address with its building."""
    return text_key(address + building)


def code_key(text: str) -> str:
    """Fold the number of a point, meter, account or party; the generated search columns fold the same way."""
    return clean(fold_width(text)).translate(_NO_CODE_SEPARATORS).lower()


def phone_key(text: str) -> str:
    """Keep the digits of a telephone number as dialled inside the country; Japan's country code becomes 0."""
    digits = digits_only(text)
    abroad = "81" if fold_width(text).strip().startswith("+") else "01081"
    if digits.startswith(abroad):
        # The trunk 0 is sometimes written after the country code: +81 (0)90.
        return "0" + digits.removeprefix(abroad).removeprefix("0")
    return digits


def channel_key(*, kind: str, address: str) -> str:
    """Fold the address of a contact channel as its kind needs it."""
    if kind in ("phone", "sms"):
        return phone_key(address)
    return clean(address).lower() if kind == "email" else text_key(address)


def fold_width(text: str) -> str:
    """Bring full-width letters, digits and signs to their common form."""
    return unicodedata.normalize("NFKC", text)


def _straighten(text: str) -> str:
    # U+2212 is what many input methods give for a hyphen; NFKC leaves it.
    return text.replace("−", "-").replace("―", "-")


@dataclass(frozen=True, slots=True)
class SearchTerms:
    """One typed text, folded in every way in which it might have been meant; empty where it cannot have been."""

    text: str
    code: str
    phone: str
    email: str
    words: tuple[str, ...]


def search_terms(typed: str) -> SearchTerms:
    """Fold what a person typed into a search box; only its beginning counts."""
    try:
        usable = clean(typed)[:SEARCH_LENGTH]
    except TextUnusable:
        usable = ""
    folded = (text_key(word) for word in fold_width(usable).split()[:SEARCH_WORDS])
    words = tuple(dict.fromkeys(word for word in folded if word))
    phone = phone_key(usable)
    is_phone = len(phone) >= SHORTEST_PHONE and not _NOT_IN_PHONE.search(fold_width(usable))
    return SearchTerms(
        text=text_key(usable),
        code=code_key(usable),
        phone=phone if is_phone else "",
        email=fold_width(usable).lower() if "@" in fold_width(usable) else "",
        words=words if len(words) > 1 else (),
    )
