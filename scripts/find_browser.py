"""Find a Chromium for the browser tests, or get one; print its path, or say on stderr what would give one."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
APT_TIMEOUT_S = 600
CURE = """no browser for the tests, and none could be fetched. Any one of these gives one:
  Debian, as root:   apt install chromium
  Ubuntu, as root:   install Google Chrome's .deb (the chromium package there is a snap, which may not start here)
  without root:      .venv/bin/playwright install chromium   (needs the libraries that
                     `.venv/bin/playwright install-deps chromium` installs as root)
  own browser:       SUIDEN_TEST_BROWSER=/path/to/chromium make test"""


class NoBrowser(Exception):
    """No browser is here and none could be fetched; the message names the cure."""


def find_browser() -> Path:
    """Look at what is installed, then Debian's package, then Playwright's download.

    :raises NoBrowser: if all three fail
    """
    named = os.environ.get("SUIDEN_TEST_BROWSER")
    if named:
        if not runs(Path(named)):
            raise NoBrowser(f"SUIDEN_TEST_BROWSER={named} does not run")
        return Path(named)
    found = installed() or downloaded_earlier() or from_debian() or from_playwright()
    if found is None:
        raise NoBrowser(CURE)
    return found


def installed() -> Path | None:
    """Return the first installed browser that runs: some are only a note on where to get one."""
    paths = (shutil.which(name) for name in NAMES)
    return next((Path(path) for path in paths if path and runs(Path(path))), None)


def runs(path: Path) -> bool:
    try:
        answer = subprocess.run([path, "--version"], capture_output=True, timeout=60, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return answer.returncode == 0 and b"Chrom" in answer.stdout


def from_debian() -> Path | None:
    """Install Debian's package, when we may; Ubuntu's of that name only fetches a snap."""
    if os.geteuid() != 0 or shutil.which("apt-get") is None or "ID=debian" not in _os_release():
        return None
    tell("no browser is installed: installing Debian's chromium package")
    install = ["apt-get", "install", "-y", "-q", "--no-install-recommends", "chromium"]
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    for command in (install, ["apt-get", "update", "-q"], install):
        answer = subprocess.run(command, stdout=sys.stderr, env=environment, timeout=APT_TIMEOUT_S, check=False)
        if answer.returncode == 0 and command is install:
            break
    return installed()


def downloaded_earlier() -> Path | None:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        path = Path(playwright.chromium.executable_path)
    return path if path.exists() and runs(path) else None


def from_playwright() -> Path | None:
    tell("no browser is installed: asking Playwright to download one")
    command = [sys.executable, "-m", "playwright", "install", "chromium"]
    subprocess.run(command, stdout=sys.stderr, timeout=APT_TIMEOUT_S, check=False)
    return downloaded_earlier()


def _os_release() -> list[str]:
    try:
        return Path("/etc/os-release").read_text().splitlines()
    except OSError:
        return []


def tell(text: str) -> None:
    print(f"browser: {text}", file=sys.stderr, flush=True)


def main() -> int:
    """Print the path alone on stdout, so that a script can take it."""
    try:
        print(find_browser())
    except NoBrowser as error:
        tell(str(error))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
