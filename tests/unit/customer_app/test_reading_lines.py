"""The message that replaces a line of a page says what the page itself would."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from customer_app.formats import Formats
from customer_app.live_viewer import ShownMeter
from customer_app.reading_lines import PARTIAL, writer, written
from customer_app.rendering import Renderer
from customer_app.statics import Statics
from ingest_gateway.queries import NewestReading
from kernel.i18n import translator

AT = datetime(2026, 6, 1, 3, 4, 5, 678_000, tzinfo=UTC)
TOKYO = ZoneInfo("Asia/Tokyo")
WATER = ShownMeter(17, "W<17>&", "water", "m3", -3, TOKYO)
ELECTRICITY = ShownMeter(18, "E18", "electricity", "kWh", -3, TOKYO)


@pytest.fixture(scope="module")
def renderer() -> Renderer:
    return Renderer(Statics())


@pytest.mark.parametrize("locale", ["en", "ja"])
@pytest.mark.parametrize("meter", [WATER, ELECTRICITY])
@pytest.mark.parametrize(("register", "flow"), [(123_456, 12.0), (None, 0.0), (0, None), (None, None)])
def test_a_message_holds_the_partial_of_the_page(
    renderer: Renderer, locale: str, meter: ShownMeter, register: int | None, flow: float | None
) -> None:
    reading = NewestReading(meter.meter_id, AT, register, flow)
    formats = Formats(locale=locale, zone=TOKYO, currency="JPY", translate=translator(locale))
    line = written(reading, meter, formats=formats)
    partial = renderer.part(PARTIAL, reading=line, translate=formats.translate).replace("\n", " ")
    message = writer(renderer)(reading, meter, locale).decode()
    expected = (
        f'data: <hx-partial hx-target="#reading-{meter.meter_id}" hx-swap="outerMorph">{partial}</hx-partial>\n\n'
    )
    assert message == expected
    assert 'datetime="2026-06-01T03:04:05.678000+00:00"' in message
    assert "W<17>" not in message


def test_a_message_is_one_line_so_that_the_stream_stays_whole(renderer: Renderer) -> None:
    message = writer(renderer)(NewestReading(17, AT, 1, 1.0), WATER, "en")
    assert message.count(b"\n") == 2
    assert message.endswith(b"\n\n")
