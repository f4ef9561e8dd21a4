"""The bar code, read back by another's reader."""

import re

import numpy as np
import pytest
import zxingcpp
from hypothesis import given, settings
from hypothesis import strategies as st

from customer_app import gs1_128

SLIP = "91990001000000001700000001234026042100045678"


def drawn(digits: str, *, pixels: int = 3) -> np.ndarray:
    """Draw the bars from the path that the page prints."""
    path, width = gs1_128.svg_path(digits)
    picture = np.full((60, width * pixels), 255, dtype=np.uint8)
    for x, bar in re.findall(r"M(\d+) 0h(\d+)v1h-\2z", path):
        picture[:, int(x) * pixels : (int(x) + int(bar)) * pixels] = 0
    return picture


@settings(max_examples=20, deadline=None)
@given(st.from_regex(r"\A91[0-9]{42}\Z"))
def test_a_reader_reads_the_digits_as_gs1(digits: str) -> None:
    found = zxingcpp.read_barcodes(drawn(digits))
    assert [(one.format, one.content_type) for one in found] == [
        (zxingcpp.BarcodeFormat.Code128, zxingcpp.ContentType.GS1)
    ]
    assert found[0].bytes.decode("ascii").replace("\x1d", "") == digits


def test_the_slip_is_as_wide_as_stores_allow() -> None:
    assert sum(int(width) for width in gs1_128.widths(SLIP)) == 288
    _, width = gs1_128.svg_path(SLIP)
    assert width * gs1_128.MODULE_MM <= 60
    assert gs1_128.QUIET_MODULES * gs1_128.MODULE_MM >= 2.54
    assert gs1_128.HEIGHT_MM >= 10


@pytest.mark.parametrize("digits", ["", "123", "12a4", "１２"])
def test_what_is_not_pairs_of_digits_is_refused(digits: str) -> None:
    with pytest.raises(gs1_128.DigitsUnusable):
        gs1_128.widths(digits)
