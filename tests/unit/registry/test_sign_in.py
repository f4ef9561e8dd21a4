"""Limits on signing in, and what is kept of a session."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.domain import sign_in as rules
from registry.domain.sign_in import SignedIn

NOW = datetime(2026, 4, 1, 9, tzinfo=UTC)
NEVER: list[datetime] = []


def failures(count: int, *, every: timedelta = timedelta(seconds=10)) -> list[datetime]:
    return [NOW - every * i for i in range(count)]


def test_nobody_waits_below_the_limits() -> None:
    wait = rules.wait_before_next_try(
        by_login=failures(rules.FAILURES_PER_LOGIN - 1),
        by_address=failures(rules.FAILURES_PER_ADDRESS - 1),
        wall_now=NOW,
    )
    assert wait == timedelta(0)


def test_a_login_waits_until_its_oldest_counted_failure_leaves_the_window() -> None:
    by_login = failures(rules.FAILURES_PER_LOGIN)
    wait = rules.wait_before_next_try(by_login=by_login, by_address=NEVER, wall_now=NOW)
    assert wait == min(by_login) + rules.ATTEMPT_WINDOW - NOW


def test_an_address_waits_whatever_the_login() -> None:
    by_address = failures(rules.FAILURES_PER_ADDRESS)
    assert rules.wait_before_next_try(by_login=NEVER, by_address=by_address, wall_now=NOW) > timedelta(0)


@given(st.lists(st.integers(0, 3_000), max_size=60))
def test_after_the_wait_one_may_try_again_and_not_before(ages_s: list[int]) -> None:
    by_login = [NOW - timedelta(seconds=age_s) for age_s in ages_s]

    def wait(at: datetime) -> timedelta:
        return rules.wait_before_next_try(by_login=by_login, by_address=NEVER, wall_now=at)

    waited = wait(NOW)
    assert timedelta(0) <= waited <= rules.ATTEMPT_WINDOW
    assert wait(NOW + waited) == timedelta(0)
    if waited > timedelta(0):
        assert wait(NOW + waited - timedelta(microseconds=1)) > timedelta(0)


def test_tokens_are_long_and_never_the_same() -> None:
    tokens = {rules.new_token() for _ in range(100)}
    assert len(tokens) == 100
    assert all(len(token) >= 43 for token in tokens)


def test_the_hash_of_a_token_does_not_hold_it() -> None:
    token = rules.new_token()
    assert token.encode() not in rules.token_hash(token)
    assert len(rules.token_hash(token)) == 32


@pytest.mark.parametrize("typed", ["Office", " office ", "ＯＦＦＩＣＥ"])
def test_a_login_name_has_one_form(typed: str) -> None:
    assert rules.login_key(typed) == "office"


@pytest.mark.parametrize("password", ["", "a" * 1_001, "a\0b", "a\ud800"])
def test_what_can_be_nobodys_password_is_not_hashed(password: str) -> None:
    assert rules.usable_password(password) is None


def test_a_password_is_the_same_however_the_keyboard_composes_it() -> None:
    assert rules.usable_password("cafe\u0301") == rules.usable_password("caf\u00e9")


def test_a_forged_form_token_does_not_match() -> None:
    signed_in = SignedIn(1, 1, "office", "", None, "ja", frozenset({"office"}), frozenset(), "secret-token")
    assert signed_in.csrf_matches("secret-token")
    assert not any(signed_in.csrf_matches(forged) for forged in ("", "secret-tokem", "\ud800", "シークレット"))


def test_secrets_are_not_shown_when_a_session_is_logged() -> None:
    signed_in = SignedIn(1, 1, "office", "", None, "ja", frozenset({"office"}), frozenset(), "csrf-secret")
    shown = repr(rules.NewSession("cookie-secret", NOW, signed_in))
    assert "csrf-secret" not in shown
    assert "cookie-secret" not in shown
