"""Run every check that needs no database, one after the other, and say which of them failed."""

import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent
CHECKS = {
    "lint": [str(BIN / "ruff"), "check", "."],
    "formatting": [str(BIN / "ruff"), "format", "--check", "."],
    "import contracts": [str(BIN / "lint-imports")],
    "types": [str(BIN / "pyright")],
    "house rules": [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/test_tidy.py"],
}


def main() -> int:
    """Run them all, so that one failure does not hide the next."""
    failed: list[str] = []
    for name, command in CHECKS.items():
        print(f"== {name}: {Path(command[0]).name} {' '.join(command[1:])}", flush=True)
        started_s = time.monotonic()
        code = subprocess.run(command, cwd=ROOT, check=False).returncode
        print(f"== {name}: {'ok' if code == 0 else 'FAILED'} in {time.monotonic() - started_s:.1f} s", flush=True)
        if code != 0:
            failed.append(name)
    print(f"failed: {', '.join(failed)}" if failed else "all checks passed", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
