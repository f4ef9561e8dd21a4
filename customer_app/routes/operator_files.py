"""Files of readings: taken in from a page, and what became of those that came."""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar

from fastapi import APIRouter, File, Form, UploadFile
from starlette.responses import Response

from customer_app.dependencies import allowed
from customer_app.rendering import Page
from customer_app.routes.operator_rejects import REASONS
from customer_app.visit import Visit
from ingest_gateway import operations as ingest_operations
from ingest_gateway import queries as ingest_queries
from ingest_gateway.operations import FileOptions, FileTaken, RefusedLine
from kernel.i18n import mark

router = APIRouter()

FILES_SHOWN = 20
LINES_SHOWN = 50
TEXT_SHOWN = 200
NAMES = {"csv": "CSV", "xlsx": "Excel", "cmep": "CMEP"}
NO_FILE = mark("Choose a file first.")


@dataclass(frozen=True, slots=True)
class FileLine:
    """A file that came."""

    name: str
    kind: str
    by: str
    at: str
    stored: str
    duplicates: str
    rejected: str


@dataclass(frozen=True, slots=True)
class RefusedView:
    number: str
    reason: str
    detail: str
    text: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of the file that was just brought; `problem` where nothing did."""

    name: str
    is_trial: bool = False
    problem: str = ""
    stored: str = ""
    duplicates: str = ""
    rejected: str = ""
    refused: tuple[RefusedView, ...] = ()
    left_out: tuple[str, ...] = ()
    rejects_path: str = ""


@dataclass(frozen=True, slots=True)
class FilesPage(Page):
    TEMPLATE: ClassVar[str] = "operator/files.html"
    ACTIVE: ClassVar[str] = "/operator/files"

    files: tuple[FileLine, ...]
    may_bring: bool
    unit: str  # as it was typed with the file that was just brought
    leave_out: str
    outcome: Outcome | None


@router.get("/operator/files")
def files(visit: Annotated[Visit, allowed("gateway.view", action="file.list")]) -> Response:
    """List the files of readings that came."""
    return visit.show(_page(visit, outcome=None))


@router.post("/operator/files")
def bring(
    visit: Annotated[Visit, allowed("reject.replay", action="readings.import", object_kind="file")],
    file: Annotated[UploadFile | None, File()] = None,
    unit: Annotated[str, Form(max_length=20)] = "",
    leave_out: Annotated[str, Form(max_length=500)] = "",
    is_trial: Annotated[bool, Form()] = False,
) -> Response:
    """Take a file in, or show what would become of it; the same file twice changes nothing."""
    if file is None or not file.filename:
        return visit.show(_page(visit, outcome=Outcome("", problem=visit.translate(NO_FILE))), status=400)
    name = Path(file.filename).name[:200]
    options = FileOptions(
        unit=unit.strip(), left_out=frozenset(one.strip() for one in leave_out.split(",") if one.strip())
    )
    with tempfile.NamedTemporaryFile(prefix="suiden-readings-") as copy:
        while part := file.file.read(1 << 16):
            copy.write(part)
        copy.flush()
        outcome = _take_in(visit, Path(copy.name), name=name, options=options, is_trial=is_trial)
    page = _page(visit, outcome=outcome, unit=unit, leave_out=leave_out)
    return visit.show(page, status=422 if outcome.problem else 200)


def _take_in(visit: Visit, path: Path, *, name: str, options: FileOptions, is_trial: bool) -> Outcome:
    refused: list[RefusedLine] = []
    try:
        with visit.conn.transaction(force_rollback=is_trial):
            taken = ingest_operations.import_readings(
                visit.conn,
                utility_id=visit.utility_id,
                source=ingest_operations.look_at(path, name=name),
                options=options,
                imported_by=visit.signed_in.login_name,
                now=visit.now,
                on_refused=refused.append,
                progress=lambda _: None,
                may_copy=False,
            )
    except ingest_operations.AlreadyImported as error:
        visit.concerns(name=name, outcome="already_imported")
        return Outcome(name, problem=_earlier(visit, error))
    except ingest_operations.FileUnusable as error:
        problem = str(error).replace(str(path), name)
        visit.concerns(name=name, outcome="unusable", why=problem)
        return Outcome(name, problem=problem)
    told = {"stored": taken.stored, "duplicates": taken.duplicates, "rejected": taken.rejected}
    visit.concerns(object_id="" if is_trial else taken.file_id, name=name, is_trial=is_trial, **told)
    return _outcome(visit, name, taken=taken, refused=refused, is_trial=is_trial)


def _outcome(visit: Visit, name: str, *, taken: FileTaken, refused: Sequence[RefusedLine], is_trial: bool) -> Outcome:
    number = visit.formats.number
    return Outcome(
        name,
        is_trial=is_trial,
        stored=number(taken.stored),
        duplicates=number(taken.duplicates),
        rejected=number(taken.rejected),
        refused=tuple(
            RefusedView(
                number(line.number),
                visit.translate(REASONS.get(line.reason, line.reason)),
                line.detail,
                line.text[:TEXT_SHOWN],
            )
            for line in refused[:LINES_SHOWN]
        ),
        left_out=tuple(f"{number(count)} × {what}" for what, count in taken.left_out.items()),
        rejects_path="" if is_trial or not refused else f"/operator/rejected?topic={taken.topic}",
    )


def _earlier(visit: Visit, error: ingest_operations.AlreadyImported) -> str:
    earlier = error.earlier
    return visit.translate(
        "This file came before, as %(name)s by %(by)s on %(at)s: %(stored)s readings were stored then.",
        name=earlier.name,
        by=earlier.imported_by,
        at=visit.formats.full_datetime(earlier.imported_at),
        stored=visit.formats.number(earlier.stored),
    )


def _page(visit: Visit, *, outcome: Outcome | None, unit: str = "", leave_out: str = "") -> FilesPage:
    number = visit.formats.number
    return FilesPage(
        files=tuple(
            FileLine(
                name=one.name,
                kind=NAMES[one.format],
                by=one.imported_by,
                at=visit.formats.datetime(one.imported_at),
                stored=number(one.stored),
                duplicates=number(one.duplicates),
                rejected=number(one.rejected),
            )
            for one in ingest_queries.imported_files(visit.conn, utility_id=visit.utility_id, limit=FILES_SHOWN)
        ),
        may_bring=visit.may("reject.replay"),
        unit=unit,
        leave_out=leave_out,
        outcome=outcome,
    )
