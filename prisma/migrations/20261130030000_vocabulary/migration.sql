-- One word for one thing, in SQL as in the code. The old names of views stay for one release, as views over the new ones.

ALTER TABLE "delivery_task" RENAME COLUMN "adopted_at" TO "scheduled_at";
ALTER TABLE "delivery_campaign" RENAME COLUMN "settled_at" TO "recounted_at";

-- Columns are appended: `hindrance` stays for one release.
CREATE OR REPLACE VIEW "delivery_task_rates" AS
SELECT
    app, task_id, agent_id, campaign, status,
    coalesce(reason_detail ->> 'text', reason_code) AS reason,
    sent_at, deadline_at, last_observed_at, finished_at,
    poll_no AS polls,
    read + unread + pending + failed + forbidden + invalid AS targeted,
    read + unread AS delivered,
    read, unread, pending, failed, forbidden, invalid,
    read::double precision / nullif(read + unread, 0) AS read_rate,
    read::double precision / nullif(read + unread + pending + failed + forbidden + invalid, 0) AS read_rate_of_targeted,
    tracked_at, next_poll_at,
    coalesce(delay_detail ->> 'text', delay_code) AS hindrance,
    good_polls, recipients_known, names_removed_at,
    reason_code, reason_detail, problem_code, problem_detail, problem_since, sent_at_given, calls, delay_code, delay_detail,
    coalesce(delay_detail ->> 'text', delay_code) AS delay_reason
FROM delivery_task;

CREATE VIEW "delivery_poll_history" AS
SELECT
    task.app, task.task_id, task.campaign, poll.poll_no, poll.due_at, poll.requested_at, poll.responded_at,
    poll.outcome, poll.code, poll.message, poll.request_id,
    poll.read, poll.unread, poll.pending, poll.failed, poll.forbidden, poll.invalid, poll.changed, poll.anomalies,
    poll.problem_code, poll.scope, poll.calls
FROM delivery_poll AS poll
JOIN delivery_task AS task ON task.id = poll.task_pk;

CREATE OR REPLACE VIEW "delivery_looks" AS
SELECT
    app, task_id, campaign, poll_no, due_at, requested_at, responded_at, outcome, code, message, request_id,
    read, unread, pending, failed, forbidden, invalid, changed, anomalies, problem_code, scope, calls
FROM delivery_poll_history;

-- Functions ---------------------------------------------------------------------------------------------------------------------
-- Made again from their own text, so that they keep what deploy/postgres/roles.sql gave them: their owner, SECURITY DEFINER, the search path.

DO $migration$
DECLARE
    v_edit record;
    v_old text;
    v_new text;
BEGIN
    FOR v_edit IN
        SELECT * FROM (VALUES
            (1, 'delivery_track_again', 'adopted_at', 'scheduled_at'),
            (2, 'delivery_settle_campaigns', 'settle', 'recount'),
            (3, 'delivery_recount_campaigns', 'recountd', 'recounted'),
            -- It had the parameter only because delivery_report_pair needs it.
            (4, 'delivery_report_app', 'p_default_agent_id text, ', '')
        ) AS edits (place, name, old, new)
        ORDER BY place
    LOOP
        v_old := pg_get_functiondef(v_edit.name::regproc);
        v_new := replace(v_old, v_edit.old, v_edit.new);
        IF v_new = v_old THEN
            RAISE EXCEPTION '% does not have the text "%"', v_edit.name, v_edit.old;
        END IF;
        EXECUTE v_new;
    END LOOP;
END
$migration$;

-- Only the first request for a task can make it; those behind it are taken one after the other. So a list of many requests for one task is read
-- twice, and not once for each of them.
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
        SELECT * FROM delivery_requests(p_requests, v_now) AS given WHERE given.turn = 1
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
END
$migration$;

DROP FUNCTION "delivery_settle_campaigns"(integer, double precision);
DROP FUNCTION "delivery_report_app"(text, text, text, text, jsonb, timestamptz, integer, integer, double precision[], timestamptz);

-- A successful poll ends the pause of a scope, and no earlier failed poll is a witness any more. A rate limit and a used-up quota are not refuted
-- by the answer to a call that was under way when they began. Returns the problem of the pause that it ended; NULL: none.
-- Two functions of one text, since the scopes are rows of two tables.
DO $migration$
DECLARE
    v_scope record;
BEGIN
    FOR v_scope IN
        SELECT * FROM (VALUES
            ('delivery_good_app', 'delivery_app', 'p_app text', 'scope.app = p_app'),
            ('delivery_good_pair', 'delivery_pair', 'p_app text, p_agent_id text', 'scope.app = p_app AND scope.agent_id = p_agent_id')
        ) AS scopes (name, relation, keys, matches)
    LOOP
        EXECUTE format($function$
CREATE FUNCTION %1$I(%3$s, p_requested_at timestamptz) RETURNS text
LANGUAGE plpgsql SET search_path FROM CURRENT
AS $body$
DECLARE
    s %2$I%%ROWTYPE;
BEGIN
    SELECT * INTO s FROM %2$I AS scope WHERE %4$s FOR UPDATE;
    UPDATE %2$I AS scope SET
        last_good_at = greatest(scope.last_good_at, p_requested_at),
        witness_code = CASE WHEN scope.witness_since < p_requested_at THEN NULL ELSE scope.witness_code END,
        updated_at = clock_timestamp()
    WHERE %4$s;
    IF s.probing OR p_requested_at >= (CASE WHEN s.pause_code IN ('rate_limit', 'quota') THEN s.pause_set_at ELSE s.pause_since END) THEN
        UPDATE %2$I AS scope SET
            pause_code = NULL, pause_detail = NULL, pause_since = NULL, pause_set_at = NULL, paused_until = NULL, probing = false, probes = 0
        WHERE %4$s;
        RETURN s.pause_code;
    END IF;
    RETURN NULL;
END
$body$
        $function$, v_scope.name, v_scope.relation, v_scope.keys, v_scope.matches);
    END LOOP;
END
$migration$;

CREATE OR REPLACE FUNCTION "delivery_report_good"(p_app text, p_agent_id text, p_requested_at timestamptz)
RETURNS TABLE (scope text, problem_code text)
LANGUAGE plpgsql SET search_path FROM CURRENT
AS $$
BEGIN
    scope := 'app';
    problem_code := delivery_good_app(p_app, p_requested_at);
    IF problem_code IS NOT NULL THEN
        RETURN NEXT;
    END IF;
    IF p_agent_id IS NOT NULL THEN
        INSERT INTO delivery_pair (app, agent_id) VALUES (p_app, p_agent_id) ON CONFLICT DO NOTHING;
        scope := 'pair';
        problem_code := delivery_good_pair(p_app, p_agent_id, p_requested_at);
        IF problem_code IS NOT NULL THEN
            RETURN NEXT;
        END IF;
    END IF;
END
$$;

-- Comments --------------------------------------------------------------------------------------------------------------------------

DO $migration$
DECLARE
    v_words CONSTANT text[][] := ARRAY[
        ['good look', 'successful poll'],
        ['the last task looked at', 'the last task that was searched'],
        ['from now on looks heed that the person is erased', 'from now on polls take into account that the person is erased'],
        ['A look that heeds an older one only is not written', 'A poll that has seen only an older one is not written'],
        [' look', ' poll'],
        ['it believes', 'that it expects'],
        ['settled_at', 'recounted_at'],
        ['after it was settled', 'after it was counted'],
        ['a mark that somebody''s state in a campaign changed', 'marks a campaign in which the state of a person changed'],
        ['; what came after nobody can say', '; what came after is not known'],
        ['NULL where nobody was delivered', 'NULL where nothing was delivered'],
        ['NULL where nobody is known', 'NULL where no recipient is known'],
        ['States only climb', 'A state is only replaced by a better one'],
        ['every door', 'every way to enqueue'],
        ['as the sender said', 'as the sender gave it'],
        ['When the last successful poll was asked for', 'When the request of the last successful poll was sent'],
        ['When the last answer that listed the person as unread was asked for; NULL: nobody ever saw the person unread', 'When the request of the last answer that listed the person as unread was sent; NULL: there is no such answer'],
        ['the last answer that said unread was asked for then, or the message was sent', 'the request of the last answer with unread was sent then, or the message was sent'],
        ['the first answer that said so arrived', 'the first answer with read arrived'],
        ['whom the last good answer listed, as a hash; two alike say that', 'a hash of the people whom the last successful poll listed; two equal ones show that'],
        ['since the last good one', 'since the last successful one'],
        ['People to whom DingTalk says that sending failed', 'People for whom DingTalk reports that sending failed'],
        ['What DingTalk or the network said; NULL: nothing', 'The message of DingTalk or of the network; NULL: none'],
        ['People about whom the answer said less than was known; it changed nothing', 'People whose state in the answer was lower than the stored one, which stayed'],
        ['NULL: not said', 'NULL: not given'],
        ['Who was erased while', 'People who were erased while'],
        ['Goes with the last name', 'Deleted with the last name'],
        ['Whoever has it can tell whether a pseudonym stands for a name that they know', 'With it a pseudonym can be compared with a known name'],
        ['what stands for a name; with the salt anybody can make it again', 'the pseudonym of a name; with the salt it can be made again'],
        ['When somebody last lifted all pauses of the app; workers drop what they hold against it', 'When a person last lifted all pauses of the app; workers drop what they have stored against it'],
        ['When it last said that it runs', 'When it last reported that it runs'],
        ['It said so lately enough', 'Its last report is recent enough'],
        ['who was erased under their pseudonym', 'an erased person under their pseudonym'],
        ['Looks made so far, good or failed', 'Polls made so far, successful or failed'],
        ['Looks that brought lists', 'Successful polls: their answers had lists'],
        ['poll at a task, good or failed', 'poll of a task, successful or failed']
    ];
    v_object record;
    v_text text;
BEGIN
    FOR v_object IN
        SELECT format(CASE relkind WHEN 'v' THEN 'VIEW %s' ELSE 'TABLE %s' END, oid::regclass) AS name, obj_description(oid, 'pg_class') AS comment
        FROM pg_class WHERE relnamespace = current_schema()::regnamespace AND relkind IN ('r', 'v') AND relname LIKE 'delivery%'
        UNION ALL
        SELECT format('COLUMN %s.%I', attrelid::regclass, attname), coalesce(
            col_description(attrelid, attnum),
            -- The new view has the columns of the old one.
            (SELECT col_description(known.attrelid, known.attnum) FROM pg_attribute AS known
            WHERE known.attrelid = 'delivery_looks'::regclass AND known.attname = each.attname AND relname = 'delivery_poll_history'))
        FROM pg_attribute AS each JOIN pg_class ON pg_class.oid = attrelid
        WHERE relnamespace = current_schema()::regnamespace AND relkind IN ('r', 'v') AND relname LIKE 'delivery%' AND attnum > 0 AND NOT attisdropped
        UNION ALL
        SELECT format('FUNCTION %s', oid::regprocedure), obj_description(oid, 'pg_proc')
        FROM pg_proc WHERE pronamespace = current_schema()::regnamespace AND proname ~ '^(delivery|track_delivery)'
    LOOP
        v_text := v_object.comment;
        FOR i IN 1 .. array_length(v_words, 1) LOOP
            v_text := replace(v_text, v_words[i][1], v_words[i][2]);
        END LOOP;
        EXECUTE format('COMMENT ON %s IS %L', v_object.name, v_text);
    END LOOP;
END
$migration$;

COMMENT ON COLUMN "delivery_task_rates"."delay_reason" IS 'Why the next poll is later than planned: delay_code, or the text that an earlier version stored; NULL: it is not.';
COMMENT ON COLUMN "delivery_task_rates"."hindrance" IS 'The old name of delay_reason. Removed in the next release.';
COMMENT ON VIEW "delivery_poll_history" IS 'A row for each poll of a task, successful or failed.';
COMMENT ON VIEW "delivery_looks" IS 'The old name of delivery_poll_history. Removed in the next release.';
COMMENT ON FUNCTION "delivery_recount_campaigns"(integer, double precision) IS 'Internal: counts marked campaigns, at most p_campaigns of them and for about p_seconds, and deletes their marks. Returns how many it counted; 0 where another session counts.';
COMMENT ON FUNCTION "delivery_report_app"(text, text, text, jsonb, timestamptz, integer, integer, double precision[], timestamptz) IS 'Internal: a failed poll that may mean that the entire app cannot be polled. Returns whether it is paused.';
COMMENT ON FUNCTION "delivery_good_app"(text, timestamptz) IS 'Internal: a poll of the app succeeded. Returns the problem of the pause that this ended; NULL: none.';
COMMENT ON FUNCTION "delivery_good_pair"(text, text, timestamptz) IS 'Internal: a poll of the app with the agent id succeeded. Returns the problem of the pause that this ended; NULL: none.';
