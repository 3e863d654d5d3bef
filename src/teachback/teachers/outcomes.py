"""What a try that brought no answer means: for the call, for its cost, and for the endpoint."""

from dataclasses import dataclass, replace

from ..endpoints.http_client import HttpFailure, HttpReply
from ..endpoints.json_values import parse_json, value_at
from ..endpoints.rate_limits import CallOutcome
from ..endpoints.replies import ReplyFailure
from ..endpoints.retries import RetryPolicy, find_retry_delay
from ..errors import TeacherDown

STATUS_POLICY = RetryPolicy()
TURNED_AWAY = frozenset({429, 503})
# A gateway gave up waiting for a model, which goes on and is billed.
IN_DOUBT = frozenset({504, 524})
# Perhaps about this request only: it is too long, or a content filter holds it back.
REFUSED_REQUEST = frozenset({400, 413, 422})
# Never about one request only: the key, the account, the proxy.
REFUSED_CLIENT = frozenset({401, 402, 407})
# Codes of a 429 that no waiting helps.
OUT_OF_MONEY_CODES = (
    "insufficient_quota",
    "billing_hard_limit_reached",
    "billing_not_active",
)
# Of what a server says, in a reason or an error.
MAX_QUOTE_CHARS = 200
REFUSAL_FIXES = {
    401: "put a valid key into {key}",
    402: "pay the provider, or use the key of an account that can",
    403: "give the key in {key} access to this model",
    404: "check `base_url` (it ends before /chat/completions) and `model`",
}


@dataclass(frozen=True)
class FailedTry:
    """A try without an answer."""

    reason: str
    # More of what was said, for the ledger and for an error.
    detail: str = ""
    outcome: CallOutcome = "failed"
    # Turned away before the model read it.
    is_unread: bool = False
    # By 429 or 503, which is no try.
    is_turned_away: bool = False
    # What Retry-After asked for.
    wait_s: float = 0.0
    # The same request would be refused again.
    is_final: bool = False
    # Nobody knows what it cost.
    is_in_doubt: bool = False
    # What to do about it, where that is known.
    fix: str = ""

    @property
    def full_reason(self) -> str:
        return f"{self.reason}: {self.detail}" if self.detail else self.reason


def read_connection_failure(failure: HttpFailure) -> FailedTry:
    """A connection that never stood costs nothing. Any other failure leaves the cost in doubt."""
    if failure.kind == "no connection":
        return FailedTry(failure.detail, is_unread=True, fix=failure.fix)
    if failure.kind == "timeout":
        return FailedTry(failure.detail, is_in_doubt=True)
    return FailedTry(
        "connection lost after sending",
        failure.detail,
        is_in_doubt=True,
        fix=failure.fix,
    )


def read_refusal(reply: HttpReply) -> FailedTry:
    """The failed try, from a reply with any status but 2xx."""
    status = reply.status
    quote = reply.body[:MAX_QUOTE_CHARS]
    if not STATUS_POLICY.is_retryable(status):
        # A refusal of one request is read by people who look for what is wrong with all.
        fix = "" if status in REFUSED_REQUEST else explain_fix(status, None)
        return FailedTry(f"HTTP {status}", quote, "refused", is_final=True, fix=fix)
    wait_s = reply.retry_after_s or find_retry_delay(reply.body)
    is_turned_away = status in TURNED_AWAY
    outcome: CallOutcome = "refused"
    if status == 429 or (status == 503 and wait_s > 0):
        outcome = "limited"
    elif status >= 500:
        outcome = "failed"
    return FailedTry(
        f"HTTP {status}",
        quote,
        outcome,
        is_unread=is_turned_away,
        is_turned_away=is_turned_away,
        wait_s=wait_s,
        is_in_doubt=status in IN_DOUBT,
    )


def read_failed_answer(reply: HttpReply, failure: ReplyFailure) -> FailedTry:
    """The failed try, from HTTP 200 with something else than an answer.

    An error in the body counts as the status that it names.
    """
    if failure.status is not None:
        failed = read_refusal(replace(reply, status=failure.status))
        reason = f"{failed.reason} in the body of HTTP {reply.status}"
        return replace(
            failed, reason=reason, is_in_doubt=failed.is_in_doubt or not failure.is_free
        )
    reason = f"HTTP {reply.status} without an answer"
    quote = reply.body.strip()[:MAX_QUOTE_CHARS] or "empty"
    return FailedTry(reason, quote, is_in_doubt=not failure.is_free)


def find_end_of_all(
    reply: HttpReply,
    failed: FailedTry,
    *,
    url: str,
    key_env: str | None,
    patience_s: float,
) -> TeacherDown | None:
    """The error after a refusal that every other request would meet too, or None."""
    status = reply.status
    quote = reply.body[:MAX_QUOTE_CHARS]
    if status == 429 and is_out_of_money(reply.body):
        return TeacherDown(
            "the teacher's account is used up", got=quote, fix=REFUSAL_FIXES[402]
        )
    if status in TURNED_AWAY and failed.wait_s > patience_s:
        return TeacherDown(
            f"the teacher asks to wait {failed.wait_s:g} s, patience_s is {patience_s:g}",
            got=quote,
            fix="run the same command later, or raise patience_s",
        )
    if not failed.is_final or status in REFUSED_REQUEST:
        return None
    return TeacherDown(
        f"the teacher refuses: HTTP {status} from {url}",
        got=quote,
        fix=explain_fix(status, key_env),
    )


def explain_fix(status: int, key_env: str | None) -> str:
    key = key_env or "a variable named by key_env"
    return REFUSAL_FIXES.get(status, "check `base_url`").format(key=key)


def is_out_of_money(body: str) -> bool:
    """A 429 that no waiting helps."""
    data = parse_json(body)
    error = value_at(data, "error") or value_at(data, 0, "error")
    codes = [value_at(error, field) for field in ("code", "type")]
    return any(isinstance(code, str) and code in OUT_OF_MONEY_CODES for code in codes)
