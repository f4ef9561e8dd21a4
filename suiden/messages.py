"""Messages to parties: each notice goes out by e-mail, or as a letter to those whom mail does not reach.

A notice is queued by a consumer of `notice.created`, once. A mail is handed to the server while its row is locked and
recorded as sent in the same transaction: if we are killed between the answer and the commit, it goes out again,
with the same Message-ID. No mail is lost; a second copy is possible.
"""

import smtplib
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from datetime import timedelta

import psycopg
import structlog
from psycopg import Connection
from psycopg.rows import TupleRow

from customer_app import mails
from kernel import events
from kernel.clock import Clock, wall_now
from kernel.database import Pool, Scope, transaction
from kernel.events import Event
from registry import operations as registry
from registry import queries as registry_queries
from registry.queries import Utility, WaitingDelivery
from suiden.mail_server import MailRefused, MailServer, MailServerAway, hand_over

log = structlog.get_logger()

CONSUMER = "messages"
# What is worth paper. News of a repair is old before the post arrives.
LETTERS = frozenset(
    {
        "bill.issued",
        "bill.cancelled",
        "arrears.reminder",
        "arrears.final_demand",
        "arrears.suspension_notice",
        "supply.suspension_announced",
        "supply.suspended",
        "debit.failed",
        "work.planned",
    }
)
IDLE_S = 1.0
BETWEEN_MAILS_S = 0.02
ROUND_MAILS = 200
FIRST_PAUSE_S = 2.0
LONGEST_PAUSE_S = 600.0
MAIL_PAUSE_S = 60.0
MOST_MAIL_PAUSE_S = 4 * 3600.0
MOST_TRIES = 12


def handlers(*, sends_mail: bool) -> Mapping[str, events.Handler]:
    """Give what is done with each event; without a mail server all letters go by post."""

    def queue(conn: Connection[TupleRow], event: Event) -> None:
        party_id, notice_id = int(event.payload["party_id"]), int(event.payload["notice_id"])
        scope = {"utility_id": event.utility_id, "notice_id": notice_id}
        address = _mail_address(conn, utility_id=event.utility_id, party_id=party_id) if sends_mail else ""
        if address:
            registry.queue_delivery(
                conn, **scope, channel="email", address=address, wall_now=wall_now(), at=event.occurred_at
            )
        elif event.payload["kind"] in LETTERS:
            registry.queue_delivery(
                conn, **scope, channel="post", address="", wall_now=wall_now(), at=event.occurred_at
            )

    return {"notice.created": queue}


@dataclass(slots=True)
class Sender:
    """Hands waiting mail to the server; rests longer and longer while the server is away."""

    pool: Pool
    clock: Clock
    server: MailServer
    sender: str
    public_url: str
    pause_s: float = 0.0
    rests_until_s: float = 0.0

    def send_waiting(self, *, stop: threading.Event) -> int:
        """Send what may be sent now, up to a round's worth; return how many mails the server took."""
        if time.monotonic() < self.rests_until_s:
            return 0
        sent = 0
        smtp: smtplib.SMTP | None = None
        try:
            with self.pool.connection() as conn:
                utilities = registry_queries.utilities(conn)
            for utility in utilities:
                while sent < ROUND_MAILS and not stop.wait(BETWEEN_MAILS_S if sent else 0):
                    with self._work(utility) as conn:
                        waiting = registry.take_delivery(
                            conn, utility_id=utility.utility_id, channel="email", wall_now=wall_now()
                        )
                        if waiting is None:
                            break
                        smtp = smtp or self.server.connect()
                        away = self._send(conn, smtp, waiting, utility=utility)
                    if away is not None:
                        raise away
                    sent += 1
            self.pause_s = 0.0
        except MailServerAway as error:
            self.pause_s = min(LONGEST_PAUSE_S, self.pause_s * 2 or FIRST_PAUSE_S)
            self.rests_until_s = time.monotonic() + self.pause_s
            log.warning("mail.server_away", error=str(error), rests_s=self.pause_s)
        finally:
            if smtp is not None:
                with suppress(OSError, smtplib.SMTPException):
                    smtp.quit()
        return sent

    def _work(self, utility: Utility) -> AbstractContextManager[Connection[TupleRow]]:
        return transaction(self.pool, scope=Scope(utility.utility_id, CONSUMER, self.clock.now()))

    def _send(
        self, conn: Connection[TupleRow], smtp: smtplib.SMTP, waiting: WaitingDelivery, *, utility: Utility
    ) -> MailServerAway | None:
        """Try one mail and record what became of it; give the error back if the server went away meanwhile."""
        scope = {"utility_id": utility.utility_id}
        now = self.clock.now()
        notice = registry_queries.notice(conn, **scope, party_id=waiting.party_id, notice_id=waiting.notice_id)
        to = mails.addressee(utility, name=waiting.name, address=waiting.address, locale=waiting.locale)
        state, detail, away = "sent", "", None
        try:
            mail = mails.mail_of(
                notice, to=to, utility=utility, sender=self.sender, public_url=self.public_url, wall_now=wall_now()
            )
            hand_over(smtp, mail)
        except mails.AddressUnusable as error:
            state, detail = "failed", str(error)
        except MailRefused as error:
            state, detail = ("failed" if error.is_final else "queued"), str(error)
        except MailServerAway as error:
            state, detail, away = "queued", str(error), error
        if state == "queued" and waiting.attempts + 1 < MOST_TRIES:
            pause_s = min(MOST_MAIL_PAUSE_S, MAIL_PAUSE_S * 2**waiting.attempts) if away is None else FIRST_PAUSE_S
            try_after = wall_now() + timedelta(seconds=pause_s)
            registry.postpone_delivery(conn, **scope, waiting=waiting, reason=detail, try_after=try_after, at=now)
            return away
        if state == "queued":
            state, detail = "failed", f"given up after {MOST_TRIES} tries: {detail}"
        registry.finish_delivery(
            conn,
            **scope,
            notice_id=waiting.notice_id,
            channel="email",
            address=waiting.address,
            state="sent" if state == "sent" else "failed",
            detail=detail,
            at=now,
        )
        if state == "failed" and notice.kind in LETTERS:
            registry.queue_delivery(
                conn, **scope, notice_id=waiting.notice_id, channel="post", address="", wall_now=wall_now(), at=now
            )
        return away


def run(pool: Pool, *, clock: Clock, sender: Sender | None, stop: threading.Event) -> None:
    """Queue and send messages until `stop`."""
    queueing = handlers(sends_mail=sender is not None)
    while not stop.is_set():
        done = _quietly(lambda: events.consume_once(pool, consumer=CONSUMER, handlers=queueing, clock=clock))
        if sender is not None:
            done += _quietly(lambda: sender.send_waiting(stop=stop))
        if not done:
            stop.wait(IDLE_S)


def _quietly(work: Callable[[], int]) -> int:
    """Do a round of work; messages go on whatever happens to one of them."""
    try:
        return work()
    except psycopg.OperationalError as error:
        log.warning("messages.interrupted", error=str(error))
    except Exception:
        log.exception("messages.failed")
    return 0


def _mail_address(conn: Connection[TupleRow], *, utility_id: int, party_id: int) -> str:
    """Give the party's e-mail address, the preferred one first; empty: none."""
    channels = registry_queries.channels_of_party(conn, utility_id=utility_id, party_id=party_id)
    found = sorted(
        (one for one in channels if one.kind == "email"), key=lambda one: (not one.preferred, one.channel_id)
    )
    return found[0].address if found else ""
