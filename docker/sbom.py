"""Writes the bill of materials of a program, CycloneDX 1.6 in JSON: docker/sbom.py PACKAGE TRIPLE CARGO OPTION…

The options are those the program was built with: packages that are built together, and features. It lists the crates
that are in the program: not those that only help to build it. The same source and target give the same text.
"""

import json
import re
import subprocess
import sys
import uuid
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# How deep it stands in the tree, its name and version, what else is said of it, and its licence.
LINE = re.compile(r"(\d+)(\S+) v(\S+)((?: \([^)]*\))*)\|(.*)")


def crates_of(package: str, triple: str, options: list) -> tuple[tuple, dict, dict]:
    """The program's crate; the licence and what it is made of, for every crate as name and version."""
    tree = subprocess.run(
        ["cargo", "tree", "--locked", "--target", triple, *options, "--edges", "normal", "--no-dedupe", "--prefix", "depth",
         "--format", "{p}|{l}"],
        cwd=ROOT, check=True, capture_output=True, text=True,
    ).stdout
    licences, needs, above = {}, {}, []
    is_program = False
    for line in filter(None, tree.splitlines()):
        depth, name, version, notes, licence = LINE.match(line).groups()
        if depth == "0":
            is_program = name == package
        if not is_program:
            continue
        crate = (name, version)
        del above[int(depth):]
        # A macro runs while the program is built, and so does all it is made of.
        parent = above[-1] if above else None
        above.append(None if "(proc-macro)" in notes or (above and parent is None) else crate)
        if above[-1] is None:
            continue
        licences[crate] = licence.replace("/", " OR ") if " " not in licence else licence
        needs.setdefault(crate, set())
        if parent:
            needs[parent].add(crate)
    return next(iter(licences)), licences, needs


def checksums() -> dict:
    """What Cargo.lock says a crate's archive has to be."""
    lock = (ROOT / "Cargo.lock").read_text()
    found = re.findall(r'name = "(.+)"\nversion = "(.+)"\nsource = ".+"\nchecksum = "(.+)"', lock)
    return {(name, version): checksum for name, version, checksum in found}


def component(crate: tuple, licence: str, checksum: str | None, kind: str) -> dict:
    name, version = crate
    described = {"type": kind, "bom-ref": reference(crate), "name": name, "version": version}
    if licence:
        described["licenses"] = [{"expression": licence}]
    if checksum:
        described["purl"] = reference(crate)
        described["hashes"] = [{"alg": "SHA-256", "content": checksum}]
    return described


def reference(crate: tuple) -> str:
    return "pkg:cargo/{}@{}".format(*crate)


def main(package: str, triple: str, *options: str) -> None:
    program, licences, needs = crates_of(package, triple, list(options))
    known = checksums()
    described = {
        crate: component(crate, licence, known.get(crate), "application" if crate == program else "library")
        for crate, licence in licences.items()
    }
    bill = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {
            "component": described.pop(program),
            "properties": [{"name": "cargo:target", "value": triple}],
        },
        "components": [described[crate] for crate in sorted(described)],
        "dependencies": [
            {"ref": reference(crate), "dependsOn": sorted(map(reference, needs[crate]))} for crate in sorted(needs)
        ],
    }
    bill["serialNumber"] = uuid.uuid5(uuid.NAMESPACE_URL, json.dumps(bill)).urn
    json.dump(bill, sys.stdout, separators=(",", ":"))


if __name__ == "__main__":
    if len(sys.argv) < 4:
        sys.exit("usage: docker/sbom.py PACKAGE TRIPLE CARGO OPTION…")
    main(*sys.argv[1:])
