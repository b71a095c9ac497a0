"""The same idea as curve.ts, in Python."""

import hashlib
import json
import os
import sys
import time

import contrail

trial = contrail.init(params={"rate": 0.1, "delay_ms": 0, "by_number": False})
handicap = int(trial.id.split(".")[1]) ** 2 if trial.params["by_number"] else 1
state = {"step": 0, "loss": 1.0, "digest": str(trial.seed)}


def restore(folder, step):
    with open(os.path.join(folder, "state.json"), encoding="utf-8") as file:
        state.update(json.load(file))


def save(folder):
    with open(os.path.join(folder, "state.json"), "w", encoding="utf-8") as file:
        json.dump(state, file)


for step in trial.steps(restore=restore):
    time.sleep(trial.params["delay_ms"] / 1000)
    text = f"{state['digest']} {step} {trial.params['rate']}"
    state["digest"] = hashlib.sha256(text.encode()).hexdigest()
    state["loss"] = state["loss"] * (1 - trial.params["rate"] / 2)
    state["step"] = step
    print("step", step)
    print("note", step, file=sys.stderr)
    trial.report(step, loss=handicap * state["loss"])
    trial.checkpoint(step, save)
