"""Writes pairs of model files and, beside them, how torch itself says that they differ.

    python model_files.py FOLDER
"""

import collections
import json
import os
import sys

import numpy
import torch
from safetensors.torch import save_file

folder = sys.argv[1]
torch.manual_seed(4)

FLOATS = [torch.float64, torch.float32, torch.float16, torch.bfloat16]
WHOLE = [torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8]
SMALL = [torch.float8_e4m3fn, torch.float8_e5m2]
LATE = [torch.uint16, torch.uint32, torch.uint64]


def tensors():
    found = collections.OrderedDict()
    for dtype in FLOATS:
        found[f"floats.{str(dtype)[6:]}"] = torch.randn(7, 5).to(dtype)
    for dtype in WHOLE:
        found[f"whole.{str(dtype)[6:]}"] = torch.randint(0, 100, (11,)).to(dtype)
    for dtype in SMALL:
        found[f"small.{str(dtype)[6:]}"] = torch.randn(9).to(dtype)
    for dtype in LATE:
        found[f"late.{str(dtype)[6:]}"] = torch.randint(0, 100, (6,)).to(dtype)
    found["bool"] = torch.rand(13) > 0.5
    found["scalar"] = torch.tensor(2.5)
    found["empty"] = torch.empty(0, 3)
    found["large"] = torch.randn(300, 1000)
    found["complex"] = torch.randn(4, dtype=torch.complex64)
    return found


def moved(value):
    """The same with a few elements changed."""
    other = value.clone()
    flat = other.view(-1)
    for place in {0, len(flat) // 2, len(flat) - 1} if len(flat) > 0 else ():
        if value.dtype == torch.bool:
            flat[place] = ~flat[place]
        elif value.dtype in WHOLE + LATE:
            flat[place] = int(flat[place]) + place + 1
        else:
            number = flat[place].to(torch.complex64 if value.is_complex() else torch.float64)
            flat[place] = (number * 1.5 + 0.25).to(value.dtype)
    return other


def apart(a, b):
    """How many elements differ in a bit, and the largest distance."""
    one, two = (t.contiguous().view(torch.uint8).reshape(t.numel(), -1) for t in (a.reshape(-1), b.reshape(-1)))
    count = int((one != two).any(1).sum())
    kind = torch.complex128 if a.is_complex() else torch.float64
    return count, float((a.to(kind) - b.to(kind)).abs().max()) if count else None


def write(name, save, a, b, expected):
    save(a, os.path.join(folder, f"a.{name}"))
    save(b, os.path.join(folder, f"b.{name}"))
    with open(os.path.join(folder, f"{name}.json"), "w", encoding="utf-8") as file:
        json.dump(expected, file)


def expectations(a, b, changed):
    return {name: apart(a[name], b[name]) for name in changed if apart(a[name], b[name])[0] > 0}


a = tensors()
changed = [name for name in a if name != "empty"][::2] + ["large", "bool"]
b = collections.OrderedDict((name, moved(value) if name in changed else value.clone()) for name, value in a.items())
write("dict.pt", torch.save, a, b, expectations(a, b, changed))
plain = {name: value for name, value in a.items() if not value.is_complex()}
other = {name: value for name, value in b.items() if not value.is_complex()}
held = [name for name in changed if name in plain]
write("model.safetensors", save_file, plain, other, expectations(plain, other, held))

# A training state: parameters that are tied and transposed, an optimizer, generators, numbers and words.
torch.manual_seed(1)
model = torch.nn.Sequential(torch.nn.Linear(6, 6), torch.nn.BatchNorm1d(6), torch.nn.Linear(6, 6))
model[2].weight = model[0].weight
optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)


def step():
    optimizer.zero_grad()
    model(torch.randn(8, 6)).square().mean().backward()
    optimizer.step()


def state(rate):
    held = {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "rate": rate, "step": 3}
    held["view"] = model[0].weight.detach().t()
    held["row"] = model[0].weight.detach()[2]
    held["parameter"] = torch.nn.Parameter(torch.ones(2))
    held["generator"] = torch.get_rng_state()
    held["words"] = ["a", ("b", None, True, 1.5, 2**80)]
    return held


step()
path = os.path.join(folder, "a.training.pt")
torch.save(state(0.5), path)
torch.save(state(0.5), os.path.join(folder, "same.training.pt"))
with torch.no_grad():
    model[0].weight[2, 1] += 1
torch.save(state(0.25), os.path.join(folder, "b.training.pt"))

# More than state.
torch.save({"model": model}, os.path.join(folder, "a.whole.pt"))
with torch.no_grad():
    model[0].weight[0, 0] += 1
torch.save({"model": model}, os.path.join(folder, "b.whole.pt"))

for name, value in (("a", 1.0), ("b", 3.5)):
    array = numpy.arange(12, dtype=numpy.float32).reshape(3, 4)
    array[1, 2] = value
    numpy.save(os.path.join(folder, f"{name}.array.npy"), array)
    numpy.save(os.path.join(folder, f"{name}.columns.npy"), numpy.asfortranarray(array))
    numpy.savez(os.path.join(folder, f"{name}.arrays.npz"), first=array, second=numpy.arange(3))
