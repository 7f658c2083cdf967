"""Kinds of agents' lines: a number on the bank's own exchange, rung for each call; a later login takes the desk."""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("staff_users", sa.Column("bank_number", sa.Text(), nullable=True))
    op.create_unique_constraint(op.f("uq_staff_users_bank_number"), "staff_users", ["bank_number"])
    op.add_column("staff_users", sa.Column("line", sa.Text(), server_default="", nullable=False))
    op.create_check_constraint(op.f("ck_staff_users_line"), "staff_users", "line IN ('','kept','per_call')")
    op.add_column("staff_logins", sa.Column("ended_why", sa.Text(), server_default="", nullable=False))
    for name in ("per_call", "line_ending"):
        op.add_column("agent_sessions", sa.Column(name, sa.Boolean(), server_default=sa.text("false"), nullable=False))


def downgrade() -> None:
    for name in ("line_ending", "per_call"):
        op.drop_column("agent_sessions", name)
    op.drop_column("staff_logins", "ended_why")
    op.drop_constraint(op.f("ck_staff_users_line"), "staff_users")
    op.drop_column("staff_users", "line")
    op.drop_constraint(op.f("uq_staff_users_bank_number"), "staff_users")
    op.drop_column("staff_users", "bank_number")
