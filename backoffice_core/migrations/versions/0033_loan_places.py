"""Reports as at a past day count a loan in the branch, product and portfolio that it had then."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0033"
down_revision = "0032"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "loan_places",
        sa.Column("id", sa.BigInteger(), autoincrement=True, nullable=False),
        sa.Column("loan_id", sa.Uuid(), nullable=False),
        sa.Column("till", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("portfolio", sa.Text(), nullable=False),
        sa.Column("branch", sa.Text(), nullable=False),
        sa.Column("product", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["loan_id"], ["loans.id"], name=op.f("fk_loan_places_loan_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_loan_places")),
    )
    op.create_index(op.f("ix_loan_places_loan_id_till"), "loan_places", ["loan_id", "till"], unique=False)
    op.execute(
        "CREATE FUNCTION keep_place() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
        " INSERT INTO loan_places (loan_id, till, portfolio, branch, product)"
        " VALUES (OLD.id, NEW.as_at, OLD.portfolio, OLD.branch, OLD.product); RETURN NULL; END $$"
    )
    op.execute(
        "CREATE TRIGGER place_kept AFTER UPDATE OF portfolio, branch, product ON loans FOR EACH ROW"
        " WHEN ((OLD.portfolio, OLD.branch, OLD.product) IS DISTINCT FROM (NEW.portfolio, NEW.branch, NEW.product))"
        " EXECUTE FUNCTION keep_place()"
    )


def downgrade() -> None:
    op.execute("DROP TRIGGER place_kept ON loans")
    op.execute("DROP FUNCTION keep_place()")
    op.drop_index(op.f("ix_loan_places_loan_id_till"), table_name="loan_places")
    op.drop_table("loan_places")
