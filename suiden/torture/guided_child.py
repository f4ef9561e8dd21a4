"""The process of one guided torture: `python -m suiden.torture.guided_child FORMAT CORPUS OPTIONS…`."""

import importlib
import sys
from typing import Any


def main(arguments: list[str]) -> None:
    """Run libFuzzer over the decoder of one format; it ends the process."""
    atheris: Any = importlib.import_module("atheris")
    name = arguments.pop(1)
    # Nothing of ours may be loaded before: what is, is not watched.
    with atheris.instrument_imports(include=["ingest_gateway.domain"]):
        torture = importlib.import_module("suiden.torture.decoders")
    topic = torture.samples(name)[0].topic

    def decode(payload: bytes) -> None:
        torture.decode_and_check(topic, payload)

    atheris.Setup(arguments, decode)
    atheris.Fuzz()


if __name__ == "__main__":
    main(sys.argv)
