"""Lines that can be cut, slowed and silenced."""

import contextlib
import socket
import threading
import time
from collections.abc import Iterator

import pytest

from suiden.torture.lines import Line, Lines


class Echo:
    """A program that sends back what it gets, and counts who connected."""

    def __init__(self) -> None:
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._server.getsockname()[1])
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._server.close()

    def _run(self) -> None:
        while True:
            try:
                client, _ = self._server.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with client:
            try:
                while got := client.recv(65_536):
                    client.sendall(got)
            except OSError:
                return


@pytest.fixture
def line() -> Iterator[Line]:
    """A line to a program that answers with what it was told."""
    echo, lines = Echo(), Lines()
    laid = lines.lay("test")
    laid.lead_to(echo.port)
    yield laid
    lines.close()
    echo.close()


def connect(line: Line) -> socket.socket:
    client = socket.create_connection(("127.0.0.1", line.port), timeout=5)
    client.settimeout(5)
    return client


def receive(client: socket.socket, count: int) -> bytes:
    """Receive so many bytes, or what came before the end."""
    got = b""
    while len(got) < count and (part := client.recv(count - len(got))):
        got += part
    return got


def test_a_whole_line_hands_on_everything(line: Line) -> None:
    payload = bytes(range(256)) * 4_000
    with connect(line) as client:
        threading.Thread(target=client.sendall, args=(payload,)).start()
        assert receive(client, len(payload)) == payload


def test_a_cut_line_ends_connections_and_lets_nobody_in_until_it_is_mended(line: Line) -> None:
    with connect(line) as client:
        client.sendall(b"before")
        assert receive(client, 6) == b"before"
        line.cut()
        assert_ended(client)
    with connect(line) as client:
        assert_ended(client)
    line.mend()
    with connect(line) as client:
        client.sendall(b"after")
        assert receive(client, 5) == b"after"


def assert_ended(client: socket.socket) -> None:
    with contextlib.suppress(ConnectionResetError):
        assert client.recv(1) == b""


@pytest.mark.parametrize("with_reset", [False, True])
def test_a_line_is_cut_in_the_middle_of_a_packet(line: Line, *, with_reset: bool) -> None:
    with connect(line) as client:
        client.sendall(b"before")
        assert receive(client, 6) == b"before"
        line.cut(after_bytes=3, with_reset=with_reset)
        client.sendall(b"packet")
        assert len(receive_until_the_end(client)) <= 3
    assert line.state == "cut"


def receive_until_the_end(client: socket.socket) -> bytes:
    try:
        return receive(client, 6)
    except ConnectionResetError:
        return b""


def test_a_silent_line_holds_back_what_comes_and_brings_it_when_mended(line: Line) -> None:
    with connect(line) as client:
        client.sendall(b"one")
        assert receive(client, 3) == b"one"
        line.silence()
        client.sendall(b"two")
        client.settimeout(0.3)
        with pytest.raises(TimeoutError):
            client.recv(3)
        client.settimeout(5)
        line.mend()
        assert receive(client, 3) == b"two"


def test_a_slow_line_is_slow(line: Line) -> None:
    line.slow(delay_s=0.05)
    with connect(line) as client:
        began_s = time.monotonic()
        client.sendall(b"x" * 4_096)
        assert receive(client, 4_096) == b"x" * 4_096
    assert time.monotonic() - began_s >= 0.2


def test_a_line_to_nobody_ends_connections(line: Line) -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        free = int(probe.getsockname()[1])
    line.lead_to(free)
    with connect(line) as client:
        assert_ended(client)
