"""What is learned every night of numbers and hours."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0031"
down_revision = "0030"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "number_chances",
        sa.Column("contact_point_id", sa.Uuid(), nullable=False),
        sa.Column("tried", sa.Integer(), nullable=False),
        sa.Column("right_party", sa.LargeBinary(), nullable=False),
        sa.Column("answered", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("contact_point_id", name=op.f("pk_number_chances")),
    )
    op.create_table(
        "chances_learned",
        sa.Column("business_date", sa.Date(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("numbers", sa.Integer(), nullable=False),
        sa.Column("groups", postgresql.JSONB(), nullable=False),
        sa.Column("handle", postgresql.JSONB(), nullable=False),
        sa.Column("learned_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("business_date", name=op.f("pk_chances_learned")),
    )


def downgrade() -> None:
    op.drop_table("chances_learned")
    op.drop_table("number_chances")
