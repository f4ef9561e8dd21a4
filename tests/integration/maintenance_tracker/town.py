"""A small town with crews, and what its checker, crews and customers do."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, LiteralString

from psycopg import Connection
from psycopg.rows import TupleRow
from psycopg.types.json import Jsonb

from kernel.database import Scope, enter_scope
from maintenance_tracker import operations, queries
from registry.book import (
    Book,
    InstallationRow,
    MeterRow,
    PartyRow,
    PointPartyRow,
    PointRow,
    ZoneRow,
)
from registry.operations import add_login, found_utility, load_book

T0 = datetime(2026, 4, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
HOMES = 5


@dataclass
class Town:
    """Five water homes in W1, one in W2; two crews of one login each."""

    conn: Connection[TupleRow]
    utility_id: int
    meters: list[int]
    points: list[int]
    parties: list[int]
    zones: dict[str, int]
    logins: list[int]

    def find(self, home: int, *, kind: str = "pressure_sag", at: datetime = T0, **evidence: Any) -> int:
        """Write a finding at a home's meter as the checker does and give it to the tracker."""
        anomaly_id = self.write(home, kind=kind, at=at, **evidence)
        operations.track_opened(self.conn, utility_id=self.utility_id, anomaly_id=anomaly_id)
        return anomaly_id

    def write(
        self,
        home: int | None,
        *,
        kind: str,
        at: datetime = T0,
        zone: str = "",
        outlet: str = "ticket",
        meters: Sequence[int] = (),
        **evidence: Any,
    ) -> int:
        """Write a finding, of a zone where no home is given."""
        zone_id = self.zones[zone or ("W2" if home == HOMES else "W1")]
        meter_id = None if home is None else self.meters[home]
        row = self.conn.execute(
            "INSERT INTO anomaly (utility_id, scope, place_id, meter_id, point_id, zone_id, meter_ids, service, kind,"
            " outlet, score, detector, setting_id, started_at, found_at, evidence) VALUES (%s, %s, %s, %s, %s, %s, %s,"
            " 'water', %s, %s, 1, 'test 1', 0, %s, %s, %s) RETURNING anomaly_id",
            (
                self.utility_id,
                "zone" if home is None else "meter",
                zone_id if meter_id is None else meter_id,
                meter_id,
                None if home is None else self.points[home],
                zone_id,
                list(meters) if meter_id is None else [meter_id],
                kind,
                outlet,
                at,
                at,
                Jsonb(evidence),
            ),
        ).fetchone()
        assert row is not None
        return row[0]

    def lose(self, gateway_id: int, *, homes: Sequence[int], at: datetime = T0) -> int:
        """Write that a concentrator is no longer heard, through which these homes' meters speak."""
        row = self.conn.execute(
            "INSERT INTO anomaly (utility_id, scope, place_id, meter_ids, service, kind, outlet, score, detector,"
            " setting_id, started_at, found_at, evidence) VALUES (%s, 'gateway', %s, %s, 'water', 'concentrator_lost',"
            " 'ticket', 1, 'test 1', 0, %s, %s, '{}') RETURNING anomaly_id",
            (self.utility_id, gateway_id, [self.meters[home] for home in homes], at, at),
        ).fetchone()
        assert row is not None
        return row[0]

    def end(self, anomaly_id: int, *, at: datetime) -> None:
        self.conn.execute("UPDATE anomaly SET ended_at = %s WHERE anomaly_id = %s", (at, anomaly_id))
        operations.track_closed(self.conn, utility_id=self.utility_id, anomaly_id=anomaly_id, at=at)

    def tickets(self) -> list[queries.Ticket]:
        return [line.ticket for line in queries.open_tickets(self.conn, utility_id=self.utility_id, now=T0)]

    def view(self, ticket_id: int) -> queries.TicketView:
        return queries.ticket(self.conn, utility_id=self.utility_id, ticket_id=ticket_id)

    def notices(self) -> list[tuple[int, str]]:
        return self.conn.execute(
            "SELECT party_id, kind FROM notice WHERE utility_id = %s ORDER BY party_id, notice_id", (self.utility_id,)
        ).fetchall()

    def step(self, operation: Any, ticket_id: int, *, at: datetime = T0, crew: int = 0, **more: Any) -> Any:
        return operation(
            self.conn,
            utility_id=self.utility_id,
            ticket_id=ticket_id,
            login_id=self.logins[crew],
            actor=f"crew{crew}",
            at=at,
            **more,
        )

    def repair(self, ticket_id: int, *, at: datetime) -> None:
        self.step(operations.take_ticket, ticket_id, at=at)
        self.step(operations.start_ticket, ticket_id, at=at)
        self.step(operations.finish_ticket, ticket_id, at=at, cause="Pipe burst")

    def customer(self, operation: Any, ticket_id: int, *, home: int, at: datetime, **more: Any) -> Any:
        return operation(
            self.conn,
            utility_id=self.utility_id,
            ticket_id=ticket_id,
            party_id=self.parties[home],
            actor="customer",
            at=at,
            **more,
        )


def found_town(conn: Connection[TupleRow]) -> Town:
    utility_id = found_utility(
        conn, code="hinode", name="Hinode", time_zone="Asia/Tokyo", currency="JPY", locale="ja", settings={}
    )
    homes = range(HOMES + 1)
    book = Book(
        zones=(ZoneRow("D1", "District", "district"), ZoneRow("W1", "One", "dma"), ZoneRow("W2", "Two", "dma")),
        parties=tuple(PartyRow(f"C-{n}", "person", f"Customer {n}") for n in homes),
        points=tuple(
            PointRow(f"P-{n}", "water", "W2" if n == HOMES else "W1", "D1", f"1-{n}", latitude=35.0, longitude=139.0)
            for n in homes
        ),
        point_parties=tuple(PointPartyRow(f"P-{n}", f"C-{n}", "user", T0 - timedelta(days=9)) for n in homes),
        meters=tuple(MeterRow(f"W-{n}", "water", "m3", -3, 9) for n in homes),
        installations=tuple(InstallationRow(f"W-{n}", f"P-{n}", T0 - timedelta(days=9)) for n in homes),
    )
    load_book(conn, utility_id=utility_id, book=book)
    enter_scope(conn, scope=Scope(utility_id, "test", T0))
    logins = [
        add_login(
            conn,
            utility_id=utility_id,
            login_name=f"crew{n}",
            display_name=f"Crew {n}",
            password="long enough a password",
            roles=["crew"],
            party_id=None,
            locale="ja",
        )
        for n in (0, 1)
    ]
    for n, login_id in enumerate(logins):
        operations.add_crew(conn, utility_id=utility_id, name=f"Crew {n}", login_ids=[login_id])

    def column(query: LiteralString) -> list[int]:
        return [value for (value,) in conn.execute(query, (utility_id,)).fetchall()]

    return Town(
        conn=conn,
        utility_id=utility_id,
        meters=column("SELECT meter_id FROM meter WHERE utility_id = %s ORDER BY serial"),
        points=column("SELECT point_id FROM point WHERE utility_id = %s ORDER BY point_number"),
        parties=column("SELECT party_id FROM party WHERE utility_id = %s ORDER BY party_number"),
        zones=dict(conn.execute("SELECT code, zone_id FROM zone WHERE utility_id = %s", (utility_id,)).fetchall()),
        logins=logins,
    )
