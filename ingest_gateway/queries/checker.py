"""The checker's detectors, their parameters and what a utility set of them."""

import inspect
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from psycopg import Connection
from psycopg.rows import TupleRow

from ingest_gateway.domain.checking.parameters import Parameter, parameters_of
from ingest_gateway.domain.detectors.catalog import by_name
from ingest_gateway.store import checker_settings
from ingest_gateway.store.checker_settings import SettingRow

__all__ = ["DetectorFacts", "Parameter", "SettingRow", "detector_facts", "setting_changes", "settings_in_force"]


@dataclass(frozen=True, slots=True)
class DetectorFacts:
    """A detector as it is shown to people: its rule in its own words, what it raises, what may be set."""

    name: str
    version: int
    kinds: Sequence[str]
    rule: str
    parameters: Sequence[Parameter]


def detector_facts() -> list[DetectorFacts]:
    """List the detectors in the order in which they look at a slot."""
    return [
        DetectorFacts(
            one.name, one.version, one.kinds, inspect.getdoc(inspect.getmodule(one)) or "", parameters_of(one)
        )
        for one in by_name().values()
    ]


def settings_in_force(conn: Connection[TupleRow], *, utility_id: int, at: datetime) -> list[SettingRow]:
    """List the utility's own parameters, in the order in which they count."""
    rows = checker_settings.in_force(conn, utility_id=utility_id, at=at)
    return [row for row in rows if row.value is not None]


def setting_changes(conn: Connection[TupleRow], *, utility_id: int, limit: int) -> list[SettingRow]:
    """List what was changed last, newest first."""
    return checker_settings.changes(conn, utility_id=utility_id, limit=limit)
