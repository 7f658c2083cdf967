"""The console as a program: `python -m agent_console`."""

import asyncio
import sys

import structlog
import uvicorn
import uvloop

from agent_console.app import create_app
from backoffice_core import clock, config, tls
from backoffice_core.bus import Bus
from backoffice_core.db import Database
from backoffice_core.errors import Refused
from backoffice_core.parts.process import need_port
from backoffice_core.parts.ready import mark_ready, unmark
from backoffice_core.pbx.ami import Ami
from backoffice_core.program import calm_collector, set_up_log

log = structlog.get_logger()


class _Server(uvicorn.Server):
    """Tells the supervisor when it listens."""

    def __init__(self, settings: config.Settings, conf: uvicorn.Config) -> None:
        super().__init__(conf)
        self._settings = settings

    async def startup(self, sockets: "list | None" = None) -> None:
        await super().startup(sockets)
        if self.started:
            mark_ready(self._settings, "agent_console")


def _tell_of_certificate(found: tls.Certificate | None) -> None:
    if found is not None and found.ends_soon(clock.Clock.wall()):
        log.warning("the certificate ends soon", valid_until=f"{found.valid_until:%Y-%m-%d}")


async def serve(settings: config.Settings) -> None:
    """Runs until SIGTERM or SIGINT. Raises PartMissing when the port is taken, ClockShiftRefused, BadCertificate."""
    _tell_of_certificate(tls.check(settings, clock.Clock.wall()))
    need_port(settings.ports.console, settings.bind, "the console", "console")
    database, bus = Database(settings, name="agent_console", idle_s=10.0, answer_s=10.0), Bus(settings)
    ami = Ami(settings.asterisk_host, settings.ports.ami, "console", settings.derived_secret("ami:console"))
    link = asyncio.create_task(ami.run())
    app = create_app(settings, database, bus, clock.load(settings), ami)
    conf = uvicorn.Config(
        app, host=settings.bind, port=settings.ports.console, log_level="warning", access_log=False,
        timeout_graceful_shutdown=2, ws_ping_interval=10, ws_ping_timeout=10,
        ws_per_message_deflate=False, server_header=False, log_config=None,
        ssl_certfile=settings.tls_cert, ssl_keyfile=settings.tls_key,
    )  # fmt: skip
    calm_collector()  # a look through all that the start made is a pause of 0.15 s on every desk
    try:
        await _Server(settings, conf).serve()
    finally:
        unmark(settings, "agent_console")
        await ami.close()
        await link
        await bus.close()
        await database.close()


def main() -> int:
    try:
        settings = config.load()
        set_up_log("agent_console", settings.log_level)
        uvloop.run(serve(settings))
    except Refused as refused:
        print(refused, file=sys.stderr)  # noqa: T201 (the supervisor shows it)
        return 1
    except KeyboardInterrupt:
        pass
    return 0


if __name__ == "__main__":
    sys.exit(main())
