"""Errors that a person can mend: shown as one line by the command."""

import psycopg

from kernel.clock import ClockNotSet
from kernel.event_failures import FailureUnknown
from kernel.migrate import MigrationFailed
from kernel.settings import SettingFileUnreadable
from suiden.broker_access import AccessImpossible
from suiden.certificates import CertificateImpossible
from suiden.embedded.broker import BrokerUnusable
from suiden.embedded.postgres import EmbeddedPostgresUnusable
from suiden.evaluation.trouble import FoundTooEarly, SetUnreadable
from suiden.mail_server import MailServerUnusable
from suiden.secret_files import FolderOpen
from suiden.settings import SettingMissing
from suiden.supervisor import ProcessFailed
from suiden.whole_files import SecretEmpty


class NotPossibleHere(Exception):
    """What was asked cannot be done on this machine as it is; the message says why and what to do."""


EXPECTED = (
    AccessImpossible,
    BrokerUnusable,
    CertificateImpossible,
    ClockNotSet,
    EmbeddedPostgresUnusable,
    FailureUnknown,
    FolderOpen,
    FoundTooEarly,
    MailServerUnusable,
    MigrationFailed,
    NotPossibleHere,
    ProcessFailed,
    SecretEmpty,
    SettingFileUnreadable,
    SetUnreadable,
    SettingMissing,
    psycopg.OperationalError,
)
