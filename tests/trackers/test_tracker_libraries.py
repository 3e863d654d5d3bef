"""Each tracker's own reader finds what the run's files say: once, also after a second start."""

import importlib
import os
import struct
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from teachback.testing import fake_run
from teachback.trackers import TRACKERS
from tracking import expected_metrics, track_run

ROOT = Path(__file__).parents[2]
# The others take seconds to load, and hundreds of megabytes.
QUICK = ("tensorboard",)
PAGE = "<!doctype html><p>the report"
GROUP = "versus"


class Recorded(NamedTuple):
    """What a tracker has of a run."""

    # By metric: (step, value) in the order in which they are kept.
    points: Mapping[str, list[tuple[int, float]]]
    params: Mapping[str, str]
    # None: the tracker keeps no groups, or no files.
    group: str | None
    report: str | None
    n_runs: int


def read_tensorboard(run: Path) -> Recorded:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(run / "tensorboard"))
    events.Reload()
    tags = events.Tags()
    points = {
        name: [(point.step, point.value) for point in events.Scalars(name)]
        for name in tags["scalars"]
    }
    (config,) = events.Tensors("config")
    lines = config.tensor_proto.string_val[0].decode().splitlines()
    params = dict(line.strip().split(": ", 1) for line in lines)
    n_files = len([*(run / "tensorboard").iterdir()])
    return Recorded(points, params, None, None, n_files)


def read_mlflow(run: Path) -> Recorded:
    from mlflow import MlflowClient

    client: Any = MlflowClient()
    (experiment,) = [e for e in client.search_experiments() if e.name == "teachback"]
    found = client.search_runs([experiment.experiment_id])
    kept = found[0]
    points = {
        name: [
            (point.step, point.value)
            for point in client.get_metric_history(kept.info.run_id, name)
        ]
        for name in kept.data.metrics
    }
    page = client.download_artifacts(kept.info.run_id, "report.html")
    return Recorded(
        points,
        kept.data.params,
        kept.data.tags["teachback_group"],
        Path(page).read_text(),
        len(found),
    )


def read_trackio(run: Path) -> Recorded:
    import trackio
    from trackio.sqlite_storage import SQLiteStorage

    runs = trackio.Api().runs("teachback")
    kept = runs[0]
    points: dict[str, list[tuple[int, float]]] = {}
    for line in SQLiteStorage.get_logs("teachback", kept.name):
        for name in line.keys() - {"step", "timestamp"}:
            points.setdefault(name, []).append((line["step"], line[name]))
    blobs = Path(os.environ["TRACKIO_DIR"], "artifacts").rglob("blobs/sha256/*/*")
    (page,) = (blob.read_text() for blob in blobs)
    config = dict(kept.config or {})
    return Recorded(points, config, config["_Group"], page, len(runs))


def read_wandb(run: Path) -> Recorded:
    """Offline each start writes a folder of its own with all steps: the last one."""
    from wandb.proto.wandb_internal_pb2 import Record

    folders = sorted(Path(os.environ["WANDB_DIR"], "wandb").glob("offline-run-*"))
    (log,) = folders[-1].glob("*.wandb")
    points: dict[str, list[tuple[int, float]]] = {}
    params: dict[str, str] = {}
    groups, artifacts = [], []
    for content in read_log_records(log.read_bytes()):
        record = Record.FromString(content)
        items = {item.key or "/".join(item.nested_key): item.value_json
                 for item in record.history.item}  # fmt: skip
        step = record.history.step.num
        for name in [key for key in items if not key.startswith("_")]:
            points.setdefault(name, []).append((step, float(items[name])))
        for update in record.config.update:
            key = update.key or ".".join(update.nested_key)
            params[key] = update.value_json.strip('"')
        groups += [record.run.run_group] if record.run.run_group else []
        artifacts += [
            Path(entry.local_path).read_text()
            for entry in record.request.log_artifact.artifact.manifest.contents
        ]
        artifacts += [
            Path(entry.local_path).read_text()
            for entry in record.artifact.manifest.contents
        ]
    ids = {folder.name.rpartition("-")[2] for folder in folders}
    return Recorded(points, params, groups[-1], artifacts[-1], len(ids))


def read_log_records(content: bytes) -> Iterator[bytes]:
    """The records of a LevelDB log: blocks of 32 KiB, with parts of records in them."""
    at, block, record = 7, 32768, b""
    while at + 7 <= len(content):
        room = block - at % block
        if room < 7:
            at += room
            continue
        _, length, kind = struct.unpack("<IHB", content[at : at + 7])
        record += content[at + 7 : at + 7 + length]
        at += 7 + length
        if kind in (1, 4):  # the whole of a record, or its end
            yield record
            record = b""


READERS: dict[str, Callable[[Path], Recorded]] = {
    "tensorboard": read_tensorboard,
    "mlflow": read_mlflow,
    "trackio": read_trackio,
    "wandb": read_wandb,
}


@pytest.fixture(
    params=[
        pytest.param(name, marks=[] if name in QUICK else pytest.mark.slow)
        for name in TRACKERS
    ]
)
def tracker(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> str:
    """Its name, if it is installed. It keeps everything below tmp_path."""
    name: str = request.param
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_DIR", str(tmp_path))
    monkeypatch.setenv("TRACKIO_DIR", str(tmp_path / "trackio"))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mlflow.db")
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
    monkeypatch.chdir(tmp_path)
    pytest.importorskip(name)  # some read the environment when they are loaded
    return name


@pytest.mark.filterwarnings("default")  # of the readers' libraries
def test_its_own_reader_finds_every_step_once(
    tracker: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    fake_run(run, rounds=2)
    track_run(run, tracker, group=GROUP)
    fake_run(run, rounds=3)  # the same run goes on
    (run / "report.html").write_text(PAGE)
    track_run(run, tracker, group=GROUP)
    assert capsys.readouterr() == ("", "")

    recorded = READERS[tracker](run)
    assert recorded.n_runs == 1
    assert recorded.params["task.name"] == "prontoqa"
    assert recorded.group in (GROUP, None)
    assert recorded.report in (PAGE, None)
    assert (recorded.group is None) == (tracker == "tensorboard")
    assert [step for step, _ in recorded.points["accuracy"]] == [0, 1, 2, 3]
    assert [step for step, _ in recorded.points["accepted"]] == [1, 2, 3]
    for step in range(4):
        expected = expected_metrics(run, step)
        found = {name: dict(recorded.points[name])[step] for name in expected}
        assert found == pytest.approx(expected, rel=1e-6)  # float32 in TensorBoard


@pytest.mark.parametrize("name", TRACKERS)
def test_loading_the_registry_loads_no_library(name: str) -> None:
    module = importlib.import_module(f"teachback.trackers.{name}")
    assert not {name} & vars(module).keys()
    assert module.__name__ in sys.modules


@pytest.mark.slow
def test_mlflow_in_an_environment_of_its_own(tmp_path: Path) -> None:
    """It wants an older pyarrow than the tests run with. It needs the package index."""
    if find_spec("mlflow"):
        pytest.skip("it is installed here, and the test above has run it")
    python = tmp_path / "venv/bin/python"
    subprocess.run([sys.executable, "-m", "venv", tmp_path / "venv"], check=True)
    packages = [f"{ROOT}[mlflow]", "hypothesis", "pytest"]
    subprocess.run([python, "-m", "pip", "install", "-q", *packages], check=True)
    chosen = ["-m", "slow", "-k", "own_reader and mlflow"]
    done = subprocess.run(
        [python, "-m", "pytest", *chosen, __file__], cwd=ROOT, capture_output=True
    )
    # 5: no test was chosen.
    assert done.returncode == 0, done.stdout.decode()
