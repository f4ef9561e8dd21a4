"""What a meter said last, as one line of a page and as the message that replaces this line."""

from dataclasses import dataclass
from functools import cache, lru_cache
from zoneinfo import ZoneInfo

from markupsafe import escape

from customer_app.formats import Formats
from customer_app.live_readings import Write
from customer_app.live_viewer import ShownMeter
from customer_app.rendering import Renderer
from customer_app.visit import Visit
from ingest_gateway import queries as ingest_queries
from ingest_gateway.queries import NewestReading
from kernel.i18n import translator
from registry.queries import InstalledMeter

PARTIAL = "parts/reading.html"
FORMS_KEPT = 20_000
MARKS = ("\x001\x00", "\x002\x00", "\x003\x00", "\x004\x00")  # instant, at, register, flow: no text holds them


@dataclass(frozen=True, slots=True)
class ReadingLine:
    """The newest reading of a meter, ready to print; `instant` empty: it has sent none yet."""

    meter_id: int
    serial: str
    instant: str = ""  # for machines, to the microsecond
    at: str = ""
    register: str = ""
    flow: str = ""


def line(visit: Visit, meter: InstalledMeter) -> ReadingLine:
    """Make the line that a page begins with."""
    found = ingest_queries.newest_readings(visit.conn, utility_id=visit.utility_id, meter_ids=[meter.meter_id])
    if not found:
        return ReadingLine(meter.meter_id, meter.serial)
    return written(found[0], shown(visit, meter), formats=visit.formats)


def reading_topics(*lines: ReadingLine | None) -> tuple[str, ...]:
    """Name the topics under which these lines are sent anew."""
    return tuple(f"reading:{one.meter_id}" for one in lines if one is not None)


def shown(visit: Visit, meter: InstalledMeter) -> ShownMeter:
    """Say what it takes to write this meter's readings later, without the visit."""
    return ShownMeter(meter.meter_id, meter.serial, meter.kind, meter.unit, meter.scale, visit.utility.zone)


def written(reading: NewestReading, meter: ShownMeter, *, formats: Formats) -> ReadingLine:
    """Write what a meter said."""
    register, flow = "", ""
    if reading.register is not None:
        register = formats.quantity(reading.register, scale=meter.scale, unit=meter.unit)
    if reading.flow is not None:
        flow = f"{formats.number(reading.flow)} {'L/h' if meter.service == 'water' else 'W'}"
    return ReadingLine(
        meter.meter_id, meter.serial, reading.read_at.isoformat(), formats.datetime(reading.read_at), register, flow
    )


def writer(renderer: Renderer) -> Write:
    """Give what writes the message for a page.

    The partial is rendered once for each meter and language, with marks where the values go: a thousand readings a
    second are then a few replacements each. So the partial may ask whether a value is there, but not what it is.
    """

    @cache
    def formats_of(locale: str, zone: ZoneInfo) -> Formats:
        return Formats(locale=locale, zone=zone, currency="", translate=translator(locale))

    @lru_cache(maxsize=FORMS_KEPT)
    def form(meter: ShownMeter, locale: str, *, has_register: bool, has_flow: bool) -> str:
        marked = ReadingLine(
            meter.meter_id,
            meter.serial,
            *MARKS[:2],
            register=MARKS[2] if has_register else "",
            flow=MARKS[3] if has_flow else "",
        )
        html = renderer.part(PARTIAL, reading=marked, translate=formats_of(locale, meter.zone).translate)
        target = f'<hx-partial hx-target="#reading-{meter.meter_id}" hx-swap="outerMorph">{html}</hx-partial>'
        return f"data: {target.replace(chr(10), ' ')}\n\n"

    def write(reading: NewestReading, meter: ShownMeter, locale: str) -> bytes:
        line = written(reading, meter, formats=formats_of(locale, meter.zone))
        message = form(meter, locale, has_register=bool(line.register), has_flow=bool(line.flow))
        for mark, text in zip(MARKS, (line.instant, line.at, line.register, line.flow), strict=True):
            message = message.replace(mark, escape(text))
        return message.encode()

    return write
