"""Who may use the broker, made from the registry: a login and its own topics for each active sender."""

import csv
import fcntl
import io
import os
import re
import secrets
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from urllib.parse import unquote, urlsplit

import msgspec
from psycopg import Connection
from psycopg.rows import TupleRow

from ingest_gateway.domain.decoders import FORMATS, NAMED_IN_TOPIC, Bridges
from ingest_gateway.queries.homes import home_logins
from registry import queries as registry
from suiden.embedded.access import Access, Rule, as_acl, hash_password, is_right_password, read_hashes, rules_of_sender
from suiden.secret_files import ACCESS_FILE, FILE_MODE, PASSWORD_FILE
from suiden.whole_files import read_secret, replace

KEPT_FOR_US = "suiden"  # our own logins and client ids begin with it
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")  # as the registry has it
TOPIC = re.compile(r"[^\s\x00]+")
EXPLICIT_AT_MOST = 5_000  # Mosquitto finds the user of each line by going through all before it: 10,000 took it 5 s
HANDOUT_FOLDER = "handout"
HEADING = "# Made by `suiden broker access`. What is written here by hand is gone after the next time.\n"


class AccessImpossible(Exception):
    """The broker's login files cannot be made; the message says what to do."""


@dataclass(frozen=True, slots=True)
class BrokerLogin:
    """A login of others on the broker. `hashed` empty: its password is made here and handed out once."""

    utility: str
    name: str
    rules: tuple[tuple[Access, str], ...]  # with the topic
    hashed: str = ""


@dataclass(frozen=True, slots=True)
class Changes:
    """What became of the logins; `refused` says why one gets none. `handout` holds the new passwords."""

    added: tuple[str, ...]
    removed: tuple[str, ...]
    rotated: tuple[str, ...]
    refused: tuple[tuple[str, str], ...]
    logins: int
    files_changed: bool
    handout: Path | None


def logins(conn: Connection[TupleRow], *, bridges: Bridges) -> list[BrokerLogin]:
    """List every login that the registry asks for; `bridges` says who speaks where topics name no sender."""
    found: list[BrokerLogin] = []
    for utility in registry.utilities(conn):
        for sender in registry.senders(conn, utility_id=utility.utility_id):
            own = () if sender.kind == "import" else rules_of_sender(utility=utility.code, name=sender.name)
            mine: list[tuple[Access, str]] = [(rule.access, rule.topic) for rule in own]
            topics = _bridged(bridges, utility=utility.code, sender=sender.name)
            bridged: list[tuple[Access, str]] = [("write", topic) for topic in topics]
            if sender.active and (mine or bridged):
                found.append(BrokerLogin(utility.code, sender.name, (*mine, *bridged)))
        for home in home_logins(conn, utility_id=utility.utility_id):
            read: list[tuple[Access, str]] = [("read", topic) for topic in home.topics]
            found.append(BrokerLogin(utility.code, home.name, tuple(read), hashed=home.password_hash))
    return found


def _bridged(bridges: Bridges, *, utility: str, sender: str) -> Iterator[str]:
    """Give the topics of other formats that a sender may use: a bridge all of them, a device those that name it."""
    for known in FORMATS:
        bridge = bridges.get(known.name)
        if bridge is None or bridge.utility != utility or known.device_level is None:
            continue
        for subscription in known.subscriptions:
            levels = subscription.split("/")
            if bridge.sender == sender:
                yield subscription
            elif bridge.sender == NAMED_IN_TOPIC and known.device_level < len(levels):
                rest = ["#"] if levels[known.device_level] == "#" else levels[known.device_level + 1 :]
                yield "/".join([*levels[: known.device_level], sender, *rest])


def as_json(found: Sequence[BrokerLogin]) -> str:
    """Write logins down, to be read by `from_json` on the machine of the broker."""
    return msgspec.json.format(msgspec.json.encode([asdict(one) for one in found])).decode() + "\n"


def from_json(text: str) -> list[BrokerLogin]:
    """:raises AccessImpossible: if this is not what `as_json` wrote"""
    try:
        found = msgspec.json.decode(text, type=list[BrokerLogin])
    except (msgspec.DecodeError, msgspec.ValidationError) as error:
        raise AccessImpossible(
            f"this is no list of senders ({error}): make one with `suiden broker senders --json`"
        ) from error
    for one in found:
        if not NAME.fullmatch(one.name) or not all(TOPIC.fullmatch(topic) for _, topic in one.rules):
            raise AccessImpossible(f"{one.name!r} or a topic of its cannot be written into the broker's files")
    return found


def write(
    folder: Path,
    found: Sequence[BrokerLogin],
    *,
    rotate: Iterable[str] = (),
    rotate_all: bool = False,
    by_password: bool = True,
    wall_now: datetime,
) -> Changes:
    """Write both files below the folder of the secrets, as the logins ask for; a password that is there stays.

    `by_password` False: senders show certificates, and none has a password. Each file is changed in one step; the
    broker reads them again when it is told to.

    :raises AccessImpossible: if a login to be rotated is unknown, the service's login cannot be read, or of many
        senders two share a name
    """
    service, service_password = _service(folder)
    with _locked(folder):
        before = read_hashes(folder / PASSWORD_FILE)
        taken, refused = _without_clashes(found)
        by_pattern = len(taken) > EXPLICIT_AT_MOST
        if by_pattern and {name for name, _ in refused} & {one.name for one in taken}:
            # A rule for all would let the one that has the name speak for the one that was left out.
            raise AccessImpossible(f"two utilities have the same sender, such as {refused[-1][0]}: {refused[-1][1]}")
        wanted = {one.name for one in taken if not one.hashed and by_password}
        rotated = wanted if rotate_all else set(rotate)
        if rotated - wanted:
            raise AccessImpossible(f"no sender here has a password and the name {', '.join(sorted(rotated - wanted))}")
        fresh = {name: secrets.token_urlsafe(24) for name in sorted(rotated | wanted - before.keys())}
        hashes = {service: before.get(service, "")}
        if not hashes[service] or not is_right_password(service_password, hashed=hashes[service]):
            hashes[service] = hash_password(service_password)
        for one in taken:
            if one.hashed:
                hashes[one.name] = one.hashed
            elif by_password:
                hashes[one.name] = hash_password(fresh[one.name]) if one.name in fresh else before[one.name]
        handout = _hand_out(folder, fresh, wall_now=wall_now) if fresh else None
        rules = _rules(service, taken, by_pattern=by_pattern)
        changed = _write_changed(folder / ACCESS_FILE, HEADING + as_acl(rules))
        changed |= _write_changed(folder / PASSWORD_FILE, "".join(f"{name}:{hashes[name]}\n" for name in hashes))
    return Changes(
        added=tuple(sorted(hashes.keys() - before.keys())),
        removed=tuple(sorted(before.keys() - hashes.keys())),
        rotated=tuple(sorted(fresh.keys() & before.keys())),
        refused=tuple(refused),
        logins=len(taken),
        files_changed=changed,
        handout=handout,
    )


def _without_clashes(found: Sequence[BrokerLogin]) -> tuple[list[BrokerLogin], list[tuple[str, str]]]:
    """Keep apart those whose name is another's: a name on the broker is one identity, whatever its utility."""
    taken: dict[str, BrokerLogin] = {}
    refused: list[tuple[str, str]] = []
    for one in found:
        if one.name.lower().startswith(KEPT_FOR_US) and not one.hashed:
            refused.append((one.name, f"names that begin with {KEPT_FOR_US} are kept for our own: rename this sender"))
        elif one.name in taken:
            refused.append((one.name, f"{taken[one.name].utility} has it as well as {one.utility}: rename one of them"))
        else:
            taken[one.name] = one
    return list(taken.values()), refused


def _rules(service: str, taken: Sequence[BrokerLogin], *, by_pattern: bool) -> list[Rule]:
    """Give each login its topics, by name; where there are too many, what names the login becomes a rule for all."""
    ours = [Rule("readwrite", "#", only_for=service), Rule("read", "$SYS/#", only_for=service)]
    theirs = [Rule(access, topic, only_for=one.name) for one in taken for access, topic in one.rules]
    if not by_pattern:
        return [*ours, *theirs]
    patterns: dict[Rule, None] = {}
    for rule in theirs:
        pattern = _pattern(rule)
        if pattern == rule.topic:
            ours.append(rule)
        else:
            patterns[Rule(rule.access, pattern)] = None
    return [*patterns, *ours]


def _pattern(rule: Rule) -> str:
    return "/".join("%u" if level == rule.only_for else level for level in rule.topic.split("/"))


def _service(folder: Path) -> tuple[str, str]:
    """Read the login of our own processes from the address that they are given."""
    path = folder / "mqtt_url"
    if not path.exists():
        raise AccessImpossible(f"{path} is not there: make the secrets first, with `suiden secrets {folder}`")
    address = urlsplit(read_secret(path))
    if not address.username or not address.password:
        raise AccessImpossible(f"{path} has no login: it should look like mqtt://name:password@host:port")
    return unquote(address.username), unquote(address.password)


def _hand_out(folder: Path, fresh: Mapping[str, str], *, wall_now: datetime) -> Path:
    """Write new passwords where only the owner reads them, before the broker asks for them."""
    (folder / HANDOUT_FOLDER).mkdir(mode=0o700, exist_ok=True)
    path = folder / HANDOUT_FOLDER / f"{wall_now:%Y%m%dT%H%M%S.%f}.csv"
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(("login", "password"))
    table.writerows(fresh.items())
    replace(path, text.getvalue(), mode=0o600)
    return path


def _write_changed(path: Path, content: str) -> bool:
    if path.exists() and path.read_text(encoding="utf-8") == content:
        return False
    path.parent.mkdir(mode=0o755, exist_ok=True)
    replace(path, content, mode=FILE_MODE)
    return True


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Let one run at a time change the files: two would each hand out passwords that the other forgets."""
    opened = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(opened, fcntl.LOCK_EX)
        yield
    finally:
        os.close(opened)
