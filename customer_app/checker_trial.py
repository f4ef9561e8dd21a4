"""A change of a detector's parameter, tried on the past: what it would have raised, and what is raised now.

Runs as a process of its own (`python -m customer_app.checker_trial`), so that pages stay quick beside it and a trial
that takes too long can be ended. It reads one line from its input, a `Question`, and writes lines: how far it is, and
at last what it found.
"""

import json
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

import psycopg

from ingest_gateway import operations as ingest_operations
from ingest_gateway.operations import Proposal
from kernel.database import Scope, enter_scope, with_options
from registry import queries as registry_queries

SHOWN = timedelta(days=30)  # of which the page tells
LEARNT = timedelta(days=30)  # before those, so that detectors know what is usual
MOST_READINGS = 6_000_000
LEAST_DAYS = 1
NICENESS = 10


@dataclass(frozen=True, slots=True)
class Question:
    """What is to be tried, for whom, and when: utility time in seconds since 1970."""

    database_url: str
    utility_id: int
    actor: str
    at_s: int
    proposal: Proposal


@dataclass(frozen=True, slots=True)
class Raised:
    """A finding that was, or would have been, raised."""

    kind: str
    scope: str
    place_id: int
    at_s: int
    since_s: int
    outlet: str
    score: float
    meter_ids: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the days from `first_s` until before `end_s` raise, by what is in force and with the proposal."""

    first_s: int
    end_s: int
    readings: int
    now: tuple[Raised, ...]
    then: tuple[Raised, ...]


@dataclass(frozen=True, slots=True)
class Compared:
    """What would be new, what would be gone, and what stays, as pairs of now and then."""

    new: tuple[Raised, ...]
    gone: tuple[Raised, ...]
    same: tuple[tuple[Raised, Raised], ...]


def compare(outcome: Outcome, *, apart_s: int = 3 * 86_400) -> Compared:
    """Pair what was found of a kind at one place, now and then, if it began or was found about the same time."""
    left = list(outcome.then)
    same: list[tuple[Raised, Raised]] = []
    gone: list[Raised] = []
    for one in sorted(outcome.now, key=lambda raised: raised.at_s):
        fitting = [
            other
            for other in left
            if (other.kind, other.scope, other.place_id) == (one.kind, one.scope, one.place_id)
            and min(abs(other.at_s - one.at_s), abs(other.since_s - one.since_s)) <= apart_s
        ]
        if not fitting:
            gone.append(one)
            continue
        nearest = min(fitting, key=lambda other: (abs(other.at_s - one.at_s), other.at_s))
        left.remove(nearest)
        same.append((one, nearest))
    return Compared(tuple(left), tuple(gone), tuple(same))


def outcome_of(told: Mapping[str, Any]) -> Outcome:
    """Read an outcome as the process wrote it."""
    return Outcome(
        first_s=int(told["first_s"]),
        end_s=int(told["end_s"]),
        readings=int(told["readings"]),
        now=_raised(told["now"]),
        then=_raised(told["then"]),
    )


def main() -> None:
    """Answer the question on the input."""
    os.nice(NICENESS)
    told = json.loads(sys.stdin.readline())
    question = Question(**{**told, "proposal": Proposal(**told["proposal"])})
    at = datetime.fromtimestamp(question.at_s).astimezone()
    scope = Scope(utility_id=question.utility_id, actor=question.actor, now=at)
    with psycopg.connect(with_options(question.database_url, role="suiden_app", process="web trial")) as conn:
        enter_scope(conn, scope=scope)
        outcome = _tried(conn, question, at=at)
        conn.rollback()
    _tell(asdict(outcome))


def _tried(conn: psycopg.Connection, question: Question, *, at: datetime) -> Outcome:
    meters = registry_queries.known_meters(conn, utility_id=question.utility_id)
    per_day = sum(86_400 / one.interval_s for one in meters if one.point_id is not None)
    share = min(1.0, MOST_READINGS / max(1.0, per_day * ((SHOWN + LEARNT) / timedelta(days=1))))
    least = timedelta(days=LEAST_DAYS)
    shown, learnt = max(least, SHOWN * share), max(least, LEARNT * share)
    found = ingest_operations.would_have_raised(
        conn,
        utility_id=question.utility_id,
        proposal=question.proposal,
        first=at - shown - learnt,
        end=at,
        at=at,
        progress=lambda readings: _tell({"so_far": readings}),
    )
    first_s = int((at - shown).timestamp())

    def of(findings: Sequence[Any]) -> tuple[Raised, ...]:
        return tuple(
            Raised(f.kind, f.scope, f.place_id, f.at_s, f.since_s, f.outlet, f.score, tuple(f.meter_ids[:3]))
            for f in findings
            if f.at_s >= first_s
        )

    return Outcome(first_s, question.at_s, found.readings, of(found.now), of(found.then))


def _raised(told: Sequence[Mapping[str, Any]]) -> tuple[Raised, ...]:
    return tuple(Raised(**{**one, "meter_ids": tuple(one["meter_ids"])}) for one in told)


def _tell(told: Mapping[str, Any]) -> None:
    sys.stdout.write(json.dumps(told) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
