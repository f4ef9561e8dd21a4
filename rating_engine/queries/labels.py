"""What the lines of a bill are called: an English message and its parameters, for the reader's language."""

from collections.abc import Callable

# Every message that `line_message` can give, for the catalogues.
MESSAGES = (
    "Base fee",
    "Base fee %(size)s %(unit)s",
    "Use over %(above)s up to %(upto)s %(unit)s",
    "Use up to %(upto)s %(unit)s",
    "Use over %(above)s %(unit)s",
    "Use",
    "Fuel cost adjustment %(month)s",
    "Renewable energy levy %(month)s",
    "Consumption tax %(percent)s %%",
    "Rounding",
    "%(item)s",
)


def line_message(label: str) -> tuple[str, dict[str, str]]:
    """Give the message and its parameters for a line's label, such as block|10|20|m3."""
    item, *rest = label.split("|")
    match item, rest:
        case "base", [size, unit]:
            return "Base fee %(size)s %(unit)s", {"size": size, "unit": unit}
        case "base", []:
            return "Base fee", {}
        case "block", ["0", "", _]:
            return "Use", {}
        case "block", ["0", upto, unit]:
            return "Use up to %(upto)s %(unit)s", {"upto": upto, "unit": unit_text(unit)}
        case "block", [above, "", unit]:
            return "Use over %(above)s %(unit)s", {"above": above, "unit": unit_text(unit)}
        case "block", [above, upto, unit]:
            message = "Use over %(above)s up to %(upto)s %(unit)s"
            return message, {"above": above, "upto": upto, "unit": unit_text(unit)}
        case "fuel_adjustment", [month]:
            return "Fuel cost adjustment %(month)s", {"month": month}
        case "levy", [month]:
            return "Renewable energy levy %(month)s", {"month": month}
        case "tax", [percent]:
            return "Consumption tax %(percent)s %%", {"percent": percent}
        case "rounding", []:
            return "Rounding", {}
        case _:
            return "%(item)s", {"item": " ".join([item.replace("_", " "), *rest])}


def line_text(label: str, *, translate: Callable[..., str]) -> str:
    """Write a line's label in the reader's language."""
    message, parameters = line_message(label)
    return translate(message, **parameters)


def unit_text(unit: str) -> str:
    """Write a unit of quantity as people do."""
    return {"m3": "m³", "ft3": "ft³"}.get(unit, unit)
