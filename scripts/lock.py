"""Write the locks anew: Python's with hashes for every platform, npm's without registry addresses."""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
COMPILE = [
    "pip", "compile", "--no-config", "--upgrade", "--universal", "--python-version", "3.11",
    "--generate-hashes", "--no-emit-index-url", "--no-emit-find-links", "--no-header",
    "requirements.in", "--output-file", "requirements.lock", "--quiet",
]  # fmt: skip


def main() -> int:
    """Resolve both sets; uv lives in a folder that is gone afterwards."""
    with tempfile.TemporaryDirectory() as folder:
        print("fetching uv, which resolves for every platform at once", flush=True)
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        subprocess.run([f"{folder}/bin/pip", "install", "--quiet", "uv"], check=True)
        print("resolving requirements.in", flush=True)
        subprocess.run([f"{folder}/bin/uv", *COMPILE], cwd=ROOT, check=True)
    npm = shutil.which("npm")
    if npm is None:
        print("package-lock.json is left as it is: no npm here", file=sys.stderr)
        return 1
    print("resolving package.json", flush=True)
    subprocess.run([npm, "install", "--package-lock-only", "--ignore-scripts"], cwd=ROOT, check=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
