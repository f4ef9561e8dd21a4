"""The audit chain: each link hashes one entry together with the link before it."""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

FIRST_HASH = bytes(32)
CHAIN = "suiden-audit-1"
# An entry becomes visible when its transaction commits, which may be after later ones; none of ours runs this long.
LATE_COMMIT = timedelta(hours=1)
FINDINGS_SHOWN = 100

FindingKind = Literal["changed", "removed", "inserted", "broken", "cut_off"]


class AnchorUnreadable(ValueError):
    """The text is not an anchor of an audit chain."""


@dataclass(frozen=True, slots=True)
class ChainEntry:
    """An audit entry as it is hashed; `detail` is the text that the database gives for it."""

    utility_id: int
    audit_id: int
    recorded_at: datetime
    utility_at: datetime
    actor: str
    login_id: int | None
    remote_address: str
    action: str
    object_kind: str
    object_id: str
    party_id: int | None
    detail: str


@dataclass(frozen=True, slots=True)
class Link:
    """One link of the chain."""

    link_number: int
    audit_id: int
    previous_hash: bytes
    hash: bytes


@dataclass(frozen=True, slots=True)
class AuditAnchor:
    """The end of the chain at some time; kept off this host, it shows a chain that was made anew."""

    utility_code: str
    link_number: int
    hash: bytes

    def __str__(self) -> str:
        return f"{CHAIN}:{self.utility_code}:{self.link_number}:{self.hash.hex()}"

    @classmethod
    def parse(cls, text: str) -> "AuditAnchor":
        """:raises AnchorUnreadable: if the text is not what `str` of an anchor gives"""
        try:
            chain, code, number, digest = text.strip().split(":")
            anchor = cls(code, int(number), bytes.fromhex(digest))
        except ValueError as error:
            raise AnchorUnreadable(f"{text!r} is not an audit anchor; it begins with {CHAIN}:") from error
        if chain != CHAIN or len(anchor.hash) != len(FIRST_HASH):
            raise AnchorUnreadable(f"{text!r} is not an audit anchor of the chain {CHAIN}")
        return anchor


@dataclass(frozen=True, slots=True)
class AuditFinding:
    """One place where the chain does not hold; ids are None where the row is gone."""

    kind: FindingKind
    link_number: int | None
    audit_id: int | None


@dataclass(frozen=True, slots=True)
class AuditVerdict:
    """Whether the audit log is as it was written; `unlinked` entries wait for the next run of the job."""

    links: int
    unlinked: int
    last_hash: bytes
    findings: tuple[AuditFinding, ...]

    @property
    def holds(self) -> bool:
        return not self.findings


def canonical(entry: ChainEntry) -> bytes:
    """Serialise an entry so that the same content always gives the same bytes."""
    fields = [
        CHAIN,
        entry.utility_id,
        entry.audit_id,
        _instant(entry.recorded_at),
        _instant(entry.utility_at),
        entry.actor,
        entry.login_id,
        entry.remote_address,
        entry.action,
        entry.object_kind,
        entry.object_id,
        entry.party_id,
        entry.detail,
    ]
    return json.dumps(fields, ensure_ascii=True, separators=(",", ":")).encode("ascii")


def link_hash(*, previous_hash: bytes, entry: ChainEntry) -> bytes:
    """Hash an entry together with the link before it."""
    return hashlib.sha256(previous_hash + canonical(entry)).digest()


def extend(last: Link | None, entries: Iterable[ChainEntry]) -> list[Link]:
    """Make the links that follow `last`, one for each entry in the order given."""
    links: list[Link] = []
    for entry in entries:
        previous_hash = FIRST_HASH if last is None else last.hash
        number = 1 if last is None else last.link_number + 1
        last = Link(number, entry.audit_id, previous_hash, link_hash(previous_hash=previous_hash, entry=entry))
        links.append(last)
    return links


def check(
    rows: Iterable[tuple[Link, ChainEntry | None]], *, anchors: Sequence[AuditAnchor]
) -> tuple[int, bytes, list[AuditFinding]]:
    """Walk the chain in the order of link numbers; return how many links, the last hash, and what does not hold.

    After a bad link the walk goes on from the hash that stands there, so that each fault is named where it is.
    """
    findings: list[AuditFinding] = []
    wanted: Mapping[int, bytes] = {anchor.link_number: anchor.hash for anchor in anchors}
    number, previous_hash = 0, FIRST_HASH
    for link, entry in rows:
        if link.link_number != number + 1:
            findings.append(AuditFinding("removed", number + 1, None))
        elif link.previous_hash != previous_hash:
            findings.append(AuditFinding("broken", link.link_number, link.audit_id))
        if entry is None:
            findings.append(AuditFinding("removed", link.link_number, link.audit_id))
        elif link_hash(previous_hash=link.previous_hash, entry=entry) != link.hash:
            findings.append(AuditFinding("changed", link.link_number, link.audit_id))
        if wanted.get(link.link_number, link.hash) != link.hash:
            findings.append(AuditFinding("broken", link.link_number, link.audit_id))
        number, previous_hash = link.link_number, link.hash
        del findings[FINDINGS_SHOWN:]
    if any(anchored > number for anchored in wanted):
        findings.append(AuditFinding("cut_off", number + 1, None))
    return number, previous_hash, findings


def _instant(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="microseconds")
