"""Planted: the program seeds itself, but its worker processes augment with generators that Python seeds anew."""

import random
from concurrent.futures import ProcessPoolExecutor

from trainer import train


def augmented(number):
    return number + random.random()


if __name__ == "__main__":
    random.seed(7)
    with ProcessPoolExecutor(2) as pool:
        train(lambda step: list(pool.map(augmented, range(8))))
