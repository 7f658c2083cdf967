"""What runs, as the supervisor writes it to `run/supervisor.json` and every other command reads it."""

import contextlib
import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

import psutil

from backoffice_core.config import Settings
from backoffice_core.parts.process import alive

PartPhase = Literal["waiting", "starting", "up", "restarting", "stopped", "left behind"]


@dataclass
class PartState:
    """One part. `since` is the machine's time, ISO, of its last start; `create_time` tells a pid used again apart."""

    name: str
    state: PartPhase = "waiting"
    pid: int | None = None
    create_time: float | None = None
    restarts: int = 0
    since: str = ""
    port: int | None = None
    error: str = ""
    sign: int = 15

    @property
    def process(self) -> psutil.Process | None:
        """The living process that this state speaks of."""
        return alive(self.pid, self.create_time) if self.pid else None


@dataclass
class Failure:
    """Why `up` gave up."""

    part: str
    message: str
    remedy: str = ""
    log: list[str] = field(default_factory=list)


@dataclass
class State:
    """The whole installation. `phase` is the supervisor's own."""

    pid: int
    create_time: float
    since: str
    phase: Literal["starting", "running", "stopping", "failed"] = "starting"
    parts: list[PartState] = field(default_factory=list)
    failure: Failure | None = None

    @property
    def supervisor(self) -> psutil.Process | None:
        return alive(self.pid, self.create_time)


def file(settings: Settings, label: str = "") -> Path:
    """That of `backoffice up`, or of a supervisor with a label."""
    return settings.run_dir / (f"supervisor-{label}.json" if label else "supervisor.json")


def write(settings: Settings, state: State, label: str = "") -> None:
    """Whole or not at all."""
    whole = file(settings, label)
    part = whole.with_suffix(".part")
    part.write_text(json.dumps(asdict(state), ensure_ascii=False))
    os.replace(part, whole)


def read(settings: Settings, label: str = "") -> State | None:
    """None when nothing was started, or the last one was taken down."""
    with contextlib.suppress(OSError, ValueError, TypeError, KeyError):
        raw: dict[str, Any] = json.loads(file(settings, label).read_text())
        parts = [PartState(**one) for one in raw.pop("parts")]
        failure = raw.pop("failure")
        return State(**raw, parts=parts, failure=Failure(**failure) if failure else None)
    return None
