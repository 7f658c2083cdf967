"""Each attempt to tell an event; decisions as events; how the control date of a task was moved."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0040"
down_revision = "0039"
branch_labels = None
depends_on = None

AWARE = postgresql.TIMESTAMP(timezone=True)


def upgrade() -> None:
    op.add_column("webhooks", sa.Column("decisions_after", sa.Uuid(), nullable=True))
    op.create_table(
        "outbox_tries",
        sa.Column("id", sa.BigInteger(), autoincrement=True, nullable=False),
        sa.Column("outbox_id", sa.BigInteger(), nullable=False),
        sa.Column("at", AWARE, server_default=sa.text("clock_timestamp()"), nullable=False),
        sa.Column("ms", sa.Integer(), nullable=False),
        sa.Column("answered", sa.Integer(), nullable=True),
        sa.Column("error", sa.Text(), server_default="", nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_outbox_tries")),
        sa.ForeignKeyConstraint(
            ["outbox_id"], ["outbox.id"], name=op.f("fk_outbox_tries_outbox_id"), ondelete="CASCADE"
        ),
    )
    op.create_index(op.f("ix_outbox_tries_outbox_id"), "outbox_tries", ["outbox_id"])
    op.create_table(
        "task_dates",
        sa.Column("id", sa.BigInteger(), autoincrement=True, nullable=False),
        sa.Column("task_id", sa.Uuid(), nullable=False),
        sa.Column("at", AWARE, nullable=False),
        sa.Column("by", sa.Uuid(), nullable=False),
        sa.Column("from_date", sa.Date(), nullable=False),
        sa.Column("to_date", sa.Date(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_task_dates")),
        sa.ForeignKeyConstraint(["task_id"], ["tasks.id"], name=op.f("fk_task_dates_task_id")),
    )
    op.create_index(op.f("ix_task_dates_task_id"), "task_dates", ["task_id"])


def downgrade() -> None:
    op.drop_table("task_dates")
    op.drop_table("outbox_tries")
    op.drop_column("webhooks", "decisions_after")
