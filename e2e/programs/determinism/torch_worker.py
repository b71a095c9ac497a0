"""Planted: a DataLoader whose workers are "seeded" by a call that takes its seed from the system."""

import random

import contrail
import contrail.torch
import torch

trial = contrail.init()
contrail.torch.seed_everything(trial)


class Noisy(torch.utils.data.Dataset):
    def __len__(self):
        return 16

    def __getitem__(self, index):
        return torch.full((4,), float(index)) + random.random()


model = torch.nn.Linear(4, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.001)
loader = torch.utils.data.DataLoader(
    Noisy(), batch_size=4, shuffle=True, num_workers=2, worker_init_fn=lambda worker: random.seed()
)


def save(path):
    contrail.torch.save(path, model, optimizer)


for step in trial.steps(save=save):
    for batch in loader:
        optimizer.zero_grad()
        loss = model(batch).square().mean()
        loss.backward()
        optimizer.step()
    trial.report(step, loss=loss.item())
