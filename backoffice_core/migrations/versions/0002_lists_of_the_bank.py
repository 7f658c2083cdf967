"""Lists of the bank: sources, stop-list, extensions of numbers, contracts that a full list left out."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_MOMENT = postgresql.TIMESTAMP(timezone=True)
_JSON = postgresql.JSONB(astext_type=sa.Text())
# Rows that are there get these values once; afterwards the program gives its own.
_FILLED = (
    ("contact_points", "owner_guessed", sa.Boolean(), sa.false()),
    ("contact_points", "extension", sa.Text(), sa.text("''")),
    ("loans", "source", sa.Text(), sa.text("''")),
    ("loans", "missing_note", sa.Text(), sa.text("''")),
    ("imports", "source", sa.Text(), sa.text("''")),
    ("imports", "mode", sa.Text(), sa.text("''")),
    ("imports", "figures", _JSON, sa.text("'{}'")),
)


def upgrade() -> None:
    for table, column, kind, value in _FILLED:
        op.add_column(table, sa.Column(column, kind, nullable=False, server_default=value))
        op.alter_column(table, column, server_default=None)
    op.add_column("loans", sa.Column("missing_since", _MOMENT, nullable=True))
    op.add_column("imports", sa.Column("business_date", sa.Date(), nullable=True))
    op.add_column("imports", sa.Column("valid_for", sa.Date(), nullable=True))
    op.create_table(
        "import_sources",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("mapping", _JSON, nullable=False),
        sa.Column("settings", _JSON, nullable=False),
        sa.Column("updated_at", _MOMENT, nullable=False),
        sa.Column("updated_by", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_import_sources")),
    )
    op.create_table(
        "stop_list",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("since", sa.Date(), nullable=False),
        sa.Column("until", sa.Date(), nullable=True),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("added_at", _MOMENT, nullable=False),
        sa.Column("added_by", sa.Text(), nullable=False),
        sa.CheckConstraint("kind IN ('person','contract','phone')", name=op.f("ck_stop_list_kind")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_stop_list")),
        sa.UniqueConstraint("kind", "value", "source", name=op.f("uq_stop_list_kind_value_source")),
    )


def downgrade() -> None:
    op.drop_table("stop_list")
    op.drop_table("import_sources")
    op.drop_column("imports", "valid_for")
    op.drop_column("imports", "business_date")
    op.drop_column("loans", "missing_since")
    for table, column, _, _ in _FILLED:
        op.drop_column(table, column)
