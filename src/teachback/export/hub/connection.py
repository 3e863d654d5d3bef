"""The calls of the Hub that a push needs. The token goes to the Hub, and nowhere else."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from ...endpoints.redaction import redact_key
from ...errors import ConfigError, PushFailed, TeachbackError, require_modules
from .target import RepoType

HUB_MODULES = ("huggingface_hub",)


class FoundRepo(NamedTuple):
    """A repository that is on the Hub already."""

    is_private: bool
    files: frozenset[str]


@dataclass(frozen=True)
class HubConnection:
    endpoint: str
    token: str = field(repr=False)

    @property
    def api(self) -> Any:
        from huggingface_hub import HfApi

        return HfApi(endpoint=self.endpoint, token=self.token)

    def find_repo(self, repo_id: str, repo_type: RepoType) -> FoundRepo | None:
        """None: there is none, or the token may not see it."""
        from huggingface_hub.errors import RepositoryNotFoundError

        with self._explain_errors(repo_id):
            try:
                info = self.api.repo_info(repo_id, repo_type=repo_type)
            except RepositoryNotFoundError:
                return None
            files = frozenset(file.rfilename for file in info.siblings or ())
            return FoundRepo(bool(info.private), files)

    def create_repo(
        self, repo_id: str, repo_type: RepoType, *, is_private: bool
    ) -> None:
        """Raises PushFailed for one that is there by now: it may be public."""
        with self._explain_errors(repo_id):
            self.api.create_repo(repo_id, repo_type=repo_type, private=is_private)

    def upload_folder(
        self, repo_id: str, repo_type: RepoType, folder: Path, message: str
    ) -> str:
        """The address of the commit. What is there unchanged isn't sent again."""
        with self._explain_errors(repo_id), quiet_progress_bars():
            commit = self.api.upload_folder(
                repo_id=repo_id,
                repo_type=repo_type,
                folder_path=folder,
                commit_message=message,
            )
        return str(commit.commit_url)

    @contextmanager
    def _explain_errors(self, repo_id: str) -> Iterator[None]:
        """Raises PushFailed for whatever the library, the network or the Hub raises."""
        try:
            yield
        except TeachbackError:
            raise
        except Exception as error:  # of a dozen kinds; each means that the push failed
            causes = [str(error)]
            if error.__cause__ is not None:
                causes.append(str(error.__cause__))
            raise PushFailed(
                f"{repo_id} could not be pushed to {self.endpoint}",
                got=redact_key(": ".join(causes), self.token),
                fix="check the name and the token's rights, then run the same command: what is "
                "there already isn't sent again",
            ) from None


def connect_to_hub() -> HubConnection:
    """With HF_ENDPOINT and HF_TOKEN, or the login of huggingface_hub. Sends nothing.

    Raises MissingPackages, and ConfigError without a token.
    """
    require_modules("--to hub:…", HUB_MODULES)
    from huggingface_hub import constants, get_token

    token = get_token()
    if token is None:
        raise ConfigError(
            "a push to the Hub needs a token with the right to write",
            got="no HF_TOKEN in the environment, and no login",
            fix="export HF_TOKEN=…, or: hf auth login",
        )
    endpoint = os.environ.get("HF_ENDPOINT") or constants.ENDPOINT
    return HubConnection(endpoint.rstrip("/"), token)


@contextmanager
def quiet_progress_bars() -> Iterator[None]:
    """The library's bars are for a terminal."""
    from huggingface_hub import utils

    if sys.stderr.isatty() or utils.are_progress_bars_disabled():
        yield
        return
    utils.disable_progress_bars()
    try:
        yield
    finally:
        utils.enable_progress_bars()
