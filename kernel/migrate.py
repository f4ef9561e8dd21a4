"""Bringing a database to the schema of this release."""

from collections.abc import Callable
from pathlib import Path

import yoyo

ROOT = Path(__file__).resolve().parent.parent
OWNERS = (
    "kernel",
    "registry",
    "ingest_gateway",
    "rating_engine",
    "maintenance_tracker",
)


class MigrationFailed(Exception):
    """A migration could not be applied; the database is as it was before that migration."""


def migrate(database_url: str, *, progress: Callable[[str], None] | None = None) -> list[str]:
    """Apply every migration that the database has not seen, in order; return the names of those applied.

    Two processes may call this at once: the second waits and finds nothing to do.

    :raises MigrationFailed: if a migration is refused; the ones before it stay applied
    """
    say = progress or _silent
    sources = [str(ROOT / owner / "migrations") for owner in OWNERS]
    applied: list[str] = []
    with yoyo.get_backend(_yoyo_url(database_url)) as backend, backend.lock():
        for migration in backend.to_apply(yoyo.read_migrations(*sources)):
            say(migration.id)
            try:
                backend.apply_one(migration)
            except Exception as error:
                raise MigrationFailed(f"migration {migration.id} ({migration.path}): {error}") from error
            applied.append(migration.id)
    return applied


def pending(database_url: str) -> list[str]:
    """Name the migrations that the database has not seen."""
    sources = [str(ROOT / owner / "migrations") for owner in OWNERS]
    with yoyo.get_backend(_yoyo_url(database_url)) as backend:
        return [migration.id for migration in backend.to_apply(yoyo.read_migrations(*sources))]


def _yoyo_url(database_url: str) -> str:
    scheme, _, rest = database_url.partition("://")
    if scheme not in ("postgresql", "postgres"):
        raise MigrationFailed(f"DATABASE_URL must begin with postgresql:// and not with {scheme}://")
    return f"postgresql+psycopg://{rest}"


def _silent(_: str) -> None:
    pass
