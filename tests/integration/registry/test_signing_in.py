"""Signing in, sessions and rights, as the web application does it."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from registry import operations, queries
from registry.domain import sign_in as rules
from registry.domain.rights import RoleName
from registry.operations import NewSession, SignedIn, SignInRefused

from .conftest import Town, act_as_web, found

pytestmark = pytest.mark.store

WALL = datetime(2026, 4, 1, 0, tzinfo=UTC)
PASSWORD = "suiden"


@pytest.fixture
def town(hinode: Town) -> Town:
    """Hinode with a login for the office and one for a customer, seen as the web application sees it."""
    logins: list[tuple[RoleName, int | None]] = [("office", None), ("customer", hinode.id_of("party", "P-0001"))]
    for name, party_id in logins:
        operations.add_login(
            hinode.conn, utility_id=hinode.utility_id, login_name=name, display_name=name, password=PASSWORD,
            roles=[name], party_id=party_id, locale="ja",
        )  # fmt: skip
    act_as_web(hinode.conn, utility_id=hinode.utility_id)
    return hinode


def attempt(
    town: Town, *, name: str = "office", password: str = PASSWORD, address: str = "192.0.2.1", at: datetime = WALL
) -> NewSession | SignInRefused:
    return operations.sign_in(
        town.conn, utility_id=town.utility_id, login_name=name, password=password, remote_address=address, wall_now=at
    )


def signed_in(town: Town, *, name: str = "office", at: datetime = WALL) -> NewSession:
    session = attempt(town, name=name, at=at)
    assert isinstance(session, NewSession)
    return session


def ask(town: Town, token: str, at: datetime) -> SignedIn | None:
    return operations.session(town.conn, token=token, wall_now=at)


def test_the_right_password_starts_a_session(town: Town) -> None:
    session = signed_in(town, name="customer")
    who = ask(town, session.token, WALL)
    assert who == session.signed_in
    assert who is not None
    assert (who.login_name, who.party_id) == ("customer", town.id_of("party", "P-0001"))
    assert who.roles == {"customer"}
    assert who.may("bill.view_own")
    assert not who.may("customer.find")


@pytest.mark.parametrize(
    ("name", "password"),
    [("office", "wrong"), ("nobody", PASSWORD), ("office", ""), ("", ""), ("off\0ice", PASSWORD), ("office", "\ud800")],
)
def test_a_wrong_name_and_a_wrong_password_get_the_same_answer(town: Town, name: str, password: str) -> None:
    assert attempt(town, name=name, password=password) == SignInRefused("wrong_name_or_password", timedelta(0))


def test_each_sign_in_is_a_new_session(town: Town) -> None:
    first, second = signed_in(town), signed_in(town)
    assert first.token != second.token
    assert first.signed_in.csrf_token != second.signed_in.csrf_token


def test_the_store_never_holds_the_token(town: Town) -> None:
    session = signed_in(town)
    (row,) = town.conn.execute("SELECT web_session::text, token_hash FROM web_session").fetchall()
    assert session.token not in row[0]
    assert row[1] == rules.token_hash(session.token)


def test_a_session_ends_when_it_was_idle_too_long(town: Town) -> None:
    token = signed_in(town).token
    assert ask(town, token, WALL + rules.SESSION_IDLE - timedelta(seconds=1)) is not None
    assert ask(town, token, WALL + 2 * rules.SESSION_IDLE - timedelta(seconds=2)) is not None
    assert ask(town, token, WALL + 3 * rules.SESSION_IDLE) is None


def test_a_session_ends_in_the_end_however_busy(town: Town) -> None:
    session = signed_in(town)
    at = WALL
    while at < WALL + rules.SESSION_LASTS - timedelta(hours=1):
        at += timedelta(hours=1)
        assert ask(town, session.token, at) is not None
    assert session.expires_at == WALL + rules.SESSION_LASTS
    assert ask(town, session.token, session.expires_at) is None


def test_a_page_writes_at_most_once_a_minute(town: Town) -> None:
    token = signed_in(town).token

    def seen_at() -> datetime:
        row = town.conn.execute("SELECT seen_at FROM web_session").fetchone()
        assert row is not None
        return row[0]

    ask(town, token, WALL + rules.SEEN_EVERY - timedelta(seconds=1))
    assert seen_at() == WALL
    ask(town, token, WALL + rules.SEEN_EVERY)
    assert seen_at() == WALL + rules.SEEN_EVERY


def test_signing_out_ends_that_session_only(town: Town) -> None:
    here, there = signed_in(town), signed_in(town)
    operations.sign_out(town.conn, token=here.token)
    assert ask(town, here.token, WALL) is None
    assert ask(town, there.token, WALL) is not None


@pytest.mark.parametrize("token", ["", "nonsense", "\ud800", "x" * 10_000])
def test_a_made_up_token_is_nobodys(town: Town, token: str) -> None:
    assert ask(town, token, WALL) is None


def test_a_session_is_found_before_the_utility_is_known(town: Town) -> None:
    token = signed_in(town).token
    town.conn.execute("SELECT set_config('suiden.utility_id', '', true)")
    assert queries.zones(town.conn, utility_id=town.utility_id) == []
    who = ask(town, token, WALL)
    assert who is not None
    assert who.utility_id == town.utility_id
    assert queries.zones(town.conn, utility_id=town.utility_id) != []


def test_after_too_many_failures_even_the_right_password_must_wait(town: Town) -> None:
    for _ in range(rules.FAILURES_PER_LOGIN):
        attempt(town, password="wrong")
    refused = attempt(town)
    assert isinstance(refused, SignInRefused)
    assert refused.reason == "too_many_failures"
    assert refused.retry_after == rules.ATTEMPT_WINDOW
    assert isinstance(attempt(town, at=WALL + refused.retry_after), NewSession)


def test_failures_of_one_login_do_not_lock_another(town: Town) -> None:
    for _ in range(rules.FAILURES_PER_LOGIN):
        attempt(town, password="wrong")
    assert isinstance(attempt(town, name="customer"), NewSession)


def test_spelling_the_name_otherwise_does_not_get_more_tries(town: Town) -> None:
    for _ in range(rules.FAILURES_PER_LOGIN):
        attempt(town, name=" ＯＦＦＩＣＥ", password="wrong")
    assert isinstance(attempt(town), SignInRefused)


def test_a_success_wipes_out_the_failures_of_its_login(town: Town) -> None:
    for _ in range(2):
        for second in range(rules.FAILURES_PER_LOGIN - 1):
            attempt(town, password="wrong", at=WALL + timedelta(seconds=second))
        assert isinstance(attempt(town, at=WALL + timedelta(seconds=30)), NewSession)


def test_one_address_cannot_try_many_names(town: Town) -> None:
    for number in range(rules.FAILURES_PER_ADDRESS):
        attempt(town, name=f"name{number}", password="wrong")
    assert isinstance(attempt(town), SignInRefused)
    assert isinstance(attempt(town, address="192.0.2.2"), NewSession)


def test_a_login_that_was_stopped_is_out_at_once(town: Town) -> None:
    session = signed_in(town)
    login_id = session.signed_in.login_id
    operations.set_login_active(town.conn, utility_id=town.utility_id, login_id=login_id, is_active=False)
    assert ask(town, session.token, WALL) is None
    assert attempt(town) == SignInRefused("wrong_name_or_password", timedelta(0))


def test_a_new_password_ends_all_sessions(town: Town) -> None:
    session = signed_in(town)
    operations.change_password(
        town.conn, utility_id=town.utility_id, login_id=session.signed_in.login_id, password="another one"
    )
    assert ask(town, session.token, WALL) is None
    assert isinstance(attempt(town), SignInRefused)
    assert isinstance(attempt(town, password="another one"), NewSession)


def test_a_right_taken_from_a_role_is_gone_at_the_next_page(town: Town) -> None:
    token = signed_in(town).token
    town.conn.execute("DELETE FROM role_right WHERE role = 'office' AND granted = 'payment.take'")
    who = ask(town, token, WALL)
    assert who is not None
    assert not who.may("payment.take")
    assert who.may("customer.find")


def test_the_same_name_in_another_utility_is_another_person(hinode: Town) -> None:
    neighbour = found(hinode.conn, "kuju")
    for utility_id, password in ((hinode.utility_id, "ours"), (neighbour.utility_id, "theirs")):
        operations.add_login(
            hinode.conn, utility_id=utility_id, login_name="office", display_name="", password=password,
            roles=["office"], locale="ja",
        )  # fmt: skip
    act_as_web(hinode.conn, utility_id=hinode.utility_id)
    assert isinstance(attempt(hinode, password="theirs"), SignInRefused)
    assert isinstance(attempt(hinode, password="ours"), NewSession)


@pytest.mark.parametrize(
    ("name", "password", "roles"),
    [("", "x", ["office"]), ("a", "", ["office"]), ("a", "x", []), ("a", "x", ["king"]), ("a", "x", ["customer"])],
)
def test_a_login_that_nobody_could_use_is_refused(hinode: Town, name: str, password: str, roles: list[str]) -> None:
    with pytest.raises(operations.LoginUnusable):
        operations.add_login(
            hinode.conn, utility_id=hinode.utility_id, login_name=name, display_name="x", password=password,
            roles=roles,  # pyright: ignore[reportArgumentType]
            locale="ja",
        )  # fmt: skip


def test_a_login_name_is_taken_in_any_spelling(town: Town) -> None:
    with pytest.raises(operations.LoginNameTaken):
        operations.add_login(
            town.conn, utility_id=town.utility_id, login_name="OFFICE", display_name="x", password="x",
            roles=["office"], locale="ja",
        )  # fmt: skip


def test_ended_sessions_and_old_attempts_are_forgotten(town: Town) -> None:
    ended, live = signed_in(town), signed_in(town, at=WALL + rules.SESSION_LASTS)
    town.conn.execute("SET LOCAL ROLE suiden_worker")
    wall_now = WALL + rules.SESSION_LASTS + timedelta(minutes=1)
    assert operations.forget_ended_sessions(town.conn, utility_id=town.utility_id, wall_now=wall_now) == 1
    assert ask(town, live.token, wall_now) is not None
    kept = WALL + rules.ATTEMPTS_KEPT
    operations.forget_ended_sessions(town.conn, utility_id=town.utility_id, wall_now=kept)
    assert town.conn.execute("SELECT count(*) FROM login_attempt").fetchone() == (2,)
    operations.forget_ended_sessions(town.conn, utility_id=town.utility_id, wall_now=kept + timedelta(seconds=1))
    assert town.conn.execute("SELECT count(*) FROM login_attempt").fetchone() == (1,)
    assert ended.token != live.token


def test_logins_are_listed_with_their_roles_and_without_their_secrets(town: Town) -> None:
    logins = queries.logins(town.conn, utility_id=town.utility_id)
    assert [(login.login_name, login.roles) for login in logins] == [
        ("customer", ("customer",)),
        ("office", ("office",)),
    ]
    assert "argon2" not in repr(logins)


def test_guessing_in_parallel_gets_no_more_tries(database_url: str) -> None:
    with psycopg.connect(database_url) as conn:
        town = found(conn, "hinode")
        operations.add_login(
            conn, utility_id=town.utility_id, login_name="office", display_name="x", password=PASSWORD,
            roles=["office"], locale="ja",
        )  # fmt: skip

    def guess(_: int) -> str:
        with psycopg.connect(database_url) as conn:
            act_as_web(conn, utility_id=town.utility_id)
            answer = attempt(Town(conn, town.utility_id), password="wrong")
            assert isinstance(answer, SignInRefused)
            return answer.reason

    with ThreadPoolExecutor(max_workers=6) as guessers:
        reasons = list(guessers.map(guess, range(rules.FAILURES_PER_LOGIN + 5)))
    assert reasons.count("wrong_name_or_password") == rules.FAILURES_PER_LOGIN
    assert reasons.count("too_many_failures") == 5
