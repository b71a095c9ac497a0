"""Whole processes: a script that uses the trial API ends by itself, with the code it would have had."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
import unittest

import support
from fake_runner import FakeRunner, go_to, yield_now


def start(runner: FakeRunner, text: str) -> "subprocess.Popen[str]":
    environment = {**os.environ, "PYTHONPATH": support.PACKAGE, "CONTRAIL_SOCKET": runner.path}
    pipe = subprocess.PIPE
    command = [sys.executable, "-W", "error", "-c", textwrap.dedent(text)]
    return subprocess.Popen(command, env=environment, stdout=pipe, stderr=pipe, text=True)


class Process(unittest.TestCase):
    def test_an_exception_keeps_its_code_and_what_was_reported_has_arrived(self) -> None:
        text = """
            import contrail
            trial = contrail.init()
            for step in trial.steps():
                if step == 3:
                    raise ArithmeticError("mine")
                trial.report(step, loss=1)
        """
        with FakeRunner(go_to(20)) as runner:
            child = start(runner, text)
            _, stderr = child.communicate()
            self.assertEqual(child.returncode, 1)
            self.assertTrue(stderr.endswith("ArithmeticError: mine\n"), stderr)
            runner.until(lambda: len(runner.story) == 2)
            self.assertEqual(runner.story, ["report 1", "report 2"])

    def test_an_invalid_choice_is_said_without_a_traceback(self) -> None:
        text = "import contrail; contrail.init().invalid_hyperparameters('too wide')"
        with FakeRunner(go_to(20)) as runner:
            child = start(runner, text)
            _, stderr = child.communicate()
            self.assertEqual(child.returncode, 1)
            self.assertEqual(stderr.count("\n"), 1)
            self.assertIn("invalid_hyperparameters: these hyperparameters cannot work: too wide", stderr)
            runner.until(lambda: runner.story == ["invalid_hyperparameters"])

    def test_the_end_waits_for_reports_that_were_not_taken_yet(self) -> None:
        text = """
            import contrail
            trial = contrail.init()
            for i in range(10_000):
                trial.report(1, i=i, padding=1 / 3)
            print("leaving", flush=True)
        """
        with FakeRunner(go_to(20)) as runner:
            runner.hearing.clear()
            with start(runner, text) as child:
                assert child.stdout is not None
                self.assertEqual(child.stdout.readline(), "leaving\n")
                runner.hearing.set()
                child.communicate()
            self.assertEqual(child.returncode, 0)
            runner.until(lambda: len(runner.heard) == 10_000)
            self.assertEqual([m["metrics"]["i"] for m in runner.heard], list(range(10_000)))

    def test_the_end_does_not_wait_for_ever(self) -> None:
        text = """
            import contrail, contrail._runner
            contrail._runner.FLUSH_TIMEOUT_S = 0.1
            trial = contrail.init()
            for i in range(10_000):
                trial.report(1, i=i)
        """
        with FakeRunner(go_to(20)) as runner:
            runner.hearing.clear()
            child = start(runner, text)
            _, stderr = child.communicate()
            self.assertEqual(child.returncode, 0)
            lost = r"^contrail: the runner took nothing for 0.1 s; \d+ bytes of reports are lost\n$"
            self.assertRegex(stderr, lost)

    def test_threads_and_forked_children_do_not_tear_lines(self) -> None:
        text = """
            import os, threading
            import contrail
            trial = contrail.init()
            def speak(who):
                for i in range(1_000):
                    trial.report(i, {who: i, "padding" * 20: 0.5})
            child = os.fork()
            if child == 0:
                speak("child")
                os._exit(0)
            threads = [threading.Thread(target=speak, args=["thread-%d" % n]) for n in range(3)]
            for thread in threads: thread.start()
            for thread in threads: thread.join()
            os.waitpid(child, 0)
            for step in trial.steps():
                trial.report(step, last=1)
        """
        # Forking with threads is a warning from 3.12 on; here the threads start after the fork.
        with FakeRunner(go_to(1), on_wait=lambda m: yield_now("stop")) as runner:
            child = start(runner, text)
            _, stderr = child.communicate()
            self.assertEqual((child.returncode, stderr), (0, ""))
            runner.until(lambda: runner.story[-1:] == ["bye"])
            heard = [json.loads(line) for line in runner.lines if "thread-" in line]
            self.assertEqual(len(heard), 3_000)
            self.assertFalse([line for line in runner.lines if '"child"' in line])


if __name__ == "__main__":
    unittest.main()
