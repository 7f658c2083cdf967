"""Worlds made to break a pacer (FL-17): what each of them must still keep. Used by `tests.bench.pacing --weather`."""

from typing import Any

from dialer.simulation.world import Blackout, Fault, World

_25 = World(agents=25, answer_rate=0.25)
_HOUR = 3600.0


def _of(name: str, base: World = _25, **changes: Any) -> World:
    return base.but(name=name, **changes)


WEATHER = (
    _of("black-out 25 → 12 → 25", blackouts=(Blackout(at=3 * _HOUR, until=3.5 * _HOUR, agents_left=12),)),
    _of("black-out 10 → 2 → 10", agents=10, blackouts=(Blackout(at=3 * _HOUR, until=3.5 * _HOUR, agents_left=2),)),
    _of("trunk refuses ten minutes", faults=(Fault(at=4 * _HOUR, until=4 * _HOUR + 600),)),
    _of("trunk refuses as bad numbers", faults=(Fault(at=4 * _HOUR, until=4 * _HOUR + 600, kind="refuse_invalid"),)),
    _of("trunk silent ten minutes", faults=(Fault(at=4 * _HOUR, until=4 * _HOUR + 600, kind="silent"),)),
    _of("no lines ten minutes", faults=(Fault(at=4 * _HOUR, until=4 * _HOUR + 600, kind="no_lines"),)),
    _of("silent ten minutes, 50 agents, p .1", agents=50, answer_rate=0.1,
        faults=(Fault(at=4 * _HOUR, until=4 * _HOUR + 600, kind="silent"),)),
    _of("a third of the talks short", short_share=0.33),
    _of("two thirds of the talks short", short_share=0.67, short_mean=8),
    _of("machines before, 1 % of people misjudged", machine_share=0.3, detection="before", human_misjudged=0.01),
    _of("machines before, 2.5 % misjudged", machine_share=0.3, detection="before", human_misjudged=0.025),
    _of("machines to agents", machine_share=0.3),
    _of("p .05", answer_rate=0.05), _of("p .05, 5 agents", agents=5, answer_rate=0.05), _of("p .7", answer_rate=0.7),
    _of("p .7, 5 agents", agents=5, answer_rate=0.7), _of("p .9, 10 agents", agents=10, answer_rate=0.9),
    _of("2 agents", agents=2), _of("1 agent", agents=1), _of("3 agents, p .1", agents=3, answer_rate=0.1),
    _of("2 agents, 2 hours", agents=2, hours=2.0), _of("5 agents, 1 hour, p .45", agents=5, hours=1.0, answer_rate=0.45),
    _of("12 hours", hours=12.0), _of("24 hours, 10 agents", agents=10, hours=24.0),
    _of("long talks", talk_mean=400.0), _of("short talks", talk_mean=30.0, wrap_mean=8.0),
    _of("regular talks", talk_sigma=0.15, wrap_sigma=0.1), _of("wild talks", talk_sigma=1.2),
    _of("no wrap-up", wrap_mean=1.0), _of("slow to answer", ring_mean=16.0, ring_timeout=40.0),
    _of("quick to answer", ring_mean=3.0, post_dial=(0.5, 1.0)), _of("exponential ringing", ring_shape=1.0),
    _of("answer within 1 s", answer_limit=1.0), _of("no waiting at all", answer_limit=0.05),
    _of("asked every half second", decide_every=0.5), _of("asked every 3 s", decide_every=3.0),
    _of("few lines", lines=40), _of("wild drift", rate_shape="drifting", drift_amplitude=0.8, drift_period=3600.0),
    _of("steps ×3 and ×.3", rate_shape="stepping", steps=((0.25, 3.0), (0.5, 0.3), (0.75, 2.0)), answer_rate=0.2),
    _of("many breaks", break_every=1200.0, break_length=300.0, out_every=2400.0),
    _of("breaks of 5 agents", agents=5, break_every=1200.0, break_length=300.0),
)  # fmt: skip


def judge(world: World, found: dict[str, Any]) -> str:
    """What was broken; "" = nothing. A person whom the detector hangs up on is abandoned whatever the pacer does, so that
    such a world must keep the limit only where the detector leaves room for it."""
    live, kept = found["live"], []
    unavoidable = found["people_taken_for_machines"]
    limit = 0.03 if unavoidable < 0.02 * live else max(0.03, unavoidable / max(live, 1) + 0.006)
    if found["abandon_rate"] > limit:
        kept.append(f"{found['abandon_rate']:.2%} of {live} abandoned (seed {found['seed']})")
    # of fewer than twenty answers one is more than 5 %: agents who leave while it rings are foreseen by nobody
    hours = [
        h["abandoned"] / h["live"] for h in found["by_hour"] if h["live"] and (h["live"] >= 20 or h["abandoned"] > 1)
    ]
    if max(hours, default=0.0) > max(0.05, 2 * limit if unavoidable else 0):
        kept.append(f"{max(hours):.1%} in an hour (seed {found['seed']})")
    return ", ".join(kept)
