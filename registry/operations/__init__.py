"""What others may do to the registry."""

from registry.domain.sign_in import NewSession, SignedIn, SignInRefused
from registry.operations.founding import TimeZoneUnknown, found_utility, load_book
from registry.operations.signing_in import (
    LoginUnusable,
    add_login,
    change_password,
    end_sessions,
    forget_ended_sessions,
    session,
    set_login_active,
    set_login_locale,
    sign_in,
    sign_out,
)
from registry.store.book import BookUnusable
from registry.store.logins import LoginNameTaken
from registry.store.utilities import UtilityExists

__all__ = [
    "BookUnusable",
    "LoginNameTaken",
    "LoginUnusable",
    "NewSession",
    "SignInRefused",
    "SignedIn",
    "TimeZoneUnknown",
    "UtilityExists",
    "add_login",
    "change_password",
    "end_sessions",
    "forget_ended_sessions",
    "found_utility",
    "load_book",
    "session",
    "set_login_active",
    "set_login_locale",
    "sign_in",
    "sign_out",
]
