"""PyTorch: seeds, and checkpoints from which training goes on bit for bit.

A checkpoint that holds only weights does not resume a training run, it starts another one: the optimizer's
moments and every random generator (shuffling, dropout, augmentation) belong to the state as well. So
``save`` writes them all, and ``load`` puts them all back, generators last, because building a model
draws from them.

Two files: ``model.pt`` is the model's ``state_dict`` and nothing else, so that equal parameters are equal
bytes; ``training.pt`` is the rest. Both load with ``weights_only=True``; no code is ever unpickled.

torch is imported when a function is called, and numpy only if the program has imported it.
"""

from __future__ import annotations

import os
import random
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Dict, Optional, Union

if TYPE_CHECKING:
    from ._trial import Trial

__all__ = ["load", "save", "seed_everything"]

_MODEL = "model.pt"
_TRAINING = "training.pt"


def seed_everything(trial: "Trial", *, deterministic: bool = True) -> None:
    """Seeds Python's, numpy's and torch's generators from the trial's seed. Call it before the model is
    built. With ``deterministic`` torch also chooses algorithms that give the same bits each time, and
    warns where it has none."""
    import torch

    random.seed(trial.seed)
    numpy = sys.modules.get("numpy")
    if numpy is not None:
        numpy.random.seed(trial.seed % 2**32)
    torch.manual_seed(trial.seed)
    if deterministic:
        # cuBLAS reads this when it first starts; it is what makes its sums come out in one order.
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.backends.cudnn.benchmark = False
        torch.use_deterministic_algorithms(True, warn_only=True)


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
        "generators": _generators(torch),
    }
    torch.save(model.state_dict(), os.path.join(path, _MODEL))
    torch.save(training, os.path.join(path, _TRAINING))


def load(path: Union[str, Path], model: Any, optimizer: Any = None, **others: Any) -> Dict[str, Any]:
    """Puts back what ``save`` wrote, with the same arguments, and returns ``extra``."""
    import torch

    stateful = {"optimizer": optimizer, **others} if optimizer is not None else others
    read: Dict[str, Any] = {"map_location": "cpu", "weights_only": True}
    model.load_state_dict(torch.load(os.path.join(path, _MODEL), **read))
    training = torch.load(os.path.join(path, _TRAINING), **read)
    saved = training["states"]
    if saved.keys() != stateful.keys():
        raise ValueError(
            "the checkpoint in %s holds the states of %s, but load() was given %s. Give save() and load() "
            "the same objects." % (path, sorted(saved) or "nothing", sorted(stateful) or "nothing")
        )
    for name, one in stateful.items():
        one.load_state_dict(saved[name])
    _set_generators(torch, training["generators"])
    extra: Dict[str, Any] = training["extra"]
    return extra


def _generators(torch: Any) -> Dict[str, Any]:
    version, words, gauss = random.getstate()
    found: Dict[str, Any] = {
        "python": [version, list(words), gauss],
        "torch": torch.get_rng_state(),
    }
    if torch.cuda.is_available():
        found["cuda"] = torch.cuda.get_rng_state_all()
    numpy = sys.modules.get("numpy")
    if numpy is not None:
        kind, keys, position, has_gauss, cached = numpy.random.get_state()
        found["numpy"] = [str(kind), keys.tolist(), int(position), int(has_gauss), float(cached)]
    return found


def _set_generators(torch: Any, saved: Dict[str, Any]) -> None:
    version, words, gauss = saved["python"]
    random.setstate((version, tuple(words), gauss))
    torch.set_rng_state(saved["torch"])
    # Another number of devices than before cannot go on bit for bit; what fits is put back.
    if "cuda" in saved and torch.cuda.is_available():
        for device, state in enumerate(saved["cuda"][: torch.cuda.device_count()]):
            torch.cuda.set_rng_state(state, device)
    if "numpy" in saved:
        import numpy

        kind, keys, *rest = saved["numpy"]
        numpy.random.set_state((kind, numpy.array(keys, dtype=numpy.uint32), *rest))
