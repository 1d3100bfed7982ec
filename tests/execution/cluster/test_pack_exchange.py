"""Packs and results between a driver and workers, without Ray."""

import asyncio

import pytest

from evoact.execution.cluster.pack_exchange import RETIRE, Exchange


def exchange_with(*workers):
    async def made():
        exchange = Exchange({})
        for worker in workers:
            await exchange.join(worker, None, f"node of {worker}", worker)
        return exchange

    return made()


def run(steps):
    return asyncio.run(steps())


def test_a_late_result_counts_once():
    async def steps():
        exchange = await exchange_with("a", "b")
        await exchange.offer("p", [1])
        assert await exchange.take("a", 0) == ("p", [1])
        lost = await exchange.lose("a")  # it hangs, and is given up
        assert lost.pack == "p"
        await exchange.offer("p", [1])
        assert await exchange.take("b", 0) == ("p", [1])
        assert await exchange.swap("a", "p", ["late"], 0) == RETIRE
        assert await exchange.swap("b", "p", ["second"], 0) is None
        return (await exchange.collect())[0]

    [found] = run(steps)
    assert (found.pack, found.answer) == ("p", ["late"])


def test_a_late_result_takes_the_pack_from_the_queue():
    async def steps():
        exchange = await exchange_with("a", "b")
        await exchange.offer("p", [1])
        await exchange.take("a", 0)
        await exchange.offer("p", [1])
        await exchange.deliver("a", "p", ["late"])
        assert await exchange.take("b", 0) is None
        await exchange.offer("q", [2])
        await exchange.take("b", 0)
        await exchange.end("q")  # halved meanwhile
        await exchange.deliver("b", "q", ["too late"])
        return [d.pack for d in (await exchange.collect())[0]]

    assert run(steps) == ["p"]


@pytest.mark.parametrize("how", ["limit", "leaving", "closed"])
def test_workers_end_after_their_pack(how):
    async def steps():
        exchange = await exchange_with("a", "b")
        await exchange.offer("p", [1])
        await exchange.take("b", 0)
        if how == "limit":
            await exchange.limit(1, [])
        elif how == "leaving":
            await exchange.limit(2, ["node of b"])
        else:
            await exchange.close()
        assert await exchange.swap("b", "p", ["r"], 0) == RETIRE
        left = await exchange.take("a", 0)
        return left, [d.answer for d in (await exchange.collect())[0]], set(exchange.workers)

    left, answers, workers = run(steps)
    assert answers == [["r"]]
    assert (left, workers) == ((RETIRE, set()) if how == "closed" else (None, {"a"}))


def test_those_who_wait_are_woken():
    async def steps():
        exchange = await exchange_with("a")
        waiting = asyncio.create_task(exchange.take("a", 60))
        collecting = asyncio.create_task(exchange.collect(60))
        await asyncio.sleep(0)
        await exchange.offer("p", [1])
        assert await waiting == ("p", [1])
        await exchange.deliver("a", "p", ["r"])
        return [d.worker for d in (await collecting)[0]], await exchange.withdraw()

    assert run(steps) == (["a"], [])


def test_what_nobody_has_begun_is_withdrawn():
    async def steps():
        exchange = await exchange_with("a")
        await exchange.offer("p", [1])
        await exchange.offer("q", [2])
        await exchange.take("a", 0)
        return await exchange.withdraw(), await exchange.take("a", 0)

    assert run(steps) == (["q"], None)
