"""Calls to our own numbers."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

_LIVE = {"person": "person_id", "number": "number"}


def upgrade() -> None:
    for name, kind, value in (
        ("direction", sa.Text(), "'out'"),
        ("channel_id", sa.Text(), "''"),
        ("candidates", sa.Integer(), "1"),
    ):
        op.add_column("call_attempts", sa.Column(name, kind, nullable=False, server_default=sa.text(value)))
        op.alter_column("call_attempts", name, server_default=None)
    op.alter_column("call_attempts", "task_id", nullable=True)
    op.create_table(
        "unknown_callers",
        sa.Column("id", sa.BigInteger(), autoincrement=True, nullable=False),
        sa.Column("at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("number", sa.Text(), nullable=False),
        sa.Column("called", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_unknown_callers")),
    )
    op.create_index(op.f("ix_unknown_callers_at"), "unknown_callers", ["at"])
    op.create_check_constraint(op.f("ck_call_attempts_direction"), "call_attempts", "direction IN ('out','in')")
    for what, column in _LIVE.items():
        _live_index(what, column, "ended_at IS NULL AND direction = 'out'")
    op.create_index(
        "ix_call_attempts_channel", "call_attempts", ["channel_id"], postgresql_where=sa.text("channel_id <> ''")
    )
    op.create_index(
        op.f("ix_call_attempts_contact_point_id_claimed_at"), "call_attempts", ["contact_point_id", "claimed_at"]
    )


def downgrade() -> None:
    op.drop_index(op.f("ix_call_attempts_contact_point_id_claimed_at"), "call_attempts")
    op.drop_index("ix_call_attempts_channel", "call_attempts")
    op.execute("DELETE FROM call_attempts WHERE direction = 'in'")
    op.drop_table("unknown_callers")
    for what, column in _LIVE.items():
        _live_index(what, column, "ended_at IS NULL")
    op.drop_constraint(op.f("ck_call_attempts_direction"), "call_attempts")
    op.alter_column("call_attempts", "task_id", nullable=False)
    for name in ("candidates", "channel_id", "direction"):
        op.drop_column("call_attempts", name)


def _live_index(what: str, column: str, where: str) -> None:
    name = f"uq_call_attempts_live_{what}"
    op.drop_index(name, "call_attempts")
    op.create_index(name, "call_attempts", [column], unique=True, postgresql_where=sa.text(where))
