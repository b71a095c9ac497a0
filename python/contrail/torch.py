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

import io
import os
import pickle
from pathlib import Path
from typing import TYPE_CHECKING, Any, Dict, Mapping, Optional, Set, Tuple, Union

from . import _ranks
from ._errors import shown
from ._generators import derived, seed_all, set_states, states
from ._loader import Loader

if TYPE_CHECKING:
    from ._trial import Trial

__all__ = ["Loader", "load", "loader", "prepare", "save", "seed_everything", "total"]

_MODEL = "model.pt"
_TRAINING = "training.pt"
_READ: Dict[str, Any] = {"map_location": "cpu", "weights_only": True}
_READABLE: Set[str] = set()
"""Names of what this process has saved and could read again."""


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
    extra: Optional[Mapping[str, Any]] = None,
    **others: Any,
) -> None:
    """Writes the model, the optimizer, ``others`` by name (anything with a ``state_dict``: scheduler,
    scaler, loader), ``extra`` (numbers, strings, lists, dicts, tensors) and all generators into the folder.

    What is saved under a name for the first time is read again at once: a checkpoint that ``load`` refuses is an
    error here, TypeError, and not when the trial is to go on."""
    import torch

    stateful = {"optimizer": optimizer, **others} if optimizer is not None else others
    training = {
        "states": {name: one.state_dict() for name, one in stateful.items()},
        "extra": _plain(torch, extra or {}),
        "generators": states(torch),
    }
    weights = _ranks.bare(torch, model).state_dict()
    torch.save(weights, os.path.join(path, _MODEL))
    torch.save(training, os.path.join(path, _TRAINING))
    parts = {"extra[%r]" % name: value for name, value in training["extra"].items()}
    parts.update(training["states"])
    _check_readable(torch, os.path.join(path, _MODEL), {"model": weights})
    _check_readable(torch, os.path.join(path, _TRAINING), parts)


def load(path: Union[str, Path], model: Any, optimizer: Any = None, **others: Any) -> Dict[str, Any]:
    """Puts back what ``save`` wrote, with the same arguments, and returns ``extra``."""
    import torch

    stateful = {"optimizer": optimizer, **others} if optimizer is not None else others
    _ranks.bare(torch, model).load_state_dict(torch.load(os.path.join(path, _MODEL), **_READ))
    training = torch.load(os.path.join(path, _TRAINING), **_READ)
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


def _plain(torch: Any, value: Any) -> Any:
    """Containers as Python's own, such as a trial's ``params``, and numbers of numpy and the like as numbers."""
    if isinstance(value, Mapping):
        return {name: _plain(torch, inner) for name, inner in value.items()}
    if type(value) in (list, tuple):
        return type(value)(_plain(torch, inner) for inner in value)
    is_scalar = getattr(value, "shape", None) == () and not isinstance(value, torch.Tensor)
    return value.item() if is_scalar else value


def _check_readable(torch: Any, path: str, parts: Mapping[str, Any]) -> None:
    if parts.keys() <= _READABLE:
        return
    try:
        # Mapped: large tensors are not what can be wrong, and are not read.
        torch.load(path, mmap=True, **_READ)
    except pickle.UnpicklingError:
        found = _unreadable(torch, parts)
        if found is None:
            raise
        name, value = found
        raise TypeError(
            "save() was given %s = %s, a %s.%s, which load() would refuse: it takes tensors, numbers, text, lists and "
            "dicts, and nothing that runs code when it is read. Give it as these."
            % (name, shown(value), type(value).__module__, type(value).__qualname__)
        ) from None
    _READABLE.update(parts)


def _unreadable(torch: Any, parts: Mapping[str, Any]) -> Optional[Tuple[str, Any]]:
    """The smallest of these that cannot be read again."""
    for name, value in parts.items():
        written = io.BytesIO()
        torch.save(value, written)
        written.seek(0)
        try:
            torch.load(written, **_READ)
        except pickle.UnpicklingError:
            inner = value.items() if isinstance(value, dict) else ()
            if isinstance(value, (list, tuple)):
                inner = enumerate(value)
            return _unreadable(torch, {"%s[%r]" % (name, key): one for key, one in inner}) or (name, value)
    return None
