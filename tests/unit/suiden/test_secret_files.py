"""The passwords of an installation are made once, and others of the machine cannot come at them."""

import os
import stat
from pathlib import Path

import pytest

from suiden import secret_files
from suiden.embedded.access import AccessFiles
from suiden.whole_files import SecretEmpty

SENDERS = ("C-D1", "W-0001")


def make(folder: Path) -> list[str]:
    return secret_files.make(folder, sender_names=SENDERS, database_host="database:5432", broker_host="broker:1883")


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_making_them_again_overwrites_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "deploy" / "secrets"
    made = make(folder)
    before = contents(folder)
    assert sorted(made) == sorted(before)
    assert make(folder) == []
    assert contents(folder) == before


def test_only_what_is_missing_is_made_and_fits_the_rest(tmp_path: Path) -> None:
    folder = tmp_path / "secrets"
    make(folder)
    before = contents(folder)
    for name in ("database_url", secret_files.PASSWORD_FILE):
        (folder / name).unlink()
    assert set(make(folder)) == {"database_url", secret_files.PASSWORD_FILE, secret_files.ACCESS_FILE}
    after = contents(folder)
    assert after["database_url"] == before["database_url"], "with the password that the database has"
    assert after["mqtt_url"] == before["mqtt_url"]
    assert broker_lets_in(folder)


def broker_lets_in(folder: Path) -> bool:
    """Tell whether the logins that were made open the broker: the service's, and a sender's."""
    access = AccessFiles(password_file=folder / secret_files.PASSWORD_FILE, acl_file=folder / secret_files.ACCESS_FILE)
    login, _, _ = (folder / "mqtt_url").read_text().removeprefix("mqtt://").partition("@")
    name, _, password = login.partition(":")
    meter_password = (folder / "meter_password").read_text()
    return access.is_login(name=name, password=password) and all(
        access.is_login(name=sender, password=meter_password) for sender in SENDERS
    )


def test_a_sender_may_use_its_own_topics_only(tmp_path: Path) -> None:
    make(tmp_path / "secrets")
    folder = tmp_path / "secrets"
    access = AccessFiles(password_file=folder / secret_files.PASSWORD_FILE, acl_file=folder / secret_files.ACCESS_FILE)
    assert broker_lets_in(tmp_path / "secrets")
    assert access.allows(name="C-D1", topic="suiden/v1/hinode/C-D1/up", access="write")
    assert not access.allows(name="C-D1", topic="suiden/v1/hinode/W-0001/up", access="write")
    assert not access.allows(name="C-D1", topic="suiden/#", access="read")
    assert access.allows(name=secret_files.SERVICE_NAME, topic="suiden/#", access="read")


def test_the_folder_keeps_others_out_and_the_files_let_containers_in(tmp_path: Path) -> None:
    folder = tmp_path / "secrets"
    folder.mkdir(mode=0o755)
    make(folder)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.rglob("*") if path.is_file()} == {0o644}


def test_a_folder_in_use_that_others_may_enter_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "shared"
    folder.mkdir()
    folder.chmod(0o755)
    (folder / "something").touch()
    with pytest.raises(secret_files.FolderOpen, match="chmod 700"):
        make(folder)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o755
    assert contents(folder) == {"something": b""}


def test_an_empty_secret_is_refused_with_the_cure(tmp_path: Path) -> None:
    folder = tmp_path / "secrets"
    make(folder)
    (folder / "card_secret").write_text("")
    with pytest.raises(SecretEmpty, match="delete it"):
        make(folder)
    (folder / "card_secret").unlink()
    assert make(folder) == ["card_secret"]


def test_a_secret_whose_writing_was_cut_short_is_made_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "secrets"

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="No space"):
            make(folder)
    assert contents(folder) == {}
    assert "database_password" in make(folder)
    assert all(contents(folder).values())
    assert broker_lets_in(folder)
