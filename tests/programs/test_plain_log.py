"""The log of every program says where a fault was, never what its variables held: keys and people stay out of it (CK-02)."""

import io
import os
import subprocess
import sys
from pathlib import Path

import httpx
import structlog

from backoffice_core import plain_log
from backoffice_core.command_line import hush
from backoffice_core.config import Settings
from backoffice_core.parts import process
from tests.conftest import until

SECRET, NAME, INNER = "bo_never-in-a-log", "Ганна Невидима", "RuntimeError: broken by the test"
CONSOLE = f"""
import sys
from agent_console.__main__ import main
from backoffice_core.staff import clients
async def broken(s, key):
    borrower = {NAME!r}
    raise RuntimeError("broken by the test\\n" + borrower)
clients.find = broken
sys.exit(main())
"""


def _fault() -> None:
    key, borrower = SECRET, NAME
    raise RuntimeError(f"broken by the test\n{key} {borrower}")


def test_a_traceback_has_no_local_variables_and_of_a_message_the_first_line(tmp_path: Path) -> None:
    """CK-02: no keys, no people in logs, whatever program or command writes them; its file is its owner's."""
    said = io.StringIO()
    plain_log.lines("INFO", lambda: said)
    try:
        _fault()
    except RuntimeError:
        structlog.get_logger().exception("failed")
    told = said.getvalue()
    assert [one in told for one in (INNER, "_fault()", SECRET, NAME)] == [True, True, False, False], told
    hush()
    names = [type(one).__name__ for one in structlog.get_config()["processors"]]
    assert "ExceptionRenderer" in names
    with plain_log.file(tmp_path / "a.log") as out:
        out.write(b"x")
    assert (tmp_path / "a.log").stat().st_mode & 0o777 == 0o600


async def test_the_console_that_breaks_logs_neither_the_key_nor_a_name(live_settings: Settings, tmp_path: Path) -> None:
    """CK-02: one fault of the API is told once or twice, in tens of lines, without the caller's key."""
    file, url = tmp_path / "console.log", f"http://127.0.0.1:{live_settings.ports.console}"
    variables = os.environ | process.environment(live_settings) | {"PYTHONPATH": os.getcwd()}
    with plain_log.file(file) as out:
        console = subprocess.Popen([sys.executable, "-c", CONSOLE], stdout=out, stderr=out, env=variables)  # noqa: ASYNC220
    try:
        async with httpx.AsyncClient(base_url=url, headers={"Authorization": f"Bearer {SECRET}"}) as bank:

            async def answers() -> bool:
                try:
                    return (await bank.get("/api/v1/counts")).status_code == 500
                except httpx.TransportError:
                    return False

            await until(answers, 60, what="a fault of the API")
    finally:
        console.terminate()
        console.wait(30)
    said = file.read_text()
    assert [one in said for one in (INNER, "open_client", SECRET, NAME)] == [True, True, False, False], said[:3000]
    assert len(said.splitlines()) < 400
