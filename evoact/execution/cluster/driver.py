"""Between a source of packs and the exchange: what is offered, what becomes of a lost worker's pack, how many workers
there are to be."""

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import ray
from ray import cloudpickle

from evoact.config import Plan
from evoact.errors import UserError
from evoact.execution.cluster.metrics import Metrics
from evoact.execution.cluster.pack_exchange import Delivered, Joined, Offer
from evoact.execution.cluster.ray_cluster import leaving_nodes, living_nodes, room
from evoact.execution.local import PackSource, Work
from evoact.execution.running.log import FAULT
from evoact.execution.worker import failed
from evoact.installation import VERSION

FALSE_STARTS = 3  # per worker, in a row, before the search is given up
NODES_LOST = 10  # nodes that a pack may lose under it, beside its own failures
SILENT_SECONDS = 60.0  # without a sign of life, after which a worker is given up
# Without an answer, after which the exchange is given up: it has a share of a busy machine, too.
EXCHANGE_SECONDS = 300.0
RENEWALS = 5  # of the exchange, in a row, before the search is given up
LOSSES = (ray.exceptions.RayActorError, ray.exceptions.GetTimeoutError, ray.exceptions.ObjectLostError)
LOOK_SECONDS = 5.0  # between two looks at the cluster
AHEAD_SECONDS = (
    0.5  # for which workers have packs waiting: Tune's loop and the driver's own work last about as long
)
IMPORTS = ("ModuleNotFoundError", "ImportError")  # why a worker that cannot be made of its class died


class Driver:
    """Offers packs, takes results, and decides what becomes of those whose worker is lost."""

    def __init__(
        self,
        source: PackSource,
        plan: Plan,
        made: Callable[[Mapping[str, int]], Any],
        resources: dict[str, float],
        note: Callable[..., None],
        run: str = "",
    ):
        """`made` makes an exchange, of pack sizes by kind of worker; the other arguments are those of `execute`."""
        self.source, self.plan, self.made = source, plan, made
        self.resources, self.note, self.metrics = resources, note, Metrics(run)
        self.beside = plan.config.execution.cpu_workers  # of the workers, so many have no GPU
        self.workers = (source.workers or room(resources)) + self.beside  # how many there may be
        packs = plan.config.packs
        self.size = (
            None if packs.size == "auto" else packs.size
        )  # of all packs, if all workers are to take the same
        self.sizes = dict(packs.sizes)  # else by kind of worker
        self.exchange, self.heard, self.renewals = made(self.sizes), False, 0
        self.joined: dict[str, Joined] = {}
        self.out: dict[str, Offer] = {}  # with the sizes for which the source was asked
        self.losses: Counter[str] = Counter()
        self.nodes_lost: Counter[str] = Counter()
        self.given_up: set[str] = set()  # leases of workers whose end Tune has not noted yet
        self.false_starts = 0
        self.pack_seconds = 0.0  # that a pack is trained, a moving average; 0 if nothing is known
        self.looked = time.monotonic()
        self.error: BaseException | None = None

    @property
    def done(self) -> bool:
        return self.error is not None or (not self.out and self.source.finished)

    @property
    def wanted(self) -> int:
        """How many workers there are to be now: those who would have nothing to do are not, if idle ones go."""
        if self.plan.config.execution.idle_seconds is None or not self._by_size():
            return self.workers
        return min(self.workers, len(self.out))

    @property
    def most(self) -> dict[bool, int]:
        """How many workers with a GPU and without there may be."""
        own = self.workers - self.beside if self.resources["gpu"] else 0
        return {True: own, False: self.workers - own}

    def work(self, seconds: float) -> None:
        """Offer packs and take results for so many seconds, or until there is no more to do."""
        end = time.monotonic() + seconds
        while not self.done and (left := end - time.monotonic()) > 0:
            self.collect(left)
            with self._kept():
                self._look()
        if self.done:
            self.exchange.close.remote()

    def fill(self) -> None:
        """Offer packs until there are enough of them, or results must come first."""
        with self._kept():
            for size, workers in self._by_size().items():
                out = sum(offer.size == size for offer in self.out.values())
                # More than can be in training, so that no worker waits for the driver.
                for _ in range(workers + self._ahead() - out):
                    name, proposals = self.source.next_pack(size)
                    if not proposals:
                        return
                    self._offer(Offer(name, proposals, size))

    def _by_size(self) -> dict[int, int]:
        """How many workers there are, or are to be, for packs of each size, the largest first. Those who have not
        joined count as workers for the smallest, which fit everywhere."""
        if self.size is not None:
            return {self.size: self.workers}
        joined = Counter(worker.size for worker in self.joined.values())
        smallest = min(joined or self.sizes.values(), default=0)
        if smallest:
            joined[smallest] += max(0, self.workers - joined.total())
        return {size: joined[size] for size in sorted(joined, reverse=True)}

    def collect(self, seconds: float) -> None:
        """Take what the workers deliver, after waiting for that at most so long, then fill up."""
        with self._kept():
            delivered, joined = self._call("collect", seconds) or ([], {})
            if joined is not None:
                self._meet(joined)
            self._finish(delivered)
            if self.source.finished and self.out:  # it is stopping: what nobody has begun need not be
                for name in self._call("withdraw") or ():
                    self.out.pop(name, None)
        self.fill()

    def _finish(self, delivered: Sequence[Delivered]) -> None:
        """Have all packs that are back stored together, before an error of a worker ends the run."""
        workers, packs = max(1, len(self.joined)), []
        errors = [d.answer for d in delivered if isinstance(d.answer, Exception)]
        for d in delivered:
            if isinstance(d.answer, Exception):
                continue
            self.false_starts = self.renewals = 0
            del self.out[d.pack]
            trained = max(0.0, d.answer[0].finished_at - d.answer[0].started_at)
            self.pack_seconds = 0.9 * self.pack_seconds + 0.1 * trained if self.pack_seconds else trained
            packs.append((d.answer, Work(d.worker, d.waited, workers)))
        if packs:
            self.source.finish_packs(packs)
        for results, work in packs:
            self.metrics.pack(results, work.waited, workers)
        if errors:
            raise errors[0]

    def _meet(self, joined: dict[str, Joined]) -> None:
        """Take note of who the workers are, and of the pack sizes that they have measured."""
        self.joined = joined
        for worker in joined.values():
            if worker.kind and worker.kind not in self.sizes:
                self.sizes[worker.kind] = worker.size
                self.source.measured(worker.kind, worker.size)

    def _ahead(self) -> int:
        """How many packs are to wait for a worker: as many as workers are expected to end in a moment, one at least."""
        if not self.pack_seconds:
            return 1
        return 1 + min(self.workers, int(self.workers * AHEAD_SECONDS / self.pack_seconds))

    def lose(self, lease: str, reason: str) -> None:
        """Take note that the process of a lease died, as Tune says."""
        with self._kept():
            lost = self._call("lose", lease)
            if lost is None:
                if lease in self.given_up:
                    self.given_up.remove(lease)
                    return
                self._false_start(reason)
            elif lost.node in living_nodes():
                self._lost(lost, "worker lost", reason, "its worker process died")
            else:
                self._lost(lost, "node lost", reason)
        self.fill()

    def _false_start(self, reason: str) -> None:
        self.false_starts += 1
        self._fault("worker did not start", reason)
        if reason.startswith(IMPORTS):
            raise UserError(
                f"expected evoact {VERSION} on every node, got one that lacks it: {reason}; install the same there"
            )
        if self.false_starts > FALSE_STARTS * (self.workers + 1):
            raise RuntimeError(f"workers die before they take a pack: {reason}")

    def _lost(self, worker: Joined, what: str, reason: str, blame: str = "", state: str = "failed") -> None:
        """Have a lost worker's pack trained again; one to blame is halved after a few times, until the member at fault
        is alone, and fails.
        """
        name = worker.pack
        self._fault(what, reason, worker=worker.name, pack=name)
        if name not in self.out:  # it was idle, or another has answered
            return
        if not blame:
            self.nodes_lost[name] += 1
            if self.nodes_lost[name] <= NODES_LOST:
                self._offer(self.out[name])
                return
            blame = "the nodes that trained it were lost"
        self.losses[name] += 1
        if self.losses[name] <= self.plan.config.execution.max_failures:
            self._offer(self.out[name])
            return
        proposals = self.out[name].proposals
        self.exchange.end.remote(name)
        if len(proposals) > 1:
            for half in self._halve(name):
                # One of both is at fault, and each death costs the start of a process.
                if len(self.out[half].proposals) > 1:
                    self.losses[half] = self.plan.config.execution.max_failures
        else:
            del self.out[name]
            error = f"{blame}, in {self.losses[name]} of {self.losses[name]} attempts"
            results = failed(name, proposals, self.plan, error, state)
            self.source.finish_packs([(results, Work(worker.name))])

    def _fault(self, what: str, reason: str, **fields: str) -> None:
        self.note(FAULT, what=what, **fields, reason=reason[:500])
        self.metrics.fault(what)

    def _look(self) -> None:
        """Now and then: follow the cluster and the wishes of the owner, and give up workers that hang."""
        now = time.monotonic()
        if now - self.looked < LOOK_SECONDS:
            return
        self.looked = now
        self._meet(ray.get(self.exchange.everyone.remote()))
        self.fill()  # which looks at what is asked for, too
        leaving = leaving_nodes()
        workers = (self.source.workers or max(1, room(self.resources, leaving, refuse=False))) + self.beside
        if workers != self.workers:
            self.note("workers", workers=workers, before=self.workers)
            self.workers = workers
        self.exchange.limit.remote(self.most, sorted(leaving))
        largest = max((joined.size for joined in self.joined.values()), default=0)
        if largest:  # those for whom a pack was may be gone
            for name in self._call("withdraw", largest) or ():
                self._halve(name)
        for joined in self.joined.values():
            longest = self._longest(joined)
            if joined.seen > SILENT_SECONDS:
                self._give_up(joined, f"no sign of life for {joined.seen:.0f} s", "its worker hung")
            elif longest is not None and joined.since > longest:
                blame = f"it did not end within {longest:.0f} s"
                self._give_up(joined, f"no result within {longest:.0f} s", blame)

    def _longest(self, joined: Joined) -> float | None:
        """The longest that a pack may take: a hung member is found by halving, each half with a limit of its own."""
        seconds = self.plan.config.packs.timeout_seconds
        if seconds is None or joined.pack not in self.out:
            return None
        return 2 * len(self.out[joined.pack].proposals) * seconds + SILENT_SECONDS

    def _give_up(self, joined: Joined, reason: str, blame: str) -> None:
        lost = self._call("lose", joined.lease) or joined
        self.given_up.add(lost.lease)
        with suppress(ray.exceptions.RayError):
            ray.kill(cloudpickle.loads(lost.process), no_restart=True)
        self._lost(lost, "worker hung", reason, blame, state="timed_out")

    def _halve(self, name: str) -> tuple[str, str]:
        """Offer the halves of a pack in its place; return their names."""
        whole = self.out.pop(name)
        half = len(whole.proposals) // 2
        self._offer(Offer(f"{name}a", whole.proposals[:half], whole.size))
        self._offer(Offer(f"{name}b", whole.proposals[half:], whole.size))
        return f"{name}a", f"{name}b"

    def _offer(self, offer: Offer) -> None:
        self.out[offer.name] = offer
        self.exchange.offer.remote(offer)

    def _call(self, method: str, *arguments: Any) -> Any:
        """Return what a method of the exchange answers; None if it is lost, and another is in its place."""
        try:
            asked = getattr(self.exchange, method).remote(*arguments)
            # Its process may take long to start on a busy machine.
            answer = ray.get(asked, timeout=EXCHANGE_SECONDS if self.heard else None)
        except LOSSES as error:
            self._fault("exchange lost", str(error).strip().splitlines()[-1])
            self.renewals += 1
            if self.renewals > RENEWALS:
                raise RuntimeError(
                    f"expected the exchange of packs to live, got it lost again: {error}"
                ) from None
            self._renew()
            return None
        self.heard = True
        return answer

    def _renew(self) -> None:
        """Put another exchange in the place of one that died or hangs. Workers find it by its name and join; all packs
        that are out are offered again, and of two answers the first counts."""
        with suppress(ray.exceptions.RayError):
            ray.kill(self.exchange)
        self.exchange, self.heard = self.made(self.sizes), False
        self.looked = time.monotonic()  # workers need a moment to join
        for offer in self.out.values():
            self.exchange.offer.remote(offer)

    @contextmanager
    def _kept(self) -> Iterator[None]:
        """Keeps an error for the end of the search: Tune would swallow it."""
        try:
            yield
        except Exception as error:
            self.error = self.error or error
