"""Charts: what they promise to a reader and to a screen reader."""

import re
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from customer_app import charts
from customer_app.charts import Band, Bar, Line

SVG = "{http://www.w3.org/2000/svg}"
HEIGHTS = st.one_of(st.none(), st.floats(0, 1e9, allow_nan=False))


def parsed(markup: str) -> ElementTree.Element:
    return ElementTree.fromstring(str(markup).replace("<svg", '<svg xmlns="http://www.w3.org/2000/svg"', 1))


def bars_of(tree: ElementTree.Element) -> list[ElementTree.Element]:
    return [rect for rect in tree.iter(f"{SVG}rect") if rect.get("class", "").startswith("bar-main")]


@given(heights=st.lists(HEIGHTS, max_size=40))
def test_every_bar_stays_inside_the_chart(heights: list[float | None]) -> None:
    bars = [Bar(label=str(number), height=height, text="x") for number, height in enumerate(heights)]
    tree = parsed(charts.bar_chart(title="t", description="d", bars=bars, unit="L"))
    for rect in bars_of(tree):
        assert float(rect.get("y", "")) >= charts.TOP - 2
        assert float(rect.get("y", "")) + float(rect.get("height", "")) <= 210
        assert 0 <= float(rect.get("x", "").rstrip("%")) <= 100


@given(highest=st.floats(1e-6, 1e12))
def test_the_axis_ends_at_a_round_figure_not_far_above_the_highest_bar(highest: float) -> None:
    top = charts.nice_top(highest)
    assert highest * 0.99999 <= top <= highest * 2.0001
    assert re.fullmatch(r"[1-9][246]?0*", f"{top:e}".split("e", maxsplit=1)[0].replace(".", ""))


def test_each_bar_tells_its_figure_and_what_it_is_compared_with() -> None:
    bar = Bar(label="17 June", height=3.0, text="3 L", before=4.0, before_text="4 L")
    assert "<title>17 June: 3 L (4 L)</title>" in charts.bar_chart(title="t", description="d", bars=[bar], unit="L")


def test_text_from_outside_cannot_become_markup() -> None:
    bar = Bar(label="<script>", height=1.0, text="&")
    markup = charts.bar_chart(title="<b>", description="<i>", bars=[bar], unit="<u>")
    assert not re.search(r"<(script|b|i|u)>", markup)
    parsed(markup)


def test_an_hour_without_a_reading_is_marked_and_not_drawn_as_nothing() -> None:
    tree = parsed(
        charts.bar_chart(title="t", description="d", unit="L", bars=[Bar("1", None, "?"), Bar("2", 0.0, "0")])
    )
    assert [rect.get("class") for rect in bars_of(tree)] == ["bar-main gap"]


def test_a_line_breaks_where_readings_are_missing() -> None:
    line = Line("pressure", (300.0, 301.0, None, 299.0))
    markup = charts.line_chart(
        title="t", description="d", lines=[line], axis=["0"], unit="kPa", band=Band(150.0, 740.0)
    )
    assert len(re.findall("<polyline", markup)) == 2
    assert 'class="band"' in markup


@pytest.mark.parametrize("count", [1, 7, 24, 31])
def test_no_more_labels_than_fit_across_a_phone(count: int) -> None:
    bars = [Bar(label=str(number), height=1.0, text="1") for number in range(count)]
    tree = parsed(charts.bar_chart(title="t", description="d", bars=bars, unit="L"))
    below = [text for text in tree.iter(f"{SVG}text") if text.get("text-anchor") == "middle"]
    assert 1 <= len(below) <= charts.AXIS_LABELS


def test_charts_carry_no_inline_style() -> None:
    assert "style=" not in charts.sparkline(title="t", heights=[1.0, None, 2.0])
