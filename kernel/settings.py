"""What every process is told from outside: read once in its main function, then handed down as arguments."""

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class DatabaseSettings(BaseSettings):
    """Where the database is; `DATABASE_URL_FILE` names a file that holds it, as container secrets do."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore")

    database_url: str = Field(description="PostgreSQL address, postgresql://user:password@host:port/name")


class BrokerSettings(BaseSettings):
    """Where the MQTT broker is."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore")

    mqtt_url: str = Field(description="Broker address, mqtt://user:password@host:port or mqtts://…")


class SettingFileUnreadable(Exception):
    """A setting names a file that cannot be read."""


def read_secret_files(environment: dict[str, str]) -> dict[str, str]:
    """Replace each `NAME_FILE` of ours by `NAME`, holding the file's content.

    :raises SettingFileUnreadable: if a named file cannot be read
    """
    found = dict(environment)
    for name in ("DATABASE_URL", "MQTT_URL", "MQTT_PASSWORD"):
        path = environment.get(f"{name}_FILE")
        if path is None or name in environment:
            continue
        try:
            with open(path, encoding="utf-8") as file:
                found[name] = file.read().strip()
        except OSError as error:
            raise SettingFileUnreadable(f"{name}_FILE names {path}, which cannot be read: {error.strerror}") from error
    return found
