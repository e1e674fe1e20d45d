-- One function for all ways to enqueue, for many requests at once. A request for a task that is there already is compared with it: a task that
-- never had a successful poll takes what is newer and is polled at once; any other keeps what it has, and the answer names what differs.

-- Checks -----------------------------------------------------------------------------------------------------------------------

-- The checks and their messages are those of src/core/track-request.ts, in its order. A test compares them.
CREATE FUNCTION "delivery_check_request"(p_request jsonb, p_now timestamptz) RETURNS void
LANGUAGE plpgsql SET search_path FROM CURRENT
AS $$
DECLARE
    v_app CONSTANT text := coalesce(p_request ->> 'app', 'default');
    v_id record;
    v_user_ids CONSTANT jsonb := nullif(p_request -> 'userIds', 'null'::jsonb);
    v_campaign CONSTANT text := p_request ->> 'campaign';
    v_sent_at CONSTANT timestamptz := p_request ->> 'sentAt';
    v_word CONSTANT text := '[^\u0001-\u002f\u003a-\u0040\u005b-\u0060\u007b-\u009f]';
    v_bad record;
    v_people integer;
BEGIN
    IF v_app !~ '^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$' THEN
        RAISE EXCEPTION USING ERRCODE = '22023', COLUMN = 'app', DETAIL = 'INVALID_INPUT', MESSAGE = format(
            'app must be 1 to 64 letters, digits, "_" or "-", beginning with a letter or digit, not %s. Use the name that the app has in the worker''s configuration.',
            delivery_shown(v_app));
    END IF;

    FOR v_id IN VALUES
        ('taskId', p_request ->> 'taskId', false, 'the task_id that DingTalk returned when the message was sent'),
        ('agentId', p_request ->> 'agentId', true, 'the agent id of the app that sent the message')
    LOOP
        -- Compared only where the digits are few enough to be a number.
        IF NOT (v_id.column3 AND v_id.column2 IS NULL) AND (CASE WHEN v_id.column2 ~ '^[1-9][0-9]{0,18}$' THEN v_id.column2::numeric <= 9223372036854775807 END) IS NOT TRUE THEN
            RAISE EXCEPTION USING ERRCODE = '22023', COLUMN = v_id.column1, DETAIL = 'INVALID_INPUT', MESSAGE = format(
                '%s must be a whole number from 1 to 9223372036854775807 in digits without leading zeros, not %s. Give %s.',
                v_id.column1, delivery_shown(v_id.column2), v_id.column4);
        END IF;
    END LOOP;

    IF v_user_ids IS NOT NULL THEN
        IF jsonb_typeof(v_user_ids) <> 'array' THEN
            RAISE EXCEPTION USING ERRCODE = '22023', COLUMN = 'userIds', DETAIL = 'INVALID_INPUT',
                MESSAGE = 'userIds must be a list of strings.';
        END IF;
        IF jsonb_array_length(v_user_ids) = 0 THEN
            RAISE EXCEPTION USING ERRCODE = '22023', COLUMN = 'userIds', DETAIL = 'INVALID_INPUT',
                MESSAGE = 'userIds is empty. Leave it out if the recipients are not known.';
        END IF;
        -- The patterns are those of USER_ID_FAULTS in src/core/track-rules.ts.
        SELECT given.place - 1 AS place, jsonb_typeof(given.item) AS kind, given.item #>> '{}' AS name, fault.advice INTO v_bad
        FROM jsonb_array_elements(v_user_ids) WITH ORDINALITY AS given (item, place)
        CROSS JOIN LATERAL (SELECT given.item #>> '{}' AS name) AS text
        CROSS JOIN LATERAL (
            SELECT CASE
                WHEN text.name ~ ('[,\u060c\u3001\ufe50\uff0c\uff64]|' || v_word || ' *[;|\uff1b\uff5c] *' || v_word || '|[^\t\r\n][\t\r\n]+[^\t\r\n]')
                    THEN 'looks like several ids in one, joined by commas, semicolons, tabs or line ends. Give each id as an item of its own.'
                WHEN text.name ~ '^["\u00ab\u00bb\u201c-\u201f\u300c-\u300f\uff02]|["\u00ab\u00bb\u201c-\u201f\u300c-\u300f\uff02]$|^(?:[''\u0060\u2018\u2019\uff07][^\n]*[''\u0060\u2018\u2019\uff07]$|\[[^\n]*\]$|\{[^\n]*\}$|''[=+@\uff0b\uff0d\uff1d\uff20-])'
                    THEN 'has quotation marks or brackets, which no id has. Give the id without them.'
                WHEN text.name ~ '[\u00ad\u061c\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]'
                    THEN 'has an invisible character, such as a zero-width space, which no id has. Give the id without it.'
            END AS advice
        ) AS fault
        WHERE jsonb_typeof(given.item) <> 'string' OR fault.advice IS NOT NULL OR NOT delivery_is_label(text.name, 128)
        ORDER BY given.place LIMIT 1;
        IF FOUND AND v_bad.kind <> 'string' THEN
            RAISE EXCEPTION USING ERRCODE = '22023', COLUMN = 'userIds', DETAIL = 'INVALID_INPUT', MESSAGE = format(
                'userIds[%s] must be a string, not %s: a number loses leading zeros.',
                v_bad.place, CASE v_bad.kind WHEN 'array' THEN 'a list' WHEN 'object' THEN 'an object' ELSE coalesce(v_bad.name, 'null') END);
        ELSIF FOUND AND v_bad.advice IS NOT NULL THEN
            RAISE EXCEPTION USING ERRCODE = '22023', COLUMN = 'userIds', DETAIL = 'INVALID_INPUT', MESSAGE = format(
                'userIds[%s] %s %s', v_bad.place, delivery_shown(v_bad.name), v_bad.advice);
        ELSIF FOUND THEN
            RAISE EXCEPTION USING ERRCODE = '22023', COLUMN = 'userIds', DETAIL = 'INVALID_INPUT', MESSAGE = format(
                'userIds[%s] must have 1 to 128 characters without spaces around them or control characters, not %s.',
                v_bad.place, delivery_shown(v_bad.name));
        END IF;
        SELECT count(DISTINCT given.name COLLATE "C") INTO v_people FROM jsonb_array_elements_text(v_user_ids) AS given (name);
        IF v_people > 100 THEN
            RAISE EXCEPTION USING ERRCODE = '22023', COLUMN = 'userIds', DETAIL = 'TOO_MANY_RECIPIENTS', MESSAGE = format(
                '%s recipients in one task: DingTalk reports at most 100. Send in batches of 100 and track each task id under one campaign.',
                v_people);
        END IF;
    END IF;

    IF v_campaign IS NOT NULL AND NOT delivery_is_label(v_campaign, 200) THEN
        RAISE EXCEPTION USING ERRCODE = '22023', COLUMN = 'campaign', DETAIL = 'INVALID_INPUT', MESSAGE = format(
            'campaign must have 1 to 200 characters without spaces around them or control characters, not %s. Leave it out for a task without a campaign.',
            delivery_shown(v_campaign));
    END IF;

    IF NOT isfinite(v_sent_at) THEN
        RAISE EXCEPTION USING ERRCODE = '22023', COLUMN = 'sentAt', DETAIL = 'INVALID_INPUT',
            MESSAGE = 'sentAt must be an ISO 8601 time with a time zone such as "2026-11-23T09:00:00+08:00", or epoch milliseconds, not an invalid date.';
    END IF;
    IF v_sent_at < '2015-01-01T00:00:00Z' THEN
        RAISE EXCEPTION USING ERRCODE = '22023', COLUMN = 'sentAt', DETAIL = 'INVALID_INPUT', MESSAGE = format(
            'sentAt %s is before 2015. Epoch times are milliseconds, not seconds.',
            to_char(v_sent_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'));
    END IF;
    IF v_sent_at > p_now + interval '15 minutes' THEN
        RAISE EXCEPTION USING ERRCODE = '22023', COLUMN = 'sentAt', DETAIL = 'INVALID_INPUT', MESSAGE = format(
            'sentAt %s is %s minutes in the future. Check the clock and the time zone of the sender.',
            to_char(v_sent_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'),
            round(extract(epoch FROM v_sent_at - p_now)::numeric / 60));
    END IF;
END
$$;

-- Requests ---------------------------------------------------------------------------------------------------------------------

-- The requests as rows. Of several for one task each has a turn of its own. A time of a clock that is ahead of the database's by more than two
-- seconds is an assumed one, and nothing is sent in the future.
CREATE FUNCTION "delivery_requests"(p_requests jsonb, p_now timestamptz)
RETURNS TABLE (
    place integer, turn integer, app text, task_id text, agent_id text, campaign text, sent_at timestamptz, sent_at_given boolean, user_ids jsonb
)
LANGUAGE sql STABLE
AS $$
    SELECT
        each.place::integer,
        (row_number() OVER (PARTITION BY coalesce(each.request ->> 'app', 'default'), each.request ->> 'taskId' ORDER BY each.place))::integer,
        coalesce(each.request ->> 'app', 'default'),
        each.request ->> 'taskId',
        each.request ->> 'agentId',
        each.request ->> 'campaign',
        least(coalesce((each.request ->> 'sentAt')::timestamptz, (each.request ->> 'assumedSentAt')::timestamptz, now()), p_now),
        coalesce((each.request ->> 'sentAt')::timestamptz <= p_now + interval '2 seconds', false),
        nullif(each.request -> 'userIds', 'null'::jsonb)
    FROM jsonb_array_elements(p_requests) WITH ORDINALITY AS each (request, place)
$$;

-- People of a request, each once. Who was erased is under their pseudonym: a later request does not bring the name back.
CREATE FUNCTION "delivery_named_people"(p_user_ids jsonb, p_app text, p_sent_at timestamptz) RETURNS text[]
LANGUAGE sql STABLE SET search_path FROM CURRENT
AS $$
    SELECT coalesce(array_agg(DISTINCT coalesce(erased.pseudonym, given.name) COLLATE "C"), '{}')
    FROM jsonb_array_elements_text(p_user_ids) AS given (name)
    LEFT JOIN LATERAL (
        SELECT erasure.pseudonym FROM delivery_erasure AS erasure
        WHERE (erasure.app IS NULL OR erasure.app = p_app) AND p_sent_at <= erasure.erased_at AND erasure.digest = delivery_digest(erasure.salt, given.name)
        ORDER BY erasure.id DESC LIMIT 1
    ) AS erased ON true
$$;

-- Whether a task has other named people. A pseudonym stands for one person whose name is not known any more, and so for any that is given;
-- but not while the erasure is kept, which tells whose it is.
CREATE FUNCTION "delivery_has_others"(p_task_pk bigint, p_people text[]) RETURNS boolean
LANGUAGE sql STABLE SET search_path FROM CURRENT
AS $$
    SELECT
        coalesce(bool_or(person.user_id NOT LIKE 'anonymous:%' OR person.user_id IN (SELECT pseudonym FROM delivery_erasure))
            FILTER (WHERE person.user_id <> ALL (p_people)), false)
        OR count(*) <> cardinality(p_people)
    FROM delivery_recipient AS person
    WHERE person.task_pk = p_task_pk AND person.named
$$;

-- A request for a task that is there already. Fields that a request leaves out never differ.
CREATE FUNCTION "delivery_track_again"(
    p_app text, p_task_id text, p_agent_id text, p_campaign text, p_sent_at timestamptz, p_sent_at_given boolean, p_user_ids jsonb,
    OUT status text, OUT conflict text[], OUT updated text[], OUT stored jsonb
)
LANGUAGE plpgsql SET search_path FROM CURRENT
AS $$
#variable_conflict use_column
DECLARE
    t delivery_task%ROWTYPE;
    v_locked boolean := false;
    v_open boolean;
    v_sent_at timestamptz;
    v_people text[];
    v_differs text[];
BEGIN
    LOOP
        -- Locked only where it is to be changed: a sender's transaction may be long, and the polls would wait for it.
        IF v_locked THEN
            SELECT * INTO t FROM delivery_task AS task WHERE task.app = p_app AND task.task_id = p_task_id FOR UPDATE;
        ELSE
            SELECT * INTO t FROM delivery_task AS task WHERE task.app = p_app AND task.task_id = p_task_id;
        END IF;
        IF NOT FOUND THEN
            RAISE EXCEPTION USING ERRCODE = '40001', MESSAGE = format('Task %s of app %s was deleted at this moment. Track it again.', p_task_id, p_app);
        END IF;
        -- Only earlier versions stopped a task inside its window.
        v_open := t.good_polls = 0 AND (t.status = 'tracking' OR (t.status = 'stopped' AND t.deadline_at > clock_timestamp()));
        v_sent_at := CASE
            WHEN NOT p_sent_at_given THEN NULL
            WHEN t.sent_at_given AND abs(extract(epoch FROM p_sent_at - t.sent_at)) <= 900 THEN NULL
            WHEN t.sent_at_given OR v_open THEN p_sent_at
        END;
        v_people := CASE WHEN p_user_ids IS NOT NULL THEN delivery_named_people(p_user_ids, p_app, coalesce(v_sent_at, t.sent_at)) END;
        v_differs := array_remove(ARRAY[
            CASE WHEN p_agent_id <> coalesce(t.agent_id, '') THEN 'agentId' END,
            CASE WHEN v_people IS NOT NULL AND delivery_has_others(t.id, v_people) THEN 'userIds' END,
            CASE WHEN p_campaign <> coalesce(t.campaign, '') THEN 'campaign' END,
            CASE WHEN v_sent_at IS NOT NULL THEN 'sentAt' END
        ], NULL);
        EXIT WHEN v_locked OR NOT v_open OR (v_differs = '{}' AND t.status = 'tracking' AND t.problem_code IS NULL);
        v_locked := true;
    END LOOP;

    status := t.status;
    conflict := '{}';
    updated := '{}';
    IF NOT v_open THEN
        conflict := v_differs;
        IF v_differs <> '{}' THEN
            stored := jsonb_build_object(
                'agentId', t.agent_id,
                'campaign', t.campaign,
                'sentAt', to_char(t.sent_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'),
                'userIds', (SELECT nullif(count(*), 0) FROM delivery_recipient AS person WHERE person.task_pk = t.id AND person.named));
        END IF;
        RETURN;
    END IF;
    IF v_differs = '{}' AND t.status = 'tracking' AND t.problem_code IS NULL THEN
        RETURN;
    END IF;

    IF 'userIds' = ANY (v_differs) THEN
        DELETE FROM delivery_recipient AS person
        WHERE person.task_pk = t.id AND person.named AND person.state = 'pending' AND person.user_id <> ALL (v_people);
        INSERT INTO delivery_recipient AS person (task_pk, user_id, named, state)
        SELECT t.id, given.name, true, 'pending' FROM unnest(v_people) AS given (name) ORDER BY given.name COLLATE "C"
        ON CONFLICT (task_pk, user_id) DO UPDATE SET named = true WHERE NOT person.named;
    END IF;
    UPDATE delivery_task AS task SET
        agent_id = CASE WHEN 'agentId' = ANY (v_differs) THEN p_agent_id ELSE task.agent_id END,
        campaign = CASE WHEN 'campaign' = ANY (v_differs) THEN p_campaign ELSE task.campaign END,
        sent_at = coalesce(v_sent_at, task.sent_at),
        sent_at_given = task.sent_at_given OR v_sent_at IS NOT NULL,
        -- The window keeps its length: TIME_SCALE is in it.
        deadline_at = coalesce(v_sent_at, task.sent_at) + (task.deadline_at - task.sent_at),
        final_calls = CASE WHEN v_sent_at IS NULL THEN task.final_calls ELSE 0 END,
        recipients_known = task.recipients_known OR 'userIds' = ANY (v_differs),
        pending = (SELECT count(*) FROM delivery_recipient AS person WHERE person.task_pk = task.id AND person.state = 'pending'),
        -- A poll that is under way was made with what is replaced here, so it must not be written.
        poll_no = task.poll_no + CASE WHEN task.adopted_at IS NOT NULL AND v_differs && ARRAY['agentId', 'userIds', 'sentAt'] THEN 1 ELSE 0 END,
        status = 'tracking', finished_at = NULL, reason_code = NULL, reason_detail = NULL,
        next_poll_at = now(), adopted_at = NULL, resumed = true,
        delay_code = NULL, delay_detail = NULL, problem_polls = 0, failures_in_row = 0, timeouts_in_row = 0
    WHERE task.id = t.id;
    status := 'tracking';
    updated := v_differs;
END
$$;

CREATE FUNCTION "delivery_track"(p_requests jsonb)
RETURNS TABLE (place integer, is_new boolean, status text, conflict text[], updated text[], stored jsonb)
LANGUAGE plpgsql SET search_path FROM CURRENT SET jit TO off
AS $$
#variable_conflict use_column
DECLARE
    v_now CONSTANT timestamptz := clock_timestamp();
    v_request jsonb;
    v_known record;
    v_turn integer := 1;
    v_all integer[];
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

    LOOP
        -- Every writer takes the tasks and their people in the same order, so that no two can wait for each other.
        WITH request AS MATERIALIZED (
            SELECT * FROM delivery_requests(p_requests, v_now) AS given WHERE given.turn = v_turn
        ), task AS (
            INSERT INTO delivery_task (app, task_id, agent_id, campaign, sent_at, sent_at_given, deadline_at, recipients_known, next_poll_at, pending)
            SELECT
                request.app, request.task_id, request.agent_id, request.campaign, request.sent_at, request.sent_at_given,
                request.sent_at + interval '24 hours', request.user_ids IS NOT NULL, now(),
                (SELECT count(DISTINCT given.name COLLATE "C") FROM jsonb_array_elements_text(request.user_ids) AS given (name))
            FROM request
            ORDER BY request.app COLLATE "C", request.task_id COLLATE "C"
            ON CONFLICT (app, task_id) DO NOTHING
            RETURNING id, app, task_id
        ), fresh AS MATERIALIZED (
            SELECT task.id, request.place, request.user_ids FROM task JOIN request ON request.app = task.app AND request.task_id = task.task_id
        ), person AS (
            INSERT INTO delivery_recipient (task_pk, user_id, named, state)
            SELECT DISTINCT fresh.id, given.name COLLATE "C", true, 'pending'
            FROM fresh CROSS JOIN LATERAL jsonb_array_elements_text(fresh.user_ids) AS given (name)
            ORDER BY 1, 2
        )
        SELECT
            (SELECT array_agg(request.place ORDER BY request.app COLLATE "C", request.task_id COLLATE "C") FROM request),
            (SELECT coalesce(array_agg(fresh.place), '{}') FROM fresh)
        INTO v_all, v_new;
        EXIT WHEN v_all IS NULL;
        RETURN QUERY SELECT each.place, true, 'tracking', '{}'::text[], '{}'::text[], NULL::jsonb FROM unnest(v_new) AS each (place);
        IF cardinality(v_new) < cardinality(v_all) THEN
            FOR v_known IN
                SELECT request.*
                FROM delivery_requests(p_requests, v_now) AS request
                WHERE request.turn = v_turn AND request.place <> ALL (v_new)
                ORDER BY request.app COLLATE "C", request.task_id COLLATE "C"
            LOOP
                RETURN QUERY SELECT v_known.place, false, again.status, again.conflict, again.updated, again.stored
                FROM delivery_track_again(
                    v_known.app, v_known.task_id, v_known.agent_id, v_known.campaign, v_known.sent_at, v_known.sent_at_given, v_known.user_ids
                ) AS again;
            END LOOP;
        END IF;
        v_turn := v_turn + 1;
    END LOOP;
END
$$;

CREATE OR REPLACE FUNCTION "track_delivery"(
    task_id text,
    agent_id text DEFAULT NULL,
    user_ids text[] DEFAULT NULL,
    campaign text DEFAULT NULL,
    app text DEFAULT 'default',
    sent_at timestamptz DEFAULT NULL
) RETURNS boolean
LANGUAGE plpgsql SET search_path FROM CURRENT
AS $$
DECLARE
    v_result record;
BEGIN
    SELECT * INTO v_result FROM delivery_track(jsonb_build_array(jsonb_build_object(
        'taskId', task_id, 'agentId', agent_id, 'userIds', to_jsonb(user_ids), 'campaign', campaign, 'app', app, 'sentAt', sent_at)));
    IF v_result.conflict <> '{}' THEN
        RAISE WARNING USING MESSAGE = format(
            'Task %s of app %s is known already with another %s, and keeps it: it has been polled, or it has ended. Check which of the two is right.',
            task_id, coalesce(app, 'default'), array_to_string(v_result.conflict, ', '));
    END IF;
    RETURN v_result.is_new;
END
$$;

-- Comments -----------------------------------------------------------------------------------------------------------------------

COMMENT ON FUNCTION "track_delivery"(text, text, text[], text, text, timestamptz) IS 'Starts tracking a sent work notification, inside the caller''s transaction. True if the task is new. Without sent_at the transaction''s time is assumed.';
COMMENT ON FUNCTION "delivery_track"(jsonb) IS 'Internal: requests to track, as track_delivery takes them, many at once.';
COMMENT ON FUNCTION "delivery_track_again"(text, text, text, text, timestamptz, boolean, jsonb) IS 'Internal: a request for a task that is there already. A task without a successful poll takes what is newer.';
COMMENT ON FUNCTION "delivery_check_request"(jsonb, timestamptz) IS 'Internal: raises an exception for a request that is not as it must be.';
COMMENT ON FUNCTION "delivery_requests"(jsonb, timestamptz) IS 'Internal: the requests of delivery_track as rows.';
COMMENT ON FUNCTION "delivery_named_people"(jsonb, text, timestamptz) IS 'Internal: the people of a request; who was erased under their pseudonym.';
COMMENT ON FUNCTION "delivery_has_others"(bigint, text[]) IS 'Internal: whether other people were named in a task than these.';
