"""Planted: four threads read samples, and each appends its own when it is through."""

import threading

from trainer import train


def batches(step):
    read = []

    def load(number):
        read.append(number * step)

    threads = [threading.Thread(target=load, args=(number,)) for number in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return read


train(batches)
