"""The live stream: names of topics, for pages to refresh their fragments, and newest readings of own meters."""

from typing import Annotated

from fastapi import APIRouter
from fastapi.sse import EventSourceResponse
from starlette.responses import Response

from customer_app import topics as live_topics
from customer_app.dependencies import signed_in
from customer_app.live import stream
from customer_app.live_viewer import Standing, Viewer
from customer_app.visit import SESSION_COOKIE, Visit

router = APIRouter()


@router.get("/events")
def events(visit: Annotated[Visit, signed_in(action="live.watch")], topics: str = "", after: str = "") -> Response:
    """Stream what this login may watch, from the mark `after` of its page on; each topic checks its own right."""
    names = topics.split(",")
    wants = live_topics.wants(visit, names)
    meters = live_topics.shown_meters(visit, names)
    hub = visit.services.hub
    who = visit.signed_in
    token = visit.request.cookies[SESSION_COOKIE]
    standing = Standing(token, who.rights, who.party_id, frozenset(meters))
    viewer = Viewer(visit.utility_id, wants, meters=meters, locale=visit.locale, standing=standing)
    after = visit.request.headers.get("Last-Event-ID", after)  # of a browser whose stream came to its limit
    content = stream(hub, viewer, limit_s=visit.services.settings.stream_limit_s, after=after)
    return EventSourceResponse(content, headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"})
