"""The passwords and login files of an installation, made once."""

import os
import secrets
from pathlib import Path

from suiden.embedded.access import SENDER_RULES, Login, write_files

SERVICE_NAME = "suiden"


def make(folder: Path, *, sender_names: tuple[str, ...], database_host: str, broker_host: str) -> list[str]:
    """Make what is missing in `folder`, readable by its owner only; return the names of the files made.

    Every sender gets the same first password, which the town's simulated meters use; real ones get their own by
    `mosquitto_passwd`.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    made: list[str] = []
    database_password = _keep(folder, "database_password", secrets.token_urlsafe(24), made)
    _keep(folder, "database_url", f"postgresql://suiden_owner:{database_password}@{database_host}/suiden", made)
    broker_password = secrets.token_urlsafe(24)
    kept_url = _keep(folder, "mqtt_url", f"mqtt://{SERVICE_NAME}:{broker_password}@{broker_host}", made)
    _keep(folder, "card_secret", secrets.token_urlsafe(24), made)
    meter_password = _keep(folder, "meter_password", secrets.token_urlsafe(24), made)
    if not (folder / "mqtt_passwords").exists() or not (folder / "mqtt_access").exists():
        service = Login(SERVICE_NAME, kept_url.split(":", 2)[2].partition("@")[0], is_service=True)
        senders = [Login(name, meter_password) for name in sender_names]
        write_files(
            logins=[service, *senders],
            rules=SENDER_RULES,
            password_file=folder / "mqtt_passwords",
            acl_file=folder / "mqtt_access",
        )
        made += ["mqtt_passwords", "mqtt_access"]
    return made


def _keep(folder: Path, name: str, content: str, made: list[str]) -> str:
    path = folder / name
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return path.read_text()
    with open(descriptor, "w", encoding="utf-8") as file:
        file.write(content)
    made.append(name)
    return content
