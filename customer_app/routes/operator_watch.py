"""The watch list: weak findings that a person confirms or dismisses; each answer is kept, to judge the checker by."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, ClassVar, Literal

from fastapi import APIRouter, Form
from starlette.responses import Response

from customer_app import anomaly_texts, labels, spoken
from customer_app.anomaly_texts import AnomalyText
from customer_app.dependencies import allowed
from customer_app.rendering import Page
from customer_app.visit import Visit
from kernel.text import clean
from maintenance_tracker import operations as tracker_operations
from maintenance_tracker import queries as tracker_queries
from maintenance_tracker.queries import Label, Watched

router = APIRouter()

ANSWERS_BACK = timedelta(days=90)
ANSWERS_SHOWN = 30


@dataclass(frozen=True, slots=True)
class KindChoice:
    code: str
    words: str
    chosen: bool


@dataclass(frozen=True, slots=True)
class WatchedLine:
    """A weak finding that waits for an answer, or was answered and lasts."""

    anomaly: AnomalyText
    sentence: str
    kinds: tuple[KindChoice, ...]
    answer: str


@dataclass(frozen=True, slots=True)
class AnswerLine:
    """An answer that was given."""

    path: str
    answer: str
    look: str
    kind: str
    note: str
    by: str
    at: str


@dataclass(frozen=True, slots=True)
class WatchPage(Page):
    TEMPLATE: ClassVar[str] = "operator/watch.html"
    FRAGMENTS: ClassVar[dict[str, str]] = {"list": "operator/_watch_list.html"}
    ACTIVE: ClassVar[str] = "/operator/watch"

    waiting: tuple[WatchedLine, ...]
    answered: tuple[WatchedLine, ...]
    answers: tuple[AnswerLine, ...]
    right: str
    may_judge: bool

    def topics(self) -> tuple[str, ...]:
        return ("anomalies",)


@router.get("/operator/watch")
def index(visit: Annotated[Visit, allowed("anomaly.view", action="watch.list")]) -> Response:
    """List what waits for a person's word, and what was said before."""
    found = tracker_queries.watch_list(visit.conn, utility_id=visit.utility_id)
    said = tracker_queries.answers(visit.conn, utility_id=visit.utility_id, since=visit.now - ANSWERS_BACK)
    confirmed = sum(one.answer == "confirmed" for one in said)
    page = WatchPage(
        waiting=_lines(visit, [one for one in found if one.label is None]),
        answered=_lines(visit, [one for one in found if one.label is not None]),
        answers=tuple(_answer(visit, one) for one in said[: -ANSWERS_SHOWN - 1 : -1]),
        right=visit.formats.percent(confirmed / len(said)) if said else "",
        may_judge=visit.may("anomaly.judge"),
    )
    return visit.show(page)


@router.post("/operator/watch/{anomaly_id}")
def answer(
    anomaly_id: int,
    visit: Annotated[
        Visit, allowed("anomaly.judge", action="watch.answer", object_kind="anomaly", object_from="anomaly_id")
    ],
    answer: Annotated[Literal["confirmed", "dismissed"], Form()],
    note: Annotated[str, Form(min_length=1, max_length=1000)],
    kind: Annotated[str, Form(max_length=40)] = "",
) -> Response:
    """Keep a person's word; what is confirmed gets a ticket."""
    found = tracker_queries.watch_list(visit.conn, utility_id=visit.utility_id)
    watched = visit.found(next((one for one in found if one.anomaly.anomaly_id == anomaly_id), None))
    is_kind = kind in _kinds_of(watched.anomaly.service)
    visit.concerns(answer=answer, kind=kind)
    tracker_operations.answer_watched(
        visit.conn,
        utility_id=visit.utility_id,
        anomaly_id=anomaly_id,
        answer=answer,
        kind=kind if is_kind and answer == "confirmed" else watched.anomaly.kind,
        note=clean(note),
        actor=visit.actor,
        at=visit.now,
    )
    return visit.go("/operator/watch", said=f"watch-{answer}")


def _lines(visit: Visit, found: Sequence[Watched]) -> tuple[WatchedLine, ...]:
    texts = anomaly_texts.described(visit, [one.anomaly for one in found])
    return tuple(
        WatchedLine(
            anomaly=text,
            sentence=spoken.sentence(visit, one.anomaly),
            kinds=tuple(
                KindChoice(kind, labels.fault(visit.translate, kind), kind == one.anomaly.kind)
                for kind in _kinds_of(one.anomaly.service)
            ),
            answer="" if one.label is None else _said(visit, one.label),
        )
        for one, text in zip(found, texts, strict=True)
    )


def _kinds_of(service: str) -> tuple[str, ...]:
    return labels.KINDS_OF_WATER if service == "water" else labels.KINDS_OF_POWER


def _said(visit: Visit, label: Label) -> str:
    words = _words(visit, label)[0]
    return f"{words}: {label.note} ({label.answered_by}, {visit.formats.datetime(label.answered_at)})"


def _words(visit: Visit, label: Label) -> tuple[str, str]:
    _ = visit.translate
    return (_("confirmed"), "is-good") if label.answer == "confirmed" else (_("dismissed"), "")


def _answer(visit: Visit, label: Label) -> AnswerLine:
    words, look = _words(visit, label)
    return AnswerLine(
        path=f"/operator/anomalies/{label.anomaly_id}",
        answer=words,
        look=look,
        kind=labels.fault(visit.translate, label.kind),
        note=label.note,
        by=label.answered_by,
        at=visit.formats.datetime(label.answered_at),
    )
