"""Asked by the runner, with the interpreter and the variables that a training program has: which Python is this,
and which packages would it import?

Prints one line of JSON behind a mark, because what runs at an interpreter's start (site customizations) may print
too. Imports nothing that is installed; reads the lists that installers leave. Standard library, Python 3.6 or newer.
"""

import hashlib
import json
import os
import platform
import re
import sys

MARK = "\x1econtrail-probe "
# Written by installers, and different for the same package at another place or time.
_PASSING = re.compile(r"(^|/)(INSTALLER|REQUESTED|RECORD|direct_url\.json|uv_cache\.json)$|\.py[co]$")


def main():
    # The folder of this file is no place that the program would import from.
    sys.path[:] = [entry for entry in sys.path if entry != os.path.dirname(os.path.abspath(__file__))]
    found = {"interpreter": _interpreter(), "places": [], "packages": [], "faults": []}
    try:
        _packages(found)
    except Exception as error:  # noqa: BLE001 - whatever it is, it is told
        found["faults"].append("%s: %s" % (type(error).__name__, error))
    sys.stdout.write("\n" + MARK + json.dumps(found) + "\n")


def _interpreter():
    libc = " ".join(part for part in platform.libc_ver() if part)
    return {
        "path": sys.executable,
        "real_path": os.path.realpath(sys.executable) if sys.executable else "",
        "base_path": getattr(sys, "_base_executable", None) or sys.executable,
        "prefix": sys.prefix,
        "base_prefix": getattr(sys, "base_prefix", sys.prefix),
        "language": "python",
        "implementation": platform.python_implementation(),
        "version": platform.python_version(),
        "build": " ".join(platform.python_build()),
        "compiler": platform.python_compiler(),
        "platform": _platform_tag(),
        "libc": libc,
        "flags": _flags(),
        "sha256": _file_hash(os.path.realpath(sys.executable)) if sys.executable else "",
    }


def _platform_tag():
    try:
        import sysconfig

        return "%s %s" % (sysconfig.get_platform(), sysconfig.get_config_var("SOABI") or "")
    except Exception:  # noqa: BLE001
        return platform.platform()


def _flags():
    names = ("hash_randomization", "isolated", "optimize", "no_site", "no_user_site", "ignore_environment", "utf8_mode")
    return {name: int(getattr(sys.flags, name)) for name in names if hasattr(sys.flags, name)}


def _packages(found):
    try:
        from importlib import metadata
    except ImportError:
        try:
            import importlib_metadata as metadata
        except ImportError:
            found["faults"].append("this Python is older than 3.8 and cannot list its packages")
            return
    seen = {}
    for place in sys.path:
        if not os.path.isdir(place):
            continue
        found["places"].append(os.path.abspath(place))
        for dist in metadata.distributions(path=[place]):
            try:
                package = _package(dist)
            except Exception as error:  # noqa: BLE001
                found["faults"].append("a package in %s cannot be read: %s" % (place, error))
                continue
            # The first on the path is the one that is imported.
            if package is not None and package["name"] not in seen:
                seen[package["name"]] = package
    found["packages"] = sorted(seen.values(), key=lambda package: package["name"])
    conda = os.path.join(sys.prefix, "conda-meta")
    if os.path.isdir(conda):
        found["places"].append(conda)
        found["conda"] = _conda(conda, found["faults"])
    torch = next((package for package in found["packages"] if package["name"] == "torch"), None)
    if torch is not None:
        found["torch"] = _torch(torch.pop("folder"))
    for package in found["packages"]:
        package.pop("folder", None)


def _package(dist):
    name = dist.metadata["Name"] if dist.metadata else None
    if not name:
        return None
    package = {
        "name": re.sub(r"[-_.]+", "-", name).lower(),
        "version": dist.version or "",
        "folder": str(dist.locate_file("")),
    }
    record = dist.read_text("RECORD")
    if record:
        package["sha256"] = _content_hash(record)
        if dist.read_text("REQUESTED") is not None:
            package["asked_for"] = True
    url = dist.read_text("direct_url.json")
    if url:
        try:
            package["origin"] = _origin(json.loads(url))
        except ValueError:
            package["origin"] = "unreadable direct_url.json"
    return package


def _content_hash(record):
    """Of what a package consists of, whenever and wherever it was installed: names and hashes of its files."""
    lines = []
    for line in record.splitlines():
        path, _, rest = line.rstrip().rpartition(",")
        path, _, digest = path.rpartition(",")
        path = path.strip('"')
        # Scripts hold the path of their interpreter.
        if digest and not path.startswith("..") and not _PASSING.search(path):
            lines.append("%s %s" % (path, digest))
    if not lines:
        return ""
    return hashlib.sha256("\n".join(sorted(lines)).encode("utf-8", "surrogateescape")).hexdigest()


def _origin(direct):
    words = [str(direct.get("url", ""))]
    if direct.get("dir_info", {}).get("editable"):
        words.append("editable")
    vcs = direct.get("vcs_info", {})
    if vcs:
        words.append("%s %s" % (vcs.get("vcs", ""), vcs.get("commit_id", "")))
    archive = direct.get("archive_info", {})
    hashes = archive.get("hashes") or {}
    if hashes.get("sha256"):
        words.append("sha256:" + hashes["sha256"])
    return " ".join(words)


def _conda(folder, faults):
    packages = []
    for name in sorted(os.listdir(folder)):
        if not name.endswith(".json"):
            continue
        try:
            with open(os.path.join(folder, name), encoding="utf-8") as file:
                one = json.load(file)
            packages.append(
                {
                    "name": one["name"],
                    "version": one.get("version", ""),
                    "build": one.get("build", ""),
                    "sha256": one.get("sha256", ""),
                    "origin": one.get("channel", ""),
                }
            )
        except (OSError, ValueError, KeyError) as error:
            faults.append("conda-meta/%s cannot be read: %s" % (name, error))
    return packages


def _torch(folder):
    """What a build of torch says of itself in its version.py; importing torch would take seconds."""
    try:
        with open(os.path.join(folder, "torch", "version.py"), encoding="utf-8") as file:
            text = file.read(20000)
    except OSError:
        return {}
    found = {}
    for name, ours in (("cuda", "cuda"), ("hip", "hip"), ("git_version", "git")):
        match = re.search(r"^%s\b[^=]*= *['\"]([^'\"]+)['\"]" % name, text, re.MULTILINE)
        if match:
            found[ours] = match.group(1)
    return found


def _file_hash(path):
    digest = hashlib.sha256()
    try:
        with open(path, "rb") as file:
            for block in iter(lambda: file.read(1 << 20), b""):
                digest.update(block)
    except OSError:
        return ""
    return digest.hexdigest()


main()
