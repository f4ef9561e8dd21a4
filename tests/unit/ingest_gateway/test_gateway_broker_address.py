"""The broker's address: who we are there, whom we trust, and what is wrong with it."""

from pathlib import Path

import pytest

from ingest_gateway.mqtt.link import BrokerAddress, BrokerAddressUnusable


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
