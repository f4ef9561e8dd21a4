"""Messages that other packages name and the pages translate."""

from ingest_gateway.queries.checker import detector_facts
from rating_engine.queries import LINE_MESSAGES

# What detectors' parameters are about, and units that are words.
PARAMETER_MESSAGES = sorted(
    {text for facts in detector_facts() for one in facts.parameters for text in (one.about, one.unit) if " " in text}
)

MESSAGES = {
    "rating_engine/queries/labels.py": LINE_MESSAGES,
    "ingest_gateway/queries/checker.py": PARAMETER_MESSAGES,
}
