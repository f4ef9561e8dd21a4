"""A paho client that reads and acknowledges many messages at a time.

paho reads a packet in three calls to the socket and makes an object of each; at tens of thousands of messages a second
that is most of the time. What is overridden and what private parts are used is named in docs/decisions/0015, and
nowhere else than here. A release of paho that was not looked at is used as it comes.
"""

import time
from collections.abc import Callable
from typing import Any

import paho.mqtt.client as paho
from paho.mqtt import __version__ as paho_release
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode
from paho.mqtt.exception import MalformedPacket

from ingest_gateway.mqtt.frames import Frames, StreamBroken, acknowledgements, split

READ_BYTES = 262_144
KNOWN_RELEASES = ("2.1.", "2.2.")
PRIVATE = (
    "_sock_recv",
    "_packet_handle",
    "_packet_queue",
    "_loop_rc_handle",
    "_in_packet",
    "_msgtime_mutex",
    "_last_bytes_received",
)

OnFrames = Callable[[Frames], None]


def can_read_frames() -> bool:
    """Tell whether this release of paho has the parts that `FrameClient` builds on."""
    if not paho_release.startswith(KNOWN_RELEASES):
        return False
    plain = paho.Client(CallbackAPIVersion.VERSION2)
    return all(hasattr(plain, name) for name in PRIVATE)


class FrameClient(paho.Client):
    """Gives whole stretches of publications to `on_frames`, in the loop's thread; all else is paho's."""

    def __init__(self, *arguments: Any, on_frames: OnFrames, is_v5: bool, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._on_frames = on_frames
        self._is_v5 = is_v5
        self._rest: list[bytes] = []  # the beginning of a packet, as it came
        self._rest_bytes = self._needed = 0

    def loop_read(self, max_packets: int = 1) -> MQTTErrorCode:  # noqa: ARG002 - paho gives it and does not use it
        """Read what there is, up to a quarter of a megabyte, and handle every packet that is whole."""
        if self._sock is None:
            return MQTTErrorCode.MQTT_ERR_NO_CONN
        try:
            received = self._sock_recv(READ_BYTES)
        except BlockingIOError:
            return MQTTErrorCode.MQTT_ERR_SUCCESS
        except OSError:
            return self._loop_rc_handle(MQTTErrorCode.MQTT_ERR_CONN_LOST)
        if not received:
            return self._loop_rc_handle(MQTTErrorCode.MQTT_ERR_CONN_LOST)
        with self._msgtime_mutex:
            self._last_bytes_received = time.monotonic()
        stream = self._with_rest(received)
        if not stream:
            return MQTTErrorCode.MQTT_ERR_SUCCESS
        try:
            frames = split(stream, is_v5=self._is_v5)
        except StreamBroken:
            return self._loop_rc_handle(MQTTErrorCode.MQTT_ERR_PROTOCOL)
        rest = stream[frames.consumed :]
        self._rest, self._rest_bytes, self._needed = [rest] if rest else [], len(rest), frames.needed
        for head, body in frames.others:
            answer = self._handle_other(head, body)
            if answer > 0 or self._sock is None:
                return self._loop_rc_handle(answer) if answer > 0 else MQTTErrorCode.MQTT_ERR_NO_CONN
        if frames.message_ids:
            self._on_frames(frames)
        return MQTTErrorCode.MQTT_ERR_SUCCESS

    def acknowledge(self, message_ids: list[int]) -> None:
        """Acknowledge messages of this connection in one write; any thread may."""
        self.send_packets(acknowledgements(message_ids))

    def send_packets(self, packets: bytes) -> None:
        """Send packets that are whole and need no answer; any thread may."""
        # Said to be an acknowledgement: for a publication paho would look for its caller, and there is none.
        self._packet_queue(paho.PUBACK, packets, 0, 0)

    def _with_rest(self, received: bytes) -> bytes:
        """Put what came behind the packet that it goes on with; nothing as long as that is not whole."""
        if not self._rest:
            return received
        # Joined once, when all is there: a long packet comes in a thousand pieces.
        self._rest.append(received)
        self._rest_bytes += len(received)
        return b"".join(self._rest) if self._rest_bytes >= self._needed else b""

    def _handle_other(self, head: int, body: bytes) -> MQTTErrorCode:
        self._in_packet = {
            "command": head,
            "have_remaining": 1,
            "remaining_count": [],
            "remaining_mult": 1,
            "remaining_length": len(body),
            "packet": bytearray(body),
            "to_process": 0,
            "pos": 0,
        }
        try:
            return self._packet_handle()
        except MalformedPacket:
            return MQTTErrorCode.MQTT_ERR_PROTOCOL
