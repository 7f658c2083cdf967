"""The queue is judged anew by events: each table that decides whether and whom to call marks the cases it speaks of."""

# ruff: noqa: S608 (names of tables and columns, no value)

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None

STAMP = sa.TIMESTAMP(timezone=True)
BULK = 500  # rows of one statement from which on its cases let single ones pass

OF_PERSON = "JOIN cases c ON c.person_id = r.person_id AND c.closed_at IS NULL"
OF_CASE = "JOIN cases c ON c.id = r.case_id"
ITSELF = "JOIN cases c ON c.id = r.id"
# Table -> what its marks say, which cases a row speaks of, the columns that decide. A row that comes or goes always marks.
FACTS = {
    "cases": ("case", ITSELF, ("state", "stage", "hold_until", "closed_at", "person_id")),
    "persons": (
        "person", "JOIN cases c ON c.person_id = r.id AND c.closed_at IS NULL",
        ("jurisdiction", "time_zone", "external_ref", "demo"),
    ),
    "contact_points": (
        "phone", OF_PERSON, ("person_id", "kind", "value", "owner_kind", "number_type", "rank", "state"),
    ),
    "person_flags": ("flag", OF_PERSON, ("person_id", "flag", "valid_from", "valid_to", "evidence")),
    "loans": (
        "loan", OF_PERSON,
        ("person_id", "contract_no", "currency", "overdue_principal", "overdue_interest", "overdue_penalty",
         "days_past_due", "source", "missing_since", "missing_note"),
    ),
    "promises": ("promise", OF_CASE, ("case_id", "due_date", "grace_days", "state")),
    "tasks": ("task", OF_CASE, ("case_id", "kind", "state", "control_date", "earliest_at", "owner_id")),
    "stop_list": (
        "stop_list",
        """JOIN LATERAL (
            SELECT p.id AS person_id FROM persons p WHERE r.kind = 'person' AND p.external_ref = r.value
            UNION ALL SELECT l.person_id FROM loans l WHERE r.kind = 'contract' AND l.contract_no = r.value
            UNION ALL SELECT n.person_id FROM contact_points n WHERE r.kind = 'phone' AND n.value = r.value
        ) whom ON true JOIN cases c ON c.person_id = whom.person_id AND c.closed_at IS NULL""",
        ("kind", "value", "reason", "since", "until"),
    ),
}  # fmt: skip
# Of these a row speaks of all open cases.
RULES = {
    "compliance_rules": ("rules", ("row",)),
    "work_calendar": ("calendar", ("working",)),
    "caller_ids": ("caller_id", ("number", "campaigns", "position", "declared_on", "valid_from", "valid_to", "state")),
}
LISTS = {  # of these, of the cases with a loan of that source
    "imports": ("list", "source", ("source", "mode", "valid_for")),
    "import_sources": ("list", "name", ("settings",)),
}


def _function(name: str, body: str) -> None:
    op.execute(f"CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {body} RETURN NULL; END $$")


def _facts(table: str, key: str, columns: tuple[str, ...], mark: str) -> None:
    """Three triggers, once for each statement: rows that came, rows that differ, rows that went."""
    deciding = ", ".join((key, *(one for one in columns if one != key)))
    # Set operations, not a join: nothing is known of how many rows came, and a join may go row by row through them.
    both = (
        f"(SELECT {deciding} FROM came EXCEPT SELECT {deciding} FROM gone UNION"
        f" (SELECT {deciding} FROM gone EXCEPT SELECT {deciding} FROM came))"
    )
    for event, rows, tables in (
        ("insert", "came", "NEW TABLE AS came"),
        ("delete", "gone", "OLD TABLE AS gone"),
        ("update", both, "OLD TABLE AS gone NEW TABLE AS came"),
    ):
        name = f"mark_{table}_{event}"
        _function(name, mark.format(rows=rows, count="gone" if event == "delete" else "came"))
        op.execute(
            f"CREATE TRIGGER marks_{event} AFTER {event.upper()} ON {table} REFERENCING {tables}"
            f" FOR EACH STATEMENT EXECUTE FUNCTION {name}()"
        )


def upgrade() -> None:
    op.create_table(
        "queue_days",
        sa.Column("business_date", sa.Date(), nullable=False),
        sa.Column("norms", sa.dialects.postgresql.JSONB(), nullable=False),
        sa.Column("built_at", STAMP, nullable=False),
        sa.PrimaryKeyConstraint("business_date", name=op.f("pk_queue_days")),
    )
    op.create_table(
        "queue_marks",
        sa.Column("id", sa.BigInteger(), autoincrement=True, nullable=False),
        sa.Column("case_id", sa.Uuid(), nullable=True),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("bulk", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("marked_at", STAMP, server_default=sa.text("clock_timestamp()"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_queue_marks")),
    )
    op.create_index(op.f("ix_queue_marks_bulk_id"), "queue_marks", ["bulk", "id"])
    op.create_index("ix_queue_marks_everybody", "queue_marks", ["id"], postgresql_where=sa.text("case_id IS NULL"))
    op.create_index(op.f("ix_not_callable_business_date_until"), "not_callable", ["business_date", "until"])
    for table, (why, whose, columns) in FACTS.items():
        _facts(
            table, "id", columns,
            f"INSERT INTO queue_marks (case_id, why, bulk) SELECT DISTINCT c.id, '{why}',"
            f" (SELECT count(*) > {BULK} FROM {{count}}) FROM {{rows}} r {whose};",
        )  # fmt: skip
    keys = {"compliance_rules": "rule_id", "work_calendar": "day", "caller_ids": "id"}
    for table, (why, columns) in RULES.items():
        mark = f"INSERT INTO queue_marks (why, bulk) SELECT '{why}', true WHERE EXISTS (SELECT FROM {{rows}} r);"
        _facts(table, keys[table], columns, mark)
    for table, (why, source, columns) in LISTS.items():
        _facts(
            table, "id" if table == "imports" else "name", columns,
            f"INSERT INTO queue_marks (case_id, why, bulk) SELECT DISTINCT c.id, '{why}', true FROM {{rows}} r"
            f" JOIN loans l ON l.source = r.{source} AND l.source <> ''"
            " JOIN cases c ON c.person_id = l.person_id AND c.closed_at IS NULL;",
        )  # fmt: skip
    _contacts()
    _calls()


def _contacts() -> None:
    """Contacts made elsewhere count; a slot that counted and is given back counts no more. Our own calls mark by their task."""
    _function(
        "mark_contact",
        "INSERT INTO queue_marks (case_id, why)"
        " SELECT id, 'contact' FROM cases WHERE person_id = NEW.person_id AND closed_at IS NULL;",
    )
    op.execute(
        "CREATE TRIGGER marks_insert AFTER INSERT ON contact_ledger FOR EACH ROW WHEN (NEW.source IS NOT NULL)"
        " EXECUTE FUNCTION mark_contact()"
    )
    op.execute(
        "CREATE TRIGGER marks_update AFTER UPDATE OF state ON contact_ledger FOR EACH ROW"
        " WHEN (OLD.state = 'COMMITTED' AND NEW.state <> 'COMMITTED') EXECUTE FUNCTION mark_contact()"
    )


def _calls() -> None:
    """A call that is over, a task that somebody cancelled, a talk that got its result or lost it."""
    _function("mark_call_task", "INSERT INTO queue_marks (case_id, why) VALUES (NEW.case_id, TG_ARGV[0]);")
    op.execute(
        "CREATE TRIGGER marks_ended AFTER UPDATE OF state ON call_tasks FOR EACH ROW"
        " WHEN (OLD.state IN ('DIALING','SETTLING') AND NEW.state NOT IN ('DIALING','SETTLING'))"
        " EXECUTE FUNCTION mark_call_task('call')"
    )
    op.execute(
        "CREATE TRIGGER marks_cancelled AFTER UPDATE OF state ON call_tasks FOR EACH ROW"
        " WHEN (NEW.state = 'CANCELLED' AND OLD.state IN ('ELIGIBLE','RETRY_WAIT') AND NEW.state_reason <> 'DAY_OVER'"
        " AND coalesce(current_setting('queue.judging', true), '') = '') EXECUTE FUNCTION mark_call_task('cancelled')"
    )
    op.execute(
        "CREATE TRIGGER marks_outcome AFTER UPDATE OF outcome ON call_attempts FOR EACH ROW"
        " WHEN (OLD.outcome IS DISTINCT FROM NEW.outcome AND NEW.case_id IS NOT NULL)"
        " EXECUTE FUNCTION mark_call_task('outcome')"
    )


def downgrade() -> None:
    for table in (*FACTS, *RULES, *LISTS):
        for event in ("insert", "delete", "update"):
            op.execute(f"DROP TRIGGER marks_{event} ON {table}")
            op.execute(f"DROP FUNCTION mark_{table}_{event}()")
    for event in ("insert", "update"):
        op.execute(f"DROP TRIGGER marks_{event} ON contact_ledger")
    op.execute("DROP FUNCTION mark_contact()")
    for name, table in (("ended", "call_tasks"), ("cancelled", "call_tasks"), ("outcome", "call_attempts")):
        op.execute(f"DROP TRIGGER marks_{name} ON {table}")
    op.execute("DROP FUNCTION mark_call_task()")
    op.drop_index(op.f("ix_not_callable_business_date_until"), "not_callable")
    op.drop_table("queue_marks")
    op.drop_table("queue_days")
