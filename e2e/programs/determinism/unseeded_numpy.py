"""Planted: the order of the data comes from numpy, which nobody has seeded; Python's own generator is."""

import random

import numpy
from trainer import train

random.seed(7)
train(lambda step: [float(place) for place in numpy.random.permutation(20)] + [random.random()])
