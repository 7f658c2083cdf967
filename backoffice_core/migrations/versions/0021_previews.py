"""Previews: cards that agents look at before they dial."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None

_STAMP = postgresql.TIMESTAMP(timezone=True)


def upgrade() -> None:
    op.create_table(
        "previews",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("task_id", sa.Uuid(), nullable=False),
        sa.Column("case_id", sa.Uuid(), nullable=False),
        sa.Column("campaign", sa.Text(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("session_id", sa.Uuid(), nullable=False),
        sa.Column("business_at", _STAMP, nullable=False),
        sa.Column("shown_at", _STAMP, nullable=False),
        sa.Column("until", _STAMP, nullable=False),
        sa.Column("dial_at", _STAMP, nullable=True),
        sa.Column("ended_at", _STAMP, nullable=True),
        sa.Column("ended", sa.Text(), server_default="", nullable=False),
        sa.Column("reason", sa.Text(), server_default="", nullable=False),
        sa.Column("call_id", sa.Uuid(), nullable=True),
        sa.CheckConstraint(
            "ended IN ('','DIALED','SKIPPED','LEFT','REFUSED','WITHDRAWN')", name=op.f("ck_previews_ended")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_previews")),
    )
    op.create_index(op.f("ix_previews_shown_at"), "previews", ["shown_at"])
    for name in ("task", "session"):
        op.create_index(
            f"uq_previews_{name}", "previews", [f"{name}_id"], unique=True, postgresql_where=sa.text("ended_at IS NULL")
        )


def downgrade() -> None:
    op.drop_table("previews")
