"""`backoffice prompts`: the spoken messages, which of them are whose, and making those that are missing (FL-19)."""

from dataclasses import asdict

import typer

from backoffice_core import config
from backoffice_core.command_line import Json, noted, say, say_json, table

prompts = typer.Typer(no_args_is_help=True, help="The messages that calls play, by language.")


@prompts.command("list")
def list_command(as_json: Json = False) -> None:
    """Each message in each language. Exit code 1 when one is missing: then nothing is dialed."""
    from asterisk_conf import prompts as sounds

    settings = config.load()
    found = [
        {**asdict(one), "source": str(one.source or ""), "ready": one.file(settings).exists()}
        for one in sounds.wanted(settings)
    ]
    if as_json:
        say_json(found)
    else:
        head = ("language", "name", "origin", "ready", "text")
        table("prompts", head, [[one[key] for key in head] for one in found])
    if sounds.missing(settings):
        if not as_json:
            say("Nothing is dialed while a message is missing: give it a text, then `backoffice prompts make`.")
        raise typer.Exit(1)


@prompts.command("make")
def make_command(as_json: Json = False) -> None:
    """Speak the texts that have no sound yet (espeak-ng), take over own recordings, tell the running Asterisk."""
    from asterisk_conf import prompts as sounds
    from backoffice_core.parts import asterisk

    settings = config.load()
    made = sounds.provide(settings)
    lacking = sounds.missing(settings)
    if made:
        noted("PROMPTS_MADE", data={"prompts": [f"{one.language}/{one.name}" for one in made], "missing": lacking})
    if asterisk.is_ours(settings) and asterisk.runs(settings):
        asterisk.refresh(settings)  # a further language stands in the dialplan
    if as_json:
        say_json({"made": [f"{one.language}/{one.name}" for one in made], "missing": lacking})
    else:
        for one in made:
            say(f"{one.language}/{one.name}: {one.origin.lower()}")
        say(f"{len(made)} made or taken over, {len(lacking)} missing" + (f": {', '.join(lacking)}" if lacking else "."))
    if lacking:
        raise typer.Exit(1)
