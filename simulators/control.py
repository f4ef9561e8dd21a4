"""Faults thrown in by hand: an order on one MQTT topic, the town's answer on another."""

import queue
import secrets
from typing import Any

import msgspec
import structlog
from paho.mqtt import client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from simulators import faults
from simulators.faults import FaultImpossible, FaultKind
from simulators.links import BrokerAddress
from simulators.world import World

log = structlog.get_logger()

ORDER_TOPIC = "suiden-town/control"
ANSWER_TOPIC = "suiden-town/control/answer"


class TownSilent(Exception):
    """No town answered; it may not run, or not at this broker."""


def answer(payload: bytes, *, world: World) -> bytes:
    """Carry out an order of the control topic and tell how it went."""
    ref: Any = None
    try:
        order = msgspec.json.decode(payload, type=dict[str, Any])
        ref = order.get("ref")
        text, is_done = _carry_out(order, world=world), True
    except (msgspec.MsgspecError, FaultImpossible, ValueError, TypeError) as error:
        text, is_done = str(error), False
    log.info("town.order", text=text, done=is_done)
    return msgspec.json.encode({"ref": ref, "done": is_done, "text": text})


def _carry_out(order: dict[str, Any], *, world: World) -> str:
    if "repair" in order:
        place = order["repair"]
        ended = world.repair(lambda fault: place in ("all", fault.place))
        return (
            ", ".join(f"{fault.kind} at {fault.place} repaired" for fault in ended) or f"nothing is broken at {place}"
        )
    if order.get("list"):
        return ", ".join(f"{fault.kind} at {fault.place}" for fault in world.state.faults) or "nothing is broken"
    fault = faults.ordered(order, known=world.known, hour=world.state.hour)
    world.break_down(fault)
    return f"{fault.kind} at {fault.place}"


def send_fault(
    mqtt_url: str, *, fault: FaultKind, place: str, size: float | None = None, timeout_s: float = 10.0
) -> str:
    """Break something in the running town; return what broke and where.

    `place` is a zone, junction, point or meter; `size` litres an hour of a leak, or a share of the usual of others.

    :raises FaultImpossible: if the town has no such place
    :raises TownSilent: if no town answers in time
    """
    return send_order(mqtt_url, order={"fault": fault, "place": place, "size": size}, timeout_s=timeout_s)


def send_order(mqtt_url: str, *, order: dict[str, Any], timeout_s: float = 10.0) -> str:
    """Send an order to the running town and return its answer.

    :raises FaultImpossible: if the town cannot do it
    :raises TownSilent: if no town answers in time
    """
    address, ref = BrokerAddress.of(mqtt_url), secrets.token_hex(6)
    answers: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
    client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id=f"suiden-order-{ref}", protocol=mqtt.MQTTv311)
    client.username_pw_set(address.user, address.password)
    if address.is_encrypted:
        client.tls_set()

    def subscribe(*_: Any) -> None:
        client.subscribe(ANSWER_TOPIC, qos=1)

    def publish(*_: Any) -> None:
        # Only now, so that the answer cannot be missed.
        client.publish(ORDER_TOPIC, msgspec.json.encode(order | {"ref": ref}), qos=1)

    client.on_connect, client.on_subscribe = subscribe, publish
    client.on_message = lambda _client, _data, message: answers.put(msgspec.json.decode(message.payload))
    try:
        client.connect(address.host, address.port)
        client.loop_start()
        while True:
            said = answers.get(timeout=timeout_s)
            if said.get("ref") == ref:
                break
    except (OSError, queue.Empty) as error:
        raise TownSilent(
            f"no town answered at {address.host}:{address.port} within {timeout_s:g} s; is it running?"
        ) from error
    finally:
        client.disconnect()
        client.loop_stop()
    if not said["done"]:
        raise FaultImpossible(said["text"])
    return str(said["text"])
