"""The town's mail server: takes mail by SMTP and keeps the newest as files, for whoever plays with the demo."""

from pathlib import Path

import structlog
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

log = structlog.get_logger()

MOST_MAILS = 500
MOST_MAIL_BYTES = 1024 * 1024


class MailRoom:
    """Receives mail for everybody in the town."""

    def __init__(self, folder: Path, *, host: str, port: int, most_mails: int = MOST_MAILS) -> None:
        self._folder, self._most_mails = folder, most_mails
        folder.mkdir(parents=True, exist_ok=True)
        self._kept = sorted(folder.glob("*.eml"))
        self._number = int(self._kept[-1].stem) if self._kept else 0
        self._controller = Controller(self, hostname=host, port=port, data_size_limit=MOST_MAIL_BYTES)

    def start(self) -> None:
        """Listen, in a thread of its own."""
        self._controller.start()
        log.info("mail_room.open", port=self._controller.port, folder=str(self._folder))

    def stop(self) -> None:
        self._controller.stop()

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802  (aiosmtpd's)
        """Keep a mail; the oldest goes when there are too many."""
        content = envelope.content if isinstance(envelope.content, bytes) else str(envelope.content).encode()
        self._number += 1
        path = self._folder / f"{self._number:08d}.eml"
        path.write_bytes(content)
        self._kept.append(path)
        while len(self._kept) > self._most_mails:
            self._kept.pop(0).unlink(missing_ok=True)
        return "250 kept"
