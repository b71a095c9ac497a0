"""The loader: every sample once an epoch, places that can be saved anywhere, workers and ranks that change nothing."""

from __future__ import annotations

import multiprocessing
import random
import unittest
from typing import Any, List

from support import SEED, Noisy, Numbers, network, numbers, torch

import contrail.torch


def load_all(loader: Any) -> List[Any]:
    return [images for images, _ in loader]


class Started(Numbers):
    """Each sample is how the process that reads it was started."""

    def __getitem__(self, index: int) -> str:  # type: ignore[override]
        return type(multiprocessing.current_process()).__name__


class Order(unittest.TestCase):
    def test_every_sample_once_an_epoch_in_an_order_of_its_own(self) -> None:
        loader = contrail.torch.loader(SEED, Numbers(22), 4)
        self.assertEqual(len(loader), 6)
        first, second = numbers(loader), numbers(loader)
        for epoch in (first, second):
            self.assertEqual(sorted(sum(epoch, [])), list(range(22)))
            self.assertEqual([len(batch) for batch in epoch], [4, 4, 4, 4, 4, 2])
        self.assertNotEqual(first, second)
        again = contrail.torch.loader(SEED, Numbers(22), 4)
        self.assertEqual(numbers(again.take(12)), first + second)
        self.assertEqual(numbers(contrail.torch.loader(SEED, Numbers(22), 4, shuffle=False))[0], [0, 1, 2, 3])

    def test_a_place_anywhere_is_where_it_goes_on(self) -> None:
        whole = numbers(contrail.torch.loader(SEED, Numbers(22), 4).take(15))
        for pause_at in range(15):
            loader = contrail.torch.loader(SEED, Numbers(22), 4)
            begin = numbers(loader.take(pause_at))
            state = loader.state_dict()
            list(loader.take(3))
            resumed = contrail.torch.loader(SEED, Numbers(22), 4)
            resumed.load_state_dict(state)
            self.assertEqual(begin + numbers(resumed.take(15 - pause_at)), whole, pause_at)

    def test_a_loop_that_is_left_goes_on_with_the_next_batch(self) -> None:
        loader = contrail.torch.loader(SEED, Numbers(8), 2)
        seen = []
        for batch in loader:
            seen.append(batch.tolist())
            break
        seen += numbers(loader)
        self.assertEqual(seen, numbers(contrail.torch.loader(SEED, Numbers(8), 2)))

    def test_the_models_generators_are_left_alone(self) -> None:
        def draws(loader: Any) -> Any:
            torch.manual_seed(1)
            random.seed(1)
            if loader is not None:
                list(loader)
            return float(torch.rand(())), random.random()

        for workers in (0, 2):
            loader = contrail.torch.loader(SEED, Noisy(), 4, workers=workers)
            self.assertEqual(draws(loader), draws(None), workers)

    def test_workers_change_nothing_and_forget_nothing(self) -> None:
        alone = load_all(contrail.torch.loader(SEED, Noisy(), 4))
        for workers in (1, 3):
            loader = contrail.torch.loader(SEED, Noisy(), 4, workers=workers)
            begin = [images for images, _ in loader.take(2)]
            resumed = contrail.torch.loader(SEED, Noisy(), 4, workers=workers)
            resumed.load_state_dict(loader.state_dict())
            for images, expected in zip(begin + load_all(resumed), alone):
                self.assertTrue(torch.equal(images, expected), workers)
        again = contrail.torch.loader(SEED, Noisy(), 4)
        list(again)
        self.assertFalse(torch.equal(load_all(again)[0], alone[0]), "the next epoch has other noise")


class Refusals(unittest.TestCase):
    def test_a_place_in_the_middle_of_another_order_is_refused(self) -> None:
        loader = contrail.torch.loader(SEED, Numbers(22), 4)
        list(loader.take(2))
        other = contrail.torch.loader(SEED, Numbers(22), 8)
        with self.assertRaisesRegex(ValueError, r"batch_size = 4 \(this loader has 8\)"):
            other.load_state_dict(loader.state_dict())
        list(loader)
        other.load_state_dict(loader.state_dict())
        self.assertEqual((other.epoch, other.position), (1, 0))

    def test_what_has_no_places_is_refused(self) -> None:
        with self.assertRaisesRegex(TypeError, "generator.*samples have numbers"):
            contrail.torch.loader(SEED, (i for i in range(3)), 1)
        with self.assertRaisesRegex(ValueError, "gives no batch of 4"):
            contrail.torch.loader(SEED, Numbers(3), 4, drop_last=True)

    def test_batches_that_cannot_be_shared_are_refused(self) -> None:
        with self.assertRaisesRegex(ValueError, "batch_size of 5 or more, or at most 4 for"):
            contrail.torch.loader(SEED, Numbers(22), 4).shard(0, 5)


class Ranks(unittest.TestCase):
    def test_ranks_share_every_batch_and_nothing_is_left_out(self) -> None:
        for samples, size in ((23, 2), (22, 3), (21, 4), (24, 1)):
            whole = numbers(contrail.torch.loader(SEED, Numbers(samples), 4))
            parts, shares = [], []
            for rank in range(size):
                loader = contrail.torch.loader(SEED, Numbers(samples), 4)
                loader.shard(rank, size)
                read = [(batch.tolist(), loader.share) for batch in loader]
                parts.append([batch for batch, _ in read])
                shares.append([share for _, share in read])
            for place, batch in enumerate(whole):
                weights = [one[place] for one in shares]
                self.assertAlmostEqual(sum(weights), 1)
                counted = [part[place] for part, weight in zip(parts, weights) if weight > 0]
                self.assertEqual(sorted(sum(counted, [])), sorted(batch))
                for part, weight in zip(parts, weights):
                    # A process for which nothing is left takes part with a sample that weighs nothing.
                    self.assertAlmostEqual(len(part[place]) if weight > 0 else 0, weight * len(batch))
                    self.assertGreater(len(part[place]), 0)

    def test_prepare_alone_takes_a_plain_loader_and_refuses_one_with_its_own_sampler(self) -> None:
        model = network()
        plain = torch.utils.data.DataLoader(Numbers(10), batch_size=5, shuffle=True)
        same, _, loader = contrail.torch.prepare(model, None, plain)
        self.assertIs(same, model)
        self.assertEqual(sorted(sum(numbers(loader), [])), list(range(10)))
        data, torch_data = Numbers(10), torch.utils.data
        for sampler in (
            torch_data.WeightedRandomSampler([1.0] * 10, 10),
            # Of those that DataLoader makes itself, but for other samples than all of the data set.
            torch_data.RandomSampler(data, num_samples=4),
            torch_data.RandomSampler(data, num_samples=30),
            torch_data.RandomSampler(data, replacement=True),
            torch_data.RandomSampler(Numbers(6)),
            torch_data.SequentialSampler(Numbers(6)),
        ):
            odd = torch_data.DataLoader(data, batch_size=5, sampler=sampler)
            name = type(sampler).__name__
            with self.subTest(name), self.assertRaisesRegex(TypeError, "sampler of its own .%s." % name):
                contrail.torch.prepare(model, None, odd)
        for sampler, shuffled in (
            (torch_data.RandomSampler(data), True),
            (torch_data.SequentialSampler(data), False),
        ):
            plain = torch_data.DataLoader(data, batch_size=5, sampler=sampler)
            _, _, loader = contrail.torch.prepare(model, None, plain)
            self.assertEqual(loader.state_dict()["shuffle"], shuffled)

    def test_prepare_starts_workers_as_the_plain_loader_would(self) -> None:
        for context in ("fork", "spawn"):
            plain = torch.utils.data.DataLoader(
                Started(2), batch_size=2, num_workers=1, multiprocessing_context=context
            )
            _, _, loader = contrail.torch.prepare(network(), None, plain)
            self.assertEqual(next(iter(loader)), ["%sProcess" % context.capitalize()] * 2)


if __name__ == "__main__":
    unittest.main()
