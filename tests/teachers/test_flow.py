"""Flow control, against simulated servers on a simulated clock: thousands of seconds pass in
none.
"""

import asyncio
import math
import random
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulated import (
    FixedWindow,
    TokenBucket,
    limiter,
    open_to_all,
    run,
    simulate,
    used,
)
from teachback.endpoints.rate_limits import RateLimiter, RateLimits

# --------------------------------------------------------------------------------------
# the pace


@pytest.mark.parametrize("jitter", [0.0, 0.3])
@pytest.mark.parametrize(
    ("rate", "burst"), [(50, 10), (100, 10), (100, 100), (200, 10), (200, 200)]
)
def test_a_hidden_rate_is_found_and_used(
    rate: float, burst: float, jitter: float
) -> None:
    for seed in range(2):
        server = TokenBucket(rate, burst)
        told = run(simulate(server, 32, seed=seed, jitter=jitter))
        assert used(told, server) >= 0.94
        assert told.refused_share <= 0.015


@pytest.mark.parametrize(("in_flight", "rate"), [(32, 50), (64, 50), (128, 100)])
def test_a_wide_window_pays_once_for_the_first_429(in_flight: int, rate: float) -> None:
    """What is in flight when the bucket turns out to be empty is refused: no pace was known."""
    server = TokenBucket(rate, rate)
    told = run(simulate(server, in_flight))
    assert used(told, server) >= 0.94
    assert sum(at > 2 for at in told.limited) <= 0.015 * len(told.entered)


@pytest.mark.parametrize(
    "retry", [lambda seconds: 0.0, math.ceil], ids=["none", "whole seconds"]
)
def test_a_server_that_tells_less(retry: Callable[[float], float]) -> None:
    server = TokenBucket(100, 100, retry)
    told = run(simulate(server, 64))
    assert used(told, server) >= 0.9
    assert told.refused_share <= 0.04


@pytest.mark.parametrize(("allowed", "span"), [(100, 1), (6000, 60)])
def test_a_fixed_window(allowed: int, span: float) -> None:
    """A second's gate after each 429 costs a second's calls: that can't be had back."""
    told = run(simulate(FixedWindow(allowed, span), 64, calls=max(3000, 3 * allowed)))
    assert len(told.accepted) / (allowed * math.ceil(told.ended / span)) >= 0.7
    assert told.refused_share <= 0.06


@pytest.mark.parametrize("rate", [50, 100])
def test_long_answers_and_quick_refusals(rate: float) -> None:
    server = TokenBucket(rate, 10)
    told = run(simulate(server, 128, latency_s=0.5, calls=6000))
    assert used(told, server) >= 0.9
    assert told.refused_share <= 0.015


def test_a_limit_that_changes() -> None:
    server = TokenBucket(100, 20)

    def change(factor: float) -> Callable[[], None]:
        return lambda: setattr(server, "rate", server.rate * factor)

    told = run(
        simulate(
            server,
            32,
            calls=12000,
            at=((30, change(0.5)), (60, change(2.0)), (100, change(2.0))),
        )
    )
    assert told.rate(33, 60) >= 0.94 * 50
    assert told.rate(80, 100) >= 0.9 * 100
    assert told.rate(125, told.ended) >= 0.9 * 200
    assert told.refused_share <= 0.015


def test_a_pace_that_does_not_bind_stays() -> None:
    def once(now: float) -> float | None:
        return 0.01 if 5 <= now < 5.2 else None

    told = run(simulate(once, 8, calls=6000))
    assert told.rate(10, 30) >= 0.9 * 8 / 0.05
    assert told.limiter is not None
    assert told.limiter.rate is not None
    assert told.limiter.rate <= 3 * 8 / 0.05


def test_an_outage_of_429s_leaves_no_low_pace() -> None:
    def outage(now: float) -> float | None:
        return 20.0 if 10 <= now < 310 else None

    told = run(simulate(outage, 16, calls=20000))
    assert sum(15 <= at < 310 for at in told.limited) <= 60
    assert told.rate(345, 355) >= 0.8 * 16 / 0.05


@given(st.lists(st.tuples(st.floats(0, 20), st.floats(0.1, 5)), min_size=1, max_size=5))
@settings(max_examples=25)
def test_nobody_enters_while_a_retry_after_lasts(
    refusals: list[tuple[float, float]],
) -> None:
    async def main() -> None:
        loop, flow, gate, entered = asyncio.get_running_loop(), limiter(8), [0.0], [0]

        async def worker() -> None:
            while loop.time() < 60:
                call = await flow.enter()
                assert loop.time() >= gate[0]
                entered[0] += 1
                await asyncio.sleep(0.1)
                if left and left[0][0] <= loop.time():
                    _, seconds = left.pop(0)
                    gate[0] = max(gate[0], loop.time() + seconds)
                    flow.leave(call, "limited", retry_after_s=seconds)
                else:
                    flow.leave(call, "answered")

        left = sorted(refusals)
        async with asyncio.TaskGroup() as tasks:
            for _ in range(12):
                tasks.create_task(worker())
        assert entered[0] > 50

    run(main())


# --------------------------------------------------------------------------------------
# the window


def test_random_failures_leave_the_window_wide() -> None:
    sizes: list[float] = []
    run(
        simulate(
            open_to_all, 64, calls=20000, watch=lambda flow: sizes.append(flow.window)
        )
    )
    assert sum(sizes[2000:]) / len(sizes[2000:]) >= 0.95 * 64
    assert min(sizes[2000:]) >= 0.8 * 64


def test_an_endpoint_that_fails_all_gets_one_call_at_a_time_and_comes_back() -> None:
    sizes: list[tuple[float, float]] = []

    async def main() -> None:
        loop = asyncio.get_running_loop()
        await simulate(
            open_to_all,
            64,
            calls=20000,
            failing=lambda now: float(2 <= now < 10),
            watch=lambda flow: sizes.append((loop.time(), flow.window)),
        )

    run(main())
    assert max(size for at, size in sizes if 1 < at < 2) == 64
    assert {size for at, size in sizes if 4 < at < 10} == {1.0}
    assert {size for at, size in sizes if at > 12} == {64.0}


def test_the_window_doubles_from_16_to_the_most() -> None:
    async def main() -> list[int]:
        flow, peaks = limiter(100), []
        for _ in range(4):
            calls = [await flow.enter() for _ in range(int(flow.window))]
            peaks.append(flow.in_flight)
            for call in calls:
                flow.leave(call, "answered")
        return peaks

    assert run(main()) == [16, 32, 64, 100]


def test_a_refusal_says_nothing_of_load() -> None:
    async def main() -> None:
        flow = limiter(16)
        for _ in range(100):
            flow.leave(await flow.enter(), "refused")
        assert (flow.window, flow.rate) == (16, None)

    run(main())


# --------------------------------------------------------------------------------------
# stated limits


@pytest.mark.parametrize("per_minute", [3, 60, 500, 6_000])
def test_stated_requests_are_never_exceeded(per_minute: float) -> None:
    async def main() -> None:
        loop, flow, entered = (
            asyncio.get_running_loop(),
            limiter(64, requests_per_minute=per_minute),
            [],
        )
        while loop.time() < 190:
            call = await flow.enter()
            entered.append(loop.time())
            if len(entered) % 2000 == 0:
                await asyncio.sleep(0.5)  # what can be saved up meanwhile is little
            flow.leave(call, "answered")
        most_per_window(entered, [1] * len(entered), per_minute)
        assert len(entered) >= 0.93 * per_minute * 190 / 60

    run(main())


def most_per_window(times: list[float], costs: list[int], allowed: float) -> None:
    first, total = 0, 0
    for at, cost in zip(times, costs, strict=True):
        total += cost
        while times[first] <= at - 60 + 1e-6:
            total -= costs[first]
            first += 1
        assert total <= allowed


@pytest.mark.parametrize("largest", [20, 2000, 14_000])
def test_stated_tokens_are_never_exceeded(largest: int) -> None:
    async def main() -> None:
        loop, flow, draws = (
            asyncio.get_running_loop(),
            limiter(64, tokens_per_minute=30_000),
            random.Random(0),
        )
        times, costs = list[float](), list[int]()
        while loop.time() < 300:
            tokens = draws.randint(1, largest)
            call = await flow.enter(tokens)
            times.append(loop.time())
            costs.append(tokens)
            flow.leave(call, "answered")
        most_per_window(times, costs, 30_000)
        assert sum(costs) >= 0.45 * 30_000 * 5
        if largest <= 2000:
            assert sum(costs) >= 0.9 * 30_000 * 5

    run(main())


def test_unused_tokens_are_given_back_and_a_call_beyond_the_minute_goes() -> None:
    async def main() -> tuple[float, float]:
        loop, flow = asyncio.get_running_loop(), limiter(64, tokens_per_minute=6000)
        for _ in range(100):
            flow.leave(await flow.enter(2000), "answered", unused_tokens=2000)
        unused = loop.time()
        for _ in range(2):
            flow.leave(await flow.enter(100_000), "answered")
        return unused, loop.time()

    unused, end = run(main())
    assert unused == 0
    assert 900 <= end <= 2100


# ----------------------------------------------------------------------------------- order and
# cancellation


def test_first_come_first_served() -> None:
    async def main() -> None:
        flow, order = limiter(2, requests_per_minute=600), list[int]()

        async def worker(number: int) -> None:
            call = await flow.enter()
            order.append(number)
            await asyncio.sleep(0.3)
            flow.leave(call, "answered")

        async with asyncio.TaskGroup() as tasks:
            for number in range(50):
                tasks.create_task(worker(number))
        assert order == list(range(50))

    run(main())


def test_a_call_that_was_let_in_and_cancelled_before_it_ran_gives_its_slot_back() -> (
    None
):
    async def main() -> None:
        flow = limiter(1)
        call = await flow.enter()
        waiting = [asyncio.create_task(flow.enter()) for _ in range(2)]
        await asyncio.sleep(0)
        flow.leave(call, "answered")
        waiting[0].cancel()
        assert await waiting[1] == 3
        assert (flow.in_flight, flow.waiting, waiting[0].cancelled()) == (1, 0, True)

    run(main())


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["enter", "enter", "leave", "cancel", "let run", "a while"]),
        st.integers(0, 30),
        st.sampled_from(["answered", "failed", "limited", "refused"]),
    ),
    max_size=60,
)


@given(STEPS, st.integers(1, 5), st.sampled_from([None, 120.0]))
@settings(max_examples=150)
def test_no_slot_is_lost_or_given_twice(
    steps: list[tuple[str, int, Any]], most: int, stated: float | None
) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        flow = RateLimiter(RateLimits(most, stated, stated and 100 * stated), loop.time)
        tasks: list[asyncio.Task[int]] = []

        def collect() -> list[asyncio.Task[int]]:
            return [task for task in tasks if task.done() and not task.cancelled()]

        for step, number, outcome in steps:
            inside = collect()
            if step == "enter":
                tasks.append(asyncio.create_task(flow.enter(number)))
            elif step == "leave" and inside:
                flow.leave(
                    inside[number % len(inside)].result(),
                    outcome,
                    unused_tokens=number // 2,
                )
                tasks.remove(inside[number % len(inside)])
            elif step == "cancel" and tasks:
                tasks[number % len(tasks)].cancel()
            else:
                await asyncio.sleep(0 if step == "let run" else number / 10)
            assert flow.in_flight <= most
        while tasks:
            await asyncio.sleep(1)
            assert flow.in_flight == len(collect())
            assert (
                flow.in_flight
                or flow.waiting
                or all(task.cancelled() for task in tasks)
            )
            for task in collect():
                flow.leave(task.result(), "answered")
            tasks = [task for task in tasks if not task.done()]
            assert loop.time() < 10_000
        assert flow.in_flight == flow.waiting == 0

    run(main())


def test_a_call_leaves_once() -> None:
    async def main() -> None:
        flow = limiter(1)
        call = await flow.enter()
        flow.leave(call, "answered")
        with pytest.raises(KeyError):
            flow.leave(call, "limited")

    run(main())


def test_a_limiter_outlives_its_loop() -> None:
    """A round runs a loop of its own; the pace that an earlier one learned stays."""
    flow = RateLimiter(RateLimits(1, requests_per_minute=6000))

    async def main() -> None:
        waiting = [asyncio.create_task(flow.enter()) for _ in range(5)]
        call = await waiting[0]
        for task in waiting[1:]:
            task.cancel()
        await asyncio.wait(waiting)
        flow.leave(call, "answered")

    asyncio.run(main())
    asyncio.run(main())
    assert (flow.in_flight, flow.waiting) == (0, 0)
