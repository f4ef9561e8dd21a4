"""Run an MQTT broker of our own: amqtt, which comes with us, or Mosquitto where it is installed.

Run as `python -m suiden.embedded.broker --config FILE` this is the amqtt broker's process.
"""

import argparse
import asyncio
import json
import logging
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from suiden.embedded.access import SENDER_RULES, Login, Rule, write_files
from suiden.embedded.child import last_lines, start_child, stop_child
from suiden.embedded.folders import FolderUnusable, fallback_for, is_reachable_by_others, make_own_folder
from suiden.embedded.ports import free_port

NOBODY_UID = 65534
START_TIMEOUT_S = 30.0
POLL_S = 0.03
MAX_PACKET_BYTES = 4 * 1024 * 1024
MOSQUITTO_PLACES = "/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin"

MOSQUITTO_CONFIG = """\
listener {port} 127.0.0.1
allow_anonymous false
password_file {folder}/passwords
acl_file {folder}/access

# Quality 1 is not dropped for being too much; the defaults would drop beyond 1,000 messages a client. A limit of 0
# would say "none", but then Mosquitto 2.0 disconnects a client whose publication is not allowed.
max_inflight_messages 0
max_queued_messages 1000000
max_queued_bytes 0
max_packet_size {max_packet_bytes}

persistence true
persistence_location {folder}/
autosave_interval 10

log_dest stdout
log_type error
log_type warning
log_type notice
connection_messages false
"""


class BrokerUnusable(Exception):
    """The broker cannot be started; the message names the place and the cure."""


class _ChildBroker(ABC):
    """What both brokers share: a folder, a port on the loopback interface, logins, a child process."""

    label: str

    def __init__(
        self,
        *,
        data_dir: Path,
        logins: Sequence[Login],
        port: int | None = None,
        rules: Sequence[Rule] = SENDER_RULES,
    ) -> None:
        """Take the folder for its files and who may connect. `port` None: any free one."""
        self._folder = data_dir.absolute()
        self._logins = tuple(logins)
        self._rules = tuple(rules)
        self._wanted_port = port
        self._port: int | None = None
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        """Return the broker's process id while it runs."""
        return self._process.pid if self._process is not None and self._process.poll() is None else None

    @property
    def port(self) -> int | None:
        """Return the port of the last start."""
        return self._port

    @property
    def log_path(self) -> Path:
        return self._folder / "broker.log"

    def start(self) -> str:
        """Start the broker and return its URL, which holds no login.

        :raises BrokerUnusable: if it does not get ready
        :raises NotTheMainThread: if called from another thread
        """
        if self.pid is not None:
            raise BrokerUnusable(f"the broker in {self._folder} is started already")
        try:
            self._prepare_folder()
        except (FolderUnusable, OSError) as error:
            raise BrokerUnusable(f"no place for the broker's files: {error}") from error
        self._write_access()
        for _ in range(1 if self._wanted_port else 5):
            port = self._wanted_port or free_port()
            self._refuse_a_taken_port(port)
            self._process = self._launch(port)
            if self._wait_until_ready(port):
                self._port = port
                return f"mqtt://127.0.0.1:{port}"
            self.stop()
        raise BrokerUnusable(
            f"{self.label} did not get ready; its log is {self.log_path}:\n{last_lines(self.log_path)}"
        )

    def stop(self) -> None:
        """Stop the broker. Twice is safe."""
        if self._process is not None:
            stop_child(self._process, signals=[(signal.SIGTERM, 15.0)])
            self._process = None

    def set_logins(self, logins: Sequence[Login]) -> None:
        """Replace who may connect; connections that stand are left alone."""
        self._logins = tuple(logins)
        self._write_access()
        if self._process is not None and self.pid is not None:
            self._reload(self._process)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @abstractmethod
    def _prepare_folder(self) -> None: ...

    @abstractmethod
    def _launch(self, port: int) -> subprocess.Popen[bytes]: ...

    @abstractmethod
    def _reload(self, process: subprocess.Popen[bytes]) -> None: ...

    def _write_access(self) -> None:
        write_files(
            logins=self._logins,
            rules=self._rules,
            password_file=self._folder / "passwords",
            acl_file=self._folder / "access",
        )

    def _refuse_a_taken_port(self, port: int) -> None:
        """Say so now: a connection test alone would take a stranger's broker for ours."""
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError as error:
                raise BrokerUnusable(
                    f"port {port} of this machine is taken ({error.strerror}): stop what uses it, or choose another"
                ) from error

    def _wait_until_ready(self, port: int) -> bool:
        deadline_s = time.monotonic() + START_TIMEOUT_S
        while self.pid is not None and time.monotonic() < deadline_s:
            if self._is_listening(port):
                return True
            time.sleep(POLL_S)
        return False

    def _is_listening(self, port: int) -> bool:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            return False
        return True


class EmbeddedBroker(_ChildBroker):
    """The broker that needs nothing installed: amqtt, MQTT 3.1.1.

    What it promises is little (each was measured), which is why senders keep what Suiden itself has not acknowledged:
    it forgets its sessions when it stops, never sends again what a receiver got and did not acknowledge, when a
    publisher leaves, drops messages of its that it has acknowledged and not yet handed on, and whoever gives another's
    client id ends its session. It is for a laptop; deploy/ is for networks.
    """

    label = "the embedded broker"

    def _prepare_folder(self) -> None:
        make_own_folder(self._folder, mode=0o700)

    def _launch(self, port: int) -> subprocess.Popen[bytes]:
        files = {"password_file": str(self._folder / "passwords"), "acl_file": str(self._folder / "access")}
        config_path = self._folder / "broker.json"
        config_path.write_text(json.dumps({"port": port, "ready_file": str(self._ready_file), **files}))
        self._ready_file.unlink(missing_ok=True)
        return start_child(
            command=[sys.executable, "-P", "-m", "suiden.embedded.broker", "--config", str(config_path)],
            log_path=self.log_path,
            death_signal=signal.SIGTERM,
        )

    @property
    def _ready_file(self) -> Path:
        return self._folder / "ready"

    def _is_listening(self, port: int) -> bool:  # noqa: ARG002 (the base class has a use for the port)
        """Ask for the file, because amqtt logs every connection without a login as an error."""
        return self._ready_file.exists()

    def _reload(self, process: subprocess.Popen[bytes]) -> None:
        """Do nothing: it looks at the files' dates by itself."""


class MosquittoBroker(_ChildBroker):
    """An installed Mosquitto: MQTT 5 and 3.1.1, sessions and queues kept on disk."""

    label = "Mosquitto"

    def __init__(
        self,
        *,
        data_dir: Path,
        logins: Sequence[Login],
        port: int | None = None,
        rules: Sequence[Rule] = SENDER_RULES,
        program: Path | None = None,
    ) -> None:
        """Take as well where Mosquitto is, or find it."""
        super().__init__(data_dir=data_dir, logins=logins, port=port, rules=rules)
        self._program = program or find_mosquitto()
        self._uid = NOBODY_UID if os.geteuid() == 0 else None

    def _prepare_folder(self) -> None:
        """Give the folder to the user Mosquitto runs as: it writes its store there, and wants its files private."""
        if self._uid is None:
            make_own_folder(self._folder, mode=0o700)
            return
        if not is_reachable_by_others(self._folder.parent):
            self._folder = fallback_for(self._folder)
        if self._folder.exists() and self._folder.lstat().st_uid == self._uid and not self._folder.is_symlink():
            return
        make_own_folder(self._folder, mode=0o700)
        os.chown(self._folder, self._uid, self._uid)

    def _launch(self, port: int) -> subprocess.Popen[bytes]:
        if self._program is None:
            raise BrokerUnusable("Mosquitto is not installed here: apt install mosquitto, or use the embedded broker")
        config_path = self._folder / "mosquitto.conf"
        config_path.write_text(
            MOSQUITTO_CONFIG.format(port=port, folder=self._folder, max_packet_bytes=MAX_PACKET_BYTES)
        )
        return start_child(
            command=[str(self._program), "-c", str(config_path)],
            log_path=self.log_path,
            death_signal=signal.SIGTERM,
            uid=self._uid,
        )

    def _reload(self, process: subprocess.Popen[bytes]) -> None:
        process.send_signal(signal.SIGHUP)


def find_mosquitto() -> Path | None:
    """Return an installed Mosquitto; it is often in a folder that is not on an ordinary user's PATH."""
    found = shutil.which("mosquitto") or shutil.which("mosquitto", path=MOSQUITTO_PLACES)
    return Path(found) if found else None


def main(arguments: Sequence[str] | None = None) -> int:
    """Be the amqtt broker until SIGTERM."""
    parser = argparse.ArgumentParser(prog="suiden.embedded.broker", description=main.__doc__)
    parser.add_argument("--config", type=Path, required=True)
    config = json.loads(parser.parse_args(arguments).config.read_text())
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    logging.getLogger("amqtt").setLevel(logging.ERROR)  # it warns of every acknowledgement that overtakes its own task
    asyncio.run(_serve(config))
    return 0


async def _serve(config: dict[str, Any]) -> None:
    from suiden.embedded.amqtt_broker import PatientBroker  # only this process needs it: a third of a second

    files = {"password_file": config["password_file"], "acl_file": config["acl_file"]}
    broker = PatientBroker(
        {
            "listeners": {"default": {"type": "tcp", "bind": f"127.0.0.1:{config['port']}"}},
            "plugins": {
                "suiden.embedded.amqtt_plugins.LoginPlugin": files,
                "suiden.embedded.amqtt_plugins.TopicPlugin": files,
            },
        }
    )
    stopped = asyncio.Event()
    for signal_number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(signal_number, stopped.set)
    await broker.start()
    Path(config["ready_file"]).touch()
    await stopped.wait()
    try:
        await asyncio.wait_for(broker.shutdown(), timeout=5)
    except TimeoutError:
        logging.getLogger(__name__).warning("clients did not let go within 5 s")


if __name__ == "__main__":
    sys.exit(main())
