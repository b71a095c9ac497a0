"""The accuracy of a checkpoint on the digits that neither training nor the search has seen.

    python evaluate.py FOLDER      (for example checkpoints/step-9)
"""

import os
import sys

import torch
from train import Network, accuracy_on, split


def main(folder: str) -> None:
    weights = torch.load(os.path.join(folder, "model.pt"), weights_only=True)
    # The widths stand in the weights; dropout plays no part once training is over.
    channels, hidden = len(weights["first.bias"]), len(weights["hidden.bias"])
    model = Network(channels, hidden, dropout=0.0)
    model.load_state_dict(weights)
    print(f"test_accuracy={accuracy_on(model, *split('test')['test']):.4f}")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python evaluate.py FOLDER")
    main(sys.argv[1])
