"""How an agent's line sounded in each talk, by RTCP."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    numbers = ("readings", "received", "lost_in", "jitter_in_ms", "sent", "lost_out", "jitter_out_ms")
    op.create_table(
        "line_figures",
        sa.Column("call_id", sa.Uuid(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("endpoint", sa.Text(), nullable=False),
        *(sa.Column(name, sa.Integer(), nullable=False) for name in numbers),
        sa.Column("one_way", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("call_id", name=op.f("pk_line_figures")),
    )
    op.create_index(op.f("ix_line_figures_at"), "line_figures", ["at"])


def downgrade() -> None:
    op.drop_table("line_figures")
