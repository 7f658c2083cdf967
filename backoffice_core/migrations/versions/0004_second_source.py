"""What the listener keeps of the exchange's own records: facts of channels, positions of sources, estimated ends."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_MOMENT = postgresql.TIMESTAMP(timezone=True)


def upgrade() -> None:
    op.add_column("call_attempts", sa.Column("estimated", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.alter_column("call_attempts", "estimated", server_default=None)
    op.create_table(
        "channel_facts",
        sa.Column("id", sa.BigInteger(), autoincrement=True, nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("at", _MOMENT, nullable=False),
        sa.Column("cel", sa.Boolean(), nullable=False),
        sa.Column("detail", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_channel_facts")),
        sa.UniqueConstraint("channel", "kind", "at", "cel", name=op.f("uq_channel_facts_channel_kind_at_cel")),
    )
    op.create_index(op.f("ix_channel_facts_at"), "channel_facts", ["at"])
    op.create_table(
        "listener_positions",
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("file", sa.Text(), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("at", _MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("source", name=op.f("pk_listener_positions")),
    )


def downgrade() -> None:
    op.drop_table("listener_positions")
    op.drop_table("channel_facts")
    op.drop_column("call_attempts", "estimated")
