"""Which bills a payment settles: the one due first first, what is over is paid ahead."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date


class NothingToAllocate(ValueError):
    """Only an amount above zero can be allocated."""


@dataclass(frozen=True, slots=True)
class Owed:
    """A bill with something open on it, in minor units."""

    bill_id: int
    due_on: date
    open_minor: int


@dataclass(frozen=True, slots=True)
class Share:
    """What one bill gets of a payment, in minor units."""

    bill_id: int
    amount_minor: int


@dataclass(frozen=True, slots=True)
class Allocation:
    """How an amount is shared out; `advance_minor` is what no bill needs yet."""

    shares: tuple[Share, ...]
    advance_minor: int


def allocate(*, amount_minor: int, owed: Sequence[Owed]) -> Allocation:
    """Share an amount out over the bills owed, in the order of due date and number.

    :raises NothingToAllocate: if the amount is not above zero
    """
    if amount_minor <= 0:
        raise NothingToAllocate(f"{amount_minor} is not above zero")
    shares: list[Share] = []
    left_minor = amount_minor
    for bill in in_order(owed):
        if left_minor == 0:
            break
        share_minor = min(left_minor, bill.open_minor)
        shares.append(Share(bill_id=bill.bill_id, amount_minor=share_minor))
        left_minor -= share_minor
    return Allocation(shares=tuple(shares), advance_minor=left_minor)


def settle(owed: Sequence[Owed], *, shares: Sequence[Share]) -> tuple[Owed, ...]:
    """Give what is still owed after the shares."""
    paid = {share.bill_id: share.amount_minor for share in shares}
    return tuple(
        Owed(bill_id=bill.bill_id, due_on=bill.due_on, open_minor=bill.open_minor - paid.get(bill.bill_id, 0))
        for bill in owed
    )


def in_order(owed: Sequence[Owed]) -> list[Owed]:
    """Put the bills with something open in the order in which they are paid; a credit is no debt."""
    return sorted((bill for bill in owed if bill.open_minor > 0), key=lambda bill: (bill.due_on, bill.bill_id))


def draw(unused: Sequence[tuple[int, int]], *, shares: Sequence[Share]) -> list[tuple[int, int, int]]:
    """Say which payments pay for the shares: (payment, bill, minor units), the payment given first used first.

    `unused` are (payment, minor units left). What the payments do not cover comes from credits and is left out.
    """
    drawn: list[tuple[int, int, int]] = []
    left = list(unused)
    for share in shares:
        needed_minor = share.amount_minor
        while needed_minor and left:
            payment_id, left_minor = left[0]
            used_minor = min(needed_minor, left_minor)
            drawn.append((payment_id, share.bill_id, used_minor))
            needed_minor -= used_minor
            left[0] = (payment_id, left_minor - used_minor)
            if left[0][1] == 0:
                left.pop(0)
    return drawn
