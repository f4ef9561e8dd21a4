"""The broker's address: who we are there, whom we trust, and what is wrong with it."""

import threading
from pathlib import Path

import pytest

from ingest_gateway.mqtt.buffer import Buffer
from ingest_gateway.mqtt.connection import Connection
from ingest_gateway.mqtt.link import BrokerAddress, BrokerAddressUnusable, LinkOptions


def test_the_files_of_a_line_with_certificates_are_named_in_the_address() -> None:
    address = BrokerAddress.of("mqtts://broker:8884?ca=/c/ca.crt&certificate=/c/g.crt&key=/c/g.key&protocol=5")
    assert (address.ca_file, address.certificate_file, address.key_file) == ("/c/ca.crt", "/c/g.crt", "/c/g.key")
    assert (address.port, address.protocol, address.username, address.tls) == (8884, "5", None, True)


def test_without_them_the_machines_own_authorities_are_trusted() -> None:
    context = BrokerAddress.of("mqtts://gateway:secret@broker").tls_context()
    assert context.check_hostname
    assert context.verify_mode.name == "CERT_REQUIRED"


@pytest.mark.parametrize("option", ["ca", "certificate"])
def test_a_file_that_cannot_be_used_is_named(option: str, tmp_path: Path) -> None:
    empty = tmp_path / "empty.pem"
    empty.touch()
    for path in (tmp_path / "none.pem", empty):
        with pytest.raises(BrokerAddressUnusable, match=path.name):
            BrokerAddress.of(f"mqtts://broker?{option}={path}").tls_context()


@pytest.mark.parametrize(
    ("url", "plain_paho", "subscription", "protocols"),
    [
        ("mqtt://broker", False, "suiden/#", ["5", "3.1.1"]),
        ("mqtt://broker", True, "suiden/#", ["3.1.1", "5"]),
        ("mqtt://broker", True, "$share/group/suiden/#", ["5", "3.1.1"]),
        ("mqtt://broker?protocol=5", True, "suiden/#", ["5"]),
    ],
)
def test_plain_paho_speaks_what_costs_it_least_unless_told_or_in_a_group(
    url: str, plain_paho: bool, subscription: str, protocols: list[str]
) -> None:
    options = LinkOptions("a", [subscription], 10, 10, 10, plain_paho)
    buffer = Buffer(max_messages=1, max_bytes=1, max_age_s=1)
    connection = Connection(address=BrokerAddress.of(url), options=options, buffer=buffer, stop=threading.Event())
    assert connection._protocols == protocols
