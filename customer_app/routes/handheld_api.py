"""What the handheld asks and sends: the route to walk, and the readings taken on it."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter
from pydantic import AwareDatetime, BaseModel, Field
from starlette.responses import JSONResponse, Response

from customer_app import handheld_routes
from customer_app.dependencies import allowed
from customer_app.visit import Visit
from ingest_gateway import operations as ingest_operations
from ingest_gateway.operations import HandheldEntry
from kernel.clock import wall_now

router = APIRouter()

ROUTE_KEPT = timedelta(days=7)  # of wall time that people's addresses may stay on a handheld
MOST_ENTRIES = 200


class Entry(BaseModel):
    """One reading as the handheld sends it; the id is made there."""

    entry_id: UUID
    serial: str = Field(max_length=64)
    read_at: AwareDatetime
    entered_at: AwareDatetime
    register_units: int = Field(alias="register", ge=0, lt=10**18)
    note: str = Field(default="", max_length=500)
    reason_code: str = Field(default="", max_length=50)


class Upload(BaseModel):
    """A batch of readings."""

    entries: list[Entry] = Field(max_length=MOST_ENTRIES)


@dataclass(frozen=True, slots=True)
class Told:
    """What became of one reading."""

    entry_id: str
    outcome: str
    reason: str | None
    detail: str


@router.get("/api/handheld/session")
def session(visit: Annotated[Visit, allowed("handheld.use", action="handheld.session")]) -> Response:
    """Give the token of today's session, for a page that comes from the handheld's memory."""
    return JSONResponse({"csrf_token": visit.token, "login_name": visit.signed_in.login_name, **_clock(visit)})


@router.get("/api/handheld/route")
def route(
    visit: Annotated[Visit, allowed("handheld.use", action="handheld.load_route", object_kind="zone")], district: str
) -> Response:
    """Give the meters of a district in the order of a walk, with what is needed to read them and check the reading."""
    visit.concerns(object_id=district)
    stops = handheld_routes.stops(visit, district=district)
    answer: dict[str, Any] = {"district": district, "stops": stops, **_clock(visit)}
    answer["expires_at"] = (wall_now() + ROUTE_KEPT).isoformat()
    return JSONResponse(answer)


@router.post("/api/handheld/entries")
def take_in(
    visit: Annotated[Visit, allowed("handheld.use", action="handheld.send", object_kind="handheld_entry")],
    upload: Upload,
) -> Response:
    """Take in readings; each gets its answer, and one that came before gets the same answer again."""
    outcomes = ingest_operations.take_in_entries(
        visit.conn,
        utility_id=visit.utility_id,
        entries=[_entry(entry, now=visit.now) for entry in upload.entries],
        login_id=visit.signed_in.login_id,
        now=visit.now,
    )
    visit.concerns(entries=len(outcomes), rejected=sum(one.outcome == "rejected" for one in outcomes))
    told = [Told(str(one.entry_id), one.outcome, one.reject_reason, one.detail) for one in outcomes]
    return JSONResponse(
        {
            "outcomes": [
                {"entry_id": t.entry_id, "outcome": t.outcome, "reason": t.reason, "detail": t.detail} for t in told
            ]
        }
    )


def _entry(entry: Entry, *, now: datetime) -> HandheldEntry:
    # Utility time may have stood still while the handheld went on counting it: no reading is from the future.
    return HandheldEntry(
        entry_id=entry.entry_id,
        serial=entry.serial,
        read_at=min(entry.read_at, now),
        register=entry.register_units,
        entered_at=entry.entered_at,
        note=entry.note,
        reason_code=entry.reason_code,
    )


def _clock(visit: Visit) -> dict[str, Any]:
    return {"utility_now": visit.now.isoformat(), "clock_rate": visit.services.clock.rate()}
