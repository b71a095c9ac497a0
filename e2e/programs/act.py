"""Does what its hyperparameter `act` says, so that a test knows the true cause of whatever becomes of the trial."""

import json
import os
import signal
import sys
import time

import contrail

# Where the search sets no length the act decides when it has trained enough.
trial = contrail.init(
    params={"act": "train", "x": 0.5, "delay_ms": 0, "until": 0}, steps=1_000_000
)
act, *words = trial.params["act"].split()
start = {"step": 0}


def restore(folder, step):
    with open(os.path.join(folder, "state.json"), encoding="utf-8") as file:
        start.update(json.load(file))


def save(folder):
    with open(os.path.join(folder, "state.json"), "w", encoding="utf-8") as file:
        json.dump({"step": start["step"]}, file)


def train():
    for step in trial.steps(restore=restore):
        if act == "fail-at" and trial.restored is None and step == int(words[0]):
            sys.exit("no more")
        time.sleep(trial.params["delay_ms"] / 1000)
        start["step"] = step
        if act == "mute":
            trial.report(step, other=step)
        elif act == "nan" and trial.params["x"] < 0.5:
            trial.report(step, score=float("nan"))
        else:
            trial.report(step, score=trial.params["x"] + step / 1000)
        trial.checkpoint(step, save, always=act == "fail-at")
        if step == trial.params["until"]:
            break


# Of a search: those beyond the first so many hold, so that nobody is let on any more.
late = act == "first" and int(trial.id.split(".")[1]) > int(words[0])

if act == "hold" or act == "deaf" or late:
    if act == "deaf":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    print("holding", flush=True)
    while True:
        time.sleep(60)
elif act == "exit":
    print("the last but one line")
    print("the last line", file=sys.stderr)
    sys.exit(int(words[0]))
elif act == "signal":
    os.kill(os.getpid(), int(words[0]))
elif act == "memory":
    raise MemoryError("asked for too much")
elif act == "half" and trial.params["x"] < 0.5:
    sys.exit("x is below 0.5")
elif act == "picky" and trial.params["x"] < 0.5:
    trial.invalid_hyperparameters("x is below 0.5")
else:
    train()
