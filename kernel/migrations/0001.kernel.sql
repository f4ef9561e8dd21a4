-- Foundation: roles, tenancy, append-only guards, change history, the clock, events, jobs.
-- depends:

DO $$
DECLARE
    wanted record;
BEGIN
    -- Roles belong to the server, not to one database: several databases of one server share them.
    FOR wanted IN
        SELECT * FROM (VALUES
            ('suiden_app', ''),                -- web: row-level security in force
            ('suiden_gateway', 'BYPASSRLS'),   -- intake: COPY is refused under row-level security
            ('suiden_worker', 'BYPASSRLS'),    -- scheduler, checker, event consumers: every utility
            ('suiden_auditor', 'BYPASSRLS')    -- reads everything, writes nothing
        ) AS roles (name, attributes)
    LOOP
        BEGIN
            EXECUTE format('CREATE ROLE %I NOLOGIN %s', wanted.name, wanted.attributes);
        EXCEPTION
            WHEN duplicate_object OR unique_violation THEN NULL;
        END;
    END LOOP;
END
$$;

GRANT USAGE ON SCHEMA public TO suiden_app, suiden_gateway, suiden_worker, suiden_auditor;

-- The utility whose rows the transaction may see; NULL shows none.
CREATE FUNCTION current_utility() RETURNS integer
LANGUAGE sql STABLE PARALLEL SAFE
AS $$ SELECT nullif(current_setting('suiden.utility_id', true), '')::integer $$;

-- Who acts in this transaction, for the change history.
CREATE FUNCTION current_actor() RETURNS text
LANGUAGE sql STABLE
AS $$ SELECT coalesce(nullif(current_setting('suiden.actor', true), ''), session_user::text) $$;

-- The utility's time of this transaction, set by the application; wall time where none was set.
CREATE FUNCTION current_utility_time() RETURNS timestamptz
LANGUAGE sql STABLE
AS $$ SELECT coalesce(nullif(current_setting('suiden.now', true), '')::timestamptz, transaction_timestamp()) $$;

CREATE FUNCTION forbid_change() RETURNS trigger
LANGUAGE plpgsql
AS $$
BEGIN
    RAISE EXCEPTION 'rows of % are never changed or deleted: write a new row that refers to the old one', TG_TABLE_NAME
        USING ERRCODE = 'restrict_violation', TABLE = TG_TABLE_NAME, CONSTRAINT = 'append_only';
END
$$;

-- Row-level security for one table that has a utility_id.
CREATE PROCEDURE keep_utilities_apart(target regclass)
LANGUAGE plpgsql
AS $$
BEGIN
    EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', target);
    EXECUTE format(
        'CREATE POLICY own_utility ON %s USING (utility_id = current_utility()) WITH CHECK (utility_id = current_utility())',
        target);
END
$$;

CREATE PROCEDURE append_only(target regclass)
LANGUAGE plpgsql
AS $$
BEGIN
    EXECUTE format(
        'CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON %s FOR EACH ROW EXECUTE FUNCTION forbid_change()', target);
END
$$;

CREATE TABLE utility (
    utility_id integer PRIMARY KEY,
    code text NOT NULL UNIQUE CHECK (code ~ '^[a-z0-9][a-z0-9-]{0,31}$'),
    name text NOT NULL,
    time_zone text NOT NULL,
    currency text NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
    locale text NOT NULL,
    settings jsonb NOT NULL DEFAULT '{}'
);

-- One row for the installation: utility time = utility_anchor + (wall - wall_anchor) * rate while it runs.
CREATE TABLE utility_clock (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    wall_anchor timestamptz NOT NULL,
    utility_anchor timestamptz NOT NULL,
    rate double precision NOT NULL CHECK (rate > 0 AND rate <= 100000),
    running boolean NOT NULL
);

-- Before and after of every change to master data, written by triggers, never by hand.
CREATE TABLE master_change (
    utility_id integer NOT NULL,
    change_id bigint GENERATED ALWAYS AS IDENTITY,
    table_name text NOT NULL,
    row_key jsonb NOT NULL,
    before jsonb,
    after jsonb,
    actor text NOT NULL,
    changed_at timestamptz NOT NULL,
    recorded_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (utility_id, change_id)
);
CREATE INDEX master_change_row ON master_change (utility_id, table_name, row_key);
CALL append_only('master_change');
CALL keep_utilities_apart('master_change');

CREATE FUNCTION record_change() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp  -- last, or a temporary table of this name would take the history
AS $$
DECLARE
    old_row jsonb := CASE WHEN TG_OP = 'INSERT' THEN NULL ELSE to_jsonb(OLD) - 'password_hash' END;
    new_row jsonb := CASE WHEN TG_OP = 'DELETE' THEN NULL ELSE to_jsonb(NEW) - 'password_hash' END;
    key jsonb := '{}';
    column_name text;
BEGIN
    IF old_row IS NOT DISTINCT FROM new_row THEN
        RETURN NULL;
    END IF;
    FOREACH column_name IN ARRAY TG_ARGV LOOP
        key := key || jsonb_build_object(column_name, coalesce(new_row, old_row) -> column_name);
    END LOOP;
    INSERT INTO master_change (utility_id, table_name, row_key, before, after, actor, changed_at)
    VALUES ((coalesce(new_row, old_row) ->> 'utility_id')::integer, TG_TABLE_NAME, key, old_row, new_row,
            current_actor(), current_utility_time());
    RETURN NULL;
END
$$;

CREATE PROCEDURE keep_history(target regclass, VARIADIC key_columns text[])
LANGUAGE plpgsql
AS $$
BEGIN
    EXECUTE format(
        'CREATE TRIGGER keep_history AFTER INSERT OR UPDATE OR DELETE ON %s FOR EACH ROW EXECUTE FUNCTION record_change(%s)',
        target, (SELECT string_agg(quote_literal(c), ', ') FROM unnest(key_columns) AS c));
END
$$;

-- Transactional outbox. The relay numbers committed rows; consumers read in the order of position.
CREATE TABLE event (
    event_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    utility_id integer NOT NULL,
    topic text NOT NULL,
    key text NOT NULL,
    payload jsonb NOT NULL,
    occurred_at timestamptz NOT NULL,
    position bigint UNIQUE
);
CREATE INDEX event_unnumbered ON event (event_id) WHERE position IS NULL;
CREATE SEQUENCE event_position;
CALL keep_utilities_apart('event');

CREATE TABLE event_offset (
    consumer text PRIMARY KEY,
    position bigint NOT NULL,
    attempts integer NOT NULL DEFAULT 0,  -- at the event that comes next, since its handler first met trouble of the database
    moved_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- An event that a consumer could not handle is put aside with its error, so that the next ones go on.
CREATE TABLE event_failure (
    consumer text NOT NULL,
    event_id bigint NOT NULL REFERENCES event,
    error text NOT NULL,
    failed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    retry_asked_at timestamptz,           -- the consumer tries it again when nothing else waits
    resolved_at timestamptz,
    PRIMARY KEY (consumer, event_id)
);

-- One row for each tick of a timed job: two schedulers cannot both take it.
CREATE TABLE job_tick (
    job text NOT NULL,
    due_at timestamptz NOT NULL,
    taken_by text NOT NULL,
    taken_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    finished_at timestamptz,
    outcome text,
    PRIMARY KEY (job, due_at)
);

CREATE TABLE heartbeat (
    process text PRIMARY KEY,
    seen_at timestamptz NOT NULL,
    health jsonb NOT NULL DEFAULT '{}'
);

-- The last result of each standing check; every count should be 0.
CREATE TABLE invariant_check (
    name text PRIMARY KEY,
    violations bigint NOT NULL,
    example text,
    checked_at timestamptz NOT NULL
);

GRANT SELECT ON utility, utility_clock, master_change, event, event_offset, event_failure, job_tick, heartbeat,
    invariant_check TO suiden_app, suiden_gateway, suiden_worker, suiden_auditor;
GRANT INSERT ON event TO suiden_app, suiden_gateway, suiden_worker;
GRANT USAGE ON SEQUENCE event_position TO suiden_worker;
GRANT UPDATE (position) ON event TO suiden_worker;
GRANT DELETE ON event, job_tick TO suiden_worker;
GRANT INSERT, UPDATE ON event_offset, event_failure, job_tick, invariant_check TO suiden_worker;
GRANT INSERT, UPDATE ON event_offset TO suiden_gateway;
GRANT INSERT, UPDATE, DELETE ON heartbeat TO suiden_app, suiden_gateway, suiden_worker;
GRANT UPDATE ON utility_clock TO suiden_worker;
