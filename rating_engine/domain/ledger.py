"""Double entry: debits positive, credits negative, every entry sums to zero."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

LedgerAccount = Literal[
    "receivable",
    "advance",
    "cash",
    "card_clearing",
    "bank",
    "suspense",
    "revenue_water",
    "revenue_sewerage",
    "revenue_electricity",
    "revenue_fee",
    "tax_payable",
    "bad_debt",
]
EntryKind = Literal["bill", "bill_cancellation", "payment", "allocation", "refund", "late_fee", "write_off"]


class EntryUnbalanced(ValueError):
    """A journal entry must have two lines or more, none of them zero, that sum to zero."""


@dataclass(frozen=True, slots=True)
class JournalLine:
    """One debit (positive) or credit (negative); a receivable names account and bill, an advance its account."""

    ledger_account: LedgerAccount
    amount_minor: int
    account_id: int | None = None
    bill_id: int | None = None


@dataclass(frozen=True, slots=True)
class JournalEntry:
    """What is posted whole or not at all; `entry_key`, such as bill:17, is posted once.

    :raises EntryUnbalanced: if the lines do not sum to zero
    """

    entry_key: str
    kind: EntryKind
    posted_at: datetime
    lines: tuple[JournalLine, ...]

    def __post_init__(self) -> None:
        total = sum(line.amount_minor for line in self.lines)
        if total != 0 or len(self.lines) < 2 or any(line.amount_minor == 0 for line in self.lines):
            amounts = [line.amount_minor for line in self.lines]
            raise EntryUnbalanced(f"entry {self.entry_key} has the amounts {amounts}, which sum to {total}")


def reverse(lines: Sequence[JournalLine]) -> tuple[JournalLine, ...]:
    """Turn every debit into a credit and every credit into a debit."""
    return tuple(
        JournalLine(
            ledger_account=line.ledger_account,
            amount_minor=-line.amount_minor,
            account_id=line.account_id,
            bill_id=line.bill_id,
        )
        for line in lines
    )
