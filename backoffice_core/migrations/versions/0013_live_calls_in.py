"""Live inbound calls stand in an index of their own: the claim asks for them each time, and walked all attempts."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index(
        "ix_call_attempts_live_in", "call_attempts", ["person_id"],
        postgresql_where=sa.text("ended_at IS NULL AND direction = 'in'"),
    )  # fmt: skip


def downgrade() -> None:
    op.drop_index("ix_call_attempts_live_in", table_name="call_attempts")
