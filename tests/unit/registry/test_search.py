"""What people type is folded to what is stored."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.domain.search import channel_key, code_key, name_key, phone_key, search_terms, text_key

KATAKANA = st.text(alphabet=[chr(c) for c in range(0x30A2, 0x30F4)], min_size=1, max_size=12)


@pytest.mark.parametrize("typed", ["ヤマダタロウ", "やまだたろう", "ﾔﾏﾀﾞ ﾀﾛｳ", "ヤマダ　タロウ", " やまだ・タロウ "])
def test_kana_of_any_kind_is_one_key(typed: str) -> None:
    assert text_key(typed) == "ヤマダタロウ"


@given(KATAKANA)
def test_hiragana_finds_what_was_stored_in_katakana(kana: str) -> None:
    hiragana = "".join(chr(ord(c) - 0x60) if ord(c) <= 0x30F6 else c for c in kana)
    assert text_key(hiragana) == text_key(kana)


@pytest.mark.parametrize(("typed", "stored"), [("高橋", "髙橋"), ("渡辺", "渡邊"), ("渡邉", "渡邊"), ("山崎", "山﨑")])
def test_variant_kanji_of_a_name_count_as_the_common_one(typed: str, stored: str) -> None:
    assert text_key(typed) == text_key(stored)


@pytest.mark.parametrize("typed", ["１－２－３", "1−2−3", "1-2-3", "１‐２‐３", "1 - 2 - 3"])
def test_hyphens_of_an_address_may_be_typed_any_way(typed: str) -> None:
    assert text_key(typed) == "123"


@pytest.mark.parametrize(
    "typed",
    [
        "090-1234-5678", "09012345678", "０９０−１２３４−５６７８", "(090) 1234 5678", "+81 90-1234-5678",
        "+81 (0)90 1234 5678", "＋81-90-1234-5678", "010-81-90-1234-5678",
    ],
)  # fmt: skip
def test_a_telephone_number_may_be_typed_any_way(typed: str) -> None:
    assert phone_key(typed) == "09012345678"
    assert search_terms(typed).phone == "09012345678"


@given(st.integers(10**8, 10**10 - 1), st.data())
def test_a_telephone_number_is_the_same_wherever_it_is_cut(number: int, data: st.DataObject) -> None:
    digits = f"0{number}"
    cut = data.draw(st.integers(1, len(digits) - 1))
    assert phone_key(f"{digits[:cut]}-{digits[cut:]}") == phone_key(digits)


@pytest.mark.parametrize("typed", ["W-00012", "w00012", "Ｗ－０００１２", "W 00012", "W.00_012"])
def test_separators_in_a_number_do_not_matter(typed: str) -> None:
    assert code_key(typed) == "w00012"


@pytest.mark.parametrize("typed", ["3-2", "日の出町1-2-3", "W-00012"])
def test_what_is_no_telephone_number_is_not_searched_as_one(typed: str) -> None:
    assert search_terms(typed).phone == ""


@given(st.text(max_size=300))
def test_whatever_is_typed_gives_terms_that_can_be_searched(typed: str) -> None:
    terms = search_terms(typed)
    for key in (terms.text, terms.code, terms.phone, terms.email, *terms.words):
        assert "\0" not in key
        key.encode()
    assert len(terms.words) <= 5


@pytest.mark.parametrize("typed", ["", "  \t　", "\0", "\ud800", "---"])
def test_a_text_without_meaning_gives_no_terms(typed: str) -> None:
    terms = search_terms(typed)
    assert (terms.text, terms.code, terms.phone, terms.words) == ("", "", "", ())


def test_the_parts_of_a_name_stay_apart() -> None:
    assert name_key(name="山|田", name_kana="やまだ", name_latin="YAMADA") == "山田|ヤマダ|yamada"


def test_an_e_mail_address_is_folded_to_lower_case_only() -> None:
    assert channel_key(kind="email", address=" Taro.Yamada@Example.JP ") == "taro.yamada@example.jp"
