"""What other packages may do here; each name is made in a module of this package."""

from rating_engine.domain.ledger import EntryUnbalanced, JournalEntry, JournalLine
from rating_engine.operations.ledger import post, post_all
from rating_engine.store.ledger import EntryAlreadyPosted

__all__ = [
    "EntryAlreadyPosted",
    "EntryUnbalanced",
    "JournalEntry",
    "JournalLine",
    "post",
    "post_all",
]
