"""What the program tells of its surroundings: once, only to a runner that wants it, and never at the cost of training."""

import os
import socket
import subprocess
import sys
import tempfile
import types
import unittest

import support  # noqa: F401
from fake_runner import FakeRunner, go_to

import contrail
from contrail._observe import observed
from contrail._outside import Outside
from contrail._runner import connect_runner


def _torch() -> types.ModuleType:
    torch = types.ModuleType("torch")
    torch.__version__ = "9.9"  # type: ignore[attr-defined]

    def broken() -> bool:
        raise RuntimeError("not built with it")

    torch.get_num_threads = lambda: 3  # type: ignore[attr-defined]
    torch.get_num_interop_threads = broken  # type: ignore[attr-defined]
    torch.are_deterministic_algorithms_enabled = lambda: True  # type: ignore[attr-defined]
    torch.is_deterministic_algorithms_warn_only_enabled = broken  # type: ignore[attr-defined]
    torch.get_float32_matmul_precision = lambda: "highest"  # type: ignore[attr-defined]
    torch.get_default_dtype = lambda: object()  # type: ignore[attr-defined]
    return torch


class Observe(unittest.TestCase):
    def heard(self, welcome: dict) -> list:
        with FakeRunner(go_to(2), welcome=welcome) as runner:
            platform = connect_runner(runner.path, 0)
            for step in (1, 2):
                platform.report(step, {"loss": 1.0})
            platform.bye()
            platform.flush()
            runner.until(lambda: any(m["type"] == "bye" for m in runner.heard))
            return [m for m in runner.heard if m["type"] == "observed"]

    def test_it_is_told_once_and_only_where_it_is_wanted(self) -> None:
        self.assertEqual(self.heard({}), [])
        (message,) = self.heard({"observes": True})
        self.assertIn("hash_randomization", message["facts"]["determinism"])

    def test_what_cannot_be_had_is_left_out_and_nothing_is_raised(self) -> None:
        before = sys.modules.get("torch")
        sys.modules["torch"] = _torch()
        try:
            facts = observed()
        finally:
            if before is None:
                del sys.modules["torch"]
            else:
                sys.modules["torch"] = before
        self.assertEqual(facts["frameworks"]["imported_torch"], "9.9")
        self.assertEqual(facts["frameworks"]["torch_threads"], 3)
        self.assertNotIn("torch_interop_threads", facts["frameworks"])
        self.assertIs(facts["determinism"]["torch_deterministic_algorithms"], True)
        self.assertNotIn("torch_deterministic_warn_only", facts["determinism"])

    def test_what_the_program_reaches_for_is_told_and_what_is_its_own_is_not(self) -> None:
        with tempfile.TemporaryDirectory(dir=os.path.expanduser("~")) as elsewhere:
            for name in ("code", "outside"):
                os.mkdir(os.path.join(elsewhere, name))
            own, foreign = (os.path.join(elsewhere, name, "a.csv") for name in ("code", "outside"))
            outside = Outside([os.path.dirname(own)]).watch()
            try:
                for path in (own, foreign, os.path.join(elsewhere, "made")):
                    with open(path, "w"):
                        pass
                    with open(path):
                        pass
                self.assertEqual(outside.facts(), {}, "what it made itself is its own")
                again = Outside([os.path.dirname(own)]).watch()
                for path in (own, foreign):
                    with open(path):
                        pass
                os.close(os.open(foreign, os.O_RDONLY))
                subprocess.run(["true"], check=True)
                for host in ("localhost", "127.0.0.1", None, "one.invalid"):
                    try:
                        socket.getaddrinfo(host, 80)
                    except OSError:
                        pass
                with self.assertRaises(OSError):
                    open(os.path.join(elsewhere, "not-there"))
                wanted = {"files": foreign, "programs": "true", "network": "one.invalid:80"}
                self.assertTrue(again.changed)
                self.assertEqual(again.facts(), wanted)
                self.assertFalse(again.changed)
                again.silence()
                subprocess.run([sys.executable, "-c", ""], check=True)
                self.assertEqual(again.facts(), wanted)
            finally:
                outside.silence()

    def test_alone_nothing_is_observed(self) -> None:
        trial = contrail.init()
        trial.report(1, loss=1.0)


if __name__ == "__main__":
    unittest.main()
