"""deploy/mosquitto.conf, on a real Mosquitto: what it takes it keeps, and nobody uses another's topics or session."""

from collections.abc import Iterator

import pytest

from tests.production_broker import ProductionBroker, Visitor, production_broker

SENDER, OTHER = "C-D1", "W-0001"
MANY = 3_000  # three times what Mosquitto keeps for a client by default

pytestmark = pytest.mark.gateway


@pytest.fixture
def broker() -> Iterator[ProductionBroker]:
    with production_broker(sender_names=(SENDER, OTHER)) as started:
        yield started


@pytest.mark.parametrize("shared", ["", "$share/intake/"])
def test_all_is_kept_for_a_gateway_that_is_away_even_over_a_restart(broker: ProductionBroker, shared: str) -> None:
    broker.service(keep=True).subscribe(f"{shared}suiden/+/+/+/up").leave()
    sender = broker.sender(SENDER)
    sender.publish_many(f"suiden/v1/hinode/{SENDER}/up", [str(number) for number in range(MANY)])
    sender.leave()
    broker.stop()
    broker.start()
    gateway = broker.service(keep=True)
    got = {int(gateway.received.get(timeout=20)[1]) for _ in range(MANY)}
    gateway.leave()
    assert got == set(range(MANY))


def test_a_sender_is_not_heard_on_the_topic_of_another(broker: ProductionBroker) -> None:
    gateway, sender = broker.service().subscribe("suiden/#"), broker.sender(SENDER)
    for topic in (f"suiden/v1/hinode/{OTHER}/up", f"suiden/v1/hinode/{SENDER}/down"):
        sender.publish(topic, "not mine")
    sender.publish(f"suiden/v1/hinode/{SENDER}/up", "mine")
    assert [payload for _, payload in gateway.heard(1)] == ["mine"]
    sender.leave()
    gateway.leave()


def test_a_sender_does_not_get_what_is_for_another(broker: ProductionBroker) -> None:
    gateway, sender = broker.service(), broker.sender(SENDER)
    sender.subscribe("#", "suiden/#", f"suiden/v1/hinode/{OTHER}/down", f"suiden/v1/hinode/{SENDER}/down")
    gateway.publish(f"suiden/v1/hinode/{OTHER}/down", "for the other")
    gateway.publish(f"suiden/v1/hinode/{OTHER}/ack", "for the other")
    gateway.publish(f"suiden/v1/hinode/{SENDER}/down", "for me")
    assert sender.heard(1) == [(f"suiden/v1/hinode/{SENDER}/down", "for me")]
    sender.leave()
    gateway.leave()


def test_a_sender_with_the_gateways_client_id_neither_ends_nor_takes_its_session(broker: ProductionBroker) -> None:
    gateway = broker.service("suiden-gateway-1", keep=True).subscribe("suiden/+/+/+/up")
    sender = broker.sender(SENDER, client_id="suiden-gateway-1", keep=True)
    assert sender.refusal == ""
    sender.publish(f"suiden/v1/hinode/{SENDER}/up", "mine")
    assert [payload for _, payload in gateway.heard(1)] == ["mine"]
    assert gateway.is_connected
    assert sender.received.empty()
    sender.leave()
    gateway.leave()


def test_two_visits_of_one_sender_are_one_session_whatever_they_call_themselves(broker: ProductionBroker) -> None:
    first = broker.sender(SENDER, client_id="a")
    second = broker.sender(SENDER, client_id="b")
    assert first.lost.get(timeout=10), "the broker lets one of them stay"
    other = broker.sender(OTHER, client_id="b")
    assert second.is_connected
    for visitor in (second, other):
        visitor.leave()


def test_nobody_comes_in_without_a_login(broker: ProductionBroker) -> None:
    for port in broker.ports.values():
        assert Visitor(port, client_id="stranger").refusal
        assert Visitor(port, client_id="stranger", user=SENDER, password="guessed").refusal


def test_the_file_has_nothing_that_mosquitto_complains_of(broker: ProductionBroker) -> None:
    log = broker.log_path.read_text()
    complaints = [line for line in log.splitlines() if "Error" in line or "Unknown" in line or "Invalid" in line]
    assert not complaints, log
