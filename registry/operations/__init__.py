"""What others may do to the registry."""

from registry.domain.audit import AnchorUnreadable, AuditAnchor, AuditFinding, AuditVerdict
from registry.domain.rights import RoleName
from registry.domain.sign_in import NewSession, SignedIn, SignInRefused
from registry.operations.auditing import audit_anchor, link_audit, record_audit, verify_audit
from registry.operations.delivering import finish_delivery, postpone_delivery, queue_delivery, take_delivery
from registry.operations.founding import TimeZoneUnknown, found_utility, load_book
from registry.operations.noticing import (
    NewNotice,
    add_channel,
    mark_notice_seen,
    record_delivery,
    remove_channel,
    write_notice,
    write_notices,
)
from registry.operations.signing_in import (
    LoginUnusable,
    add_login,
    change_password,
    end_sessions,
    forget_ended_sessions,
    rights_of_sessions,
    session,
    set_login_active,
    set_login_locale,
    sign_in,
    sign_out,
)
from registry.operations.supplying import (
    MeterNotInstalled,
    MeterUnfit,
    close_agreement,
    end_party_at_point,
    exchange_meter,
    install_meter,
    open_account,
    open_agreement,
    remove_meter,
    set_party_at_point,
    set_supply,
)
from registry.operations.working import (
    WorkWithoutPlace,
    announce_work,
    cancel_work,
    finish_work,
    plan_work,
    start_work,
)
from registry.store.book import BookUnusable
from registry.store.contracts import AccountNumberTaken, AgreementOverlaps, MeterElsewhere, PointHasMeter
from registry.store.logins import LoginNameTaken
from registry.store.utilities import UtilityExists
from registry.store.works import WorkKind

__all__ = [
    "AccountNumberTaken",
    "AgreementOverlaps",
    "AnchorUnreadable",
    "AuditAnchor",
    "AuditFinding",
    "AuditVerdict",
    "BookUnusable",
    "LoginNameTaken",
    "LoginUnusable",
    "MeterElsewhere",
    "MeterNotInstalled",
    "MeterUnfit",
    "NewNotice",
    "NewSession",
    "PointHasMeter",
    "RoleName",
    "SignInRefused",
    "SignedIn",
    "TimeZoneUnknown",
    "UtilityExists",
    "WorkKind",
    "WorkWithoutPlace",
    "add_channel",
    "add_login",
    "announce_work",
    "audit_anchor",
    "cancel_work",
    "change_password",
    "close_agreement",
    "end_party_at_point",
    "end_sessions",
    "exchange_meter",
    "finish_delivery",
    "finish_work",
    "forget_ended_sessions",
    "found_utility",
    "install_meter",
    "link_audit",
    "load_book",
    "mark_notice_seen",
    "open_account",
    "open_agreement",
    "plan_work",
    "postpone_delivery",
    "queue_delivery",
    "record_audit",
    "record_delivery",
    "remove_channel",
    "remove_meter",
    "rights_of_sessions",
    "session",
    "set_login_active",
    "set_login_locale",
    "set_party_at_point",
    "set_supply",
    "sign_in",
    "sign_out",
    "start_work",
    "take_delivery",
    "verify_audit",
    "write_notice",
    "write_notices",
]
