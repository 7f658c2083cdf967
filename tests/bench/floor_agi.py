"""The floor of connecting: an AGI server that answers at once with the next agent's line, and knows nothing else."""

import asyncio
import itertools
import sys

from agi.session import AgiSession, serve


async def main(port: int, lines: list[str]) -> None:
    turn = itertools.cycle(lines)

    async def connect(session: AgiSession) -> None:
        await session.run(session.set_variable, "AGENT_CHANNEL", next(turn))

    await serve("127.0.0.1", port, connect)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), sys.argv[2:]))
