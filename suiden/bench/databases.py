"""A database of its own for a benchmark that needs no broker."""

import secrets
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from kernel import migrate
from suiden.bench import store
from suiden.embedded.postgres import EmbeddedPostgres


@dataclass(frozen=True, slots=True)
class Database:
    """A migrated database, and what runs it."""

    url: str
    engine: str


@contextmanager
def own_database(server_url: str | None, *, buffers: str, log: str) -> Generator[Database]:
    """Give a new database that is gone at the end: on that server, or without one on our own.

    `buffers` and `log` are the sizes that our own gets, as PostgreSQL writes them.
    """
    if server_url is None:
        with tempfile.TemporaryDirectory(prefix="suiden-bench-") as folder:
            Path(folder).chmod(0o755)  # the server runs as another user where we are root
            server = EmbeddedPostgres(
                data_dir=Path(folder) / "postgres",
                settings={"shared_buffers": buffers, "max_wal_size": log},
            )
            try:
                yield _migrated(server.start())
            finally:
                server.stop()
        return
    name = f"suiden_bench_{secrets.token_hex(4)}"
    store.make_database(server_url, name)
    try:
        yield _migrated(urlsplit(server_url)._replace(path=f"/{name}").geturl())
    finally:
        store.drop_database(server_url, name)


def _migrated(url: str) -> Database:
    migrate.migrate(url)
    engine, buffers = store.engine(url)
    return Database(url, f"{engine}, {buffers} of buffers")
