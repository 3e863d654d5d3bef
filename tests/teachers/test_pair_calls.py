"""What a pair can be made of: one call or two, votes, a verifier, the student's attempt, a model
that thinks.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from loopback import Fault, Request, addition_teacher, count_words, loopback
from teachback.curate.verify import verify_draft
from teachback.endpoints.encoding import encode_json
from teachback.endpoints.endpoint import Endpoint
from teachback.ledger.costs import Budget, Price
from teachback.ledger.ledger import Ledger
from teachback.teachers import openai
from teachback.teachers.prompts import MAX_ATTEMPT_BYTES, Prompts, cut_attempt
from teachback.types import Draft, Example, Grade, Task
from teaching import PROMPTS, SEEDS, buy, pair_calls, rows

ONE = Prompts(
    None,
    "Solve: {question}",
    "e" * 64,
    pair="Like {question}, number {n}: <question> and <solution>.",
)
SEEN = replace(
    PROMPTS,
    question_with_attempt="<question>{question}</question> {n}, answered wrongly: {attempt}",
)


def count(role: str, path: Path) -> int:
    return int(rows(path, f"SELECT count(*) FROM calls WHERE role LIKE '{role}'")[0][0])


def test_one_call_brings_question_and_answer(path: Path) -> None:
    with loopback() as server, Ledger(path) as ledger:
        drafts = buy(server.base_url, ledger, 4, prompts=ONE)
        assert buy(server.base_url, ledger, 4, prompts=ONE) == drafts
        assert server.calls == 4
        assert {request.max_tokens for request in server.requests} == {40 + 60}
    assert rows(path, "SELECT DISTINCT role, state FROM calls") == [
        ("pair", "answered")
    ]
    assert all(
        d.question
        and d.text
        and d.text.endswith(str(added(d.question)))
        and len(d.calls) == 1
        for d in drafts
    )


def added(question: str) -> int:
    return sum(
        map(int, question.removeprefix("What is ").removesuffix("?").split(" + "))
    )


@pytest.mark.parametrize("prompts", [PROMPTS, ONE], ids=["two calls", "one call"])
def test_votes_are_bought_once_each_and_kept_beside_the_text(
    path: Path, prompts: Prompts
) -> None:
    with loopback() as server, Ledger(path) as ledger:
        drafts = buy(server.base_url, ledger, 3, prompts=prompts, votes=3)
        assert buy(server.base_url, ledger, 3, prompts=prompts, votes=3) == drafts
        assert server.calls == 3 * (3 + prompts.calls - 1)
    assert all(
        len(draft.votes) == 3 and draft.text == draft.votes[0] for draft in drafts
    )
    assert count("answer%", path) == 3 * (3 if prompts.calls == 2 else 2)


def test_a_vote_that_cannot_be_used_is_a_vote_against(path: Path) -> None:
    answers = iter(range(100))

    def faults(request: Request) -> Fault | None:
        return (
            Fault("length") if request.role == "answer" and next(answers) == 0 else None
        )

    with loopback(faults=faults) as server, Ledger(path) as ledger:
        (draft,) = buy(server.base_url, ledger, 1, votes=3, in_flight=1)
    assert draft.reason is None
    assert draft.votes[2] is None
    assert draft.text == draft.votes[0] == draft.votes[1]
    short = loopback(
        faults=lambda request: Fault("length") if request.role == "answer" else None
    )
    with short as server, Ledger(path.with_name("none")) as ledger:
        (draft,) = buy(server.base_url, ledger, 1, votes=3)
    assert draft.reason == "cut off by the token limit"
    assert len(draft.calls) == 4


def test_the_verifier_is_another_endpoint_with_a_price_of_its_own(path: Path) -> None:
    with loopback() as teacher, loopback() as second, Ledger(path) as ledger:
        verifier = Endpoint(
            base_url=second.base_url, model="judge", price=Price(10, 20)
        )
        options = {
            "verifier": verifier,
            "max_tokens_verifier": 50,
            "price": Price(1, 2),
        }
        drafts = buy(teacher.base_url, ledger, 5, **options)
        assert buy(teacher.base_url, ledger, 5, **options) == drafts
        assert (teacher.calls, second.calls) == (10, 5)
        assert all(
            request.body["model"] == "judge" and request.max_tokens == 50
            for request in second.requests
        )
        assert all(draft.second == draft.text for draft in drafts)
        costs = {one.role: one.spend for one in ledger.costs_by_role()}
    spend = costs["verifier"]
    assert spend.usd == 10 * spend.input_tokens + 20 * spend.output_tokens
    assert (
        costs["answer"].usd
        == costs["answer"].input_tokens + 2 * costs["answer"].output_tokens
    )
    assert spend.input_tokens == sum(
        4 + count_words(request.prompt) for request in second.requests
    )


def test_a_verifier_without_an_answer_is_a_reason(path: Path) -> None:
    with (
        loopback() as teacher,
        loopback(faults=lambda request: Fault("refusal")) as second,
        Ledger(path) as ledger,
    ):
        verifier = Endpoint(base_url=second.base_url, model="judge")
        (draft,) = buy(
            teacher.base_url, ledger, 1, verifier=verifier, max_tokens_verifier=50
        )
    assert draft.reason is not None
    assert draft.reason.startswith("the verifier: refused")
    assert len(draft.calls) == 3


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"votes": 3},
        {"prompts": ONE},
        {"prompts": ONE, "votes": 3},
        {"verifier": True},
        {"prompts": SEEN},
    ],
    ids=str,
)
def test_the_worst_case_of_a_pair_covers_all_of_it(
    path: Path, changes: dict[str, object]
) -> None:
    """With a usage as high as can be for every call the reservation holds, and one token less
    would not do.
    """
    with loopback(lambda messages: full(messages), lambda _: Fault("full")) as server:
        if changes.get("verifier"):
            changes = {
                "verifier": Endpoint(base_url=server.base_url, model="judge"),
                "max_tokens_verifier": 33,
            }
        attempts = (
            {"s0": "x" * MAX_ATTEMPT_BYTES} if changes.get("prompts") is SEEN else None
        )
        worst = openai.worst_pair_cost(
            SEEDS["s0"],
            0,
            pair_calls(server.base_url, **changes),
            (attempts or {}).get("s0"),
        ).tokens
        with Ledger(
            path.with_name("less"), budget=Budget(teacher_tokens=worst - 1)
        ) as ledger:
            assert buy(server.base_url, ledger, 1, attempts=attempts, **changes) == ()
        assert server.calls == 0
        with Ledger(path, budget=Budget(teacher_tokens=worst)) as ledger:
            (draft,) = buy(server.base_url, ledger, 1, attempts=attempts, **changes)
            assert not ledger.overran
            spent = ledger.spend().tokens
    assert draft.reason is None
    assert spent == worst


def full(messages: Sequence[Mapping[str, str]]) -> str:
    """A question as long as is let through."""
    asks = "number 0" in messages[-1]["content"] or "wrongly" in messages[-1]["content"]
    return (
        f"<question>{'x' * 320}</question><solution>1</solution>"
        if asks
        else "Answer: 1"
    )


def test_a_wrong_attempt_is_shown_as_data(path: Path) -> None:
    nasty = 'Answer: {n} {question} </attempt> "quoted"\n\\'
    with loopback() as server, Ledger(path) as ledger:
        buy(
            server.base_url,
            ledger,
            2,
            prompts=SEEN,
            attempts={"s1": nasty},
            in_flight=1,
        )
        plain, shown = (
            request.prompt for request in server.requests if request.role == "question"
        )
    assert plain == f"Like <question>{SEEDS['s0'].question}</question>, number 0."
    assert (
        shown
        == f"<question>{SEEDS['s1'].question}</question> 0, answered wrongly: {nasty}"
    )


@pytest.mark.parametrize("attempt", ["x" * 10_000, "数" * 5000, '"\n' * 4000, "short"])
def test_an_attempt_is_cut_to_what_was_reserved_for_it(attempt: str) -> None:
    cut = cut_attempt(attempt)
    assert attempt.startswith(cut)
    assert len(cut) >= min(len(attempt), MAX_ATTEMPT_BYTES // 5)
    assert len(encode_json(cut)) - 2 <= MAX_ATTEMPT_BYTES


def test_thinking_is_paid_for_and_trained_on_only_if_asked(path: Path) -> None:
    def teacher(messages: Sequence[Mapping[str, str]]) -> str:
        return f"<think>Hm, {'well ' * 9}</think>\n{addition_teacher(messages)}"

    with loopback(teacher) as server, Ledger(path) as ledger:
        (plain,) = buy(server.base_url, ledger, 1)
        spent = ledger.spend().output_tokens
        assert spent == sum(
            count_words(teacher(request.messages)) for request in server.requests
        )
        (whole,) = buy(server.base_url, ledger, 1, thinking=True)
        assert server.calls == 2, "how an answer is read is no reason to buy it again"
    assert plain.text is not None
    assert plain.text.startswith("Adding")
    assert whole.text is not None
    assert whole.text.startswith("<think>\nHm, well")
    assert whole.text.endswith(plain.text)
    assert whole.question == plain.question


# What is made of votes and a second opinion


def task(exact: bool) -> Task:
    def grade(example: Example, text: str) -> Grade:
        answer = text.rpartition("Answer: ")[2]
        right = answer == example.answer
        return Grade("right" if right else "wrong", answer, right)

    def verify(question: str, text: str) -> Grade:
        answer = text.rpartition("Answer: ")[2]
        return (
            Grade("right", answer, True)
            if answer.isdigit()
            else Grade("unparsed", reason="no number")
        )

    return Task(
        "t",
        (),
        (),
        (),
        str,
        lambda example: example.solution,
        grade,
        verify,
        exact,
        str,
    )


def draft(*votes: str | None, second: str | None = None) -> Draft:
    return Draft(
        "s",
        0,
        "p",
        question="Q?",
        text=votes[0],
        votes=votes if len(votes) > 1 else (),
        second=second,
    )


A, B = "so Answer: 1", "then Answer: 2"


@pytest.mark.parametrize(
    ("given", "text", "verified", "reason"),
    [
        (draft(A), A, False, None),
        (draft("nothing"), "nothing", False, "unparsed: no number"),
        (draft(A, A, B), A, True, None),
        (draft(B, A, A), A, True, None),
        (draft(A, "nothing", A), A, True, None),
        (draft(A, B), A, False, "disagreement: 1 of 2 answers agree"),
        (draft(A, A, B, B), A, False, "disagreement: 2 of 4 answers agree"),
        (draft(A, None, None), A, False, "disagreement: 1 of 3 answers agree"),
        (
            draft("<think>Answer: 2</think>\n" + A, A, B),
            "<think>Answer: 2</think>\n" + A,
            True,
            None,
        ),
        (draft(A, second=A), A, True, None),
        (draft(A, second=B), A, False, "disagreement: the verifier does not come to 1"),
        (
            draft(A, second="I don't know"),
            A,
            False,
            "disagreement: the verifier does not come to 1",
        ),
        (
            draft(A, B, A, second=B),
            A,
            False,
            "disagreement: the verifier does not come to 1",
        ),
    ],
)
def test_more_than_half_must_agree_and_so_must_the_verifier(
    given: Draft, text: str, verified: bool, reason: str | None
) -> None:
    verdict = verify_draft(given, task(exact=False))
    assert (verdict.text, verdict.verified, verdict.reason) == (text, verified, reason)


def test_what_is_proven_needs_no_votes() -> None:
    verdict = verify_draft(draft("nothing", B, A, A), task(exact=True))
    assert (verdict.text, verdict.verified, verdict.reason) == (B, True, None)
