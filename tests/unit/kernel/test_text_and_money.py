"""Names made comparable, amounts written down."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernel import money, text


@pytest.mark.parametrize(
    ("typed", "stored"),
    [
        ("やまだ", "ヤマダ"),
        ("ﾔﾏﾀﾞ", "ヤマダ"),
        ("YAMADA Taro", "yamadataro"),
        ("山田　太郎", "山田太郎"),
        ("１-２-３", "1-2-3"),
    ],
)
def test_what_is_typed_in_any_form_folds_to_the_same(typed: str, stored: str) -> None:
    assert text.fold(typed) == text.fold(stored)


@given(typed=st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0")))
def test_folding_twice_changes_nothing(typed: str) -> None:
    assert text.fold(text.fold(typed)) == text.fold(typed)


@pytest.mark.parametrize("typed", ["a\0b", "\ud842"])
def test_what_cannot_be_stored_is_refused(typed: str) -> None:
    with pytest.raises(text.TextUnusable):
        text.clean(typed)


def test_variant_kanji_are_kept() -> None:
    assert text.clean("渡邉\U000e0100") == "渡邉\U000e0100"


@pytest.mark.parametrize(
    ("amount_minor", "currency", "locale", "written"),
    [
        (7150, "JPY", "ja", "￥7,150"),
        (7150, "JPY", "en", "¥7,150"),
        (-5, "USD", "en", "-$0.05"),
        (123456, "USD", "en", "$1,234.56"),
    ],
)
def test_amounts_are_written_as_people_write_them(amount_minor: int, currency: str, locale: str, written: str) -> None:
    assert money.format_minor(amount_minor, currency=currency, locale=locale) == written


def test_an_unknown_currency_is_named() -> None:
    with pytest.raises(money.CurrencyUnknown, match="XXX"):
        money.minor_digits("XXX")
