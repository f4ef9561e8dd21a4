"""What the utility told me: bills, reminders, repairs."""

from dataclasses import dataclass
from typing import Annotated, ClassVar

from fastapi import APIRouter
from starlette.responses import Response

from customer_app import notice_texts
from customer_app.dependencies import allowed
from customer_app.notice_texts import NoticeText
from customer_app.rendering import Page
from customer_app.visit import Visit
from registry import operations as registry_operations
from registry import queries as registry_queries

router = APIRouter()

SHOWN = 100


@dataclass(frozen=True, slots=True)
class NoticesPage(Page):
    TEMPLATE: ClassVar[str] = "notices/list.html"
    FRAGMENTS: ClassVar[dict[str, str]] = {"all": "notices/_all.html"}
    ACTIVE: ClassVar[str] = "/notices"

    notices: tuple[NoticeText, ...]
    has_new: bool

    def topics(self) -> tuple[str, ...]:
        return ("notices",)


@router.get("/notices")
def index(visit: Annotated[Visit, allowed("use.view_own", action="notice.list", object_kind="party")]) -> Response:
    """List the customer's notices, newest first."""
    visit.concerns(object_id=visit.own_party_id)
    notices = notice_texts.newest(visit, limit=SHOWN)
    return visit.show(NoticesPage(notices=notices, has_new=any(notice.is_new for notice in notices)))


@router.post("/notices/seen")
def mark_seen(
    visit: Annotated[Visit, allowed("use.view_own", action="notice.mark_seen", object_kind="party")],
) -> Response:
    """Note that all notices in the list were seen."""
    party_id = visit.own_party_id
    visit.concerns(object_id=party_id)
    scope = {"utility_id": visit.utility_id, "party_id": party_id}
    for notice in registry_queries.notices_of_party(visit.conn, **scope, limit=SHOWN):
        if notice.seen_at is None:
            registry_operations.mark_notice_seen(visit.conn, **scope, notice_id=notice.notice_id, at=visit.now)
    return visit.go("/notices")


@router.get("/notices/{notice_id}")
def show(
    notice_id: int,
    visit: Annotated[
        Visit, allowed("use.view_own", action="notice.view", object_kind="notice", object_from="notice_id")
    ],
) -> Response:
    """Note that a notice was seen, and lead to what it is about."""
    party_id = visit.own_party_id
    registry_operations.mark_notice_seen(
        visit.conn, utility_id=visit.utility_id, party_id=party_id, notice_id=notice_id, at=visit.now
    )
    notice = registry_queries.notice(visit.conn, utility_id=visit.utility_id, party_id=party_id, notice_id=notice_id)
    return visit.go(notice_texts.target(notice))
