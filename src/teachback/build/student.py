"""From the config to what a round asks of a student."""

import hashlib
from collections.abc import Set
from datetime import date
from pathlib import Path
from typing import Literal

from ..config.config import Config
from ..endpoints.http_client import RequestLimits
from ..errors import ConfigError
from ..run.directory import Run
from ..student.chat import Chat
from ..student.engines.server import SERVER_SIGNALS
from ..student.engines.serving import StudentServer
from ..student.folder import cache_folder
from ..student.responder import StudentCache, StudentResponder
from ..types import Task

HERE_ONLY = (
    frozenset(
        {"entropy", "egl", "gold_nll", "embeddings", "gradients", "gold_gradients"}
    )
    - SERVER_SIGNALS
)


def make_responder(
    config: Config,
    run: Run,
    task: Task,
    base: Path,
    precision: Literal["float32", "bf16"],
    today: date | None,
) -> StudentResponder:
    student = config.student
    serving = None
    if student.is_served:
        name = hashlib.sha256(str(run.folder.absolute()).encode()).hexdigest()[:12]
        serving = StudentServer(
            base,
            cache_folder() / "servers" / f"{name}.log",
            command=student.serve,
            base_url=student.base_url,
            model=student.served_model,
            limits=RequestLimits(
                student.in_flight, student.tries, student.deadline_s, student.key_env
            ),
            ready_s=student.ready_s,
        )
    chat = Chat(student.system, student.chat_template_kwargs, today)
    return StudentResponder(
        run, task, chat, student.max_new_tokens, StudentCache(precision), serving
    )


def check_signals(config: Config, needs: Set[str]) -> None:
    """Refuse a criterion that needs what the student's backend can't give.

    Raises ConfigError, before anything is spent.
    """
    missing = ", ".join(sorted(HERE_ONLY & needs))
    if config.student.is_served and missing:
        raise ConfigError(
            f"the criterion {config.criterion.name} needs {missing} "
            "of every attempt, which no server gives",
            got="student.serve" if config.student.serve else "student.base_url",
            allowed="on a server: criteria that need none of "
            f"{', '.join(sorted(HERE_ONLY))}",
            fix="leave student.serve and base_url out, "
            "or choose another criterion, such as loss",
        )
