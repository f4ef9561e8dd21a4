"""The simulated town's papers, as the registry takes them."""

from registry import book
from simulators.book import Agreement, Meter, Point
from simulators.town import Town


def book_of(town: Town) -> book.Book:
    """Translate the town's description; natural keys stay as they are."""
    return book.Book(
        zones=tuple(book.ZoneRow(z.code, z.name, z.kind, z.parent) for z in town.zones),
        parties=tuple(
            book.PartyRow(p.party_number, p.kind, p.name, p.name_kana, p.name_latin, p.locale) for p in town.parties
        ),
        households=tuple(
            book.HouseholdRow(
                h.name, tuple(book.HouseholdMemberRow(m.party_number, m.relation, h.valid_from) for m in h.members)
            )
            for h in town.households
        ),
        channels=tuple(book.ChannelRow(c.party_number, c.kind, c.address, c.preferred) for c in town.channels),
        points=tuple(_point(point) for point in town.points),
        point_parties=tuple(
            book.PointPartyRow(p.point_number, p.party_number, p.role, p.valid_from, p.valid_to)
            for p in town.point_parties
        ),
        accounts=tuple(
            book.AccountRow(a.account_number, a.party_number, a.opened_at, a.payment_method, a.closed_at)
            for a in town.accounts
        ),
        agreements=tuple(_agreement(agreement) for agreement in town.agreements),
        meters=tuple(_meter(meter) for meter in town.meters),
        installations=tuple(
            book.InstallationRow(
                i.serial, i.point_number, i.valid_from, i.valid_to, i.opening_register, i.closing_register
            )
            for i in town.installations
        ),
        senders=tuple(book.SenderRow(s.name, s.kind, s.serials) for s in town.senders),
    )


def _point(point: Point) -> book.PointRow:
    return book.PointRow(
        point_number=point.point_number,
        service=point.service,
        zone_code=point.zone,
        district_code=point.district,
        address=point.address,
        postcode=point.postcode,
        building=point.building,
        latitude=point.latitude,
        longitude=point.longitude,
    )


def _agreement(agreement: Agreement) -> book.AgreementRow:
    return book.AgreementRow(
        account_number=agreement.account_number,
        point_number=agreement.point_number,
        tariff_code=agreement.tariff_code,
        valid_from=agreement.valid_from,
        valid_to=agreement.valid_to,
        customer_class=agreement.customer_class,
        size_mm=agreement.size_mm,
        capacity_a=agreement.capacity_a,
    )


def _meter(meter: Meter) -> book.MeterRow:
    return book.MeterRow(
        serial=meter.serial,
        kind=meter.kind,
        unit=meter.unit,
        scale=meter.scale,
        digits=meter.digits,
        technology=meter.technology,
        interval_s=meter.interval_s,
        phases=meter.phases,
        nominal_v=meter.nominal_v,
        has_pressure=meter.has_pressure,
        has_actuator=meter.has_actuator,
        verification_expires_on=meter.verification_expires_on,
    )
