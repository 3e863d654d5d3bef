"""A student behind a real server: over HTTP, from another process, the answers that it gives
here.
"""

import sys
from collections.abc import Iterator
from pathlib import Path
from random import Random
from statistics import fmean

import pytest
import torch

from serving_student import merged
from teachback.endpoints.http_client import RequestLimits
from teachback.student.attempt import AttemptRequest, answer_questions
from teachback.student.chat import Chat, prompt_ids
from teachback.student.decode import decode_batch
from teachback.student.engines.completion import DecodingOptions
from teachback.student.engines.process import call_server, read_model_names
from teachback.student.engines.requests import (
    CompletionRequest,
    request_completions,
)
from teachback.student.engines.server import (
    WeightlessStudent,
    answer_on_server,
    draw_seed,
    load_weightless_student,
    summarise_server_answer,
)
from teachback.student.engines.serving import StudentServer
from teachback.student.inference import InferenceModel, load_for_inference
from teachback.student.loading import load_student
from teachback.student.sampling import Sampling
from teachback.testing import tiny_student
from teachback.types import Attempt

pytestmark = pytest.mark.filterwarnings(
    "ignore:`is_gradient_checkpointing`:FutureWarning"
)  # peft asks it

CHAT = Chat(system="Be brief.")
QUESTIONS = [
    "Why?",
    "What is two and two, and why is that so?",
    "Tell me about tea.",
    "x" * 60,
    "Go.",
    "Äpfel 茶?",
]
REQUESTS = [AttemptRequest(str(i), question) for i, question in enumerate(QUESTIONS)]
COMMAND = (
    f"{sys.executable} {Path(__file__).parents[1] / 'serving_student.py'} {{path}} --port "
    f"{{port}}"
)


@pytest.fixture(scope="module")
def serving(
    tiny: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[StudentServer]:
    log = tmp_path_factory.mktemp("server") / "server.log"
    with StudentServer(
        tiny, log, COMMAND, limits=RequestLimits(in_flight=8, tries=2, deadline_s=60)
    ) as serving:
        yield serving


@pytest.fixture(scope="module")
def here(tiny: Path) -> InferenceModel:
    return load_for_inference(tiny)


@pytest.fixture(scope="module")
def student(tiny: Path) -> WeightlessStudent:
    return load_weightless_student(tiny)


def alike(ours: list[Attempt], theirs: list[Attempt]) -> bool:
    for signal in ("nll", "max_nll", "gap"):
        assert [getattr(a, signal) for a in ours] == pytest.approx(
            [getattr(a, signal) for a in theirs], abs=1e-4
        )
    return [said(a) for a in ours] == [said(a) for a in theirs]


def said(attempt: Attempt) -> tuple[str, str, int, bool]:
    return attempt.id, attempt.text, attempt.n_tokens, attempt.truncated


def test_a_reader_is_a_student_without_weights(
    student: WeightlessStudent, here: InferenceModel
) -> None:
    assert student.ends == here.ends
    assert all(
        prompt_ids(student, CHAT, q) == prompt_ids(here, CHAT, q) for q in QUESTIONS
    )


def test_the_attempts_are_those_of_the_student_itself(
    serving: StudentServer, student: WeightlessStudent, here: InferenceModel
) -> None:
    found = answer_on_server(serving.use(serving.base), student, CHAT, REQUESTS, 40)
    assert alike(found, answer_questions(here, CHAT, REQUESTS, 40).attempts)
    assert {a.truncated for a in found} == {True, False}, (
        "answers that end and answers that don't, or less is shown"
    )


def test_many_in_flight_come_back_in_the_callers_order(
    serving: StudentServer, student: WeightlessStudent, here: InferenceModel
) -> None:
    asked = [AttemptRequest(f"{i}", f"{'Count. ' * (i % 7)}{i}?") for i in range(40)]
    found = answer_on_server(serving.use(serving.base), student, CHAT, asked, 12)
    assert [a.id for a in found] == [q.id for q in asked]
    assert alike(found, answer_questions(here, CHAT, asked, 12).attempts)


def test_every_token_has_its_nll_and_its_gap(
    serving: StudentServer, student: WeightlessStudent, here: InferenceModel
) -> None:
    prompt = prompt_ids(here, CHAT, QUESTIONS[1])
    ((found,),) = request_completions(
        serving.use(serving.base),
        student,
        [CompletionRequest(prompt)],
        DecodingOptions(24),
    )
    assert found.gap is not None
    with torch.no_grad():
        logits_T_V = here.model(torch.tensor([prompt + found.tokens])).logits[
            0, len(prompt) - 1 : -1
        ]
    top_T_2 = logits_T_V.softmax(-1).topk(2).values
    assert found.gap == pytest.approx(
        (top_T_2[:, 0] - top_T_2[:, 1]).tolist(), abs=1e-4
    )
    assert found.tokens == decode_batch(here, [prompt], 24)[0].tokens
    (attempt,) = answer_on_server(
        serving.use(serving.base), student, CHAT, REQUESTS[1:2], 24
    )
    assert (attempt.max_nll, attempt.gap) == pytest.approx(
        (max(found.nll), fmean(found.gap)), abs=1e-6
    )
    assert (attempt.entropy, attempt.egl) == (None, None)


def test_a_stop_text_ends_the_answer_and_is_left_out(
    serving: StudentServer, student: WeightlessStudent, here: InferenceModel
) -> None:
    (whole,) = answer_questions(here, CHAT, REQUESTS[1:2], 24).attempts
    stop = next(c for c in whole.text[4:] if c.isascii())
    (found,) = answer_on_server(
        serving.use(serving.base), student, CHAT, REQUESTS[1:2], 24, stop=[stop]
    )
    assert alike(
        [found], answer_questions(here, CHAT, REQUESTS[1:2], 24, stop=[stop]).attempts
    )
    assert found.text == whole.text[: whole.text.index(stop)]
    assert not found.truncated
    assert found.n_tokens < whole.n_tokens


def test_sampled_answers_are_a_function_of_their_streams(
    serving: StudentServer, student: WeightlessStudent, here: InferenceModel
) -> None:
    server = serving.use(serving.base)

    def sampled(seeds: list[int], temperature: float = 1.5) -> list[Attempt]:
        streams = Sampling(temperature, [Random(s) for s in seeds])
        return answer_on_server(server, student, CHAT, REQUESTS[:3], 16, streams)

    first = sampled([1, 2, 3])
    assert alike(sampled([1, 2, 3]), first)
    assert [
        said(a) == said(b) for a, b in zip(sampled([1, 9, 3]), first, strict=True)
    ] == [
        True,
        False,
        True,
    ]


def test_k_samples_are_one_request_each_another_answer(
    serving: StudentServer, student: WeightlessStudent
) -> None:
    server = serving.use(serving.base)
    requests = REQUESTS[:2]

    def draw_samples(k: int) -> list[list[Attempt]]:
        """k answers to each question, by one request each: its prompt is read once."""
        completions = [
            CompletionRequest(
                prompt_ids(student, CHAT, request.message), k, draw_seed(stream)
            )
            for request, stream in zip(requests, (Random(5), Random(6)), strict=True)
        ]
        decoding = DecodingOptions(16, temperature=1.0)
        samples = []
        answer_rows = request_completions(server, student, completions, decoding)
        for request, answers in zip(requests, answer_rows, strict=True):
            samples.append(
                [summarise_server_answer(student, request.id, one) for one in answers]
            )
        return samples

    four = draw_samples(4)
    assert [[a.id for a in attempts] for attempts in four] == [["0"] * 4, ["1"] * 4]
    assert all(len({a.text for a in attempts}) > 1 for attempts in four)
    for attempts, fewer in zip(four, draw_samples(2), strict=True):
        assert alike(attempts[:2], fewer), (
            "the j-th answer doesn't depend on how many there are"
        )
    sampling = Sampling(1.0, [Random(5), Random(6)])
    single = answer_on_server(server, student, CHAT, requests, 16, sampling)
    assert alike([attempts[0] for attempts in four], single)


@pytest.fixture(scope="module")
def adapters(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two of them, both with weights that change the answers."""
    from peft import LoraConfig, get_peft_model

    folders = [tmp_path_factory.mktemp("adapters") / name for name in ("one", "two")]
    for seed, folder in enumerate(folders):
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            config = LoraConfig(
                r=2, target_modules=["q_proj", "down_proj"], init_lora_weights=False
            )
            get_peft_model(load_student(tiny).model, config).save_pretrained(folder)
    return folders


def test_each_rounds_adapter_has_a_name_of_its_own(
    serving: StudentServer,
    student: WeightlessStudent,
    here: InferenceModel,
    adapters: list[Path],
    tiny: Path,
) -> None:
    names = []
    unlike = [a.text for a in answer_questions(here, CHAT, REQUESTS, 12).attempts]
    for adapter in adapters:
        server = serving.use(adapter)
        names.append(server.model)
        found = answer_on_server(server, student, CHAT, REQUESTS, 12)
        assert alike(
            found, answer_questions(merged(tiny, adapter), CHAT, REQUESTS, 12).attempts
        )
        assert [a.text for a in found] != unlike
    base = serving.use(serving.base)
    listed = read_model_names(
        call_server(f"{base.base_url}/models", RequestLimits()).body
    )
    assert listed == [base.model, names[1]], "the former round's is unloaded"
    found = answer_on_server(base, student, CHAT, REQUESTS, 12)
    assert [a.text for a in found] == unlike, "the base answers as before"


def test_a_server_that_runs_already_is_given_the_students(
    serving: StudentServer, student: WeightlessStudent, tmp_path: Path, tiny: Path
) -> None:
    other = tiny_student(tmp_path / "other", seed=5)
    url = serving.use(serving.base).base_url
    expected = answer_questions(load_for_inference(other), CHAT, REQUESTS, 12).attempts
    given = StudentServer(
        tiny, tmp_path / "log", base_url=url, model=serving.use(serving.base).model
    )
    loaded = given.use(other)
    assert alike(answer_on_server(loaded, student, CHAT, REQUESTS, 12), expected)
    again = StudentServer(tiny, tmp_path / "log", base_url=url + "/")
    assert again.use(other).model == loaded.model, (
        "what a killed run left there is the same student"
    )
    assert again.use(tiny).model == serving.use(serving.base).model, (
        "and it is not taken for the base"
    )
    given.stop()
    assert loaded.model not in read_model_names(
        call_server(f"{url}/models", RequestLimits()).body
    )
    assert not (tmp_path / "log").exists()
