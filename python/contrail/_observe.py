"""What only the program itself can tell of its surroundings: the frameworks that it has imported, how they are set, and
where its generators stand.

Told with the first report: by then everything is imported and set. Imports nothing that is not there, starts no device,
and never raises: a fact that cannot be had is left out.
"""

from __future__ import annotations

import hashlib
import sys
from typing import Any, Callable, Dict, Union

Fact = Union[str, int, float, bool]

_KNOWN = (
    "torch",
    "torchvision",
    "lightning",
    "numpy",
    "scipy",
    "tensorflow",
    "keras",
    "jax",
    "flax",
    "sklearn",
    "xgboost",
    "lightgbm",
    "transformers",
    "accelerate",
)


def observed(fresh: bool = True) -> Dict[str, Dict[str, Fact]]:
    """Section, field, value: as in docs/record.md. ``fresh``: the program has not gone on from a checkpoint, so how
    its generators stand follows from how they were seeded and what was drawn."""
    frameworks: Dict[str, Fact] = {}
    determinism: Dict[str, Fact] = {"hash_randomization": bool(sys.flags.hash_randomization)}
    for name in _KNOWN:
        module = sys.modules.get(name)
        if module is not None:
            _put(frameworks, "imported_" + name, lambda module=module: module.__version__)
    torch = sys.modules.get("torch")
    if torch is not None:
        _torch(torch, frameworks, determinism)
    if fresh:
        _generators(determinism)
    return {"frameworks": frameworks, "determinism": determinism}


def _generators(determinism: Dict[str, Fact]) -> None:
    """Two runs of one program that seeds them stand at the same place at their first report; a hash tells whether."""
    names = ("random", "numpy.random", "torch")
    random, numpy, torch = (sys.modules.get(name) for name in names)
    if random is not None:
        _put(determinism, "random_state", lambda: _short(repr(random.getstate())))
    if numpy is not None:
        _put(determinism, "numpy_state", lambda: _short(_text_of(numpy.get_state())))
        _put(determinism, "numpy_seeded", lambda: _numpy_seeded(numpy))
    if torch is not None:
        _put(determinism, "torch_state", lambda: _short(repr(torch.get_rng_state().tolist())))
        _put(determinism, "torch_seed", lambda: str(torch.initial_seed()))


def _numpy_seeded(numpy: Any) -> Union[bool, None]:
    """None where nothing was drawn: then it does not matter. Only what the system seeded has a sequence of seeds."""
    generator = numpy.mtrand._rand._bit_generator
    if generator._seed_seq is None:
        return True
    return None if numpy.get_state()[2] in (623, 624) else False


def _text_of(state: Any) -> str:
    return "%s %r" % (state[1].tobytes().hex(), state[2:])


def _short(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _torch(torch: Any, frameworks: Dict[str, Fact], determinism: Dict[str, Fact]) -> None:
    versions: Dict[str, Callable[[], Any]] = {
        "torch_cuda": lambda: torch.version.cuda,
        "torch_hip": lambda: torch.version.hip,
        "torch_git": lambda: torch.version.git_version,
        "torch_threads": torch.get_num_threads,
        "torch_interop_threads": torch.get_num_interop_threads,
        "torch_cpu_capability": lambda: torch.backends.cpu.get_cpu_capability(),
    }
    flags: Dict[str, Callable[[], Any]] = {
        "torch_deterministic_algorithms": torch.are_deterministic_algorithms_enabled,
        "torch_deterministic_warn_only": torch.is_deterministic_algorithms_warn_only_enabled,
        "torch_cudnn_deterministic": lambda: torch.backends.cudnn.deterministic,
        "torch_cudnn_benchmark": lambda: torch.backends.cudnn.benchmark,
        "torch_cudnn_tf32": lambda: torch.backends.cudnn.allow_tf32,
        "torch_matmul_precision": torch.get_float32_matmul_precision,
        "torch_default_dtype": lambda: str(torch.get_default_dtype()),
    }
    for name, ask in versions.items():
        _put(frameworks, name, ask)
    for name, ask in flags.items():
        _put(determinism, name, ask)
    # Asking before the program has used a device would start it.
    if _is_true(lambda: torch.cuda.is_initialized()):
        _put(frameworks, "cudnn", torch.backends.cudnn.version)
        _put(frameworks, "torch_devices", torch.cuda.device_count)
        _put(frameworks, "torch_device", lambda: torch.cuda.get_device_name())
        _put(
            frameworks,
            "torch_device_capability",
            lambda: ".".join(str(part) for part in torch.cuda.get_device_capability()),
        )


def _put(facts: Dict[str, Fact], name: str, ask: Callable[[], Any]) -> None:
    try:
        value = ask()
    except Exception:
        return
    if isinstance(value, (bool, int, float, str)):
        facts[name] = value


def _is_true(ask: Callable[[], Any]) -> bool:
    try:
        return bool(ask())
    except Exception:
        return False
