"""What is wrong with the sound of a call (pure): said as codes, shown on the call and to the supervisor (FL-16, TL-12)."""

from dataclasses import dataclass
from decimal import Decimal

NOT_RECORDED, CUT_SHORT, NO_SOUND = "NOT_RECORDED", "CUT_SHORT", "NO_SOUND"
AGENT_SILENT, BORROWER_SILENT = "AGENT_SILENT", "BORROWER_SILENT"  # one-way audio, and which way is dead
AGENT_CLIPPED, BORROWER_CLIPPED = "AGENT_CLIPPED", "BORROWER_CLIPPED"
FAULTS = (NOT_RECORDED, CUT_SHORT, NO_SOUND, AGENT_SILENT, BORROWER_SILENT, AGENT_CLIPPED, BORROWER_CLIPPED)

SILENT_BELOW_DBFS = Decimal(-60)
CLIPPED_ABOVE_PCT = Decimal("0.5")
JUDGED_FROM_S = 5.0  # of talk; in less nobody need have said a word
_MAY_MISS_S, _MAY_MISS_SHARE = 3.0, 0.1


@dataclass(frozen=True, kw_only=True)
class Heard:
    """Of one ended call. `call_s`: from answer to end; `talk_s`: both voices in one bridge, 0 = never; `seconds`: recorded."""

    call_s: float
    talk_s: float
    seconds: Decimal
    agent_dbfs: Decimal
    borrower_dbfs: Decimal
    agent_clipped: Decimal
    borrower_clipped: Decimal


def faults_of(heard: Heard) -> list[str]:
    """Codes of FAULTS, the worst first. A silent side is named only where both had a talk to fill."""
    found = [CUT_SHORT] if is_cut_short(heard.call_s, float(heard.seconds)) else []
    if heard.talk_s >= JUDGED_FROM_S:
        found += silent_sides(heard.agent_dbfs < SILENT_BELOW_DBFS, heard.borrower_dbfs < SILENT_BELOW_DBFS)
        found += clipped_sides(heard.agent_clipped >= CLIPPED_ABOVE_PCT, heard.borrower_clipped >= CLIPPED_ABOVE_PCT)
    return found


def is_cut_short(call_s: float, recorded_s: float) -> bool:
    return call_s - recorded_s > max(_MAY_MISS_S, _MAY_MISS_SHARE * call_s)


def silent_sides(agent: bool, borrower: bool) -> list[str]:
    if agent and borrower:
        return [NO_SOUND]
    return [AGENT_SILENT] if agent else [BORROWER_SILENT] if borrower else []


def clipped_sides(agent: bool, borrower: bool) -> list[str]:
    return ([AGENT_CLIPPED] if agent else []) + ([BORROWER_CLIPPED] if borrower else [])
