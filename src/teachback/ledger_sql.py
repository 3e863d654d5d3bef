"""The ledger's tables, the sums that triggers keep, and the statements in which the budget is a condition (L1)."""

VERSION = 1  # PRAGMA user_version (L6)

SCHEMA = (
    # pairs, tokens: what is committed. excess: tokens used above worst cases, the only ones that may pass the budget
    """CREATE TABLE arms (
        id INTEGER PRIMARY KEY, arm TEXT NOT NULL, repeat INTEGER NOT NULL, pairs INTEGER NOT NULL DEFAULT 0,
        tokens INTEGER NOT NULL DEFAULT 0, excess INTEGER NOT NULL DEFAULT 0, UNIQUE (arm, repeat))""",
    # counted: 1 if the pair counts as generated
    """CREATE TABLE pairs (
        id INTEGER PRIMARY KEY, arm INTEGER NOT NULL REFERENCES arms, seed TEXT NOT NULL, n INTEGER NOT NULL,
        round INTEGER NOT NULL, state TEXT NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'settled', 'failed')),
        reason TEXT, hold INTEGER NOT NULL CHECK (hold >= 0), counted INTEGER NOT NULL DEFAULT 1,
        UNIQUE (arm, seed, n))""",
    # What was really sent, once for all arms. pair: the one that sent it. request: sha256 of the request's body
    """CREATE TABLE calls (
        id INTEGER PRIMARY KEY, pair INTEGER NOT NULL REFERENCES pairs, role TEXT NOT NULL, request TEXT NOT NULL,
        repeat INTEGER NOT NULL, seed TEXT NOT NULL, n INTEGER NOT NULL, try INTEGER NOT NULL, round INTEGER NOT NULL,
        state TEXT NOT NULL DEFAULT 'sent' CHECK (state IN ('sent', 'answered', 'refused', 'in_doubt')),
        worst INTEGER NOT NULL, input_tokens INTEGER, output_tokens INTEGER, estimated INTEGER NOT NULL DEFAULT 0,
        latency_s REAL, reason TEXT, body TEXT, UNIQUE (role, request, repeat, seed, n, try))""",
    # What a pair pays for a call, be it the one that sent it or one of another arm that was served its answer
    """CREATE TABLE charges (
        pair INTEGER NOT NULL REFERENCES pairs, call INTEGER NOT NULL REFERENCES calls,
        tokens INTEGER NOT NULL CHECK (tokens >= 0), PRIMARY KEY (pair, call)) WITHOUT ROWID""",
    """CREATE VIEW costs AS
        SELECT pairs.arm, pairs.round, charges.pair, call, role, calls.state, tokens, worst, input_tokens,
            output_tokens, estimated
        FROM charges JOIN calls ON calls.id = call JOIN pairs ON pairs.id = charges.pair""",
    """CREATE TRIGGER pair_made AFTER INSERT ON pairs BEGIN
        UPDATE arms SET pairs = pairs + NEW.counted, tokens = tokens + NEW.hold WHERE id = NEW.arm; END""",
    """CREATE TRIGGER pair_changed AFTER UPDATE OF hold, counted ON pairs BEGIN
        UPDATE arms SET pairs = pairs + NEW.counted - OLD.counted, tokens = tokens + NEW.hold - OLD.hold
        WHERE id = NEW.arm; END""",
    """CREATE TRIGGER charge_made AFTER INSERT ON charges BEGIN
        UPDATE arms SET tokens = tokens + NEW.tokens WHERE id = (SELECT arm FROM pairs WHERE id = NEW.pair); END""",
    # A charge begins as the worst case and changes once, so that OLD holds no excess
    """CREATE TRIGGER charge_changed AFTER UPDATE OF tokens ON charges BEGIN
        UPDATE arms SET tokens = tokens + NEW.tokens - OLD.tokens,
            excess = excess + max(0, NEW.tokens - (SELECT worst FROM calls WHERE id = NEW.call))
        WHERE id = (SELECT arm FROM pairs WHERE id = NEW.pair); END""",
    f"PRAGMA user_version = {VERSION}",
)

# L1: these two statements alone commit more than is committed already
RESERVE = """
    INSERT INTO pairs (arm, seed, n, round, hold) SELECT id, :seed, :n, :round, :tokens FROM arms
    WHERE id = :arm AND excess = 0 AND (:generated IS NULL OR pairs + 1 <= :generated)
        AND (:teacher_tokens IS NULL OR tokens + :tokens <= :teacher_tokens)"""
CHARGE = """
    INSERT INTO charges (pair, call, tokens) SELECT pairs.id, calls.id, worst
    FROM pairs JOIN arms ON arms.id = pairs.arm JOIN calls ON calls.id = :call
    WHERE pairs.id = :pair AND excess = 0
        AND (:teacher_tokens IS NULL OR tokens - hold + worst <= :teacher_tokens)"""
# L5: the tries of one request, as the arms of a repeat share them
KEY = "role = :role AND request = :request AND repeat = :repeat AND seed = :seed AND n = :n"
CALL = f"""
    INSERT INTO calls (pair, role, request, repeat, seed, n, try, round, worst)
    VALUES (:pair, :role, :request, :repeat, :seed, :n, (SELECT coalesce(max(try), 0) + 1 FROM calls WHERE {KEY}),
        :round, :worst)"""
ANSWER = """
    UPDATE calls SET state = 'answered', body = :body, latency_s = :latency_s, input_tokens = :input_tokens,
        output_tokens = :output_tokens, estimated = :estimated WHERE id = :call"""
ANSWERED = f"""
    SELECT id, body, input_tokens, output_tokens, estimated, charges.pair IS NOT NULL AS paid
    FROM calls LEFT JOIN charges ON call = id AND charges.pair = :pair
    WHERE {KEY} AND state = 'answered' ORDER BY paid DESC, try LIMIT 1"""
