"""Disks that are full, or read-only, for a process and its children alone.

Where mounting is allowed, if only in a user namespace of one's own, there is a real small disk; else a limit on the
size of each file stands for one.
"""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
from pathlib import Path

PAGE = 4096  # bytes: what tmpfs gives out at a time
# A process in mount and user namespaces of its own; its mounts go when it ends.
_NAMESPACE = ("unshare", "--user", "--map-root-user", "--mount")


@functools.cache
def namespace() -> tuple[str, ...] | None:
    """Words before a command that let it mount; None where that is not allowed."""
    if not shutil.which("unshare"):
        return None
    tried = subprocess.run([*_NAMESPACE, "mount", "-t", "tmpfs", "none", "/mnt"], capture_output=True)
    return _NAMESPACE if tried.returncode == 0 else None


class SmallDisk:
    """A tmpfs of its own, with as much left free as is asked for. Only in a process begun with namespace()."""

    def __init__(self, folder: Path, size: int) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        options = f"size={size}"
        subprocess.run(["mount", "-t", "tmpfs", "-o", options, "none", str(folder)], check=True)
        self._filler = folder / "filler"
        self._filler.touch()

    def leave(self, size: int | None) -> None:
        """Let so many bytes, in whole pages, be free; None: all that is not used."""
        os.truncate(self._filler, 0)
        if size is not None:
            status = os.statvfs(self.folder)
            used = max(0, status.f_bavail * status.f_frsize - size // PAGE * PAGE)
            with open(self._filler, "wb") as file:
                os.posix_fallocate(file.fileno(), 0, used) if used else None

    def make_read_only(self) -> None:
        """Raises CalledProcessError while a file on it is being written."""
        # This mount alone: in a user namespace the disk's own options cannot be changed.
        subprocess.run(["mount", "-o", "remount,bind,ro", str(self.folder)], check=True, capture_output=True)


class FileLimit:
    """A limit on the size that any file of this process, and of its children, can have."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def leave(self, size: int | None) -> None:
        """Let files have so many bytes; None: as many as the system allows."""
        import resource

        hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
        resource.setrlimit(resource.RLIMIT_FSIZE, (hard if size is None else size, hard))
