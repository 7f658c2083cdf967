"""A login may be of one branch: its person sees the cases of that branch alone (CP-05)."""

import sqlalchemy as sa
from alembic import op

revision = "0037"
down_revision = "0036"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("staff_users", sa.Column("branch", sa.Text(), server_default="", nullable=False))


def downgrade() -> None:
    op.drop_column("staff_users", "branch")
