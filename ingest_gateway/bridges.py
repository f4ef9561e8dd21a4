"""The setting that says who speaks where a topic names neither a utility nor a sender."""

from dataclasses import fields
from typing import Annotated, Any

from pydantic import BeforeValidator

from ingest_gateway.domain import decoders
from ingest_gateway.domain.decoders import Bridge

_FIELDS = {one.name for one in fields(Bridge)}


def _spelled_right(bridges: Any) -> Any:
    """Refuse a bridge that no decoder would look at: its messages would go astray in silence."""
    formats = {known.name: known for known in decoders.FORMATS}
    for name, bridge in bridges.items() if isinstance(bridges, dict) else ():
        if name not in formats:
            raise ValueError(f"no format is named {name!r}; there are {', '.join(formats)}")
        if isinstance(bridge, Bridge) or not isinstance(bridge, dict):
            continue
        if not bridge.keys() <= _FIELDS:
            raise ValueError(f"a bridge has {', '.join(sorted(_FIELDS))}; {name} has {', '.join(sorted(bridge))}")
        if formats[name].device_level is not None and not (bridge.get("utility") and bridge.get("sender")):
            raise ValueError(f"the bridge {name} needs a utility and a sender")
        if formats[name].device_level is None and bridge.keys() - {"zone"}:
            raise ValueError(f"the topic of {name} names its utility and sender itself: a bridge gives it a zone alone")
    return bridges


BridgeSetting = Annotated[dict[str, Bridge], BeforeValidator(_spelled_right)]
