"""The instalments of a plan are found without looking through all promises."""

import sqlalchemy as sa
from alembic import op

revision = "0039"
down_revision = "0038"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("ix_promises_plan", "promises", ["plan_id"], postgresql_where=sa.text("plan_id IS NOT NULL"))


def downgrade() -> None:
    op.drop_index("ix_promises_plan", table_name="promises")
