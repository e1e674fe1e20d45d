-- Who may do what in the tracker's database: five roles without a login, of which your own logins become members.
--
--   delivery_migrate  owns the tracker's tables and the queue's, and may change them: npx dingtalk-delivery migrate, start
--   delivery_worker   reads and writes their rows, and no more: npx dingtalk-delivery worker, serve, track, cancel, doctor; createTracker with databaseUrl.
--                     It sees no name of a person
--   delivery_names    the names and departments of people, to see and to change them: npx dingtalk-delivery people, and beside another role serve, report, show, unread
--   delivery_read     the public views and two functions: npx dingtalk-delivery report, show, unread; createRates; a BI tool
--   delivery_send     track_delivery (and delivery_track, which does the same for many) and nothing else: your own program, through SQL or createTracker with databaseUrl
--
-- Run it as a superuser (or as the owner of the database, with CREATEROLE) before the first migrate, and again after each, which gives rights on the
-- new tables and functions. Running it again is safe. Run it in the database that DATABASE_URL names:
--
--   psql --single-transaction --set ON_ERROR_STOP=1 --file deploy/postgres/roles.sql postgres://…
--
-- The schema of the tracker's tables is found as the program finds it (docs/database.md), and made where there is none. Where DATABASE_SCHEMA or
-- QUEUE_SCHEMA is set, name them before the file:
--
--   psql … --command "SET dingtalk.schema = 'tracker'; SET dingtalk.queue_schema = 'tracker_queue'" --file deploy/postgres/roles.sql postgres://…
--
-- Then, with passwords of your own:
--
--   CREATE ROLE tracker_migrate LOGIN PASSWORD '…' IN ROLE delivery_migrate;
--   ALTER ROLE tracker_migrate SET role = delivery_migrate;  -- so that the role owns what it makes, and not the login
--   CREATE ROLE tracker_worker LOGIN PASSWORD '…' IN ROLE delivery_worker;
--   CREATE ROLE tracker_serve LOGIN PASSWORD '…' IN ROLE delivery_worker, delivery_names;  -- without delivery_names the dashboard shows user ids
--   CREATE ROLE payroll LOGIN PASSWORD '…' IN ROLE delivery_send;

-- An empty setting is one that was set in this session before.
SELECT
    set_config('dingtalk.queue_schema', coalesce(nullif(current_setting('dingtalk.queue_schema', true), ''), 'bullmq'), false) AS queue_schema,
    set_config('dingtalk.schema', coalesce(nullif(current_setting('dingtalk.schema', true), ''), (
        SELECT place.nspname::text
        FROM pg_class AS task JOIN pg_namespace AS place ON place.oid = task.relnamespace
        WHERE task.relname = 'delivery_task' AND task.relkind = 'r' AND (place.nspname IN ('dingtalk', 'public') OR place.nspname = ANY (current_schemas(false)))
            AND EXISTS (SELECT FROM pg_class AS other WHERE other.relnamespace = place.oid AND other.relname = 'delivery_transition' AND other.relkind IN ('r', 'v'))
            AND EXISTS (SELECT FROM pg_proc AS routine WHERE routine.pronamespace = place.oid AND routine.proname = 'track_delivery')
        ORDER BY place.nspname <> 'dingtalk', array_position(current_schemas(false), place.nspname) LIMIT 1
    ), 'dingtalk'), false) AS schema;

DO $$
DECLARE
    v_role text;
BEGIN
    FOREACH v_role IN ARRAY ARRAY['delivery_migrate', 'delivery_worker', 'delivery_names', 'delivery_read', 'delivery_send'] LOOP
        BEGIN
            IF to_regrole(v_role) IS NULL THEN
                EXECUTE format('CREATE ROLE %I NOLOGIN', v_role);
            END IF;
        EXCEPTION WHEN duplicate_object OR unique_violation THEN
            -- Roles are the whole server's: this ran in another of its databases at the same time.
            NULL;
        END;
    END LOOP;
    -- Only a member of a role can transfer objects to it. Superusers are members of every role.
    IF NOT pg_has_role(current_user, 'delivery_migrate', 'USAGE') THEN
        EXECUTE format('GRANT delivery_migrate TO %I', current_user);
    END IF;
END
$$;

-- The database and its schema -----------------------------------------------------------------------------------------

DO $$
BEGIN
    EXECUTE format('GRANT CONNECT ON DATABASE %I TO delivery_migrate, delivery_worker, delivery_names, delivery_read, delivery_send', current_database());
    -- For the queue's schema, where the queue is in PostgreSQL.
    EXECUTE format('GRANT CREATE ON DATABASE %I TO delivery_migrate', current_database());
    -- The queue collects what it adds in a temporary table.
    EXECUTE format('GRANT TEMPORARY ON DATABASE %I TO delivery_worker', current_database());
END
$$;

DO $$
DECLARE
    v_schema CONSTANT text := current_setting('dingtalk.schema');
BEGIN
    IF NOT EXISTS (SELECT FROM pg_namespace WHERE nspname = v_schema) THEN
        EXECUTE format('CREATE SCHEMA %I', v_schema);
    END IF;
    IF v_schema = 'public' THEN
        -- The default from PostgreSQL 15 on. A role that may make functions there could have the tracker's functions call them.
        REVOKE CREATE ON SCHEMA public FROM PUBLIC;
        GRANT CREATE ON SCHEMA public TO delivery_migrate;
    ELSE
        EXECUTE format('ALTER SCHEMA %I OWNER TO delivery_migrate', v_schema);
    END IF;
    EXECUTE format('GRANT USAGE ON SCHEMA %I TO delivery_migrate, delivery_worker, delivery_names, delivery_read, delivery_send', v_schema);
END
$$;

-- What migrations will make -------------------------------------------------------------------------------------------

ALTER DEFAULT PRIVILEGES FOR ROLE delivery_migrate GRANT USAGE ON SCHEMAS TO delivery_worker;
ALTER DEFAULT PRIVILEGES FOR ROLE delivery_migrate GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO delivery_worker;
ALTER DEFAULT PRIVILEGES FOR ROLE delivery_migrate GRANT USAGE, SELECT ON SEQUENCES TO delivery_worker;
ALTER DEFAULT PRIVILEGES FOR ROLE delivery_migrate REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;
ALTER DEFAULT PRIVILEGES FOR ROLE delivery_migrate GRANT EXECUTE ON FUNCTIONS TO delivery_worker;

-- What is there -------------------------------------------------------------------------------------------------------

DO $$
DECLARE
    v_schema CONSTANT text := current_setting('dingtalk.schema');
    -- NULL: there is no queue. In a schema without BullMQ's record of migrations nothing is the queue's.
    v_queue CONSTANT text := (
        SELECT place.nspname::text FROM pg_namespace AS place JOIN pg_class AS ledger ON ledger.relnamespace = place.oid
        WHERE place.nspname = current_setting('dingtalk.queue_schema') AND place.nspname NOT IN ('public', v_schema)
            AND ledger.relname = 'migration' AND ledger.relkind = 'r'
    );
    -- One statement each, in order.
    v_statement text;
BEGIN
    -- Tables, views and sequences. A sequence that belongs to a column follows its table.
    FOR v_statement IN
        SELECT format(part.text, relation.oid::regclass)
        FROM pg_class AS relation
        JOIN pg_namespace AS schema ON schema.oid = relation.relnamespace
        CROSS JOIN LATERAL unnest(CASE
            WHEN relation.relkind = 'S' THEN ARRAY['ALTER SEQUENCE %s OWNER TO delivery_migrate', 'GRANT USAGE, SELECT ON SEQUENCE %s TO delivery_worker']
            -- A partition is read and written through its table.
            WHEN relation.relispartition AND schema.nspname = v_schema
                THEN ARRAY['ALTER TABLE %s OWNER TO delivery_migrate', 'REVOKE ALL ON %s FROM delivery_worker']
            -- Names are no part of a worker's work.
            WHEN schema.nspname = v_schema AND relation.relname IN ('delivery_person', 'delivery_people')
                THEN ARRAY['ALTER TABLE %s OWNER TO delivery_migrate', 'REVOKE ALL ON %s FROM delivery_worker']
            ELSE ARRAY['ALTER TABLE %s OWNER TO delivery_migrate', 'GRANT SELECT, INSERT, UPDATE, DELETE ON %s TO delivery_worker']
        END) WITH ORDINALITY AS part (text, place)
        WHERE ((schema.nspname = v_schema AND relation.relname LIKE 'delivery\_%') OR schema.nspname = v_queue)
            AND relation.relkind IN ('r', 'p', 'v', 'm', 'S')
            AND NOT EXISTS (
                SELECT FROM pg_depend AS owned
                WHERE owned.classid = 'pg_class'::regclass AND owned.objid = relation.oid AND owned.deptype IN ('a', 'i') AND owned.refobjsubid > 0
                    AND relation.relkind = 'S')
        ORDER BY relation.oid, part.place
    LOOP
        EXECUTE v_statement;
    END LOOP;

    -- Only the worker may call functions. Those with a search path of their own search temporary tables last. Otherwise a role that may
    -- make a temporary table could put it in the place of a table, and the function, which runs as its owner, would write there.
    FOR v_statement IN
        SELECT format(part.text, routine.oid::regprocedure)
        FROM pg_proc AS routine
        JOIN pg_namespace AS schema ON schema.oid = routine.pronamespace
        CROSS JOIN LATERAL unnest(ARRAY[
            'ALTER FUNCTION %s OWNER TO delivery_migrate',
            'REVOKE EXECUTE ON FUNCTION %s FROM PUBLIC',
            CASE WHEN schema.nspname = v_schema AND routine.proname = 'delivery_put_people'
                THEN 'REVOKE EXECUTE ON FUNCTION %s FROM delivery_worker' ELSE 'GRANT EXECUTE ON FUNCTION %s TO delivery_worker' END,
            CASE WHEN schema.nspname = v_schema AND routine.proconfig::text LIKE '%search_path=%'
                THEN 'ALTER FUNCTION %s SET search_path = ' || replace(quote_ident(v_schema), '%', '%%') || ', pg_temp' END
        ]) WITH ORDINALITY AS part (text, place)
        WHERE (schema.nspname = v_queue OR (schema.nspname = v_schema AND (routine.proname LIKE 'delivery\_%' OR routine.proname = 'track_delivery')))
            AND part.text IS NOT NULL
        ORDER BY routine.oid, part.place
    LOOP
        EXECUTE v_statement;
    END LOOP;

    -- The queue's enumerations, and its schema.
    FOR v_statement IN
        SELECT format('ALTER TYPE %s OWNER TO delivery_migrate', type.oid::regtype)
        FROM pg_type AS type
        JOIN pg_namespace AS schema ON schema.oid = type.typnamespace
        LEFT JOIN pg_class AS relation ON relation.oid = type.typrelid
        WHERE schema.nspname = v_queue AND (type.typtype IN ('d', 'e') OR (type.typtype = 'c' AND relation.relkind = 'c'))
    LOOP
        EXECUTE v_statement;
    END LOOP;
    IF v_queue IS NOT NULL THEN
        EXECUTE format('ALTER SCHEMA %I OWNER TO delivery_migrate', v_queue);
        EXECUTE format('GRANT USAGE ON SCHEMA %I TO delivery_worker', v_queue);
    END IF;

    -- In "public" a program of yours that uses Prisma may share the table of migrations, so its owner does not change there.
    FOR v_statement IN
        SELECT format(part.text, relation.oid::regclass)
        FROM pg_class AS relation
        JOIN pg_namespace AS schema ON schema.oid = relation.relnamespace
        CROSS JOIN LATERAL unnest(ARRAY[
            CASE WHEN v_schema <> 'public' THEN 'ALTER TABLE %s OWNER TO delivery_migrate' END,
            'GRANT SELECT, INSERT, UPDATE ON %s TO delivery_migrate',
            'REVOKE INSERT, UPDATE, DELETE ON %s FROM delivery_worker',
            'GRANT SELECT ON %s TO delivery_worker'
        ]) WITH ORDINALITY AS part (text, place)
        WHERE schema.nspname = v_schema AND relation.relname = '_prisma_migrations' AND relation.relkind = 'r' AND part.text IS NOT NULL
        ORDER BY part.place
    LOOP
        EXECUTE v_statement;
    END LOOP;

    IF NOT EXISTS (
        SELECT FROM pg_class AS relation JOIN pg_namespace AS schema ON schema.oid = relation.relnamespace
        WHERE schema.nspname = v_schema AND relation.relname = 'delivery_task'
    ) THEN
        RAISE NOTICE 'Nothing is here yet. Run "npx dingtalk-delivery migrate" as a member of delivery_migrate, and then this again.';
        RETURN;
    END IF;

    -- Reading: what docs/queries.md explains.
    FOR v_statement IN
        SELECT format('GRANT SELECT ON %s TO delivery_read', to_regclass(quote_ident(v_schema) || '.' || name))
        FROM unnest(ARRAY[
            'delivery_task_rates', 'delivery_campaign_rates', 'delivery_recipient_status', 'delivery_campaign_people',
            'delivery_read_curve', 'delivery_poll_history', 'delivery_looks', 'delivery_state_changes', 'delivery_app_usage', 'delivery_pair_status',
            'delivery_worker_status', 'delivery_department_rates', 'delivery_known_people', 'delivery_laws', 'delivery_task_read_times',
            'delivery_task_keys', 'delivery_task_people', 'delivery_rosters'
        ]) AS name
        WHERE to_regclass(quote_ident(v_schema) || '.' || name) IS NOT NULL
    LOOP
        EXECUTE v_statement;
    END LOOP;
    FOR v_statement IN
        SELECT format('GRANT EXECUTE ON FUNCTION %s TO delivery_read', to_regprocedure(quote_ident(v_schema) || '.' || signature))
        FROM unnest(ARRAY['delivery_state_at(text, text, timestamptz)', 'delivery_forbidden_reason(text)', 'delivery_name_parts(text)']) AS signature
        WHERE to_regprocedure(quote_ident(v_schema) || '.' || signature) IS NOT NULL
    LOOP
        EXECUTE v_statement;
    END LOOP;

    -- Names: a role that may SELECT from delivery_people sees them in all views. It writes through the function alone, which leaves out who was erased.
    FOR v_statement IN
        SELECT format('GRANT ' || given.rights || ' TO delivery_names', to_regclass(quote_ident(v_schema) || '.' || given.name))
        FROM (VALUES
            ('SELECT ON %s', 'delivery_people'), ('SELECT ON %s', 'delivery_known_people'), ('SELECT ON %s', 'delivery_department_rates'),
            ('SELECT, DELETE ON %s', 'delivery_person')
        ) AS given (rights, name)
        WHERE to_regclass(quote_ident(v_schema) || '.' || given.name) IS NOT NULL
    LOOP
        EXECUTE v_statement;
    END LOOP;
    FOR v_statement IN
        SELECT format('GRANT EXECUTE ON FUNCTION %s TO delivery_names', to_regprocedure(quote_ident(v_schema) || '.' || signature))
        FROM unnest(ARRAY['delivery_put_people(jsonb, text, boolean)', 'delivery_name_parts(text)']) AS signature
        WHERE to_regprocedure(quote_ident(v_schema) || '.' || signature) IS NOT NULL
    LOOP
        EXECUTE v_statement;
    END LOOP;

    -- Sending: the two functions write as their owner, so a sender needs no right on a table, and cannot write what they refuse.
    FOR v_statement IN
        SELECT format(part.text, to_regprocedure(quote_ident(v_schema) || '.' || signature))
        FROM unnest(ARRAY['track_delivery(text, text, text[], text, text, timestamptz)', 'delivery_track(jsonb)']) AS signature
        CROSS JOIN LATERAL unnest(ARRAY[
            'ALTER FUNCTION %s SECURITY DEFINER SET search_path = ' || replace(quote_ident(v_schema), '%', '%%') || ', pg_temp',
            'GRANT EXECUTE ON FUNCTION %s TO delivery_send'
        ]) AS part (text)
        WHERE to_regprocedure(quote_ident(v_schema) || '.' || signature) IS NOT NULL
    LOOP
        EXECUTE v_statement;
    END LOOP;
END
$$;
