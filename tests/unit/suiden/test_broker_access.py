"""The broker's login files follow the list of senders, keep passwords that are there, and hand out new ones once."""

import csv
import stat
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path

import pytest

from suiden import broker_access, secret_files
from suiden.broker_access import AccessImpossible, BrokerLogin, Changes
from suiden.embedded.access import SENDER_RULES, Access, AccessFiles, hash_password, rules_of_sender

NOW = datetime(2026, 4, 1, tzinfo=UTC)
times = count()


def login(name: str, utility: str = "hinode", *, hashed: str = "") -> BrokerLogin:
    rules: list[tuple[Access, str]] = [(r.access, r.topic) for r in rules_of_sender(utility=utility, name=name)]
    return BrokerLogin(utility, name, tuple(rules), hashed=hashed)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "secrets"
    secret_files.make(made, sender_names=(), database_host="d:1", broker_host="b:1")
    return made


def write(folder: Path, *names: str, **options: object) -> Changes:
    found = [login(name) for name in names]
    return broker_access.write(folder, found, wall_now=NOW + timedelta(seconds=next(times)), **options)  # pyright: ignore[reportArgumentType]


def files(folder: Path) -> AccessFiles:
    return AccessFiles(password_file=folder / secret_files.PASSWORD_FILE, acl_file=folder / secret_files.ACCESS_FILE)


def handed_out(changes: Changes) -> dict[str, str]:
    assert changes.handout is not None
    with changes.handout.open(newline="") as file:
        return {row["login"]: row["password"] for row in csv.DictReader(file)}


def test_a_new_sender_gets_a_password_of_its_own_and_its_own_topics(folder: Path) -> None:
    changes = write(folder, "W-0001", "C-1")
    assert changes.added == ("C-1", "W-0001")
    given, access = handed_out(changes), files(folder)
    assert len(set(given.values())) == 2
    for name, password in given.items():
        assert access.is_login(name=name, password=password)
        assert access.allows(name=name, topic=f"suiden/v1/hinode/{name}/up", access="write")
        assert access.allows(name=name, topic=f"suiden/v1/hinode/{name}/down", access="read")
        assert not access.allows(name=name, topic=f"suiden/v1/other/{name}/up", access="write"), "its own utility only"
        assert not access.allows(name=name, topic=f"suiden/v1/hinode/{name}/down", access="write")
    assert not access.allows(name="C-1", topic="suiden/v1/hinode/W-0001/up", access="write")


def test_our_own_processes_come_in_with_the_password_of_the_address_that_they_are_given(folder: Path) -> None:
    write(folder, "W-0001")
    name, _, password = (folder / "mqtt_url").read_text().removeprefix("mqtt://").partition("@")[0].partition(":")
    assert files(folder).is_login(name=name, password=password)
    assert files(folder).allows(name=name, topic="suiden/#", access="read")
    (folder / "mqtt_url").write_text(f"mqtt://{name}:another@b:1")
    assert write(folder, "W-0001").files_changed
    assert files(folder).is_login(name=name, password="another")


def test_the_same_list_again_changes_nothing(folder: Path) -> None:
    write(folder, "W-0001")
    before = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in folder.rglob("*") if path.is_file()}
    changes = write(folder, "W-0001")
    assert (changes.added, changes.removed, changes.handout, changes.files_changed) == ((), (), None, False)
    assert {p: (p.read_bytes(), p.stat().st_mtime_ns) for p in folder.rglob("*") if p.is_file()} == before


def test_a_sender_that_is_gone_loses_password_and_topics(folder: Path) -> None:
    given = handed_out(write(folder, "W-0001", "W-0002"))
    assert write(folder, "W-0002").removed == ("W-0001",)
    assert not files(folder).is_login(name="W-0001", password=given["W-0001"])
    assert files(folder).is_login(name="W-0002", password=given["W-0002"]), "the others keep theirs"
    assert not files(folder).allows(name="W-0001", topic="suiden/v1/hinode/W-0001/up", access="write")


def test_one_password_is_changed_without_the_others(folder: Path) -> None:
    old = handed_out(write(folder, "W-0001", "W-0002"))
    changes = write(folder, "W-0001", "W-0002", rotate=["W-0001"])
    assert (changes.added, changes.rotated) == ((), ("W-0001",))
    new = handed_out(changes)
    assert set(new) == {"W-0001"}
    assert not files(folder).is_login(name="W-0001", password=old["W-0001"])
    assert files(folder).is_login(name="W-0001", password=new["W-0001"])
    assert files(folder).is_login(name="W-0002", password=old["W-0002"])
    assert set(handed_out(write(folder, "W-0001", "W-0002", rotate_all=True))) == {"W-0001", "W-0002"}


def test_an_unknown_sender_cannot_be_given_a_password(folder: Path) -> None:
    before = (folder / secret_files.PASSWORD_FILE).read_bytes()
    with pytest.raises(AccessImpossible, match="W-9999"):
        write(folder, "W-0001", rotate=["W-9999"])
    assert (folder / secret_files.PASSWORD_FILE).read_bytes() == before


def test_with_certificates_alone_no_sender_has_a_password(folder: Path) -> None:
    given = handed_out(write(folder, "W-0001"))
    changes = write(folder, "W-0001", by_password=False)
    assert (changes.removed, changes.handout) == (("W-0001",), None)
    assert not files(folder).is_login(name="W-0001", password=given["W-0001"])
    assert files(folder).allows(name="W-0001", topic="suiden/v1/hinode/W-0001/up", access="write")


def test_a_name_of_ours_and_a_name_of_two_utilities_are_left_out_and_named(folder: Path) -> None:
    found = [login("W-0001"), login("suiden-gateway-1"), login("Suiden"), login("W-0001", "minato"), login("W-0002")]
    changes = broker_access.write(folder, found, wall_now=NOW)
    assert [name for name, _ in changes.refused] == ["suiden-gateway-1", "Suiden", "W-0001"]
    assert "minato" in dict(changes.refused)["W-0001"]
    assert changes.added == ("W-0001", "W-0002")
    assert not files(folder).allows(name="W-0001", topic="suiden/v1/minato/W-0001/up", access="write")


def test_many_senders_get_rules_for_all_that_give_each_the_same_as_before(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bridge = BrokerLogin("hinode", "wmbus-bridge", (("write", "wmbusmeters/#"),))
    found = [login("W-0001"), login("W-0002"), bridge]
    topics = [rule.topic for rule in SENDER_RULES] + ["wmbusmeters/x", "suiden/v1/minato/W-0001/up"]
    asked = [
        (name, access, topic.replace("+", "hinode").replace("%u", whose))
        for name in ("W-0001", "wmbus-bridge", "W-9999")
        for whose in ("W-0001", "W-0002")
        for access in ("read", "write")
        for topic in topics
    ]
    answers: list[list[bool]] = []
    for most in (5_000, 2):
        monkeypatch.setattr(broker_access, "EXPLICIT_AT_MOST", most)
        broker_access.write(folder, found, wall_now=NOW)
        answers.append([files(folder).allows(name=n, topic=t, access=a) for n, a, t in asked])  # pyright: ignore[reportArgumentType]
    assert answers[0] == answers[1]
    assert (folder / secret_files.ACCESS_FILE).read_text().count("W-000") == 0
    with pytest.raises(AccessImpossible, match="W-0001"):
        broker_access.write(folder, [*found, login("W-0001", "minato")], wall_now=NOW)


def test_a_login_with_a_password_made_elsewhere_keeps_it(folder: Path) -> None:
    home = login("suiden-home-7", hashed=hash_password("told to the customer"))
    changes = broker_access.write(folder, [home], wall_now=NOW)
    assert changes.handout is None
    assert files(folder).is_login(name="suiden-home-7", password="told to the customer")


def test_new_passwords_are_for_the_owner_alone_and_not_where_the_broker_looks(folder: Path) -> None:
    handout = write(folder, "W-0001").handout
    assert handout is not None
    assert stat.S_IMODE(handout.stat().st_mode) == 0o600
    assert stat.S_IMODE(handout.parent.stat().st_mode) == 0o700
    assert (folder / secret_files.PASSWORD_FILE).parent not in handout.parents
    assert handed_out_text(folder) == "", "only hashes are kept"


def handed_out_text(folder: Path) -> str:
    (handout,) = (folder / broker_access.HANDOUT_FOLDER).iterdir()
    password = handout.read_text().splitlines()[1].partition(",")[2]
    kept = "".join(path.read_text() for path in (folder / "broker").iterdir())
    return password if password in kept else ""


def test_a_list_survives_its_way_to_the_machine_of_the_broker() -> None:
    found = [login("W-0001"), login("C-1", "minato"), login("suiden-home-7", hashed=hash_password("x"))]
    assert broker_access.from_json(broker_access.as_json(found)) == found


def test_what_is_no_list_is_refused() -> None:
    for text in (
        "",
        "{}",
        '[{"name": "W-1"}]',
        '[{"utility": "a", "name": "b", "rules": [["own", "x"]]}]',
        '[{"utility": "a", "name": "b", "rules": [["read", "x\\ntopic readwrite #"]]}]',
        '[{"utility": "a", "name": "b:c", "rules": []}]',
    ):
        with pytest.raises(AccessImpossible):
            broker_access.from_json(text)


def test_a_folder_without_secrets_is_named_with_the_cure(tmp_path: Path) -> None:
    with pytest.raises(AccessImpossible, match="suiden secrets"):
        write(tmp_path, "W-0001")
