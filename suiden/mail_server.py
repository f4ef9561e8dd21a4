"""A mail server to hand mail to, by SMTP."""

import smtplib
import ssl
from dataclasses import dataclass
from email.message import EmailMessage
from urllib.parse import unquote, urlsplit

TIMEOUT_S = 15.0
LOOPBACK = ("localhost", "127.0.0.1", "::1")


class MailServerUnusable(ValueError):
    """The address of the mail server is not one."""


class MailServerAway(Exception):
    """The mail server cannot be reached or takes nothing from us now."""


class MailRefused(Exception):
    """The mail server refused this mail; `is_final` if a second try would be refused too."""

    def __init__(self, reason: str, *, is_final: bool) -> None:
        super().__init__(reason)
        self.is_final = is_final


@dataclass(frozen=True, slots=True)
class MailServer:
    """Where mail is handed over."""

    host: str
    port: int
    tls: bool
    user: str
    password: str

    @classmethod
    def of(cls, url: str) -> "MailServer":
        """Read smtp://user:password@host:port, or smtps:// for TLS from the first byte.

        :raises MailServerUnusable: if it is not such an address
        """
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError as error:
            raise MailServerUnusable("SUIDEN_SMTP_URL holds no port that could be one") from error
        if parts.scheme not in ("smtp", "smtps") or not parts.hostname:
            raise MailServerUnusable("SUIDEN_SMTP_URL must be smtp://user:password@host:port or smtps://…")
        tls = parts.scheme == "smtps"
        user, password = unquote(parts.username or ""), unquote(parts.password or "")
        return cls(parts.hostname, port or (465 if tls else 587), tls, user, password)

    def connect(self) -> smtplib.SMTP:
        """Open a session and sign in; STARTTLS is used where it is offered.

        :raises MailServerAway: if that does not work
        """
        smtp: smtplib.SMTP | None = None
        try:
            context = ssl.create_default_context()
            if self.tls:
                smtp = smtplib.SMTP_SSL(self.host, self.port, timeout=TIMEOUT_S, context=context)
            else:
                smtp = smtplib.SMTP(self.host, self.port, timeout=TIMEOUT_S)
                smtp.ehlo_or_helo_if_needed()
                if smtp.has_extn("starttls"):
                    smtp.starttls(context=context)
                elif self.user and self.host not in LOOPBACK:
                    raise MailServerAway(f"{self.host} offers no encryption: the password is not sent in the clear")
            if self.user:
                smtp.login(self.user, self.password)
        except (OSError, smtplib.SMTPException, MailServerAway) as error:
            if smtp is not None:
                smtp.close()
            if isinstance(error, MailServerAway):
                raise
            raise MailServerAway(f"{self.host}:{self.port}: {error}") from error
        return smtp


def hand_over(smtp: smtplib.SMTP, mail: EmailMessage) -> None:
    """Hand one mail over; from its answer on, the server is answerable for it.

    :raises MailRefused: if the server refused this mail
    :raises MailServerAway: if the session broke, or the server takes nothing from this sender
    """
    try:
        smtp.send_message(mail)
    except smtplib.SMTPRecipientsRefused as error:
        code, text = next(iter(error.recipients.values()))
        raise MailRefused(_told(code, text), is_final=code >= 500) from error
    except smtplib.SMTPSenderRefused as error:
        raise MailServerAway(_told(error.smtp_code, error.smtp_error)) from error
    except smtplib.SMTPResponseException as error:
        if error.smtp_code == 421:
            raise MailServerAway(_told(error.smtp_code, error.smtp_error)) from error
        raise MailRefused(_told(error.smtp_code, error.smtp_error), is_final=error.smtp_code >= 500) from error
    except smtplib.SMTPNotSupportedError as error:
        raise MailRefused(str(error), is_final=True) from error
    except (OSError, smtplib.SMTPException) as error:
        raise MailServerAway(str(error)) from error


def _told(code: int, text: bytes | str) -> str:
    words = text.decode("utf-8", "replace") if isinstance(text, bytes) else text
    return f"{code} {words}"[:500]
