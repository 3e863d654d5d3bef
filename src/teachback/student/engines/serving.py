"""What serves a run's students: a server that teachback starts, or one that runs already.

Each student has a name of its own on a server, made from its files. A server that keeps what
it computed for a name (vLLM's prefix cache does, vllm issue 42125) then never takes one
student's for another's.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

from ...endpoints.http_client import RequestLimits
from ...errors import ConfigError, StudentError
from ..folder import hash_folder
from .completion import MAX_ERROR_CHARS
from .process import (
    READY_S,
    ServerProcess,
    call_server,
    read_model_names,
    request_models,
)
from .requests import DEFAULT_LIMITS, ServerTarget

# For a server to load or unload an adapter.
ADAPTER_TIMEOUT_S = 300.0
# How the names of students that teachback loads begin.
LOADED_NAME_PREFIX = "teachback-"


class LoadedName(NamedTuple):
    """A student that a running server has loaded beside its own."""

    folder: Path
    name: str


@dataclass
class StudentServer:
    """Serves one student of a run after another.

    As a context manager it stops the server that it started.
    """

    # The untuned student, which adapters are loaded onto.
    base: Path
    # Where a started server writes.
    log: Path
    # Starts a server; or
    command: str | None = None
    # the address of one that runs, up to and without /completions.
    base_url: str | None = None
    # The untuned student's name at base_url; None: the only one there.
    model: str | None = None
    limits: RequestLimits = DEFAULT_LIMITS
    # For a started server to be ready.
    ready_s: float = READY_S

    def __post_init__(self) -> None:
        if (self.command is None) == (self.base_url is None):
            raise ConfigError(
                "a student is served by a command or at an address",
                allowed="one of serve and base_url",
            )
        if self.command is not None:
            # It runs on this machine: no proxy leads there.
            self.limits = replace(self.limits, uses_proxy=False)
        self._process: ServerProcess | None = None
        self._loaded: LoadedName | None = None

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
        """Where the student in this folder answers: whole weights, or an adapter of the base.

        A started server is started again on other weights. An adapter is loaded by the
        server that runs on the base. A server at base_url is asked to load either.
        Raises StudentError.
        """
        folder = folder.resolve()
        weights = self.base.resolve()
        if self.command is not None:
            if not is_adapter(folder):
                weights = folder
            if not self._runs_on(weights):
                self._start(self.command, weights)
        if folder == weights:
            return self._make_target(self._find_base_model())
        if self._loaded is None or self._loaded.folder != folder:
            self._loaded = self._load(folder)
        return self._make_target(self._loaded.name)

    def stop(self) -> None:
        """End a started server, whose memory is then free; the next `use` starts one.

        A server at base_url goes on, without the student that was loaded last.
        """
        process = self._process
        last_loaded = self._loaded
        self._process = None
        self._loaded = None
        if process is not None:
            process.stop()
        elif last_loaded is not None:
            self._unload(last_loaded.name)

    def _runs_on(self, weights: Path) -> bool:
        process = self._process
        return process is not None and process.is_alive() and process.folder == weights

    def _start(self, command: str, weights: Path) -> None:
        self.stop()
        self._process = ServerProcess(
            command, weights, self.log, self.limits, self.ready_s
        )

    def _url(self) -> str:
        if self._process:
            return self._process.base_url
        return (self.base_url or "").rstrip("/")

    def _make_target(self, model: str) -> ServerTarget:
        log = self.log if self._process else None
        return ServerTarget(self._url(), model, self.limits, log)

    def _find_base_model(self) -> str:
        """The base student's name on the server."""
        if self._process:
            return self._process.model
        reply = request_models(self._url(), self.limits)
        if reply.status != 200:
            raise StudentError(
                f"no server lists its models at {self._url()}",
                got=reply.body[:MAX_ERROR_CHARS],
                fix="start the server, or set student.serve to let teachback start one",
            )
        names = [
            name
            for name in read_model_names(reply.body)
            if not name.startswith(LOADED_NAME_PREFIX)
        ]
        if self.model in names:
            return self.model
        if self.model is None and len(names) == 1:
            return names[0]
        raise StudentError(
            f"no single model of {self._url()} is the student",
            got=self.model,
            allowed=", ".join(names),
            fix="set student.served_model to one of them",
        )

    def _load(self, folder: Path) -> LoadedName:
        """Let the server load a student, in place of the one before."""
        name = f"{LOADED_NAME_PREFIX}{hash_folder(folder)[:16]}"
        reply = request_models(self._url(), self.limits)
        # A killed run may have left it there.
        is_there = reply.status == 200 and name in read_model_names(reply.body)
        if not is_there:
            self._request_load(folder, name)
        if self._loaded is not None:
            self._unload(self._loaded.name)
        return LoadedName(folder, name)

    def _request_load(self, folder: Path, name: str) -> None:
        reply = call_server(
            f"{self._url()}/load_lora_adapter",
            self.limits,
            {"lora_name": name, "lora_path": str(folder)},
            timeout_s=ADAPTER_TIMEOUT_S,
        )
        if reply.status != 200:
            raise explain_load_failure(
                folder,
                f"HTTP {reply.status}: {reply.body[:MAX_ERROR_CHARS]}",
                is_started=self.command is not None,
            )

    def _unload(self, name: str) -> None:
        """Failure is ignored: the server has less memory then, but answers as before."""
        call_server(
            f"{self._url()}/unload_lora_adapter",
            self.limits,
            {"lora_name": name},
            timeout_s=ADAPTER_TIMEOUT_S,
        )


def explain_load_failure(
    folder: Path, refusal: str, *, is_started: bool
) -> StudentError:
    """is_started: teachback has started the server."""
    fix = (
        "for vLLM: --enable-lora --max-lora-rank 16, and "
        "VLLM_ALLOW_RUNTIME_LORA_UPDATING=True where it runs"
    )
    if not is_adapter(folder):
        fix = (
            "set student.serve, so that teachback starts a server on each student; a "
            "server that runs takes adapters"
        )
    elif is_started:
        fix += (
            "; or merge the adapters: teachback then starts the server again on the "
            "merged student"
        )
    return StudentError(
        f"the server can't load the student in {folder}", got=refusal, fix=fix
    )


def is_adapter(folder: Path) -> bool:
    return (folder / "adapter_config.json").exists()
