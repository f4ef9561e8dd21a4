"""A small town that is the same for everyone who builds it from the same seed."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import partial
from random import Random
from types import MappingProxyType
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from simulators import habits, people, places, use
from simulators.book import (
    Account,
    Agreement,
    Channel,
    DebitMandate,
    Household,
    Installation,
    Meter,
    Party,
    Point,
    PointParty,
    Sender,
    Zone,
)
from simulators.habits import Kind, PayHabit
from simulators.people import People, Premise

if TYPE_CHECKING:
    from simulators.history import History

ZONE = ZoneInfo("Asia/Tokyo")
DEFAULT_SEED = 20_260_401
DEFAULT_START = date(2026, 3, 29)
HISTORY_DAYS = 426  # 14 months

WATER_DIGITS, ELECTRICITY_DIGITS = 9, 10
DIRECT_METERS = 60
CONCENTRATORS = 20
EXCHANGED_EVERY = 75  # of each service's meters, one in so many was exchanged within the last year
ROLLS_OVER_AT = (40, 90)  # indices of a water and an electricity point whose register passes its end in the history
CUSTOMER_PREMISE = 0


@dataclass(frozen=True, slots=True)
class Town:
    """Everything the utility knows of the town, and what only the town knows: habits, and where each tap hangs."""

    seed: int
    starts_on: date  # the first local day that is lived, not remembered
    zones: tuple[Zone, ...]
    parties: tuple[Party, ...]
    households: tuple[Household, ...]
    channels: tuple[Channel, ...]
    points: tuple[Point, ...]
    point_parties: tuple[PointParty, ...]
    accounts: tuple[Account, ...]
    agreements: tuple[Agreement, ...]
    meters: tuple[Meter, ...]
    installations: tuple[Installation, ...]
    senders: tuple[Sender, ...]
    mandates: tuple[DebitMandate, ...]
    premises: tuple[Premise, ...]
    junction_of: Mapping[str, str]  # water point → junction of the mains
    register_base: Mapping[str, int]  # meter → its register less the use model's count at its point
    customer_party: str  # who signs in as `customer`: a family with water and power
    arrears_party: str  # who signs in as `customer2`: pays only when cut off

    @property
    def starts_at(self) -> datetime:
        return local_midnight(self.starts_on)

    @property
    def history_from(self) -> datetime:
        """Return the earliest moment for which the meters' registers are known."""
        return local_midnight(self.starts_on - timedelta(days=HISTORY_DAYS))

    def history(self, first: datetime, until: datetime) -> "History":
        """Give the meters' readings from `first` up to, not including, `until`: see simulators.history."""
        from simulators import history  # brings the water network's solver, which takes seconds to load

        return history.readings(self, first=first, until=until)

    def pay_habit(self, account_number: str) -> PayHabit:
        """Tell how the debtor of an account pays."""
        if account_number in self.arrears_accounts():
            return "until_suspended"
        if account_number == self.customer_account():
            return "prompt"
        return habits.pay_habit(self.seed, account_number=account_number)

    def days_until_payment(self, account_number: str, *, issued_on: date, days_to_pay: int = 20) -> int | None:
        """Tell on which day after its issue a bill is paid; None: not before the supply is suspended."""
        return habits.days_until_payment(
            self.seed,
            habit=self.pay_habit(account_number),
            account_number=account_number,
            bill_key=issued_on.toordinal(),
            days_to_pay=days_to_pay,
        )

    def customer_account(self) -> str:
        return next(a.account_number for a in self.accounts if a.party_number == self.customer_party)

    def arrears_accounts(self) -> tuple[str, ...]:
        return tuple(a.account_number for a in self.accounts if a.party_number == self.arrears_party)


def local_midnight(day: date) -> datetime:
    """Give the instant at which a day of the town begins."""
    return datetime(day.year, day.month, day.day, tzinfo=ZONE).astimezone(UTC)


def build(*, seed: int, points_per_service: int = 300, starts_on: date = DEFAULT_START) -> Town:
    """Describe the town; the same arguments give the same town, to the last digit."""
    starts_at = local_midnight(starts_on)
    settled = people.settle(seed=seed, points_per_service=points_per_service, starts_at=starts_at)
    rng = Random(seed + 1)
    meters, installations, bases = _install(rng, settled=settled, starts_on=starts_on, seed=seed)
    current = [i.serial for i in installations if i.valid_to is None]
    return Town(
        seed=seed,
        starts_on=starts_on,
        zones=places.zones(),
        parties=tuple(settled.parties),
        households=tuple(settled.households),
        channels=tuple(settled.channels),
        points=tuple(settled.points),
        point_parties=tuple(settled.point_parties),
        accounts=tuple(settled.accounts),
        agreements=tuple(settled.agreements),
        meters=tuple(meters),
        installations=tuple(installations),
        senders=_senders(current),
        mandates=tuple(settled.mandates),
        premises=tuple(settled.premises),
        junction_of=MappingProxyType(settled.junction_of),
        register_base=MappingProxyType(bases),
        customer_party=settled.premises[CUSTOMER_PREMISE].party_number,
        arrears_party=_one_in_arrears(settled),
    )


def _one_in_arrears(settled: People) -> str:
    """Find a household of its own, in the customer's district, that pays its own water and power by slip."""
    own = {a.party_number for a in settled.accounts if a.payment_method == "slip"}
    rented = {p.point_number for p in settled.point_parties if p.role == "manager"}
    for premise in settled.premises[CUSTOMER_PREMISE + 1 :]:
        has_both = premise.water_point is not None and premise.electricity_point is not None
        is_home = premise.kind in ("family", "couple", "single") and premise.water_point not in rented
        if has_both and is_home and premise.party_number in own:
            return premise.party_number
    raise AssertionError("a town of this size has a household that pays by slip")


def _install(
    rng: Random, *, settled: People, starts_on: date, seed: int
) -> tuple[list[Meter], list[Installation], dict[str, int]]:
    """Give every point its meter, and some points the one they had before."""
    kinds: dict[str, Kind] = {}
    for premise in settled.premises:
        kinds |= {point: premise.kind for point in (premise.water_point, premise.electricity_point) if point}
    model = use.UseModel.of_people(seed=seed, premises=settled.premises, starts_on=starts_on)
    meters: list[Meter] = []
    installations: list[Installation] = []
    bases: dict[str, int] = {}
    counts = {"water": 0, "electricity": 0}
    for point in settled.points:
        index = counts[point.service]
        counts[point.service] += 1
        letter = point.service[0].upper()
        make = partial(_meter, rng, service=point.service, kind=kinds[point.point_number], starts_on=starts_on)
        meter = make(serial=f"{letter}-{index + 1:04d}", is_first=index == 0)
        installed_at = model.known_from - timedelta(days=rng.randrange(30, 1800), hours=-11)
        rolls_over = index == ROLLS_OVER_AT[point.service == "electricity"]
        shown = _register_then(model, point.point_number, meter, since=installed_at, rolls_over=rolls_over)
        if index % EXCHANGED_EVERY == 20:
            old = make(serial=f"{letter}-{901 + index // EXCHANGED_EVERY:04d}", is_first=False)
            exchanged_at = local_midnight(starts_on - timedelta(days=rng.randrange(50, 300))) + timedelta(hours=10)
            used = model.total(point.point_number, at=exchanged_at)
            meters.append(old)
            installations.append(
                Installation(old.serial, point.point_number, installed_at, exchanged_at, 0, shown + used)
            )
            bases[old.serial], shown, installed_at = shown, -used, exchanged_at
        opening = shown if rolls_over else 0
        installations.append(Installation(meter.serial, point.point_number, installed_at, None, opening, None))
        bases[meter.serial] = shown
        meters.append(meter)
    return meters, installations, bases


def _register_then(model: use.UseModel, point: str, meter: Meter, *, since: datetime, rolls_over: bool) -> int:
    """Tell what the register shows where the known history begins."""
    if rolls_over:  # two months before the start
        return 10**meter.digits - model.total(point, at=model.known_from + timedelta(days=HISTORY_DAYS - 60))
    days = (model.known_from - since) / timedelta(days=1)
    return int(days * model.mean_day(point))


def _meter(rng: Random, *, service: str, serial: str, kind: Kind, is_first: bool, starts_on: date) -> Meter:
    is_water = service == "water"
    three_phases = not is_water and kind in ("restaurant", "office") and rng.random() < 0.5
    years = 8 if is_water else 10
    return Meter(
        serial=serial,
        kind="water" if is_water else "electricity",
        unit="m3" if is_water else "kWh",
        scale=-3,
        digits=WATER_DIGITS if is_water else ELECTRICITY_DIGITS,
        technology="ultrasonic" if is_water else "electronic",
        interval_s=3600,
        phases=3 if three_phases else 1,
        nominal_v=None if is_water else (202.0 if three_phases else 101.0),
        has_pressure=is_water and (is_first or rng.random() < 0.5),
        has_actuator=is_first or rng.random() < 0.85,
        verification_expires_on=date(starts_on.year + rng.randrange(0, years), rng.randrange(1, 13), 28),
    )


def _senders(current: list[str]) -> tuple[Sender, ...]:
    """Let some meters speak for themselves and the rest through the concentrator of their neighbourhood."""
    water = [serial for serial in current if serial.startswith("W")]
    power = [serial for serial in current if serial.startswith("E")]
    step = max(1, len(current) // DIRECT_METERS)
    direct = [serial for serials in (water, power) for serial in serials[step // 2 :: step]]
    rest = [[serial for serial in serials if serial not in set(direct)] for serials in (water, power)]
    half = CONCENTRATORS // 2
    groups = [tuple(serial for serials in rest for serial in _part(serials, n, of=half)) for n in range(half)]
    # Two stand at each place: one hears the even serials, one the odd.
    split = [tuple(serial for at, serial in enumerate(group) if at % 2 == side) for group in groups for side in (0, 1)]
    concentrators = [Sender(f"C-{n:02d}", "concentrator", serials) for n, serials in enumerate(split, start=1)]
    return tuple(concentrators) + tuple(Sender(serial, "meter", (serial,)) for serial in direct)


def _part(serials: list[str], number: int, *, of: int) -> list[str]:
    return serials[len(serials) * number // of : len(serials) * (number + 1) // of]
