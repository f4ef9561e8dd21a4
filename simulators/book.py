"""What the utility knows of the town: parties, points, meters and how they belong together, by natural keys."""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Literal

Service = Literal["water", "electricity"]
PaymentMethod = Literal["slip", "card", "debit", "transfer", "cash"]


@dataclass(frozen=True, slots=True)
class Zone:
    code: str
    name: str
    kind: Literal["district", "dma", "transformer"]
    parent: str | None


@dataclass(frozen=True, slots=True)
class Party:
    party_number: str
    kind: Literal["person", "firm"]
    name: str
    name_kana: str
    name_latin: str
    locale: str


@dataclass(frozen=True, slots=True)
class HouseholdMember:
    party_number: str
    relation: Literal["head", "spouse", "member", "other"]


@dataclass(frozen=True, slots=True)
class Household:
    name: str
    members: tuple[HouseholdMember, ...]
    valid_from: datetime


@dataclass(frozen=True, slots=True)
class Channel:
    party_number: str
    kind: Literal["phone", "sms", "email", "post", "web"]
    address: str
    preferred: bool


@dataclass(frozen=True, slots=True)
class Point:
    point_number: str
    service: Service
    zone: str
    district: str
    postcode: str
    address: str
    building: str
    latitude: float
    longitude: float


@dataclass(frozen=True, slots=True)
class PointParty:
    point_number: str
    party_number: str
    role: Literal["user", "payer", "owner", "manager"]
    valid_from: datetime
    valid_to: datetime | None


@dataclass(frozen=True, slots=True)
class Account:
    account_number: str
    party_number: str
    payment_method: PaymentMethod
    opened_at: datetime
    closed_at: datetime | None


@dataclass(frozen=True, slots=True)
class Agreement:
    account_number: str
    point_number: str
    tariff_code: str
    customer_class: str
    size_mm: int | None
    capacity_a: int | None
    valid_from: datetime
    valid_to: datetime | None


@dataclass(frozen=True, slots=True)
class Meter:
    serial: str
    kind: Service
    unit: Literal["m3", "kWh"]
    scale: int
    digits: int
    technology: str
    interval_s: int
    phases: int
    nominal_v: float | None
    has_pressure: bool
    has_actuator: bool
    verification_expires_on: date


@dataclass(frozen=True, slots=True)
class Installation:
    """A meter at a point for a time; registers are as the meter counts them."""

    serial: str
    point_number: str
    valid_from: datetime
    valid_to: datetime | None
    opening_register: int
    closing_register: int | None


@dataclass(frozen=True, slots=True)
class Sender:
    name: str
    kind: Literal["meter", "concentrator"]
    serials: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class DebitMandate:
    """Which bank account an account is debited from; names are half-width katakana, as in the bank's file."""

    account_number: str
    bank_code: str
    bank_name: str
    branch_code: str
    branch_name: str
    kind: Literal["1", "2"]  # 1 ordinary, 2 current
    number: str
    holder: str
