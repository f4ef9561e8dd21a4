"""Every decoder against hostile messages: a telegram or a reason comes out, at once, and nothing else."""

import json
import resource
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import get_args
from zoneinfo import ZoneInfo

from ingest_gateway.domain import decoders, kept, suiden_json
from ingest_gateway.domain.decoders import Bridge
from ingest_gateway.domain.meters import Meter
from ingest_gateway.domain.validation import Limits, check
from ingest_gateway.domain.wire import Reason, Refused, Telegram
from suiden.torture.mutation import MAX_BYTES, Sample, mutate

SAMPLES = Path(__file__).resolve().parent / "samples"
SLOW_S = 1.0
MAX_FAILURES = 20
TELL_EVERY_S = 0.5
BLOCK = 1_000  # inputs that one seed makes

BRIDGES: Mapping[str, Bridge] = {
    known.name: Bridge(utility="hinode", sender="bridge", zone=ZoneInfo("Europe/Berlin")) for known in decoders.FORMATS
}
_METERS = (
    Meter(1, "W-0001", "water", "m3", -3, 9, frozenset({"bridge"})),
    Meter(2, "E-0001", "electricity", "kWh", -3, 10, frozenset({"bridge"})),
)
_LIMITS = Limits.at(1_775_012_400_000_000, rate=1.0)
_REASONS = frozenset(get_args(Reason))


class DecoderFailed(Exception):
    """A decoder did something else than give a telegram or a reason."""


@dataclass(frozen=True, slots=True)
class Failure:
    """An input that a decoder did not stand, and what it did."""

    format: str
    topic: str
    payload: bytes
    error: str


@dataclass(slots=True)
class Outcome:
    """What became of the inputs of one format. `outcomes` counts them by their reason, or as read.

    A guided torture counts `branches` that were reached instead.
    """

    format: str
    inputs: int = 0
    seconds: float = 0.0
    slowest_s: float = 0.0
    grown_kib: int = 0
    branches: int = 0
    outcomes: Counter[str] = field(default_factory=Counter[str])
    failures: list[Failure] = field(default_factory=list[Failure])


def samples(name: str) -> list[Sample]:
    """Read the messages of a format as real devices send them; where each is from stands beside it."""
    found: list[Sample] = []
    for line in (SAMPLES / f"{name}.jsonl").read_text().splitlines():
        told = json.loads(line)
        payload = bytes.fromhex(told["hex"]) if "hex" in told else told["text"].encode()
        found.append(Sample(name=told["name"], topic=told["topic"], payload=payload))
    return found


def torture(name: str, *, inputs: int, seed: int, progress: Callable[[int], None] = lambda _: None) -> Outcome:
    """Give one format's decoder so many changed messages; the same seed makes the same ones."""
    known = samples(name)
    outcome = Outcome(format=name)
    began_s = told_s = time.perf_counter()
    before_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for topic, payload in _inputs(name, known, inputs=inputs, seed=seed):
        at_s = time.perf_counter()
        try:
            outcome.outcomes[decode_and_check(topic, payload)] += 1
        except Exception:  # noqa: BLE001 - whatever it is, it is what is looked for
            outcome.failures.append(Failure(name, topic, payload, traceback.format_exc()))
        took_s = time.perf_counter() - at_s
        if took_s > SLOW_S:
            outcome.failures.append(Failure(name, topic, payload, f"it took {took_s:.1f} s"))
        outcome.slowest_s = max(outcome.slowest_s, took_s)
        outcome.inputs += 1
        if at_s - told_s > TELL_EVERY_S:
            told_s = at_s
            progress(outcome.inputs)
        if len(outcome.failures) >= MAX_FAILURES:
            break
    outcome.seconds = time.perf_counter() - began_s
    outcome.grown_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kib
    return outcome


def decode_and_check(topic: str, payload: bytes) -> str:
    """Decode one message as the gateway does and hold what comes out to what it promises; return what became of it.

    :raises DecoderFailed: if it breaks a promise; what else is raised is a failure, too
    """
    decoders.utility_of_topic(topic, bridges=BRIDGES)
    try:
        telegram = decoders.decode(topic=topic, payload=payload, bridges=BRIDGES, max_bytes=MAX_BYTES)
    except Refused as refused:
        _hold(refused.reason in _REASONS, f"the reason {refused.reason} is none of the list")
        return refused.reason
    _hold(telegram.payload == payload, "the payload is not the one that came")
    _hold(len(telegram.readings) <= suiden_json.MAX_READINGS, "more readings than a message may have")
    _check_readings(telegram)
    for fragment in telegram.fragments:
        _hold(fragment.reason in _REASONS, f"the reason {fragment.reason} is none of the list")
    return "read" if telegram.readings else "read, nothing in it"


def _check_readings(telegram: Telegram) -> None:
    for reading in telegram.readings:
        for meter in _METERS:
            try:
                check(reading, meter=meter, limits=_LIMITS)
            except Refused as refused:
                _hold(refused.reason in _REASONS, f"the reason {refused.reason} is none of the list")
    if not telegram.readings:
        return
    part = suiden_json.encode_readings(telegram.readings[:3])
    again = kept.decode(topic=telegram.topic, payload=part, utility="", sender="").readings
    # Not `==`: what is not a number does not even equal itself.
    _hold(suiden_json.encode_readings(again) == part, "a refused part cannot be read back as it was")


def _hold(is_so: object, message: str) -> None:
    if not is_so:
        raise DecoderFailed(message)


def _inputs(name: str, known: list[Sample], *, inputs: int, seed: int) -> Iterator[tuple[str, bytes]]:
    dice = Random()
    for number in range(inputs):
        if number % BLOCK == 0:
            dice.seed(f"{seed} {name} {number // BLOCK}")
        yield mutate(dice.choice(known), known, dice=dice)
