"""Letters that wait to be printed: what goes to those whom mail does not reach."""

from dataclasses import dataclass
from typing import Annotated, ClassVar

from fastapi import APIRouter, Form
from starlette.responses import Response

from customer_app import notice_texts
from customer_app.dependencies import allowed
from customer_app.rendering import Page
from customer_app.visit import Visit
from registry import operations as registry_operations
from registry import queries as registry_queries

router = APIRouter()

SHOWN = 100


@dataclass(frozen=True, slots=True)
class LetterLine:
    notice_id: int
    name: str
    path: str
    title: str
    text: str
    at: str
    slip: str


@dataclass(frozen=True, slots=True)
class LettersPage(Page):
    TEMPLATE: ClassVar[str] = "office/letters.html"
    ACTIVE: ClassVar[str] = "/office/letters"

    letters: tuple[LetterLine, ...]
    more: bool


@router.get("/office/letters")
def index(visit: Annotated[Visit, allowed("customer.view", action="letter.list")]) -> Response:
    """List the letters to print, the oldest first."""
    scope = {"utility_id": visit.utility_id}
    waiting = registry_queries.waiting_deliveries(visit.conn, **scope, channel="post", limit=SHOWN + 1)
    notices = registry_queries.notices_by_id(visit.conn, **scope, notice_ids=[one.notice_id for one in waiting])
    letters: list[LetterLine] = []
    for one in waiting[:SHOWN]:
        notice = notices[one.notice_id]
        written = notice_texts.written(visit, notice)
        about = notice_texts.target(notice)
        letters.append(
            LetterLine(
                notice_id=one.notice_id,
                name=one.name,
                path=f"/office/customers/{one.party_id}",
                title=written.title,
                text=written.text,
                at=written.at,
                slip=f"/office{about}/slip" if about.startswith("/bills/") and visit.may("bill.view") else "",
            )
        )
    return visit.show(LettersPage(letters=tuple(letters), more=len(waiting) > SHOWN))


@router.post("/office/letters/printed")
def printed(
    visit: Annotated[Visit, allowed("customer.view", action="letter.printed")],
    notice_id: Annotated[list[int] | None, Form(max_length=SHOWN)] = None,
) -> Response:
    """Record that letters are printed and in the post; what somebody else recorded meanwhile stays as it is."""
    sent: list[int] = []
    for one in notice_id or []:
        try:
            registry_operations.finish_delivery(
                visit.conn,
                utility_id=visit.utility_id,
                notice_id=one,
                channel="post",
                address="",
                state="sent",
                detail="",
                at=visit.now,
            )
        except registry_queries.NoticeUnknown:
            continue
        sent.append(one)
    visit.concerns(notices=sent)
    return visit.go("/office/letters", said="letters-printed" if sent else "")
