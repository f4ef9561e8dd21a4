"""What the processes are told from outside; each reads its class once, in its main function."""

import os
import re
from pathlib import Path
from typing import TypeVar

from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict, SettingsError

from kernel.settings import read_secret_files

ROOT = Path(__file__).resolve().parent.parent
T = TypeVar("T", bound=BaseSettings)


class SettingMissing(Exception):
    """A setting without a default was not given."""


class ProcessSettings(BaseSettings):
    """What every process of an installation shares."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore", populate_by_name=True)

    database_url: str = Field(
        pattern="^postgres(ql)?://", description="PostgreSQL address: postgresql://user:password@host:port/name"
    )
    data_dir: Path = Field(
        default=ROOT / ".suiden", alias="SUIDEN_DATA_DIR", description="folder for files from and to banks, and logs"
    )


class BrokerSettings(ProcessSettings):
    """What a process on the broker needs beside."""

    mqtt_url: str = Field(
        pattern="^mqtts?://", description="broker address: mqtt://user:password@host:port, or mqtts://… for TLS"
    )
    client_id: str = Field(
        default="suiden-gateway", alias="SUIDEN_GATEWAY_ID", description="stable MQTT client id of the gateway"
    )

    def client_id_of(self, worker: str) -> str:
        """Give the client id of a worker, which has none of its own name if it is the only one."""
        return f"{self.client_id}-{worker}" if worker else self.client_id


class SchedulerSettings(ProcessSettings):
    """What the scheduler needs beside, which also sends messages."""

    smtp_url: SecretStr = Field(
        default=SecretStr(""),
        alias="SUIDEN_SMTP_URL",
        description="mail server: smtp://user:password@host:port, or smtps://… for TLS; empty: letters only",
    )
    mail_from: str = Field(
        default="", alias="SUIDEN_MAIL_FROM", description="address that mail comes from; needed with SUIDEN_SMTP_URL"
    )
    public_url: str = Field(
        default="", alias="SUIDEN_PUBLIC_URL", description="address of the pages, for the links in messages"
    )


class CheckerSettings(ProcessSettings):
    """What the checker needs beside; seconds of utility time."""

    early_s: int = Field(
        default=300,
        alias="SUIDEN_CHECKER_EARLY_S",
        gt=0,
        le=3_600,
        description="seconds after a slot's time when what is urgent is looked at, with what came by then",
    )
    settled_s: int = Field(
        default=7_200,
        alias="SUIDEN_CHECKER_SETTLED_S",
        gt=0,
        le=86_400,
        description="seconds after a slot's time when all else is looked at, with what came late, too",
    )


class RetentionSettings(BaseSettings):
    """How long the scheduler keeps what nobody needs for ever; days of utility time."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore", env_prefix="SUIDEN_KEEP_")

    rejected_days: int = Field(default=90, gt=0, description="days that a refused message is kept after it last came")
    rejected_messages: int = Field(
        default=5_000, gt=0, le=20_000, description="refused messages kept of one utility, at most"
    )
    rejected_bytes: int = Field(
        default=64 * 2**20, gt=0, le=256 * 2**20, description="bytes of refused messages kept of one utility, at most"
    )
    batch_days: int = Field(
        default=30, ge=7, description="days that it is remembered what came together over MQTT; its readings stay"
    )
    job_days: int = Field(default=400, gt=0, description="days that it is remembered when a timed job ran")


def load(settings_class: type[T]) -> T:
    """Read the settings of a process from its environment.

    :raises SettingMissing: if one without a default is missing, or one cannot be understood
    """
    os.environ.update(read_secret_files(dict(os.environ)))
    try:
        return settings_class()  # pyright: ignore[reportCallIssue]  (its fields come from the environment)
    except SettingsError as error:
        named = re.search(r'field "(\w+)"', str(error))
        name = _variable(settings_class, named[1]) if named else str(error)
        raise SettingMissing(f"the environment is not right: {name} is not JSON. See docs/configuration.md") from error
    except ValidationError as error:
        problems = "; ".join(
            f"{_variable(settings_class, str(problem['loc'][0]))}: {problem['msg'].lower()}"
            if problem["loc"]
            else problem["msg"].removeprefix("Value error, ")
            for problem in error.errors()
            if problem["type"] != "default_factory_not_called"  # it follows from another one
        )
        raise SettingMissing(f"the environment is not complete: {problems}. See docs/configuration.md") from error


def variables(settings_class: type[BaseSettings]) -> dict[str, bool]:
    """Name the environment variables of a settings class, and tell whether each must be given."""
    return {_variable(settings_class, name): field.is_required() for name, field in settings_class.model_fields.items()}


def _variable(settings_class: type[BaseSettings], name: str) -> str:
    """Name the environment variable of a field, which may itself be named by its alias."""
    field = settings_class.model_fields.get(name)
    if field is None:
        return name.upper()
    alias = field.validation_alias or field.alias
    return str(alias) if alias else f"{settings_class.model_config.get('env_prefix', '')}{name}".upper()
