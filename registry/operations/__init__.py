"""What others may do to the registry."""

from registry.operations.founding import TimeZoneUnknown, found_utility, load_book
from registry.store.book import BookUnusable
from registry.store.utilities import UtilityExists

__all__ = [
    "BookUnusable",
    "TimeZoneUnknown",
    "UtilityExists",
    "found_utility",
    "load_book",
]
