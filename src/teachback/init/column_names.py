"""The names that columns of users' files go by, for each role that a column can have."""

from collections.abc import Iterable, Sequence

# Each list is in order of preference. "output", "response" and "completion" are in two lists:
# their values decide whether they hold the answer or the worked solution.
QUESTION_NAMES = (
    "question", "problem", "prompt", "query", "instruction", "input", "text", "task", "puzzle",
    "sentence",
)  # fmt: skip
ANSWER_NAMES = (
    "answer", "final_answer", "gold_answer", "correct_answer", "expected_answer", "short_answer",
    "label", "target", "gold", "correct", "answer_key", "answerkey", "ground_truth", "expected",
    "result", "output", "completion", "response",
)  # fmt: skip
SOLUTION_NAMES = (
    "solution", "worked_solution", "rationale", "reasoning", "cot", "chain_of_thought",
    "explanation", "proof", "steps", "generated_solution", "response", "completion", "output",
)  # fmt: skip
ID_NAMES = ("id", "uid", "uuid", "unique_id", "question_id", "qid", "idx")
OPTION_NAMES = ("options", "choices")


def match_names(names: Iterable[str], known_names: Sequence[str]) -> list[str]:
    """Those of `names` that are known, in the order of `known_names`.

    Ignores case, and reads a space or a hyphen as "_": "Final Answer" matches "final_answer".
    """
    name_by_form: dict[str, str] = {}
    for name in names:
        form = name.strip().lower().replace(" ", "_").replace("-", "_")
        name_by_form.setdefault(form, name)
    return [name_by_form[form] for form in known_names if form in name_by_form]
