"""A disk of limited size for the database, where this user may mount one: it can be filled and freed in an instant."""

import ctypes
import os
import sys
from pathlib import Path

CLONE_NEWNS = 0x0002_0000
MS_REMOUNT, MS_PRIVATE_EVERYWHERE = 32, 0x0004_0000 | 0x4000
MNT_DETACH = 2
ROOM_BYTES = 512 * 1024 * 1024
LEFT_BYTES = 32 * 1024


class DiskUnusable(Exception):
    """A small disk cannot be mounted here."""


class SmallDisk:
    """A tmpfs that only this process and its children see; it is gone when they are."""

    def __init__(self, path: Path) -> None:
        """Mount it over an empty folder.

        :raises DiskUnusable: if this user may not
        """
        self._path = path
        if sys.platform != "linux":
            raise DiskUnusable("only Linux lets a process mount a small disk")
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._check(self._libc.unshare(CLONE_NEWNS))
        self._check(self._libc.mount(b"none", b"/", None, ctypes.c_ulong(MS_PRIVATE_EVERYWHERE), None))
        self._mount(flags=0, options=f"size={ROOM_BYTES},mode=711")

    def fill(self) -> None:
        """Leave no more room than for a few pages."""
        self._resize(self.used_bytes + LEFT_BYTES)

    def free(self) -> None:
        """Give plenty of room again, and no more than that: what fills up by mistake is to be seen."""
        self._resize(self.used_bytes + ROOM_BYTES)

    def remove(self) -> None:
        """Take it away, as soon as nobody uses it any more."""
        self._libc.umount2(str(self._path).encode(), MNT_DETACH)

    @property
    def used_bytes(self) -> int:
        found = os.statvfs(self._path)
        return (found.f_blocks - found.f_bfree) * found.f_frsize

    def _resize(self, size_bytes: int) -> None:
        self._mount(flags=MS_REMOUNT, options=f"size={size_bytes}")

    def _mount(self, *, flags: int, options: str) -> None:
        path = str(self._path).encode()
        self._check(self._libc.mount(b"suiden", path, b"tmpfs", ctypes.c_ulong(flags), options.encode()))

    def _check(self, answer: int) -> None:
        if answer != 0:
            raise DiskUnusable(f"{os.strerror(ctypes.get_errno())}: only root may mount a small disk")
