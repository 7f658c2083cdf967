"""Settings that follow each other."""

from pathlib import Path

import pytest

from backoffice_core import config


def test_shipped_trunk_follows_the_far_ends_port_and_a_trunk_of_ones_own_does_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BACKOFFICE_DATA", str(tmp_path))
    assert [trunk.port for trunk in config.load().trunks] == [5070]
    monkeypatch.setenv("BACKOFFICE_PORTS__FAR_END", "6070")
    assert [(trunk.name, trunk.port) for trunk in config.load().trunks] == [("far-end", 6070)]
    monkeypatch.setenv("BACKOFFICE_TRUNKS", '[{"name": "lab", "host": "127.0.0.1", "port": 5090}]')
    assert [(trunk.name, trunk.port) for trunk in config.load().trunks] == [("lab", 5090)]
