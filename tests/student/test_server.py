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


def attempts_agree(attempts: list[Attempt], expected: list[Attempt]) -> bool:
    for signal in ("nll", "max_nll", "gap"):
        assert [getattr(a, signal) for a in attempts] == pytest.approx(
            [getattr(a, signal) for a in expected], abs=1e-4
        )
    return [summarise(a) for a in attempts] == [summarise(a) for a in expected]


def summarise(attempt: Attempt) -> tuple[str, str, int, bool]:
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
    attempts = answer_on_server(serving.use(serving.base), student, CHAT, REQUESTS, 40)
    assert attempts_agree(attempts, answer_questions(here, CHAT, REQUESTS, 40).attempts)
    assert {a.truncated for a in attempts} == {True, False}, (
        "answers that end and answers that don't, or less is shown"
    )


def test_many_in_flight_come_back_in_the_callers_order(
    serving: StudentServer, student: WeightlessStudent, here: InferenceModel
) -> None:
    requests = [AttemptRequest(f"{i}", f"{'Count. ' * (i % 7)}{i}?") for i in range(40)]
    attempts = answer_on_server(serving.use(serving.base), student, CHAT, requests, 12)
    assert [a.id for a in attempts] == [q.id for q in requests]
    assert attempts_agree(attempts, answer_questions(here, CHAT, requests, 12).attempts)


def test_every_token_has_its_nll_and_its_gap(
    serving: StudentServer, student: WeightlessStudent, here: InferenceModel
) -> None:
    prompt = prompt_ids(here, CHAT, QUESTIONS[1])
    ((answer,),) = request_completions(
        serving.use(serving.base),
        student,
        [CompletionRequest(prompt)],
        DecodingOptions(24),
    )
    assert answer.gap is not None
    with torch.no_grad():
        logits_T_V = here.model(torch.tensor([prompt + answer.tokens])).logits[
            0, len(prompt) - 1 : -1
        ]
    top_T_2 = logits_T_V.softmax(-1).topk(2).values
    assert answer.gap == pytest.approx(
        (top_T_2[:, 0] - top_T_2[:, 1]).tolist(), abs=1e-4
    )
    assert answer.tokens == decode_batch(here, [prompt], 24)[0].tokens
    (attempt,) = answer_on_server(
        serving.use(serving.base), student, CHAT, REQUESTS[1:2], 24
    )
    assert (attempt.max_nll, attempt.gap) == pytest.approx(
        (max(answer.nll), fmean(answer.gap)), abs=1e-6
    )
    assert (attempt.entropy, attempt.egl) == (None, None)


def test_a_stop_text_ends_the_answer_and_is_left_out(
    serving: StudentServer, student: WeightlessStudent, here: InferenceModel
) -> None:
    (whole,) = answer_questions(here, CHAT, REQUESTS[1:2], 24).attempts
    stop = next(c for c in whole.text[4:] if c.isascii())
    (attempt,) = answer_on_server(
        serving.use(serving.base), student, CHAT, REQUESTS[1:2], 24, stop=[stop]
    )
    assert attempts_agree(
        [attempt], answer_questions(here, CHAT, REQUESTS[1:2], 24, stop=[stop]).attempts
    )
    assert attempt.text == whole.text[: whole.text.index(stop)]
    assert not attempt.truncated
    assert attempt.n_tokens < whole.n_tokens


def test_sampled_answers_are_a_function_of_their_streams(
    serving: StudentServer, student: WeightlessStudent, here: InferenceModel
) -> None:
    server = serving.use(serving.base)

    def sample_answers(seeds: list[int], temperature: float = 1.5) -> list[Attempt]:
        sampling = Sampling(temperature, [Random(s) for s in seeds])
        return answer_on_server(server, student, CHAT, REQUESTS[:3], 16, sampling)

    attempts = sample_answers([1, 2, 3])
    assert attempts_agree(sample_answers([1, 2, 3]), attempts)
    assert [
        summarise(a) == summarise(b)
        for a, b in zip(sample_answers([1, 9, 3]), attempts, strict=True)
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
    for request, attempts, fewer in zip(requests, four, draw_samples(2), strict=True):
        assert [attempt.id for attempt in attempts] == [request.id] * 4
        assert len({attempt.text for attempt in attempts}) > 1
        assert attempts_agree(attempts[:2], fewer), (
            "the j-th answer doesn't depend on how many there are"
        )
    sampling = Sampling(1.0, [Random(5), Random(6)])
    single = answer_on_server(server, student, CHAT, requests, 16, sampling)
    assert attempts_agree([attempts[0] for attempts in four], single)


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
    base_texts = [a.text for a in answer_questions(here, CHAT, REQUESTS, 12).attempts]
    for adapter in adapters:
        server = serving.use(adapter)
        names.append(server.model)
        attempts = answer_on_server(server, student, CHAT, REQUESTS, 12)
        assert attempts_agree(
            attempts,
            answer_questions(merged(tiny, adapter), CHAT, REQUESTS, 12).attempts,
        )
        assert [a.text for a in attempts] != base_texts
    base = serving.use(serving.base)
    listed_names = read_model_names(
        call_server(f"{base.base_url}/models", RequestLimits()).body
    )
    assert listed_names == [base.model, names[1]], "the former round's is unloaded"
    attempts = answer_on_server(base, student, CHAT, REQUESTS, 12)
    assert [a.text for a in attempts] == base_texts, "the base answers as before"


def test_a_server_that_runs_already_is_given_the_students(
    serving: StudentServer, student: WeightlessStudent, tmp_path: Path, tiny: Path
) -> None:
    other_student = tiny_student(tmp_path / "other", seed=5)
    url = serving.use(serving.base).base_url
    expected_attempts = answer_questions(
        load_for_inference(other_student), CHAT, REQUESTS, 12
    ).attempts
    client = StudentServer(
        tiny, tmp_path / "log", base_url=url, model=serving.use(serving.base).model
    )
    target = client.use(other_student)
    assert attempts_agree(
        answer_on_server(target, student, CHAT, REQUESTS, 12), expected_attempts
    )
    second_client = StudentServer(tiny, tmp_path / "log", base_url=url + "/")
    assert second_client.use(other_student).model == target.model, (
        "what a killed run left there is the same student"
    )
    assert second_client.use(tiny).model == serving.use(serving.base).model, (
        "and it is not taken for the base"
    )
    client.stop()
    assert target.model not in read_model_names(
        call_server(f"{url}/models", RequestLimits()).body
    )
    assert not (tmp_path / "log").exists()
