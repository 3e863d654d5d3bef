"""Tells apart numbers that math-verify takes for equal, because they differ by very little."""

from collections.abc import Iterator
from typing import Any

# To tell 10^60 from √(10^120 + 1) takes 121 digits, twice as many as they have.
MIN_DIGITS = 120
DIGITS_PER_DIGIT = 4
MAX_PRECISION = 20_000


def differ_exactly(gold: Any, answer: Any) -> bool:
    """Whether two sympy objects of one shape hold two numbers that differ, by however little."""
    return any(numbers_differ(a, b) for a, b in paired_numbers(gold, answer))


def paired_numbers(a: Any, b: Any) -> Iterator[tuple[Any, Any]]:
    """The numbers of two objects of one shape, pair by pair: entries of matrices and ends."""
    from sympy import Expr, Interval, MatrixBase, Tuple

    if isinstance(a, MatrixBase) and isinstance(b, MatrixBase):
        yield from zip(a.flat(), b.flat(), strict=False)
    elif isinstance(a, Tuple) and isinstance(b, Tuple):
        yield from zip(a, b, strict=False)
    elif isinstance(a, Interval) and isinstance(b, Interval):
        yield from ((a.start, b.start), (a.end, b.end))
    elif isinstance(a, Expr) and isinstance(b, Expr):
        yield a, b


def numbers_differ(a: Any, b: Any) -> bool:
    """Exact for fractions; for others, up to a precision that grows with their digits."""
    from sympy import Expr, Rational

    if (
        not (isinstance(a, Expr) and isinstance(b, Expr))
        or a.free_symbols
        or b.free_symbols
    ):
        return False
    if a.is_infinite or b.is_infinite:
        return False
    difference = (a - b).doit()
    if isinstance(difference, Rational):
        return bool(difference != 0)
    digits = sum(len(str(abs(n.p))) + len(str(n.q)) for n in difference.atoms(Rational))
    max_digits = min(MAX_PRECISION, MIN_DIGITS + DIGITS_PER_DIGIT * digits)
    value = difference.evalf(5, maxn=max_digits)
    return bool(value.is_comparable and value._prec > 1 and value != 0)
