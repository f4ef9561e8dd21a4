"""Every decoder against messages that are led to where no message was before, by atheris if it is installed.

libFuzzer, which is in it, ends its process: each format has one of its own, `guided_child.py`.
"""

import importlib.util
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from suiden.errors import NotPossibleHere
from suiden.torture.decoders import Failure, Outcome, samples

MAX_BYTES = 8_192  # longer ones take long and lead nowhere new; tests hold the longest
TIMEOUT_S = 5
CHILD = "suiden.torture.guided_child"
_STATISTIC = re.compile(r"^stat::(\w+):\s+(\d+)$", re.MULTILINE)
_COVERED = re.compile(r"\bcov: (\d+)\b")


def torture(name: str, *, inputs: int, seed: int) -> Outcome:
    """Give one format's decoder so many messages, each made of those that reached something new.

    :raises NotPossibleHere: if atheris is not installed
    """
    if importlib.util.find_spec("atheris") is None:
        raise NotPossibleHere(
            "--guided needs atheris, which has no build for some machines: .venv/bin/pip install atheris"
        )
    outcome = Outcome(format=name)
    began_s = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="suiden-guided-") as folder:
        corpus, found = Path(folder, "corpus"), Path(folder, "found")
        corpus.mkdir()
        found.mkdir()
        for number, sample in enumerate(samples(name)):
            (corpus / str(number)).write_bytes(sample.payload)
        limits = (f"-runs={inputs}", f"-seed={seed}", f"-max_len={MAX_BYTES}", f"-timeout={TIMEOUT_S}")
        done = subprocess.run(
            [
                sys.executable,
                "-m",
                CHILD,
                name,
                str(corpus),
                *limits,
                f"-artifact_prefix={found}/",
                "-print_final_stats=1",
            ],
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
        )
        topic = samples(name)[0].topic
        for artifact in sorted(found.iterdir()):
            outcome.failures.append(Failure(name, topic, artifact.read_bytes(), _told(done)))
        if done.returncode and not outcome.failures:
            outcome.failures.append(Failure(name, topic, b"", _told(done)))
    told = {statistic: int(value) for statistic, value in _STATISTIC.findall(done.stderr)}
    outcome.inputs = told.get("number_of_executed_units", 0)
    outcome.slowest_s = float(told.get("slowest_unit_time_sec", 0))
    outcome.grown_kib = told.get("peak_rss_mb", 0) * 1024
    outcome.seconds = time.perf_counter() - began_s
    outcome.branches = max((int(count) for count in _COVERED.findall(done.stderr)), default=0)
    return outcome


def _told(done: subprocess.CompletedProcess[str]) -> str:
    """Give the traceback, which goes to the standard output, or what else was said at the end."""
    return (done.stdout.strip() or done.stderr.strip())[-3_000:]
