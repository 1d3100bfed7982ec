"""Packs and results between a driver and workers, without Ray."""

import asyncio

import pytest

from evoact.execution.cluster.pack_exchange import CHOOSE, MEASURE, RETIRE, Exchange


def exchange_with(*workers):
    async def made():
        exchange = Exchange({})
        for worker in workers:
            await exchange.join(worker, b"", f"node of {worker}", worker)
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
            await exchange.limit({False: 1}, [])
        elif how == "leaving":
            await exchange.limit({False: 2}, ["node of b"])
        else:
            await exchange.close()
        assert await exchange.swap("b", "p", ["r"], 0) == RETIRE
        left = await exchange.take("a", 0)
        return left, [d.answer for d in (await exchange.collect())[0]], set(exchange.workers)

    left, answers, workers = run(steps)
    assert answers == [["r"]]
    assert (left, workers) == ((RETIRE, set()) if how == "closed" else (None, {"a"}))


def test_workers_with_a_gpu_and_without_are_limited_apart():
    async def steps():
        exchange = Exchange({})
        for name, gpu in (("a", True), ("b", True), ("c", False)):
            await exchange.join(name, b"", "a node", name, gpu=gpu)
        await exchange.limit({True: 1, False: 1}, [])
        return [await exchange.take(name, 0) for name in ("c", "a", "b")]

    assert run(steps) == [None, RETIRE, None]


def test_workers_take_packs_of_their_size_then_smaller_ones():
    async def steps():
        exchange = Exchange({})
        await exchange.join("large", b"", "a node", "large", "L", 4)
        await exchange.join("small", b"", "a node", "small", "S", 1)
        for name, proposals, size in (("p", [1], 1), ("q", [2], 1), ("r", [1, 2, 3, 4], 4), ("s", [5, 6], 4)):
            await exchange.offer(name, proposals, size)
        taken = [(await exchange.take(worker, 0))[0] for worker in ("large", "large", "small", "large")]
        await exchange.offer("t", [1, 2, 3], 4)
        none = await exchange.take("small", 0)  # too large for it
        return taken, none, await exchange.withdraw(larger_than=3), await exchange.withdraw(larger_than=2)

    assert run(steps) == (["r", "s", "p", "q"], None, [], ["t"])


def test_a_kind_is_measured_once(monkeypatch):
    async def steps():
        exchange = Exchange({}, sizes={"known": 8})
        found = [
            await exchange.size(kind, who)
            for kind, who in (("known", "a"), ("new", "a"), ("new", "b"), ("other", "b"))
        ]
        found.append(await exchange.size("new", "a"))  # it has died, and is there again
        monkeypatch.setattr("evoact.execution.cluster.pack_exchange.MEASURE_SECONDS", 0.0)
        found.append(await exchange.size("other", "a"))  # the one that measured may have died for ever
        found += [
            await exchange.measured("new", 4),
            await exchange.measured("new", 2),
            await exchange.size("new", "b"),
        ]
        return found

    assert run(steps) == [8, MEASURE, None, MEASURE, CHOOSE, CHOOSE, 4, 4, 4]


def test_idle_workers_end_if_asked():
    async def steps():
        exchange = Exchange({}, idle_seconds=0.05)
        await exchange.join("a", b"", "a node", "a")
        await exchange.offer("p", [1])
        await asyncio.sleep(0.1)
        taken = await exchange.take("a", 0)  # there is work
        await asyncio.sleep(0.1)
        after = await exchange.swap("a", "p", ["r"], 0)  # it was not idle meanwhile
        await asyncio.sleep(0.1)
        return taken, after, await exchange.take("a", 0), exchange.workers

    assert run(steps) == (("p", [1]), None, RETIRE, {})


def test_those_who_wait_are_woken():
    async def steps():
        exchange = await exchange_with("a")
        assert set((await exchange.collect(60))[1]) == {"a"}  # at once: somebody has joined
        waiting = asyncio.create_task(exchange.take("a", 60))
        collecting = asyncio.create_task(exchange.collect(60))
        await asyncio.sleep(0)
        await exchange.offer("p", [1])
        assert await waiting == ("p", [1])
        await exchange.deliver("a", "p", ["r"])
        return [d.worker for d in (await collecting)[0]], await exchange.withdraw()

    assert run(steps) == (["a"], [])


def test_the_driver_hears_of_workers_if_they_are_others():
    """Not with each pack: there may be thousands of them."""

    async def steps():
        exchange = await exchange_with("a", "b")
        heard = [(await exchange.collect())[1], (await exchange.collect())[1]]
        await exchange.offer("p", [1])
        await exchange.take("a", 0)
        await exchange.deliver("a", "p", ["r"])
        heard.append((await exchange.collect())[1])
        await exchange.lose("a")
        heard.append((await exchange.collect())[1])
        await exchange.close()
        assert await exchange.take("b", 0) == RETIRE
        heard.append((await exchange.collect())[1])
        return [None if workers is None else set(workers) for workers in heard], await exchange.everyone()

    assert run(steps) == ([{"a", "b"}, None, None, {"b"}, set()], {})


def test_what_nobody_has_begun_is_withdrawn():
    async def steps():
        exchange = await exchange_with("a")
        await exchange.offer("p", [1])
        await exchange.offer("q", [2])
        await exchange.take("a", 0)
        return await exchange.withdraw(), await exchange.take("a", 0)

    assert run(steps) == (["q"], None)
