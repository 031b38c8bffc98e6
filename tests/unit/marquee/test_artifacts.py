"""The download cache, with a stand-in for the download itself."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from marquee.engines import artifacts
from marquee.faults import StackError


@pytest.fixture(autouse=True)
def cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("MARQUEE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_many_at_once_download_once() -> None:
    downloads: list[Path] = []

    def fetch(target: Path) -> None:
        downloads.append(target)
        (target / "file").write_text("whole")

    threads = [threading.Thread(target=artifacts.cached, args=("engine", fetch)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(downloads) == 1
    assert (artifacts.cached("engine", fetch) / "file").read_text() == "whole"


def test_a_broken_download_leaves_nothing_and_the_next_one_starts_afresh(cache: Path) -> None:
    def broken(target: Path) -> None:
        (target / "file").write_text("half")
        raise StackError("connection lost")

    with pytest.raises(StackError, match="connection lost"):
        artifacts.cached("engine", broken)
    assert [path.name for path in cache.iterdir()] == ["engine.lock"]
    artifacts.cached("engine", lambda target: (target / "file").touch())
    assert (cache / "engine" / "file").exists()
