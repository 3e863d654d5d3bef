"""Writes the sections `teacher` and `prices`.

A pool of the file's own rows teaches for free, and the endpoint that could replace it stands
below it as a comment. Without a pool, the endpoint teaches and its prices are the comment.
"""

from pathlib import Path

from .answer_length import estimate_answer_tokens
from .choices import Choices
from .yaml_text import quote_path, quote_value, with_comment

# Stand in the config until a person fills in their own.
PLACEHOLDER_BASE_URL = "https://api.openai.com/v1"
PLACEHOLDER_MODEL = "gpt-4o"
PROMPTS_BY_GRADER = {
    "number": "math",
    "math": "math",
    "game24": "math",
    "proof": "logic",
}
# The untuned student reads each row of the pool once, so a first look takes no more of them.
MAX_POOL_ROWS = 200
# A teacher writes at more length than the file's solutions.
TEACHER_LENGTH_FACTOR = 2
MIN_TEACHER_TOKENS = 512
UNKNOWN_TEACHER_TOKENS = 1024


def compose_teacher(choices: Choices, config_path: Path) -> list[str]:
    endpoint = compose_endpoint(choices)
    prices = compose_prices(choices)
    if not choices.has_pool_teacher:
        return ["teacher:", *endpoint, *comment_out(prices)]
    return [
        "teacher:",
        *compose_pool(choices, config_path),
        "# For a model that writes new rows, which costs money: delete the lines above from "
        "`teacher:` on, and take",
        "# the marks off these:",
        *comment_out(["teacher:", *endpoint, *prices]),
    ]


def compose_pool(choices: Choices, config_path: Path) -> list[str]:
    n_reserve = len(choices.shares.reserve)
    lines = [
        with_comment(
            "  name: pool",
            "a free dry run: a seed gets the nearest of your rows, and no model writes any",
        ),
        with_comment(
            f"  rows: {quote_path(choices.survey.source.seeds, config_path)}",
            "those that are no seed, dev or test",
        ),
    ]
    if n_reserve > MAX_POOL_ROWS:
        lines.append(
            with_comment(
                f"  n_rows: {MAX_POOL_ROWS}",
                f"of {n_reserve:,}: the untuned student reads each of them once",
            )
        )
    return lines


def compose_endpoint(choices: Choices) -> list[str]:
    base_url = choices.base_url or PLACEHOLDER_BASE_URL
    model = choices.model or PLACEHOLDER_MODEL
    return [
        with_comment(
            "  name: openai",
            "any OpenAI-compatible endpoint; the key comes from $OPENAI_API_KEY",
        ),
        with_comment(
            f"  base_url: {quote_value(base_url)}",
            "" if choices.base_url else "fill in: yours",
        ),
        with_comment(
            f"  model: {quote_value(model)}", "" if choices.model else "fill in: yours"
        ),
        with_comment(
            f"  prompts: {PROMPTS_BY_GRADER.get(choices.grader, 'neutral')}",
            "neutral, math, logic, or a folder with your own",
        ),
        f"  max_tokens_answer: {max_teacher_tokens(choices)}",
    ]


def compose_judge(choices: Choices) -> list[str]:
    """The model that compares answers in free words, where the grader is `judge`."""
    if choices.grader != "judge":
        return []
    return [
        with_comment("judge:", "asked once for each distinct answer; it costs money"),
        with_comment(
            f"  base_url: {quote_value(choices.base_url or PLACEHOLDER_BASE_URL)}",
            "" if choices.base_url else "fill in: yours",
        ),
        with_comment(
            f"  model: {quote_value(choices.model or PLACEHOLDER_MODEL)}",
            "" if choices.model else "fill in: yours",
        ),
    ]


def max_teacher_tokens(choices: Choices) -> int:
    if not choices.has_solutions:
        return UNKNOWN_TEACHER_TOKENS
    solution_tokens = estimate_answer_tokens(choices) or 0
    return max(MIN_TEACHER_TOKENS, TEACHER_LENGTH_FACTOR * solution_tokens)


def compose_prices(choices: Choices) -> list[str]:
    """For a person to fill in. Without them a budget still counts the teacher's rows."""
    model = choices.model or PLACEHOLDER_MODEL
    return [
        with_comment(
            "prices:",
            "per million tokens, and when you looked. With them `run` asks before it spends",
        ),
        with_comment(
            f"  {quote_value(model)}: {{as_of: YYYY-MM-DD, input: USD, output: USD}}",
            "fill in",
        ),
    ]


def comment_out(lines: list[str]) -> list[str]:
    return [f"# {line}" for line in lines]
