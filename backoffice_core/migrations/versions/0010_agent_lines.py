"""The agent's line."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

STAMP = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.add_column("agent_sessions", sa.Column("line_check", sa.Text(), nullable=False, server_default=""))
    op.add_column("agent_sessions", sa.Column("line_heard_at", STAMP))
    op.add_column("agent_sessions", sa.Column("line_checked_at", STAMP))
    op.create_check_constraint(
        op.f("ck_agent_sessions_line_check"), "agent_sessions", "line_check IN ('','WANTED','ECHO','BACK')"
    )


def downgrade() -> None:
    op.drop_constraint(op.f("ck_agent_sessions_line_check"), "agent_sessions")
    for name in ("line_checked_at", "line_heard_at", "line_check"):
        op.drop_column("agent_sessions", name)
