"""The ledger's writing statements. Those that commit more have the budget as a condition (L1).

Every statement finds its parameters by name. :arm and the :max_* limits are the ledger's own.
"""

# -- opening -----------------------------------------------------------------------------

ADD_ARM = "INSERT OR IGNORE INTO arms (arm, repeat) VALUES (:name, :repeat)"

# An excess passed the budget without anyone lowering it. Such a run can still be resumed
# and reported (L3), so the excess is left out here.
FIND_ARM = """
    SELECT id, pairs, tokens - excess_tokens, usd - excess_usd, flops - excess_flops
    FROM arms WHERE arm = :name AND repeat = :repeat"""

DOUBT_OWN_CALLS = """
    UPDATE calls SET state = 'in_doubt', reason = 'its process ended before it'
    WHERE state = 'sent' AND pair IN (SELECT id FROM pairs WHERE arm = :arm)"""

# -- L1: these two statements alone commit more than is committed already ----------------

_NO_EXCESS = "excess_tokens = 0 AND excess_usd = 0 AND excess_flops = 0"

RESERVE_PAIR = f"""
    INSERT INTO pairs
        (arm, kind, seed, n, round, hold_tokens, hold_usd, hold_flops, counted)
    SELECT id, :kind, :seed, :n, :round, :tokens, coalesce(:usd, 0), coalesce(:flops, 0),
        :counted
    FROM arms
    WHERE id = :arm AND {_NO_EXCESS}
        AND (:max_pairs IS NULL OR pairs + :counted <= :max_pairs)
        AND (:max_tokens IS NULL OR tokens + :tokens <= :max_tokens)
        AND (:max_usd IS NULL OR usd + :usd <= :max_usd)
        AND (:max_flops IS NULL OR flops + :flops <= :max_flops)
    ON CONFLICT (arm, kind, seed, n) DO NOTHING"""

# Charges a call's worst case to a pair.
CHARGE_PAIR = f"""
    INSERT INTO charges (pair, call, tokens, usd, flops)
    SELECT pairs.id, calls.id, worst_tokens, worst_usd, worst_flops
    FROM pairs JOIN arms ON arms.id = pairs.arm JOIN calls ON calls.id = :call
    WHERE pairs.id = :pair AND {_NO_EXCESS}
        AND (:max_tokens IS NULL OR arms.tokens - hold_tokens + worst_tokens <= :max_tokens)
        AND (:max_usd IS NULL OR arms.usd - hold_usd + worst_usd <= :max_usd)
        AND (:max_flops IS NULL OR arms.flops - hold_flops + worst_flops <= :max_flops)"""

# -- pairs -------------------------------------------------------------------------------

FIND_PAIR = """
    SELECT id, state, reason FROM pairs
    WHERE arm = :arm AND kind = :kind AND seed = :seed AND n = :n"""

FIND_PAIR_STATE = "SELECT state FROM pairs WHERE id = :pair AND arm = :arm"

CLOSE_PAIR = """
    UPDATE pairs SET
        state = :state, reason = :reason, hold_tokens = 0, hold_usd = 0, hold_flops = 0
    WHERE id = :pair AND arm = :arm AND state = 'open'"""

FIND_SENT_CALL = "SELECT call FROM costs WHERE pair = :pair AND state = 'sent'"

DOUBT_CALLS_OF_PAIR = f"""
    UPDATE calls SET state = 'in_doubt', reason = 'its pair was given up'
    WHERE id IN ({FIND_SENT_CALL})"""

# A failed pair counts as generated if any of its calls cost something.
COUNT_FAILED_PAIR = """
    UPDATE pairs SET counted = counted AND EXISTS (
        SELECT 1 FROM costs WHERE pair = :pair AND state IN ('answered', 'in_doubt'))
    WHERE id = :pair"""

# -- calls -------------------------------------------------------------------------------

# L5: a request's tries. Arms with the same draws (:repeat) share them.
_SAME_KEY = """calls.role = :role AND calls.request = :request AND calls.repeat = :repeat
        AND calls.seed = pairs.seed AND calls.n = pairs.n"""

INSERT_CALL = f"""
    INSERT INTO calls
        (pair, role, request, repeat, seed, n, try, round, worst_tokens, worst_usd, worst_flops)
    SELECT id, :role, :request, :repeat, seed, n,
        (SELECT coalesce(max(try), 0) + 1 FROM calls WHERE {_SAME_KEY}), round,
        :tokens, :usd, :flops
    FROM pairs WHERE id = :pair AND arm = :arm AND state = 'open'"""

# Reasons of refusals begin "HTTP 403".
COUNT_SAME_REFUSALS = """
    SELECT count(*) FROM calls AS now
    JOIN calls AS earlier USING (role, request, repeat, seed, n)
    WHERE now.id = :call AND earlier.try < now.try AND earlier.state = 'refused'
        AND substr(earlier.reason, 1, 8) = substr(now.reason, 1, 8)"""

DELETE_CALL = "DELETE FROM calls WHERE id = :call"

# The answer that the pair has paid for comes first, then the first try's.
FIND_ANSWER = f"""
    SELECT pairs.state, charges.pair IS NOT NULL AS paid, calls.id, body, calls.usd, calls.flops,
        input_tokens, output_tokens, cached_tokens, reasoning_tokens, estimated
    FROM pairs
    LEFT JOIN calls ON {_SAME_KEY} AND calls.state = 'answered'
    LEFT JOIN charges ON call = calls.id AND charges.pair = pairs.id
    WHERE pairs.id = :pair AND pairs.arm = :arm
    ORDER BY paid DESC, try LIMIT 1"""

PAY_FOUND_ANSWER = """
    UPDATE charges SET tokens = :tokens, usd = :usd, flops = :flops
    WHERE pair = :pair AND call = :call"""

FIND_OTHER_SENDERS = f"""
    SELECT DISTINCT sender.arm
    FROM pairs
    JOIN calls ON {_SAME_KEY} AND calls.state = 'sent'
    JOIN pairs AS sender ON sender.id = calls.pair
    WHERE pairs.id = :pair AND pairs.arm = :arm AND sender.arm <> :arm"""

# What all arms together have sent, at most: answers as they came, the rest at its worst case.
SUM_SENT = """
    SELECT coalesce(sum(iif(state = 'answered', input_tokens + output_tokens, worst_tokens)), 0),
        coalesce(sum(iif(state = 'answered', usd, worst_usd)), 0),
        coalesce(sum(iif(state = 'answered', flops, worst_flops)), 0)
    FROM calls WHERE state <> 'refused'"""

FIND_CALL_STATE = """
    SELECT calls.state FROM calls JOIN pairs ON pairs.id = pair
    WHERE calls.id = :call AND arm = :arm"""

# A call ends once. These statements change nothing unless it is in flight, and this arm's.
_IN_FLIGHT = """id = :call AND state = 'sent'
        AND (SELECT arm FROM pairs WHERE pairs.id = pair) = :arm"""

RECORD_ANSWER = f"""
    UPDATE calls SET state = 'answered', body = :body, body_sha256 = :digest,
        latency_s = :latency_s,
        input_tokens = :input_tokens, cached_tokens = :cached_tokens,
        output_tokens = :output_tokens, reasoning_tokens = :reasoning_tokens,
        usd = :usd, flops = :flops
    WHERE {_IN_FLIGHT}"""

# The server did not say what it used. How the worst case splits is unknown, so all of it
# stands as input tokens.
RECORD_ESTIMATE = f"""
    UPDATE calls SET state = 'answered', body = :body, body_sha256 = :digest,
        latency_s = :latency_s,
        input_tokens = worst_tokens, cached_tokens = 0, output_tokens = 0,
        reasoning_tokens = 0, usd = worst_usd, flops = worst_flops, estimated = 1
    WHERE {_IN_FLIGHT} RETURNING worst_tokens"""

END_CALL = f"UPDATE calls SET state = :state, reason = :reason WHERE {_IN_FLIGHT}"
