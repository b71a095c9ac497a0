"""A small convolutional network that reads handwritten digits (8 x 8 pixels, 1,797 of them).

The digits come with scikit-learn, so nothing is downloaded. The split is fixed and the same for every
trial: 60 % to train on, 20 % for the search to compare trials by, and 20 % that only evaluate.py opens,
because a search that saw them would be choosing by them.
Alone: `python train.py` (one epoch), `CONTRAIL_STEPS=9 python train.py`. Under the platform, the same file.
"""

import contrail
import contrail.torch
import numpy
import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.nn import functional

SPLIT_SEED = 20_260_701

# Used where the experiment declares nothing: running alone.
DEFAULTS = {
    "optimizer": "adam",
    "learning_rate": 0.003,
    "momentum": 0.9,
    "batch_size": 64,
    "weight_decay": 0.0001,
    "network": {"channels": 16, "hidden": 64, "dropout": 0.2},
}


class Network(nn.Module):
    def __init__(self, channels: int, hidden: int, dropout: float) -> None:
        super().__init__()
        self.first = nn.Conv2d(1, channels, 3, padding=1)
        self.second = nn.Conv2d(channels, 2 * channels, 3, padding=1)
        self.hidden = nn.Linear(2 * channels * 4 * 4, hidden)
        self.out = nn.Linear(hidden, 10)
        self.dropout = dropout

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        maps = functional.relu(self.first(images))
        maps = functional.max_pool2d(functional.relu(self.second(maps)), 2)
        features = functional.relu(self.hidden(maps.flatten(1)))
        return self.out(functional.dropout(features, self.dropout, self.training))


def split(*names: str) -> "dict[str, tuple[torch.Tensor, torch.Tensor]]":
    """Images (n, 1, 8, 8) from 0 to 1 and labels (n) of the named parts: train, validation, test."""
    digits = load_digits()
    images = torch.tensor(digits.images / 16.0, dtype=torch.float32).unsqueeze(1)
    labels = torch.tensor(digits.target, dtype=torch.int64)
    # A generator of its own: the split must not depend on the trial's seed.
    order = torch.from_numpy(numpy.random.default_rng(SPLIT_SEED).permutation(len(labels)))
    train, validation, test = order.tensor_split([len(order) * 6 // 10, len(order) * 8 // 10])
    parts = {"train": train, "validation": validation, "test": test}
    return {name: (images[parts[name]], labels[parts[name]]) for name in names}


def make_optimizer(params: contrail.Params, model: nn.Module) -> torch.optim.Optimizer:
    rate, decay = params["learning_rate"], params["weight_decay"]
    if params["optimizer"] == "sgd":
        momentum = params["momentum"]
        return torch.optim.SGD(model.parameters(), rate, momentum=momentum, weight_decay=decay)
    return torch.optim.AdamW(model.parameters(), rate, weight_decay=decay)


def train_epoch(model, optimizer, loader) -> float:
    model.train()
    total = count = 0.0
    for images, labels in loader:
        optimizer.zero_grad()
        loss = functional.cross_entropy(model(images), labels)
        loss.backward()
        optimizer.step()
        total += loss.item() * len(labels)
        count += len(labels)
    # Each process has seen its part of every batch.
    total, count = contrail.torch.total(total, count)
    return total / count


@torch.no_grad()
def accuracy_on(model, images, labels) -> float:
    model.eval()
    device = next(model.parameters()).device
    return (model(images.to(device)).argmax(1) == labels.to(device)).float().mean().item()


def main() -> None:
    trial = contrail.init(DEFAULTS)
    contrail.torch.seed_everything(trial)
    # Tiny layers: a second thread costs more than it brings, and trials run side by side.
    torch.set_num_threads(1)
    data = split("train", "validation")
    model = Network(**trial.params["network"])
    optimizer = make_optimizer(trial.params, model)
    train = torch.utils.data.TensorDataset(*data["train"])
    loader = contrail.torch.loader(trial, train, trial.params["batch_size"])
    # One process or several: resources.slots_per_trial says how many, and nothing else changes.
    model, optimizer, loader = contrail.torch.prepare(model, optimizer, loader)

    def load(path, step):
        contrail.torch.load(path, model, optimizer, loader=loader)

    def save(path):
        contrail.torch.save(path, model, optimizer, loader=loader)

    for step in trial.steps(restore=load):
        loss = train_epoch(model, optimizer, loader)
        trial.report(step, loss=loss, accuracy=accuracy_on(model, *data["validation"]))
        trial.checkpoint(step, save)


if __name__ == "__main__":
    main()
