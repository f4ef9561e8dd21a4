"""The pages, by surface. A module of routes holds one `router`; each surface can be served by its own process."""

from fastapi import APIRouter

from customer_app.routes import (
    api_crew,
    api_office,
    audit,
    bills,
    crew,
    customer,
    events,
    handheld,
    handheld_api,
    health,
    me,
    notices,
    office,
    office_adjustments,
    office_agreements,
    office_letters,
    office_lists,
    office_money,
    operator,
    operator_dig,
    operator_files,
    operator_gaps,
    operator_meters,
    operator_records,
    operator_rejects,
    payments,
    repairs,
    sign_in,
    use,
    webhooks,
    works,
)
from customer_app.settings import Surface

shared: list[APIRouter] = [health.router, events.router, sign_in.router, me.router]

SURFACES: dict[Surface, list[APIRouter]] = {
    "customer": [
        customer.router,
        use.router,
        bills.router,
        payments.router,
        repairs.router,
        notices.router,
        webhooks.router,
    ],
    "staff": [
        operator.router,
        operator_meters.router,
        operator_dig.router,
        operator_gaps.router,
        operator_records.router,
        operator_rejects.router,
        operator_files.router,
        crew.router,
        works.router,
        api_crew.router,
        office.router,
        office_money.router,
        office_lists.router,
        office_adjustments.router,
        office_agreements.router,
        office_letters.router,
        api_office.router,
        audit.router,
    ],
    "handheld": [handheld.router, handheld_api.router],
}
