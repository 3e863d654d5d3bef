"""Embeddings of questions: against the model's own hidden states, and kept so that a kill costs
one shard.
"""

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from teachback.run.directory import ROWS_PER_SHARD, Run
from teachback.student.attempt import AttemptRequest
from teachback.student.chat import Chat, prompt_ids
from teachback.student.embed import embed_questions
from teachback.student.inference import load_for_inference
from teachback.student.loading import load_student
from teachback.testing import tiny_student
from teachback.types import Reserve

QUESTIONS = [
    "Why?",
    "What is two and two, and why is that so?",
    "Tell me about tea.",
    "x" * 90,
    "Go.",
]
REQUESTS = [AttemptRequest(str(i), question) for i, question in enumerate(QUESTIONS)]
CHAT = Chat(system="Be brief.")


@pytest.mark.parametrize("architecture", ["llama", "qwen2", "mistral"])
def test_an_embedding_is_the_mean_of_the_last_hidden_states_over_the_prompt(
    architecture: str, tmp_path: Path
) -> None:
    student = load_for_inference(
        tiny_student(tmp_path, architecture=architecture, seed=3)
    )
    embedding_N_D = embed_questions(student, CHAT, REQUESTS)
    assert embedding_N_D.dtype == np.float32
    assert embedding_N_D.shape == (len(REQUESTS), 16)
    for question, embedding_D in zip(QUESTIONS, embedding_N_D, strict=True):
        with torch.no_grad():
            unpatched = load_student(tmp_path)
            output = unpatched.model(
                torch.tensor([prompt_ids(unpatched, CHAT, question)]),
                output_hidden_states=True,
            )
        hidden_T_D = output.hidden_states[-1][0]
        torch.testing.assert_close(
            unpatched.model.lm_head(hidden_T_D), output.logits[0]
        )  # these are after the norm
        np.testing.assert_allclose(embedding_D, hidden_T_D.numpy().mean(0), atol=1e-5)


def test_an_embedding_does_not_depend_on_its_batch(tiny: Path) -> None:
    student = load_for_inference(tiny)
    alone_N_D = np.concatenate(
        [embed_questions(student, CHAT, [request]) for request in REQUESTS]
    )
    assert np.abs(alone_N_D - alone_N_D[0]).max() > 0.1, (
        "embeddings that differ, or this test shows nothing"
    )
    for batch_tokens in (1, 150, 10_000):
        np.testing.assert_allclose(
            embed_questions(student, CHAT, REQUESTS, batch_tokens), alone_N_D, atol=1e-5
        )


def test_the_head_is_not_computed(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    student = load_for_inference(tiny)
    monkeypatch.setattr(student.model, "lm_head", None)
    assert embed_questions(student, CHAT, REQUESTS[:2]).shape == (2, 16)


CALLS = 2 * ROWS_PER_SHARD + 3


def run_reserve_step(run: Run, fn: Any) -> Reserve:
    rows = [f"r{i}" for i in range(CALLS)]
    return run.step(0, "reserve", lambda: Reserve(tuple(rows), run.map_array(fn, rows)))


def test_a_killed_step_goes_on_at_its_last_shard_and_is_read_back_without_torch(
    tmp_path: Path,
) -> None:
    first_ids: list[str] = []

    def compute_shard(shard: Sequence[str]) -> np.ndarray[Any, Any]:
        if shard[0] in first_ids or (
            len(first_ids) == 2 and not (tmp_path / "again").exists()
        ):
            raise KeyboardInterrupt
        first_ids.append(shard[0])
        return np.array([[float(id[1:]), 1.0] for id in shard])

    with Run(tmp_path) as run, pytest.raises(KeyboardInterrupt):
        run_reserve_step(run, compute_shard)
    (tmp_path / "again").touch()
    (tmp_path / "round-00/reserve/all.npy").write_bytes(
        b"of a start that was killed before its commit"
    )
    with Run(tmp_path) as run:
        file_names = sorted(
            path.name for path in (tmp_path / "round-00/reserve").iterdir()
        )
        reserve = run_reserve_step(run, compute_shard)
        embedding_N_D = run.load_array(reserve.embedding)
    assert file_names == [
        "000-all.npy",
        "000-all.npy.sha256",
        "001-all.npy",
        "001-all.npy.sha256",
    ], "a shard is a commit of its own; the rest was never named"
    assert embedding_N_D.dtype == np.float32
    assert embedding_N_D[:, 0].tolist() == [*range(CALLS)]
    assert [path.name for path in (tmp_path / "round-00/reserve").iterdir()] == [
        "all.npy"
    ], "shards go at the commit"
    code = (
        "import sys; from pathlib import Path; from teachback.run.directory import Run\n"
        f"with Run(Path({str(tmp_path)!r})) as run: kept = run.step(0, 'reserve', None)\n"
        f"assert run.load_array(kept.embedding).shape == ({CALLS}, 2); assert 'torch' not in "
        "sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
