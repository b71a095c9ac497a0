"""Reads a small data set by `contrail.data.Records`, an epoch a step, and says on each rank which records it got."""

import json
import os
import time

import contrail
from contrail.data import Records

trial = contrail.init()
records = Records("rows", rank=trial.rank, world=trial.size, seed=trial.seed, block_bytes=1024)


def load(folder, step):
    with open(os.path.join(folder, "records.json"), encoding="utf-8") as file:
        records.load_state_dict(json.load(file))


def save(folder):
    with open(os.path.join(folder, "records.json"), "w", encoding="utf-8") as file:
        json.dump(records.state_dict(), file)


for step in trial.steps(restore=load):
    read = [row["id"] for row in records]
    print("step", step, *read, flush=True)
    time.sleep(trial.params["delay_ms"] / 1000)
    trial.report(step, read=len(read))
    trial.checkpoint(step, save)
