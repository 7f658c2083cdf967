"""Money and time: balances as at any date, payments, schedules, holds, hand-overs, plans, dated stages, a night in parts."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "night_chunks",
        sa.Column("business_date", sa.Date(), nullable=False),
        sa.Column("step", sa.Text(), nullable=False),
        sa.Column("portfolio", sa.Text(), nullable=False),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.Column("low", sa.Uuid(), nullable=False),
        sa.Column("high", sa.Uuid(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("counts", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.CheckConstraint("state IN ('TODO','DONE')", name=op.f("ck_night_chunks_state")),
        sa.PrimaryKeyConstraint("business_date", "step", "portfolio", "n", name=op.f("pk_night_chunks")),
    )
    op.create_table(
        "portfolio_nights",
        sa.Column("portfolio", sa.Text(), nullable=False),
        sa.Column("business_date", sa.Date(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.CheckConstraint("state IN ('DONE','LATE')", name=op.f("ck_portfolio_nights_state")),
        sa.PrimaryKeyConstraint("portfolio", "business_date", name=op.f("pk_portfolio_nights")),
    )
    op.create_table(
        "stage_bands",
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("first", sa.Integer(), nullable=False),
        sa.Column("last", sa.Integer(), nullable=True),
        sa.Column("valid_from", sa.Date(), nullable=False),
        sa.Column("valid_to", sa.Date(), nullable=True),
        sa.Column("source", sa.Text(), nullable=False),
        sa.CheckConstraint("last IS NULL OR last >= first", name=op.f("ck_stage_bands_days")),
        sa.PrimaryKeyConstraint("kind", "version", "code", name=op.f("pk_stage_bands")),
    )
    op.create_table(
        "hand_overs",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("act_no", sa.BigInteger(), sa.Identity(always=False, start=1), nullable=False),
        sa.Column("case_id", sa.Uuid(), nullable=False),
        sa.Column("from_unit", sa.Text(), nullable=False),
        sa.Column("from_owner", sa.Uuid(), nullable=True),
        sa.Column("to_unit", sa.Text(), nullable=False),
        sa.Column("to_owner", sa.Uuid(), nullable=True),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("act", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("proposed_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("proposed_by", sa.Uuid(), nullable=True),
        sa.Column("decided_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("decided_by", sa.Uuid(), nullable=True),
        sa.Column("decided_why", sa.Text(), nullable=False),
        sa.CheckConstraint("state IN ('PROPOSED','ACCEPTED','REFUSED')", name=op.f("ck_hand_overs_state")),
        sa.ForeignKeyConstraint(["case_id"], ["cases.id"], name=op.f("fk_hand_overs_case_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_hand_overs")),
        sa.UniqueConstraint("act_no", name=op.f("uq_hand_overs_act_no")),
    )
    op.create_index(op.f("ix_hand_overs_case_id"), "hand_overs", ["case_id"], unique=False)
    op.create_index("uq_hand_overs_open", "hand_overs", ["case_id"], unique=True, postgresql_where="state = 'PROPOSED'")
    op.create_table(
        "holds",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("case_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("stops", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("pauses_days", sa.Boolean(), nullable=False),
        sa.Column("evidence", sa.Text(), nullable=False),
        sa.Column("state_before", sa.Text(), nullable=False),
        sa.Column("valid_from", sa.Date(), nullable=False),
        sa.Column("valid_to", sa.Date(), nullable=True),
        sa.Column("placed_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("placed_by", sa.Uuid(), nullable=True),
        sa.Column("lifted_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("lifted_by", sa.Uuid(), nullable=True),
        sa.Column("lifted_why", sa.Text(), nullable=False),
        sa.CheckConstraint("valid_to IS NULL OR valid_to >= valid_from", name=op.f("ck_holds_days")),
        sa.ForeignKeyConstraint(["case_id"], ["cases.id"], name=op.f("fk_holds_case_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_holds")),
    )
    op.create_index("ix_holds_standing", "holds", ["case_id"], unique=False, postgresql_where="lifted_at IS NULL")
    op.create_table(
        "instalments",
        sa.Column("loan_id", sa.Uuid(), nullable=False),
        sa.Column("due_date", sa.Date(), nullable=False),
        sa.Column("amount", sa.Numeric(precision=18, scale=2), nullable=False),
        sa.Column("paid", sa.Numeric(precision=18, scale=2), nullable=False),
        sa.Column("as_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.CheckConstraint("amount > 0 AND paid >= 0", name=op.f("ck_instalments_amount")),
        sa.ForeignKeyConstraint(["loan_id"], ["loans.id"], name=op.f("fk_instalments_loan_id")),
        sa.PrimaryKeyConstraint("loan_id", "due_date", name=op.f("pk_instalments")),
    )
    op.create_table(
        "loan_balances",
        sa.Column("id", sa.BigInteger(), autoincrement=True, nullable=False),
        sa.Column("loan_id", sa.Uuid(), nullable=False),
        sa.Column("as_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("recorded_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("balance", sa.Numeric(precision=18, scale=2), nullable=False),
        sa.Column("overdue_principal", sa.Numeric(precision=18, scale=2), nullable=False),
        sa.Column("overdue_interest", sa.Numeric(precision=18, scale=2), nullable=False),
        sa.Column("overdue_penalty", sa.Numeric(precision=18, scale=2), nullable=False),
        sa.Column("overdue_fee", sa.Numeric(precision=18, scale=2), nullable=False),
        sa.Column("days_past_due", sa.Integer(), nullable=False),
        sa.Column("next_due", sa.Date(), nullable=True),
        sa.Column("next_amount", sa.Numeric(precision=18, scale=2), nullable=True),
        sa.Column("correction", sa.Boolean(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["loan_id"], ["loans.id"], name=op.f("fk_loan_balances_loan_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_loan_balances")),
    )
    op.create_index("ix_loan_balances_as_at", "loan_balances", ["loan_id", "as_at", "id"], unique=False)
    op.create_table(
        "payment_plans",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("case_id", sa.Uuid(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("instalments", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("grace_days", sa.Integer(), nullable=False),
        sa.Column("breach_after", sa.Integer(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("state_since", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("proposed_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("proposed_by", sa.Uuid(), nullable=True),
        sa.Column("decided_by", sa.Uuid(), nullable=True),
        sa.CheckConstraint(
            "state IN ('PROPOSED','ACTIVE','DONE','BREACHED','CANCELLED')", name=op.f("ck_payment_plans_state")
        ),
        sa.ForeignKeyConstraint(["case_id"], ["cases.id"], name=op.f("fk_payment_plans_case_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_payment_plans")),
    )
    op.create_index(
        "uq_payment_plans_standing",
        "payment_plans",
        ["case_id"],
        unique=True,
        postgresql_where="state IN ('PROPOSED','ACTIVE')",
    )
    op.create_table(
        "payments",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("external_ref", sa.Text(), nullable=False),
        sa.Column("loan_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("reverses", sa.Uuid(), nullable=True),
        sa.Column("amount", sa.Numeric(precision=18, scale=2), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("principal", sa.Numeric(precision=18, scale=2), nullable=False),
        sa.Column("interest", sa.Numeric(precision=18, scale=2), nullable=False),
        sa.Column("penalty", sa.Numeric(precision=18, scale=2), nullable=False),
        sa.Column("fee", sa.Numeric(precision=18, scale=2), nullable=False),
        sa.Column("split_by", sa.Text(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("paid_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("recorded_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("recorded_by", sa.Text(), nullable=False),
        sa.CheckConstraint("(kind = 'REVERSAL') = (reverses IS NOT NULL)", name=op.f("ck_payments_reverses")),
        sa.CheckConstraint("kind IN ('PAYMENT','REVERSAL')", name=op.f("ck_payments_kind")),
        sa.CheckConstraint("amount > 0", name=op.f("ck_payments_amount")),
        sa.CheckConstraint("principal + interest + penalty + fee = amount", name=op.f("ck_payments_split")),
        sa.ForeignKeyConstraint(["loan_id"], ["loans.id"], name=op.f("fk_payments_loan_id")),
        sa.ForeignKeyConstraint(["reverses"], ["payments.id"], name=op.f("fk_payments_reverses")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_payments")),
        sa.UniqueConstraint("external_ref", name=op.f("uq_payments_external_ref")),
    )
    op.create_index(op.f("ix_payments_loan_id_paid_at"), "payments", ["loan_id", "paid_at"], unique=False)
    op.create_index(
        "uq_payments_reverses", "payments", ["reverses"], unique=True, postgresql_where="reverses IS NOT NULL"
    )
    op.create_table(
        "stage_moves",
        sa.Column("id", sa.BigInteger(), autoincrement=True, nullable=False),
        sa.Column("case_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("before", sa.Text(), nullable=False),
        sa.Column("after", sa.Text(), nullable=False),
        sa.Column("as_at", sa.Date(), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("days_past_due", sa.Integer(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("recorded_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["case_id"], ["cases.id"], name=op.f("fk_stage_moves_case_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_stage_moves")),
    )
    op.create_index("ix_stage_moves_as_at", "stage_moves", ["case_id", "kind", "as_at", "id"], unique=False)
    op.create_table(
        "promise_matches",
        sa.Column("id", sa.BigInteger(), autoincrement=True, nullable=False),
        sa.Column("promise_id", sa.Uuid(), nullable=False),
        sa.Column("payment_id", sa.Uuid(), nullable=False),
        sa.Column("amount", sa.Numeric(precision=18, scale=2), nullable=False),
        sa.Column("at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["payment_id"], ["payments.id"], name=op.f("fk_promise_matches_payment_id")),
        sa.ForeignKeyConstraint(["promise_id"], ["promises.id"], name=op.f("fk_promise_matches_promise_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_promise_matches")),
    )
    op.create_index(op.f("ix_promise_matches_payment_id"), "promise_matches", ["payment_id"], unique=False)
    op.create_index(op.f("ix_promise_matches_promise_id"), "promise_matches", ["promise_id"], unique=False)
    op.add_column("cases", sa.Column("state_since", postgresql.TIMESTAMP(timezone=True), nullable=True))
    op.add_column("cases", sa.Column("bucket", sa.Text(), server_default="", nullable=False))
    op.add_column("cases", sa.Column("episode", sa.Integer(), server_default=sa.text("1"), nullable=False))
    op.add_column("cases", sa.Column("unit", sa.Text(), server_default="", nullable=False))
    op.add_column(
        "loans",
        sa.Column("overdue_fee", sa.Numeric(precision=18, scale=2), server_default=sa.text("0"), nullable=False),
    )
    op.add_column(
        "loans", sa.Column("paid_since", sa.Numeric(precision=18, scale=2), server_default=sa.text("0"), nullable=False)
    )
    op.add_column("promises", sa.Column("plan_id", sa.Uuid(), nullable=True))
    op.add_column(
        "promises",
        sa.Column("tolerance_pct", sa.Numeric(precision=5, scale=2), server_default=sa.text("0"), nullable=False),
    )
    op.add_column("promises", sa.Column("state_since", postgresql.TIMESTAMP(timezone=True), nullable=True))
    op.add_column(
        "promises", sa.Column("matched", sa.Numeric(precision=18, scale=2), server_default=sa.text("0"), nullable=False)
    )
    op.add_column("promises", sa.Column("overdue_when_made", sa.Numeric(precision=18, scale=2), nullable=True))
    op.create_index(
        "ix_promises_open", "promises", ["case_id"], unique=False, postgresql_where="state IN ('OPEN','PARTIAL')"
    )
    op.create_foreign_key(op.f("fk_promises_plan_id"), "promises", "payment_plans", ["plan_id"], ["id"])
    _carry_over()


# kind: code, first and last day past due (domain of unsecured retail loans; the cuts of `cbr` are a regulator's)
_BANDS = {
    "stage": (("0", 0, 0), ("1", 1, 30), ("2", 31, 60), ("3", 61, 90), ("4", 91, None)),
    "bucket": (
        ("0", 0, 0), ("1-30", 1, 30), ("31-60", 31, 60), ("61-90", 61, 90), ("91-120", 91, 120), ("121-180", 121, 180),
        ("181-360", 181, 360), ("361+", 361, None),
    ),
    "cbr": (("0", 0, 0), ("1-30", 1, 30), ("31-90", 31, 90), ("91-180", 91, 180), ("181+", 181, None)),
}  # fmt: skip


def _carry_over() -> None:
    """The first version of the bands; what is there becomes the first fact of its history."""
    for kind, rows in _BANDS.items():
        values = ", ".join(
            f"('{kind}', 1, '{code}', {first}, {'NULL' if last is None else last}, '2000-01-01', 'shipped')"
            for code, first, last in rows
        )
        op.execute(
            f"INSERT INTO stage_bands (kind, version, code, first, last, valid_from, source) VALUES {values}"  # noqa: S608
        )
    op.execute(
        "INSERT INTO loan_balances (loan_id, as_at, recorded_at, balance, overdue_principal, overdue_interest,"
        " overdue_penalty, overdue_fee, days_past_due, next_due, next_amount, correction, note)"
        " SELECT id, as_at, as_at, balance, overdue_principal, overdue_interest, overdue_penalty, 0, days_past_due, next_due,"
        " next_amount, false, '' FROM loans"
    )
    op.execute(
        "UPDATE cases c SET state_since = e.at FROM (SELECT case_id, max(at) AS at FROM case_events WHERE kind = 'state'"
        " GROUP BY case_id) e WHERE e.case_id = c.id"
    )
    op.execute(
        "UPDATE promises p SET overdue_when_made = (e.data->>'overdue')::numeric FROM case_events e"
        " WHERE e.kind = 'promise' AND e.case_id = p.case_id AND e.data->>'promise_id' = p.id::text"
        " AND e.data->>'overdue' IS NOT NULL"
    )
    op.execute(
        "INSERT INTO holds (id, case_id, kind, stops, pauses_days, evidence, state_before, valid_from, valid_to, placed_at,"
        " lifted_why) SELECT gen_random_uuid(), id, hold_reason, '[\"all\"]', false, '', '', opened_at::date,"
        " CASE WHEN hold_until >= opened_at::date THEN hold_until END, opened_at, '' FROM cases WHERE state = 'ON_HOLD'"
    )


def downgrade() -> None:
    op.drop_constraint(op.f("fk_promises_plan_id"), "promises", type_="foreignkey")
    op.drop_index("ix_promises_open", table_name="promises", postgresql_where="state IN ('OPEN','PARTIAL')")
    op.drop_column("promises", "overdue_when_made")
    op.drop_column("promises", "matched")
    op.drop_column("promises", "state_since")
    op.drop_column("promises", "tolerance_pct")
    op.drop_column("promises", "plan_id")
    op.drop_column("loans", "paid_since")
    op.drop_column("loans", "overdue_fee")
    op.drop_column("cases", "unit")
    op.drop_column("cases", "episode")
    op.drop_column("cases", "bucket")
    op.drop_column("cases", "state_since")
    op.drop_index(op.f("ix_promise_matches_promise_id"), table_name="promise_matches")
    op.drop_index(op.f("ix_promise_matches_payment_id"), table_name="promise_matches")
    op.drop_table("promise_matches")
    op.drop_index("ix_stage_moves_as_at", table_name="stage_moves")
    op.drop_table("stage_moves")
    op.drop_index("uq_payments_reverses", table_name="payments", postgresql_where="reverses IS NOT NULL")
    op.drop_index(op.f("ix_payments_loan_id_paid_at"), table_name="payments")
    op.drop_table("payments")
    op.drop_index(
        "uq_payment_plans_standing", table_name="payment_plans", postgresql_where="state IN ('PROPOSED','ACTIVE')"
    )
    op.drop_table("payment_plans")
    op.drop_index("ix_loan_balances_as_at", table_name="loan_balances")
    op.drop_table("loan_balances")
    op.drop_table("instalments")
    op.drop_index("ix_holds_standing", table_name="holds", postgresql_where="lifted_at IS NULL")
    op.drop_table("holds")
    op.drop_index("uq_hand_overs_open", table_name="hand_overs", postgresql_where="state = 'PROPOSED'")
    op.drop_index(op.f("ix_hand_overs_case_id"), table_name="hand_overs")
    op.drop_table("hand_overs")
    op.drop_table("stage_bands")
    op.drop_table("portfolio_nights")
    op.drop_table("night_chunks")
