"""Planted: samples in the order in which the folder lists them."""

from pathlib import Path

from trainer import train

FOLDER = Path(__file__).resolve().parent / "samples"
train(lambda step: [float(path.read_text()) for path in FOLDER.glob("*.txt")])
