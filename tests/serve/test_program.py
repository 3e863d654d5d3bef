"""The program behind the rehearsal server gives the program teacher's exercises.

The official client can read its answers.
"""

import asyncio
import json
import re
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from teachback.errors import ConfigError
from teachback.rng import draw
from teachback.serve import program as served
from teachback.serve.additions import addition_teacher
from teachback.serve.faults import Fault
from teachback.serve.messages import (
    RehearsalTeacher,
    TeacherReply,
    UnanswerableRequest,
    count_words,
)
from teachback.serve.pace import NO_LATENCY
from teachback.serve.program import (
    program_teacher,
    serve_task_program,
    template_pattern,
)
from teachback.serve.server import run_server
from teachback.serve.service import RehearsalOptions
from teachback.tasks import prontoqa
from teachback.teachers.program import ProgramTeacher

SHIPPED = Path(prontoqa.__file__).parents[1] / "teachers/prompts/neutral"
TASK = prontoqa.load_prontoqa(path=None, hops=(1, 5), seeds=20, dev=1, test=1, seed=7)
DRAW = partial(draw, 3, 0)
PROGRAM = ProgramTeacher(TASK, DRAW, count_words)
TEMPLATES = {
    "question": (SHIPPED / "question.txt").read_text(),
    "answer": (SHIPPED / "answer.txt").read_text(),
    "pair": "Like this:\n{question}\nNumber {n}. Both, please.\n",
    "question_with_attempt": (
        "Like this:\n{question}\nIt was answered:\n{attempt}\nNumber {n}, of {question}"
    ),
}


def fill(name: str, **fields: object) -> str:
    return re.sub(r"\{(\w+)\}", lambda match: str(fields[match[1]]), TEMPLATES[name])


def teacher(**templates: str) -> RehearsalTeacher:
    return program_teacher(TASK, DRAW, templates or TEMPLATES, prontoqa.solve_prontoqa)


def ask(teacher: RehearsalTeacher, prompt: str) -> TeacherReply:
    reply = teacher(
        [
            {"role": "system", "content": "Be exact."},
            {"role": "user", "content": prompt},
        ]
    )
    assert isinstance(reply, TeacherReply)
    return reply


def tagged(text: str, tag: str) -> str:
    return text.rpartition(f"<{tag}>")[2].rpartition(f"</{tag}>")[0].strip()


@pytest.mark.parametrize("n", [0, 3])
def test_it_gives_the_program_teachers_exercises_in_any_form(n: int) -> None:
    answers, restarted = teacher(), teacher()
    for seed in TASK.seeds:
        question, text, _ = PROGRAM.write_exercise(seed, n)
        reply = ask(answers, fill("question", question=seed.question, n=n))
        assert (tagged(reply.text, "question"), *reply[1:]) == (
            question,
            "question",
            seed.id,
            n,
        )
        assert ask(answers, fill("answer", question=question)) == (
            text,
            "answer",
            seed.id,
            n,
        )
        # Another process set it: the proof is found anew, and is the same.
        assert ask(restarted, fill("answer", question=question)) == (
            text,
            "answer",
            None,
            None,
        )
        pair = ask(answers, fill("pair", question=seed.question, n=n)).text
        assert (tagged(pair, "question"), tagged(pair, "solution")) == (question, text)
        attempt = "No idea.\nNumber 5\nIt was answered:\n" + seed.question
        shown = ask(
            answers,
            fill("question_with_attempt", question=seed.question, n=n, attempt=attempt),
        )
        assert tagged(shown.text, "question") == question


@given(st.text(), st.integers(0, 999_999), st.text(alphabet="{}n question\n.*\\1"))
def test_a_template_is_turned_round(question: str, n: int, around: str) -> None:
    template = (
        f"{around.replace('{', '{ ')} Like {{question}} ({{n}}) again: {{question}}."
    )
    filled = re.sub(
        r"\{(question|n)\}",
        lambda found: {"question": question, "n": str(n)}[found[1]],
        template,
    )
    match = template_pattern(template, {"question", "n"}).fullmatch(filled.strip())
    assert match is not None
    assert (match["question"], match["n"]) == (question, str(n))


def test_what_it_does_not_know_gets_400_in_openais_form() -> None:
    unknown = fill("question", question="True or false: Max is red.", n=0)
    unsolved = fill(
        "answer", question="Every wumpus is red.\nTrue or false: Max is red."
    )
    far = fill("question", question=TASK.seeds[0].question, n=999_999)
    with run_server(RehearsalOptions(teacher())) as server:
        for prompt, why in (
            ("Hello?", "not made from"),
            (unknown, "none that this"),
            (unsolved, "none that this"),
        ):
            status, error = post(server.base_url, prompt)
            assert status == 400
            assert error.keys() == {"message", "type", "param", "code"}
            assert why in error["message"]
    small = {"question": TEMPLATES["question"], "answer": TEMPLATES["answer"]}
    with pytest.raises(UnanswerableRequest, match="not made from"):
        ask(teacher(**small), fill("pair", question=TASK.seeds[0].question, n=0))
    with pytest.raises(UnanswerableRequest, match="different exercises"):
        ask(teacher(), far)


def test_the_log_says_whose_request_it_was_even_where_a_fault_eats_it(
    tmp_path: Path,
) -> None:
    log, seed = tmp_path / "log", TASK.seeds[0]
    with run_server(
        RehearsalOptions(
            teacher(), [Fault("status", 400, '{"error": {}}')] * 2, log_path=log
        )
    ) as server:
        for prompt in fill("question", question=seed.question, n=2), "Hello?":
            post(server.base_url, prompt)
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert [(line["role"], line["seed"], line["n"]) for line in lines] == [
        ("question", seed.id, 2),
        (None,) * 3,
    ]
    assert [(line["fault"], line["status"], line["usage"]) for line in lines] == [
        ("status", 400, None)
    ] * 2


def test_the_shipped_prompts_are_turned_round() -> None:
    seed, shipped = (
        TASK.seeds[0],
        sorted(path for path in SHIPPED.parent.iterdir() if path.is_dir()),
    )
    for folder in shipped:
        templates = {path.stem: path.read_text() for path in folder.iterdir()}
        for name in templates.keys() - {"answer"}:
            values = {
                "question": seed.question,
                "n": "1",
                "attempt": "Max is {n}.\nAnswer: True",
            }
            prompt = re.sub(
                r"\{(\w+)\}",
                lambda found, values=values: values[found[1]],
                templates[name],
            )
            question, _, _ = PROGRAM.write_exercise(seed, 1)
            assert (
                tagged(ask(teacher(**templates), prompt).text, "question") == question
            ), (
                folder,
                name,
            )


def test_additions_in_any_form() -> None:
    said = addition_teacher(
        [{"content": "One in <question> tags, its solution in <solution> tags."}]
    )
    numbers = re.findall(r"\d+", tagged(said, "question"))
    assert tagged(said, "solution") == addition_teacher(
        [{"content": f"Solve: {' + '.join(numbers)}"}]
    )
    assert tagged(said, "solution").endswith(f"Answer: {sum(map(int, numbers))}")


def test_templates_that_cannot_be_turned_round_are_refused() -> None:
    bad: list[Mapping[str, str]] = [
        {"questions": "{question} {n}"},
        {"question": "{question}"},
        {"answer": "Solve."},
        {"answer": "{question} {n}"},
    ]
    for templates in bad:
        with pytest.raises(ConfigError, match="template"):
            teacher(**templates)


def test_serve_program_serves_it(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Any] = []
    monkeypatch.setattr(
        served,
        "serve_until_stopped",
        lambda service, port: seen.append((service, port)),
    )
    options: Any = {
        "port": 8001,
        "faults": [Fault("hang")],
        "latency_s": NO_LATENCY,
        "limit": None,
        "api_key": "k",
    }
    serve_task_program(TASK, DRAW, TEMPLATES, prontoqa.solve_prontoqa, **options)
    ((service, port),) = seen
    assert (port, service.faults, service.api_key, service.keep_requests) == (
        8001,
        [Fault("hang")],
        "k",
        False,
    )
    assert (
        ask(
            service.teacher, fill("question", question=TASK.seeds[0].question, n=0)
        ).seed
        == TASK.seeds[0].id
    )


def post(base_url: str, prompt: str) -> tuple[int, dict[str, Any]]:
    openai = pytest.importorskip("openai")
    with (
        openai.OpenAI(base_url=base_url, api_key="x", max_retries=0) as client,
        pytest.raises(openai.APIStatusError) as caught,
    ):
        client.chat.completions.create(
            model="m", messages=[{"role": "user", "content": prompt}]
        )
    return caught.value.status_code, json.loads(caught.value.response.text)["error"]


def test_the_official_client_reads_it() -> None:
    openai = pytest.importorskip("openai")
    seed = TASK.seeds[0]
    question, text, _ = PROGRAM.write_exercise(seed, 0)
    faults = [
        None,
        Fault("refusal"),
        Fault("content filter"),
        Fault("status", 500),
        None,
    ]
    asked: dict[str, Any] = {
        "model": "m",
        "max_tokens": 900,
        "messages": [{"role": "user", "content": ""}],
    }
    asked["messages"][0]["content"] = fill("pair", question=seed.question, n=0)

    async def again(base_url: str) -> Any:
        async with openai.AsyncOpenAI(base_url=base_url, api_key="k") as client:
            return await client.chat.completions.create(**asked)

    with run_server(
        RehearsalOptions(teacher(), faults, api_key="k", model="prontoqa")
    ) as server:
        with openai.OpenAI(base_url=server.base_url, api_key="k") as client:
            good, refused, filtered = (
                client.chat.completions.create(**asked) for _ in range(3)
            )
            assert [model.id for model in client.models.list()] == ["prontoqa"]
        tried_again = asyncio.run(again(server.base_url))
        with (
            openai.OpenAI(base_url=server.base_url, api_key="sk-other") as client,
            pytest.raises(openai.AuthenticationError, match="sk-other"),
        ):
            client.chat.completions.create(**asked)
    for completion in good, tried_again:
        assert tagged(completion.choices[0].message.content, "solution") == text
        assert question in completion.choices[0].message.content
        # Every field is there, and of its type: the client itself checks nothing.
        type(completion).model_validate(completion.model_dump(), strict=True)
        assert completion.usage.completion_tokens == count_words(
            completion.choices[0].message.content
        )
        assert completion.usage.prompt_tokens_details.cached_tokens == 0
        assert completion.usage.completion_tokens_details.reasoning_tokens == 0
    assert refused.choices[0].message.content is None
    assert refused.choices[0].message.refusal
    assert filtered.choices[0].finish_reason == "content_filter"
    assert server.calls == 6
