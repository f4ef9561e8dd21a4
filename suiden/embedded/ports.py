"""Ports of this machine."""

import socket


def free_port() -> int:
    """Name a port of the loopback interface that nothing uses now; another program may take it before we do."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
