"""What contacts cost, dated (DM-08)."""

import sqlalchemy as sa
from alembic import op

revision = "0036"
down_revision = "0035"
branch_labels = None
depends_on = None

TABLE = "contact_costs"


def upgrade() -> None:
    op.create_table(
        TABLE,
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("valid_from", sa.Date(), nullable=False),
        sa.Column("amount", sa.Numeric(18, 4), nullable=False),
        sa.Column("set_by", sa.Text(), nullable=False),
        sa.CheckConstraint("amount >= 0", name=op.f("ck_contact_costs_amount")),
        sa.PrimaryKeyConstraint("kind", "currency", "valid_from", name=op.f("pk_contact_costs")),
    )


def downgrade() -> None:
    op.drop_table(TABLE)
