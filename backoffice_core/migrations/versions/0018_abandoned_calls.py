"""Abandoned calls: the message's time, agents reserved before the dial, and who was abandoned when."""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("call_attempts", sa.Column("message_at", sa.TIMESTAMP(timezone=True), nullable=True))
    op.add_column("call_attempts", sa.Column("held", sa.Boolean(), server_default=sa.text("false"), nullable=False))
    op.create_index(
        "ix_call_attempts_abandoned", "call_attempts", ["business_at"], postgresql_where=sa.text("abandoned")
    )


def downgrade() -> None:
    op.drop_index("ix_call_attempts_abandoned", table_name="call_attempts")
    op.drop_column("call_attempts", "held")
    op.drop_column("call_attempts", "message_at")
