"""A plan in words: the bill, what stops it, and what the student does."""

from collections.abc import Sequence
from pathlib import Path

from ..report.formatting import (
    display_path,
    format_bytes,
    format_count,
    format_usd_exactly,
)
from .layout import count_range, duration_range, table_line, usd_range, wrap_labelled
from .render_limits import budget_lines
from .values import Plan, ProbeSummary, RoleBill, StudentBill, StudentWork

MAX_ROUNDS_SHOWN = 6  # of the student's rounds; the last is always shown


def plan_lines(plan: Plan) -> list[str]:
    caveats = list[str]()
    for caveat in plan.caveats:
        caveats += wrap_labelled("note", caveat)
    return [
        *header_lines(plan),
        "",
        *teacher_lines(plan),
        "",
        *budget_lines(plan),
        "",
        *student_lines(plan),
        "",
        *caveats,
    ]


def header_lines(plan: Plan) -> list[str]:
    """What is planned, who is asked, and what a probe has bought."""
    rounds = f"{plan.rounds_asked} " if plan.rounds_asked else ""
    extent = f"{rounds}rounds of {plan.per_round:,} pairs"
    if not plan.rounds_asked:
        extent += " until the budget is spent"
    if plan.done:
        extent += f"; {plan.done} rounds are done, this is what is left"
    run_dir = display_path(Path(plan.run_dir))
    lines = wrap_labelled("plan", f"{run_dir}: {plan.seeds:,} seeds, {extent}")

    for role, endpoint in plan.endpoints.items():
        lines += wrap_labelled(role, endpoint)
    if not plan.endpoints:
        free = "costs no money; its tokens are counted as if they were bought"
        lines += wrap_labelled("teacher", f"{plan.teacher}: {free}")
    for model in plan.unpriced:
        fields = "as_of, input, output: USD per million tokens"
        lines += wrap_labelled("prices", f"unknown: add prices.{model} ({fields})")

    if plan.probe is None:
        sent = (
            "nothing: low and high are estimates from the prompts' and seeds' lengths"
        )
        return [*lines, *wrap_labelled("sent", sent)]
    return [*lines, *wrap_labelled("probe", probe_text(plan.probe))]


def probe_text(probe: ProbeSummary) -> str:
    cost = ""
    if probe.spent_usd is not None:
        cost = f" for USD {format_usd_exactly(probe.spent_usd)}"
    reuse = "a run does not find them again"
    if probe.kept:
        reuse = "a run that selects their seeds finds them"
    return (
        f"{probe.pairs} pairs bought, {format_count(probe.tokens)} tokens{cost}: "
        f"they count against the budget; {reuse}"
    )


def teacher_lines(plan: Plan) -> list[str]:
    """The bill as a table: each stretch of rounds by role, then all of them."""
    lines = [table_line("each of", "role", "calls", "tokens in", "tokens out", "USD")]
    for bill in plan.rounds:
        label = f"rounds {bill.first}-{bill.last}"
        if bill.first == bill.last:
            label = f"round {bill.first}"
        lines += role_bill_lines(label, bill.roles)
    lines += role_bill_lines("in all", plan.total)
    if len(plan.total) > 1:
        lines += role_bill_lines("", [sum_role_bills(plan.total)])
    return lines


def role_bill_lines(label: str, roles: Sequence[RoleBill]) -> list[str]:
    """A line for each role; the label stands on the first one."""
    lines = []
    for place, role in enumerate(roles):
        calls = count_range(role.calls)
        if role.calls.expected is not None:
            calls = format_count(role.calls.expected)
        lines.append(
            table_line(
                "" if place else label,
                role.role,
                calls,
                count_range(role.input_tokens),
                count_range(role.output_tokens),
                "unknown" if role.usd is None else usd_range(role.usd),
            )
        )
    return lines


def sum_role_bills(roles: Sequence[RoleBill]) -> RoleBill:
    total, *others = roles
    for role in others:
        usd = flops = None
        if total.usd is not None and role.usd is not None:
            usd = total.usd + role.usd
        if total.flops is not None and role.flops is not None:
            flops = total.flops + role.flops
        total = RoleBill(
            "together",
            None,
            total.calls + role.calls,
            total.input_tokens + role.input_tokens,
            total.output_tokens + role.output_tokens,
            usd,
            flops,
        )
    return total


def student_lines(plan: Plan) -> list[str]:
    student, size = plan.student, plan.student.size
    known = ""
    if size.parameters is not None:
        billions = format_count(size.parameters).replace("G", "B")
        known = f"{billions} parameters, "
    lines = wrap_labelled("student", f"{student.model}: {known}{size.source}")

    lines.append(
        table_line("", "rows", "", "tokens answered", "tokens learned", "time")
    )
    lines.append(student_work_line("before", student.before))
    for work in student.rounds:
        is_last = work is student.rounds[-1]
        if work.round - plan.done < MAX_ROUNDS_SHOWN - 1 or is_last:
            lines.append(student_work_line(f"round {work.round}", work))
    lines.append(student_work_line("in all", student.total))
    lines += wrap_labelled("compute", compute_text(student.total, plan.probe))
    return [*lines, *memory_lines(student)]


def student_work_line(label: str, work: StudentWork) -> str:
    seconds = "unknown" if work.seconds is None else duration_range(work.seconds)
    return table_line(
        label,
        count_range(work.rows),
        "",
        count_range(work.answering),
        count_range(work.finetuning),
        seconds,
    )


def compute_text(total: StudentWork, probe: ProbeSummary | None) -> str:
    flops = "unknown"
    if total.flops is not None:
        flops = f"{count_range(total.flops)} FLOPs"
    if probe is None:
        return f"{flops}; time unknown until --probe"

    answering = f"{format_count(probe.answering_per_s)} tokens/s"
    finetuning = "unknown"
    if probe.finetuning_per_s is not None:
        finetuning = f"{format_count(probe.finetuning_per_s)} tokens/s"
    return (
        f"{flops}; time measured here: answering {answering}, finetuning {finetuning}"
    )


def memory_lines(student: StudentBill) -> list[str]:
    memory = disk = "unknown"
    if student.memory is not None:
        memory = f"{format_bytes(student.memory)} while finetuning"
    if student.disk is not None:
        disk = f"{format_bytes(student.disk)} at its peak"
    free = f"{format_bytes(student.free)} free where the run will lie"
    lines = [
        *wrap_labelled(
            "memory", f"{memory} ({student.method}, float32), activations not counted"
        ),
        *wrap_labelled("disk", f"{disk}, {free}"),
    ]
    if student.disk is not None and student.disk > student.free:
        fix = "use another --run-dir, a smaller student, or keep: last"
        lines += wrap_labelled("WARNING", f"the disk is too small: {fix}")
    return lines
