"""The simulated town's papers, as the registry takes them."""

from registry import book
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
        points=tuple(
            book.PointRow(
                point_number=p.point_number,
                service=p.service,
                zone_code=p.zone,
                district_code=p.district,
                address=p.address,
                postcode=p.postcode,
                building=p.building,
                latitude=p.latitude,
                longitude=p.longitude,
            )
            for p in town.points
        ),
        point_parties=tuple(
            book.PointPartyRow(p.point_number, p.party_number, p.role, p.valid_from, p.valid_to)
            for p in town.point_parties
        ),
        accounts=tuple(
            book.AccountRow(a.account_number, a.party_number, a.opened_at, a.payment_method, a.closed_at)
            for a in town.accounts
        ),
        agreements=tuple(
            book.AgreementRow(
                account_number=a.account_number,
                point_number=a.point_number,
                tariff_code=a.tariff_code,
                valid_from=a.valid_from,
                valid_to=a.valid_to,
                customer_class=a.customer_class,
                size_mm=a.size_mm,
                capacity_a=a.capacity_a,
            )
            for a in town.agreements
        ),
        meters=tuple(
            book.MeterRow(
                serial=m.serial,
                kind=m.kind,
                unit=m.unit,
                scale=m.scale,
                digits=m.digits,
                technology=m.technology,
                interval_s=m.interval_s,
                phases=m.phases,
                nominal_v=m.nominal_v,
                has_pressure=m.has_pressure,
                has_actuator=m.has_actuator,
                verification_expires_on=m.verification_expires_on,
            )
            for m in town.meters
        ),
        installations=tuple(
            book.InstallationRow(
                i.serial, i.point_number, i.valid_from, i.valid_to, i.opening_register, i.closing_register
            )
            for i in town.installations
        ),
        senders=tuple(book.SenderRow(s.name, s.kind, s.serials) for s in town.senders),
    )
