"""Messages that other packages name and the pages translate."""

from rating_engine.queries import LINE_MESSAGES

MESSAGES = {"rating_engine/queries/labels.py": LINE_MESSAGES}
