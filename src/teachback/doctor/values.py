"""What the doctor found."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class PackageState:
    name: str
    # Such as ">=2.6".
    required: str
    # None: it is not installed, or can't be found by Python.
    installed: str | None
    is_new_enough: bool


@dataclass(frozen=True)
class ExtraState:
    name: str
    purpose: str
    packages: tuple[PackageState, ...]
    # The command that completes it; None: it is complete.
    fix: str | None


@dataclass(frozen=True)
class DeviceState:
    """A GPU. Memory in bytes."""

    name: str
    total_bytes: int
    free_bytes: int


@dataclass(frozen=True)
class MemoryState:
    """The machine's memory in bytes, or its container's where that is less."""

    total_bytes: int
    free_bytes: int


@dataclass(frozen=True)
class PrecisionState:
    # What `student.precision: auto` means here.
    auto: str
    # Whether the device computes in bf16 itself.
    has_bf16: bool
    # Time in float32 / time in bf16, of a matrix product; None: not measured.
    bf16_speedup: float | None = None


@dataclass(frozen=True)
class FolderState:
    path: Path
    # Of the files in it.
    n_bytes: int
    is_writable: bool


@dataclass(frozen=True)
class DiskState:
    """The disk below a folder, in bytes."""

    folder: Path
    total_bytes: int
    free_bytes: int


@dataclass(frozen=True)
class StudentState:
    model: str
    # Where it is, in words.
    place: str


@dataclass(frozen=True)
class EndpointState:
    # teacher, verifier, judge, criterion or student.
    role: str
    base_url: str
    model: str | None
    # The environment variable of the key; None: it takes none.
    key_env: str | None
    has_key: bool
    # What came of one GET /models, in words.
    answer: str
    # Why it can't be used, each with its fix.
    problems: tuple[str, ...]


@dataclass(frozen=True)
class Problem:
    """Something that the config needs and that is not there."""

    what: str
    fix: str


@dataclass(frozen=True)
class Checkup:
    # Whose needs were checked, in words.
    subject: str
    # By name: teachback, Python and what computes. None: not installed.
    versions: Mapping[str, str | None]
    extras: tuple[ExtraState, ...]
    n_cores: int
    devices: tuple[DeviceState, ...]
    # None: unknown.
    memory: MemoryState | None
    # None: torch is missing.
    precision: PrecisionState | None
    cache: FolderState
    disks: tuple[DiskState, ...]
    student: StudentState
    endpoints: tuple[EndpointState, ...]
    problems: tuple[Problem, ...]
