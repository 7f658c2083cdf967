"""Acts of the late stages, complaints, and the dated order in which a payment covers what is overdue."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0044"
down_revision = "0043"
branch_labels = None
depends_on = None

AWARE = postgresql.TIMESTAMP(timezone=True)
JSON = postgresql.JSONB()


def _text(name: str, *, empty: bool = False) -> sa.Column[str]:
    return sa.Column(name, sa.Text(), server_default="" if empty else None, nullable=False)


def _acts() -> None:
    table = "late_acts"
    op.create_table(
        table,
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("act_no", sa.BigInteger(), sa.Identity(start=1), nullable=False),
        sa.Column("case_id", sa.Uuid(), nullable=False),
        _text("kind"), _text("counterparty", empty=True), _text("number", empty=True),
        sa.Column("on", sa.Date(), nullable=False),
        sa.Column("price", sa.Numeric(18, 2), nullable=True),
        _text("currency"), _text("reason"),
        sa.Column("act", JSON, nullable=False),
        _text("state"),
        sa.Column("proposed_at", AWARE, nullable=False),
        sa.Column("proposed_by", sa.Uuid(), nullable=False),
        sa.Column("approvals", JSON, nullable=False),
        sa.Column("decided_at", AWARE, nullable=True),
        sa.Column("decided_by", sa.Uuid(), nullable=True),
        _text("decided_why", empty=True),
        sa.Column("before", JSON, nullable=False),
        sa.Column("reverse_at", AWARE, nullable=True),
        sa.Column("reverse_by", sa.Uuid(), nullable=True),
        _text("reverse_why", empty=True),
        sa.Column("reversed_at", AWARE, nullable=True),
        sa.Column("reversed_by", sa.Uuid(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_late_acts")),
        sa.ForeignKeyConstraint(["case_id"], ["cases.id"], name=op.f("fk_late_acts_case_id")),
        sa.UniqueConstraint("act_no", name=op.f("uq_late_acts_act_no")),
        sa.CheckConstraint("kind IN ('WRITE_OFF','SALE','AGENCY','RECALL','RECOVERY')", name=op.f("ck_late_acts_kind")),
        sa.CheckConstraint("state IN ('PROPOSED','APPROVED','REFUSED','REVERSED')", name=op.f("ck_late_acts_state")),
        sa.CheckConstraint("price >= 0", name=op.f("ck_late_acts_price")),
    )  # fmt: skip
    op.create_index(op.f("ix_late_acts_case_id"), table, ["case_id"])
    waiting = sa.text("state = 'PROPOSED'")
    op.create_index("uq_late_acts_open", table, ["case_id"], unique=True, postgresql_where=waiting)


def _complaints() -> None:
    table = "complaints"
    op.create_table(
        table,
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.BigInteger(), sa.Identity(start=1), nullable=False),
        sa.Column("case_id", sa.Uuid(), nullable=False),
        _text("kind"), _text("channel"),
        sa.Column("about", sa.Uuid(), nullable=True),
        _text("text"),
        sa.Column("noted_at", AWARE, nullable=False),
        sa.Column("noted_by", sa.Uuid(), nullable=False),
        sa.Column("answer_by", sa.Date(), nullable=False),
        _text("state"),
        sa.Column("decided_at", AWARE, nullable=True),
        sa.Column("decided_by", sa.Uuid(), nullable=True),
        _text("answer", empty=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_complaints")),
        sa.ForeignKeyConstraint(["case_id"], ["cases.id"], name=op.f("fk_complaints_case_id")),
        sa.UniqueConstraint("number", name=op.f("uq_complaints_number")),
        sa.CheckConstraint("state IN ('OPEN','UPHELD','REJECTED')", name=op.f("ck_complaints_state")),
    )  # fmt: skip
    op.create_index(op.f("ix_complaints_case_id"), table, ["case_id"])
    op.create_index(op.f("ix_complaints_noted_at"), table, ["noted_at"])


def _orders() -> None:
    table = "payment_orders"
    op.create_table(
        table,
        sa.Column("id", sa.BigInteger(), autoincrement=True, nullable=False),
        _text("product", empty=True),
        sa.Column("order", JSON, nullable=False),
        sa.Column("valid_from", sa.Date(), nullable=False),
        _text("source"), _text("state"),
        sa.Column("proposed_at", AWARE, nullable=False),
        _text("proposed_by"),
        sa.Column("decided_at", AWARE, nullable=True),
        _text("decided_by", empty=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_payment_orders")),
        sa.CheckConstraint("state IN ('PROPOSED','APPROVED','REFUSED')", name=op.f("ck_payment_orders_state")),
    )  # fmt: skip
    op.create_index("ix_payment_orders_product", table, ["product", "valid_from"])


def upgrade() -> None:
    _acts()
    _complaints()
    _orders()
    op.create_index(op.f("ix_loans_branch_person_id"), "loans", ["branch", "person_id"])


def downgrade() -> None:
    op.drop_index(op.f("ix_loans_branch_person_id"), "loans")
    for table in ("payment_orders", "complaints", "late_acts"):
        op.drop_table(table)
