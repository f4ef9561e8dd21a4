"""What other packages may read here; each name is made in a module of this package."""

from rating_engine.queries.ledger import balance_of_account, open_bills
from rating_engine.store.ledger import AccountBalance, OpenBill

__all__ = [
    "AccountBalance",
    "OpenBill",
    "balance_of_account",
    "open_bills",
]
