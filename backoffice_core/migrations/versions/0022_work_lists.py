"""Units, tasks that stand on somebody's list, what people do with them, and when they go up."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None

_STAMP = postgresql.TIMESTAMP(timezone=True)
UNITS = ("call_centre", "specialists", "messages", "letters", "visits", "security", "legal")
# Whose a task is by default, and after how many working days late it goes up (a start: a bank sets its own rows).
RULES = (
    ("", "call_centre", 2), ("DISPUTE", "specialists", 1), ("SPECIALIST", "specialists", 1),
    ("EVIDENCE", "specialists", 2), ("STOP_REQUEST", "specialists", 0), ("REFRESH_CONTACT_DATA", "call_centre", 3),
    ("CHECK_POSTING", "specialists", 1), ("SMS", "messages", 1), ("ROBOT_CALL", "messages", 1), ("EMAIL", "messages", 1),
    ("LETTER", "letters", 2), ("VISIT", "visits", 2), ("HAND_OVER", "security", 1), ("LEGAL_STEP", "legal", 3),
)  # fmt: skip
# Every open task is on exactly one list: the person's, else the unit's, else the managers'. A person who left, a unit
# that is closed or has nobody, holds nothing. What the night itself judges is the night's.
VIEW = """
CREATE VIEW work_lists AS
SELECT t.id AS task_id,
       CASE WHEN t.kind = 'CHECK_PROMISE' THEN 'night'
            WHEN u.active THEN 'person'
            WHEN n.active AND EXISTS (SELECT FROM staff_users m WHERE m.unit = n.code AND m.active) THEN 'unit'
            ELSE 'managers' END AS list,
       CASE WHEN u.active THEN u.id END AS person_id,
       coalesce(n.code, '') AS unit,
       CASE WHEN t.escalated_at IS NOT NULL THEN h.id END AS head_id
  FROM tasks t
  LEFT JOIN staff_users u ON u.id = t.owner_id
  LEFT JOIN staff_units n ON n.code = coalesce(nullif(t.unit, ''), u.unit)
  LEFT JOIN staff_users h ON h.id = n.head_id AND h.active
 WHERE t.state = 'OPEN'
"""


def upgrade() -> None:
    units = op.create_table(
        "staff_units",
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), server_default="", nullable=False),
        sa.Column("head_id", sa.Uuid(), nullable=True),
        sa.Column("active", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.PrimaryKeyConstraint("code", name=op.f("pk_staff_units")),
    )
    op.bulk_insert(units, [{"code": code} for code in UNITS])
    op.add_column("staff_users", sa.Column("unit", sa.Text(), nullable=True))
    op.create_foreign_key(op.f("fk_staff_users_unit"), "staff_users", "staff_units", ["unit"], ["code"])
    for column in (
        sa.Column("unit", sa.Text(), server_default="", nullable=False),
        sa.Column("closed_by", sa.Uuid(), nullable=True),
        sa.Column("result", sa.Text(), server_default="", nullable=False),
        sa.Column("note", sa.Text(), server_default="", nullable=False),
        sa.Column("escalate_days", sa.Integer(), nullable=True),
        sa.Column("escalated_at", _STAMP, nullable=True),
    ):
        op.add_column("tasks", column)
    op.create_index("ix_tasks_open", "tasks", ["control_date"], postgresql_where=sa.text("state = 'OPEN'"))
    op.create_table(
        "task_moves",
        sa.Column("id", sa.BigInteger(), autoincrement=True, nullable=False),
        sa.Column("task_id", sa.Uuid(), nullable=False),
        sa.Column("at", _STAMP, nullable=False),
        sa.Column("by", sa.Uuid(), nullable=True),
        sa.Column("act", sa.Text(), nullable=False),
        sa.Column("from_owner", sa.Uuid(), nullable=True),
        sa.Column("from_unit", sa.Text(), nullable=False),
        sa.Column("to_owner", sa.Uuid(), nullable=True),
        sa.Column("to_unit", sa.Text(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.CheckConstraint(
            "act IN ('RAISE','TAKE','HAND_OVER','CLOSE','CANCEL','ESCALATE')", name=op.f("ck_task_moves_act")
        ),
        sa.ForeignKeyConstraint(["task_id"], ["tasks.id"], name=op.f("fk_task_moves_task_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_task_moves")),
    )
    op.create_index(op.f("ix_task_moves_task_id"), "task_moves", ["task_id"])
    rules = op.create_table(
        "task_rules",
        sa.Column("id", sa.BigInteger(), autoincrement=True, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("unit", sa.Text(), nullable=False),
        sa.Column("escalate_days", sa.Integer(), nullable=False),
        sa.Column("valid_from", sa.Date(), nullable=False),
        sa.Column("set_by", sa.Text(), nullable=False),
        sa.CheckConstraint("escalate_days >= 0", name=op.f("ck_task_rules_escalate_days")),
        sa.UniqueConstraint("kind", "valid_from", name=op.f("uq_task_rules_kind_valid_from")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_task_rules")),
    )
    begin = sa.text("DATE '2000-01-01'")
    for kind, unit, days in RULES:
        values = {"kind": kind, "unit": unit, "escalate_days": days, "valid_from": begin, "set_by": "shipped"}
        op.execute(sa.insert(rules).values(values))
    op.execute(VIEW)


def downgrade() -> None:
    op.execute("DROP VIEW work_lists")
    for name in ("task_rules", "task_moves"):
        op.drop_table(name)
    op.drop_index("ix_tasks_open", table_name="tasks")
    for name in ("escalated_at", "escalate_days", "note", "result", "closed_by", "unit"):
        op.drop_column("tasks", name)
    op.drop_constraint(op.f("fk_staff_users_unit"), "staff_users")
    op.drop_column("staff_users", "unit")
    op.drop_table("staff_units")
