"""The pages, by surface. A module of routes holds one `router`; each surface can be served by its own process."""

from fastapi import APIRouter

from customer_app.routes import bills, customer, events, health, me, notices, payments, sign_in, use, webhooks
from customer_app.settings import Surface

shared: list[APIRouter] = [health.router, events.router, sign_in.router, me.router]

SURFACES: dict[Surface, list[APIRouter]] = {
    "customer": [
        customer.router,
        use.router,
        bills.router,
        payments.router,
        notices.router,
        webhooks.router,
    ],
    "staff": [],
    "handheld": [],
}
