"""What a utility is founded or widened with: rows linked by the numbers people know, not by ids."""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Literal

ZoneKind = Literal["district", "dma", "feeder", "transformer"]
PartyKind = Literal["person", "firm"]
Service = Literal["water", "electricity"]
Supply = Literal["on", "off", "trickle", "unknown"]
PointRole = Literal["customer", "zone_inlet"]  # an inlet measures what flows into its zone
Segment = Literal["residential", "apartment_block", "commercial", "bulk"]
PartyRole = Literal["user", "payer", "owner", "manager"]
ChannelKind = Literal["phone", "sms", "email", "post", "web"]
PaymentMethod = Literal["slip", "card", "debit", "transfer", "cash"]
Relation = Literal["head", "spouse", "member", "other"]
RegisterUnit = Literal["m3", "gal", "ft3", "kWh"]
SenderKind = Literal["meter", "concentrator", "import"]


@dataclass(frozen=True, slots=True)
class ZoneRow:
    """A district (bill runs, routes), a district metered area, a feeder or a transformer (faults)."""

    code: str
    name: str
    kind: ZoneKind
    parent_code: str | None = None


@dataclass(frozen=True, slots=True)
class PartyRow:
    """A person or a firm."""

    party_number: str
    kind: PartyKind
    name: str
    name_kana: str = ""
    name_latin: str = ""
    locale: str = "ja"
    note: str = ""


@dataclass(frozen=True, slots=True)
class HouseholdMemberRow:
    """A party's time in a household."""

    party_number: str
    relation: Relation
    valid_from: datetime
    valid_to: datetime | None = None


@dataclass(frozen=True, slots=True)
class HouseholdRow:
    """Parties that live together."""

    name: str
    members: tuple[HouseholdMemberRow, ...]


@dataclass(frozen=True, slots=True)
class ChannelRow:
    """A way to reach a party."""

    party_number: str
    kind: ChannelKind
    address: str
    preferred: bool = False


@dataclass(frozen=True, slots=True)
class PointRow:
    """A supply point: `zone_code` groups faults, `district_code` bill runs."""

    point_number: str
    service: Service
    zone_code: str
    district_code: str
    address: str
    postcode: str = ""
    building: str = ""
    latitude: float | None = None
    longitude: float | None = None
    supply: Supply = "on"
    supply_since: datetime | None = None
    role: PointRole = "customer"
    segment: Segment = "residential"
    may_export: bool = False


@dataclass(frozen=True, slots=True)
class PointPartyRow:
    """What a party is to a point, for a time."""

    point_number: str
    party_number: str
    role: PartyRole
    valid_from: datetime
    valid_to: datetime | None = None


@dataclass(frozen=True, slots=True)
class AccountRow:
    """What one debtor owes and pays."""

    account_number: str
    party_number: str
    opened_at: datetime
    payment_method: PaymentMethod = "slip"
    closed_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class AgreementRow:
    """An account takes supply at a point by a tariff, for a time."""

    account_number: str
    point_number: str
    tariff_code: str
    valid_from: datetime
    valid_to: datetime | None = None
    customer_class: str = "general"
    size_mm: int | None = None
    capacity_a: int | None = None


@dataclass(frozen=True, slots=True)
class MeterRow:
    """A device; register * 10^scale is in `unit`, and the register has `digits` digits."""

    serial: str
    kind: Service
    unit: RegisterUnit
    scale: int
    digits: int
    technology: str = "ultrasonic"
    interval_s: int = 3600
    phases: int = 1
    nominal_v: float | None = None
    has_pressure: bool = False
    has_actuator: bool = False
    verification_expires_on: date | None = None


@dataclass(frozen=True, slots=True)
class InstallationRow:
    """A meter's time at a point; registers in the meter's least digit."""

    serial: str
    point_number: str
    valid_from: datetime
    valid_to: datetime | None = None
    opening_register: int = 0
    closing_register: int | None = None


@dataclass(frozen=True, slots=True)
class SenderRow:
    """A credential that speaks for the meters named."""

    name: str
    kind: SenderKind
    serials: tuple[str, ...]
    active: bool = True


@dataclass(frozen=True, slots=True)
class Book:
    """Rows to load together; they may refer to rows that the registry holds already."""

    zones: tuple[ZoneRow, ...] = ()
    parties: tuple[PartyRow, ...] = ()
    households: tuple[HouseholdRow, ...] = ()
    channels: tuple[ChannelRow, ...] = ()
    points: tuple[PointRow, ...] = ()
    point_parties: tuple[PointPartyRow, ...] = ()
    accounts: tuple[AccountRow, ...] = ()
    agreements: tuple[AgreementRow, ...] = ()
    meters: tuple[MeterRow, ...] = ()
    installations: tuple[InstallationRow, ...] = ()
    senders: tuple[SenderRow, ...] = ()
