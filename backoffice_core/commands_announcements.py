"""`backoffice announcements …`: the library of what networks say, and what waits for a name."""

import getpass
from pathlib import Path
from typing import Annotated, Any

import typer

from backoffice_core.command_line import House, Json, run, say, say_json, table
from backoffice_core.errors import BadInput

announcements = typer.Typer(no_args_is_help=True, help="What networks say before any answer.")
Language = Annotated[str, typer.Option(help="in which it is spoken, as uk")]
Carrier = Annotated[str, typer.Option(help="whose network says it, as Kyivstar")]


@announcements.command("list")
def list_command(
    named: Annotated[bool, typer.Option("--named/--new", help="the library, or what waits for a name")] = False,
    as_json: Json = False,
) -> None:
    """What waits for a name, or the library, most heard first."""
    from backoffice_core.call_centre.carriers import announcements as service

    async def work(house: House) -> list[service.Listed]:
        async with house.database.begin() as session:
            return await service.listing(session, named=named)

    found = run(work)
    rows = [
        {
            "id": one.row.id, "meaning": one.row.meaning, "language": one.row.language, "carrier": one.row.carrier,
            "heard": one.row.heard, "last_heard_at": one.row.last_heard_at, "named_by": one.row.named_by,
            "seconds": [sound.seconds for sound in one.sounds], "files": [s.file for s in one.sounds if s.file],
        }
        for one in found
    ]  # fmt: skip
    if as_json:
        say_json(rows)
        return
    head = ("no.", "meaning", "language", "network", "calls", "seconds", "sounds in the folder `announcements`")
    shown = [
        (r["id"], r["meaning"], r["language"], r["carrier"], r["heard"], " ".join(map(str, _of(r["seconds"]))),
         " ".join(map(str, _of(r["files"])))) for r in rows
    ]  # fmt: skip
    table("library" if named else "to be named", head, shown)


def _of(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


@announcements.command("name")
def name_command(
    number: Annotated[int, typer.Argument(help="of the announcement, as `list` tells it")],
    meaning: Annotated[str, typer.Argument(help="not_in_service, switched_off, forbidden, no_funds, voicemail, ringback, "
                                                "or ignored")],
    language: Language = "",
    carrier: Carrier = "",
) -> None:  # fmt: skip
    """Say once what an announcement means; every later call that hears it gets this meaning. Also corrects a name."""
    from backoffice_core.call_centre.carriers import announcements as service

    async def work(house: House) -> None:
        async with house.database.begin() as session:
            needless = await service.name(
                session, number, meaning, language=language, carrier=carrier, by=getpass.getuser(),
                wall=house.clock.wall(),
            )  # fmt: skip
        for file in needless:
            (house.settings.announcements_dir / file).unlink(missing_ok=True)

    run(work)
    say(f"Announcement {number} means {meaning} from now on.")


@announcements.command("learn")
def learn_command(
    files: Annotated[list[Path], typer.Argument(help="sound files, one announcement each")],
    meaning: Annotated[str, typer.Option(help="what they say, as in `name`")],
    language: Language = "",
    carrier: Carrier = "",
    as_json: Json = False,
) -> None:
    """Put announcements from files into the library: a carrier's own recordings, or another installation's."""
    from backoffice_core.call_centre.carriers import announcements as service
    from recordings.early import write_cut

    sounds = [_read(file) for file in files]

    async def work(house: House) -> list[int]:
        ids = []
        async with house.database.begin() as session:
            for samples, print_ in sounds:
                sound = service.Sound(fingerprint=print_.trimmed().to_bytes(), seconds=print_.seconds, file="")
                row = await service.learn(
                    session, sound, meaning=meaning, language=language, carrier=carrier, by=getpass.getuser(),
                    wall=house.clock.wall(),
                )  # fmt: skip
                (one,) = (await service.find(session, row.id)).sounds
                one.file = f"learnt-{row.id}.wav"
                write_cut(samples, print_, house.settings.announcements_dir / one.file)
                ids.append(row.id)
        return ids

    ids = run(work)
    if as_json:
        say_json({"ids": ids})
    else:
        say(f"{len(ids)} announcements learnt: {', '.join(map(str, ids))}.")


@announcements.command("hear")
def hear_command(
    file: Annotated[Path, typer.Argument(help="a sound file")],
    as_json: Json = False,
) -> None:
    """What the library makes of a sound file; nothing is written."""
    from backoffice_core.call_centre.carriers import announcements as service
    from recordings.fingerprint import Print
    from recordings.recognise import Known, Verdict, recognise

    _, heard = _read(file, any_length=True)

    async def work(house: House) -> Verdict:
        async with house.database.begin() as session:
            entries = await service.library(session)
        return recognise(heard, [Known(e.announcement_id, e.meaning, Print.from_bytes(e.fingerprint)) for e in entries])

    verdict = run(work)
    if as_json:
        say_json({"meaning": verdict.meaning, "distance": verdict.distance, "announcement": verdict.key})
    else:
        which = f" (announcement {verdict.key}, distance {verdict.distance})" if verdict.key else ""
        say((verdict.meaning or "Nothing that can be told.") + which)


def _read(file: Path, *, any_length: bool = False) -> Any:
    """Samples and fingerprint. Raises BadInput for what is no sound, or too short to be told from others."""
    import soundfile

    from recordings.early import read
    from recordings.recognise import LEAST_S

    try:
        samples, print_ = read(file)
    except (soundfile.LibsndfileError, OSError) as error:
        raise BadInput(f"{file} is no sound file.", remedy="Give WAV, FLAC, OGG or MP3.", field="file") from error
    if not any_length and print_.seconds < LEAST_S:
        raise BadInput(
            f"{file} holds {print_.seconds:.1f} s of speech.", remedy=f"At least {LEAST_S} s are needed.", field="file"
        )
    return samples, print_
