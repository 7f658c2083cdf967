"""Trunks and caller ids: the legs of a call, breakers, numbers that we show and the signs by which they are blocked."""

from datetime import date

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_MOMENT = postgresql.TIMESTAMP(timezone=True)
_JSON = postgresql.JSONB(astext_type=sa.Text())
_SINCE = date(2025, 10, 2)
_NEWS = (
    "itc.ua 2026-01-13 and 24tv.ua 2026-01-14 on the Cabinet's resolution; thresholds of the house where they name none"
)
# The two shares of calls that the papers name are 50 % to new numbers and a mean talk under 60 s; the rest is the house's.
_SIGNS = (
    ("SIGNS_NEEDED", "day", 2, 0),
    ("SHORT_TALKS", "day", 60, 100),  # mean talk below so many seconds
    ("NEW_NUMBERS", "day", 0.5, 100),  # share of calls to numbers that this id never called before
    ("SILENT", "day", 0.1, 50),  # share of answers without a word of ours
    ("RECORDED", "day", 0.5, 50),  # share of answers that heard a recording
    ("NO_CALL_BACK", "week", 0.5, 10),  # share of call-backs that nobody answered
    ("COMPLAINTS", "week", 1, 1),
    ("ANSWERS_BELOW_POOL", "day", 0.5, 100),  # answer rate as a part of the pool's: the house's own sign
)


def upgrade() -> None:
    op.add_column("call_attempts", sa.Column("legs", sa.Integer(), nullable=False, server_default="1"))
    op.alter_column("call_attempts", "legs", server_default=None)
    op.create_index(op.f("ix_call_attempts_number_claimed_at"), "call_attempts", ["number", "claimed_at"])
    op.create_table(
        "call_legs",
        sa.Column("call_id", sa.Uuid(), nullable=False),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.Column("trunk", sa.Text(), nullable=False),
        sa.Column("caller_id", sa.Text(), nullable=False),
        sa.Column("rate", sa.Numeric(12, 4), nullable=False),
        sa.Column("wanted_until", _MOMENT, nullable=True),
        sa.Column("placed_at", _MOMENT, nullable=True),
        sa.Column("ended_at", _MOMENT, nullable=True),
        sa.Column("cause", sa.Integer(), nullable=True),
        sa.Column("sip_code", sa.Integer(), nullable=True),
        sa.Column("said", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["call_id"], ["call_attempts.id"], name=op.f("fk_call_legs_call_id_call_attempts")),
        sa.PrimaryKeyConstraint("call_id", "n", name=op.f("pk_call_legs")),
    )
    op.create_index("ix_call_legs_live", "call_legs", ["trunk"], postgresql_where=sa.text("ended_at IS NULL"))
    wanted = sa.text("placed_at IS NULL AND ended_at IS NULL")
    op.create_index("ix_call_legs_wanted", "call_legs", ["call_id"], postgresql_where=wanted)
    ended = sa.text("ended_at IS NOT NULL")
    op.create_index("ix_call_legs_ended", "call_legs", ["trunk", "ended_at"], postgresql_where=ended)
    op.execute(
        "INSERT INTO call_legs (call_id, n, trunk, caller_id, rate, placed_at, ended_at, cause, sip_code, said) "
        "SELECT id, 1, trunk, caller_id, 0, claimed_at, ended_at, cause, sip_code, '' FROM call_attempts"
    )
    op.create_table(
        "trunk_states",
        sa.Column("trunk", sa.Text(), nullable=False),
        sa.Column("breaker", sa.Text(), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("since", _MOMENT, nullable=False),
        sa.Column("until", _MOMENT, nullable=True),
        sa.Column("opened", sa.Integer(), nullable=False),
        sa.Column("probe", sa.Uuid(), nullable=True),
        sa.Column("probe_at", _MOMENT, nullable=True),
        sa.Column("money_out_on", sa.Date(), nullable=True),
        sa.CheckConstraint("breaker IN ('CLOSED','OPEN','HALF_OPEN')", name=op.f("ck_trunk_states_breaker")),
        sa.PrimaryKeyConstraint("trunk", name=op.f("pk_trunk_states")),
    )
    op.create_table(
        "trunk_events",
        sa.Column("id", sa.BigInteger(), autoincrement=True, nullable=False),
        sa.Column("trunk", sa.Text(), nullable=False),
        sa.Column("at", _MOMENT, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("data", _JSON, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_trunk_events")),
    )
    op.create_index(op.f("ix_trunk_events_trunk_at"), "trunk_events", ["trunk", "at"])
    op.create_table(
        "caller_ids",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Text(), nullable=False),
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("purpose", sa.Text(), nullable=False),
        sa.Column("trunks", _JSON, nullable=False),
        sa.Column("campaigns", _JSON, nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("declared_on", sa.Date(), nullable=True),
        sa.Column("valid_from", sa.Date(), nullable=True),
        sa.Column("valid_to", sa.Date(), nullable=True),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("state_since", _MOMENT, nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("created_at", _MOMENT, nullable=False),
        sa.CheckConstraint("state IN ('IN','OUT','RETIRED')", name=op.f("ck_caller_ids_state")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_caller_ids")),
        sa.UniqueConstraint("number", name=op.f("uq_caller_ids_number")),
    )
    op.create_table(
        "caller_id_events",
        sa.Column("id", sa.BigInteger(), autoincrement=True, nullable=False),
        sa.Column("caller_id", sa.Uuid(), nullable=False),
        sa.Column("at", _MOMENT, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("by", sa.Text(), nullable=False),
        sa.Column("data", _JSON, nullable=False),
        sa.ForeignKeyConstraint(
            ["caller_id"], ["caller_ids.id"], name=op.f("fk_caller_id_events_caller_id_caller_ids")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_caller_id_events")),
    )
    op.create_index(op.f("ix_caller_id_events_caller_id_at"), "caller_id_events", ["caller_id", "at"])
    signs = op.create_table(
        "caller_id_signs",
        sa.Column("id", sa.BigInteger(), autoincrement=True, nullable=False),
        sa.Column("sign", sa.Text(), nullable=False),
        sa.Column("span", sa.Text(), nullable=False),
        sa.Column("threshold", sa.Numeric(12, 4), nullable=False),
        sa.Column("min_calls", sa.Integer(), nullable=False),
        sa.Column("valid_from", sa.Date(), nullable=False),
        sa.Column("valid_to", sa.Date(), nullable=True),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("verified", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_caller_id_signs")),
    )
    op.bulk_insert(
        signs,
        [
            {"sign": sign, "span": span, "threshold": threshold, "min_calls": calls, "valid_from": _SINCE,
             "source": _NEWS, "verified": False}
            for sign, span, threshold, calls in _SIGNS
        ],
    )  # fmt: skip


def downgrade() -> None:
    for table in ("caller_id_signs", "caller_id_events", "caller_ids", "trunk_events", "trunk_states", "call_legs"):
        op.drop_table(table)
    op.drop_index(op.f("ix_call_attempts_number_claimed_at"), "call_attempts")
    op.drop_column("call_attempts", "legs")
