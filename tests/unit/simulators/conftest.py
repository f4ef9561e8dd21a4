"""One small town for the simulators' tests."""

import pytest

from simulators import town
from simulators.town import Town
from simulators.world import World


@pytest.fixture(scope="session")
def little() -> Town:
    return town.build(seed=5, points_per_service=80)


@pytest.fixture
def world(little: Town) -> World:
    return World(little, hour=int(little.starts_at.timestamp()) // 3600 - 1)
