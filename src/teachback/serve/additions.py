"""A small teacher that writes additions and solves them, for tests and benchmarks."""

import re
from hashlib import sha256

from ..endpoints.endpoint import Messages


def addition_teacher(messages: Messages) -> str:
    """Write an addition derived from the prompt's text, or solve the last one in it."""
    prompt = messages[-1]["content"]
    if "<question>" not in prompt:
        first, second = re.findall(r"(\d+) \+ (\d+)", prompt)[-1]
        return _solution(int(first), int(second))

    digest = sha256(prompt.encode("utf-8", "replace")).digest()
    number = int.from_bytes(digest[:4], "big")
    first = number % 900 + 100
    second = number // 900 % 90 + 10
    reply = f"Here it is.\n<question>What is {first} + {second}?</question>"
    if "<solution>" in prompt:
        reply += f"\n<solution>{_solution(first, second)}</solution>"
    return reply


def _solution(first: int, second: int) -> str:
    total = first + second
    return f"Adding the two numbers: {first} + {second} = {total}.\nAnswer: {total}"
