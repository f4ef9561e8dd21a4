"""The town's mail server takes mail by SMTP and keeps the newest."""

import smtplib
import socket
from email.message import EmailMessage
from pathlib import Path

from simulators.mail_room import MailRoom


def test_the_newest_mails_are_kept_also_over_a_restart(tmp_path: Path) -> None:
    def send(number: int) -> None:
        mail = EmailMessage()
        mail["From"], mail["To"], mail["Subject"] = "bills@hinode.example", "hanako@example.jp", f"請求 {number}"
        mail.set_content("ご請求")
        with smtplib.SMTP("127.0.0.1", port, timeout=5) as smtp:
            smtp.send_message(mail)

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    for numbers in ((1, 2), (3, 4)):
        room = MailRoom(tmp_path / "mail", host="127.0.0.1", port=port, most_mails=3)
        room.start()
        try:
            for number in numbers:
                send(number)
        finally:
            room.stop()
    kept = sorted((tmp_path / "mail").glob("*.eml"))
    assert [path.stem for path in kept] == ["00000002", "00000003", "00000004"]
    assert b"hanako@example.jp" in kept[-1].read_bytes()
