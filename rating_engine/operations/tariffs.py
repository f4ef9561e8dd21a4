"""Publishing tariffs, and finding the version that a period is priced by."""

import hashlib
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

from psycopg import Connection
from psycopg.rows import TupleRow

from kernel.period import Period, local_date
from rating_engine.domain.document import parse
from rating_engine.domain.tariff import Tariff
from rating_engine.store import tariffs as store
from registry.queries import Utility


class TariffUnknown(LookupError):
    """No version of the tariff is published for this day."""


@dataclass(frozen=True, slots=True)
class PinnedTariff:
    """A tariff with the version that a bill pins."""

    tariff: Tariff
    version: int
    document_hash: str


def publish_tariff(conn: Connection[TupleRow], *, utility_id: int, document: str, at: datetime) -> int:
    """Publish a tariff document and return its version; the same document again is the version it was.

    `at` is the utility time of publishing; the document itself says from which local day it holds.

    :raises DocumentInvalid: naming the line and the rule that the document breaks
    :raises VersionTaken: if the tariff has another version from the same day
    """
    assert at.tzinfo is not None, "utility time has a zone"
    tariff = parse(document)
    document_hash = hashlib.sha256(document.encode()).digest()
    for known in store.versions(conn, utility_id=utility_id, tariff_code=tariff.code):
        if known.document_hash == document_hash:
            return known.version
    return store.insert(
        conn,
        utility_id=utility_id,
        tariff_code=tariff.code,
        effective_from=tariff.effective_from,
        document=document,
        document_hash=document_hash,
    )


def tariff_for(conn: Connection[TupleRow], *, utility: Utility, tariff_code: str, period: Period) -> PinnedTariff:
    """Find the version that a cycle is priced by: the one in force at its start or at its end, as the newest one says.

    :raises TariffUnknown: if no version was in force
    """
    first = local_date(period.start, zone=utility.zone)
    last = local_date(period.end, zone=utility.zone)
    for known in store.versions(conn, utility_id=utility.utility_id, tariff_code=tariff_code):
        tariff = _parsed(known.document)
        if known.effective_from <= (first if tariff.applies_by == "period_start" else last):
            return PinnedTariff(tariff, known.version, known.document_hash.hex())
    raise TariffUnknown(f"tariff {tariff_code} has no version for {first} to {last}; publish one")


def pinned_tariff(conn: Connection[TupleRow], *, utility_id: int, tariff_code: str, version: int) -> PinnedTariff:
    """Read the version that a bill names.

    :raises TariffUnknown: if there is no such version
    """
    known = store.version(conn, utility_id=utility_id, tariff_code=tariff_code, version=version)
    if known is None:
        raise TariffUnknown(f"tariff {tariff_code} has no version {version}")
    return PinnedTariff(_parsed(known.document), known.version, known.document_hash.hex())


@lru_cache(maxsize=64)
def _parsed(document: str) -> Tariff:
    return parse(document)
