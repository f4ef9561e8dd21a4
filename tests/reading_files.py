"""Files of readings for tests: written in a folder, and read."""

from collections import Counter
from contextlib import suppress
from pathlib import Path
from zoneinfo import ZoneInfo

from ingest_gateway.domain.files.lines import FileLine, FileOptions, FileUnusable
from ingest_gateway.files import source

TOKYO = ZoneInfo("Asia/Tokyo")


def lines_of(
    path: Path, *, zone: ZoneInfo = TOKYO, counted: Counter[str] | None = None, **options: object
) -> list[FileLine]:
    looked_at = source.look_at(path)
    counted = Counter[str]() if counted is None else counted
    chosen = FileOptions(**options)  # pyright: ignore[reportArgumentType]
    return list(source.read(looked_at, zone=zone, options=chosen, left_out=counted, progress=lambda _: None))


def read_or_told(path: Path) -> list[FileLine]:
    """Read a file, or be told in words why it cannot be read; anything else is an error of ours."""
    with suppress(FileUnusable):
        return lines_of(path)
    return []
