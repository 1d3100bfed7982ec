"""Packs and results between a driver and workers, without Ray."""

import asyncio
import random

import pytest

from evoact.execution.cluster.pack_exchange import CHOOSE, MEASURE, RETIRE, Exchange, Offer


def exchange_with(*workers):
    async def made():
        exchange = Exchange({})
        for worker in workers:
            await exchange.join(worker, f"lease of {worker}", b"", f"node of {worker}", worker)
        return exchange

    return made()


def run(steps):
    return asyncio.run(steps())


def test_a_late_result_counts_once():
    async def steps():
        exchange = await exchange_with("a", "b")
        await exchange.offer(Offer("p", [1]))
        assert await exchange.take("a", 0) == ("p", [1])
        lost = await exchange.lose("lease of a")  # it hangs, and is given up
        assert lost.pack == "p"
        await exchange.offer(Offer("p", [1]))
        assert await exchange.take("b", 0) == ("p", [1])
        assert await exchange.swap("a", "p", ["late"], 0) == RETIRE
        assert await exchange.swap("b", "p", ["second"], 0) is None
        return (await exchange.collect())[0]

    [found] = run(steps)
    assert (found.pack, found.answer) == ("p", ["late"])


def test_a_late_result_takes_the_pack_from_the_queue():
    async def steps():
        exchange = await exchange_with("a", "b")
        await exchange.offer(Offer("p", [1]))
        await exchange.take("a", 0)
        await exchange.offer(Offer("p", [1]))
        await exchange.deliver("a", "p", ["late"])
        assert await exchange.take("b", 0) is None
        await exchange.offer(Offer("q", [2]))
        await exchange.take("b", 0)
        await exchange.end("q")  # halved meanwhile
        await exchange.deliver("b", "q", ["too late"])
        return [d.pack for d in (await exchange.collect())[0]]

    assert run(steps) == ["p"]


def test_a_pack_that_did_not_arrive_is_offered_again():
    """The connection broke before the answer came; the worker joins and asks again."""

    async def steps():
        exchange = await exchange_with("a", "b")
        await exchange.offer(Offer("p", [1]))
        await exchange.offer(Offer("q", [2]))
        assert await exchange.take("a", 0) == ("p", [1])
        await exchange.join("a", "lease of a", b"", "node of a", "a")
        assert await exchange.take("a", 0) == ("p", [1])
        assert await exchange.swap("a", "p", ["r"], 0) == ("q", [2])
        assert await exchange.swap("a", "p", ["r"], 0) == ("q", [2])
        return [d.pack for d in (await exchange.collect())[0]]

    assert run(steps) == ["p"]


def test_a_lost_worker_that_comes_back_is_not_taken_in():
    """Cut off with its node, and its lease is another's: it may deliver what it has trained, and is to end."""

    async def steps():
        exchange = await exchange_with("a")
        await exchange.offer(Offer("p", [1]))
        await exchange.offer(Offer("q", [2]))
        await exchange.take("a", 0)
        assert (await exchange.lose("lease of a")).pack == "p"
        await exchange.join("a", "lease of a", b"", "node of a", "a")
        assert await exchange.swap("a", "p", ["late"], 0) == RETIRE
        await exchange.join("b", "lease of a", b"", "node of b", "b")
        assert await exchange.take("b", 0) == ("q", [2])
        await exchange.join("c", "lease of a", b"", "node of c", "c")  # and nobody has heard the end of b
        assert await exchange.take("c", 0) == ("q", [2])
        return [(d.pack, d.worker) for d in (await exchange.collect())[0]], set(exchange.workers)

    assert run(steps) == ([("p", "a")], {"c"})


@pytest.mark.parametrize("seed", range(20))
def test_no_pack_is_left_behind_whatever_gets_lost(seed):
    """Workers of two leases whose processes die, are cut off, come back late, and lose answers on the way."""
    draw = random.Random(seed)

    async def steps():
        exchange, driver, has, trained = (
            Exchange({}),
            dict[str, list[int]](),
            dict[str, str | None](),
            list[str](),
        )
        current = {"x": "x0", "y": "y0"}
        for step in range(400):
            if step < 300 and len(driver) < 4:
                driver[f"p{step}"] = [step]
                await exchange.offer(Offer(f"p{step}", [step]))
            lease = draw.choice("xy")
            ghosts = [worker for worker in has if worker not in current.values()]
            worker = draw.choice(ghosts) if ghosts and draw.random() < 0.2 else current[lease]
            what = draw.random() if step < 300 else 0.5  # in the end all goes well
            if what < 0.05:  # its process dies, or its node is cut off, which its driver hears of
                lost = await exchange.lose(lease)
                if lost is not None and lost.pack in driver:
                    await exchange.offer(Offer(lost.pack, driver[lost.pack]))
                current[lease] = f"{lease}{step}"
                continue
            if what < 0.1 or worker not in has:
                has.setdefault(worker, None)
                await exchange.join(worker, worker[0], b"", "a node", worker)
            name = has[worker]
            answer = await (exchange.swap(worker, name, [name], 0) if name else exchange.take(worker, 0))
            if answer == RETIRE:
                if worker == current[lease]:
                    current[lease] = f"{lease}{step}"
                has[worker] = None
            elif draw.random() > 0.1 or step >= 300:  # else the answer is lost
                has[worker] = answer and answer[0]
            for d in (await exchange.collect())[0]:
                trained.append(d.pack)
                del driver[d.pack]
        return driver, trained

    left, trained = run(steps)
    assert not left
    assert len(trained) == len(set(trained))


@pytest.mark.parametrize("how", ["limit", "leaving", "closed"])
def test_workers_end_after_their_pack(how):
    async def steps():
        exchange = await exchange_with("a", "b")
        await exchange.offer(Offer("p", [1]))
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
            await exchange.join(name, name, b"", "a node", name, gpu=gpu)
        await exchange.limit({True: 1, False: 1}, [])
        return [await exchange.take(name, 0) for name in ("c", "a", "b")]

    assert run(steps) == [None, RETIRE, None]


def test_workers_take_packs_of_their_size_then_smaller_ones():
    async def steps():
        exchange = Exchange({})
        await exchange.join("large", "lease L", b"", "a node", "large", "L", 4)
        await exchange.join("small", "lease S", b"", "a node", "small", "S", 1)
        for name, proposals, size in (("p", [1], 1), ("q", [2], 1), ("r", [1, 2, 3, 4], 4), ("s", [5, 6], 4)):
            await exchange.offer(Offer(name, proposals, size))
        taken = []
        for worker in ("large", "large", "small", "large"):
            taken.append((await exchange.take(worker, 0))[0])
            await exchange.deliver(worker, taken[-1], [])
        await exchange.offer(Offer("t", [1, 2, 3], 4))
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
        await exchange.join("a", "lease of a", b"", "a node", "a")
        await exchange.offer(Offer("p", [1]))
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
        await exchange.offer(Offer("p", [1]))
        assert await waiting == ("p", [1])
        await exchange.deliver("a", "p", ["r"])
        return [d.worker for d in (await collecting)[0]], await exchange.withdraw()

    assert run(steps) == (["a"], [])


def test_the_driver_hears_of_workers_if_they_are_others():
    """Not with each pack: there may be thousands of them."""

    async def steps():
        exchange = await exchange_with("a", "b")
        heard = [(await exchange.collect())[1], (await exchange.collect())[1]]
        await exchange.offer(Offer("p", [1]))
        await exchange.take("a", 0)
        await exchange.deliver("a", "p", ["r"])
        heard.append((await exchange.collect())[1])
        await exchange.lose("lease of a")
        heard.append((await exchange.collect())[1])
        await exchange.close()
        assert await exchange.take("b", 0) == RETIRE
        heard.append((await exchange.collect())[1])
        return [None if workers is None else set(workers) for workers in heard], await exchange.everyone()

    assert run(steps) == ([{"a", "b"}, None, None, {"b"}, set()], {})


def test_what_nobody_has_begun_is_withdrawn():
    async def steps():
        exchange = await exchange_with("a")
        await exchange.offer(Offer("p", [1]))
        await exchange.offer(Offer("q", [2]))
        await exchange.take("a", 0)
        return await exchange.withdraw(), await exchange.swap("a", "p", ["r"], 0)

    assert run(steps) == (["q"], None)
