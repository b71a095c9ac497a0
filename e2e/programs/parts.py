"""Saves checkpoints of many files that belong together, and says from which one it goes on and whether that was whole."""

import json
import os
import signal
import sys
import time

import contrail

trial = contrail.init(params={"files": 6, "until": 6, "die_at": -1, "delay_ms": 50})
files, die_at = trial.params["files"], trial.params["die_at"]
trace = os.path.join(os.environ["E2E_TRACE"], f"parts-{trial.id}")
begun = {"step": 0}


def note(text):
    with open(trace, "a", encoding="utf-8") as file:
        file.write(text + "\n")


def restore(folder, step):
    found = []
    for number in range(files):
        path = os.path.join(folder, f"part-{number}.json")
        if os.path.exists(path):
            with open(path, encoding="utf-8") as file:
                found.append(json.load(file)["step"])
    whole = found == [step] * files
    note(f"restored {step} {'whole' if whole else 'broken ' + json.dumps(found)}")
    begun["step"] = step


def save(folder):
    step = begun["step"]
    for number in range(files):
        if step == 4 and number == die_at and trial.restored is None:
            os.kill(os.getpid(), signal.SIGKILL)
        with open(os.path.join(folder, f"part-{number}.json"), "w", encoding="utf-8") as file:
            json.dump({"step": step, "number": number, "trial": trial.id, "weight": "w" * 2000}, file)


for step in trial.steps(restore=restore):
    time.sleep(trial.params["delay_ms"] / 1000)
    begun["step"] = step
    trial.report(step, loss=1 / step)
    trial.checkpoint(step, save, always=step % 2 == 0)
note("end")
sys.exit(0)
