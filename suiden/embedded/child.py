"""Start a server as our child: it dies with us, never sees our Ctrl-C, and can run as another user."""

import ctypes
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

PR_SET_PDEATHSIG = 1

# Runs in a fresh interpreter, so nothing of ours is forked, and then becomes the server: same pid, same parent.
# The order matters: giving up root clears the death signal, so it is asked for afterwards.
LAUNCHER = """
import os, sys
sys.path.insert(0, sys.argv[1])
from suiden.embedded.child import become
become(signal_number=int(sys.argv[2]), parent_pid=int(sys.argv[3]), uid=int(sys.argv[4]), command=sys.argv[5:])
"""


class NotTheMainThread(Exception):
    """A server cannot be started from a thread, because Linux would end it together with the thread."""


def start_child(
    *,
    command: Sequence[str],
    log_path: Path,
    death_signal: signal.Signals,
    uid: int | None = None,
    environment: Mapping[str, str] | None = None,
) -> subprocess.Popen[bytes]:
    """Start `command` with its output in `log_path`; it gets `death_signal` if we die without stopping it.

    :raises NotTheMainThread: if called from another thread
    """
    if threading.current_thread() is not threading.main_thread():
        raise NotTheMainThread("start servers from the main thread: they would end with the thread that started them")
    package_parent = str(Path(__file__).resolve().parents[2])
    head = [sys.executable, "-I", "-S", "-c", LAUNCHER, package_parent, str(int(death_signal)), str(os.getpid())]
    with log_path.open("ab") as log:
        return subprocess.Popen(
            [*head, str(-1 if uid is None else uid), *command],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            cwd="/",
            env=None if environment is None else dict(environment),
            start_new_session=True,
        )


def become(*, signal_number: int, parent_pid: int, uid: int, command: Sequence[str]) -> None:
    """Give up root when told to, tie this process's life to its parent's, and turn into `command`."""
    if uid >= 0:
        os.setgroups([])
        os.setgid(uid)
        os.setuid(uid)
    die_with_parent(signal_number=signal_number, parent_pid=parent_pid)
    os.execv(command[0], list(command))


def die_with_parent(*, signal_number: int, parent_pid: int) -> None:
    """Ask Linux to signal this process when its parent ends; elsewhere there is no such thing."""
    if sys.platform != "linux":
        return
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal_number, 0, 0, 0)
    if os.getppid() != parent_pid:  # it ended before we could ask
        sys.exit(1)


def stop_child(process: subprocess.Popen[bytes], *, signals: Sequence[tuple[signal.Signals, float]]) -> int:
    """Send one signal after the other, each with its own patience in seconds; return the exit code."""
    for signal_number, patience_s in signals:
        if process.poll() is None:
            process.send_signal(signal_number)
        try:
            return process.wait(timeout=patience_s)
        except subprocess.TimeoutExpired:
            continue
    process.kill()
    return process.wait()


def last_lines(path: Path, *, count: int = 12) -> str:
    """Return the end of a log, for an error message."""
    try:
        return "\n".join(path.read_text(errors="replace").splitlines()[-count:])
    except OSError:
        return "(no log)"
