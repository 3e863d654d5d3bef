"""The rehearsal server with its little teacher of additions, under the names that these tests use."""

from contextlib import AbstractContextManager
from typing import Any

from teachback.serve.faults import Fault, Faults, Kind
from teachback.serve.messages import Request, Teacher, tokens
from teachback.serve.program import additions
from teachback.serve.server import serving
from teachback.serve.service import Server, Service

__all__ = [
    "Fault",
    "Faults",
    "Kind",
    "Request",
    "Server",
    "Teacher",
    "additions",
    "loopback",
    "tokens",
]


def loopback(
    teacher: Teacher = additions, faults: Faults = (), *, port: int = 0, **options: Any
) -> AbstractContextManager[Server]:
    return serving(Service(teacher, faults, **options), port)
