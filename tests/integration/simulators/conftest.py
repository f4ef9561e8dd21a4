"""A broker that knows the little town's senders by name, as an installation's does."""

import os
from collections.abc import Iterator

import pytest

from simulators import town
from simulators.town import Town
from suiden.embedded.access import Login
from suiden.embedded.broker import EmbeddedBroker, MosquittoBroker

SERVICE = Login("service", "service-password", is_service=True)
METER_PASSWORD = "meter-password"


@pytest.fixture(scope="session")
def little() -> Town:
    return town.build(seed=5, points_per_service=80)


@pytest.fixture
def town_broker(little: Town, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """URL of a broker with the service's login; the senders' logins share METER_PASSWORD.

    Each test has its own: a broker that is behind still delivers what the town of the test before said.
    """
    logins = [SERVICE, *(Login(sender.name, METER_PASSWORD) for sender in little.senders)]
    kind = MosquittoBroker if os.environ.get("SUIDEN_TEST_BROKER") == "mosquitto" else EmbeddedBroker
    with kind(data_dir=tmp_path_factory.mktemp("town-broker"), logins=logins) as broker:
        yield f"mqtt://{SERVICE.name}:{SERVICE.password}@127.0.0.1:{broker.port}"
