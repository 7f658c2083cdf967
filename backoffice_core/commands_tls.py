"""`backoffice tls`: the certificate of https and wss."""

from typing import Annotated

import typer

from backoffice_core import config
from backoffice_core.clock import Clock
from backoffice_core.command_line import Json, say, say_json

tls = typer.Typer(
    no_args_is_help=True, help="The certificate with which console and browser phones speak https and wss."
)


@tls.command("make")
def make_command(
    host: Annotated[list[str] | None, typer.Option(help="name or address at which browsers open the console")] = None,
    as_json: Json = False,
) -> None:
    """Make a key and a self-signed certificate in the data folder, for a start. Browsers must be told to trust it."""
    from backoffice_core import tls as certificates

    settings, wall = config.load(), Clock.wall()
    cert, key = certificates.make(settings, host or [], wall)
    made = certificates.check(settings.model_copy(update={"tls_cert": cert, "tls_key": key}), wall)
    assert made is not None  # noqa: S101 (both files were just named)
    if as_json:
        say_json(
            {"cert": cert, "key": key, "names": made.names, "valid_until": made.valid_until, "sha256": made.sha256}
        )
        return
    say(f"For {', '.join(made.names)}; until {made.valid_until:%Y-%m-%d}. SHA-256 {made.sha256}")
    say(
        "Put these into backoffice.toml, then `backoffice down` and `backoffice up`:\n"
        f'tls_cert = "{cert}"\ntls_key = "{key}"'
    )


@tls.command("show")
def show_command(as_json: Json = False) -> None:
    """The certificate that is set. Exit code 1 when it cannot be used."""
    from backoffice_core import tls as certificates

    found = certificates.check(config.load(), Clock.wall())
    if as_json:
        say_json({"on": found is not None, **(vars(found) if found else {})})
    elif found is None:
        say("No certificate is set: the console speaks http.")
    else:
        say(f"For {', '.join(found.names)}; until {found.valid_until:%Y-%m-%d}. SHA-256 {found.sha256}")
        if found.ends_soon(Clock.wall()):
            say("It ends soon.")
