-- Who may do what. Run before and after the numbered files; what is in place already stays as it is.
-- Roles belong to the whole server: several databases share them, and may run this at the same time.
--
--   liq_pipeline  owns the tables: changes the schema, replaces days, refreshes rollups, sets policies
--   liq_loader    lands rows: reads and appends what landing needs, changes and deletes nothing that was landed
--   liq_reader    reads every table, later ones included
--
-- The role that runs this becomes a member of all three. To let somebody read: GRANT liq_reader TO somebody.

DO $$
DECLARE
    role     text;
    relation record;
    needed   record;
BEGIN
    FOREACH role IN ARRAY ARRAY['liq_pipeline', 'liq_loader', 'liq_reader'] LOOP
        BEGIN
            IF to_regrole(role) IS NULL THEN
                -- TimescaleDB runs policies as the owner of their table and refuses one that may not log in. Nobody
                -- can log in as this one all the same: it has no password.
                EXECUTE format('CREATE ROLE %I %s', role, CASE role WHEN 'liq_pipeline' THEN 'LOGIN' ELSE 'NOLOGIN' END);
            END IF;
        EXCEPTION WHEN duplicate_object OR unique_violation THEN
            NULL;  -- Another database of this server was first.
        END;
        BEGIN
            IF NOT pg_has_role(role, 'USAGE') THEN
                EXECUTE format('GRANT %I TO CURRENT_USER', role);
            END IF;
        EXCEPTION WHEN unique_violation OR internal_error THEN
            NULL;  -- Likewise; the other's grant to the same role is as good.
        END;
    END LOOP;

    EXECUTE format('GRANT USAGE, CREATE ON SCHEMA %I TO liq_pipeline', current_schema());
    EXECUTE format('GRANT USAGE ON SCHEMA %I TO liq_loader, liq_reader', current_schema());
    EXECUTE format('ALTER DEFAULT PRIVILEGES FOR ROLE liq_pipeline, %I IN SCHEMA %I GRANT SELECT ON TABLES TO liq_reader',
                   CURRENT_USER, current_schema());

    -- Of views only continuous aggregates are ours. They have to be changed by that name: as a table or view only the
    -- outer view would change hands, and refreshing would fail.
    FOR relation IN
        SELECT oid, oid::regclass AS name, relowner = CURRENT_USER::regrole AS ours,
               CASE relkind WHEN 'v' THEN 'MATERIALIZED VIEW' ELSE 'TABLE' END AS kind
        FROM pg_class
        WHERE relnamespace = current_schema()::regnamespace
            AND (relkind IN ('r', 'p') OR relkind = 'v' AND pg_get_viewdef(oid) ~ '_materialized_hypertable_\d')
        ORDER BY oid
    LOOP
        IF relation.ours AND CURRENT_USER <> 'liq_pipeline' THEN
            BEGIN
                EXECUTE format('ALTER %s %s OWNER TO liq_pipeline', relation.kind, relation.name);
            EXCEPTION WHEN insufficient_privilege THEN
                NULL;  -- Only a superuser may give away a compressed table: it stays with the member that made it.
            END;
        END IF;
        IF NOT has_table_privilege('liq_reader', relation.oid, 'SELECT') THEN
            EXECUTE format('GRANT SELECT ON %s TO liq_reader', relation.name);
        END IF;
    END LOOP;
    FOR relation IN
        SELECT oid::regprocedure AS name FROM pg_proc
        WHERE pronamespace = current_schema()::regnamespace AND proowner = CURRENT_USER::regrole
            AND NOT EXISTS (SELECT FROM pg_depend WHERE objid = pg_proc.oid AND deptype = 'e')
    LOOP
        EXECUTE format('ALTER FUNCTION %s OWNER TO liq_pipeline', relation.name);
    END LOOP;

    FOR needed IN
        SELECT grants.name, privilege
        FROM (
            VALUES ('liquidations_raw', 'SELECT, INSERT'),
                   ('frames_rejected', 'SELECT, INSERT'),
                   ('unmatched_days', 'SELECT, INSERT'),
                   ('contract_sizes', 'SELECT, INSERT'),
                   ('live_late_events', 'SELECT, INSERT'),
                   ('live_blind_spans', 'SELECT, INSERT'),
                   ('cascade_alerts', 'SELECT, INSERT'),
                   ('live_cascades', 'SELECT, INSERT, UPDATE'),
                   ('live_state', 'SELECT, INSERT, UPDATE'),
                   ('loader_state', 'SELECT, INSERT, UPDATE'),
                   ('day_state', 'SELECT, INSERT, UPDATE'),
                   ('import_files', 'SELECT, INSERT, UPDATE'),
                   ('feed_spans', 'SELECT, INSERT, UPDATE'),
                   ('feed_notes', 'SELECT, INSERT, UPDATE'),
                   ('feed_heals', 'SELECT, INSERT'),
                   ('feed_positions', 'SELECT, INSERT, UPDATE'),
                   ('coverage_state', 'SELECT, INSERT, UPDATE'),
                   ('schema_version', 'SELECT')
        ) AS grants (name, privileges), regexp_split_to_table(privileges, ', ') AS privilege
        WHERE to_regclass(grants.name) IS NOT NULL
    LOOP
        -- Asked first: granting on a hypertable goes through all its chunks.
        IF NOT has_table_privilege('liq_loader', needed.name, needed.privilege) THEN
            EXECUTE format('GRANT %s ON %I TO liq_loader', needed.privilege, needed.name);
        END IF;
    END LOOP;
END
$$
