"""Uses everything that the planted programs use, and nothing of it in a way that matters."""

import os
import random
import time
from concurrent.futures import ThreadPoolExecutor

from trainer import train

random.seed(7)
began_s = time.time()


def batches(step):
    words = sorted({"one", "two", "three", "four"})
    names = sorted(os.listdir(os.path.dirname(os.path.abspath(__file__))))
    with ThreadPoolExecutor(4) as pool:
        lengths = list(pool.map(len, words + names))
    print("after %.3f s" % (time.time() - began_s))
    return [length + random.random() for length in lengths]


train(batches)
