"""The workers of a run, on any number of machines: orders -> what becomes of them, their files brought here.

Orders go out in chunks, a few at a time to whoever has the least, so that none runs short and none hoards;
what comes back is handed on before more goes out, so that memory stays flat however many there are. What a
dead worker had is made again.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from pathlib import Path
from typing import Any

from bark_cli.batch.make import Delivered, Failed, Finished, Progress
from bark_cli.batch.order import Order
from bark_cli.cluster.connect import ClusterError, machines
from bark_cli.cluster.hand import Hand, hire
from bark_cli.cluster.hiring import Hiring
from bark_cli.cluster.job import Job, Lacking, Parcel
from bark_cli.cluster.models import Packed, pack
from bark_cli.cluster.status import WorkerStatus
from bark_cli.cluster.suspicion import Suspicion
from bark_cli.cluster.voices import VoiceStore
from bark_cli.cluster.worker import Worker
from bark_cli.errors import BarkError, GenerationError

_MOST_DEATHS = 3  # of workers in a row, before any made something
_TEXT = 2**20  # bytes of text in a chunk, or one order
_PATIENCE_S = 1.0  # between two looks at what else there is to do
_WARN_S = 30.0  # without any worker


class Crew:
    """Workers that are there as long as its `with` block.

    Args:
        job: how files are made.
        hiring: who makes them.
        scratch: an empty folder for what comes back.
        on_note: told in a line what a human should know.
        worker: what works; another class is for trials.
    """

    def __init__(
        self,
        job: Job,
        hiring: Hiring,
        scratch: Path,
        on_note: Callable[[str], None] = lambda _: None,
        *,
        worker: type[Worker] = Worker,
    ) -> None:
        import ray

        self._job, self._hiring, self._scratch, self._note = job, hiring, scratch, on_note
        self._job_ref, self._worker = ray.put(job), ray.remote(worker)
        self._voices = VoiceStore(job)
        self._packed: dict[int, Sequence[Packed]] = {}
        self._hands: list[Hand] = []
        self._suspicion = Suspicion()
        self._deaths = 0  # in a row
        self._n_staged = 0
        self.workers: list[WorkerStatus] = []  # all that there were, those that died included

    def __enter__(self) -> Crew:
        self._hands = [self._hire() for _ in range(self._hiring.workers)]
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        import ray

        if kind is None:
            closing = [hand.actor.close.remote() for hand in self._hands if hand.ready is not None]
            ray.wait(closing, num_returns=len(closing), timeout=2.0) if closing else None
        for hand in self._hands:
            ray.kill(hand.actor)

    def wait(self) -> None:
        """Come back when somebody can work.

        Raises:
            BarkError: nobody can.
        """
        waited_s = 0.0
        while not any(hand.ready for hand in self._hands):
            list(self._look())
            waited_s += _PATIENCE_S
            if waited_s == _WARN_S:
                what = f"{self._hiring.cpus} CPUs and {self._hiring.gpus:g} GPUs"
                self._note(f"no machine of the cluster has taken a worker with {what} yet; still waiting")

    def make(self, orders: Iterator[Order]) -> Generator[Sequence[Progress], None, None]:
        """Make files of orders, which are taken as there is room.

        Raises:
            BarkError: what would befall every order: the model cannot be loaded, a disk is full.
        """
        failed: list[Failed] = []
        while True:
            self._hand_out(orders, failed)
            if failed:
                yield failed
                failed = []
            if not any(hand.chunks for hand in self._hands) and not self._suspicion:
                left = next(orders, None)
                if left is None:
                    return
                self._suspicion.again.append(left)
                if not any(hand.ready for hand in self._hands):
                    self.wait()
                continue
            yield from self._look()

    def _hand_out(self, orders: Iterator[Order], failed: list[Failed]) -> None:
        """Give every worker enough to do."""
        while self._suspicion.alone:  # and until all of them are cleared, nobody gets anything else
            free = next((hand for hand in self._hands if hand.ready and not hand.chunks), None)
            if free is None:
                return
            free.on_trial = True
            self._send(free, [self._suspicion.alone.popleft()], failed)
        while True:
            hand = min(
                (hand for hand in self._hands if hand.room),
                key=lambda hand: hand.n_orders / hand.chunk_size,
                default=None,
            )
            if hand is None:
                return
            chunk = self._next_chunk(orders, hand.room)
            if not chunk:
                return
            self._send(hand, chunk, failed)

    def _next_chunk(self, orders: Iterator[Order], most: int) -> list[Order]:
        chunk, size, again = list[Order](), 0, self._suspicion.again
        while len(chunk) < most and size < _TEXT:
            order = again.popleft() if again else next(orders, None)
            if order is None:
                break
            chunk.append(order)
            size += len(order.text)
        return chunk

    def _send(self, hand: Hand, chunk: Sequence[Order], failed: list[Failed]) -> None:
        good, voices = list[Order](), dict[str, Any]()
        for order in chunk:
            try:
                voices |= self._voices.of(order)
                good.append(order)
            except BarkError as error:
                failed.append(Failed(task=order.task, error=error))
        if good:
            stream = hand.actor.make.options(num_returns="streaming").remote(good, voices)
            hand.status.begin()
            hand.chunks[stream] = {order.task.output: order for order in good}

    def _look(self) -> Iterator[Sequence[Progress]]:
        """Take what has come from the workers, after a short wait for it."""
        import ray

        by_stream = {stream: hand for hand in self._hands for stream in hand.chunks}
        by_loading = {hand.loading: hand for hand in self._hands if hand.ready is None}
        waited = [*by_stream, *by_loading]
        if not waited:
            return
        come, _ = ray.wait(waited, num_returns=1, timeout=_PATIENCE_S)
        if len(waited) > 1 and come:  # and what else has come by now
            come, _ = ray.wait(waited, num_returns=len(waited), timeout=0)
        for one in come:
            if one in by_loading:
                self._welcome(by_loading[one])
            elif (hand := by_stream[one]) in self._hands:  # it may have died since
                yield from self._take(hand, one)

    def _take(self, hand: Hand, stream: Any) -> Iterator[Sequence[Progress]]:
        """The parcels that a stream has, or the news that its worker is dead."""
        import ray

        try:
            parcels = ray.get(next(stream))
        except StopIteration:
            left = hand.chunks.pop(stream).values()
            hand.on_trial = False
            if not hand.chunks:
                hand.status.state = "idle"
            if left:
                error = GenerationError("its worker has said nothing of it; run the same command again")
                yield [Failed(task=order.task, error=error) for order in left]
            return
        # what a worker has sent lies on its machine until it is fetched, and may be lost with that
        except (ray.exceptions.RayActorError, ray.exceptions.ObjectLostError):
            yield from self._bury(hand)
            return
        except ray.exceptions.RayTaskError as error:
            raise _told(error) from error
        self._deaths = 0
        chunk = hand.chunks[stream]
        yield [event for parcel in parcels for event in self._open(parcel, chunk, hand)]

    def _open(self, parcel: Parcel, chunk: dict[str, Order], hand: Hand) -> Iterator[Progress]:
        """What a parcel tells and holds."""
        order = chunk.pop(parcel.output)
        hand.status.count(parcel)
        yield from parcel.events
        if parcel.sound is not None:
            yield self._staged(order, parcel)
        elif parcel.files:
            yield Delivered(order=order, files=parcel.files, seconds=parcel.seconds)

    def _staged(self, order: Order, parcel: Parcel) -> Finished:
        """The files of an order, on this disk."""
        self._n_staged += 1
        sound, beside = self._scratch / f"{self._n_staged}.{order.task.format}", None
        sound.write_bytes(parcel.sound or b"")
        if parcel.subtitles is not None and order.task.subtitles is not None:
            beside = sound.with_suffix(Path(order.task.subtitles).suffix)
            beside.write_bytes(parcel.subtitles)
        return Finished(order=order, sound=sound, seconds=parcel.seconds, subtitles=beside)

    def _hire(self) -> Hand:
        hand = hire(len(self.workers) + 1, self._worker, self._hiring, self._job_ref, self._packed)
        self.workers.append(hand.status)
        return hand

    def _welcome(self, hand: Hand) -> None:
        """See what a worker says of its loading."""
        import ray

        try:
            told = ray.get(hand.loading)
        except ray.exceptions.RayActorError as error:
            if "No module named 'bark_cli'" in str(error):
                raise ClusterError(
                    "a machine of the cluster has no bark-cli; install it on all: pip install 'bark-cli[ray]'"
                ) from error
            list(self._bury(hand))
            return
        except ray.exceptions.RayTaskError as error:
            raise _told(error) from error
        if isinstance(told, Lacking):
            wanted = self._job.models[told.model]
            if told.model not in self._packed:
                self._note(f"bringing model {wanted.ref.name} to machines that have it not")
                self._packed[told.model] = pack(wanted.ref, ray.put)
            hand.loading = hand.actor.load.remote(self._job_ref, self._packed)
            return
        if told.version != self._job.version:
            raise ClusterError(
                f"{told.host} has bark-cli {told.version}, and this is {self._job.version}; install the same "
                "version on all machines"
            )
        hand.ready = told
        hand.status.welcome(told)

    def _bury(self, hand: Hand) -> Iterator[Sequence[Progress]]:
        """Do without a dead worker: hire another, and have what it was at made again.

        Raises:
            ClusterError: worker after worker dies before any has made something.
        """
        import ray

        self._hands.remove(hand)
        hand.status.state = "lost"
        ray.kill(hand.actor)
        orders, hand.chunks = hand.orders, {}
        if hand.ready is None:
            self._deaths += 1
            if self._deaths >= _MOST_DEATHS * self._hiring.workers:
                raise ClusterError(
                    "workers die while they load the model, as they do where memory is short; use fewer per "
                    "machine (--worker-cpus) or a smaller model"
                )
        self._hands.append(self._hire())
        if hand.ready is not None and not _is_alive(hand.ready.node):
            self._suspicion.lost_with_machine(orders)
        else:
            yield self._suspicion.died(orders)


def _is_alive(node: str) -> bool:
    return any(machine["NodeID"] == node for machine in machines())


def _told(error: Any) -> BarkError:
    """What a worker raised, as this process raises it."""
    cause = error.cause if isinstance(error.cause, BaseException) else None
    if isinstance(error, BarkError):  # Ray makes a class that is both
        return type(cause)(str(cause)) if isinstance(cause, BarkError) else ClusterError(str(cause))
    return ClusterError(f"a worker failed: {type(cause).__name__}: {cause}")
