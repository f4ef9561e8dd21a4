"""The part of APScheduler's cron trigger that suiden.schedule uses."""

from datetime import tzinfo
from typing import Self

from apscheduler.triggers.base import BaseTrigger

class CronTrigger(BaseTrigger):
    def __init__(self, *, minute: int | str | None = None, timezone: tzinfo | None = None) -> None: ...
    @classmethod
    def from_crontab(cls, expr: str, timezone: tzinfo | None = None) -> Self: ...
