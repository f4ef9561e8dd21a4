"""A worker's settings: what it asks the broker for, and under which name it is known."""

import pytest
from pydantic import ValidationError

from ingest_gateway.settings import GatewaySettings


def test_a_worker_of_a_group_asks_for_its_share_of_every_topic() -> None:
    alone = GatewaySettings(subscriptions=("suiden/+/+/+/up", "wmbusmeters/#"))
    shared = alone.model_copy(update={"share": "intake", "worker": "2"})
    assert alone.filters == ("suiden/+/+/+/up", "wmbusmeters/#")
    assert shared.filters == ("$share/intake/suiden/+/+/+/up", "$share/intake/wmbusmeters/#")


def test_workers_are_known_by_their_names() -> None:
    assert GatewaySettings().process == "gateway"
    assert GatewaySettings(worker="2").process == "gateway:2"


@pytest.mark.parametrize(
    "given", [{"share": "intake"}, {"share": "a/b", "worker": "1"}, {"share": "#", "worker": "1"}, {"worker": "1:2"}]
)
def test_a_group_or_worker_that_would_go_astray_is_refused(given: dict[str, str]) -> None:
    with pytest.raises(ValidationError):
        GatewaySettings(**given)  # pyright: ignore[reportArgumentType]
