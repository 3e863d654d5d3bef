"""`teachback init`: the config that it writes is one that can be read."""

from contextlib import suppress
from pathlib import Path

from ..build.task import make_task
from ..config.reading import read_config
from ..errors import ConfigError
from ..files.content import source_stem
from ..types import Task


def choose_config_file(rows: Path, to: Path | None, *, force: bool) -> Path:
    """Where the config of a file of rows goes. Raises ConfigError for a file that is there."""
    to = to or Path(f"{source_stem(rows)}.yaml")
    if to.exists() and not force:
        raise ConfigError(
            f"{to} is there already",
            fix="--out ANOTHER.yaml, or --force to write over it",
        )
    return to


def refuse_pool_endpoint(teacher: str | None, has_endpoint: bool) -> None:
    if teacher == "pool" and has_endpoint:
        raise ConfigError(
            "a pool has no model and no base-url",
            got="--teacher pool",
            fix="--teacher openai",
        )


def write_config(text: str, to: Path) -> Task:
    """Write a config, after it was read and its task was made. If that fails, nothing is
    written.
    """
    aside = to.with_name(f"{to.name}.tmp")
    try:
        to.parent.mkdir(parents=True, exist_ok=True)
        aside.write_text(text, encoding="utf-8")
        task = make_task(read_config(aside).task)
        aside.replace(to)
    except OSError as error:
        raise ConfigError(
            f"{to} can't be written: {error}", fix="--out ANOTHER.yaml"
        ) from error
    finally:
        with suppress(OSError):
            aside.unlink(missing_ok=True)
    return task
