"""Static files, addressed by their content: a browser keeps them for ever, a changed file has another address."""

import hashlib
from pathlib import Path

from starlette.responses import Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

FOLDER = Path(__file__).resolve().parent / "static"
FOR_EVER = "public, max-age=31536000, immutable"
ASK_AGAIN = "no-cache"


class StaticFileMissing(Exception):
    """A page names a static file that is not there; `make setup` puts the vendor files in place."""


class Statics:
    """Knows the fingerprint of each static file."""

    def __init__(self, folder: Path = FOLDER) -> None:
        self._marks = {
            path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()[:12]
            for path in sorted(folder.rglob("*"))
            if path.is_file()
        }

    def address(self, name: str) -> str:
        """:raises StaticFileMissing: if there is no such file"""
        mark = self._marks.get(name)
        if mark is None:
            raise StaticFileMissing(f"static file {name} is not in {FOLDER}; run `make setup`")
        return f"/static/{name}?v={mark}"


class FingerprintedFiles(StaticFiles):
    """Serves the files; an address that carries the fingerprint may be kept for ever."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        marked = b"v=" in scope.get("query_string", b"")
        response.headers["Cache-Control"] = FOR_EVER if marked else ASK_AGAIN
        return response
