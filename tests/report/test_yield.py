"""What became of the rows that were asked for: each one is counted, in plain words."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from teachback.report.row_yield import STAGE_OF_REASON, yield_by_stage, yield_lines
from teachback.types import (
    CarryOver,
    Curation,
    Pick,
    Rejection,
    Report,
    Round,
    Row,
    Selection,
    Student,
)

REPORT = Report("dev", 1, 1, 1.0, 0.2, 1.0, 1.0, {}, ())


def a_round(
    picks: int, accepted: int, reasons: list[str], notes: tuple[str, ...] = ()
) -> Round:
    rows = tuple(
        Row(f"s#{n}", "s", n, "q", "t", "1", verified=n > 0) for n in range(accepted)
    )
    rejected = tuple(
        Rejection("s", n, reason) for n, reason in enumerate(reasons, accepted)
    )
    chosen = Selection(tuple(Pick("s", n, n, None) for n in range(picks)))
    return Round(
        chosen,
        Curation(rows, rejected, notes=notes),
        CarryOver((), None, None, None),
        Student("weights"),
        REPORT,
    )


def test_the_funnel_and_the_reasons() -> None:
    first = a_round(
        8,
        3,
        [
            "cut off by the token limit",
            "unparsed: no number",
            "wrong: 3 is not 4",
            "duplicate: of s",
        ],
    )
    second = a_round(
        4,
        1,
        [
            "near duplicate: 0.91 like row s#1",
            "contaminated: shares 13 words",
            "wrong: no",
        ],
    )
    assert yield_lines([first, second]) == [
        "11 rows generated, 4 accepted "
        "(2 of them unverified: nothing here can prove their answers)",
        "  generated            11",
        "  parsed                9  (1 cut off by the token limit, 1 unparsed)",
        "  verified              7  (2 wrong)",
        "  no duplicate          5  (1 duplicate, 1 near duplicate)",
        "  not contaminated      4  (1 contaminated)",
        "you asked for 12 rows, you have 4, because: 2 wrong, 1 cut off by the token limit, "
        "1 unparsed, 1 duplicate, 1 near duplicate, 1 contaminated, "
        "1 not generated: the budget or the rounds ended before",
    ]


def test_a_run_that_got_what_it_asked_for_is_one_line() -> None:
    assert yield_lines([a_round(2, 2, [])]) == [
        "2 rows generated, 2 accepted (1 of them unverified: nothing here can prove their answers)"
    ]
    assert yield_lines([a_round(2, 2, [])], goal=5)[1:] == [
        "you asked for 5 rows, you have 2, because: "
        "3 not generated: the budget or the rounds ended before"
    ]


def test_notes_are_shown_and_not_without_end() -> None:
    rounds = [a_round(1, 1, [], (f"note {r}",)) for r in range(9)]
    lines = yield_lines(rounds)[1:]
    assert lines[0] == "round 0: note 0"
    assert len(lines) == 7
    assert lines[-1] == "3 more notes in the rounds' curate.json"


@given(
    st.lists(
        st.sampled_from([*STAGE_OF_REASON, "unparsed", "refused", "anything else"])
    ),
    st.integers(0, 5),
)
def test_the_last_stage_is_what_was_accepted(
    categories: list[str], accepted: int
) -> None:
    lines = yield_lines([a_round(0, accepted, [f"{c}: so" for c in categories])])
    stages = [int(line[19:25]) for line in lines[1:] if line.startswith("  ")]
    assert stages == sorted(stages, reverse=True)
    if categories:
        assert stages[0] == len(categories) + accepted
        assert stages[-1] == accepted
    else:
        assert yield_by_stage(0, Counter()) == []
