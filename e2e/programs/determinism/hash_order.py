"""Planted: the vocabulary is numbered in the order of a set."""

from trainer import train

TEXT = "the quick brown fox jumps over the lazy dog and then over the moon"
numbers = {word: number for number, word in enumerate(set(TEXT.split()))}
train(lambda step: [numbers[word] * step for word in TEXT.split()])
