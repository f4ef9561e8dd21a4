"""Trials of detectors' parameters that run or were run: one at a time, each in a process of its own, each bounded."""

import json
import subprocess
import sys
import threading
import time
from dataclasses import asdict, dataclass, field
from typing import Literal

import structlog

from customer_app.checker_trial import Outcome, Question, outcome_of
from ingest_gateway.operations import Proposal

log = structlog.get_logger()

LONGEST_S = 180.0  # of wall time
KEPT = 20
KEPT_S = 3600.0

State = Literal["waits", "runs", "done", "failed", "too long"]
Key = tuple[int, Proposal]  # the utility's


@dataclass(slots=True)
class Trial:
    """One trial as it stands."""

    state: State = "waits"
    so_far: int = 0  # readings checked
    outcome: Outcome | None = None
    begun_s: float = field(default_factory=time.monotonic)
    over_s: float | None = None

    @property
    def is_over(self) -> bool:
        return self.over_s is not None


class Trials:
    """The trials of this process. Whoever asks for one that runs or is done gets that one."""

    def __init__(self) -> None:
        self._trials: dict[Key, Trial] = {}
        self._lock = threading.Lock()
        self._turn = threading.Lock()

    def get(self, key: Key) -> Trial | None:
        """Give a trial that is not too old; None if there is none."""
        with self._lock:
            found = self._trials.get(key)
        if found is not None and found.over_s is not None and time.monotonic() - found.over_s > KEPT_S:
            return None
        return found

    def start(self, question: Question, *, anew: bool) -> Trial:
        """Give the trial of a question, begun now if there is none; `anew`: not one that is over."""
        key = (question.utility_id, question.proposal)
        known = self.get(key)
        if known is not None and not (anew and known.is_over):
            return known
        trial = Trial()
        with self._lock:
            for old in [one for one, kept in self._trials.items() if kept.is_over][: max(0, len(self._trials) - KEPT)]:
                del self._trials[old]
            self._trials[key] = trial
        threading.Thread(target=self._run, args=(trial, question), name="checker trial", daemon=True).start()
        return trial

    def _run(self, trial: Trial, question: Question) -> None:
        with self._turn:
            trial.state, trial.begun_s = "runs", time.monotonic()
            try:
                trial.state = _answered(trial, question)
            except (OSError, ValueError, KeyError) as error:
                log.warning("checker.trial_failed", error=f"{type(error).__name__}: {error}")
                trial.state = "failed"
            trial.over_s = time.monotonic()


def _answered(trial: Trial, question: Question) -> State:
    command = [sys.executable, "-m", "customer_app.checker_trial"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None, "its input is a pipe"
        assert process.stdout is not None, "its output is a pipe"
        clock = threading.Timer(LONGEST_S, process.kill)
        clock.start()
        try:
            process.stdin.write(json.dumps(asdict(question)) + "\n")
            process.stdin.flush()
            for line in process.stdout:
                told = json.loads(line)
                if "so_far" in told:
                    trial.so_far = int(told["so_far"])
                else:
                    trial.outcome = outcome_of(told)
            code = process.wait()
        finally:
            is_late = not clock.is_alive()
            clock.cancel()
        if code != 0 and not is_late:
            assert process.stderr is not None, "its errors are a pipe"
            log.warning("checker.trial_failed", code=code, error=process.stderr.read()[-2000:])
    if trial.outcome is not None:
        return "done"
    return "too long" if is_late else "failed"
