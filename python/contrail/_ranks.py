"""Several processes, one model: what ``contrail.torch.prepare`` does.

The runner gives every rank the names that torch.distributed reads, so the same lines work with one process,
with several, and under ``torchrun``. What they train is what one process would train on the whole batch: gradients
are weighed by the samples that each of them had, and sums of numbers are made in the order of the ranks.
"""

from __future__ import annotations

import atexit
import os
import weakref
from typing import Any, List, Tuple

from ._loader import Loader, loader_of

_TOGETHER: Any = weakref.WeakSet()
"""What ``prepare`` put around models."""


def place() -> Tuple[int, int, int]:
    """This process's rank, how many there are, and its number on this machine."""
    names = ("RANK", "WORLD_SIZE", "LOCAL_RANK")
    rank, size, local = (int(os.environ.get(name) or default) for name, default in zip(names, "010"))
    return rank, size, local


def prepare(torch: Any, model: Any, optimizer: Any, loader: Any) -> Tuple[Any, Any, Any]:
    rank, size, local = place()
    device = device_of(torch, local)
    # In place: the optimizer keeps its parameters.
    model.to(device)
    if loader is not None and not isinstance(loader, Loader):
        loader = loader_of(torch, loader, torch.initial_seed())
    if loader is not None:
        loader.shard(rank, size, device if device.type == "cuda" else None)
    if size == 1:
        return model, optimizer, loader
    if not torch.distributed.is_initialized():
        if device.type == "cuda":
            torch.cuda.set_device(device)
        torch.distributed.init_process_group("nccl" if device.type == "cuda" else "gloo")
        atexit.register(_part, torch)
    together = torch.nn.parallel.DistributedDataParallel(
        model,
        device_ids=[device] if device.type == "cuda" else None,
        # Gradients are summed in buckets, which torch sorts anew after the first step it has seen. With two
        # ranks a sum is the same in any order; with more it is not, and a trial that was resumed would sum in
        # another order than one that never paused. Looking for unused parameters keeps the first order.
        find_unused_parameters=size > 2,
    )
    if loader is not None:
        # torch looks at the annotations of a hook, and these would not do: a lambda has none.
        together.register_comm_hook(loader, lambda state, bucket: _weighed(torch, state, bucket))
    _TOGETHER.add(together)
    return together, optimizer, loader


def _part(torch: Any) -> None:
    """Ends the threads of the process group while there is still an interpreter. They let go of tensors, for which they
    need it; one that came too late would abort the process after its work was done (pytorch/pytorch#190489). A wrapped
    model holds the group, so destroying that alone ends nothing."""
    for together in list(_TOGETHER):
        together.reducer = together.logger = together.process_group = None
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()


def _weighed(torch: Any, loader: Loader, bucket: Any) -> Any:
    """Sums the gradients of a bucket over all processes, each weighed by its share of the batch. DDP by itself takes
    the plain mean, in which a process with fewer samples than the others would count for more."""
    tensor = bucket.buffer().mul_(loader.share)
    summed = torch.distributed.all_reduce(tensor, async_op=True).get_future()
    return summed.then(lambda done: done.value()[0])


def total(torch: Any, values: Tuple[float, ...]) -> List[float]:
    """Each of the values summed over all processes, in the order of the ranks: the same bits on each of them and
    every time."""
    _, size, local = place()
    own = [float(value) for value in values]
    if size == 1:
        return own
    if not torch.distributed.is_initialized():
        raise RuntimeError("total() was called before prepare(), which brings the %d processes together" % size)
    device = device_of(torch, local)
    mine = torch.tensor(own, dtype=torch.float64, device=device)
    everybody = [torch.empty_like(mine) for _ in range(size)]
    torch.distributed.all_gather(everybody, mine)
    rows = [one.tolist() for one in everybody]
    return [sum(column) for column in zip(*rows)]


def device_of(torch: Any, local: int) -> Any:
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    return torch.device("cuda", local % count) if count > 0 else torch.device("cpu")


def bare(torch: Any, model: Any) -> Any:
    """The model without what ``prepare`` put around it, so that a checkpoint is the same for any number of
    processes."""
    wrapped = isinstance(model, torch.nn.parallel.DistributedDataParallel)
    return model.module if wrapped else model
