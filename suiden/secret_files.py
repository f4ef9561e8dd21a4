"""The passwords and login files of an installation, made once."""

import secrets
from pathlib import Path

from suiden.embedded.access import SENDER_RULES, Login, write_files
from suiden.whole_files import read_secret, write_once

SERVICE_NAME = "suiden"
# In a folder of their own, which the broker's container mounts: of a file alone it would go on seeing the first one.
PASSWORD_FILE = "broker/passwords"
ACCESS_FILE = "broker/access"
# Containers read their secrets as users of their own: the folder, not the files, keeps others of this machine out.
FOLDER_MODE = 0o700
FILE_MODE = 0o644


class FolderOpen(Exception):
    """The folder for secrets can be entered by others; the message names it and the cure."""


def make(folder: Path, *, sender_names: tuple[str, ...], database_host: str, broker_host: str) -> list[str]:
    """Make what is missing in `folder`, which its owner alone may enter; return the names of the files made.

    Every sender named here gets the same first password, which the town's simulated meters use; real ones get their own
    by `suiden broker access`.

    :raises FolderOpen: if the folder is there, others may enter it, and it is not empty
    :raises SecretEmpty: if a file is there with nothing in it
    """
    _make_private(folder)
    made: list[str] = []
    database_password = _keep(folder, "database_password", secrets.token_urlsafe(24), made)
    _keep(folder, "database_url", f"postgresql://suiden_owner:{database_password}@{database_host}/suiden", made)
    broker_password = secrets.token_urlsafe(24)
    kept_url = _keep(folder, "mqtt_url", f"mqtt://{SERVICE_NAME}:{broker_password}@{broker_host}", made)
    _keep(folder, "card_secret", secrets.token_urlsafe(24), made)
    meter_password = _keep(folder, "meter_password", secrets.token_urlsafe(24), made)
    if not (folder / PASSWORD_FILE).exists() or not (folder / ACCESS_FILE).exists():
        service = Login(SERVICE_NAME, kept_url.split(":", 2)[2].partition("@")[0], is_service=True)
        senders = [Login(name, meter_password) for name in sender_names]
        (folder / PASSWORD_FILE).parent.mkdir(mode=0o755, exist_ok=True)
        write_files(
            logins=[service, *senders],
            rules=SENDER_RULES,
            password_file=folder / PASSWORD_FILE,
            acl_file=folder / ACCESS_FILE,
        )
        for name in (PASSWORD_FILE, ACCESS_FILE):
            (folder / name).chmod(FILE_MODE)
            made.append(name)
    return made


def _make_private(folder: Path) -> None:
    folder.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
    if folder.stat().st_mode & 0o077:
        if any(folder.iterdir()):
            raise FolderOpen(f"others may enter {folder}: `chmod 700 {folder}`, or name a folder that is not there yet")
        folder.chmod(FOLDER_MODE)


def _keep(folder: Path, name: str, content: str, made: list[str]) -> str:
    if not write_once(folder / name, content, mode=FILE_MODE):
        return read_secret(folder / name)
    made.append(name)
    return content
