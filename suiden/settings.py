"""What the processes are told from outside; each reads its class once, in its main function."""

import os
from pathlib import Path
from typing import TypeVar

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from kernel.settings import read_secret_files

ROOT = Path(__file__).resolve().parent.parent
T = TypeVar("T", bound=BaseSettings)


class SettingMissing(Exception):
    """A setting without a default was not given."""


class ProcessSettings(BaseSettings):
    """What every process of an installation shares."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore", populate_by_name=True)

    database_url: str = Field(description="PostgreSQL address: postgresql://user:password@host:port/name")
    data_dir: Path = Field(
        default=ROOT / ".suiden", alias="SUIDEN_DATA_DIR", description="folder for files from and to banks, and logs"
    )


class BrokerSettings(ProcessSettings):
    """What a process on the broker needs beside."""

    mqtt_url: str = Field(description="broker address: mqtt://user:password@host:port, or mqtts://… for TLS")
    client_id: str = Field(
        default="suiden-gateway", alias="SUIDEN_GATEWAY_ID", description="stable MQTT client id of this worker"
    )


def load(settings_class: type[T]) -> T:
    """Read the settings of a process from its environment.

    :raises SettingMissing: if one without a default is missing, or one cannot be understood
    """
    os.environ.update(read_secret_files(dict(os.environ)))
    try:
        return settings_class()  # pyright: ignore[reportCallIssue]  (its fields come from the environment)
    except ValidationError as error:
        problems = "; ".join(
            f"{str(problem['loc'][-1]).upper()}: {problem['msg'].lower()}" for problem in error.errors()
        )
        raise SettingMissing(f"the environment is not complete: {problems}. See docs/configuration.md") from error
