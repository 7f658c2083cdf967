"""Calls without an agent: what a campaign says in them, and which key was pressed; caller ids whose account is spent rest."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0041"
down_revision = "0040"
branch_labels = None
depends_on = None

CALLS, INDEX = "call_attempts", "ix_call_attempts_asked"
_WHEN = "CREATE TRIGGER marks_update AFTER UPDATE ON campaigns FOR EACH ROW WHEN ({}) EXECUTE FUNCTION mark_campaign()"
_BEFORE = (
    "OLD.ordering IS DISTINCT FROM NEW.ordering OR OLD.whom IS DISTINCT FROM NEW.whom"
    " OR (NEW.whom <> '{}' AND (OLD.active, OLD.priority) IS DISTINCT FROM (NEW.active, NEW.priority))"
)
# other rules are asked of a robot
_NOW = f"{_BEFORE} OR (OLD.mode = 'agentless') <> (NEW.mode = 'agentless')"


def upgrade() -> None:
    op.add_column("campaigns", sa.Column("robot", postgresql.JSONB(), server_default=sa.text("'{}'"), nullable=False))
    op.add_column("caller_ids", sa.Column("rests_since", postgresql.TIMESTAMP(timezone=True), nullable=True))
    op.add_column(CALLS, sa.Column("robot", sa.Boolean(), server_default=sa.text("false"), nullable=False))
    op.add_column(CALLS, sa.Column("robot_key", sa.Text(), server_default="", nullable=False))
    op.execute("DROP TRIGGER marks_update ON campaigns")
    op.execute(_WHEN.format(_NOW))
    op.create_index(INDEX, CALLS, ["claimed_at"], postgresql_where=sa.text("robot_key = '1' AND outcome IS NULL"))


def downgrade() -> None:
    op.execute("DROP TRIGGER marks_update ON campaigns")
    op.execute(_WHEN.format(_BEFORE))
    op.drop_index(INDEX, table_name=CALLS)
    op.drop_column(CALLS, "robot_key")
    op.drop_column(CALLS, "robot")
    op.drop_column("campaigns", "robot")
    op.drop_column("caller_ids", "rests_since")
