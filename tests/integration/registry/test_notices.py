"""A party is told once, and what became of the telling is on record."""

from datetime import timedelta

import pytest

from registry import operations, queries

from .conftest import NOW, Town, act_as_web, found

pytestmark = pytest.mark.store


@pytest.fixture
def town(hinode: Town) -> Town:
    act_as_web(hinode.conn, utility_id=hinode.utility_id)
    return hinode


def tell(town: Town, subject: str = "bill:1", party: str = "P-0001", kind: str = "bill.issued") -> int | None:
    return operations.write_notice(
        town.conn, utility_id=town.utility_id, party_id=town.id_of("party", party), account_id=None, kind=kind,
        subject_key=subject, parameters={"total_minor": 3_520}, at=NOW,
    )  # fmt: skip


def test_a_notice_is_on_the_partys_page_and_its_delivery_on_record(town: Town) -> None:
    notice_id = tell(town)
    assert notice_id is not None
    (notice,) = queries.notices_of_party(town.conn, utility_id=town.utility_id, party_id=town.id_of("party", "P-0001"))
    assert (notice.notice_id, notice.parameters, notice.created_at) == (notice_id, {"total_minor": 3_520}, NOW)
    deliveries = queries.deliveries_of_notice(town.conn, utility_id=town.utility_id, notice_id=notice_id)
    assert [(d.channel, d.state, d.happened_at) for d in deliveries] == [("web", "delivered", NOW)]


def test_the_same_notice_is_written_and_announced_once(town: Town) -> None:
    assert tell(town) is not None
    assert tell(town) is None
    assert tell(town, subject="bill:2") is not None
    assert tell(town, kind="bill.cancelled") is not None
    assert tell(town, party="P-0002") is not None
    events = town.conn.execute(
        "SELECT key, payload FROM event WHERE topic = 'notice.created' ORDER BY event_id"
    ).fetchall()
    party_id = town.id_of("party", "P-0001")
    assert [key for key, _ in events].count(f"party:{party_id}") == 3
    assert len(events) == 4
    assert events[0][1].keys() == {"notice_id", "party_id", "kind"}


def test_a_notice_to_nobody_is_refused(town: Town) -> None:
    with pytest.raises(queries.PartyUnknown):
        operations.write_notice(
            town.conn, utility_id=town.utility_id, party_id=10**9, account_id=None, kind="x", subject_key="x",
            parameters={}, at=NOW,
        )  # fmt: skip


def test_the_first_time_that_a_notice_was_seen_stays(town: Town) -> None:
    notice_id, party_id = tell(town), town.id_of("party", "P-0001")
    assert notice_id is not None
    assert queries.unseen_notices(town.conn, utility_id=town.utility_id, party_id=party_id) == 1
    for hours in (1, 2):
        operations.mark_notice_seen(
            town.conn,
            utility_id=town.utility_id,
            party_id=party_id,
            notice_id=notice_id,
            at=NOW + timedelta(hours=hours),
        )
    (notice,) = queries.notices_of_party(town.conn, utility_id=town.utility_id, party_id=party_id)
    assert notice.seen_at == NOW + timedelta(hours=1)
    assert queries.unseen_notices(town.conn, utility_id=town.utility_id, party_id=party_id) == 0


def test_nobody_else_can_mark_a_notice_as_seen(town: Town) -> None:
    notice_id = tell(town)
    assert notice_id is not None
    with pytest.raises(queries.NoticeUnknown):
        operations.mark_notice_seen(
            town.conn, utility_id=town.utility_id, party_id=town.id_of("party", "P-0002"), notice_id=notice_id, at=NOW
        )


def test_each_step_of_a_delivery_is_kept(town: Town) -> None:
    notice_id = tell(town)
    assert notice_id is not None
    for state in ("queued", "sent", "failed"):
        operations.record_delivery(
            town.conn, utility_id=town.utility_id, notice_id=notice_id, channel="sms", address="09012345678",
            state=state, detail="", at=NOW,
        )  # fmt: skip
    deliveries = queries.deliveries_of_notice(town.conn, utility_id=town.utility_id, notice_id=notice_id)
    assert [d.state for d in deliveries if d.channel == "sms"] == ["queued", "sent", "failed"]


def test_a_delivery_of_no_notice_is_refused(town: Town) -> None:
    with pytest.raises(queries.NoticeUnknown):
        operations.record_delivery(
            town.conn, utility_id=town.utility_id, notice_id=10**9, channel="sms", address="", state="sent", detail="",
            at=NOW,
        )  # fmt: skip


def test_notices_are_read_page_by_page_newest_first(town: Town) -> None:
    party_id = town.id_of("party", "P-0001")
    written = [tell(town, subject=f"bill:{number}") for number in range(5)]

    def page(before: int | None) -> list[int]:
        return [
            notice.notice_id
            for notice in queries.notices_of_party(
                town.conn, utility_id=town.utility_id, party_id=party_id, before_notice_id=before, limit=3
            )
        ]

    first = page(None)
    assert first + page(first[-1]) == written[::-1]


def test_a_neighbours_party_cannot_be_told(hinode: Town) -> None:
    neighbour = found(hinode.conn, "kuju")
    their_party_id = neighbour.id_of("party", "P-0001")
    act_as_web(hinode.conn, utility_id=hinode.utility_id)
    with pytest.raises(queries.PartyUnknown):
        operations.write_notice(
            hinode.conn, utility_id=hinode.utility_id, party_id=their_party_id, account_id=None, kind="x",
            subject_key="x", parameters={}, at=NOW,
        )  # fmt: skip


def test_one_channel_of_a_kind_is_preferred(town: Town) -> None:
    party_id = town.id_of("party", "P-0001")
    added = operations.add_channel(
        town.conn, utility_id=town.utility_id, party_id=party_id, kind="phone", address="080 1111 2222",
        is_preferred=True,
    )  # fmt: skip
    channels = queries.channels_of_party(town.conn, utility_id=town.utility_id, party_id=party_id)
    assert [(c.address, c.preferred) for c in channels] == [("080 1111 2222", True), ("090-1234-5678", False)]
    found_by_it = queries.find_customers(town.conn, utility_id=town.utility_id, text="080-1111-2222", limit=5)
    assert [match.party_id for match in found_by_it] == [party_id]
    operations.remove_channel(town.conn, utility_id=town.utility_id, party_id=party_id, channel_id=added)
    channels = queries.channels_of_party(town.conn, utility_id=town.utility_id, party_id=party_id)
    assert [c.address for c in channels] == ["090-1234-5678"]


def test_only_the_partys_own_channel_is_removed(town: Town) -> None:
    party_id = town.id_of("party", "P-0001")
    (channel,) = queries.channels_of_party(town.conn, utility_id=town.utility_id, party_id=party_id)
    with pytest.raises(queries.ChannelUnknown):
        operations.remove_channel(
            town.conn, utility_id=town.utility_id, party_id=town.id_of("party", "P-0002"), channel_id=channel.channel_id
        )


def test_many_notices_are_written_at_once_and_each_once(town: Town) -> None:
    given = [
        operations.NewNotice(town.id_of("party", party), None, "bill.issued", "bill:1", {"名": party})
        for party in ("P-0001", "P-0002")
    ]
    assert tell(town) is not None
    assert operations.write_notices(town.conn, utility_id=town.utility_id, notices=given, at=NOW) == 1
    assert operations.write_notices(town.conn, utility_id=town.utility_id, notices=given, at=NOW) == 0
    hanako = town.id_of("party", "P-0002")
    (notice,) = queries.notices_of_party(town.conn, utility_id=town.utility_id, party_id=hanako)
    assert notice.parameters == {"名": "P-0002"}
    assert queries.notice(town.conn, utility_id=town.utility_id, party_id=hanako, notice_id=notice.notice_id) == notice
    (delivery,) = queries.deliveries_of_notice(town.conn, utility_id=town.utility_id, notice_id=notice.notice_id)
    assert (delivery.channel, delivery.state) == ("web", "delivered")


def test_one_partys_notice_is_not_read_by_another(town: Town) -> None:
    notice_id = tell(town)
    assert notice_id is not None
    with pytest.raises(queries.NoticeUnknown):
        queries.notice(
            town.conn, utility_id=town.utility_id, party_id=town.id_of("party", "P-0002"), notice_id=notice_id
        )
