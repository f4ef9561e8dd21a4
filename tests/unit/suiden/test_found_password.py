"""The first password of `admin` need not stand in a command line, where other users of the machine see it."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from suiden import founding
from suiden.cli import app
from suiden.whole_files import SecretEmpty


@pytest.fixture
def passwords(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Passwords that a utility was founded with."""
    given: list[str] = []

    def found_empty(_: str, *, admin_password: str, **__: str) -> int:
        given.append(admin_password)
        return 1

    monkeypatch.setattr(founding, "found_empty", found_empty)
    monkeypatch.setenv("DATABASE_URL", "postgresql://nobody@127.0.0.1/none")
    monkeypatch.delenv("SUIDEN_ADMIN_PASSWORD", raising=False)
    return given


def test_the_password_comes_from_the_environment_a_file_or_the_keyboard(
    passwords: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = CliRunner()
    path = tmp_path / "password"
    path.write_text("of the file\n")
    assert run.invoke(app, ["found", "a", "A", "--password-file", str(path)]).exit_code == 0
    assert run.invoke(app, ["found", "a", "A"], input="typed twice\ntyped twice\n").exit_code == 0
    monkeypatch.setenv("SUIDEN_ADMIN_PASSWORD", "of the environment")
    assert run.invoke(app, ["found", "a", "A"]).exit_code == 0
    assert passwords == ["of the file", "typed twice", "of the environment"]


def test_an_empty_password_file_is_refused(passwords: list[str], tmp_path: Path) -> None:
    path = tmp_path / "password"
    path.touch()
    result = CliRunner().invoke(app, ["found", "a", "A", "--password-file", str(path)])
    assert isinstance(result.exception, SecretEmpty)
    assert passwords == []
