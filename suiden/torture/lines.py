"""TCP lines between programs of this machine that can be cut, slowed and silenced."""

import asyncio
import contextlib
import socket
import struct
import threading
from collections.abc import Callable
from typing import Any

CHUNK_BYTES = 65_536
SLOW_CHUNK_BYTES = 1_024
CUT_AT_LAST_S = 0.2  # a line to be cut in the middle of a packet is cut anyway where none passes
RESET = struct.pack("ii", 1, 0)  # SO_LINGER: close with RST, as a router that forgot the connection answers


class Lines:
    """The lines of one rig, served by a thread of their own."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="lines", daemon=True)
        self._thread.start()
        self._lines: list[Line] = []

    def lay(self, name: str) -> "Line":
        """Lay a line; it leads nowhere until it is told to."""
        line = self.call(lambda: _laid(name, self))
        self._lines.append(line)
        return line

    def close(self) -> None:
        """Cut all of them for good."""
        for line in self._lines:
            line.close()
        self.call(_nothing_left)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)
        self._loop.close()

    def call(self, work: Callable[[], Any]) -> Any:
        """Run a coroutine function in the lines' own thread and return what it returns."""
        return asyncio.run_coroutine_threadsafe(work(), self._loop).result(10)


class Line:
    """One line: everything between those who connect to `port` and the program it leads to passes here."""

    def __init__(self, name: str, lines: Lines) -> None:
        self.name = name
        self.port = 0
        self.state = "whole"
        self.passed_bytes = 0
        self._lines = lines
        self._target_port: int | None = None
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._delay_s = 0.0
        self._bytes_left: int | None = None  # until it is cut
        self._with_reset = False

    # --- for the threads that throw faults

    def lead_to(self, port: int) -> None:
        """Tell where it leads; connections that stand are left alone."""
        self._target_port = port

    def cut(self, *, after_bytes: int = 0, with_reset: bool = False) -> None:
        """End every connection, once so many bytes more have passed, and let nobody connect until it is mended."""
        self._lines.call(lambda: self._cut(after_bytes=after_bytes, with_reset=with_reset))

    def slow(self, *, delay_s: float) -> None:
        """Let each kilobyte wait."""
        self._set_state("slow", delay_s=delay_s)

    def silence(self) -> None:
        """Let nothing pass, in either direction; connections stand, and nobody is told."""
        self._set_state("silent", is_flowing=False)

    def mend(self) -> None:
        """Let everything pass again; what was held back arrives."""
        self._set_state("whole")

    def close(self) -> None:
        self._lines.call(self._close)

    # --- in the lines' thread

    async def open(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, limit=CHUNK_BYTES)
        self.port = self._server.sockets[0].getsockname()[1]

    def _set_state(self, state: str, *, delay_s: float = 0.0, is_flowing: bool = True) -> None:
        async def change() -> None:
            self.state = state
            self._delay_s = delay_s
            self._bytes_left = None
            (self._flowing.set if is_flowing else self._flowing.clear)()

        self._lines.call(change)

    async def _cut(self, *, after_bytes: int, with_reset: bool) -> None:
        self._with_reset = with_reset
        self._bytes_left = after_bytes or None
        self.state = "cut"
        if after_bytes:
            asyncio.get_running_loop().call_later(CUT_AT_LAST_S, self._cut_if_still_due)
        else:
            self._abort_all()

    def _cut_if_still_due(self) -> None:
        if self.state == "cut":
            self._bytes_left = None
            self._abort_all()

    async def _close(self) -> None:
        self.state = "cut"
        if self._server is not None:
            self._server.close()
        self._abort_all()
        self._flowing.set()

    def _abort_all(self) -> None:
        for writer in tuple(self._writers):
            self._abort(writer)

    def _abort(self, writer: asyncio.StreamWriter) -> None:
        sock = writer.get_extra_info("socket")
        if self._with_reset and sock is not None:
            with contextlib.suppress(OSError):
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.state == "cut" or self._target_port is None:
            self._abort(writer)
            return
        try:
            onward = await asyncio.open_connection("127.0.0.1", self._target_port, limit=CHUNK_BYTES)
        except OSError:
            self._abort(writer)
            return
        ends = {writer, onward[1]}
        self._writers |= ends
        try:
            await asyncio.gather(self._pump(reader, onward[1]), self._pump(onward[0], writer))
        finally:
            self._writers -= ends
            for end in ends:
                self._abort(end)

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Hand on what comes, until one side ends; then the other side is told by the end of the connection."""
        with contextlib.suppress(OSError):
            while passing := await reader.read(SLOW_CHUNK_BYTES if self._delay_s else CHUNK_BYTES):
                await self._flowing.wait()
                if self._delay_s:
                    await asyncio.sleep(self._delay_s)
                if self._bytes_left is not None:
                    passing = passing[: self._bytes_left]
                    self._bytes_left -= len(passing)
                writer.write(passing)
                await writer.drain()
                self.passed_bytes += len(passing)
                if self._bytes_left == 0:
                    self._cut_if_still_due()
        writer.transport.close() if not writer.transport.is_closing() else None


async def _laid(name: str, lines: Lines) -> Line:
    line = Line(name, lines)
    await line.open()
    return line


async def _nothing_left() -> None:
    """Wait for the connections that were ended, so that none is left to complain."""
    own = asyncio.current_task()
    left = [task for task in asyncio.all_tasks() if task is not own]
    if left:
        await asyncio.wait(left, timeout=2)
