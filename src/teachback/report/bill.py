"""A plan in words: a bill that a person can act on. Lines of at most 100 columns."""

from collections.abc import Sequence
from math import ceil
from pathlib import Path
from textwrap import wrap

from ..plan.values import Case, Plan, Reached, RoleBill, Stop, StudentRound
from .figures import count, dollars, money, size_of, span, time_of

WIDTH = 100
SHOWN = 6  # rounds of the student that are shown one by one
NAMES = {"teacher_tokens": "teacher tokens", "usd": "USD", "flops": "FLOPs"}
ESTIMATES: tuple[tuple[Case, str], ...] = (
    ("low", "low"),
    ("expected", "expected"),
    ("high", "high"),
)


def plan_lines(plan: Plan) -> list[str]:
    return [
        *head(plan),
        "",
        *teacher_table(plan),
        "",
        *budget_lines(plan),
        "",
        *student_lines(plan),
        "",
        *(line for caveat in plan.caveats for line in folded("note", caveat)),
    ]


def head(plan: Plan) -> list[str]:
    rounds = f"{plan.rounds_asked} " if plan.rounds_asked else ""
    until = "" if plan.rounds_asked else " until the budget is spent"
    done = f"; {plan.done} rounds are done, this is what is left" if plan.done else ""
    run_dir = Path(plan.run_dir)
    where = (
        run_dir.relative_to(Path.cwd())
        if run_dir.is_relative_to(Path.cwd())
        else run_dir
    )
    asked = f"{rounds}rounds of {plan.per_round:,} pairs{until}{done}"
    lines = folded("plan", f"{where}: {plan.seeds:,} seeds, {asked}")
    for role, endpoint in plan.endpoints.items():
        lines += folded(role, endpoint)
    if not plan.endpoints:
        lines += folded(
            "teacher",
            f"{plan.teacher}: costs no money; its tokens are counted as if they were bought",
        )
    for model in plan.unpriced:
        lines += folded(
            "prices",
            f"unknown: add prices.{model} (as_of, input, output: USD per million tokens)",
        )
    if plan.probe is None:
        return [
            *lines,
            *folded(
                "sent",
                "nothing: low and high are estimates from the prompts' and seeds' lengths",
            ),
        ]
    probe = plan.probe
    cost = "" if probe.spent_usd is None else f" for USD {money(probe.spent_usd)}"
    kept = (
        "a run that selects their seeds finds them"
        if probe.kept
        else "a run does not find them again"
    )
    said = f"{probe.pairs} pairs bought, {count(probe.tokens)} tokens{cost}: they count against the budget; {kept}"
    return [*lines, *folded("probe", said)]


def teacher_table(plan: Plan) -> list[str]:
    lines = [row("each of", "role", "calls", "tokens in", "tokens out", "USD")]
    for bill in plan.rounds:
        rounds = (
            f"round {bill.first}"
            if bill.first == bill.last
            else f"rounds {bill.first}-{bill.last}"
        )
        for at, role in enumerate(bill.roles):
            lines.append(role_line("" if at else rounds, role))
    for at, role in enumerate(plan.total):
        lines.append(role_line("" if at else "in all", role))
    if len(plan.total) > 1:
        lines.append(role_line("", together(plan.total)))
    return lines


def role_line(label: str, role: RoleBill) -> str:
    tokens = (span(role.input_tokens), span(role.output_tokens))
    usd = "unknown" if role.usd is None else dollars(role.usd)
    calls = (
        span(role.calls) if role.calls.expected is None else count(role.calls.expected)
    )
    return row(label, role.role, calls, *tokens, usd)


def together(roles: Sequence[RoleBill]) -> RoleBill:
    first, *others = roles
    for role in others:
        first = RoleBill(
            "together",
            None,
            first.calls + role.calls,
            first.input_tokens + role.input_tokens,
            first.output_tokens + role.output_tokens,
            None if first.usd is None or role.usd is None else first.usd + role.usd,
            None
            if first.flops is None or role.flops is None
            else first.flops + role.flops,
        )
    return first


def budget_lines(plan: Plan) -> list[str]:
    within, usd = plan.within, plan.within.usd
    cost = f"USD {dollars(usd)}" if usd else "money unknown"
    if within.flops:
        cost += f", {span(within.flops)} FLOPs"
    said = f"{span(within.pairs)} pairs, {span(within.tokens)} tokens, {cost}"
    lines = folded("bill", said + (", the probe's included" if plan.probe else ""))
    ends = {text: plan.ends[case] for case, text in ESTIMATES if case in plan.ends}
    same = len(set(ends.values())) == 1
    named = {text: NAMES.get(end, end) for text, end in ends.items()}
    lines += folded(
        "ends by",
        named["low"]
        if same
        else ", ".join(f"{e} ({text})" for text, e in named.items()),
    )
    for stop in plan.stops:
        lines += folded("limit", stop_text(stop, plan))
    return lines


def stop_text(stop: Stop, plan: Plan) -> str:
    name = f"{NAMES.get(stop.limit, stop.limit)} {amount(stop, stop.value)}"
    reached = {
        text: getattr(stop, case)
        for case, text in ESTIMATES
        if getattr(stop.used, case) is not None
    }
    assumed = ", if every row is accepted" if stop.limit == "accepted" else ""
    used = (
        f"{amount_range(stop)} of it used"
        if stop.used.high < stop.value
        else "all of it used"
    )
    if not any(reached.values()):
        return f"{name}: not reached{assumed}; {used}"
    if len({*reached.values()}) == 1:
        text = f"{name}: {where(reached['low'])}{assumed}"
    else:
        parts = [
            f"{where(r) if r else 'not reached'} at the {text} estimate"
            for text, r in reached.items()
        ]
        text = f"{name}: {'; '.join(parts)}{assumed}"
    return text + shortfall(stop, plan, [r for r in reached.values() if r])


def shortfall(stop: Stop, plan: Plan, reached: Sequence[Reached]) -> str:
    """What to set the limit to."""
    fewest = min(r.pairs for r in reached)
    every = (
        ""
        if plan.rounds_asked is None
        else f"all rounds at the high estimate need {needed(stop, stop.for_all)}"
    )
    if (
        stop.value < stop.for_all
        and fewest < plan.per_round
        and stop.limit not in ("generated", "accepted")
    ):
        what = "Not even one pair fits" if fewest == 0 else "Not even one round fits"
        pair, whole = needed(stop, stop.for_a_pair), needed(stop, stop.for_a_round)
        needs = (
            f"a pair is held with its worst case, so one needs {pair}, a round {whole}"
        )
        return f". {what}: {needs}" + (f", {every}" if every else "")
    return f"; {every}" if every and stop.value < stop.for_all else ""


def where(reached: Reached) -> str:
    return f"reached {'in' if reached.opened else 'before'} round {reached.round}, after {reached.pairs:,} pairs"


def amount(stop: Stop, value: float) -> str:
    if stop.limit == "usd":
        return money(value)
    return count(value) if stop.limit == "flops" else f"{value:,.0f}"


def needed(stop: Stop, value: float) -> str:
    """Rounded up: what is printed is enough."""
    if stop.limit != "usd":
        return amount(stop, value)
    whole = 10**2 if value >= 1 else 10**6
    return (
        money(ceil(value * whole) / whole)
        if value >= 1
        else f"{ceil(value * whole) / whole:g}"
    )


def amount_range(stop: Stop) -> str:
    used = stop.used
    middle = "" if used.expected is None else f"{amount(stop, used.expected)} "
    if used.low == used.high:
        return amount(stop, used.low)
    both = f"{amount(stop, used.low)}-{amount(stop, used.high)}"
    return f"{middle}({both})" if middle else both


def student_lines(plan: Plan) -> list[str]:
    student, size = plan.student, plan.student.size
    known = (
        ""
        if size.parameters is None
        else f"{count(size.parameters).replace('G', 'B')} parameters, "
    )
    lines = folded("student", f"{student.model}: {known}{size.source}")
    lines.append(row("", "rows", "", "tokens answered", "tokens learned", "time"))
    shown = [
        r
        for r in student.rounds
        if r.round - plan.done < SHOWN - 1 or r is student.rounds[-1]
    ]
    lines.append(student_line("before", student.before))
    lines += [student_line(f"round {r.round}", r) for r in shown]
    lines.append(student_line("in all", student.total))
    flops = (
        "unknown"
        if student.total.flops is None
        else f"{span(student.total.flops)} FLOPs"
    )
    rates = "unknown until --probe"
    if plan.probe:
        slow = plan.probe.finetuning_per_s
        learned = "unknown" if slow is None else f"{count(slow)} tokens/s"
        rates = f"measured here: answering {count(plan.probe.answering_per_s)} tokens/s, finetuning {learned}"
    lines += folded("compute", f"{flops}; time {rates}")
    memory = (
        "unknown"
        if student.memory is None
        else f"{size_of(student.memory)} while finetuning"
    )
    lines += folded(
        "memory", f"{memory} ({student.method}, float32), activations not counted"
    )
    disk = "unknown" if student.disk is None else f"{size_of(student.disk)} at its peak"
    lines += folded(
        "disk", f"{disk}, {size_of(student.free)} free where the run will lie"
    )
    if student.disk is not None and student.disk > student.free:
        lines += folded(
            "WARNING",
            "the disk is too small: use another --run-dir, a smaller student, or keep: last",
        )
    return lines


def student_line(label: str, work: StudentRound) -> str:
    seconds = "unknown" if work.seconds is None else time_of(work.seconds)
    return row(
        label, span(work.rows), "", span(work.answering), span(work.finetuning), seconds
    )


def row(label: str, role: str, calls: str, first: str, second: str, last: str) -> str:
    return (
        f"{label:<12} {role:<14} {calls:<10} {first:<18} {second:<18} {last}".rstrip()
    )


def folded(label: str, text: str) -> list[str]:
    return wrap(
        f"{label:<12} {text}", WIDTH, subsequent_indent=" " * 13, break_on_hyphens=False
    )
