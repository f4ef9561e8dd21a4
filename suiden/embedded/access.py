"""Who may connect to the broker and use which topic: one pair of files that both brokers read.

The files are Mosquitto's own formats, so what holds on a laptop holds on a server.
"""

import base64
import hashlib
import hmac
import os
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

ITERATIONS = 101  # as mosquitto_passwd; passwords here are generated, long and random
SALT_BYTES = 12

Access = Literal["read", "write", "readwrite"]


class AccessFileUnusable(Exception):
    """A password or access file has a line that cannot be understood."""


@dataclass(frozen=True, slots=True)
class Login:
    """A name and password on the broker; a service may use every topic, a sender only its own."""

    name: str
    password: str
    is_service: bool = False


@dataclass(frozen=True, slots=True)
class Rule:
    """Leave to use the topics that match; `%u` stands for the login's name."""

    access: Access
    topic: str
    only_for: str | None = None  # None: for every login


SENDER_RULES = (
    Rule("write", "suiden/v1/+/%u/up/#"),  # and the topics below it, of the other formats
    Rule("read", "suiden/v1/+/%u/ack"),
    Rule("read", "suiden/v1/+/%u/down"),
)


def hash_password(password: str) -> str:
    """Hash a password as `mosquitto_passwd` does."""
    salt = secrets.token_bytes(SALT_BYTES)
    digest = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, ITERATIONS)
    return f"$7${ITERATIONS}${base64.b64encode(salt).decode()}${base64.b64encode(digest).decode()}"


def is_right_password(password: str, *, hashed: str) -> bool:
    """Compare a password with its hash, in the same time whatever differs."""
    _, kind, iterations, salt, digest = hashed.split("$")
    if kind != "7":
        return False
    ours = hashlib.pbkdf2_hmac("sha512", password.encode(), base64.b64decode(salt), int(iterations))
    return hmac.compare_digest(ours, base64.b64decode(digest))


def covers(rule_topic: str, asked: str) -> bool:
    """Tell whether everything that `asked` (a topic or a filter) names is within the rule's topic."""
    rule_levels, asked_levels = rule_topic.split("/"), asked.split("/")
    for index, rule_level in enumerate(rule_levels):
        if rule_level == "#":
            return True
        if index >= len(asked_levels) or asked_levels[index] == "#":
            return False
        if rule_level not in ("+", asked_levels[index]):
            return False
    return len(rule_levels) == len(asked_levels)


def write_files(*, logins: Sequence[Login], rules: Sequence[Rule], password_file: Path, acl_file: Path) -> None:
    """Write both files, each in one step, readable by their owner only."""
    hashes = "".join(f"{login.name}:{hash_password(login.password)}\n" for login in logins)
    lines = [f"pattern {rule.access} {rule.topic}" for rule in rules if rule.only_for is None]
    for login in logins:
        own = [f"topic {rule.access} {rule.topic}" for rule in rules if rule.only_for == login.name]
        own += ["topic readwrite #"] if login.is_service else []
        lines += ["", f"user {login.name}", *own] if own else []
    _replace(acl_file, "\n".join([*lines, ""]))
    _replace(password_file, hashes)


def rules_of_sender(*, utility: str, name: str) -> tuple[Rule, ...]:
    """Give a sender its own topics of its own utility."""
    return tuple(
        Rule(rule.access, rule.topic.replace("+", utility, 1).replace("%u", name), only_for=name)
        for rule in SENDER_RULES
    )


def as_acl(rules: Sequence[Rule]) -> str:
    """Write rules as Mosquitto reads them: those for every login, then those of one login each, in the order given."""
    lines = [f"pattern {rule.access} {rule.topic}" for rule in rules if rule.only_for is None]
    user: str | None = None
    for rule in rules:
        if rule.only_for is None:
            continue
        if rule.only_for != user:
            user = rule.only_for
            lines += ["", f"user {user}"]
        lines.append(f"topic {rule.access} {rule.topic}")
    return "\n".join([*lines, ""])


def read_hashes(password_file: Path) -> dict[str, str]:
    """Read the hash of each login's password; a file that is not there has none."""
    if not password_file.exists():
        return {}
    lines = password_file.read_text(encoding="utf-8").splitlines()
    return {name: hashed for name, found, hashed in (line.partition(":") for line in lines) if found}


class AccessFiles:
    """The rules as they stand in the files now; a changed file is read again."""

    def __init__(self, *, password_file: Path, acl_file: Path) -> None:
        self._password_file = password_file
        self._acl_file = acl_file
        self._read_at: tuple[int, int] | None = None
        self._hashes: dict[str, str] = {}
        self._rules: list[Rule] = []

    def is_login(self, *, name: str, password: str) -> bool:
        self._refresh()
        hashed = self._hashes.get(name)
        return hashed is not None and is_right_password(password, hashed=hashed)

    def allows(self, *, name: str, topic: str, access: Access) -> bool:
        """Tell whether the login may use all of `topic`, which may be a filter."""
        self._refresh()
        return any(
            rule.access in (access, "readwrite") and covers(rule.topic.replace("%u", name), topic)
            for rule in self._rules
            if rule.only_for in (None, name)
        )

    def _refresh(self) -> None:
        stamp = (self._password_file.stat().st_mtime_ns, self._acl_file.stat().st_mtime_ns)
        if stamp != self._read_at:
            self._hashes = read_hashes(self._password_file)
            self._rules = _parse_rules(self._acl_file)
            self._read_at = stamp


def _parse_rules(path: Path) -> list[Rule]:
    rules: list[Rule] = []
    user: str | None = None
    for number, line in enumerate(path.read_text().splitlines(), start=1):
        match line.split():
            case [] | ["#", *_]:
                continue
            case ["user", name]:
                user = name
            case ["pattern", "read" | "write" | "readwrite" as access, topic]:
                rules.append(Rule(access, topic))
            case ["topic", "read" | "write" | "readwrite" as access, topic] if user is not None:
                rules.append(Rule(access, topic, only_for=user))
            case _:
                raise AccessFileUnusable(f"{path}, line {number}: not a rule: {line!r}")
    return rules


def _replace(path: Path, text: str) -> None:
    """Swap the file in one step; it keeps its owner, since the broker may run as another user."""
    unfinished = path.with_name(f"{path.name}.part")
    unfinished.unlink(missing_ok=True)
    with open(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
    owner = path.parent.stat()
    if os.geteuid() == 0:
        os.chown(unfinished, owner.st_uid, owner.st_gid)
    unfinished.replace(path)
