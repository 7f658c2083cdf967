"""The locks on person and number, and what is counted of both behind them, as one expression of a larger question."""

from alembic import op

revision = "0045"
down_revision = "0044"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # A function, because each of its statements sees what was committed before it: the gate first, then the ledger. What is
    # live is asked for by the order of its own index: with `= its_number` a plan made while nothing was live, and kept,
    # walks all live calls by the index of persons. The order of a row is that of `slots._read`.
    op.execute("""
        CREATE FUNCTION contacts_counted(who uuid, its_number text, since timestamptz, of_number boolean) RETURNS text
        LANGUAGE plpgsql AS $$
        BEGIN
            PERFORM slot_gate(who, its_number);
            RETURN (SELECT json_build_array(
                (SELECT json_build_array(count(*), max(loaded_at)) FROM compliance_rules),
                (SELECT json_build_array(count(*), max(updated_at)) FROM work_calendar),
                coalesce((SELECT person_id FROM contact_ledger WHERE person_id >= who AND state = 'RESERVED'
                          AND direction = 'outbound' AND channel IN ('call', 'robot') ORDER BY person_id LIMIT 1) = who
                , false) OR coalesce((SELECT number FROM contact_ledger WHERE number >= its_number AND state = 'RESERVED'
                          AND direction = 'outbound' AND channel IN ('call', 'robot') ORDER BY number LIMIT 1) = its_number
                , false),
                (SELECT json_agg(json_build_array(name, c.channel, c.actor, every_minutes, covered_to))
                 FROM contact_sources c WHERE every_minutes > 0),
                (SELECT json_agg(json_build_array(l.person_id = who, at, channel, actor, direction, state, loan_id, number,
                            purpose, conversation, delivered, machine_message, abandoned, uncertain, minutes::text, exceptions))
                 FROM (SELECT * FROM contact_ledger WHERE person_id = who AND at >= since AND state <> 'FREED'
                       UNION ALL
                       SELECT * FROM contact_ledger WHERE of_number AND number = its_number AND person_id <> who
                           AND at >= since AND state <> 'FREED') l)));
        END $$
    """)


def downgrade() -> None:
    op.execute("DROP FUNCTION contacts_counted(uuid, text, timestamptz, boolean)")
