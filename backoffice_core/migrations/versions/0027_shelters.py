"""Alarms by region: shelters, and where each agent works."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None

_STAMP = postgresql.TIMESTAMP(timezone=True)


def upgrade() -> None:
    op.add_column("staff_users", sa.Column("region", sa.Text(), server_default="", nullable=False))
    op.create_table(
        "shelters",
        sa.Column("id", sa.BigInteger(), autoincrement=True, nullable=False),
        sa.Column("region", sa.Text(), nullable=False),
        sa.Column("since", _STAMP, nullable=False),
        sa.Column("until", _STAMP, nullable=True),
        sa.Column("by", sa.Text(), nullable=False),
        sa.Column("ended_by", sa.Text(), server_default="", nullable=False),
        sa.Column("undone", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_shelters")),
    )
    op.create_index("uq_shelters_open", "shelters", ["region"], unique=True, postgresql_where=sa.text("until IS NULL"))


def downgrade() -> None:
    op.drop_table("shelters")
    op.drop_column("staff_users", "region")
