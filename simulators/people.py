"""Who lives and works in the town: premises, parties, households, accounts and agreements."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random

import jaconv

from simulators import names, places
from simulators.book import (
    Account,
    Agreement,
    Channel,
    DebitMandate,
    Household,
    HouseholdMember,
    Party,
    PaymentMethod,
    Point,
    PointParty,
    Service,
)
from simulators.habits import Kind

ONE_SERVICE_ONLY = 8  # premises with water alone, and as many with power alone
BUILDING_UNITS = 8
BUILDINGS_AT = (16, 56, 96, 176, 216, 256)  # the first premises of each block of flats
MANAGER_PAYS_WATER_AT = (56, 216)
MOVED_IN_AT = (33, 71, 118, 149, 203, 271)  # premises whose people changed within the last year

HOME_KINDS: tuple[Kind, ...] = ("family", "couple", "elderly", "single", "shop", "restaurant", "office")
HOME_SHARES = (40, 16, 20, 8, 8, 3, 5)
FLAT_KINDS: tuple[Kind, ...] = ("single", "couple", "elderly", "family")
FLAT_SHARES = (50, 28, 14, 8)
METHODS: tuple[PaymentMethod, ...] = ("slip", "debit", "card", "transfer", "cash")
METHOD_SHARES = (36, 32, 22, 6, 4)
AMPERES: dict[Kind, tuple[int, ...]] = {
    "family": (40, 50, 60), "couple": (30, 40), "single": (10, 15, 20, 30), "elderly": (30, 40),
    "shop": (50, 60), "restaurant": (60,), "office": (60,),
}  # fmt: skip
SIZES_MM: dict[Kind, tuple[int, ...]] = {
    "family": (20, 20, 13), "couple": (20, 13), "single": (13,), "elderly": (13, 20),
    "shop": (20, 25), "restaurant": (25, 40), "office": (25, 40),
}  # fmt: skip
BANKS = (("9001", "ﾋﾉﾃﾞ", "001", "ﾎﾝﾃﾝ"), ("9001", "ﾋﾉﾃﾞ", "002", "ﾐﾖｼﾉ"), ("9002", "ﾀﾏｼﾝｷﾝ", "044", "ﾋﾗｲ"),
         ("9003", "ｱｷｶﾞﾜ", "115", "ｵｵｸﾉ"))  # fmt: skip


@dataclass(frozen=True, slots=True)
class Premise:
    """A home, shop or office: its people's kind, how much more than usual they use, and its points."""

    kind: Kind
    water_factor: float
    power_factor: float
    water_point: str | None
    electricity_point: str | None
    party_number: str  # who lives or works there now


@dataclass(slots=True)
class People:
    """All that is made while walking through the town, street by street."""

    rng: Random
    starts_at: datetime
    parties: list[Party] = field(default_factory=list)
    households: list[Household] = field(default_factory=list)
    channels: list[Channel] = field(default_factory=list)
    points: list[Point] = field(default_factory=list)
    point_parties: list[PointParty] = field(default_factory=list)
    accounts: list[Account] = field(default_factory=list)
    agreements: list[Agreement] = field(default_factory=list)
    mandates: list[DebitMandate] = field(default_factory=list)
    premises: list[Premise] = field(default_factory=list)
    junction_of: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a premise stands and whether it is a flat in a building."""

    index: int
    area: str
    transformer: str
    address: str
    building: str
    building_at: int | None
    latitude: float
    longitude: float
    junction: str


def settle(*, seed: int, points_per_service: int, starts_at: datetime) -> People:
    """Fill the town with people; the same seed gives the same people."""
    people = People(rng=Random(seed), starts_at=starts_at)
    total = points_per_service + ONE_SERVICE_ONLY
    landlords: dict[int, str] = {}
    managers = [_firm(people, name) for name in names.MANAGERS]
    manager_accounts = {party: _account(people, party, _long_ago(people), "transfer") for party in managers}
    for index in range(total):
        place = _place(people.rng, index=index, total=total)
        has_water = index < points_per_service
        has_power = index < points_per_service - ONE_SERVICE_ONLY or not has_water
        owner = manager = None
        if place.building_at is not None:
            owner = landlords.setdefault(place.building_at, "") or _person(people)[0]
            landlords[place.building_at] = owner
            manager = managers[BUILDINGS_AT.index(place.building_at) % len(managers)]
        water_account = (
            manager_accounts[manager] if manager is not None and place.building_at in MANAGER_PAYS_WATER_AT else None
        )
        _premise(
            people, place=place, has_water=has_water, has_power=has_power,
            owner=owner, manager=manager, water_account=water_account,
        )  # fmt: skip
    return people


def _place(rng: Random, *, index: int, total: int) -> _Place:
    area_index, within = divmod(index * len(places.AREAS), total)
    area = places.AREAS[area_index]
    junction_index = within * places.ROWS * places.COLUMNS // total
    building_at = next((at for at in BUILDINGS_AT if at <= index < at + BUILDING_UNITS), None)
    first = index if building_at is None else building_at
    row, column = divmod(junction_index, places.COLUMNS)
    junction = next(j for j in places.junctions() if j.name == f"{area}-J{junction_index + 1:02d}")
    latitude, longitude = places.coordinates(
        east_m=junction.east_m + rng.uniform(-30, 30), north_m=junction.north_m + rng.uniform(-30, 30)
    )
    number_in_district = index % ((total + 1) // 2)
    transformer = places.TRANSFORMERS[
        min(2, number_in_district * 3 // ((total + 1) // 2)) + (3 if area_index >= 2 else 0)
    ]
    building = ""
    if building_at is not None:
        unit = index - building_at
        building = f"{names.BUILDINGS[BUILDINGS_AT.index(building_at)]} {unit // 4 + 1}0{unit % 4 + 1}号室"
        row, column = divmod((first * 4 % total) * places.ROWS * places.COLUMNS // total, places.COLUMNS)
    return _Place(
        index=index, area=area, transformer=transformer,
        address=places.address(area=area, row=row, block=column * 4 + first % 4 + 1, number=first % 13 + 1),
        building=building, building_at=building_at, latitude=latitude, longitude=longitude, junction=junction.name,
    )  # fmt: skip


def _premise(
    people: People, *, place: _Place, has_water: bool, has_power: bool,
    owner: str | None, manager: str | None, water_account: str | None,
) -> None:  # fmt: skip
    rng = people.rng
    kind = _kind(rng, place=place)
    water = _point(people, place, "water") if has_water else None
    power = _point(people, place, "electricity") if has_power else None
    since = _long_ago(people)
    factors = (rng.uniform(0.75, 1.3), rng.uniform(0.8, 1.25))
    sizes = (rng.choice(SIZES_MM[kind]), rng.choice(AMPERES[kind]))
    moved_at = None
    if place.index in MOVED_IN_AT:
        moved_at = people.starts_at - timedelta(days=rng.randrange(70, 330))
        _occupy(people, kind=kind, points=(water, power), sizes=sizes, since=since, until=moved_at,
                owner=owner, manager=manager, water_account=water_account, place=place)  # fmt: skip
    party = _occupy(people, kind=kind, points=(water, power), sizes=sizes, since=moved_at or since, until=None,
                    owner=owner, manager=manager, water_account=water_account, place=place)  # fmt: skip
    people.premises.append(Premise(kind, *factors, water, power, party))


def _kind(rng: Random, *, place: _Place) -> Kind:
    if place.index == 0:
        return "family"  # the home of the demo's customer
    if place.building_at is not None:
        return rng.choices(FLAT_KINDS, FLAT_SHARES)[0]
    return rng.choices(HOME_KINDS, HOME_SHARES)[0]


def _occupy(
    people: People, *, kind: Kind, points: tuple[str | None, str | None], sizes: tuple[int, int],
    since: datetime, until: datetime | None, owner: str | None, manager: str | None,
    water_account: str | None, place: _Place,
) -> str:  # fmt: skip
    """Let somebody move in: parties, roles, account and agreements; return who it is."""
    rng = people.rng
    party = _firm_of(people, kind) if kind in ("shop", "restaurant", "office") else _household(people, kind, since)
    method = "slip" if place.index == 0 else rng.choices(METHODS, METHOD_SHARES)[0]
    own = _account(people, party, since, method, closed_at=until)
    apart = _account(people, party, since, method, closed_at=until) if rng.random() < 0.05 and place.index else own
    size_mm, amperes = sizes
    for point, service, account in ((points[0], "water", water_account or own), (points[1], "electricity", apart)):
        if point is None:
            continue
        payer = next(a.party_number for a in people.accounts if a.account_number == account)
        roles = (("user", party), ("payer", payer), ("owner", owner or party), ("manager", manager))
        people.point_parties += [
            PointParty(point, who, role, since, until)  # type: ignore[arg-type]
            for role, who in roles
            if who is not None
        ]
        is_water = service == "water"
        people.agreements.append(
            Agreement(
                account,
                point,
                "jp-tokyo" if is_water else "jp-tepco-b",
                "general",
                size_mm if is_water else None,
                None if is_water else amperes,
                since,
                until,
            )
        )
    return party


def _point(people: People, place: _Place, service: Service) -> str:
    leading = "10" if service == "water" else "20"
    number = f"{leading}{sum(p.service == service for p in people.points) + 1:05d}"
    district = places.DISTRICT_OF[place.area]
    people.points.append(
        Point(
            number,
            service,
            place.area if service == "water" else place.transformer,
            district,
            places.POSTCODES[district],
            place.address,
            place.building,
            place.latitude,
            place.longitude,
        )
    )
    people.junction_of[number] = place.junction
    return number


def _household(people: People, kind: Kind, since: datetime) -> str:
    family = people.rng.choice(names.FAMILY)
    head, given = _person(people, family=family)
    members = [HouseholdMember(head, "head")]
    if kind in ("family", "couple") or (kind == "elderly" and people.rng.random() < 0.5):
        members.append(HouseholdMember(_person(people, family=family, unlike=given)[0], "spouse"))
    if kind == "family" and people.rng.random() < 0.4:
        members.append(HouseholdMember(_person(people, family=family)[0], "member"))
    people.households.append(Household(f"{family.written}家", tuple(members), since))
    return head


def _person(
    people: People, *, family: names.Name | None = None, unlike: names.Name | None = None
) -> tuple[str, names.Name]:
    rng = people.rng
    family = family or rng.choice(names.FAMILY)
    pool = names.MEN if unlike in names.WOMEN or (unlike is None and rng.random() < 0.6) else names.WOMEN
    given = rng.choice(pool)
    number = _party_number(people)
    locale = "en" if family.written in ("王", "グエン") else "ja"
    people.parties.append(
        Party(
            number,
            "person",
            f"{family.written} {given.written}",
            f"{family.kana} {given.kana}",
            f"{given.latin} {family.latin}",
            locale,
        )
    )
    _reach(people, number, mail_name=f"{given.latin}.{family.latin}".lower())
    return number, given


def _firm_of(people: People, kind: Kind) -> str:
    pool = {"shop": names.SHOPS, "restaurant": names.RESTAURANTS}.get(kind, names.OFFICES)
    return _firm(people, people.rng.choice(pool))


def _firm(people: People, name: names.Name) -> str:
    number = _party_number(people)
    count = sum(p.name.startswith(name.written) for p in people.parties)
    branch = "" if count == 0 else f" {count + 1}号店"
    branch_kana = "" if count == 0 else f" {count + 1}ゴウテン"
    latin = name.latin.replace("-", " ") + (f" No. {count + 1}" if count else "")
    people.parties.append(Party(number, "firm", name.written + branch, name.kana + branch_kana, latin, "ja"))
    _reach(people, number, mail_name=f"info.{name.latin}".lower().replace("'", ""))
    return number


def _reach(people: People, number: str, *, mail_name: str) -> None:
    """Give the party a telephone, and mostly e-mail and short messages too."""
    rng = people.rng
    mobile = f"090-{rng.randrange(10_000):04d}-{rng.randrange(10_000):04d}"
    land = f"042-597-{rng.randrange(10_000):04d}"
    prefers_mail = rng.random() < 0.6
    people.channels.append(Channel(number, "phone", land if rng.random() < 0.4 else mobile, not prefers_mail))
    if rng.random() < 0.7:
        people.channels.append(Channel(number, "sms", mobile, False))
    if prefers_mail:
        people.channels.append(Channel(number, "email", f"{mail_name}.{number.lower()}@example.jp", True))


def _account(
    people: People, party: str, opened_at: datetime, method: PaymentMethod, *, closed_at: datetime | None = None
) -> str:
    number = f"{3_000_001 + len(people.accounts)}"
    people.accounts.append(Account(number, party, method, opened_at, closed_at))
    if method == "debit":
        rng = people.rng
        bank = rng.choice(BANKS)
        kana = next(p.name_kana for p in people.parties if p.party_number == party)
        holder = jaconv.z2h(kana, kana=True, digit=True, ascii=True).upper().translate(_LARGE_KANA)[:30]
        people.mandates.append(
            DebitMandate(
                number, *bank, "1" if rng.random() < 0.9 else "2", f"{rng.randrange(1, 10_000_000):07d}", holder
            )
        )
    return number


_LARGE_KANA = str.maketrans("ｧｨｩｪｫｬｭｮｯー・", "ｱｲｳｴｵﾔﾕﾖﾂ-.")


def _party_number(people: People) -> str:
    return f"P{len(people.parties) + 1:05d}"


def _long_ago(people: People) -> datetime:
    """Pick the first of a month, two to ten years before the start."""
    months = people.rng.randrange(26, 120)
    year, month = divmod(people.starts_at.year * 12 + people.starts_at.month - 1 - months, 12)
    # Midnight in the town is 15:00 UTC of the day before.
    return datetime(year, month + 1, 1, tzinfo=people.starts_at.tzinfo) - timedelta(hours=9)
