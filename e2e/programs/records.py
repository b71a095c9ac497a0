"""Reads a small data set by `contrail.data.Records`, an epoch a step, and says on each rank which records it got.

Its first run goes no further than step 3 until it is told to leave, so that a pause is never too late.
"""

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
    trial.report(step, read=len(read))
    while step == 3 and trial.restored is None and not trial.should_stop:
        time.sleep(0.01)
    trial.checkpoint(step, save)
