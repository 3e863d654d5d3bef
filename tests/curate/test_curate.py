"""Verify, then refuse what is there already; every draft ends as one row or one reason."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from teachback.curate.training_rows import curate_rows, forbidden_keys
from teachback.curate.verify import verify_drafts
from teachback.types import Draft, Example, Grade, Row, Task, Verdict


def make_task(exact: bool) -> Task:
    def verify(question: str, text: str) -> Grade:
        return (
            Grade("right", text)
            if text.isdigit()
            else Grade("unparsed", reason=f"no number: {text}")
        )

    return Task(
        name="t",
        seeds=(Example("s", "seed question"),),
        dev=(Example("d", "dev question", "1"),),
        test=(Example("t", "test question", "1"),),
        prompt=str,
        target=lambda example: example.solution,
        grade=lambda e, text: verify(e.question, text),
        verify=verify,
        exact=exact,
        key=lambda question: question.lower(),
    )


def test_verify_keeps_the_reason_and_says_whether_it_proved_anything() -> None:
    drafts = [
        Draft("s", 0, "p", (), "q", "5"),
        Draft("s", 1, "p", (), "q", "five"),
        Draft("s", 2, "p", reason="cut off"),
    ]
    exact = verify_drafts(drafts, make_task(exact=True))
    assert [(v.answer, v.verified, v.reason) for v in exact] == [
        ("5", True, None),
        (None, False, "unparsed: no number: five"),
        (None, False, "cut off"),
    ]
    assert not verify_drafts(drafts, make_task(exact=False))[0].verified


def test_equal_keys_are_refused_with_what_they_equal() -> None:
    earlier = Row("s#0", "s", 0, "an earlier row", "1", "1", True)
    questions = [
        "Seed question",
        "DEV question",
        "test Question",
        "An earlier row",
        "new",
        "NEW",
        "newer",
    ]
    verdicts = [Verdict("s", n, q, "1", "1", True) for n, q in enumerate(questions, 1)]
    task = make_task(exact=True)
    curation = curate_rows(
        verdicts, [earlier], key=task.key, forbidden=forbidden_keys(task)
    )
    assert [(row.id, row.question) for row in curation.rows] == [
        ("s#5", "new"),
        ("s#7", "newer"),
    ]
    assert [x.reason for x in curation.rejected] == [
        "duplicate: the same exercise as seed s",
        "contaminated: the same exercise as dev d",
        "contaminated: the same exercise as test t",
        "duplicate: the same exercise as row s#0",
        "duplicate: the same exercise as row s#5",
    ]


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["a", "A", "b", "seed question", "c"]),
            st.sampled_from([None, "wrong: so"]),
        )
    )
)
def test_every_draft_ends_once_and_no_key_occurs_twice(
    drafts: list[tuple[str, str | None]],
) -> None:
    task = make_task(exact=True)
    verdicts = [
        Verdict("s", n, q, "1", "1", True, reason)
        for n, (q, reason) in enumerate(drafts)
    ]
    curation = curate_rows(verdicts, [], key=task.key, forbidden=forbidden_keys(task))
    numbers = Counter(
        [row.n for row in curation.rows] + [x.n for x in curation.rejected]
    )
    assert numbers == Counter(range(len(drafts)))
    keys = [task.key(row.question) for row in curation.rows]
    assert len(keys) == len(set(keys))
    assert "seed question" not in keys
    assert not {x.n for x in curation.rejected if x.reason == "wrong: so"} & {
        row.n for row in curation.rows
    }
