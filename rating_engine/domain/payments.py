"""Payments: where their money lies, what is posted for them, and how a card payment's state moves."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from rating_engine.domain.allocation import Allocation, Share
from rating_engine.domain.ledger import JournalEntry, JournalLine, LedgerAccount

Channel = Literal["card", "store", "transfer", "debit", "counter", "door"]
IntentState = Literal["open", "pending", "succeeded", "failed", "expired"]

# Cash lies in our till at once; a card's or a shop's money comes later, through the provider.
LEDGER_ACCOUNT_OF_CHANNEL: dict[Channel, LedgerAccount] = {
    "card": "card_clearing",
    "store": "card_clearing",
    "transfer": "bank",
    "debit": "bank",
    "counter": "cash",
    "door": "cash",
}
# Notices of one payment come in any order and more than once: the state with the highest rank stays, so that every
# order ends in the same state. Money taken outranks everything.
RANK: dict[IntentState, int] = {"open": 0, "pending": 1, "expired": 2, "failed": 3, "succeeded": 4}
IN_FLIGHT: tuple[IntentState, ...] = ("open", "pending")


class PaymentUnusable(ValueError):
    """A payment needs an amount above zero, and the number under which its channel knows it."""


@dataclass(frozen=True, slots=True)
class PaymentRow:
    """A payment as its channel reports it; `paid_at` is the channel's time, `received_at` when we learned of it.

    :raises PaymentUnusable: if the amount is not above zero or the channel's number is empty
    """

    account_id: int
    channel: Channel
    external_id: str
    amount_minor: int
    paid_at: datetime
    received_at: datetime
    taken_by: str

    @property
    def key(self) -> tuple[Channel, str]:
        """The number under which its channel knows it: a payment comes once."""
        return (self.channel, self.external_id)

    def __post_init__(self) -> None:
        if self.amount_minor <= 0 or not self.external_id:
            told = f"payment {self.channel} '{self.external_id}' of {self.amount_minor}"
            raise PaymentUnusable(f"{told}: give an amount above zero and a number")


def later_state(current: IntentState, told: IntentState) -> IntentState:
    """Tell the state of a card payment after a notification, whatever came before."""
    return max(current, told, key=lambda state: RANK[state])


def payment_entry(*, payment_id: int, payment: PaymentRow, allocation: Allocation) -> JournalEntry:
    """Make the entry of a payment: money in, against each bill it settles, the rest as paid ahead."""
    lines = [JournalLine(ledger_account=LEDGER_ACCOUNT_OF_CHANNEL[payment.channel], amount_minor=payment.amount_minor)]
    lines.extend(_settled(payment.account_id, allocation.shares))
    if allocation.advance_minor:
        lines.append(JournalLine("advance", -allocation.advance_minor, account_id=payment.account_id))
    return JournalEntry(
        entry_key=f"payment:{payment_id}", kind="payment", posted_at=payment.received_at, lines=tuple(lines)
    )


def advance_entry(*, entry_key: str, account_id: int, shares: Sequence[Share], at: datetime) -> JournalEntry:
    """Make the entry that uses money paid ahead for bills."""
    used_minor = sum(share.amount_minor for share in shares)
    lines = (JournalLine("advance", used_minor, account_id=account_id), *_settled(account_id, shares))
    return JournalEntry(entry_key=entry_key, kind="allocation", posted_at=at, lines=lines)


def credit_entry(*, entry_key: str, account_id: int, bill_id: int, credit_minor: int, at: datetime) -> JournalEntry:
    """Make the entry that turns a credit left on a bill into money paid ahead."""
    lines = (
        JournalLine("receivable", credit_minor, account_id=account_id, bill_id=bill_id),
        JournalLine("advance", -credit_minor, account_id=account_id),
    )
    return JournalEntry(entry_key=entry_key, kind="allocation", posted_at=at, lines=lines)


def _settled(account_id: int, shares: Sequence[Share]) -> list[JournalLine]:
    return [
        JournalLine("receivable", -share.amount_minor, account_id=account_id, bill_id=share.bill_id) for share in shares
    ]
