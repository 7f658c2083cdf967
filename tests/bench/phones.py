"""Desk phones that answer and speak, for the floor: the same ones that the robot agents have."""

import asyncio
import sys

from far_end.media import Engine
from far_end.phone import DeskPhone


async def main(sip_port: int, seats: list[str]) -> None:
    engine = Engine()
    for seat in seats:
        extension, _, secret = seat.partition(":")
        await DeskPhone(f"agent-{extension}", secret, ("127.0.0.1", sip_port), engine=engine).register()
    sys.stdout.write("registered\n")
    sys.stdout.flush()
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), sys.argv[2:]))
