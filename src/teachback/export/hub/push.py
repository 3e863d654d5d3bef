"""`teachback export --to hub:ORGANISATION/NAME`: first shown, then pushed."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from ...errors import ConfigError
from ...report.formatting import align_columns
from ...report.result_view import ResultView
from ..cards.card import CARD_FILE
from ..export_run import export_run
from ..exported_run import ExportedRun
from ..forms import FORMS
from .connection import FoundRepo, HubConnection, connect_to_hub
from .target import HubTarget, RepoType, find_repo_type


@dataclass(frozen=True)
class HubUpload:
    """What would be pushed to one repository."""

    repo_id: str
    repo_type: RepoType
    form: str
    endpoint: str
    is_private: bool
    is_new: bool
    folder: Path
    sizes: Mapping[str, int]  # bytes of each file, by its name in the folder
    replaced: frozenset[str]  # names of files that are there already

    @property
    def card(self) -> str:
        return (self.folder / CARD_FILE).read_text(encoding="utf-8")


@dataclass(frozen=True)
class PushedRepo:
    repo_id: str
    repo_type: RepoType
    form: str
    is_private: bool
    files: tuple[str, ...]
    url: str  # of the commit


@dataclass(frozen=True, repr=False)
class HubPush(ResultView):
    """What was pushed. Its table: repositories."""

    repos: tuple[PushedRepo, ...]

    @property
    def lines(self) -> list[str]:
        return [
            f"{len(repo.files)} files are in the {describe_visibility(repo.is_private)} "
            f"{repo.repo_type} {repo.repo_id}: {repo.url}"
            for repo in self.repos
        ]

    def describe(self) -> str:
        return "; ".join(self.lines)

    def tables(self) -> Mapping[str, Callable[[], Sequence[Mapping[str, object]]]]:
        return {"repositories": lambda: self.facts}

    @property
    def facts(self) -> list[Mapping[str, object]]:
        """What `--json` prints."""
        return [{**vars(repo), "files": list(repo.files)} for repo in self.repos]


def push_run(
    run: ExportedRun,
    target: HubTarget,
    *,
    is_public: bool = False,
    confirm: Callable[[Sequence[HubUpload]], None] | None = None,
) -> HubPush:
    """confirm(uploads): called before anything is sent; what it raises stops the push.

    Raises ConfigError without a token, and for a public repository without `is_public`;
    PushFailed for what the Hub refuses.
    """
    hub = connect_to_hub()
    found = {
        form: find_checked_repo(hub, target.repo_id, form, is_public)
        for form in target.forms
    }
    with TemporaryDirectory(prefix="teachback-push-") as temporary:
        uploads = [
            prepare_upload(
                run, target, form, hub, found[form], Path(temporary), is_public
            )
            for form in target.forms
        ]
        if confirm is not None:
            confirm(uploads)
        return HubPush(tuple(push_upload(hub, upload) for upload in uploads))


def find_checked_repo(
    hub: HubConnection, repo_id: str, form: str, is_public: bool
) -> FoundRepo | None:
    """Raises ConfigError for a repository that all can read, unless that is wanted."""
    repo_type = find_repo_type(form)
    found = hub.find_repo(repo_id, repo_type)
    if found and not found.is_private and not is_public:
        raise ConfigError(
            f"the {repo_type} {repo_id} is public",
            got="no --public",
            fix="add --public, if everybody may read it; or use another name",
        )
    return found


def prepare_upload(
    run: ExportedRun,
    target: HubTarget,
    form: str,
    hub: HubConnection,
    found: FoundRepo | None,
    temporary: Path,
    is_public: bool,
) -> HubUpload:
    """Export the run with its card into a folder of its own."""
    folder = temporary / form
    if FORMS[form].file_name:
        folder.mkdir()
    has_rows = any(find_repo_type(name) == "dataset" for name in target.forms)
    export_run(
        run,
        form,
        folder,
        card=True,
        repo_id=target.repo_id,
        dataset=target.repo_id if has_rows else None,
    )
    sizes = {
        path.relative_to(folder).as_posix(): path.stat().st_size
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
    return HubUpload(
        repo_id=target.repo_id,
        repo_type=find_repo_type(form),
        form=form,
        endpoint=hub.endpoint,
        is_private=not is_public if found is None else found.is_private,
        is_new=found is None,
        folder=folder,
        sizes=sizes,
        replaced=frozenset(sizes) & (found.files if found else frozenset()),
    )


def push_upload(hub: HubConnection, upload: HubUpload) -> PushedRepo:
    if upload.is_new:
        hub.create_repo(upload.repo_id, upload.repo_type, is_private=upload.is_private)
    message = f"teachback export --to {upload.form}"
    url = hub.upload_folder(upload.repo_id, upload.repo_type, upload.folder, message)
    return PushedRepo(
        upload.repo_id,
        upload.repo_type,
        upload.form,
        upload.is_private,
        tuple(upload.sizes),
        url,
    )


def describe_upload(upload: HubUpload) -> Iterator[str]:
    """What would be pushed, for a person to read: the card as it is, then files and place."""
    yield from upload.card.splitlines()
    yield ""
    state = "new" if upload.is_new else "there already"
    yield (
        f"to {upload.endpoint}: the {upload.repo_type} {upload.repo_id}, "
        f"{describe_visibility(upload.is_private)}, {state}"
    )
    yield from align_columns(
        [
            (name, f"{size:,} bytes", "replaces it" if name in upload.replaced else "")
            for name, size in upload.sizes.items()
        ]
    )


def describe_visibility(is_private: bool) -> str:
    return "private" if is_private else "public"
