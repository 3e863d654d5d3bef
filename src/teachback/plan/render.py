"""A plan as text: the teacher's bill, the limits, and the student's work."""

from collections.abc import Sequence
from pathlib import Path

from ..report.formatting import (
    display_path,
    format_bytes,
    format_count,
    format_usd_exactly,
)
from .layout import (
    format_count_range,
    format_duration_range,
    format_table_line,
    format_usd_range,
    wrap_with_label,
)
from .render_limits import format_budget
from .values import Plan, ProbeSummary, RoleBill, StudentBill, StudentWork

MAX_ROUND_LINES = 6  # in the student's table; the last round always has a line


def format_plan(plan: Plan) -> list[str]:
    caveats = list[str]()
    for caveat in plan.caveats:
        caveats += wrap_with_label("note", caveat)
    return [
        *format_header(plan),
        "",
        *format_teacher_bill(plan),
        "",
        *format_budget(plan),
        "",
        *format_student_bill(plan),
        "",
        *caveats,
    ]


def format_header(plan: Plan) -> list[str]:
    """The run's size, its endpoints, and what a probe has bought."""
    extent = f"rounds of {plan.per_round:,} pairs"
    if plan.rounds_asked:
        extent = f"{plan.rounds_asked} {extent}"
    else:
        extent += " until the budget is spent"
    if plan.done:
        extent += f"; {plan.done} rounds are done, this is what is left"
    run_dir = display_path(Path(plan.run_dir))
    lines = wrap_with_label("plan", f"{run_dir}: {plan.seeds:,} seeds, {extent}")

    for role, endpoint in plan.endpoints.items():
        lines += wrap_with_label(role, endpoint)
    if not plan.endpoints:
        free = "costs no money; its tokens are counted as if they were bought"
        lines += wrap_with_label("teacher", f"{plan.teacher}: {free}")
    for model in plan.unpriced:
        fields = "as_of, input, output: USD per million tokens"
        lines += wrap_with_label("prices", f"unknown: add prices.{model} ({fields})")

    if plan.probe is None:
        note = (
            "nothing: low and high are estimates from the prompts' and seeds' lengths"
        )
        return [*lines, *wrap_with_label("sent", note)]
    return [*lines, *wrap_with_label("probe", describe_probe(plan.probe))]


def describe_probe(probe: ProbeSummary) -> str:
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


def format_teacher_bill(plan: Plan) -> list[str]:
    """The bill as a table: each stretch of rounds by role, then all of them."""
    lines = [
        format_table_line("each of", "role", "calls", "tokens in", "tokens out", "USD")
    ]
    for bill in plan.rounds:
        label = f"rounds {bill.first}-{bill.last}"
        if bill.first == bill.last:
            label = f"round {bill.first}"
        lines += format_role_bills(label, bill.roles)
    lines += format_role_bills("in all", plan.total)
    if len(plan.total) > 1:
        lines += format_role_bills("", [sum_role_bills(plan.total)])
    return lines


def format_role_bills(label: str, roles: Sequence[RoleBill]) -> list[str]:
    """A line for each role; the label stands on the first one."""
    lines = []
    for index, role in enumerate(roles):
        calls = format_count_range(role.calls)
        if role.calls.expected is not None:
            calls = format_count(role.calls.expected)
        lines.append(
            format_table_line(
                "" if index else label,
                role.role,
                calls,
                format_count_range(role.input_tokens),
                format_count_range(role.output_tokens),
                "unknown" if role.usd is None else format_usd_range(role.usd),
            )
        )
    return lines


def sum_role_bills(roles: Sequence[RoleBill]) -> RoleBill:
    """The sum under the name "together". Money or FLOPs of which a part is unknown are None."""
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


def format_student_bill(plan: Plan) -> list[str]:
    student = plan.student
    size = student.size
    parameters = ""
    if size.parameters is not None:
        # Parameters are counted in billions, not in giga
        billions = format_count(size.parameters).replace("G", "B")
        parameters = f"{billions} parameters, "
    lines = wrap_with_label("student", f"{student.model}: {parameters}{size.source}")
    if student.finetuning:
        lines += wrap_with_label("finetune", student.finetuning)
    for warning in student.warnings:
        lines += wrap_with_label("WARNING", warning)

    lines.append(
        format_table_line("", "rows", "", "tokens answered", "tokens learned", "time")
    )
    lines.append(format_student_work("before", student.before))
    for work in student.rounds:
        is_last = work is student.rounds[-1]
        if work.round - plan.done < MAX_ROUND_LINES - 1 or is_last:
            lines.append(format_student_work(f"round {work.round}", work))
    lines.append(format_student_work("in all", student.total))
    lines += wrap_with_label("compute", describe_compute(student.total, plan.probe))
    return [*lines, *format_memory(student)]


def format_student_work(label: str, work: StudentWork) -> str:
    seconds = "unknown" if work.seconds is None else format_duration_range(work.seconds)
    return format_table_line(
        label,
        format_count_range(work.rows),
        "",
        format_count_range(work.answering),
        format_count_range(work.finetuning),
        seconds,
    )


def describe_compute(total: StudentWork, probe: ProbeSummary | None) -> str:
    flops = "unknown"
    if total.flops is not None:
        flops = f"{format_count_range(total.flops)} FLOPs"
    if probe is None:
        return f"{flops}; time unknown until --probe"

    answering = f"{format_count(probe.answering_per_s)} tokens/s"
    finetuning = "unknown"
    if probe.finetuning_per_s is not None:
        finetuning = f"{format_count(probe.finetuning_per_s)} tokens/s"
    return (
        f"{flops}; time measured here: answering {answering}, finetuning {finetuning}"
    )


def format_memory(student: StudentBill) -> list[str]:
    memory = disk = "unknown"
    if student.memory is not None:
        memory = f"{format_bytes(student.memory)} while finetuning"
    if student.disk is not None:
        disk = f"{format_bytes(student.disk)} at its peak"
    free = f"{format_bytes(student.free)} free where the run will lie"
    lines = [
        *wrap_with_label(
            "memory", f"{memory} ({student.method}, float32), activations not counted"
        ),
        *wrap_with_label("disk", f"{disk}, {free}"),
    ]
    if student.disk is not None and student.disk > student.free:
        fix = "use another --run-dir, a smaller student, or keep: last"
        lines += wrap_with_label("WARNING", f"the disk is too small: {fix}")
    return lines
