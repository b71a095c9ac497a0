#!/usr/bin/env python3
"""Checks a bundle that `contrail export` made, without Contrail: python3 verify-bundle.py FOLDER

Standard library of Python 3.9 only, and short enough to be read first. It checks that every file is what manifest.json
says, that nothing was put in or taken out, that code, data and checkpoints are the snapshots that they are called by,
that events of the log of changes, and of the logs of where it was imported from, have the hashes that their fields and
the events before them give, and that all is there as often as it should be. It cannot say who made the bundle: nothing
in it is signed.
"""

import collections
import csv
import hashlib
import json
import os
import sys
from pathlib import Path
from typing import Any, Dict, Iterator, List, Tuple

FORMAT = "contrail-bundle/1"
ZEROS = b"0" * 64
LINES = ("trial", "run", "decision", "report", "checkpoint", "environment", "record", "verdict")
PARTS = {**{part: part + "s.jsonl" for part in LINES}, **{part: part + ".jsonl" for part in ("search", "log", "audit")}}
RECORD = {"experiment.json", "metrics.csv", *PARTS.values()}


class Broken(Exception):
    """Nothing further can be checked."""


def plural(count: int, noun: str) -> str:
    return "%d %s%s" % (count, noun, "" if count == 1 else "s")


class Check:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.faults: List[str] = []
        self.notes: List[str] = []

    def fault(self, path: str, text: str) -> None:
        self.faults.append("%s: %s" % (path, text))

    def all(self) -> None:
        manifest = self.manifest()
        files = {entry["path"]: entry for entry in manifest["files"]}
        self.files(files)
        if self.faults:
            return  # What is not as it was written is not read further.
        self.trees(manifest, files)
        self.counts(manifest)
        self.audit(manifest, PARTS["audit"])
        self.origins(files)

    def read_manifest(self, name: str) -> Tuple[bytes, Dict[str, Any]]:
        try:
            data = (self.folder / name).read_bytes()
            manifest = json.loads(data)
            own = manifest["self"]
            if manifest["format"] != FORMAT:
                raise Broken("%s: the format is %r; this program knows %r" % (name, manifest["format"], FORMAT))
            if hashlib.sha256(data.replace(own.encode(), ZEROS, 1)).hexdigest() != own:
                raise Broken("%s: its own hash does not fit what it says" % name)
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise Broken("%s: cannot be read (%s)" % (name, error)) from None
        return data, manifest

    def manifest(self) -> Dict[str, Any]:
        data, manifest = self.read_manifest("manifest.json")
        lines = [(entry["sha256"], entry["path"]) for entry in manifest["files"]]
        expected = "".join(sum_line(*line) for line in [*lines, (hashlib.sha256(data).hexdigest(), "manifest.json")])
        sums = self.folder / "SHA256SUMS"
        if not sums.is_file() or sums.read_bytes() != expected.encode():
            self.fault("SHA256SUMS", "is not what manifest.json says")
        record = "".join(sum_line(*line) for line in lines if line[1] in RECORD)
        if hashlib.sha256(record.encode()).hexdigest() != manifest["content"]:
            self.fault("manifest.json", "`content` does not fit the files that it is made of")
        return manifest

    def files(self, listed: Dict[str, Any]) -> None:
        found = set()
        for base, folders, names in os.walk(self.folder):
            for name in [*names, *(f for f in folders if os.path.islink(os.path.join(base, f)))]:
                path = Path(base, name)
                relative = path.relative_to(self.folder).as_posix()
                found.add(relative)
                if path.is_symlink() or not path.is_file():
                    self.fault(relative, "is no plain file")
                elif relative in listed and hash_of(path) != (listed[relative]["size"], listed[relative]["sha256"]):
                    self.fault(relative, "was changed: it has %d bytes and the SHA-256 %s" % hash_of(path))
                elif relative not in (*listed, "manifest.json", "SHA256SUMS"):
                    self.fault(relative, "is in no list: it was put in")
        for path in sorted(set(listed) - found):
            self.fault(path, "is missing")
        for path in sorted(RECORD - set(listed)):
            self.fault(path, "is not in manifest.json")

    def trees(self, manifest: Dict[str, Any], files: Dict[str, Any]) -> None:
        for path in files:
            if path.startswith("trees/") and path != "trees/%s.json" % files[path]["sha256"]:
                self.fault(path, "is not called by its hash %s" % files[path]["sha256"])
        if json.loads((self.folder / "experiment.json").read_bytes())["code"] != (manifest["code"] or {}).get("hash"):
            self.fault("manifest.json", "names another code snapshot than experiment.json")
        saved = {entry["id"] for entry in self.lines(PARTS["checkpoint"])}
        for tree in manifest["checkpoints"]:
            if tree["hash"] not in saved:
                self.fault("manifest.json", "names the checkpoint %s, checkpoints.jsonl does not" % tree["hash"])
        single = [tree for tree in (manifest["code"], manifest.get("imported")) if tree]
        included = [*single, *manifest["data"], *manifest["checkpoints"]]
        for tree in (tree for tree in included if tree["folder"] is not None):
            if (name := "trees/%s.json" % tree["hash"]) not in files:
                self.fault(name, "is missing: nobody can tell whether %s/ is that snapshot" % tree["folder"])
                continue
            entries = json.loads((self.folder / name).read_bytes())
            wanted = {"%s/%s" % (tree["folder"], e["path"]): (e["size"], e["hash"]) for e in entries}
            there = {p: (f["size"], f["sha256"]) for p, f in files.items() if p.startswith(tree["folder"] + "/")}
            for path in sorted(set(wanted) | set(there)):
                if wanted.get(path) != there.get(path):
                    self.fault(path, "is not as the snapshot %s says" % tree["hash"])

    def counts(self, manifest: Dict[str, Any]) -> None:
        counts = manifest["counts"]
        for part, name in PARTS.items():
            lines = sum(1 for _ in self.lines(name))
            if lines != counts.get(part):
                self.fault(name, "has %d lines, manifest.json says %s" % (lines, counts.get(part)))
        if [trial["number"] for trial in self.lines(PARTS["trial"])] != manifest["origin"]["trials"]:
            self.fault("trials.jsonl", "has other trials than manifest.json")
        runs = {(run["trial"], run["run"]) for run in self.lines(PARTS["run"])}
        with open(self.folder / "metrics.csv", encoding="utf-8", newline="") as file:
            points = collections.Counter((int(row["trial"]), int(row["run"])) for row in csv.DictReader(file))
        for run in sorted(set(points) - runs):
            self.fault("metrics.csv", "has points of run %d.%d, which runs.jsonl does not have" % run)
        total = sum(points.values())
        if total != counts.get("points"):
            self.fault("metrics.csv", "has %d points, manifest.json says %s" % (total, counts.get("points")))
        self.notes.append(", ".join([plural(len(manifest["origin"]["trials"]), "trial"), plural(len(runs), "run"), plural(total, "point")]))

    def origins(self, files: Dict[str, Any]) -> None:
        folder = "origin/"
        while folder + "manifest.json" in files:
            manifest = self.read_manifest(folder + "manifest.json")[1]
            for name in ("experiment.json", PARTS["audit"]):
                if files[folder + name]["sha256"] not in (e["sha256"] for e in manifest["files"] if e["path"] == name):
                    raise Broken("%s%s: is not what the manifest beside it says" % (folder, name))
            self.notes.append("imported from experiment %(experiment)s of %(server)s:" % manifest["origin"])
            self.audit(manifest, folder + PARTS["audit"])
            folder += "origin/"

    def audit(self, manifest: Dict[str, Any], name: str) -> None:
        last, links, gaps = None, 0, 0
        for event in self.lines(name):
            fields = [event[key] for key in ("seq", "at", "actor", "experiment", "subject", "what", "cause")]
            text = json.dumps(fields, ensure_ascii=False, separators=(",", ":"))
            if hashlib.sha256(bytes.fromhex(event["previous"]) + text.encode()).hexdigest() != event["hash"]:
                self.fault(name, "event %s does not give the hash that it carries" % event["seq"])
            if event["experiment"] != manifest["origin"]["experiment"]:
                self.fault(name, "event %s is of another experiment" % event["seq"])
            if last is not None:
                follows = event["seq"] == last["seq"] + 1
                links, gaps = (links + 1, gaps) if follows else (links, gaps + 1)
                if event["seq"] <= last["seq"] or (follows and event["previous"] != last["hash"]):
                    self.fault(name, "event %s does not follow event %s" % (event["seq"], last["seq"]))
            last = event
        text = "%d links between events that follow each other; %d places where events of others lie between, which only "
        text += "the server that kept the log can vouch for"
        ask = "\nask it: contrail audit verify --expect-last %(seq)s:%(hash)s" % last if last else ""
        self.notes.append(text % (links, gaps) + ask)

    def lines(self, name: str) -> Iterator[Any]:
        with open(self.folder / name, encoding="utf-8", newline="\n") as file:
            for line in file:
                yield json.loads(line)


def hash_of(path: Path) -> Tuple[int, str]:
    digest, size = hashlib.sha256(), 0
    with open(path, "rb") as file:
        for block in iter(lambda: file.read(1 << 20), b""):
            digest.update(block)
            size += len(block)
    return size, digest.hexdigest()


def sum_line(digest: str, path: str) -> str:
    escaped = path.replace("\n", "\\n").replace("\r", "\\r")
    return "%s%s  %s\n" % ("\\" if escaped != path else "", digest, escaped)


def main() -> int:
    check = Check(Path(sys.argv[1]))
    try:
        check.all()
    except (Broken, ValueError, KeyError, TypeError) as error:
        form = "%s" if isinstance(error, Broken) else "a file does not have the form that its hash promises (%r)"
        check.faults.append(form % error)
    print("\n".join([*("FAULT " + text for text in check.faults), *check.notes]))
    print(plural(len(check.faults), "fault") if check.faults else "ok")
    return 1 if check.faults else 0


if __name__ == "__main__":
    sys.exit(main() if len(sys.argv) == 2 else print(__doc__) or 2)
