"""The version of package.json and pyproject.toml; a test holds the three to each other."""

__version__ = "0.1.0"
