"""The process that math-verify works in: one JSON line per request, one per reply.

`math_pool` is the other end. A worker can't outlive its parent. It ends when its input does,
and while it computes the kernel's alarm ends it: no Python runs while an integer of a billion
digits is multiplied, so no thread could look for the parent.
"""

import json
import resource
import signal
import sys
from pathlib import Path
from typing import TextIO

from .math_comparison import ComparisonOutcome, compare_math_answers

# Of address space.
MAX_MEMORY_BYTES = 4 * 2**30


def serve_comparisons() -> None:
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    replies = sys.stdout
    sys.stdout = sys.stderr  # nothing else may print into the protocol
    resource.setrlimit(resource.RLIMIT_AS, (MAX_MEMORY_BYTES, MAX_MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))

    # These load and compile what is needed on first use, outside of any deadline.
    warm_up = [(r"\frac{1}{2}", "0.5"), ("x=1", "1"), ("[1,2)", r"1 \le x < 2")]
    for gold, answer in warm_up:
        outcome, reason = compare_math_answers(gold, answer, "")
        if outcome != "yes":
            return send_reply(replies, outcome, reason)
    send_reply(replies, "yes", "ready")

    while line := sys.stdin.readline():
        request = json.loads(line)
        signal.setitimer(signal.ITIMER_REAL, request["seconds"])
        outcome, reason = compare_math_answers(
            request["gold"],
            request["answer"],
            request["question"],
        )
        # sympy catches a MemoryError and says "no". Then only the peak shows what happened.
        if outcome != "yes" and peak_memory() > MAX_MEMORY_BYTES // 4:
            outcome, reason = "memory", "out of memory"
        signal.setitimer(signal.ITIMER_REAL, 0)
        send_reply(replies, outcome, reason)


def send_reply(replies: TextIO, outcome: ComparisonOutcome, reason: str) -> None:
    print(json.dumps([outcome, reason[:500]]), file=replies, flush=True)


def peak_memory() -> int:
    """This process's peak resident memory in bytes; 0 where the system doesn't tell."""
    try:
        status = Path("/proc/self/status").read_text()
        kibibytes = status.partition("VmHWM:")[2].split()[0]
        return int(kibibytes) * 1024
    except (OSError, IndexError):
        return 0
