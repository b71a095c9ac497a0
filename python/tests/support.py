"""Puts the package beside these tests on the import path, and no environment of a real trial in it."""

import os
import sys

PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, PACKAGE)
for _name in [name for name in os.environ if name.startswith("CONTRAIL_")]:
    del os.environ[_name]
