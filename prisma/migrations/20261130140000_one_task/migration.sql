-- A request for one new task, with names that are plain, cost 0.75 ms for 100 people. A third of that was two triggers, which planned their statements
-- anew in each call and went through the people twice; another third was reading JSON and statements for many requests. Now one trigger does
-- the work of both, and a single new task is stored by two statements whose plans are kept.

-- Added people -------------------------------------------------------------------------------------------------------------------

-- Requires their task, marks its campaign, and forgets its brackets. Plans are generic, so that they are made once in a session: PostgreSQL would plan for
-- the length of a list in each call. And without sequential scans, since a session keeps the plans that it made while the tables were small.
CREATE OR REPLACE FUNCTION "delivery_mark_added"() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT SET jit TO off SET enable_seqscan TO off SET plan_cache_mode TO force_generic_plan
AS $$
DECLARE
    v_first bigint;
    v_last bigint;
    v_tasks bigint[];
    v_missing bigint;
    v_app text;
    v_campaign text;
BEGIN
    SELECT min(task_pk), max(task_pk) INTO v_first, v_last FROM added;
    IF v_first IS NULL THEN
        RETURN NULL;
    END IF;
    -- FOR SHARE, here and in the other functions: a task that another transaction moves to another campaign is waited for, or the mark would go to the
    -- one it left; one that another transaction deletes is waited for, and then it is missing. A poll holds a stronger lock on its tasks already,
    -- and no other transaction sees a task that is being tracked: neither waits.
    IF v_first = v_last THEN
        SELECT app, campaign INTO v_app, v_campaign FROM delivery_task WHERE id = v_first FOR SHARE;
        IF NOT FOUND THEN
            v_missing := v_first;
        ELSIF v_campaign IS NOT NULL THEN
            INSERT INTO delivery_campaign_change (app, campaign) VALUES (v_app, v_campaign);
        END IF;
        v_tasks := ARRAY[v_first];
    ELSE
        v_tasks := ARRAY(SELECT DISTINCT task_pk FROM added);
        -- LATERAL with LIMIT makes it a look-up by key for each task.
        WITH task AS MATERIALIZED (
            SELECT touched.task_pk, found.id, found.app, found.campaign
            FROM unnest(v_tasks) AS touched (task_pk)
            LEFT JOIN LATERAL (SELECT id, app, campaign FROM delivery_task AS stored WHERE stored.id = touched.task_pk LIMIT 1 FOR SHARE) AS found ON true
        ), mark AS (
            INSERT INTO delivery_campaign_change (app, campaign) SELECT DISTINCT app, campaign FROM task WHERE campaign IS NOT NULL
        )
        SELECT min(task_pk) INTO v_missing FROM task WHERE id IS NULL;
    END IF;
    IF v_missing IS NOT NULL THEN
        RAISE EXCEPTION USING ERRCODE = '23503', TABLE = 'delivery_recipient', COLUMN = 'task_pk',
            MESSAGE = format('There is no task with the id %s for a recipient.', v_missing);
    END IF;
    -- There are some of ended tasks only, and a look costs less than a deletion.
    IF EXISTS (SELECT FROM delivery_task_brackets WHERE task_pk = ANY (v_tasks)) THEN
        DELETE FROM delivery_task_brackets WHERE task_pk = ANY (v_tasks);
    END IF;
    RETURN NULL;
END
$$;

DROP TRIGGER "delivery_recipient_task" ON "delivery_recipient";

-- What is left of it: a recipient who changes tasks.
CREATE OR REPLACE FUNCTION "delivery_require_task"() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT SET jit TO off SET enable_seqscan TO off
AS $$
BEGIN
    -- The lock is that of a foreign key: a task that another transaction deletes is waited for, and then it is missing.
    PERFORM FROM delivery_task WHERE id = NEW.task_pk FOR KEY SHARE;
    IF NOT FOUND THEN
        RAISE EXCEPTION USING ERRCODE = '23503', TABLE = 'delivery_recipient', COLUMN = 'task_pk',
            MESSAGE = format('There is no task with the id %s for a recipient.', NEW.task_pk);
    END IF;
    RETURN NULL;
END
$$;

CREATE OR REPLACE FUNCTION "delivery_mark_tasks_added"() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT
AS $$
BEGIN
    INSERT INTO delivery_campaign_change (app, campaign, whole) SELECT DISTINCT app, campaign, false FROM added WHERE campaign IS NOT NULL;
    -- A new task is open, and a look costs less than an insertion.
    IF EXISTS (SELECT FROM added WHERE status <> 'tracking') THEN
        INSERT INTO delivery_task_end (app, status, tasks, task_pk) SELECT app, status, 1, id FROM added WHERE status <> 'tracking';
    END IF;
    RETURN NULL;
END
$$;

-- Requests -----------------------------------------------------------------------------------------------------------------------

-- Stores a task that is not known, with its people. False: it is known, and nothing is stored. The same as the statement for many in delivery_track.
CREATE FUNCTION "delivery_add_task"(
    p_app text, p_task_id text, p_agent_id text, p_campaign text, p_sent_at timestamptz, p_sent_at_given boolean, p_names text[]
) RETURNS boolean
LANGUAGE plpgsql SET search_path FROM CURRENT SET jit TO off SET enable_seqscan TO off SET plan_cache_mode TO force_generic_plan
AS $$
DECLARE
    v_id bigint;
BEGIN
    INSERT INTO delivery_task (app, task_id, agent_id, campaign, sent_at, sent_at_given, deadline_at, recipients_known, next_poll_at, pending)
    VALUES (
        p_app, p_task_id, p_agent_id, p_campaign, p_sent_at, p_sent_at_given,
        p_sent_at + interval '24 hours', p_names IS NOT NULL, now(), coalesce(cardinality(p_names), 0)
    )
    ON CONFLICT (app, task_id) DO NOTHING
    RETURNING id INTO v_id;
    IF v_id IS NULL THEN
        RETURN false;
    END IF;
    IF p_names IS NOT NULL THEN
        INSERT INTO delivery_recipient (task_pk, user_id, named, state) SELECT v_id, each.name, true, 'pending' FROM unnest(p_names) AS each (name);
    END IF;
    RETURN true;
END
$$;

-- Both keep their attributes, among them that of deploy/postgres/roles.sql.
DO $migration$
BEGIN
    EXECUTE split_part(pg_get_functiondef('delivery_track'::regproc), 'AS $function$', 1) || 'AS ' || quote_literal($body$
#variable_conflict use_column
DECLARE
    v_now CONSTANT timestamptz := clock_timestamp();
    v_request jsonb;
    v_given record;
    v_known record;
    v_new integer[] := '{}';
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

    IF jsonb_array_length(p_requests) = 1 THEN
        SELECT * INTO v_given FROM delivery_requests(p_requests, v_now);
        IF delivery_add_task(
            v_given.app, v_given.task_id, v_given.agent_id, v_given.campaign, v_given.sent_at, v_given.sent_at_given,
            CASE WHEN v_given.user_ids IS NOT NULL THEN
                ARRAY(SELECT DISTINCT each.name COLLATE "C" FROM jsonb_array_elements_text(v_given.user_ids) AS each (name) ORDER BY 1)
            END
        ) THEN
            v_new := ARRAY[v_given.place];
        END IF;
    ELSE
        -- The first request for each task. Every writer takes the tasks and their recipients in the same order, so that no two wait for each other.
        WITH request AS MATERIALIZED (
            -- Each list is sorted once; a sort of all recipients together costs more. A list that is left out has no names.
            SELECT given.*, ARRAY(SELECT DISTINCT each.name COLLATE "C" FROM jsonb_array_elements_text(given.user_ids) AS each (name) ORDER BY 1) AS names
            -- The planner takes = 1 for a single row, and would compare each task with each request.
            FROM delivery_requests(p_requests, v_now) AS given WHERE given.turn < 2
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
    END IF;
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

    EXECUTE split_part(pg_get_functiondef('track_delivery'::regproc), 'AS $function$', 1) || 'AS ' || quote_literal($body$
DECLARE
    v_now CONSTANT timestamptz := clock_timestamp();
    v_app CONSTANT text := coalesce(app, 'default');
    v_people CONSTANT text := user_ids::text;
    v_result record;
BEGIN
    -- A plain request for a new task, by the patterns of delivery_track. All else goes the way of all other requests, and is checked and explained there.
    -- The text of a list has each id with a comma, a space or the like, and the word NULL, in quotation marks.
    IF v_app ~ '^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$'
        AND task_id ~ '^[1-9][0-9]{0,17}$'
        AND (agent_id IS NULL OR agent_id ~ '^[1-9][0-9]{0,17}$')
        AND (campaign IS NULL OR campaign ~ '^[A-Za-z0-9_.-]{1,200}$')
        AND (sent_at IS NULL OR sent_at BETWEEN '2015-01-01T00:00:00Z' AND v_now)
        AND (
            user_ids IS NULL
            OR (
                v_people ~ '^\{[A-Za-z0-9_.@,\u4e00-\u9fff-]+\}$' AND v_people !~ '[^,]{129}'
                AND cardinality(user_ids) <= 100 AND array_position(user_ids, NULL) IS NULL
            )
        )
    THEN
        IF delivery_add_task(
            v_app, task_id, agent_id, campaign, least(coalesce(sent_at, now()), v_now), sent_at IS NOT NULL,
            CASE WHEN user_ids IS NOT NULL THEN ARRAY(SELECT DISTINCT each.name COLLATE "C" FROM unnest(user_ids) AS each (name) ORDER BY 1) END
        ) THEN
            RETURN true;
        END IF;
    END IF;

    SELECT * INTO v_result FROM delivery_track(jsonb_build_array(jsonb_build_object(
        'taskId', task_id, 'agentId', agent_id, 'userIds', to_jsonb(user_ids), 'campaign', campaign, 'app', app, 'sentAt', sent_at)));
    IF v_result.conflict <> '{}' THEN
        RAISE WARNING USING MESSAGE = format(
            'Task %s of app %s is known already with another %s, and keeps it: it has been polled, or it has ended. Check which of the two is right.',
            task_id, coalesce(app, 'default'), array_to_string(v_result.conflict, ', '));
    END IF;
    RETURN v_result.is_new;
END
$body$);
END
$migration$;

-- Names and rights ---------------------------------------------------------------------------------------------------------------

DO $migration$
DECLARE
    v_function text;
BEGIN
    FOREACH v_function IN ARRAY ARRAY[
        'delivery_mark_added()', 'delivery_require_task()', 'delivery_mark_tasks_added()',
        'delivery_add_task(text, text, text, text, timestamptz, boolean, text[])'
    ] LOOP
        EXECUTE format('ALTER FUNCTION %s SET search_path = %I, pg_temp', v_function, current_schema());
    END LOOP;
END
$migration$;

-- Comments -----------------------------------------------------------------------------------------------------------------------

COMMENT ON FUNCTION "delivery_mark_added"() IS 'Internal: requires the tasks of new recipients, marks their campaigns as changed, and removes brackets that are kept of them.';
COMMENT ON FUNCTION "delivery_require_task"() IS 'Internal: raises an exception where a recipient moves to a task that there is not.';
COMMENT ON FUNCTION "delivery_add_task"(text, text, text, text, timestamptz, boolean, text[]) IS 'Internal: stores one new task with its recipients; false where it is known.';
