"""Campaigns, the skills of agents, what the pacer remembers, and its decisions."""

from datetime import datetime
from decimal import Decimal
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, Numeric, text
from sqlalchemy.orm import Mapped, mapped_column

from backoffice_core.db import Base, Json, Serial

_EMPTY = text("'{}'")


class Campaign(Base):
    """Whom a part of the queue is for and how it is dialed. `call_tasks.campaign` names it; "collection" is always there."""

    __tablename__ = "campaigns"
    __table_args__ = (
        CheckConstraint("mode IN ('preview','progressive','power','predictive','agentless')", name="mode"),
        CheckConstraint("abandon_window IN ('shift','day','30d')", name="abandon_window"),
        CheckConstraint("denominator IN ('live','queued')", name="denominator"),
        CheckConstraint("machines IN ('off','beside','before')", name="machines"),
    )

    name: Mapped[str] = mapped_column(primary_key=True)
    purpose: Mapped[str] = mapped_column(default="collection", server_default="collection")
    mode: Mapped[str] = mapped_column(default="progressive", server_default="progressive")
    priority: Mapped[int] = mapped_column(default=10, server_default="10")  # lower numbers first
    ratio: Mapped[Decimal] = mapped_column(
        Numeric(4, 2), default=Decimal("1.5"), server_default="1.5"
    )  # power: lines an agent
    target_abandon_pct: Mapped[Decimal] = mapped_column(Numeric(5, 2), default=Decimal(3), server_default="3")
    abandon_window: Mapped[str] = mapped_column(default="day", server_default="day")
    denominator: Mapped[str] = mapped_column(
        default="live", server_default="live"
    )  # queued: answers that reached the queue
    skill: Mapped[str] = mapped_column(default="", server_default="")  # wanted of its agents; "" = any agent
    machines: Mapped[str] = mapped_column(default="off", server_default="off")  # answering-machine detection
    # share of "machine" verdicts that an agent gets, so that the verdict's error is known
    machine_sample_pct: Mapped[Decimal] = mapped_column(Numeric(5, 2), default=Decimal(5), server_default="5")
    ordering: Mapped[Json] = mapped_column(server_default=_EMPTY)  # strategy of the order
    retries: Mapped[Json] = mapped_column(server_default=_EMPTY)  # delay and back-off by result
    whom: Mapped[Json] = mapped_column(server_default=_EMPTY)  # whose cases it takes, and its share of the calls
    robot: Mapped[Json] = mapped_column(server_default=_EMPTY)  # agentless: message, calls at once and a second
    script: Mapped[Json] = mapped_column(server_default=_EMPTY)  # what its agents say, by language
    active: Mapped[bool] = mapped_column(default=True, server_default=text("true"))
    changed_at: Mapped[datetime] = mapped_column(server_default=text("now()"))
    changed_by: Mapped[str] = mapped_column(default="", server_default="")


class CampaignCase(Base):
    """A case of the list that was given to a campaign; it is called there while it is open."""

    __tablename__ = "campaign_cases"

    campaign: Mapped[str] = mapped_column(ForeignKey("campaigns.name"), primary_key=True)
    case_id: Mapped[UUID] = mapped_column(ForeignKey("cases.id"), primary_key=True)
    added_at: Mapped[datetime] = mapped_column(server_default=text("now()"))


class AgentSkill(Base):
    """What an agent can: calls of a campaign that wants a skill go to those who have it, lower `priority` first."""

    __tablename__ = "agent_skills"

    user_id: Mapped[UUID] = mapped_column(ForeignKey("staff_users.id"), primary_key=True)
    skill: Mapped[str] = mapped_column(primary_key=True)
    priority: Mapped[int] = mapped_column(default=1, server_default="1")


class PacerMemory(Base):
    """What the pacer of one pool has learned, for the next leader."""

    __tablename__ = "pacer_memories"

    pool: Mapped[str] = mapped_column(primary_key=True)
    at: Mapped[datetime]
    memory: Mapped[Json]


class PacingDecision(Base):
    """Append-only: a decision of the dialer that placed calls, or whose bound was another than before."""

    __tablename__ = "pacing_decisions"
    __table_args__ = (Index(None, "at"),)

    id: Mapped[Serial]
    at: Mapped[datetime]
    pool: Mapped[str]
    calls: Mapped[int]
    bound: Mapped[str]  # agents, lines, legs, account, list, clock, caller_ids, shift, stopped
    terms: Mapped[Json]  # the figures that led to it
    given: Mapped[Json]  # calls by campaign
