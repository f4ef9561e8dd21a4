"""What the processes are told from outside; each reads its class once, in its main function."""

import os
from pathlib import Path
from typing import Literal, TypeVar

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from kernel.settings import read_secret_files

ROOT = Path(__file__).resolve().parent.parent
Surface = Literal["customer", "staff", "handheld", "all"]
T = TypeVar("T", bound="ProcessSettings")


class SettingMissing(Exception):
    """A setting without a default was not given."""


class ProcessSettings(BaseSettings):
    """What every process of an installation shares."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore", populate_by_name=True)

    database_url: str = Field(description="PostgreSQL address: postgresql://user:password@host:port/name")
    data_dir: Path = Field(
        default=ROOT / ".suiden", alias="SUIDEN_DATA_DIR", description="folder for files from and to banks, and logs"
    )
    utility: str = Field(default="hinode", alias="SUIDEN_UTILITY", description="code of the utility that pages show")
    metrics_port: int = Field(
        default=0, alias="SUIDEN_METRICS_PORT", description="port for /metrics, /healthz and /readyz; 0 opens none"
    )


class GatewaySettings(ProcessSettings):
    """What the gateway needs beside."""

    mqtt_url: str = Field(description="broker address: mqtt://user:password@host:port, or mqtts://… for TLS")
    client_id: str = Field(
        default="suiden-gateway", alias="SUIDEN_GATEWAY_ID", description="stable MQTT client id of this worker"
    )


class WebSettings(ProcessSettings):
    """What the web application needs beside."""

    host: str = Field(
        default="127.0.0.1", alias="SUIDEN_HOST", description="address that the web application listens on"
    )
    port: int = Field(default=8080, description="port that the web application listens on")
    surface: Surface = Field(
        default="all", alias="SUIDEN_SURFACE", description="which pages are served: customer, staff, handheld or all"
    )
    demo: bool = Field(default=False, alias="SUIDEN_DEMO", description="the sign-in page shows the demo's logins")
    card_url: str = Field(
        default="", alias="SUIDEN_CARD_URL", description="address of the card provider; empty: no cards"
    )
    card_secret: str = Field(
        default="", alias="SUIDEN_CARD_SECRET", description="key by which the card provider signs its webhooks"
    )
    public_url: str = Field(
        default="", alias="SUIDEN_PUBLIC_URL", description="address under which customers reach the web application"
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
