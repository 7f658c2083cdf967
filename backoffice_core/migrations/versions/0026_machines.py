"""Answering machines: verdicts of the ear, and calls that were listened to."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None

_STAMP = postgresql.TIMESTAMP(timezone=True)


def upgrade() -> None:
    op.add_column("call_attempts", sa.Column("machine_mode", sa.Text(), server_default="", nullable=False))
    op.add_column("call_attempts", sa.Column("machine", sa.Boolean(), server_default=sa.text("false"), nullable=False))
    op.create_table(
        "machine_verdicts",
        sa.Column("call_id", sa.Uuid(), nullable=False),
        sa.Column("campaign", sa.Text(), nullable=False),
        sa.Column("mode", sa.Text(), nullable=False),
        sa.Column("verdict", sa.Text(), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("at_s", sa.Numeric(6, 2), nullable=False),
        sa.Column("released", sa.Boolean(), nullable=False),
        sa.Column("sampled", sa.Boolean(), nullable=False),
        sa.Column("business_at", _STAMP, nullable=False),
        sa.Column("judged", sa.Text(), server_default="", nullable=False),
        sa.Column("judged_by", sa.Uuid(), nullable=True),
        sa.Column("judged_at", _STAMP, nullable=True),
        sa.CheckConstraint("mode IN ('beside','before')", name=op.f("ck_machine_verdicts_mode")),
        sa.CheckConstraint("verdict IN ('MACHINE','PERSON','UNSURE')", name=op.f("ck_machine_verdicts_verdict")),
        sa.CheckConstraint("judged IN ('','MACHINE','PERSON')", name=op.f("ck_machine_verdicts_judged")),
        sa.PrimaryKeyConstraint("call_id", name=op.f("pk_machine_verdicts")),
    )
    op.create_index(
        "ix_machine_verdicts_sampled",
        "machine_verdicts",
        ["campaign", "business_at"],
        postgresql_where=sa.text("sampled"),
    )
    op.create_index(op.f("ix_machine_verdicts_business_at"), "machine_verdicts", ["business_at"])


def downgrade() -> None:
    op.drop_table("machine_verdicts")
    op.drop_column("call_attempts", "machine")
    op.drop_column("call_attempts", "machine_mode")
