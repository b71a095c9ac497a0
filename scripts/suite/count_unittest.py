"""Runs the unittest tests of a folder and writes what they did as one JSON object.

    python3 count_unittest.py FOLDER RESULTS

unittest's own summary counts a test with two failing subtests as two failures of one test, and its
text is not meant to be read by programs. Here every test counts once.
"""

import json
import sys
import unittest


class Counter(unittest.TextTestResult):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.details = {}
        self.ran = []

    def startTest(self, test):
        super().startTest(test)
        self.ran.append(test.id())

    def addFailure(self, test, err):
        super().addFailure(test, err)
        self._note(test, err)

    def addError(self, test, err):
        super().addError(test, err)
        self._note(test, err)

    def addSubTest(self, test, subtest, err):
        super().addSubTest(test, subtest, err)
        if err is not None:
            self._note(test, err)

    def addUnexpectedSuccess(self, test):
        super().addUnexpectedSuccess(test)
        self.details.setdefault(test.id(), []).append("passed, but is marked as expected to fail")

    def _note(self, test, err):
        self.details.setdefault(test.id(), []).append(self._exc_info_to_string(err, test))


def main():
    folder, results = sys.argv[1:]
    suite = unittest.defaultTestLoader.discover(folder, pattern="test_*.py")
    # descriptions=False: the id says more than the first line of a doc string.
    runner = unittest.TextTestRunner(resultclass=Counter, descriptions=False, verbosity=2)
    result = runner.run(suite)
    skipped = {test.id(): reason for test, reason in result.skipped}
    passed = [name for name in result.ran if name not in result.details and name not in skipped]
    with open(results, "w", encoding="utf-8") as out:
        json.dump(
            {
                "passed": len(passed),
                "failures": [
                    {"title": name, "detail": "\n".join(texts)}
                    for name, texts in result.details.items()
                ],
                "skipped": [f"{name}: {reason}" for name, reason in skipped.items()],
            },
            out,
        )


main()
