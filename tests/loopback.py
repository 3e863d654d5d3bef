"""The rehearsal server with the addition teacher, and the names that tests of teachers need."""

from contextlib import AbstractContextManager
from typing import Any

from teachback.serve.additions import addition_teacher
from teachback.serve.faults import Fault, FaultKind, FaultSchedule
from teachback.serve.messages import RehearsalTeacher, Request, count_words
from teachback.serve.server import run_server
from teachback.serve.service import RehearsalOptions, RehearsalServer

__all__ = [
    "Fault",
    "FaultKind",
    "FaultSchedule",
    "RehearsalServer",
    "RehearsalTeacher",
    "Request",
    "addition_teacher",
    "count_words",
    "loopback",
]


def loopback(
    teacher: RehearsalTeacher = addition_teacher,
    faults: FaultSchedule = (),
    *,
    port: int = 0,
    **options: Any,
) -> AbstractContextManager[RehearsalServer]:
    return run_server(RehearsalOptions(teacher, faults, **options), port)
