"""Corrections of balances, proposed by one person and approved by another."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0035"
down_revision = "0034"
branch_labels = None
depends_on = None

AWARE = postgresql.TIMESTAMP(timezone=True)
TABLE = "balance_corrections"


def upgrade() -> None:
    op.create_table(
        TABLE,
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("case_id", sa.Uuid(), nullable=False),
        sa.Column("loan_id", sa.Uuid(), nullable=False),
        sa.Column("as_at", AWARE, nullable=False),
        sa.Column("before", postgresql.JSONB(), nullable=False),
        sa.Column("after", postgresql.JSONB(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("proposed_at", AWARE, nullable=False),
        sa.Column("proposed_by", sa.Uuid(), nullable=False),
        sa.Column("decided_at", AWARE, nullable=True),
        sa.Column("decided_by", sa.Uuid(), nullable=True),
        sa.Column("decided_why", sa.Text(), server_default="", nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_balance_corrections")),
        sa.ForeignKeyConstraint(["case_id"], ["cases.id"], name=op.f("fk_balance_corrections_case_id")),
        sa.ForeignKeyConstraint(["loan_id"], ["loans.id"], name=op.f("fk_balance_corrections_loan_id")),
        sa.CheckConstraint("state IN ('PROPOSED','APPROVED','REFUSED')", name=op.f("ck_balance_corrections_state")),
    )
    op.create_index(op.f("ix_balance_corrections_case_id"), TABLE, ["case_id"])
    waiting = sa.text("state = 'PROPOSED'")
    op.create_index("uq_balance_corrections_open", TABLE, ["loan_id"], unique=True, postgresql_where=waiting)


def downgrade() -> None:
    op.drop_table(TABLE)
