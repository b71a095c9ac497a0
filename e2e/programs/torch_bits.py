"""A PyTorch program whose last parameters tell whether a pause has changed a bit. A step is `batches` batches, so that
pauses come in the middle of epochs; samples are augmented with all three generators.

E2E_HOLD_AT is a step for each run past which it does not go before it is to stop: so no pause comes too late.
"""

import os
import random
import time

import contrail
import contrail.torch
import numpy
import torch
from torch import nn
from torch.nn import functional

holds = [int(step) for step in os.environ.get("E2E_HOLD_AT", "").split(",") if step]
run = int(os.environ.get("CONTRAIL_ALLOCATION", "0.0.0").split(".")[2])
hold_at = holds[run - 1] if 0 < run <= len(holds) else None

trial = contrail.init(
    {"network": "cnn", "dropout": 0.0, "workers": 0, "batches": 3, "delay_ms": 0, "lr": 0.01}
)
contrail.torch.seed_everything(trial)
torch.set_num_threads(1)


class Samples(torch.utils.data.Dataset):
    def __len__(self):
        return 41

    def __getitem__(self, index):
        base = torch.sin(torch.arange(64, dtype=torch.float32) * (index + 1) * 0.37)
        noise = random.random() + float(numpy.random.random()) + float(torch.rand(()))
        return base.reshape(1, 8, 8) + 0.1 * noise, index % 4


def network():
    dropout = trial.params["dropout"]
    if trial.params["network"] == "mlp":
        return nn.Sequential(
            nn.Flatten(), nn.Linear(64, 24), nn.ReLU(), nn.Dropout(dropout), nn.Linear(24, 4)
        )
    return nn.Sequential(
        nn.Conv2d(1, 6, 3, padding=1),
        nn.BatchNorm2d(6),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(6, 8, 3, padding=1),
        nn.ReLU(),
        nn.Flatten(),
        nn.Dropout(dropout),
        nn.Linear(128, 4),
    )


model = network()
optimizer = torch.optim.AdamW(model.parameters(), lr=trial.params["lr"])
loader = contrail.torch.loader(trial, Samples(), 8, workers=trial.params["workers"])
model, optimizer, loader = contrail.torch.prepare(model, optimizer, loader)
scheduler = torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.97)


def save(path):
    contrail.torch.save(path, model, optimizer, loader=loader, scheduler=scheduler)


def load(path, step):
    contrail.torch.load(path, model, optimizer, loader=loader, scheduler=scheduler)


for step in trial.steps(restore=load, save=save):
    for images, labels in loader.take(trial.params["batches"]):
        optimizer.zero_grad()
        loss = functional.cross_entropy(model(images), labels)
        loss.backward()
        optimizer.step()
    scheduler.step()
    time.sleep(trial.params["delay_ms"] / 1000)
    trial.report(step, loss=loss.item())
    while hold_at is not None and step >= hold_at and not trial.should_stop:
        time.sleep(0.01)
