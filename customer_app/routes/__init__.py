"""The pages, by surface. A module of routes holds one `router`; each surface can be served by its own process."""

from fastapi import APIRouter

from customer_app.routes import events, health, sign_in
from customer_app.settings import Surface

shared: list[APIRouter] = [health.router, events.router, sign_in.router]

SURFACES: dict[Surface, list[APIRouter]] = {
    "customer": [],
    "staff": [],
    "handheld": [],
}
