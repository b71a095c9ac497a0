"""What the planted programs share: a few weights that a step moves by what it is given, saved and reported exactly."""

import json
import os

import contrail


def train(batches):
    """``batches(step)`` gives the numbers that the step trains on, in the order in which it trains on them."""
    trial = contrail.init()
    weights = [0.0] * 4

    def save(path):
        with open(os.path.join(path, "weights.json"), "w", encoding="utf-8") as file:
            json.dump([weight.hex() for weight in weights], file)

    def restore(path, step):
        with open(os.path.join(path, "weights.json"), encoding="utf-8") as file:
            weights[:] = map(float.fromhex, json.load(file))

    for step in trial.steps(restore=restore):
        for place, number in enumerate(batches(step)):
            weights[place % 4] = weights[place % 4] * 0.9 + number / (place + 1)
        trial.report(step, loss=sum(weights))
        trial.checkpoint(step, save)
