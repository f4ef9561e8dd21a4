"""The town of these tests."""

import pytest
from psycopg import Connection
from psycopg.rows import TupleRow

from tests.integration.maintenance_tracker.town import Town, found_town


@pytest.fixture
def town(rolled_back_conn: Connection[TupleRow]) -> Town:
    return found_town(rolled_back_conn)
