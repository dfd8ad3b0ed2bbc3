from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A developer's own `.env` must not decide about a test."""
    monkeypatch.chdir(tmp_path)
