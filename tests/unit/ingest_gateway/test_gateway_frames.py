"""MQTT packets are cut out of the stream alike, wherever the stream was cut on its way."""

from itertools import pairwise

import paho.mqtt.client as paho
import pytest
from hypothesis import given
from hypothesis import strategies as st
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion

from ingest_gateway.mqtt import client as frame_client
from ingest_gateway.mqtt import link
from ingest_gateway.mqtt.frames import (
    ACKNOWLEDGEMENTS,
    Frames,
    StreamBroken,
    acknowledgements,
    publication,
    split,
)

Sent = tuple[int, bytes, bytes, bytes]  # message id (0: quality 0), topic, payload, properties


def length_of(size: int) -> bytes:
    written = bytearray()
    while size >= 128:
        written.append(size & 0x7F | 0x80)
        size >>= 7
    return bytes([*written, size])


def packet(sent: Sent, *, is_v5: bool, flags: int = 0) -> bytes:
    """Write a publication as a broker does."""
    message_id, topic, payload, properties = sent
    body = len(topic).to_bytes(2) + topic
    if message_id:
        body += message_id.to_bytes(2)
    if is_v5:
        body += length_of(len(properties)) + properties
    body += payload
    return bytes([0x30 | flags | (2 if message_id else 0)]) + length_of(len(body)) + body


publications: st.SearchStrategy[Sent] = st.tuples(
    st.integers(0, 65_535),
    st.sampled_from([b"t", b"suiden/v1/hinode/C-1/up", "水/温".encode(), b"x" * 200]),
    st.binary(max_size=40) | st.integers(100, 20_000).map(bytes),
    st.sampled_from([b"", b"\x01\x01", b"\x26\x00\x01a\x00\x01b" * 20]),
)
# A ping's answer, a subscription's answer, a publication of quality 2.
others = st.sampled_from([(0xD0, b""), (0x90, b"\x00\x01\x01"), (0x34, b"\x00\x01t\x00\x07payload")])


@given(
    stream=st.lists(publications | others, max_size=12),
    is_v5=st.booleans(),
    cuts=st.lists(st.integers(0, 60_000), max_size=8),
)
def test_a_stream_cut_anywhere_gives_the_same_messages(
    stream: list[Sent | tuple[int, bytes]], is_v5: bool, cuts: list[int]
) -> None:
    written = b"".join(
        packet(one, is_v5=is_v5) if len(one) == 4 else bytes([one[0]]) + length_of(len(one[1])) + one[1]
        for one in stream
    )
    places = [0, *sorted(min(cut, len(written)) for cut in cuts), len(written)]
    found = Frames()
    rest = b""
    for start, end in pairwise(places):
        came = split(rest + written[start:end], is_v5=is_v5)
        rest = (rest + written[start:end])[came.consumed :]
        found.message_ids += came.message_ids
        found.topics += came.topics
        found.payloads += came.payloads
        found.others += came.others
        found.payload_bytes += came.payload_bytes
        found.is_redelivered |= came.is_redelivered
    expected = [one for one in stream if len(one) == 4]
    assert rest == b""
    assert list(zip(found.message_ids, found.topics, found.payloads, strict=True)) == [one[:3] for one in expected]
    assert found.payload_bytes == sum(len(one[2]) for one in expected)
    assert found.others == [one for one in stream if len(one) == 2]
    assert not found.is_redelivered


def test_a_packet_byte_by_byte_is_the_packet() -> None:
    written = packet((7, b"t", bytes(300), b"\x01\x01"), is_v5=True)
    for size in range(len(written)):
        assert split(written[:size], is_v5=True).consumed == 0
    assert split(written, is_v5=True).payloads == [bytes(300)]


@pytest.mark.parametrize("flags", [0x08, 0x09])
def test_what_is_sent_again_is_known_by_its_flag_and_what_was_retained_is_taken_too(flags: int) -> None:
    came = split(packet((3, b"t", b"x", b""), is_v5=False, flags=flags), is_v5=False)
    assert (came.is_redelivered, came.payloads) == (True, [b"x"])
    assert not split(packet((0, b"t", b"x", b""), is_v5=False, flags=0x01), is_v5=False).is_redelivered


@pytest.mark.parametrize(
    ("stream", "is_v5"),
    [
        (b"\x30\xff\xff\xff\xff\x01", False),  # a length of five bytes
        (b"\x30\x00", False),  # no room for a topic
        (b"\x30\x01\x00", False),
        (b"\x30\x03\x00\x05a", False),  # a topic longer than its packet
        (b"\x30\x03\x00\x05a" + b"more of the stream", False),
        (b"\x32\x03\x00\x01a", False),  # no room for its number
        (b"\x32\x03\x00\x01a\x30\x03\x00\x01b", False),
        (b"\x30\x03\x00\x01a", True),  # no room for its properties
        (b"\x30\x04\x00\x01a\x05", True),  # properties longer than their packet
        (b"\x30\x05\x00\x01a\x80\x80", True),
        (b"\x30\x05\x00\x01a\xff\xff\xff\xff\xff", True),
    ],
)
def test_what_cannot_be_mqtt_breaks_the_stream(stream: bytes, is_v5: bool) -> None:
    with pytest.raises(StreamBroken):
        split(stream, is_v5=is_v5)


@given(st.binary(max_size=300), st.booleans())
def test_no_bytes_are_read_beyond_the_stream_nor_raise_anything_else(stream: bytes, is_v5: bool) -> None:
    try:
        came = split(stream, is_v5=is_v5)
    except StreamBroken:
        return
    assert 0 <= came.consumed <= len(stream)


@given(
    topic=st.sampled_from([b"t", b"suiden/v1/hinode/C-1/ack"]),
    payload=st.binary(max_size=200) | st.integers(0, 40_000).map(bytes),
    is_v5=st.booleans(),
)
def test_what_we_publish_reads_back(topic: bytes, payload: bytes, is_v5: bool) -> None:
    came = split(publication(topic=topic, payload=payload, is_v5=is_v5), is_v5=is_v5)
    assert (came.message_ids, came.topics, came.payloads) == ([0], [topic], [payload])


def test_the_table_of_acknowledgements_holds_each_number_in_its_place() -> None:
    assert len(ACKNOWLEDGEMENTS) == 65_536
    assert all(one == bytes([0x40, 2, *divmod(number, 256)]) for number, one in enumerate(ACKNOWLEDGEMENTS))
    assert acknowledgements([1, 256, 65_535]) == b"\x40\x02\x00\x01\x40\x02\x01\x00\x40\x02\xff\xff"
    assert acknowledgements([]) == b""


def test_frames_are_read_by_the_release_of_paho_that_was_looked_at_and_by_no_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert frame_client.can_read_frames()
    monkeypatch.setattr(frame_client, "paho_release", "3.0.0")
    assert not frame_client.can_read_frames()


@pytest.mark.parametrize("part", frame_client.PRIVATE)
def test_frames_are_not_read_where_a_part_of_paho_is_missing(part: str, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = Client(CallbackAPIVersion.VERSION2)

    class Without:
        def __getattr__(self, name: str) -> object:
            if name == part:
                raise AttributeError(name)
            return getattr(plain, name)

    monkeypatch.setattr(frame_client.paho, "Client", lambda *_: Without())
    assert not frame_client.can_read_frames()


def test_plain_paho_gives_a_topic_as_it_came_and_one_for_all_that_are_no_text() -> None:
    assert link._topic_of(paho.MQTTMessage(topic="Zähler/up".encode())) == "Zähler/up".encode()
    assert link._topic_of(paho.MQTTMessage(topic=b"\xff/up")) == link.NO_TOPIC


def test_a_long_packet_is_cut_out_once_it_is_whole_however_many_pieces_it_came_in(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    heard: list[Frames] = []
    client = frame_client.FrameClient(CallbackAPIVersion.VERSION2, on_frames=heard.append, is_v5=False)
    whole = publication(topic=b"a/b", payload=b"x" * 3_000_000, is_v5=False) + publication(
        topic=b"c", payload=b"y", is_v5=False
    )
    pieces = [whole[start : start + 1_000] for start in range(0, len(whole), 1_000)]
    cuts: list[int] = []

    def counted(stream: bytes, *, is_v5: bool) -> Frames:
        cuts.append(len(stream))
        return split(stream, is_v5=is_v5)

    monkeypatch.setattr(client, "_sock", object())
    monkeypatch.setattr(client, "_sock_recv", lambda _bytes: pieces.pop(0))
    monkeypatch.setattr(frame_client, "split", counted)
    while pieces:
        client.loop_read()
    assert [(frames.topics, list(map(len, frames.payloads))) for frames in heard] == [([b"a/b", b"c"], [3_000_000, 1])]
    assert len(cuts) <= 3  # its length, itself, and what came with its end
