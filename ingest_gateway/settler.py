"""The thread that settles what was committed, and tells the senders what is durable."""

import time
from datetime import timedelta

import structlog
from psycopg import Connection as Database
from psycopg.rows import TupleRow

from ingest_gateway.batches import Window
from ingest_gateway.domain.sequence import Ack, encode_ack
from ingest_gateway.mqtt.connection import Connection
from ingest_gateway.operations.settling import WindowTorn, gathered_anew, left_behind, settle
from ingest_gateway.own_connection import OwnConnection
from ingest_gateway.shared import Shared
from ingest_gateway.trouble import is_away
from kernel.clock import wall_now
from kernel.database import Scope, enter_scope

log = structlog.get_logger()

POLL_S = 0.25
RETRY_S = 0.5
SHARE = 0.4  # of the time that settling may take: under load it is done for more commits at a time
MAX_PAUSE_S = 1.0
ADOPT_EVERY_S = 60.0
ATTEMPTS = 5
LAST_WAIT_S = 2.0


class Settler:
    """Runs in one thread, with a connection of its own."""

    def __init__(self, shared: Shared, *, connection: OwnConnection, line: Connection) -> None:
        self._shared = shared
        self._connection = connection
        self._line = line
        self._waiting: list[tuple[Window, int]] = []  # with how often they were tried
        self._adopted_s = time.monotonic()

    def run(self) -> None:
        """Settle until `stop`, then once more."""
        while not self._shared.stop.is_set() and not self._shared.may_begin.is_set():
            if self._adopt(worker=self._shared.worker):
                self._shared.may_begin.set()
            else:
                self._shared.stop.wait(RETRY_S)
        pause_s = self._shared.settings.settle_s
        while not self._shared.stop.wait(pause_s):
            if not self._waiting and not self._shared.windows.wait(timeout_s=POLL_S):
                pause_s = 0.0
                self._adopt_now_and_then()
                continue
            began_s = time.monotonic()
            is_well = self._settle_all(wait_s=RETRY_S)
            took_s = time.monotonic() - began_s
            pause_s = (
                max(self._shared.settings.settle_s, min(took_s * (1 / SHARE - 1), MAX_PAUSE_S)) if is_well else RETRY_S
            )
            self._adopt_now_and_then()
        self._settle_all(wait_s=LAST_WAIT_S)
        self._connection.close()

    def _settle_all(self, *, wait_s: float) -> bool:
        """Settle all windows whose commits have ended; False if something stood in the way."""
        waiting = [*self._waiting, *((window, 0) for window in self._shared.windows.close_all())]
        self._waiting = []
        is_well = True
        for window, attempts in waiting:
            if not is_well or not self._shared.windows.has_ended(window, timeout_s=wait_s):
                self._waiting.append((window, attempts))
                continue
            try:
                self._settle(window)
                self._shared.monitor.settling(None)
            except WindowTorn:
                window.is_torn = True
                self._waiting.append((window, attempts))
            except Exception as error:
                is_well = False
                if is_away(error):
                    self._shared.monitor.settling(error)
                    log.warning("settling.database_away", error=str(error)[:300])
                    self._waiting.append((window, attempts))
                elif attempts + 1 < ATTEMPTS:
                    log.exception("settling.failed", batch_id=window.batch_id)
                    self._waiting.append((window, attempts + 1))
                else:
                    # It stays noted in the store, and is tried again when it is old.
                    log.exception("settling.given_up", batch_id=window.batch_id)
        return is_well

    def _settle(self, window: Window) -> None:
        if not window.commits:
            return
        at = window.received_at or self._shared.clock.now()
        with self._connection.at_work() as conn:
            enter_scope(conn, scope=Scope(utility_id=window.utility_id, actor="gateway", now=at))
            gathered = gathered_anew(conn, window) if window.is_torn else [window]
            acks = [self._settle_one(conn, one) for one in gathered]
            conn.commit()
        for told in acks:
            self._tell(window.code, told or {})

    def _settle_one(self, conn: Database[TupleRow], window: Window) -> dict[int, Ack] | None:
        shared = self._shared
        return settle(conn, window, worker=shared.worker, is_one_of_many=bool(shared.settings.share))

    def _tell(self, code: str, acks: dict[int, Ack]) -> None:
        """Tell senders what is durable.

        At quality 0: an ack tells the whole state, so the next one makes good a lost one, and none piles up for a
        sender that is away.
        """
        book = self._shared.books.of(code)
        if book is None or not acks:
            return
        names = book.sender_names
        self._line.publish_all(
            [
                (f"suiden/v1/{code}/{names[sender_id]}/ack", encode_ack(ack))
                for sender_id, ack in acks.items()
                if sender_id in names
            ]
        )

    def _adopt_now_and_then(self) -> None:
        """Settle what other workers left: one that died may never come back."""
        if time.monotonic() - self._adopted_s > ADOPT_EVERY_S:
            self._adopted_s = time.monotonic()
            self._adopt(worker=None)

    def _adopt(self, *, worker: str | None) -> bool:
        old = wall_now() - timedelta(seconds=ADOPT_EVERY_S)
        try:
            with self._connection.at_work() as conn:
                for window in left_behind(conn, worker=worker, committed_before=old):
                    log.info("settling.left_behind", batch_id=window.batch_id, readings=window.stored)
                    self._settle_one(conn, window)
                    conn.commit()
            self._shared.monitor.settling(None)
        except Exception as error:
            self._shared.monitor.settling(error)
            if not is_away(error):
                log.exception("settling.not_adopted")  # it stays noted, and is tried again
                return True
            log.warning("settling.database_away", error=str(error)[:300])
            return False
        return True
