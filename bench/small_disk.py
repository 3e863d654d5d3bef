"""A small file system, and how it is filled up."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

DISK_MIB = 64


@contextmanager
def mount_small_disk(folder: Path) -> Iterator[Path | None]:
    """A file system of a few MiB; None where none may be mounted."""
    folder.mkdir(parents=True)
    mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK_MIB}m", "tmpfs", str(folder)]
    if (
        shutil.which("mount") is None
        or subprocess.run(mount, capture_output=True).returncode
    ):
        yield None
        return
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def fill(file: int, disk: Path, free_bytes: int) -> None:
    usage = os.statvfs(disk)
    left = usage.f_bavail * usage.f_frsize - free_bytes
    block = bytes(1 << 16)
    try:
        while left > 0:
            left -= os.write(file, block[: min(left, len(block))])
    except OSError:
        pass  # it is full
