"""Guards in the database itself, and the task queue's tables."""

from collections.abc import Sequence

from alembic import op
from pgqueuer.adapters.persistence.qb import QueryBuilderEnvironment

revision: str = "0002"
down_revision: str | None = "0001"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None

_TRANSITIONS: dict[tuple[str, str], dict[str, str]] = {
    ("jobs", "status"): {
        "pending": "processing failed cancelled",
        "processing": "pending completed failed cancelled",
        "failed": "pending completed",
        "cancelled": "pending",
    },
    ("provider_submissions", "state"): {
        "reserved": "submitting abandoned",
        "submitting": "reserved accepted rejected in_doubt",
        "in_doubt": "reserved accepted rejected closed_unknown",
        "accepted": "completed_remote failed_remote closed_unknown",
        "completed_remote": "fetched result_lost",
        "closed_unknown": "accepted",
        "result_lost": "completed_remote",
    },
    ("assets", "sync_status"): {
        "remote": "downloading error",
        "downloading": "downloaded remote error",
        "error": "downloading remote",
    },
    ("provider_accounts", "status"): {
        "active": "exhausted rate_limited error disabled",
        "rate_limited": "active exhausted error disabled",
        "exhausted": "active error disabled",
        "error": "active disabled",
        "disabled": "active",
    },
}

_TOUCHED = (
    "users",
    "workspaces",
    "provider_accounts",
    "jobs",
    "provider_submissions",
    "assets",
)

_FUNCTIONS = (
    """
    CREATE FUNCTION px7_check_transition() RETURNS trigger LANGUAGE plpgsql AS $$
    DECLARE
        old_value text := to_jsonb(OLD) ->> TG_ARGV[0];
        new_value text := to_jsonb(NEW) ->> TG_ARGV[0];
    BEGIN
        IF NOT EXISTS (
            SELECT 1 FROM state_transitions t
            WHERE t.table_name = TG_TABLE_NAME AND t.column_name = TG_ARGV[0]
              AND t.source = old_value AND t.target = new_value
        ) THEN
            RAISE EXCEPTION 'illegal transition of %.%: % -> %',
                TG_TABLE_NAME, TG_ARGV[0], old_value, new_value USING ERRCODE = 'check_violation';
        END IF;
        RETURN NEW;
    END $$
    """,
    """
    CREATE FUNCTION px7_touch() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        NEW.updated_at := now();
        RETURN NEW;
    END $$
    """,
    """
    CREATE FUNCTION px7_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        RAISE EXCEPTION '% is append-only', TG_TABLE_NAME USING ERRCODE = 'check_violation';
    END $$
    """,
    """
    CREATE FUNCTION px7_check_slot() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF NEW.slot_no > (
            SELECT a.max_concurrent_jobs FROM provider_accounts a WHERE a.id = NEW.account_id
        ) THEN
            RAISE EXCEPTION 'account % has no slot %', NEW.account_id, NEW.slot_no
                USING ERRCODE = 'check_violation';
        END IF;
        RETURN NEW;
    END $$
    """,
)


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute(
        "CREATE TABLE state_transitions (table_name text, column_name text, source text,"
        " target text, PRIMARY KEY (table_name, column_name, source, target))"
    )
    for function in _FUNCTIONS:
        op.execute(function)
    for (table, column), edges in _TRANSITIONS.items():
        for source, targets in edges.items():
            for target in targets.split():
                op.execute(
                    "INSERT INTO state_transitions VALUES"
                    f" ('{table}', '{column}', '{source}', '{target}')"
                )
        op.execute(
            f"CREATE TRIGGER px7_check_{column} BEFORE UPDATE OF {column} ON {table} FOR EACH ROW"
            f" WHEN (OLD.{column} IS DISTINCT FROM NEW.{column})"
            f" EXECUTE FUNCTION px7_check_transition('{column}')"
        )
    for table in _TOUCHED:
        op.execute(
            f"CREATE TRIGGER px7_touch BEFORE UPDATE ON {table} FOR EACH ROW"
            " EXECUTE FUNCTION px7_touch()"
        )
    op.execute(
        "CREATE TRIGGER px7_append_only BEFORE UPDATE ON submission_evidence FOR EACH ROW"
        " EXECUTE FUNCTION px7_append_only()"
    )
    op.execute(
        "CREATE TRIGGER px7_check_slot BEFORE INSERT OR UPDATE OF slot_no, account_id"
        " ON reservations FOR EACH ROW EXECUTE FUNCTION px7_check_slot()"
    )
    install = QueryBuilderEnvironment().build_install_query()
    op.get_bind().connection.dbapi_connection.run_async(  # type: ignore[union-attr]
        lambda connection: connection.execute(install)
    )


def downgrade() -> None:
    uninstall = QueryBuilderEnvironment().build_uninstall_query()
    op.get_bind().connection.dbapi_connection.run_async(  # type: ignore[union-attr]
        lambda connection: connection.execute(uninstall)
    )
    op.execute("DROP TRIGGER px7_check_slot ON reservations")
    op.execute("DROP TRIGGER px7_append_only ON submission_evidence")
    for table in _TOUCHED:
        op.execute(f"DROP TRIGGER px7_touch ON {table}")
    for table, column in _TRANSITIONS:
        op.execute(f"DROP TRIGGER px7_check_{column} ON {table}")
    for name in ("check_slot", "append_only", "touch", "check_transition"):
        op.execute(f"DROP FUNCTION px7_{name}()")
    op.execute("DROP TABLE state_transitions")
