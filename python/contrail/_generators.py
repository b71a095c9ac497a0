"""Every generator that training code draws from, as one thing: Python's, numpy's (if the program has imported
it) and torch's, with one for each GPU.

Seeds are derived from a key by a hash, not by counting on from the trial's seed: `seed + worker` would give
worker 1 of trial 7 the same numbers as worker 0 of trial 8.
"""

from __future__ import annotations

import hashlib
import random
import sys
from typing import Any, Dict


def derived(seed: int, *key: object) -> int:
    """A seed of 63 bits for whatever the key names; the same on every machine."""
    text = "\0".join([str(seed), *map(str, key)])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def seed_all(torch: Any, seed: int, *, devices: bool = True) -> None:
    """Seeds them all. Without ``devices`` only what a data loader's worker has: starting CUDA there costs
    memory, and fails after a fork."""
    random.seed(seed)
    numpy = sys.modules.get("numpy")
    if numpy is not None:
        numpy.random.seed(seed % 2**32)
    if devices:
        torch.manual_seed(seed)
    else:
        torch.default_generator.manual_seed(seed)


def states(torch: Any, *, devices: bool = True) -> Dict[str, Any]:
    """All states, as what ``torch.load(weights_only=True)`` reads."""
    version, words, gauss = random.getstate()
    found: Dict[str, Any] = {
        "python": [version, list(words), gauss],
        "torch": torch.get_rng_state(),
    }
    if devices and torch.cuda.is_available():
        found["cuda"] = torch.cuda.get_rng_state_all()
    numpy = sys.modules.get("numpy")
    if numpy is not None:
        kind, keys, position, has_gauss, cached = numpy.random.get_state()
        found["numpy"] = [str(kind), keys.tolist(), int(position), int(has_gauss), float(cached)]
    return found


def set_states(torch: Any, saved: Dict[str, Any]) -> None:
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
