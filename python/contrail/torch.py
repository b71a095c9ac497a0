"""PyTorch: seeds, loading, several processes, and checkpoints from which training goes on bit for bit.

A checkpoint that holds only weights does not resume a training run, it starts another one: the optimizer's
moments, the place in the data and every random generator (shuffling, dropout, augmentation) belong to the
state as well. So ``save`` writes them all, and ``load`` puts them all back, generators last, because
building a model draws from them.

Two files: ``model.pt`` is the model's ``state_dict`` and nothing else, so that equal parameters are equal
bytes; ``training.pt`` is the rest. Both load with ``weights_only=True``; no code is ever unpickled.

torch is imported when a function is called, and numpy only if the program has imported it.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Dict, Optional, Tuple, Union

from . import _ranks
from ._generators import derived, seed_all, set_states, states
from ._loader import Loader

if TYPE_CHECKING:
    from ._trial import Trial

__all__ = ["Loader", "load", "loader", "prepare", "save", "seed_everything", "total"]

_MODEL = "model.pt"
_TRAINING = "training.pt"


def seed_everything(trial: "Trial", *, deterministic: bool = True) -> None:
    """Seeds Python's, numpy's and torch's generators from the trial's seed. Call it before the model is
    built. With ``deterministic`` torch also chooses algorithms that give the same bits each time, and
    warns where it has none."""
    import torch

    seed_all(torch, trial.seed)
    if deterministic:
        # cuBLAS reads this when it first starts; it is what makes its sums come out in one order.
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.backends.cudnn.benchmark = False
        torch.use_deterministic_algorithms(True, warn_only=True)
    rank = getattr(trial, "rank", 0)
    if rank > 0:
        # All ranks build the same model from the same seed, and then must not draw the same dropout. Rank 0's
        # generators are in the checkpoint; the others' are a function of the step, so they need not be.
        trial._before_step = lambda step: seed_all(torch, derived(trial.seed, "rank", rank, step))


def loader(
    trial: "Trial",
    dataset: Any,
    batch_size: int,
    *,
    shuffle: bool = True,
    workers: int = 0,
    drop_last: bool = False,
    **options: Any,
) -> Loader:
    """A data loader that goes on in the middle of an epoch as if it had never stopped.

    ``for batch in loader`` gives the rest of this epoch, ``loader.take(100)`` the next hundred batches. Give
    it to ``save`` and ``load`` by name. Its order is a function of the trial's seed and the epoch, and
    Python's, numpy's and torch's generators are seeded for every sample, so the number of ``workers`` changes
    nothing but the time. ``batch_size`` is that of all processes together, and each gets its part of it; one that
    they cannot share evenly is weighed so that the result is that of one process. ``options`` go to torch's
    DataLoader: collate_fn, pin_memory, prefetch_factor and the like.
    """
    options["num_workers"] = workers
    return Loader(
        dataset, batch_size, seed=trial.seed, shuffle=shuffle, drop_last=drop_last, options=options
    )


def prepare(model: Any, optimizer: Any = None, loader: Any = None) -> Tuple[Any, Any, Any]:
    """For one process or several, without a difference in the program:

        model, optimizer, loader = contrail.torch.prepare(model, optimizer, loader)

    Moves the model to this process's device. Where there are several processes it wraps it in
    DistributedDataParallel (NCCL on GPUs, gloo elsewhere) and gives each its part of every batch, so the
    batch of all together stays what ``batch_size`` says, whatever number of processes share it: gradients are
    weighed by the samples that each had, as is right for a loss that is a mean over samples. ``loader`` is one of
    ``contrail.torch.loader``, or a DataLoader that shuffles or does not. Call it after ``seed_everything`` and
    before ``load``; of two models that learn from one loader give it with each.
    """
    import torch

    return _ranks.prepare(torch, model, optimizer, loader)


def total(*values: float) -> Any:
    """A number, or several, summed over all processes: what one of them counted is not what all did.

        loss_sum, samples = contrail.torch.total(loss_sum, samples)

    Every process has to call it, and gets the same. Alone it gives the values back.
    """
    import torch

    sums = _ranks.total(torch, values)
    return sums[0] if len(sums) == 1 else tuple(sums)


def save(
    path: Union[str, Path],
    model: Any,
    optimizer: Any = None,
    extra: Optional[Dict[str, Any]] = None,
    **others: Any,
) -> None:
    """Writes the model, the optimizer, ``others`` by name (anything with a ``state_dict``: scheduler,
    scaler, loader), ``extra`` (numbers, strings, lists, tensors) and all generators into the folder."""
    import torch

    stateful = {"optimizer": optimizer, **others} if optimizer is not None else others
    training = {
        "states": {name: one.state_dict() for name, one in stateful.items()},
        "extra": extra or {},
        "generators": states(torch),
    }
    torch.save(_ranks.bare(torch, model).state_dict(), os.path.join(path, _MODEL))
    torch.save(training, os.path.join(path, _TRAINING))


def load(path: Union[str, Path], model: Any, optimizer: Any = None, **others: Any) -> Dict[str, Any]:
    """Puts back what ``save`` wrote, with the same arguments, and returns ``extra``."""
    import torch

    stateful = {"optimizer": optimizer, **others} if optimizer is not None else others
    read: Dict[str, Any] = {"map_location": "cpu", "weights_only": True}
    _ranks.bare(torch, model).load_state_dict(torch.load(os.path.join(path, _MODEL), **read))
    training = torch.load(os.path.join(path, _TRAINING), **read)
    saved = training["states"]
    if saved.keys() != stateful.keys():
        raise ValueError(
            "the checkpoint in %s holds the states of %s, but load() was given %s. Give save() and load() "
            "the same objects." % (path, sorted(saved) or "nothing", sorted(stateful) or "nothing")
        )
    for name, one in stateful.items():
        one.load_state_dict(saved[name])
    set_states(torch, training["generators"])
    extra: Dict[str, Any] = training["extra"]
    return extra
