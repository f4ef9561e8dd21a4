"""What can go wrong with a labelled set."""


class SetUnreadable(Exception):
    """A folder is not a labelled set of readings."""


class FoundTooEarly(Exception):
    """The checker found something that could not be known yet."""
