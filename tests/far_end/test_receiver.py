"""The demo's receiver of webhooks, and what its console says once the list is used up."""

import json
import threading
from pathlib import Path

import httpx

from backoffice_core.outbox.rules import refusal
from far_end.demo import _used_up
from far_end.receiver import Receiver


def test_the_demo_has_a_system_that_is_told(tmp_path: Path) -> None:
    """Issue 6: a newcomer tries webhooks in the demo: its address may be written to, answers, and keeps what it was told."""
    log = tmp_path / "webhooks.jsonl"
    with Receiver(0, log) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_address[1]}/crm"
        assert refusal(url, ["127.0.0.1", "localhost"]) == ""
        assert httpx.post(url, json={"kind": "promise.kept"}).status_code == 204
        assert httpx.post(url, content=b"no json").status_code == 204
        server.shutdown()
    first, second = map(json.loads, log.read_text().splitlines())
    assert (first["path"], first["said"]) == ("/crm", {"kind": "promise.kept"})
    assert second["said"] == "no json"


def test_the_console_of_the_demo_says_that_the_list_is_used_up() -> None:
    assert _used_up({}) == ""
    assert _used_up({"ELIGIBLE": 3, "DONE": 9}) == ""
    assert "5 wait for their next attempt" in _used_up({"RETRY_WAIT": 5, "DONE": 9})
    assert "used up" in _used_up({"DONE": 9})
