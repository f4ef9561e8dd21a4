"""Settings that come as files, as container secrets do."""

SECRET_NAMES = ("DATABASE_URL", "MQTT_URL", "SUIDEN_CARD_SECRET", "SUIDEN_METER_PASSWORD", "SUIDEN_SMTP_URL")


class SettingFileUnreadable(Exception):
    """A setting names a file that cannot be read."""


def read_secret_files(environment: dict[str, str]) -> dict[str, str]:
    """Give the settings whose `NAME_FILE` is set and whose `NAME` is not, with the content of the file.

    :raises SettingFileUnreadable: if a named file cannot be read
    """
    found: dict[str, str] = {}
    for name in SECRET_NAMES:
        path = environment.get(f"{name}_FILE")
        if path is None or environment.get(name):
            continue
        try:
            with open(path, encoding="utf-8") as file:
                found[name] = file.read().strip()
        except (OSError, UnicodeDecodeError) as error:
            raise SettingFileUnreadable(f"{name}_FILE names {path}, which cannot be read: {error}") from error
    return found
