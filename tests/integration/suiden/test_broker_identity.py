"""From the registry to a real Mosquitto: who comes in by which login, password or certificate, and what arrives."""

import json
import socket
import ssl
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import psycopg
import pytest
from psycopg import Connection
from psycopg.rows import TupleRow

from ingest_gateway.domain.decoders import Bridge
from suiden import broker_access, certificates
from suiden.broker_access import BrokerLogin
from suiden.certificates import CertificateImpossible
from tests import gateway_town as town
from tests.gateway_running import Running
from tests.production_broker import ProductionBroker, Visitor, production_broker

BRIDGES = {"wmbusmeters": Bridge(utility=town.CODE, sender=town.BRIDGE)}
OWN_UP, OTHERS_UP = (f"suiden/v1/{town.CODE}/{name}/up" for name in ("W-SELF", "W-OTHER"))

pytestmark = pytest.mark.gateway


def listed(conn: Connection[TupleRow]) -> dict[str, BrokerLogin]:
    return {one.name: one for one in broker_access.logins(conn, bridges=BRIDGES)}


def test_every_active_sender_of_the_registry_has_its_own_topics(conn: Connection[TupleRow]) -> None:
    town.found(conn)
    conn.execute("UPDATE sender SET active = false WHERE name = 'W-OTHER'")
    found = listed(conn)
    assert set(found) == {town.CONCENTRATOR, "W-SELF", town.BRIDGE}
    assert set(found["W-SELF"].rules) == {
        ("write", f"{OWN_UP}/#"), ("read", OWN_UP[:-2] + "ack"), ("read", OWN_UP[:-2] + "down"),
    }  # fmt: skip
    assert found[town.BRIDGE].rules == (("write", "wmbusmeters/#"),)


def test_where_the_topic_names_the_device_each_sender_may_write_under_its_own_name(conn: Connection[TupleRow]) -> None:
    town.found(conn)
    bridges = {"wmbusmeters": Bridge(utility=town.CODE, sender="+", zone=ZoneInfo("Asia/Tokyo"))}
    found = {one.name: one for one in broker_access.logins(conn, bridges=bridges)}
    assert ("write", "wmbusmeters/W-SELF/#") in found["W-SELF"].rules
    assert ("write", "wmbusmeters/#") not in found["W-SELF"].rules


class Identified:
    """A broker whose logins were made from the registry of a small utility, and their passwords."""

    def __init__(self, broker: ProductionBroker, found: list[BrokerLogin]) -> None:
        self.broker, self.found = broker, found
        self.passwords: dict[str, str] = {}
        self.update(found)

    def update(self, found: list[BrokerLogin], *, rotate: tuple[str, ...] = (), by_password: bool = True) -> None:
        changes = broker_access.write(
            self.broker.secrets, found, rotate=rotate, by_password=by_password, wall_now=datetime.now(UTC)
        )
        if changes.handout is not None:
            lines = changes.handout.read_text().splitlines()[1:]
            self.passwords |= dict(line.split(",") for line in lines)
        self.broker.read_access_again()


@pytest.fixture
def logins(conn: Connection[TupleRow]) -> list[BrokerLogin]:
    town.found(conn)
    return broker_access.logins(conn, bridges=BRIDGES)


@pytest.fixture
def identified(logins: list[BrokerLogin]) -> Iterator[Identified]:
    with production_broker() as broker:
        yield Identified(broker, logins)


def test_what_a_meter_says_in_anothers_name_does_not_arrive(identified: Identified) -> None:
    gateway = identified.broker.service().subscribe("#")
    meter = identified.broker.sender("W-SELF", password=identified.passwords["W-SELF"])
    for topic in (OTHERS_UP, OWN_UP.replace(town.CODE, "minato"), OWN_UP.replace("/up", "/down"), "wmbusmeters/x"):
        meter.publish(topic, "forged")
    meter.publish(OWN_UP, "own")
    assert gateway.heard(1) == [(OWN_UP, "own")]
    for visitor in (gateway, meter):
        visitor.leave()


def test_a_new_password_takes_the_place_of_the_old_while_the_broker_runs(identified: Identified) -> None:
    old = dict(identified.passwords)
    meter = identified.broker.sender("W-SELF", password=old["W-SELF"])
    other = identified.broker.sender("W-OTHER", password=old["W-OTHER"])
    identified.update(identified.found, rotate=("W-SELF",))
    assert meter.lost.get(timeout=10), "who came in with the old one is put out"
    assert other.is_connected
    assert identified.broker.sender("W-SELF", password=old["W-SELF"]).refusal
    again = identified.broker.sender("W-SELF", password=identified.passwords["W-SELF"])
    assert again.refusal == ""
    for visitor in (other, again):
        visitor.leave()


def test_a_sender_that_the_registry_no_longer_has_is_put_out(identified: Identified) -> None:
    gateway = identified.broker.service(keep=True).subscribe("suiden/#")
    meter = identified.broker.sender("W-SELF", password=identified.passwords["W-SELF"])
    identified.update([one for one in identified.found if one.name != "W-SELF"])
    assert meter.lost.get(timeout=10)
    assert identified.broker.sender("W-SELF", password=identified.passwords["W-SELF"]).refusal
    assert gateway.is_connected, "our own processes stay"
    gateway.leave()


@pytest.fixture
def with_tls(logins: list[BrokerLogin]) -> Iterator[Identified]:
    with production_broker(with_tls=True) as broker:
        for name in ("W-SELF", "W-OTHER", "suiden-gateway-1", "suiden", "W-GONE"):
            certificates.make_certificate(broker.certificates, name=name, days=2)
        yield Identified(broker, logins)


def tls(broker: ProductionBroker, *, certificate: Path | None = None, trusted: Path | None = None) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(trusted or broker.certificates / "ca.crt"))
    if certificate is not None:
        context.load_cert_chain(certificate, certificate.with_suffix(".key"))
    return context


def by_certificate(
    broker: ProductionBroker, certificate: Path, *, client_id: str = "x", user: str | None = None
) -> Visitor:
    context = tls(broker, certificate=certificate)
    return Visitor(broker.ports["8884"], client_id=client_id, user=user, password="any" if user else None, tls=context)


def test_a_certificate_is_the_login_that_it_names_whatever_else_is_said(with_tls: Identified) -> None:
    broker = with_tls.broker
    gateway = broker.service("suiden-gateway-1").subscribe("#")
    meter = by_certificate(broker, broker.certificates / "W-SELF.crt", client_id="suiden-gateway-1", user="W-OTHER")
    assert meter.refusal == ""
    meter.subscribe("#")
    meter.publish(OTHERS_UP, "forged")
    meter.publish(OWN_UP, "own")
    gateway.publish(OTHERS_UP.replace("/up", "/down"), "for the other")
    gateway.publish(OWN_UP.replace("/up", "/down"), "for me")
    assert [payload for _, payload in meter.heard(1)] == ["for me"]
    assert sorted(payload for _, payload in gateway.heard(3)) == ["for me", "for the other", "own"]
    assert gateway.is_connected
    for visitor in (gateway, meter):
        visitor.leave()


def test_a_certificate_of_no_sender_opens_no_topic(with_tls: Identified) -> None:
    broker = with_tls.broker
    gateway = broker.service().subscribe("#")
    gone = by_certificate(broker, broker.certificates / "W-GONE.crt")
    gone.publish(OWN_UP.replace("W-SELF", "W-GONE"), "not heard")
    gone.publish(OWN_UP, "not heard")
    gateway.publish("suiden/v1/hinode/last/up", "last")
    assert gateway.heard(1) == [("suiden/v1/hinode/last/up", "last")]
    for visitor in (gateway, gone):
        visitor.leave()


def test_certificates_of_a_stranger_and_expired_ones_and_none_are_refused(with_tls: Identified, tmp_path: Path) -> None:
    broker = with_tls.broker
    certificates.make_authority(tmp_path / "stranger", name="Suiden meters")
    forged = certificates.make_certificate(tmp_path / "stranger", name="W-SELF", days=2)
    assert by_certificate(broker, forged).refusal
    assert by_certificate(broker, expired(broker.certificates, tmp_path)).refusal
    assert Visitor(broker.ports["8884"], client_id="W-SELF", tls=tls(broker)).refusal, "without a certificate"
    fresh = by_certificate(broker, broker.certificates / "W-SELF.crt")
    assert fresh.refusal == "", "the same with a good one is let in"
    fresh.leave()


def expired(authority: Path, folder: Path) -> Path:
    """Sign a certificate whose time was over an hour ago."""
    (folder / "index.txt").touch()
    (folder / "ca.conf").write_text(
        f"[ca]\ndefault_ca=own\n[own]\ndatabase={folder}/index.txt\nnew_certs_dir={folder}\nrand_serial=yes\n"
        "default_md=sha256\npolicy=any\n[any]\ncommonName=supplied\n"
    )
    request = [
        "openssl", "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
        "-keyout", f"{folder}/old.key", "-subj", "/CN=W-SELF", "-out", f"{folder}/old.csr",
    ]  # fmt: skip
    sign = [
        "openssl", "ca", "-batch", "-notext", "-config", f"{folder}/ca.conf", "-cert", f"{authority}/ca.crt",
        "-keyfile", f"{authority}/ca.key", "-startdate", "20200101000000Z", "-enddate", "20200102000000Z",
        "-in", f"{folder}/old.csr", "-out", f"{folder}/old.crt",
    ]  # fmt: skip
    for command in (request, sign):
        subprocess.run(command, check=True, capture_output=True)
    return folder / "old.crt"


def test_a_password_crosses_the_encrypted_port_and_a_broker_of_another_authority_is_not_trusted(
    with_tls: Identified, tmp_path: Path
) -> None:
    broker = with_tls.broker
    port, password = broker.ports["8883"], with_tls.passwords["W-SELF"]
    meter = Visitor(port, client_id="x", user="W-SELF", password=password, tls=tls(broker))
    assert meter.refusal == ""
    meter.leave()
    stranger = certificates.make_authority(tmp_path / "stranger", name="Another")
    with socket.create_connection(("127.0.0.1", port)) as line, pytest.raises(ssl.SSLCertVerificationError):
        tls(broker, trusted=stranger).wrap_socket(line, server_hostname="127.0.0.1")
    assert Visitor(port, client_id="x", user="W-SELF", password=password).refusal, "without TLS"


def test_the_gateway_takes_readings_in_over_a_line_with_its_own_certificate(
    with_tls: Identified, database_url: str
) -> None:
    broker, folder = with_tls.broker, with_tls.broker.certificates
    url = (
        f"mqtts://127.0.0.1:{broker.ports['8884']}"
        f"?ca={folder}/ca.crt&certificate={folder}/suiden.crt&key={folder}/suiden.key"
    )
    running = Running(database_url, url)
    meter = by_certificate(broker, folder / "W-SELF.crt").subscribe(OWN_UP.replace("/up", "/ack"))
    told = {"seq": 1, "readings": [{"at": "2026-04-01T03:00:00Z", "register": 100}]}
    meter.publish(OWN_UP, json.dumps(told))
    running.wait_for_received(1)
    topic, answer = meter.received.get(timeout=10)
    assert topic.endswith("/W-SELF/ack")
    assert json.loads(answer)["through"] == 1
    with psycopg.connect(database_url) as conn:
        assert conn.execute("SELECT register FROM reading").fetchall() == [(100,)]
    meter.leave()
    running.close()


def test_an_authority_or_a_certificate_is_never_overwritten(tmp_path: Path) -> None:
    with pytest.raises(CertificateImpossible, match="suiden broker authority"):
        certificates.make_certificate(tmp_path, name="W-1", days=2)
    certificates.make_authority(tmp_path / "own", name="Own")
    certificates.make_certificate(tmp_path / "own", name="W-1", days=2)
    for again in (
        lambda: certificates.make_authority(tmp_path / "own", name="Own"),
        lambda: certificates.make_certificate(tmp_path / "own", name="W-1", days=2),
        lambda: certificates.make_certificate(tmp_path / "own", name="ca", days=2),
    ):
        with pytest.raises(CertificateImpossible, match="there already"):
            again()
    with pytest.raises(CertificateImpossible, match="no name"):
        certificates.make_certificate(tmp_path / "own", name="../W-1", days=2)
    assert (tmp_path / "own" / "ca.key").stat().st_mode & 0o077 == 0
    assert (tmp_path / "own" / "W-1.key").stat().st_mode & 0o077 == 0
