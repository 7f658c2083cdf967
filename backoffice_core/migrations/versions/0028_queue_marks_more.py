"""The queue follows fees of loans, nights that a portfolio did not finish, and a campaign's own order and retries, too."""

# ruff: noqa: S608 (names of tables and columns, no value)

from alembic import op

revision = "0028"
down_revision = "0027"
branch_labels = None
depends_on = None

LOAN = (
    "id, person_id, contract_no, portfolio, currency, overdue_principal, overdue_interest, overdue_penalty, days_past_due,"
    " source, missing_since, missing_note"
)


def _loans(columns: str) -> None:
    op.execute(
        "CREATE OR REPLACE FUNCTION mark_loans_update() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
        " INSERT INTO queue_marks (case_id, why, bulk)"
        " SELECT DISTINCT c.id, 'loan', (SELECT count(*) > 500 FROM came) FROM ("
        f"SELECT {columns} FROM came EXCEPT SELECT {columns} FROM gone UNION"
        f" (SELECT {columns} FROM gone EXCEPT SELECT {columns} FROM came)"
        ") r JOIN cases c ON c.person_id = r.person_id AND c.closed_at IS NULL; RETURN NULL; END $$"
    )


def upgrade() -> None:
    _loans(LOAN + ", overdue_fee")
    op.execute(
        "CREATE FUNCTION mark_portfolio_night() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
        " INSERT INTO queue_marks (case_id, why, bulk) SELECT DISTINCT c.id, 'list', true FROM loans l"
        " JOIN cases c ON c.person_id = l.person_id AND c.closed_at IS NULL WHERE l.portfolio = NEW.portfolio;"
        " RETURN NULL; END $$"
    )
    op.execute(
        "CREATE TRIGGER marks_insert AFTER INSERT ON portfolio_nights FOR EACH ROW WHEN (NEW.state = 'LATE')"
        " EXECUTE FUNCTION mark_portfolio_night()"
    )
    op.execute(
        "CREATE TRIGGER marks_update AFTER UPDATE ON portfolio_nights FOR EACH ROW"
        " WHEN (OLD.state IS DISTINCT FROM NEW.state) EXECUTE FUNCTION mark_portfolio_night()"
    )
    op.execute(
        "CREATE FUNCTION mark_campaign() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
        " INSERT INTO queue_marks (why, bulk) VALUES ('campaign', true); RETURN NULL; END $$"
    )
    op.execute(
        "CREATE TRIGGER marks_update AFTER UPDATE ON campaigns FOR EACH ROW"
        " WHEN (OLD.ordering IS DISTINCT FROM NEW.ordering) EXECUTE FUNCTION mark_campaign()"
    )


def downgrade() -> None:
    op.execute("DROP TRIGGER marks_update ON campaigns")
    op.execute("DROP FUNCTION mark_campaign()")
    for event in ("update", "insert"):
        op.execute(f"DROP TRIGGER marks_{event} ON portfolio_nights")
    op.execute("DROP FUNCTION mark_portfolio_night()")
    _loans(LOAN.replace("portfolio, ", ""))
