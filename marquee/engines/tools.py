"""The programs that native engines need, and the one message about those that are missing."""

from __future__ import annotations

import os
import platform
import re
import shutil
from collections.abc import Iterable
from pathlib import Path

from marquee.faults import ToolMissing

RABBITMQ_SERVER = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")
_LEAST_JAVA = 17
_PACKAGES = {
    "java": "openjdk-17-jre-headless",
    "mvn": "maven",
    "rabbitmq-server": "rabbitmq-server",
    "epmd": "erlang-base",
    "setpriv": "util-linux",
}


def require(programs: Iterable[str]) -> None:
    """Raises ToolMissing, naming every Debian package to install, unless all these programs are here."""
    if platform.system() != "Linux" or platform.machine() != "x86_64":
        raise ToolMissing("Native engines exist for Linux on x86_64 only. Start Docker, then run this again.")
    missing = [name for name in programs if not _present(name)]
    if missing:
        packages = " ".join(sorted({_PACKAGES[name] for name in missing}))
        raise ToolMissing(
            f"Missing on this machine: {', '.join(missing)}. Install with\n"
            f"  sudo apt-get install --no-install-recommends {packages}\n"
            "or start Docker, then run this again."
        )


def java_home() -> Path | None:
    """The home of a Java that is new enough: JAVA_HOME, the one on the PATH, or any under /usr/lib/jvm."""
    on_path = shutil.which("java")
    candidates = [Path(os.environ["JAVA_HOME"])] if os.environ.get("JAVA_HOME") else []
    candidates += [Path(on_path).resolve().parents[1]] if on_path else []
    candidates += sorted(Path("/usr/lib/jvm").glob("*")) if Path("/usr/lib/jvm").is_dir() else []
    return next((home for home in candidates if _java_version(home) >= _LEAST_JAVA), None)


def _java_version(home: Path) -> int:
    try:
        found = re.search(r'^JAVA_VERSION="(\d+)', (home / "release").read_text(), re.MULTILINE)
    except OSError:
        return 0
    return int(found[1]) if found and (home / "bin" / "java").exists() else 0


def _present(name: str) -> bool:
    if name == "java":
        return java_home() is not None
    if name == "rabbitmq-server":
        return RABBITMQ_SERVER.exists()
    return shutil.which(name) is not None
