"""A loader whose place can be saved in the middle of an epoch, workers and all.

Two rules make it exact. The order of an epoch is a function of (seed, epoch), so a place is two numbers and
not the state of a generator. And before a sample is read, the generators are seeded from (seed, epoch,
sample), so what augmentation draws does not depend on which worker reads it, on what that worker has read
before, or on how many workers and ranks there are. Refused: saving the workers' generators. They have run
ahead by what was prefetched when the checkpoint is made, and their number would belong to the result.

Of several processes each gets its part of every batch. A batch that they cannot share evenly is shared as evenly as
it can be, and ``share`` says what this one's part weighs in the mean over the whole batch; ``_ranks`` weighs the
gradients by it, so that the result is that of one process. Refused: leaving samples out until the parts are equal,
which is another training run for each number of processes.

torch is imported when a loader is made.
"""

from __future__ import annotations

from typing import Any, Dict, Iterator, List, Optional, Tuple

from ._generators import derived, seed_all, set_states, states


class Loader:
    """See ``contrail.torch.loader``, which makes it."""

    def __init__(
        self, dataset: Any, batch_size: int, *, seed: int, shuffle: bool, drop_last: bool, options: Dict[str, Any]
    ) -> None:
        if not (hasattr(dataset, "__len__") and hasattr(dataset, "__getitem__")):
            raise TypeError(
                "a data set without __len__ and __getitem__ has no places to go on from, but loader() was "
                "given a %s. Give it one whose samples have numbers." % type(dataset).__name__
            )
        if batch_size < 1:
            raise ValueError("batch_size is %r; a batch has at least 1 sample" % (batch_size,))
        self.dataset = dataset
        self.batch_size = batch_size
        self.epoch = 0
        """Of the batch that comes next, from 0."""
        self.position = 0
        """Batches of that epoch that have been handed out."""
        self.share = 1.0
        """What this process's part of the batch that was handed out last weighs in the mean over that batch."""
        self._seed = seed
        self._shuffle = shuffle
        self._drop_last = drop_last
        self._options = options
        self._rank, self._size = 0, 1
        self._device: Any = None
        # The epoch that is being read; kept between calls, so that workers and what they prefetched stay.
        self._running: Optional[Iterator[Any]] = None
        self._check_size()

    def __len__(self) -> int:
        """Batches in an epoch."""
        whole, left = divmod(len(self.dataset), self.batch_size)
        return whole if self._drop_last or left == 0 else whole + 1

    def __iter__(self) -> Iterator[Any]:
        """The rest of this epoch: all of it, unless the loader stands in its middle."""
        return self.take(len(self) - self.position)

    def take(self, count: int) -> Iterator[Any]:
        """The next ``count`` batches, on over the ends of epochs: for steps that are not epochs."""
        for _ in range(count):
            yield self._next()

    def shard(self, rank: int, size: int, device: Any = None) -> None:
        """From now on every batch is this rank's part of it, on this device. ``prepare`` calls it."""
        if self.batch_size < size:
            raise ValueError(
                "batch_size is %d, which is too few samples for %d processes: each needs at least 1. Choose a "
                "batch_size of %d or more, or at most %d for resources.slots_per_trial"
                % (self.batch_size, size, size, self.batch_size)
            )
        self._rank, self._size, self._device = rank, size, device
        self._running = None
        self.share = 1.0 / size

    def state_dict(self) -> Dict[str, Any]:
        return {"epoch": self.epoch, "position": self.position, **self._nature()}

    def load_state_dict(self, state: Dict[str, Any]) -> None:
        nature = self._nature()
        other = {name: state.get(name) for name in nature if state.get(name) != nature[name]}
        # At the begin of an epoch nothing depends on how the earlier ones were cut.
        if other and state["position"] > 0:
            ours = ", ".join("%s = %r (this loader has %r)" % (n, other[n], nature[n]) for n in other)
            raise ValueError(
                "the checkpoint was made in the middle of an epoch with %s, so its place means nothing here. "
                "Go on with the same, or from a checkpoint at the end of an epoch." % ours
            )
        self.epoch, self.position, self._running = state["epoch"], state["position"], None

    def _nature(self) -> Dict[str, Any]:
        """What a place in the middle of an epoch depends on. Not on ranks and workers."""
        return {
            "seed": self._seed,
            "samples": len(self.dataset),
            "batch_size": self.batch_size,
            "shuffle": self._shuffle,
            "drop_last": self._drop_last,
        }

    def _share_of(self, position: int) -> float:
        count = min(self.batch_size, len(self.dataset) - position * self.batch_size)
        return len(range(self._rank, count, self._size)) / count

    def _check_size(self) -> None:
        if len(self) == 0:
            raise ValueError(
                "a data set of %d samples gives no batch of %d (drop_last=%s)"
                % (len(self.dataset), self.batch_size, self._drop_last)
            )

    def _next(self) -> Any:
        import torch

        if self._running is None:
            self._running = self._start(torch)
        if self._options.get("num_workers", 0) > 0:
            batch = next(self._running)
        else:
            # Read in this process, whose generators belong to the model.
            before = states(torch, devices=False)
            batch = next(self._running)
            set_states(torch, before)
        self.share = self._share_of(self.position)
        self.position += 1
        if self.position == len(self):
            self.epoch, self.position, self._running = self.epoch + 1, 0, None
        return batch if self._device is None else _moved(torch, batch, self._device)

    def _start(self, torch: Any) -> Iterator[Any]:
        count, epoch = len(self.dataset), self.epoch
        generator = torch.Generator()
        generator.manual_seed(derived(self._seed, "order", epoch))
        order = torch.randperm(count, generator=generator) if self._shuffle else torch.arange(count)
        if self._drop_last:
            order = order[: count - count % self.batch_size]
        batches = _Batches(
            order,
            epoch=epoch,
            batch_size=self.batch_size,
            position=self.position,
            part=slice(self._rank, None, self._size),
        )
        # The loader draws the workers' first seeds from this one, and not from the model's.
        generator.manual_seed(derived(self._seed, "workers", epoch))
        options = {**self._options, "generator": generator}
        return iter(
            torch.utils.data.DataLoader(
                _Seeded(self.dataset, self._seed), batch_sampler=batches, **options
            )
        )


class _Batches:
    """The batches of an epoch that are left, as samples with the epoch that they are read in."""

    def __init__(self, order: Any, *, epoch: int, batch_size: int, position: int, part: slice) -> None:
        self._order = order
        self._epoch = epoch
        self._batch_size = batch_size
        self._starts = range(position * batch_size, len(order), batch_size)
        self._part = part

    def __len__(self) -> int:
        return len(self._starts)

    def __iter__(self) -> Iterator[List[Tuple[int, int]]]:
        for start in self._starts:
            batch = self._order[start : start + self._batch_size]
            # In the last batch of an epoch there may be none left for this process. It has to take part all the
            # same, or the others would wait for it: with a sample that weighs nothing.
            samples = batch[self._part].tolist() or batch[:1].tolist()
            yield [(self._epoch, sample) for sample in samples]


class _Seeded:
    """The data set, with the generators seeded anew for every sample."""

    def __init__(self, dataset: Any, seed: int) -> None:
        self._dataset = dataset
        self._seed = seed

    def __getitem__(self, place: Tuple[int, int]) -> Any:
        import torch

        epoch, sample = place
        seed_all(torch, derived(self._seed, "sample", epoch, sample), devices=False)
        return self._dataset[sample]


def _moved(torch: Any, batch: Any, device: Any) -> Any:
    if isinstance(batch, torch.Tensor):
        return batch.to(device, non_blocking=True)
    if isinstance(batch, dict):
        return {name: _moved(torch, value, device) for name, value in batch.items()}
    if isinstance(batch, tuple) and hasattr(batch, "_fields"):
        return type(batch)(*(_moved(torch, value, device) for value in batch))
    if isinstance(batch, (list, tuple)):
        return type(batch)(_moved(torch, value, device) for value in batch)
    return batch


def loader_of(torch: Any, given: Any, seed: int) -> Loader:
    """A loader that does what a plain DataLoader does, with a place that can be saved."""
    shuffle = _shuffles(torch.utils.data, given)
    if shuffle is None:
        raise TypeError(
            "prepare() was given a DataLoader with a sampler of its own (%s), whose choice and order of samples it "
            "cannot share among processes. Give it a DataLoader with shuffle=True or False, or "
            "contrail.torch.loader(...)." % type(given.sampler).__name__
        )
    names = ["num_workers", "collate_fn", "pin_memory", "timeout", "worker_init_fn", "prefetch_factor"]
    names += ["multiprocessing_context"]
    return Loader(
        given.dataset,
        given.batch_size,
        seed=seed,
        shuffle=shuffle,
        drop_last=given.drop_last,
        options={name: getattr(given, name) for name in names},
    )


def _shuffles(data: Any, given: Any) -> Optional[bool]:
    """What the DataLoader was given as ``shuffle``; None where it reads each sample of its data set not once an epoch."""
    sampler = given.sampler
    if given.batch_size is None or getattr(sampler, "data_source", None) is not given.dataset:
        return None
    if type(sampler) is data.SequentialSampler:
        return False
    whole = type(sampler) is data.RandomSampler and sampler.num_samples == len(given.dataset)
    return True if whole and not sampler.replacement else None
