"""People who pay: by card on the provider's page, or at the counter, each when their habit says so."""

from datetime import date, datetime, timedelta
from random import Random
from typing import Any

import structlog

from simulators.town import ZONE, Town
from simulators.web import Browser, PageRefused

log = structlog.get_logger()

LIMIT = 500
PAYS_AFTER_CUT_H = (3, 30)
PLAYED_PAYS_AFTER_CUT_H = (240, 250)
PAYMENTS_A_LOOK = 25


class Residents:
    """The robot clerk at the counter, who takes what residents bring when they come."""

    def __init__(self, town: Town, browser: Browser) -> None:
        """Take the town's people and the clerk's browser."""
        self._town, self._browser = town, browser
        self._method = {a.account_number: a.payment_method for a in town.accounts}
        self._played = {town.customer_account(), *town.arrears_accounts()}
        self._cut_since: dict[str, datetime] = {}
        self._paid: set[tuple[str, str]] = set()

    def look(self, *, now: datetime, cut_off: frozenset[str]) -> None:
        """Let those pay whose day has come; `cut_off` are the accounts whose supply is stopped."""
        for account in list(self._cut_since):
            if account not in cut_off:
                del self._cut_since[account]
        for account in cut_off:
            self._cut_since.setdefault(account, now)
        try:
            bills = self._browser.get("/api/office/open-bills", limit=LIMIT)
            due = [bill for bill in bills if self._is_payday(bill, now=now)]
            for bill in due[:PAYMENTS_A_LOOK]:
                self._pay(bill, now=now)
        except (PageRefused, KeyError, TypeError, ValueError) as error:
            self._browser.complain(error)

    def _is_payday(self, bill: dict[str, Any], *, now: datetime) -> bool:
        account, number = str(bill["account_number"]), str(bill["bill_number"])
        if (account, number) in self._paid or account not in self._method or int(bill["open_minor"]) <= 0:
            return False
        since = self._cut_since.get(account)
        if since is not None:
            # A person may play this one: they get the time to pay by themselves.
            wait_h = PLAYED_PAYS_AFTER_CUT_H if account in self._played else PAYS_AFTER_CUT_H
            hours = Random(f"{account} {since.isoformat()}").uniform(*wait_h)
            return now >= since + timedelta(hours=hours)
        issued_on = _local_day(bill["issued_at"])
        due_on = date.fromisoformat(str(bill["due_on"])[:10])
        if account in self._played:
            return account == self._town.customer_account() and now.astimezone(ZONE).date() >= due_on
        days = self._town.days_until_payment(account, issued_on=issued_on, days_to_pay=(due_on - issued_on).days)
        if self._method[account] == "debit":
            # The bank takes it; who was short of funds comes to the counter later.
            days = (due_on - issued_on).days + 12
        return days is not None and now.astimezone(ZONE).date() >= issued_on + timedelta(days=days)

    def _pay(self, bill: dict[str, Any], *, now: datetime) -> None:
        account, number = str(bill["account_number"]), str(bill["bill_number"])
        self._browser.post(
            "/api/office/counter-payments",
            {
                "account_number": account,
                "amount_minor": int(bill["open_minor"]),
                "external_id": f"counter-{number}-{bill['open_minor']}",
                "paid_at": now.isoformat(),
            },
        )
        self._paid.add((account, number))
        log.info("resident.paid", account=account, bill=number, amount_minor=bill["open_minor"])


def _local_day(text: object) -> date:
    return datetime.fromisoformat(str(text).replace("Z", "+00:00")).astimezone(ZONE).date()
