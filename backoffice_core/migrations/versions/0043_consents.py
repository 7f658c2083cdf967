"""Consents of people; the queue follows them, and holds that stop a channel while their case goes on."""

# ruff: noqa: S608 (names of tables and columns, no value)

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0043"
down_revision = "0042"
branch_labels = None
depends_on = None

AWARE = postgresql.TIMESTAMP(timezone=True)
FACTS = {
    "consents": (
        "consent", "JOIN cases c ON c.person_id = r.person_id AND c.closed_at IS NULL",
        "id, person_id, purpose, channel, number, given_at, until, withdrawn_at",
    ),
    "holds": ("hold", "JOIN cases c ON c.id = r.case_id", "id, case_id, stops, valid_from, valid_to, lifted_at"),
}  # fmt: skip


def _facts(table: str, why: str, whose: str, columns: str) -> None:
    """Three triggers, once for each statement: rows that came, rows that differ, rows that went (as in 0019)."""
    both = (
        f"(SELECT {columns} FROM came EXCEPT SELECT {columns} FROM gone UNION"
        f" (SELECT {columns} FROM gone EXCEPT SELECT {columns} FROM came))"
    )
    for event, rows, tables in (
        ("insert", "came", "NEW TABLE AS came"),
        ("delete", "gone", "OLD TABLE AS gone"),
        ("update", both, "OLD TABLE AS gone NEW TABLE AS came"),
    ):
        name, count = f"mark_{table}_{event}", "gone" if event == "delete" else "came"
        op.execute(
            f"CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
            f" INSERT INTO queue_marks (case_id, why, bulk) SELECT DISTINCT c.id, '{why}', (SELECT count(*) > 500 FROM {count})"
            f" FROM {rows} r {whose}; RETURN NULL; END $$"
        )
        op.execute(
            f"CREATE TRIGGER marks_{event} AFTER {event.upper()} ON {table} REFERENCING {tables}"
            f" FOR EACH STATEMENT EXECUTE FUNCTION {name}()"
        )


def upgrade() -> None:
    op.create_table(
        "consents",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("person_id", sa.Uuid(), nullable=False),
        sa.Column("purpose", sa.Text(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("number", sa.Text(), nullable=False),
        sa.Column("given_at", AWARE, nullable=False),
        sa.Column("how", sa.Text(), nullable=False),
        sa.Column("evidence", sa.Text(), nullable=False),
        sa.Column("until", sa.Date(), nullable=True),
        sa.Column("withdrawn_at", AWARE, nullable=True),
        sa.Column("withdrawn_why", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("external_id", sa.Text(), nullable=False),
        sa.Column("recorded_at", AWARE, nullable=False),
        sa.Column("recorded_by", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_consents")),
        sa.UniqueConstraint("source", "external_id", name=op.f("uq_consents_source_external_id")),
        sa.CheckConstraint("evidence <> ''", name=op.f("ck_consents_evidence")),
    )
    op.create_index(op.f("ix_consents_person_id"), "consents", ["person_id"])
    for table, (why, whose, columns) in FACTS.items():
        _facts(table, why, whose, columns)


def downgrade() -> None:
    for event in ("insert", "delete", "update"):
        op.execute(f"DROP TRIGGER marks_{event} ON holds")
    for table in FACTS:
        for event in ("insert", "delete", "update"):
            op.execute(f"DROP FUNCTION mark_{table}_{event}()" + (" CASCADE" if table == "consents" else ""))
    op.drop_table("consents")
