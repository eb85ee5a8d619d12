"""The bake file for registries, the script that makes the same images without one, and what they build from."""

import json
import re
import subprocess
from pathlib import Path

import hcl2

ROOT = Path(__file__).resolve().parents[2]
# What BuildKit calls a platform, docker/build.sh an architecture, and module.json a platform.
PLATFORMS = {"linux/arm64": ("arm64", "arm64v8"), "linux/arm/v7": ("armv7", "arm32v7"), "linux/amd64": ("amd64", "amd64")}


def blocks(bake, kind):
    """The bodies of HCL's blocks, by name. This reader leaves texts their quotes, which tells them from variables."""
    return {name.strip('"'): body for block in bake[kind] for name, body in block.items()}


def filled(value, known):
    """A value with its variables replaced by what they are."""
    if isinstance(value, dict):
        return {key: filled(item, known) for key, item in value.items()}
    if isinstance(value, list):
        return [filled(item, known) for item in value]
    if isinstance(value, str) and value.startswith('"'):
        return re.sub(r"\$\{(\w+)\}", lambda match: known[match[1]], value.strip('"'))
    return known.get(value, value)


def targets():
    """Every image that `buildx bake` makes, by name, with what it inherits."""
    with open(ROOT / "docker/bake.hcl", encoding="utf-8") as file:
        bake = hcl2.load(file)
    variables = {name: filled(body["default"], {}) for name, body in blocks(bake, "variable").items()}
    named = blocks(bake, "target")
    found = {}
    for group in filled(blocks(bake, "group")["default"]["targets"], {}):
        whole = {}
        for part in [*filled(named[group].get("inherits", []), {}), group]:
            body = named[part]
            whole |= body | {"args": whole.get("args", {}) | body.get("args", {})}
        matrix = whole.pop("matrix", {"module": [f'"{group}"']})
        for module in filled(matrix["module"], {}):
            target = filled(whole, variables | {"module": module})
            found[target.get("name", group)] = target
    return found


def script(*words):
    return subprocess.run([ROOT / "docker/build.sh", *words], capture_output=True, text=True, timeout=60)


def test_bake_makes_the_images_of_the_script():
    said = script("--help").stdout
    images = re.search(r"--image IMAGE +(.*?);", said)[1]
    arches = re.search(r"--arch ARCH +(.*?);", said)[1]
    baked = targets()
    assert sorted(baked) == sorted(re.split(r", | or ", images))
    for target in baked.values():
        assert [PLATFORMS[platform][0] for platform in target["platforms"]] == ["arm64", "armv7", "amd64"]
    assert sorted(re.split(r", | or ", arches)) == ["amd64", "arm64", "armv7"]


def test_bake_names_what_is_there():
    dockerfile = (ROOT / "docker/Dockerfile").read_text(encoding="utf-8")
    stages = re.findall(r"^FROM \S+ AS (\w+)$", dockerfile, re.MULTILINE)
    workspace = re.search(r'^version = "(.*)"', (ROOT / "Cargo.toml").read_text(encoding="utf-8"), re.MULTILINE)[1]
    for name, target in targets().items():
        assert target["target"] in stages
        assert (ROOT / target["context"] / target["dockerfile"]).resolve() == ROOT / "docker/Dockerfile"
        assert target["args"] == {"IMAGE": name, "VERSION": workspace}
        assert target["tags"] == [f"cow-parking/{name}:{workspace}", f"cow-parking/{name}:latest"]
        # What is given is what the file asks for.
        assert set(target["args"]) <= set(re.findall(r"^ARG (\w+)", dockerfile, re.MULTILINE))


def test_modules_are_on_every_platform():
    for name in (path.parent.name for path in ROOT.glob("modules/*/module.json")):
        module = json.loads((ROOT / f"modules/{name}/module.json").read_text(encoding="utf-8"))
        assert targets()[name]["tags"][0].startswith(module["image"]["repository"] + ":")
        assert sorted(module["image"]["tag"]["platforms"]) == sorted(tag for _, tag in PLATFORMS.values())


def test_the_script_refuses_what_it_does_not_know():
    for words in (["--arch", "mips"], ["--image", "lamp"], ["--all"]):
        assert script(*words).returncode == 2


def test_workflows_name_scripts_and_files_that_are_there():
    """What CI runs and publishes comes from scripts of this repository: their paths, and where they put things."""
    for workflow in ROOT.glob(".github/workflows/*.yml"):
        text = workflow.read_text(encoding="utf-8")
        for path in re.findall(r"(?:docker|packages|tests)/[\w./-]+", text):
            assert (ROOT / path).exists(), f"{workflow.name}: {path}"
    release = (ROOT / ".github/workflows/release.yml").read_text(encoding="utf-8")
    made = (ROOT / "packages/release").read_text(encoding="utf-8")
    arches = re.search(r"for arch in (.*); do", made)[1].split()
    assert re.search(r"arch: \[(.*)\]", release)[1].split(", ") == arches
    for place in ("target/release-files", "$program-linux-$arch.cdx.json", "SHA256SUMS"):
        assert place in made.replace("$PWD/", "")
        assert place.replace("$program", "cow").replace("$arch", "${{ matrix.arch }}") in release
