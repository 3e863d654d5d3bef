"""The ledger's tables, the sums that triggers keep, and the statements in which the budget is a condition (L1).

Units as in costs.py: tokens, usd in picodollars, flops in kiloFLOPs. NULL usd or flops: the price is not known.
"""

VERSION = 2  # PRAGMA user_version (L6)

SCHEMA = (
    # pairs, tokens, usd, flops: what is committed. excess_*: used above worst cases, all that may pass the budget
    """CREATE TABLE arms (
        id INTEGER PRIMARY KEY, arm TEXT NOT NULL, repeat INTEGER NOT NULL, pairs INTEGER NOT NULL DEFAULT 0,
        tokens INTEGER NOT NULL DEFAULT 0, usd INTEGER NOT NULL DEFAULT 0, flops INTEGER NOT NULL DEFAULT 0,
        excess_tokens INTEGER NOT NULL DEFAULT 0, excess_usd INTEGER NOT NULL DEFAULT 0,
        excess_flops INTEGER NOT NULL DEFAULT 0, UNIQUE (arm, repeat))""",
    # kind: 'pair', or what else is bought for a seed (the role of a judge). hold_*: what is left of the reservation.
    # counted: 1 if it counts as generated
    """CREATE TABLE pairs (
        id INTEGER PRIMARY KEY, arm INTEGER NOT NULL REFERENCES arms, kind TEXT NOT NULL, seed TEXT NOT NULL,
        n INTEGER NOT NULL,
        round INTEGER NOT NULL, state TEXT NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'settled', 'failed')),
        reason TEXT, hold_tokens INTEGER NOT NULL CHECK (hold_tokens >= 0),
        hold_usd INTEGER NOT NULL CHECK (hold_usd >= 0), hold_flops INTEGER NOT NULL CHECK (hold_flops >= 0),
        counted INTEGER NOT NULL, UNIQUE (arm, kind, seed, n))""",
    # What was really sent, once for all arms. pair: the one that sent it. request: sha256 of the request's body
    """CREATE TABLE calls (
        id INTEGER PRIMARY KEY, pair INTEGER NOT NULL REFERENCES pairs, role TEXT NOT NULL, request TEXT NOT NULL,
        repeat INTEGER NOT NULL, seed TEXT NOT NULL, n INTEGER NOT NULL, try INTEGER NOT NULL, round INTEGER NOT NULL,
        state TEXT NOT NULL DEFAULT 'sent' CHECK (state IN ('sent', 'answered', 'refused', 'in_doubt')),
        worst_tokens INTEGER NOT NULL, worst_usd INTEGER, worst_flops INTEGER,
        input_tokens INTEGER, cached_tokens INTEGER, output_tokens INTEGER, reasoning_tokens INTEGER,
        usd INTEGER, flops INTEGER, estimated INTEGER NOT NULL DEFAULT 0,
        latency_s REAL, reason TEXT, body TEXT, UNIQUE (role, request, repeat, seed, n, try))""",
    # What a pair pays for a call, be it the one that sent it or one of another arm that was served its answer
    """CREATE TABLE charges (
        pair INTEGER NOT NULL REFERENCES pairs, call INTEGER NOT NULL REFERENCES calls,
        tokens INTEGER NOT NULL CHECK (tokens >= 0), usd INTEGER CHECK (usd >= 0), flops INTEGER CHECK (flops >= 0),
        PRIMARY KEY (pair, call)) WITHOUT ROWID""",
    """CREATE VIEW costs AS
        SELECT pairs.arm, pairs.round, charges.pair, pairs.seed, pairs.n, call, role, calls.state, charges.tokens,
            charges.usd, charges.flops, worst_tokens, worst_usd, input_tokens, cached_tokens, output_tokens,
            reasoning_tokens, estimated, latency_s
        FROM charges JOIN calls ON calls.id = call JOIN pairs ON pairs.id = charges.pair""",
    """CREATE TRIGGER pair_made AFTER INSERT ON pairs BEGIN
        UPDATE arms SET pairs = pairs + NEW.counted, tokens = tokens + NEW.hold_tokens, usd = usd + NEW.hold_usd,
            flops = flops + NEW.hold_flops WHERE id = NEW.arm; END""",
    """CREATE TRIGGER pair_changed AFTER UPDATE OF hold_tokens, counted ON pairs BEGIN
        UPDATE arms SET pairs = pairs + NEW.counted - OLD.counted, tokens = tokens + NEW.hold_tokens - OLD.hold_tokens,
            usd = usd + NEW.hold_usd - OLD.hold_usd, flops = flops + NEW.hold_flops - OLD.hold_flops
        WHERE id = NEW.arm; END""",
    # A charge is made with the call's worst case, and comes out of its pair's hold as far as that reaches
    """CREATE TRIGGER charge_made AFTER INSERT ON charges BEGIN
        UPDATE arms SET tokens = tokens + NEW.tokens, usd = usd + coalesce(NEW.usd, 0),
            flops = flops + coalesce(NEW.flops, 0)
        WHERE id = (SELECT arm FROM pairs WHERE id = NEW.pair);
        UPDATE pairs SET hold_tokens = max(0, hold_tokens - NEW.tokens),
            hold_usd = max(0, hold_usd - coalesce(NEW.usd, 0)), hold_flops = max(0, hold_flops - coalesce(NEW.flops, 0))
        WHERE id = NEW.pair; END""",
    # An answered call is charged what it used; one that was refused gives its worst case back to the hold
    """CREATE TRIGGER call_answered AFTER UPDATE OF state ON calls WHEN NEW.state = 'answered' BEGIN
        UPDATE charges SET tokens = NEW.input_tokens + NEW.output_tokens, usd = NEW.usd, flops = NEW.flops
        WHERE pair = NEW.pair AND call = NEW.id; END""",
    """CREATE TRIGGER call_refused AFTER UPDATE OF state ON calls WHEN NEW.state = 'refused' BEGIN
        UPDATE charges SET tokens = 0, usd = 0, flops = 0 WHERE pair = NEW.pair AND call = NEW.id;
        UPDATE pairs SET hold_tokens = hold_tokens + NEW.worst_tokens,
            hold_usd = hold_usd + coalesce(NEW.worst_usd, 0), hold_flops = hold_flops + coalesce(NEW.worst_flops, 0)
        WHERE id = NEW.pair; END""",
    # It changes once, so that OLD holds no excess
    """CREATE TRIGGER charge_changed AFTER UPDATE OF tokens ON charges BEGIN
        UPDATE arms SET tokens = arms.tokens + NEW.tokens - OLD.tokens,
            usd = arms.usd + coalesce(NEW.usd, 0) - coalesce(OLD.usd, 0),
            flops = arms.flops + coalesce(NEW.flops, 0) - coalesce(OLD.flops, 0),
            excess_tokens = excess_tokens + max(0, NEW.tokens - worst_tokens),
            excess_usd = excess_usd + max(0, coalesce(NEW.usd - worst_usd, 0)),
            excess_flops = excess_flops + max(0, coalesce(NEW.flops - worst_flops, 0))
        FROM calls WHERE calls.id = NEW.call AND arms.id = (SELECT arm FROM pairs WHERE id = NEW.pair); END""",
    f"PRAGMA user_version = {VERSION}",
)

# L1: these two statements alone commit more than is committed already
NO_EXCESS = "excess_tokens = 0 AND excess_usd = 0 AND excess_flops = 0"
RESERVE = f"""
    INSERT INTO pairs (arm, kind, seed, n, round, hold_tokens, hold_usd, hold_flops, counted)
    SELECT id, :kind, :seed, :n, :round, :tokens, coalesce(:usd, 0), coalesce(:flops, 0), :counted FROM arms
    WHERE id = :arm AND {NO_EXCESS} AND (:max_pairs IS NULL OR pairs + :counted <= :max_pairs)
        AND (:max_tokens IS NULL OR tokens + :tokens <= :max_tokens)
        AND (:max_usd IS NULL OR usd + :usd <= :max_usd)
        AND (:max_flops IS NULL OR flops + :flops <= :max_flops)
    ON CONFLICT (arm, kind, seed, n) DO NOTHING"""
CHARGE = f"""
    INSERT INTO charges (pair, call, tokens, usd, flops)
    SELECT pairs.id, calls.id, worst_tokens, worst_usd, worst_flops
    FROM pairs JOIN arms ON arms.id = pairs.arm JOIN calls ON calls.id = :call
    WHERE pairs.id = :pair AND {NO_EXCESS}
        AND (:max_tokens IS NULL OR arms.tokens - hold_tokens + worst_tokens <= :max_tokens)
        AND (:max_usd IS NULL OR arms.usd - hold_usd + worst_usd <= :max_usd)
        AND (:max_flops IS NULL OR arms.flops - hold_flops + worst_flops <= :max_flops)"""
PAY = "UPDATE charges SET tokens = :tokens, usd = :usd, flops = :flops WHERE pair = :pair AND call = :call"

# L5: a request's tries, as the arms of a repeat share them
KEY = """calls.role = :role AND calls.request = :request AND calls.repeat = :repeat AND calls.seed = pairs.seed
        AND calls.n = pairs.n"""
CALL = f"""
    INSERT INTO calls (pair, role, request, repeat, seed, n, try, round, worst_tokens, worst_usd, worst_flops)
    SELECT id, :role, :request, :repeat, seed, n, (SELECT coalesce(max(try), 0) + 1 FROM calls WHERE {KEY}), round,
        :tokens, :usd, :flops
    FROM pairs WHERE id = :pair AND arm = :arm AND state = 'open'"""
ANSWERED = f"""
    SELECT pairs.state, charges.pair IS NOT NULL AS paid, calls.id, body, input_tokens, output_tokens, cached_tokens,
        reasoning_tokens, estimated, calls.usd, calls.flops
    FROM pairs LEFT JOIN calls ON {KEY} AND calls.state = 'answered'
        LEFT JOIN charges ON call = calls.id AND charges.pair = pairs.id
    WHERE pairs.id = :pair AND pairs.arm = :arm ORDER BY paid DESC, try LIMIT 1"""
# What all arms have really sent, at most: answers as they came, the rest at its worst case
SENT = """
    SELECT coalesce(sum(iif(state = 'answered', input_tokens + output_tokens, worst_tokens)), 0),
        coalesce(sum(iif(state = 'answered', usd, worst_usd)), 0),
        coalesce(sum(iif(state = 'answered', flops, worst_flops)), 0)
    FROM calls WHERE state <> 'refused'"""
FLYING_ELSEWHERE = f"""
    SELECT DISTINCT sender.arm FROM pairs JOIN calls ON {KEY} AND calls.state = 'sent'
        JOIN pairs AS sender ON sender.id = calls.pair
    WHERE pairs.id = :pair AND pairs.arm = :arm AND sender.arm <> :arm"""
# A call ends once: these change nothing unless it is in flight, and this arm's
IN_FLIGHT = "id = :call AND state = 'sent' AND (SELECT arm FROM pairs WHERE pairs.id = pair) = :arm"
ANSWER = f"""
    UPDATE calls SET state = 'answered', body = :body, latency_s = :latency_s, input_tokens = :input_tokens,
        cached_tokens = :cached_tokens, output_tokens = :output_tokens, reasoning_tokens = :reasoning_tokens,
        usd = :usd, flops = :flops WHERE {IN_FLIGHT}"""
ESTIMATE = f"""
    UPDATE calls SET state = 'answered', body = :body, latency_s = :latency_s, input_tokens = worst_tokens,
        cached_tokens = 0, output_tokens = 0, reasoning_tokens = 0, usd = worst_usd, flops = worst_flops, estimated = 1
    WHERE {IN_FLIGHT} RETURNING worst_tokens"""
END = f"UPDATE calls SET state = :state, reason = :reason WHERE {IN_FLIGHT}"
CLOSE = """
    UPDATE pairs SET state = :state, reason = :reason, hold_tokens = 0, hold_usd = 0, hold_flops = 0
    WHERE id = :pair AND arm = :arm AND state = 'open'"""
FLYING_OF = "SELECT call FROM costs WHERE pair = :pair AND state = 'sent'"

# What pairs that are under way hold, and their calls in flight
HELD = """
    SELECT count(*), coalesce(sum(hold_tokens), 0), coalesce(sum(hold_usd), 0), coalesce(sum(hold_flops), 0)
    FROM pairs WHERE arm = :arm AND state = 'open'"""
FLIGHT = """
    SELECT 0, coalesce(sum(worst_tokens), 0), coalesce(sum(worst_usd), 0), coalesce(sum(worst_flops), 0)
    FROM pairs JOIN charges ON charges.pair = pairs.id JOIN calls ON calls.id = call
    WHERE pairs.arm = :arm AND pairs.state = 'open' AND calls.state = 'sent'"""

# What a set of rows of `costs`, or of `calls`, adds up to, in the order of costs.Spend's fields
SUMS = ", ".join(
    f"coalesce({value}, 0)"
    for value in (
        "sum(state = 'answered')", "sum(input_tokens)", "sum(cached_tokens)", "sum(output_tokens)",
        "sum(reasoning_tokens)", "sum(iif(state = 'answered', usd, 0))", "sum(iif(state = 'answered', flops, 0))",
        "sum(state = 'answered' AND usd IS NULL)", "sum(estimated)", "sum(state = 'refused')",
        "sum(state = 'in_doubt')", "sum(iif(state = 'in_doubt', worst_tokens, 0))",
        "sum(iif(state = 'in_doubt', worst_usd, 0))",
    )
)  # fmt: skip
FLYING = "coalesce(sum(iif(state = 'sent', worst_tokens, 0)), 0)"
# By role and round; further answers to a question ("answer-2", ...) count as answers
ROLE = "iif(role LIKE 'answer-%', 'answer', role)"
BY_ROLE = f"""
    SELECT {ROLE} AS what, round, count(*), count(DISTINCT pair), {SUMS}, {FLYING} FROM costs WHERE arm = :arm
    GROUP BY what, round ORDER BY round, min(call)"""
LATENCIES = f"SELECT {ROLE}, round, latency_s FROM costs WHERE arm = :arm AND state = 'answered'"
