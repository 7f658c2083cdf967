"""What agents say in a campaign's calls; a changed purpose judges its cases anew."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0042"
down_revision = "0041"
branch_labels = None
depends_on = None

_WHEN = "CREATE TRIGGER marks_update AFTER UPDATE ON campaigns FOR EACH ROW WHEN ({}) EXECUTE FUNCTION mark_campaign()"
_BEFORE = (
    "OLD.ordering IS DISTINCT FROM NEW.ordering OR OLD.whom IS DISTINCT FROM NEW.whom"
    " OR (NEW.whom <> '{}' AND (OLD.active, OLD.priority) IS DISTINCT FROM (NEW.active, NEW.priority))"
    " OR (OLD.mode = 'agentless') <> (NEW.mode = 'agentless')"
)
_NOW = f"{_BEFORE} OR OLD.purpose <> NEW.purpose"


def upgrade() -> None:
    op.add_column("campaigns", sa.Column("script", postgresql.JSONB(), server_default=sa.text("'{}'"), nullable=False))
    op.execute("DROP TRIGGER marks_update ON campaigns")
    op.execute(_WHEN.format(_NOW))


def downgrade() -> None:
    op.execute("DROP TRIGGER marks_update ON campaigns")
    op.execute(_WHEN.format(_BEFORE))
    op.drop_column("campaigns", "script")
