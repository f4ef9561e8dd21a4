"""Notices as e-mail: plain text in the party's language, in the words of the party's own page."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from email import policy
from email.errors import MessageError
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import format_datetime

from customer_app import notice_texts
from customer_app.formats import Formats
from kernel.i18n import LOCALES, Translate, translator
from registry.queries import Notice, Utility


class AddressUnusable(ValueError):
    """Mail cannot be sent to what was given as an address."""


@dataclass(frozen=True, slots=True)
class Addressee:
    """Who reads the mail, and how they write numbers and days."""

    name: str
    address: str
    translate: Translate
    formats: Formats


def addressee(utility: Utility, *, name: str, address: str, locale: str) -> Addressee:
    """Make somebody that a utility writes to; a language that we do not have becomes the utility's."""
    locale = locale if locale in LOCALES else utility.locale
    translate = translator(locale)
    formats = Formats(locale=locale, zone=utility.zone, currency=utility.currency, translate=translate)
    return Addressee(name, address, translate, formats)


def mail_of(
    notice: Notice, *, to: Addressee, utility: Utility, sender: str, public_url: str, wall_now: datetime
) -> EmailMessage:
    """Write a notice as a mail. Its Message-ID is the notice's: a second copy is known by it.

    :raises AddressUnusable: if one of the addresses is none
    """
    text = notice_texts.written(to, notice)
    mail = EmailMessage(policy=policy.SMTP)
    try:
        mail["From"] = Address(_one_line(utility.name), addr_spec=sender)
        mail["To"] = Address(_one_line(to.name), addr_spec=to.address)
    except (MessageError, ValueError, IndexError) as error:
        raise AddressUnusable(f"mail from {sender!r} to {to.address!r} cannot be addressed: {error}") from error
    mail["Subject"] = _one_line(f"{text.title} ({utility.name})")
    mail["Date"] = format_datetime(wall_now)
    mail["Message-ID"] = f"<notice.{notice.notice_id}.{utility.code}@{sender.rpartition('@')[2]}>"
    mail["Auto-Submitted"] = "auto-generated"
    mail["Content-Language"] = to.formats.locale
    mail.set_content("\n".join(_lines(notice, text.title, text.text, to=to, utility=utility, public_url=public_url)))
    return mail


def _lines(notice: Notice, title: str, text: str, *, to: Addressee, utility: Utility, public_url: str) -> list[str]:
    _ = to.translate
    lines = [_("To %(name)s", name=_one_line(to.name)), "", title]
    if text:
        lines.append(text)
    lines += _bill(notice, to=to)
    if public_url:
        lines += ["", f"{public_url.rstrip('/')}{notice_texts.target(notice)}"]
        if notice.kind == "bill.issued":
            slip = f"{public_url.rstrip('/')}{notice_texts.target(notice)}/slip"
            lines.append(_("Payment slip: %(address)s", address=slip))
    return [*lines, "", "-- ", utility.name]


def _bill(notice: Notice, *, to: Addressee) -> list[str]:
    """Give number and days of the bill that a notice is about."""
    told, _ = notice.parameters, to.translate
    lines: list[str] = []
    if "first_day" in told and "end_day" in told:
        first, end = (date.fromisoformat(str(told[name])) for name in ("first_day", "end_day"))
        lines.append(_("For %(days)s", days=to.formats.days(first, end - timedelta(days=1))))
    if "bill_number" in told:
        lines.append(_("Bill %(number)s", number=told["bill_number"]))
    return lines


def _one_line(text: str) -> str:
    """Leave no character that could begin another header."""
    return "".join(character if character.isprintable() else " " for character in text).strip()
