#!/usr/bin/env python3
"""Fetches the parts of third_party/parts.toml into third_party/parts/, checking every sum.

Uses the registries' own clients: pip, npm, mvn and go. What is already there is left alone, so a second
run costs nothing. Usage: fetch_parts.py [PART...]   (without names: every part not marked on_demand)
"""

import hashlib
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tarfile
import tempfile
import tomllib
import zipfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
LIST = ROOT / "third_party" / "parts.toml"
PARTS = ROOT / "third_party" / "parts"


def stop(sentence):
    sys.exit(f"fetch_parts: {sentence}")


def call(name, package, command, folder):
    if shutil.which(command[0]) is None:
        stop(f"{name} needs the program '{command[0]}', which is not installed: run ./run setup.")
    # The sum is ours to check, and the client is to be the one that is installed.
    environment = {**os.environ, "GOSUMDB": "off", "GOTOOLCHAIN": "local", "GOFLAGS": ""}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True,
                          check=False)
    if done.returncode != 0:
        last = (done.stderr.strip() or done.stdout.strip() or "no message").splitlines()[-1]
        stop(f"{name}: '{package}' could not be fetched with {command[0]}: {last}")
    return done.stdout


def archive_of(name, part, folder):
    """Downloads one part's archive into `folder` and returns its path."""
    package = part["package"]
    if part["registry"] == "npm":
        call(name, package, ["npm", "pack", "--silent", package], folder)
    elif part["registry"] == "pypi":
        wheel = ["--only-binary=:all:", "--python-version", "311", "--implementation", "cp",
                 "--platform", "manylinux_2_28_x86_64", "--platform", "manylinux2014_x86_64"]
        pip = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
        call(name, package, [*pip, "download", "--quiet", "--no-deps", *wheel, "-d", ".", package],
             folder)
    elif part["registry"] == "pypi-sdist":
        # pip asks a source archive for its metadata, so it must be known to be ours before that.
        wanted = folder.parent / (folder.name + ".txt")
        wanted.write_text(f"{package} --hash=sha256:{part['sha256']}\n")
        pip = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
        try:
            call(name, package, [*pip, "download", "--quiet", "--no-deps", "--no-binary",
                                 package.split("==")[0], "--require-hashes", "-d", ".",
                                 "-r", str(wanted)], folder)
        finally:
            wanted.unlink()
    elif part["registry"] == "maven":
        call(name, package, ["mvn", "-q", "-B", "dependency:copy", f"-Dartifact={package}",
                             f"-DoutputDirectory={folder}"], folder)
    elif part["registry"] == "go":
        found = json.loads(call(name, package, ["go", "mod", "download", "-json", package], folder))
        return pathlib.Path(found["Zip"])
    else:
        stop(f"{name} names the unknown registry '{part['registry']}'.")
    files = list(folder.iterdir())
    if len(files) != 1:
        stop(f"{name}: the fetch of '{package}' left {len(files)} files where one was expected.")
    return files[0]


def members(archive):
    """Yields (path inside, open function) of every file of a wheel, jar, module zip or npm tarball."""
    if archive.suffix == ".tgz" or archive.name.endswith(".tar.gz"):
        with tarfile.open(archive) as tar:
            for member in tar:
                if member.isfile():
                    yield member.name, tar.extractfile(member)
    else:
        with zipfile.ZipFile(archive) as pack:
            for info in pack.infolist():
                if not info.is_dir():
                    with pack.open(info) as file:
                        yield info.filename, file


def target_of(path, unpack, prefix):
    path = path.removeprefix(prefix)
    for source, target in unpack.items():
        if path == source:
            return target
        if source.endswith("/") and path.startswith(source):
            return target + path.removeprefix(source)
    return None


def unpack_part(name, part, archive):
    # A Go module's zip holds everything under "module@version/".
    # And so does a source archive, under its own name.
    prefix = part["package"] + "/" if part["registry"] == "go" else ""
    if part["registry"] == "pypi-sdist":
        prefix = archive.name.removesuffix(".tar.gz") + "/"
    seen = set()
    for path, file in members(archive):
        target = target_of(path, part["unpack"], prefix)
        if target is None:
            continue
        seen.add(target)
        out = PARTS / target
        out.parent.mkdir(parents=True, exist_ok=True)
        with open(out, "wb") as copy:
            shutil.copyfileobj(file, copy)
    for source, target in part["unpack"].items():
        if not any(s == target or (target.endswith("/") and s.startswith(target)) for s in seen):
            stop(f"{name}: '{source}' is missing in '{part['package']}'.")


def fetch(name, part):
    stamp = PARTS / ".stamps" / name
    wanted = part["sha256"] + "\n" + json.dumps(part["unpack"], sort_keys=True)
    whole = all((PARTS / target).exists() for target in part["unpack"].values())
    if whole and stamp.exists() and stamp.read_text() == wanted:
        return False
    print(f"  {name} {part['version']} ({part['registry']})", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        archive = archive_of(name, part, pathlib.Path(folder))
        got = hashlib.sha256(archive.read_bytes()).hexdigest()
        if got != part["sha256"]:
            stop(f"{name}: the sum of '{part['package']}' is {got}, not {part['sha256']} as "
                 "third_party/parts.toml says; nothing was unpacked.")
        unpack_part(name, part, archive)
    stamp.parent.mkdir(parents=True, exist_ok=True)
    stamp.write_text(wanted)
    return True


def main():
    parts = tomllib.loads(LIST.read_text())
    names = sys.argv[1:] or [name for name, part in parts.items() if not part.get("on_demand")]
    for name in names:
        if name not in parts:
            stop(f"there is no part '{name}' in third_party/parts.toml.")
    fetched = sum(fetch(name, parts[name]) for name in names)
    print(f"third-party parts: {fetched} fetched, {len(names) - fetched} already there")


if __name__ == "__main__":
    main()
