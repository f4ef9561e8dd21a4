"""Bills and notices as mail, over real SMTP: once, in the party's language, and what became of each is on record."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from email import message_from_bytes, policy
from email.message import EmailMessage

import psycopg
import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

from kernel import events
from kernel.clock import FixedClock
from kernel.database import Pool, Scope, open_pool, transaction
from registry import operations as registry
from registry import queries as registry_queries
from registry.operations import NewNotice
from suiden import messages
from suiden.mail_server import MailServer, MailServerUnusable
from suiden.messages import CONSUMER, Sender, handlers
from tests.integration.customer_app import town

pytestmark = pytest.mark.store
CLOCK = FixedClock(town.NOW)
GO_ON = threading.Event()  # never set: nobody stops these


class Server:
    """A mail server that answers as it is told to."""

    def __init__(self) -> None:
        self.mails: list[EmailMessage] = []
        self.answers: dict[str, str] = {}

    async def handle_RCPT(self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]) -> str:  # noqa: N802, E501  # fmt: skip
        answer = self.answers.get(address, "250 ok")
        if answer.startswith("250"):
            envelope.rcpt_tos.append(address)
        return answer

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802
        assert isinstance(envelope.content, bytes)
        mail = message_from_bytes(envelope.content, policy=policy.default)
        assert isinstance(mail, EmailMessage)
        self.mails.append(mail)
        return "250 kept"


class World:
    """The town, a sender, and its mail server."""

    def __init__(self, database_url: str, pool: Pool) -> None:
        self.pool, self.server = pool, Server()
        with psycopg.connect(database_url) as conn:
            self.utility_id = town.found(conn)
            self.parties = town.parties(conn, utility_id=self.utility_id)
            town.live_through(conn, utility_id=self.utility_id, days=60)
        self.sender = self.sends_to(9)  # nobody listens there

    def sends_to(self, port: int) -> Sender:
        server = MailServer.of(f"smtp://127.0.0.1:{port}")
        return Sender(self.pool, CLOCK, server, sender="bills@hinode.example", public_url="https://hinode.example/")

    @contextmanager
    def listening(self) -> Iterator[Server]:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = int(probe.getsockname()[1])
        controller = Controller(self.server, hostname="127.0.0.1", port=port)
        controller.start()
        try:
            self.sender = self.sends_to(port)
            yield self.server
        finally:
            controller.stop()

    @contextmanager
    def work(self) -> Iterator[psycopg.Connection]:
        with transaction(self.pool, scope=Scope(self.utility_id, "test", town.NOW)) as conn:
            yield conn

    def gives_address(self, house: str, address: str) -> None:
        with self.work() as conn:
            registry.add_channel(
                conn,
                utility_id=self.utility_id,
                party_id=self.parties[house],
                kind="email",
                address=address,
                is_preferred=True,
            )

    def bills(self) -> None:
        with self.work() as conn:
            town.bill(conn, utility_id=self.utility_id, months=1)

    def tells(self, house: str, kind: str, subject: str) -> None:
        with self.work() as conn:
            party_id = self.parties[house]
            notice = NewNotice(party_id, None, kind, subject, {})
            registry.write_notices(conn, utility_id=self.utility_id, notices=[notice], at=town.NOW)

    def goes_on(self, *, sends_mail: bool = True) -> int:
        """Queue what was told, and send what may be sent; return how many mails left."""
        with self.pool.connection() as conn:
            events.relay_once(conn)
        while events.consume_once(self.pool, consumer=CONSUMER, handlers=handlers(sends_mail=sends_mail), clock=CLOCK):
            pass
        return self.sender.send_waiting(stop=GO_ON)

    def steps(self, house: str, kind: str = "bill.issued") -> list[list[tuple[str, str]]]:
        """Give for each notice of a kind what became of it beyond the web."""
        with self.work() as conn:
            notices = registry_queries.notices_of_party(conn, utility_id=self.utility_id, party_id=self.parties[house])
            return [
                [
                    (one.channel, one.state)
                    for one in registry_queries.deliveries_of_notice(
                        conn, utility_id=self.utility_id, notice_id=notice.notice_id
                    )
                    if one.channel != "web"
                ]
                for notice in notices
                if notice.kind == kind
            ]

    def reasons(self) -> list[str]:
        with self.work() as conn:
            rows = conn.execute("SELECT detail FROM notice_delivery WHERE detail <> '' ORDER BY delivery_id").fetchall()
        return [row[0] for row in rows]

    def lets_time_pass(self) -> None:
        """End every pause: that of the sender, and those of single mails."""
        self.sender.rests_until_s = 0.0
        with self.work() as conn:
            conn.execute("UPDATE delivery_waiting SET try_after = '2000-01-01'")


@pytest.fixture
def world(database_url: str) -> Iterator[World]:
    with open_pool(database_url, role="suiden_worker", process="messages test", max_size=4) as pool:
        yield World(database_url, pool)


def test_a_bill_arrives_once_in_the_language_of_its_reader(world: World) -> None:
    world.gives_address("customer", "hanako@example.jp")
    world.gives_address("neighbour", "suzuki@example.jp")
    with world.listening() as server:
        world.bills()
        world.goes_on()
        world.goes_on()
        to_hanako = [mail for mail in server.mails if "hanako" in str(mail["To"])]
        to_suzuki = [mail for mail in server.mails if "suzuki" in str(mail["To"])]
    assert len(to_hanako) == len(world.steps("customer")) > 0
    assert {str(mail["Subject"]) for mail in to_hanako} == {"Your bill is here (Test Water & Power)"}
    assert {str(mail["Subject"]) for mail in to_suzuki} == {"請求書を発行しました (Test Water & Power)"}
    english, japanese = to_hanako[0].get_content(), to_suzuki[0].get_content()
    assert "To 山田 花子" in english
    assert "¥" in english
    assert "Due on" in english
    assert "https://hinode.example/bills/" in english
    assert "/slip" in english
    assert "鈴木" in japanese
    assert "Due on" not in japanese
    assert {mail["From"].addresses[0].addr_spec for mail in server.mails} == {"bills@hinode.example"}
    assert len({str(mail["Message-ID"]) for mail in server.mails}) == len(server.mails)
    assert all(steps == [("email", "queued"), ("email", "sent")] for steps in world.steps("customer"))


def test_an_event_that_comes_twice_queues_nothing_twice(world: World) -> None:
    world.gives_address("customer", "hanako@example.jp")
    with world.listening() as server:
        world.tells("customer", "arrears.reminder", "bill:1")
        world.goes_on()
        with world.pool.connection() as conn:
            conn.execute("UPDATE event_offset SET position = 0")
        world.goes_on()
        assert len(server.mails) == 1


def test_a_server_that_is_away_is_asked_again_after_a_growing_pause(world: World) -> None:
    world.gives_address("customer", "hanako@example.jp")
    world.tells("customer", "arrears.reminder", "bill:1")
    pauses: list[float] = []
    for _ in range(3):
        assert world.goes_on() == 0
        pauses.append(world.sender.pause_s)
        assert world.goes_on() == 0
        assert world.sender.pause_s == pauses[-1], "it is asked while it rests"
        world.lets_time_pass()
    assert pauses == sorted(set(pauses))
    assert world.steps("customer", "arrears.reminder") == [[("email", "queued")]]
    with world.listening() as server:
        assert world.goes_on() == 1
        assert len(server.mails) == 1
    assert world.steps("customer", "arrears.reminder") == [[("email", "queued"), ("email", "sent")]]


def test_an_address_that_is_refused_is_told_and_the_letter_is_printed(world: World) -> None:
    world.gives_address("customer", "gone@example.jp")
    with world.listening() as server:
        server.answers["gone@example.jp"] = "550 5.1.1 no such mailbox"
        world.tells("customer", "arrears.reminder", "bill:1")
        world.goes_on()
    assert world.steps("customer", "arrears.reminder") == [
        [("email", "queued"), ("email", "failed"), ("post", "queued")]
    ]
    assert world.reasons() == ["550 5.1.1 no such mailbox"]


def test_a_mailbox_that_is_full_is_tried_again_and_holds_nobody_else_up(world: World) -> None:
    world.gives_address("customer", "full@example.jp")
    world.gives_address("neighbour", "suzuki@example.jp")
    with world.listening() as server:
        server.answers["full@example.jp"] = "452 4.2.2 mailbox full"
        world.tells("customer", "repair.started", "ticket:1")
        world.tells("neighbour", "repair.started", "ticket:1")
        world.goes_on()
        assert ["suzuki" in str(mail["To"]) for mail in server.mails] == [True]
        server.answers.clear()
        assert world.goes_on() == 0, "it is tried before its pause is over"
        world.lets_time_pass()
        assert world.goes_on() == 1
    assert world.reasons() == ["452 4.2.2 mailbox full"]


def test_who_has_no_mail_gets_a_letter_for_what_is_worth_paper(world: World) -> None:
    world.tells("customer", "arrears.reminder", "bill:1")
    world.tells("customer", "repair.started", "ticket:1")
    world.goes_on()
    assert world.steps("customer", "arrears.reminder") == [[("post", "queued")]]
    assert world.steps("customer", "repair.started") == [[]]


def test_without_a_mail_server_everything_goes_by_post(world: World) -> None:
    world.gives_address("customer", "hanako@example.jp")
    world.tells("customer", "arrears.reminder", "bill:1")
    world.goes_on(sends_mail=False)
    assert world.steps("customer", "arrears.reminder") == [[("post", "queued")]]


@pytest.mark.parametrize("address", ["a@example.jp\r\nBcc: all@example.jp", "no address", "a@example.jp, b@example.jp"])
def test_an_address_cannot_smuggle_in_a_header_or_another_reader(world: World, address: str) -> None:
    world.gives_address("customer", address)
    with world.listening() as server:
        world.tells("customer", "repair.started", "ticket:1")
        world.goes_on()
        assert server.mails == []
    assert world.steps("customer", "repair.started") == [[("email", "queued"), ("email", "failed")]]


def test_a_name_cannot_smuggle_in_a_header(world: World) -> None:
    world.gives_address("customer", "hanako@example.jp")
    with world.work() as conn:
        conn.execute("UPDATE party SET name = E'Hanako\\r\\nBcc: all@example.jp' WHERE party_number = 'customer'")
    with world.listening() as server:
        world.tells("customer", "repair.started", "ticket:1")
        world.goes_on()
        (mail,) = server.mails
    assert mail["Bcc"] is None
    assert mail.get_all("To") is not None


def test_the_thread_queues_and_sends_by_itself(world: World) -> None:
    world.gives_address("customer", "hanako@example.jp")
    stop = threading.Event()
    with world.listening() as server:
        world.tells("customer", "repair.started", "ticket:1")
        with world.pool.connection() as conn:
            events.relay_once(conn)
        thread = threading.Thread(
            target=messages.run, args=(world.pool,), kwargs={"clock": CLOCK, "sender": world.sender, "stop": stop}
        )
        thread.start()
        try:
            for _ in range(100):
                if server.mails or stop.wait(0.1):
                    break
        finally:
            stop.set()
            thread.join(timeout=10)
        assert len(server.mails) == 1


@pytest.mark.parametrize("url", ["http://mail.example", "smtp://", "smtp://host:port"])
def test_what_is_no_address_of_a_mail_server_is_refused(url: str) -> None:
    with pytest.raises(MailServerUnusable):
        MailServer.of(url)


def test_the_address_of_a_mail_server_holds_its_login() -> None:
    server = MailServer.of("smtps://us%40x:p%2Fw@mail.example")
    assert (server.host, server.port, server.tls, server.user, server.password) == (
        "mail.example",
        465,
        True,
        "us@x",
        "p/w",
    )
