"""Tariff documents that come with the product, one file each."""

from pathlib import Path

FOLDER = Path(__file__).resolve().parent


class PresetUnknown(LookupError):
    """No tariff of this name comes with the product."""


def names() -> list[str]:
    """Name the tariffs that come with the product."""
    return sorted(path.stem for path in FOLDER.glob("*.yaml"))


def document(name: str) -> str:
    """Read one document.

    :raises PresetUnknown: if there is none of this name
    """
    if name not in names():
        raise PresetUnknown(f"there is no preset {name}; there are {', '.join(names())}")
    return (FOLDER / f"{name}.yaml").read_text(encoding="utf-8")


def documents() -> list[str]:
    """Read all documents, by name."""
    return [document(name) for name in names()]
