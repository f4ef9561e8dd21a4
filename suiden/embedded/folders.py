"""Find a folder that a server which must not run as root can reach."""

import hashlib
import os
import shutil
import stat
from pathlib import Path

FALLBACK_PARENT = Path("/var/tmp")


class FolderUnusable(Exception):
    """A folder for a server's files cannot be used; the message names the cure."""


def is_reachable_by_others(path: Path) -> bool:
    """Tell whether an unprivileged user may pass through every folder above `path`, and `path` where it exists."""
    folders = (folder for folder in [path, *path.parents] if folder.exists())
    return all(folder.stat().st_mode & stat.S_IXOTH for folder in folders)


def fallback_for(path: Path) -> Path:
    """Return the folder that stands in for `path`: always the same for the same path."""
    name = hashlib.sha256(str(path).encode()).hexdigest()[:12]
    return FALLBACK_PARENT / f"suiden-{name}"


def make_own_folder(path: Path, *, mode: int) -> None:
    """Make a folder, or take one that is ours already.

    :raises FolderUnusable: if somebody else could have put it there
    """
    try:
        path.mkdir(mode=mode, parents=True, exist_ok=True)
    except OSError as error:
        raise FolderUnusable(f"{path} cannot be made ({error.strerror}): choose another data folder") from error
    found = path.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid():
        raise FolderUnusable(
            f"{path} belongs to user id {found.st_uid}, and this runs as {os.geteuid()}: "
            "run as that user, remove the folder, or choose another data folder"
        )
    path.chmod(mode)


def copy_tree_for_others(source: Path, target: Path) -> None:
    """Copy programs to where an unprivileged user can run them; half a copy never counts."""
    if target.exists():
        return
    unfinished = target.with_name(f"{target.name}.{os.getpid()}.part")
    shutil.copytree(source, unfinished, symlinks=True, ignore=shutil.ignore_patterns("*.a", "pkgconfig", "include"))
    for path in [unfinished, *unfinished.rglob("*")]:
        if not path.is_symlink():
            path.chmod(path.stat().st_mode & 0o755 | 0o444 | (0o111 if path.is_dir() else 0))
    try:
        unfinished.rename(target)
    except OSError:
        shutil.rmtree(unfinished)
        if not target.exists():
            raise
