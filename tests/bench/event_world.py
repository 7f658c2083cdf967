"""Stories to retell, and calls that wait for their events: written straight into the tables, thousands at once."""

import re
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4, uuid5

from sqlalchemy import insert

from backoffice_core.borrowers.models import ContactPoint, Person
from backoffice_core.call_centre.models import AgentSession, CallAttempt, CallLeg, CallTask, Recording
from backoffice_core.cases.models import Case
from backoffice_core.clock import Clock
from backoffice_core.compliance.models import ContactLedger
from backoffice_core.db import Database, new_key
from backoffice_core.staff.models import User
from tests.call_stories.test_stories import RAW as FOLDER

LONGEST_S = 3.0  # a story that lasts longer is told faster


@dataclass(frozen=True)
class Story:
    """A captured story as templates: `{call}`, `{line}`, `{stamp}` in AMI frames and in lines of the CEL file."""

    ami: list[tuple[float, str]]
    cel: list[tuple[float, str]]

    def told_of(self, call: UUID, line: str) -> "Story":
        """Retold about another call and another line."""

        def mine(text: str) -> str:
            told = text.replace("{call}", str(call)).replace("{line}", line)
            return re.sub(r"\{bridge(\d)\}", lambda found: str(uuid5(call, found[1])), told)

        return Story([(at, mine(one)) for at, one in self.ami], [(at, mine(one)) for at, one in self.cel])


def load(name: str) -> Story:
    blocks = [b for b in (FOLDER / f"{name}.txt").read_text().split("\n\n") if b.startswith("Event: ")]
    text = "\n\n".join(blocks)
    (call,) = set(re.findall(r"\nUniqueid: ([0-9a-f]{8}-[0-9a-f-]{27})\n", text))
    line = next(iter(re.findall(r"Uniqueid: (leg-[0-9a-f-]+)", text)), "no-line")
    bridges = sorted(set(re.findall(r"BridgeUniqueid: ([0-9a-f-]{36})", text)))
    stamps = [float(s) for s in re.findall(r"Timestamp: ([0-9.]+)", text)]
    rows = [
        row for row in (FOLDER / "cel.csv").read_text().splitlines()
        if (f'"{call}"' in row or line in row) and stamps[0] - 0.1 <= float(row.split('","')[1]) <= stamps[-1] + 0.1
    ]  # fmt: skip
    begun = min([*stamps, *(float(row.split('","')[1]) for row in rows)])
    pace = min(LONGEST_S / max(stamps[-1] - begun, 0.001), 1.0)

    def template(text: str) -> str:
        for n, bridge in enumerate(bridges):
            text = text.replace(bridge, f"{{bridge{n}}}")
        return text.replace(call, "{call}").replace(line, "{line}")

    ami = []
    for block in blocks:
        stamp = re.search(r"Timestamp: ([0-9.]+)", block)
        assert stamp
        told = template(block).replace(stamp[0], "Timestamp: {stamp}").replace("\n", "\r\n")
        ami.append(((float(stamp[1]) - begun) * pace, told.strip() + "\r\n\r\n"))
    cel = []
    for row in rows:
        stamp_text = row.split('","')[1]
        told = template(row).replace(f'"{stamp_text}"', '"{stamp}"')
        cel.append(((float(stamp_text) - begun) * pace, told + "\n"))
    return Story(ami, cel)


CALLS = {"talk", "rings", "refused", "message"}
RAW = {file.stem: load(file.stem) for file in sorted(FOLDER.glob("*.txt")) if file.stem.split("_")[0] in CALLS}


TABLES = (User, Person, ContactPoint, Case, CallTask, AgentSession, CallAttempt, CallLeg, Recording, ContactLedger)


@dataclass(frozen=True)
class Seeded:
    call_id: UUID
    line: str


async def seed(database: Database, clock: Clock, talks: list[bool], due: list[datetime]) -> list[Seeded]:
    """One claimed call for each: a borrower, a task, an attempt, a slot, a recording, and for a talk a reserved agent."""
    now, today = clock.now(), clock.today()
    rows: dict[Any, list[dict[str, Any]]] = {model: [] for model in TABLES}
    seeded = []
    for n, (talk, at) in enumerate(zip(talks, due, strict=True)):
        person, point, case, task, call, user, seat = (new_key() for _ in range(7))
        number, path = f"+38067{n:07}", f"2026/11/22/{call}"
        whose = {"person_id": person, "contact_point_id": point, "case_id": case}
        rows[Person].append({
            "id": person, "external_ref": f"B-{n}", "last_name": "Тест", "first_name": "Олена", "tax_id": f"31{n:08}",
            "birth_date": date(1985, 3, 14), "code_word": "Калина", "jurisdiction": "UA", "region": "Полтавська",
            "place": "Полтава", "time_zone": "Europe/Kyiv", "demo": True, "created_at": now,
        })  # fmt: skip
        rows[ContactPoint].append({"id": point, "person_id": person, "value": number, "number_type": "mobile"})
        rows[Case].append({"id": case, "person_id": person, "state": "ACTIVE", "stage": 1, "opened_at": now})
        rows[CallTask].append({
            "id": task, "business_date": today, "position": n, "state": "DIALING", "fence": 1, "attempts": 1, "demo": True,
            **whose,
        })  # fmt: skip
        if talk:
            rows[User].append({
                "id": user, "login": f"bench{n}", "full_name": f"Агент {n}", "role": "agent", "password_hash": "-",
                "extension": 100_000 + n, "created_at": now,
            })  # fmt: skip
            rows[AgentSession].append({
                "id": seat, "user_id": user, "phone": "desk", "endpoint": f"agent-{100_000 + n}", "state": "RESERVED",
                "reason": "CALL", "since": at, "call_id": call, "line": "UP", "line_wanted": True, "line_n": 1,
                "started_at": at,
            })  # fmt: skip
        rows[CallAttempt].append({
            "id": call, "task_id": task, "number": number, "campaign": "collection", "purpose": "collection",
            "trunk": "far-end", "caller_id": "+380445550100", "language": "uk", "fence": 1, "business_at": now,
            "claimed_at": at, "recording": path, "agent_id": user if talk else None,
            "agent_session_id": seat if talk else None, **whose,
        })  # fmt: skip
        rows[CallLeg].append({
            "call_id": call, "n": 1, "trunk": "far-end", "caller_id": "+380445550100", "placed_at": at,
        })  # fmt: skip
        rows[Recording].append({"call_id": call, "case_id": case, "path": path, "created_at": at})
        rows[ContactLedger].append({
            "id": new_key(), "person_id": person, "number": number, "channel": "call", "actor": "human",
            "purpose": "collection", "at": now, "state": "RESERVED", "call_id": call, "minutes": Decimal(0),
        })  # fmt: skip
        seeded.append(Seeded(call, f"leg-{seat if talk else uuid4()}-1"))
    async with database.begin() as s:
        for model, given in rows.items():
            for start in range(0, len(given), 1000):
                await s.execute(insert(model), given[start : start + 1000])
    return seeded
