"""The live stream: names of topics, for pages to refresh their fragments."""

from typing import Annotated

from fastapi import APIRouter
from fastapi.sse import EventSourceResponse
from starlette.responses import Response

from customer_app import topics as live_topics
from customer_app.dependencies import signed_in
from customer_app.live import Viewer, stream
from customer_app.visit import Visit

router = APIRouter()


@router.get("/events")
def events(visit: Annotated[Visit, signed_in(action="live.watch")], topics: str = "", after: str = "") -> Response:
    """Stream what this login may watch, from the mark `after` of its page on; each topic checks its own right."""
    wants = live_topics.wants(visit, topics.split(","))
    hub = visit.services.hub
    viewer = Viewer(visit.utility_id, wants)
    content = stream(hub, viewer, limit_s=visit.services.settings.stream_limit_s, after=after)
    return EventSourceResponse(content, headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"})
