"""Several processes over gloo train what one trains: the same global batch, the same samples, the same curve but for
rounding; and the checkpoint of one is the checkpoint of the other."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path
from typing import Any, Dict, List

from support import Noisy, torch

import contrail.torch

PROGRAM = '''
import sys
sys.path.insert(0, sys.argv[2])
from types import SimpleNamespace
from support import Noisy, torch
import contrail.torch
import atexit
import os
import time

def nothing_of_gloo_runs():
    # Called after what prepare() registers. A thread has left the list a moment after it was joined.
    for attempt in range(100):
        try:
            threads = [open("/proc/self/task/%s/comm" % task).read().strip() for task in os.listdir("/proc/self/task")]
        except OSError:
            continue  # one has ended between being listed and being read
        left = [name for name in threads if "gloo" in name]
        if not left:
            return
        time.sleep(0.02)
    print("still there at the end:", left, flush=True)
    os._exit(3)

atexit.register(nothing_of_gloo_runs)
rank, size = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
contrail.torch.seed_everything(SimpleNamespace(seed=5, rank=rank, size=size))
model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(36, 8), torch.nn.Tanh(), torch.nn.Linear(8, 3))
optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
samples, batch = int(sys.argv[3]), int(sys.argv[4])
loader = torch.utils.data.DataLoader(Noisy(samples), batch_size=batch, shuffle=True)
model, optimizer, loader = contrail.torch.prepare(model, optimizer, loader)
for _ in range(3):
    loss_sum = seen = 0.0
    for images, labels in loader:
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(model(images), labels)
        loss.backward()
        optimizer.step()
        loss_sum += loss.item() * len(labels)
        seen += len(labels)
    loss_sum, seen = contrail.torch.total(loss_sum, seen)
only = contrail.torch.total(rank + 1)
if rank == 0:
    extra = {"loss": loss_sum / seen, "ranks": only}
    contrail.torch.save(sys.argv[1], model, optimizer, extra, loader=loader)
'''


def train(folder: str, size: int, samples: int, batch: int) -> Dict[str, Any]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    here = str(Path(__file__).resolve().parent)
    processes: List[Any] = []
    for rank in range(size):
        env = {
            **os.environ,
            **{"RANK": str(rank), "WORLD_SIZE": str(size), "LOCAL_RANK": str(rank)},
            **{"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "GLOO_SOCKET_IFNAME": "lo"},
            **{"OMP_NUM_THREADS": "1"},
        }
        args = [sys.executable, "-c", PROGRAM, folder, here, str(samples), str(batch)]
        processes.append(subprocess.Popen(args, env=env))
    codes = [process.wait() for process in processes]
    assert codes == [0] * size, codes
    return {
        "model": torch.load(os.path.join(folder, "model.pt"), weights_only=True),
        "training": torch.load(os.path.join(folder, "training.pt"), weights_only=True),
    }


@unittest.skipUnless(sys.platform == "linux", "the loopback device has another name elsewhere")
class Ranks(unittest.TestCase):
    def alike(self, size: int, samples: int, batch: int, folder: str) -> Dict[str, Any]:
        """Trains with one process and with several into ``folder``, and returns what one process trained."""
        with tempfile.TemporaryDirectory() as one:
            alone = train(one, 1, samples, batch)
        together = train(folder, size, samples, batch)
        self.assertEqual(list(alone["model"]), list(together["model"]), "no name says that there were several")
        for name, value in alone["model"].items():
            self.assertTrue(torch.allclose(value, together["model"][name], atol=1e-5), name)
        places = [result["training"]["states"]["loader"] for result in (alone, together)]
        self.assertEqual(places[0], places[1])
        said = [result["training"]["extra"] for result in (alone, together)]
        self.assertEqual([extra["ranks"] for extra in said], [1, size * (size + 1) / 2])
        self.assertAlmostEqual(said[0]["loss"], said[1]["loss"], places=5)
        return alone

    def test_two_processes_train_what_one_trains(self) -> None:
        with tempfile.TemporaryDirectory() as two:
            alone = self.alike(2, 24, 6, two)
            # What two have saved one goes on from.
            model = torch.nn.Sequential(
                torch.nn.Flatten(), torch.nn.Linear(36, 8), torch.nn.Tanh(), torch.nn.Linear(8, 3)
            )
            optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
            seed = alone["training"]["states"]["loader"]["seed"]
            loader = contrail.torch.loader(type("Trial", (), {"seed": seed})(), Noisy(24), 6)
            contrail.torch.load(two, model, optimizer, loader=loader)
            self.assertEqual((loader.epoch, loader.position), (3, 0))

    def test_batches_that_cannot_be_shared_evenly_are_weighed(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            # Batches of 7 in parts of 3, 2 and 2, and a last one of 4.
            self.alike(3, 25, 7, folder)

    def test_a_process_for_which_no_sample_is_left_takes_part(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            # The last batch has one sample, for two processes. It counts twice in the reported loss, and once in training.
            with tempfile.TemporaryDirectory() as one:
                alone, together = train(one, 1, 19, 6), train(folder, 2, 19, 6)
            for name, value in alone["model"].items():
                self.assertTrue(torch.allclose(value, together["model"][name], atol=1e-5), name)


if __name__ == "__main__":
    unittest.main()
