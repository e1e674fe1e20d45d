-- A request with a hundred recipients cost ten microseconds for each of them, half of which was the foreign key: it is checked row by row, by a query
-- each. Now it is checked once for each task of a statement. What it promised stays: no recipient without a task, and a task that is deleted takes
-- its recipients with it. Polls and transitions keep their foreign keys.

-- A session keeps the plans of a function. One that was made while the table of tasks was small would read all tasks for each look-up until the next
-- ANALYZE, so these functions, and the triggers that run inside them, plan without sequential scans.

-- Recipients and their task ------------------------------------------------------------------------------------------------------

CREATE FUNCTION "delivery_require_task"() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT SET jit TO off SET enable_seqscan TO off
AS $$
DECLARE
    v_missing bigint;
BEGIN
    -- The lock is that of a foreign key: a task that another transaction deletes is waited for, and then it is missing.
    IF TG_OP = 'UPDATE' THEN
        PERFORM FROM delivery_task WHERE id = NEW.task_pk FOR KEY SHARE;
        IF NOT FOUND THEN
            v_missing := NEW.task_pk;
        END IF;
    ELSE
        -- LATERAL with LIMIT makes it a look-up by key for each task.
        SELECT touched.task_pk INTO v_missing
        FROM (SELECT DISTINCT task_pk FROM added) AS touched
        LEFT JOIN LATERAL (SELECT stored.id FROM delivery_task AS stored WHERE stored.id = touched.task_pk LIMIT 1 FOR KEY SHARE) AS task ON true
        WHERE task.id IS NULL;
    END IF;
    IF v_missing IS NOT NULL THEN
        RAISE EXCEPTION USING ERRCODE = '23503', TABLE = 'delivery_recipient', COLUMN = 'task_pk',
            MESSAGE = format('There is no task with the id %s for a recipient.', v_missing);
    END IF;
    RETURN NULL;
END
$$;

CREATE FUNCTION "delivery_remove_recipients"() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT SET jit TO off SET enable_seqscan TO off
AS $$
BEGIN
    -- An older snapshot would not show recipients that were added since.
    IF current_setting('transaction_isolation') <> 'read committed' THEN
        RAISE EXCEPTION USING ERRCODE = '25001', MESSAGE = format('%s of delivery_task works in READ COMMITTED transactions only.', TG_OP);
    END IF;
    IF TG_OP = 'TRUNCATE' THEN
        DELETE FROM delivery_recipient;
    ELSE
        DELETE FROM delivery_recipient WHERE task_pk = ANY (ARRAY(SELECT id FROM removed ORDER BY id));
    END IF;
    RETURN NULL;
END
$$;

CREATE TRIGGER "delivery_recipient_task" AFTER INSERT ON "delivery_recipient"
    REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION "delivery_require_task"();
-- A poll does not name the column, so it costs a poll nothing.
CREATE TRIGGER "delivery_recipient_moved" AFTER UPDATE OF "task_pk" ON "delivery_recipient"
    FOR EACH ROW WHEN (OLD.task_pk IS DISTINCT FROM NEW.task_pk) EXECUTE FUNCTION "delivery_require_task"();
-- Its name comes before that of the trigger that marks the campaigns.
CREATE TRIGGER "delivery_task_recipients" AFTER DELETE ON "delivery_task"
    REFERENCING OLD TABLE AS removed FOR EACH STATEMENT EXECUTE FUNCTION "delivery_remove_recipients"();
CREATE TRIGGER "delivery_task_recipients_emptied" AFTER TRUNCATE ON "delivery_task"
    FOR EACH STATEMENT EXECUTE FUNCTION "delivery_remove_recipients"();

ALTER TABLE "delivery_recipient" DROP CONSTRAINT "delivery_recipient_task_pk_fkey";

DO $migration$
DECLARE
    v_function text;
BEGIN
    FOREACH v_function IN ARRAY ARRAY['delivery_require_task', 'delivery_remove_recipients'] LOOP
        EXECUTE format('ALTER FUNCTION %I() SET search_path = %I, pg_temp', v_function, current_schema());
        EXECUTE format('REVOKE ALL ON FUNCTION %I() FROM PUBLIC', v_function);
    END LOOP;
END
$migration$;

-- Requests -----------------------------------------------------------------------------------------------------------------------

DO $migration$
BEGIN
    EXECUTE split_part(pg_get_functiondef('delivery_track'::regproc), 'AS $function$', 1) || 'AS ' || quote_literal($body$
#variable_conflict use_column
DECLARE
    v_now CONSTANT timestamptz := clock_timestamp();
    v_request jsonb;
    v_known record;
    v_new integer[];
BEGIN
    -- What is plain is recognised at once, and all else is checked one by one.
    FOR v_request IN
        SELECT each.request
        FROM jsonb_array_elements(p_requests) WITH ORDINALITY AS each (request, place)
        WHERE (
            (each.request ->> 'app' IS NULL OR each.request ->> 'app' ~ '^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$')
            AND each.request ->> 'taskId' ~ '^[1-9][0-9]{0,17}$'
            AND (each.request ->> 'agentId' IS NULL OR each.request ->> 'agentId' ~ '^[1-9][0-9]{0,17}$')
            AND (each.request ->> 'campaign' IS NULL OR each.request ->> 'campaign' ~ '^[A-Za-z0-9_.-]{1,200}$')
            AND (each.request ->> 'sentAt' IS NULL OR (each.request ->> 'sentAt')::timestamptz BETWEEN '2015-01-01T00:00:00Z' AND v_now)
            AND (
                each.request ->> 'userIds' IS NULL
                OR (
                    -- One pattern for the list as text costs a twentieth of one for each id.
                    (each.request -> 'userIds')::text ~ '^\["[A-Za-z0-9_.@\u4e00-\u9fff-]+"(?:, "[A-Za-z0-9_.@\u4e00-\u9fff-]+")*\]$'
                    AND (each.request -> 'userIds')::text !~ '[^"]{129}'
                    AND CASE WHEN jsonb_typeof(each.request -> 'userIds') = 'array' THEN jsonb_array_length(each.request -> 'userIds') <= 100 END
                )
            )
        ) IS NOT TRUE
        ORDER BY each.place
    LOOP
        PERFORM delivery_check_request(v_request, v_now);
    END LOOP;

    -- The first request for each task. Every writer takes the tasks and their recipients in the same order, so that no two wait for each other.
    WITH request AS MATERIALIZED (
        -- Each list is sorted once; a sort of all recipients together costs more. A list that is left out has no names.
        SELECT given.*, ARRAY(SELECT DISTINCT each.name COLLATE "C" FROM jsonb_array_elements_text(given.user_ids) AS each (name) ORDER BY 1) AS names
        FROM delivery_requests(p_requests, v_now) AS given WHERE given.turn = 1
    ), task AS (
        INSERT INTO delivery_task (app, task_id, agent_id, campaign, sent_at, sent_at_given, deadline_at, recipients_known, next_poll_at, pending)
        SELECT
            request.app, request.task_id, request.agent_id, request.campaign, request.sent_at, request.sent_at_given,
            request.sent_at + interval '24 hours', request.user_ids IS NOT NULL, now(), cardinality(request.names)
        FROM request
        ORDER BY request.app COLLATE "C", request.task_id COLLATE "C"
        ON CONFLICT (app, task_id) DO NOTHING
        RETURNING id, app, task_id
    ), fresh AS MATERIALIZED (
        SELECT task.id, request.place, request.names
        FROM task JOIN request ON request.app = task.app AND request.task_id = task.task_id
        ORDER BY task.id
    ), person AS (
        INSERT INTO delivery_recipient (task_pk, user_id, named, state)
        SELECT fresh.id, each.name, true, 'pending' FROM fresh CROSS JOIN LATERAL unnest(fresh.names) AS each (name)
    )
    SELECT coalesce(array_agg(fresh.place), '{}') INTO v_new FROM fresh;
    RETURN QUERY SELECT each.place, true, 'tracking', '{}'::text[], '{}'::text[], NULL::jsonb FROM unnest(v_new) AS each (place);
    IF cardinality(v_new) < jsonb_array_length(p_requests) THEN
        FOR v_known IN
            SELECT request.*
            FROM delivery_requests(p_requests, v_now) AS request
            WHERE request.place <> ALL (v_new)
            ORDER BY request.turn, request.app COLLATE "C", request.task_id COLLATE "C"
        LOOP
            RETURN QUERY SELECT v_known.place, false, again.status, again.conflict, again.updated, again.stored
            FROM delivery_track_again(
                v_known.app, v_known.task_id, v_known.agent_id, v_known.campaign, v_known.sent_at, v_known.sent_at_given, v_known.user_ids
            ) AS again;
        END LOOP;
    END IF;
END
$body$);
    ALTER FUNCTION delivery_track(jsonb) SET enable_seqscan TO off;
END
$migration$;

-- Comments -----------------------------------------------------------------------------------------------------------------------

COMMENT ON FUNCTION "delivery_require_task"() IS 'Internal: raises an exception where a recipient has no task.';
COMMENT ON FUNCTION "delivery_remove_recipients"() IS 'Internal: deletes the recipients of deleted tasks.';
