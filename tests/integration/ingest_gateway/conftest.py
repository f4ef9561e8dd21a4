"""A running gateway with its town, and a client."""

from collections.abc import Iterator

import psycopg
import pytest
from psycopg import Connection
from psycopg.rows import TupleRow

from tests import gateway_town as town
from tests.gateway_intake import as_gateway
from tests.gateway_running import Client, Running, known_protocol


@pytest.fixture
def founded(database_url: str) -> str:
    with psycopg.connect(database_url) as conn:
        town.found(conn)
    return database_url


@pytest.fixture
def gateway(conn: Connection[TupleRow], database_url: str) -> Iterator[Connection[TupleRow]]:
    """A connection with the gateway's rights, to a database with the town in it."""
    town.found(conn)
    with as_gateway(database_url) as connection:
        yield connection


@pytest.fixture
def running(founded: str, broker_url: str) -> Iterator[Running]:
    started = Running(founded, known_protocol(broker_url))
    yield started
    started.close()


@pytest.fixture
def client(broker_url: str) -> Iterator[Client]:
    opened = Client(broker_url)
    yield opened
    opened.close()
