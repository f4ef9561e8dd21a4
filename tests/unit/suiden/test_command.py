"""The command `suiden`: help for all of it, and one clear line where something is missing."""

import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from suiden.cli import app


def commands(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    yield path
    for name, inner in getattr(command, "commands", {}).items():
        yield from commands(inner, (*path, name))


def suiden(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the command with nothing in its environment but what is given."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    return subprocess.run(
        [sys.executable, "-m", "suiden.cli", *arguments],
        env={**kept, **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("path", list(commands(get_command(app))), ids=lambda path: " ".join(path) or "suiden")
def test_every_command_explains_itself(path: tuple[str, ...]) -> None:
    shown = CliRunner().invoke(app, [*path, "--help"])
    assert shown.exit_code == 0
    assert "Usage" in shown.output
    command: Any = get_command(app)
    for name in path:
        command = command.commands[name]
    assert command.help.split(".")[0].split()[0] in shown.output, "it says what it does"


@pytest.mark.parametrize(
    ("arguments", "environment", "told"),
    [
        (("gateway",), {}, "DATABASE_URL"),
        (("gateway",), {"DATABASE_URL": "postgresql://u@127.0.0.1:1/d"}, "MQTT_URL"),
        (("checker",), {"DATABASE_URL": "mysql://u@127.0.0.1:1/d"}, "DATABASE_URL"),
        (("serve",), {"DATABASE_URL": "postgresql://u@127.0.0.1:1/d", "PORT": "eighty"}, "PORT"),
        (("scheduler",), {"DATABASE_URL_FILE": "/nowhere/secret"}, "/nowhere/secret"),
        (("migrate",), {"DATABASE_URL": "postgresql://u@127.0.0.1:1/d"}, "127.0.0.1"),
        (("doctor", "--part", "gatway"), {}, "no part gatway"),
        (
            ("gateway",),
            {
                "DATABASE_URL": "postgresql://u@127.0.0.1:1/d",
                "MQTT_URL": "mqtt://127.0.0.1:1",
                "SUIDEN_GATEWAY_BATCH_MESSAGES": "many",
            },
            "SUIDEN_GATEWAY_BATCH_MESSAGES",
        ),
    ],
    ids=["nothing", "no broker", "another database", "port", "secret file", "no server", "part", "gateway setting"],
)
def test_what_is_missing_is_told_in_a_line(arguments: tuple[str, ...], environment: dict[str, str], told: str) -> None:
    ended = suiden(*arguments, **environment)
    assert ended.returncode == 1
    assert "Traceback" not in ended.stderr
    assert told in ended.stderr.splitlines()[0]
    assert ended.stderr.startswith("suiden: ")


def test_a_wrong_option_names_it() -> None:
    ended = suiden("serve", "--prot", "8080")
    assert ended.returncode == 2
    assert "--prot" in ended.stderr
