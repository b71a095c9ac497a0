"""Records of a folder: every record once, in any sharing, from any state, in bounded memory."""

import json
import os
import subprocess
import sys
import tempfile
import unittest

import support  # noqa: F401  (the import path)
from contrail import TrialError
from contrail.data import Records


def write(folder, name, text):
    path = os.path.join(folder, name)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as file:
        file.write(text.encode("utf-8"))


class RecordsTest(unittest.TestCase):
    def setUp(self):
        self._folder = tempfile.TemporaryDirectory()
        self.addCleanup(self._folder.cleanup)
        self.folder = self._folder.name

    def many(self):
        """Lines of every length around the size of a block, with and without a last line end."""
        expected = []
        for number, end in (("a", "\n"), ("b", "\r\n"), ("c", "\n")):
            lines = [f"{number} {i} " + "é" * (i * 37 % 700) for i in range(150)]
            expected += lines
            text = end.join(lines) + (end if number != "c" else "")
            write(self.folder, f"{number}.txt", text)
        return expected

    def test_every_record_is_read_once_whatever_the_blocks(self):
        expected = self.many()
        for size in (1024, 1025, 4096, 10_000_000):
            self.assertEqual(list(Records(self.folder, block_bytes=size)), expected)

    def test_a_line_longer_than_a_block_is_one_record(self):
        lines = ["x" * 5000, "short", "y" * 3000]
        write(self.folder, "long.txt", "\n".join(lines))
        self.assertEqual(list(Records(self.folder, block_bytes=1024)), lines)
        exact = ["z" * 1023, "w" * 1023]
        write(self.folder, "long.txt", "\n".join(exact) + "\n")
        self.assertEqual(list(Records(self.folder, block_bytes=1024)), exact)

    def test_ranks_share_all_records_and_none_twice_and_otherwise_in_the_next_epoch(self):
        expected = sorted(self.many())
        for world in (1, 2, 5):
            shares = [
                Records(self.folder, rank=rank, world=world, seed=3, block_bytes=2048)
                for rank in range(world)
            ]
            first, second = ([list(share) for share in shares] for _ in range(2))
            for epoch in (first, second):
                self.assertEqual(sorted(sum(epoch, [])), expected)
            self.assertNotEqual(first[0], second[0])
            again = Records(self.folder, rank=0, world=world, seed=3, block_bytes=2048)
            self.assertEqual(list(again.epoch(1)), second[0])

    def test_goes_on_with_the_next_record_from_any_state(self):
        self.many()

        def reader():
            return Records(self.folder, rank=1, world=2, seed=7, block_bytes=2048)

        whole = list(reader()) + list(reader().epoch(1))
        for stop in (0, 1, 5, 100, len(whole) // 2, len(whole) - 1):
            first = reader()
            got = []
            while len(got) < stop:
                for record in first:
                    got.append(record)
                    if len(got) == stop:
                        break
            second = reader()
            second.load_state_dict(json.loads(json.dumps(first.state_dict())))
            while second.state_dict()["epoch"] < 2:
                got += list(second)
            self.assertEqual(got, whole, stop)

    def test_a_state_of_another_share_is_refused_in_the_middle_of_an_epoch(self):
        self.many()
        other = Records(self.folder, rank=0, world=2)
        next(iter(other))
        with self.assertRaisesRegex(TrialError, r"load_state_dict\(\) was given .*rank 0 of 2.*rank 1 of 2.*the end of"):
            Records(self.folder, rank=1, world=2).load_state_dict(other.state_dict())

    def test_every_rank_goes_on_from_what_rank_0_saved_at_the_end_of_an_epoch(self):
        expected = sorted(self.many())

        def reader(rank, world=2):
            return Records(self.folder, rank=rank, world=world, seed=3, block_bytes=2048)

        saved = reader(0)
        list(saved)
        state = json.loads(json.dumps(saved.state_dict()))
        straight = [list(reader(rank).epoch(1)) for rank in range(2)]
        # Also with another number of ranks.
        for world in (2, 3):
            shares = []
            for rank in range(world):
                share = reader(rank, world)
                share.load_state_dict(state)
                shares.append(list(share))
            self.assertEqual(sorted(sum(shares, [])), expected)
            if world == 2:
                self.assertEqual(shares, straight)

    def test_a_state_of_another_version_is_refused(self):
        self.many()
        state = {**Records(self.folder).state_dict(), "version": 2}
        with self.assertRaisesRegex(TrialError, "the version = 2, which is not 1"):
            Records(self.folder).load_state_dict(state)

    def test_rows_and_values(self):
        write(self.folder, "t.csv", '\ufeffid,name\n1,"a, b"\n2,c\n')
        write(self.folder, "u/t.tsv", "id\tname\n3\td\n")
        write(self.folder, "v.jsonl", '{"id": 4}\n')
        write(self.folder, "w.JSONL", '{"id": 5}\n')
        write(self.folder, "ignored.bin", "x")
        rows = list(Records(self.folder, block_bytes=1024))
        self.assertEqual(
            rows,
            [
                {"id": "1", "name": "a, b"},
                {"id": "2", "name": "c"},
                {"id": "3", "name": "d"},
                {"id": 4},
                {"id": 5},
            ],
        )

    def test_a_cell_with_a_line_break_is_an_error_and_not_two_records(self):
        write(self.folder, "t.csv", 'id,name\n1,"a\nb"\n')
        with self.assertRaisesRegex(TrialError, "line break"):
            list(Records(self.folder))

    def test_options_are_checked(self):
        self.many()
        for options in ({"rank": 2, "world": 2}, {"world": 0}, {"block_bytes": 1}):
            with self.assertRaises(TrialError):
                Records(self.folder, **options)
        with self.assertRaisesRegex(TrialError, "a folder with files"):
            Records(os.path.join(self.folder, "nowhere"))

    @unittest.skipUnless(sys.platform == "linux", "the limit is Linux's")
    def test_memory_stays_flat_on_ten_times_the_limit(self):
        limit = 24 * 1024 * 1024
        line = "0123456789" * 10 + "\n"
        with open(os.path.join(self.folder, "large.txt"), "w") as file:
            for _ in range(10 * limit // (1000 * len(line)) + 1):
                file.write(line * 1000)
        program = f"""
import os, resource, sys
sys.path.insert(0, {support.PACKAGE!r})
from contrail.data import Records
records = Records({self.folder!r}, seed=1, block_bytes=1 << 20)
pages = int(open("/proc/self/statm").read().split()[0])
resource.setrlimit(resource.RLIMIT_AS, (pages * os.sysconf("SC_PAGE_SIZE") + {limit},) * 2)
print(sum(1 for _ in records))
"""
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(int(done.stdout) % 1000, 0)
        self.assertGreaterEqual(int(done.stdout) * len(line), 10 * limit)


if __name__ == "__main__":
    unittest.main()
