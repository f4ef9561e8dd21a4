"""The screens of the live benchmark: one process that holds all streams open and notes when what arrives.

A stream is a connection of its own with its own session, as a browser has it. A screen that is told that a part is old
asks for that part, as the page does. It runs until SIGTERM and then writes what it saw.
"""

import asyncio
import json
import re
import signal
import sys
import time
from array import array
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path

from customer_app.server import allow_many_connections

INSTANT = re.compile(rb'<time datetime="([^"]+)"')
EVENT = re.compile(rb"^event: live-(\S+)", re.MULTILINE)
OPENED_AT_ONCE = 8
ANSWER_LIMIT_S = 30.0
AGAIN_S = 1.0
CONSOLE = {  # parts of control room and live table, and how often the pages ask for them at most, in seconds
    "/operator/telemetry?fragment=table": 1.0,
    "/operator?fragment=tiles": 1.0,
    "/operator?fragment=water": 8.0,
    "/operator?fragment=power": 8.0,
}
NEARLY = 0.95  # of a second: what comes once a second is never left out for being a little early


@dataclass(frozen=True, slots=True)
class Plan:
    """Whom to play: `(token, meter id)` of customers, tokens of operators."""

    port: int
    customers: list[tuple[str, int]]
    operators: list[str]
    ready_file: str
    seen_file: str

    def write(self, path: Path) -> None:
        path.write_text(json.dumps(asdict(self)))

    @classmethod
    def read(cls, path: Path) -> "Plan":
        return cls(**json.loads(path.read_text()))


@dataclass(slots=True)
class Seen:
    """What arrived: on which screen, of which instant, and when; in microseconds since 1970."""

    screen: "array[int]" = field(default_factory=lambda: array("q"))
    instant_us: "array[int]" = field(default_factory=lambda: array("q"))
    arrived_us: "array[int]" = field(default_factory=lambda: array("q"))
    console_instant_us: "array[int]" = field(default_factory=lambda: array("q"))
    console_arrived_us: "array[int]" = field(default_factory=lambda: array("q"))
    asked: Counter[str] = field(default_factory=Counter[str])  # parts of pages that were asked for, and what went wrong

    def write(self, path: Path) -> None:
        whole = {name: list(getattr(self, name)) for name in self.__slots__ if name != "asked"}
        path.write_text(json.dumps({**whole, "asked": dict(self.asked)}))


class Stream(asyncio.Protocol):
    """One open stream; `hear` gets each message, with the microsecond of its arrival."""

    def __init__(self, *, path: str, token: str, hear: Callable[[bytes, int], None], lost: Callable[[], None]) -> None:
        self._request = _request(path, token)
        self._hear = hear
        self._lost = lost
        self._rest = b""
        self.ready = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.WriteTransport)
        transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        arrived_us = time.time_ns() // 1000
        *messages, self._rest = (self._rest + data).split(b"\n\n")
        if not self.ready.done() and any(b"event: ready" in message for message in messages):
            self.ready.set_result(None)
        for message in messages:
            self._hear(message, arrived_us)

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.ready.done():
            self.ready.set_exception(ConnectionError(f"no stream: {exc or self._rest[:200]!r}"))
        self._lost()


class Screens:
    """All screens of a plan."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._seen = Seen()
        self._turn = asyncio.Semaphore(OPENED_AT_ONCE)
        self._asking: set[tuple[int, str]] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._asked_s: dict[tuple[int, str], float] = {}
        self._stopped = asyncio.Event()

    async def run(self) -> None:
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, self._stopped.set)
        opening = [
            self._open_customer(number, token, meter_id)
            for number, (token, meter_id) in enumerate(self._plan.customers)
        ]
        opening += [self._open_console(number, token) for number, token in enumerate(self._plan.operators)]
        await asyncio.gather(*opening)
        Path(self._plan.ready_file).touch()
        await self._stopped.wait()
        self._seen.write(Path(self._plan.seen_file))

    async def _open_customer(self, number: int, token: str, meter_id: int) -> None:
        def hear(message: bytes, arrived_us: int) -> None:
            instant = INSTANT.search(message)
            if instant is not None:
                self._seen.screen.append(number)
                self._seen.instant_us.append(_us(instant[1]))
                self._seen.arrived_us.append(arrived_us)
            for topic in EVENT.findall(message):
                if topic == b"use":
                    self._begin(self._ask(number, token, "/home?fragment=use"))

        await self._open(f"/events?topics=use,money,repairs,notices,reading:{meter_id}", token, hear)

    async def _open_console(self, number: int, token: str) -> None:
        def hear(message: bytes, _arrived_us: int) -> None:
            if b"telemetry" in EVENT.findall(message):
                for path, every_s in CONSOLE.items():
                    if self._is_due(number, path, every_s=every_s):
                        self._begin(self._look(token, path))

        await self._open("/events?topics=telemetry,anomalies", token, hear)

    async def _open(self, path: str, token: str, hear: Callable[[bytes, int], None]) -> None:
        """Open a stream, and again whenever it is lost."""

        def lost() -> None:
            if not self._stopped.is_set():
                self._seen.asked["stream lost"] += 1
                self._begin(again())

        async def again() -> None:
            await asyncio.sleep(AGAIN_S)
            await self._open(path, token, hear)

        async with self._turn:
            loop = asyncio.get_running_loop()
            _, stream = await loop.create_connection(
                lambda: Stream(path=path, token=token, hear=hear, lost=lost), "127.0.0.1", self._plan.port
            )
            try:
                await asyncio.wait_for(stream.ready, timeout=ANSWER_LIMIT_S)
            except (ConnectionError, TimeoutError):
                self._seen.asked["stream refused"] += 1

    def _is_due(self, number: int, path: str, *, every_s: float) -> bool:
        """Tell whether a page would ask now, and take it that it does."""
        now_s = time.monotonic()
        if now_s - self._asked_s.get((number, path), float("-inf")) < every_s * NEARLY:
            return False
        self._asked_s[(number, path)] = now_s
        return True

    async def _look(self, token: str, path: str) -> None:
        part = await self._get(token, path)
        arrived_us = time.time_ns() // 1000
        instants = [_us(instant) for instant in INSTANT.findall(part)]
        if instants:
            self._seen.console_instant_us.append(max(instants))
            self._seen.console_arrived_us.append(arrived_us)

    async def _ask(self, number: int, token: str, path: str) -> None:
        if (number, path) in self._asking:
            return
        self._asking.add((number, path))
        try:
            await self._get(token, path)
        finally:
            self._asking.discard((number, path))

    async def _get(self, token: str, path: str) -> bytes:
        try:
            async with asyncio.timeout(ANSWER_LIMIT_S):
                reader, writer = await asyncio.open_connection("127.0.0.1", self._plan.port)
                writer.write(_request(path, token, close=True))
                answer = await reader.read(-1)
                writer.close()
        except (OSError, TimeoutError):
            self._seen.asked["no answer"] += 1
            return b""
        self._seen.asked[path if answer.startswith(b"HTTP/1.1 200") else f"{path}: {answer[9:12].decode()}"] += 1
        return answer

    def _begin(self, work: "asyncio.Future[None] | object") -> None:
        task = asyncio.ensure_future(work)  # type: ignore[arg-type]
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _request(path: str, token: str, *, close: bool = False) -> bytes:
    ending = "Connection: close\r\n" if close else ""
    return (
        f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: text/html, text/event-stream\r\n"
        f"Cookie: suiden_session={token}\r\n{ending}\r\n"
    ).encode()


def _us(instant: bytes) -> int:
    return round(datetime.fromisoformat(instant.decode()).timestamp() * 1_000_000)


if __name__ == "__main__":
    allow_many_connections()
    asyncio.run(Screens(Plan.read(Path(sys.argv[1]))).run())
