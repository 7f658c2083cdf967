"""What waits for a second person stands on the managers' list."""

from alembic import op

revision = "0038"
down_revision = "0037"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        "INSERT INTO task_rules (kind, unit, escalate_days, valid_from, set_by)"
        " VALUES ('APPROVE', '', 1, '2000-01-01', 'shipped')"
        " ON CONFLICT (kind, valid_from) DO NOTHING"
    )


def downgrade() -> None:
    op.execute("DELETE FROM task_rules WHERE kind = 'APPROVE' AND valid_from = '2000-01-01'")
