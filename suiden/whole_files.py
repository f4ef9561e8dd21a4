"""Small files that are there whole or not at all, whatever happens while they are written."""

import os
import secrets
from pathlib import Path


class SecretEmpty(Exception):
    """A file that should hold a secret holds nothing; the message names the cure."""


def write_once(path: Path, content: str, *, mode: int) -> bool:
    """Write a file that is not there yet, beside its place and on the disk before it gets its name; tell if it did."""
    beside = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        with open(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            file.write(content)
            file.flush()
            os.fchmod(file.fileno(), mode)
            os.fsync(file.fileno())
        try:
            os.link(beside, path)
        except FileExistsError:
            return False
    finally:
        beside.unlink(missing_ok=True)
    _flush_folder(path.parent)
    return True


def read_secret(path: Path) -> str:
    """:raises SecretEmpty: if there is nothing in it"""
    content = path.read_text(encoding="utf-8").strip()
    if not content:
        raise SecretEmpty(
            f"{path} is empty: delete it, and it is made anew; whoever knew the old one needs the new one"
        )
    return content


def replace(path: Path, content: str, *, mode: int) -> None:
    """Put a file in the place of another in one step, on the disk before it is seen; its owner stays."""
    beside = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        with open(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            file.write(content)
            file.flush()
            os.fchmod(file.fileno(), mode)
            if path.exists() and os.geteuid() == 0:
                owner = path.stat()
                os.fchown(file.fileno(), owner.st_uid, owner.st_gid)
            os.fsync(file.fileno())
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)
    _flush_folder(path.parent)


def _flush_folder(folder: Path) -> None:
    opened = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)
