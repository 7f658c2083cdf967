"""An alarm in a region begins or ends."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from agent_console.pages.api.access import ClientWork, client, new_router
from backoffice_core.call_centre.dialing import shelter
from backoffice_core.events import AgentChanged, QueueChanged, StopChanged

router = new_router()
ShelterClient = Annotated[ClientWork, client("shelter")]


class ShelterCall(BaseModel):
    """An alarm in a region, as borrowers and agents have it, begins or ends."""

    model_config = ConfigDict(extra="forbid")
    region: str = Field(min_length=1, max_length=200)
    alarm: bool = Field(description="true: it begins; false: it is over")


class ShelterDone(BaseModel):
    """`changed` false: it was so already."""

    changed: bool
    agents: int
    tasks: int


@router.post("/shelter")
async def post_shelter(work: ShelterClient, body: ShelterCall) -> ShelterDone:
    """Agents of the region go to a paid pause and nobody there is called; at its end dialing comes back at half pace."""
    wall = work.console.clock.wall()
    if body.alarm:
        done = await shelter.begin(work.s, body.region, by=work.client.name, who=work.who, now=work.now, wall=wall)
    else:
        done = await shelter.end(work.s, body.region, by=work.client.name, who=work.who, wall=wall)
    if done.changed:
        work.news += [*(AgentChanged(agent_id=one) for one in done.agents), QueueChanged(), StopChanged()]
    return ShelterDone(changed=done.changed, agents=len(done.agents), tasks=done.tasks)
