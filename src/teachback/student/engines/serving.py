"""What serves a run's students: a server that teachback starts, or one that runs already.

Each student has a name of its own on a server, made from its files: a server that keeps what it
computed for a name (vLLM's prefix cache does, vllm issue 42125) never takes one student's for
another's.
"""

from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from ...endpoints.http_client import RequestLimits
from ...errors import ConfigError, StudentError
from ..folder import hash_folder
from .completion import MAX_ERROR_CHARS
from .process import READY_S, ServerProcess, call_server, read_model_names
from .requests import ServerTarget

LOAD_S = 300.0  # for an adapter
DEFAULT = RequestLimits()
OURS = "teachback-"  # how the names of loaded students begin


@dataclass
class StudentServer:
    """What serves a run's students: a server that is started with `command`, or one that is at
    `base_url`.

    base: the untuned student's folder, which adapters are loaded onto. model: its name at
    base_url; None: the only one there. log: where a started server writes. Used as a context: at
    its end a started server is gone.
    """

    base: Path
    log: Path
    command: str | None = None
    base_url: str | None = None
    model: str | None = None
    limits: RequestLimits = DEFAULT
    ready_s: float = READY_S

    def __post_init__(self) -> None:
        if (self.command is None) == (self.base_url is None):
            raise ConfigError(
                "a student is served by a command or at an address",
                allowed="one of serve and base_url",
            )
        self._started: ServerProcess | None = None
        self._loaded: tuple[Path, str] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        self.stop()

    def use(self, folder: Path) -> ServerTarget:
        """A server that answers as the student in this folder: whole weights, or a peft adapter
        of the base.

        What runs already is used. A started server is started again on other weights; an adapter
        is loaded by the server that runs on the base. A server at base_url is asked to load
        either. Raises StudentError.
        """
        folder = folder.resolve()
        runs_on = (
            self.base.resolve()
            if is_adapter(folder) or self.command is None
            else folder
        )
        if self.command is not None and not (
            self._started and self._started.alive() and self._started.folder == runs_on
        ):
            self._start(runs_on)
        if folder == runs_on:
            return self._server(self._first())
        if self._loaded and self._loaded[0] == folder:
            return self._server(self._loaded[1])
        return self._server(self._load(folder))

    def stop(self) -> None:
        """Ends a started server, whose memory is then free; the next `use` starts one.

        Leaves the server at base_url, without the student that was loaded last.
        """
        loaded, self._loaded = self._loaded, None
        started, self._started = self._started, None
        if started is not None:
            started.stop()
        elif loaded is not None:
            self._unload(loaded[1])

    def _start(self, folder: Path) -> None:
        assert self.command is not None
        self.stop()
        self._started = ServerProcess(
            self.command, folder, self.log, self.limits, self.ready_s
        )

    def _url(self) -> str:
        return (
            self._started.base_url
            if self._started
            else (self.base_url or "").rstrip("/")
        )

    def _server(self, model: str) -> ServerTarget:
        return ServerTarget(
            self._url(), model, self.limits, self.log if self._started else None
        )

    def _first(self) -> str:
        """The base student's name on the server."""
        if self._started:
            return self._started.model
        listed = call_server(f"{self._url()}/models", self.limits)
        if listed.status != 200:
            fix = "start the server, or set student.serve to let teachback start one"
            raise StudentError(
                f"no server lists its models at {self._url()}",
                got=listed.body[:MAX_ERROR_CHARS],
                fix=fix,
            )
        names = [
            name for name in read_model_names(listed.body) if not name.startswith(OURS)
        ]
        if self.model in names or (self.model is None and len(names) == 1):
            return self.model or names[0]
        what, fix = (
            f"no single model of {self._url()} is the student",
            "set student.served_model to one of them",
        )
        raise StudentError(what, got=self.model, allowed=", ".join(names), fix=fix)

    def _load(self, folder: Path) -> str:
        """Gives the server a student under a name of its own, and takes the former one away.

        That name.
        """
        name = f"{OURS}{hash_folder(folder)[:16]}"
        listed = call_server(f"{self._url()}/models", self.limits)
        # It may be there already, where a killed run has left it.
        is_there = listed.status == 200 and name in read_model_names(listed.body)
        if not is_there:
            body = {"lora_name": name, "lora_path": str(folder)}
            reply = call_server(
                f"{self._url()}/load_lora_adapter", self.limits, body, within_s=LOAD_S
            )
            if reply.status != 200:
                raise explain_load_failure(
                    folder,
                    f"HTTP {reply.status}: {reply.body[:MAX_ERROR_CHARS]}",
                    started=self.command is not None,
                )
        if self._loaded is not None:
            self._unload(self._loaded[1])
        self._loaded = folder, name
        return name

    def _unload(self, name: str) -> None:
        """A server that keeps it has less memory, and answers as before: no reason to end a run."""
        call_server(
            f"{self._url()}/unload_lora_adapter",
            self.limits,
            {"lora_name": name},
            within_s=LOAD_S,
        )


def explain_load_failure(folder: Path, refusal: str, started: bool) -> StudentError:
    fix = (
        "for vLLM: --enable-lora --max-lora-rank 16, and "
        "VLLM_ALLOW_RUNTIME_LORA_UPDATING=True where it runs"
    )
    if not is_adapter(folder):
        fix = (
            "set student.serve, so that teachback starts a server on each student; a "
            "server that runs takes adapters"
        )
    elif started:
        fix = (
            f"{fix}; or merge the adapters: teachback then starts the server again on the "
            "merged student"
        )
    return StudentError(
        f"the server can't load the student in {folder}", got=refusal, fix=fix
    )


def is_adapter(folder: Path) -> bool:
    return (folder / "adapter_config.json").exists()
