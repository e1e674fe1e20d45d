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

-- Functions that name a renamed column ---------------------------------------------------------------------------------------

CREATE OR REPLACE FUNCTION "delivery_track_again"(
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
        poll_no = task.poll_no + CASE WHEN task.scheduled_at IS NOT NULL AND v_differs && ARRAY['agentId', 'userIds', 'sentAt'] THEN 1 ELSE 0 END,
        status = 'tracking', finished_at = NULL, reason_code = NULL, reason_detail = NULL,
        next_poll_at = now(), scheduled_at = NULL, resumed = true,
        delay_code = NULL, delay_detail = NULL, problem_polls = 0, failures_in_row = 0, timeouts_in_row = 0
    WHERE task.id = t.id;
    status := 'tracking';
    updated := v_differs;
END
$$;

DROP FUNCTION "delivery_settle_campaigns"(integer, double precision);
CREATE FUNCTION "delivery_recount_campaigns"(p_campaigns integer, p_seconds double precision) RETURNS integer
LANGUAGE plpgsql SET search_path FROM CURRENT SET jit TO off
AS $$
DECLARE
    v_started CONSTANT timestamptz := clock_timestamp();
    v_marked record;
    v_recounted integer := 0;
BEGIN
    -- Each statement below must see all that was committed before it, or older figures could be written over newer ones.
    IF current_setting('transaction_isolation') <> 'read committed' THEN
        RAISE EXCEPTION USING ERRCODE = '25001', MESSAGE = 'delivery_recount_campaigns works in READ COMMITTED transactions only.';
    END IF;
    -- One at a time, for the same reason: the next session begins to read after this transaction's end.
    IF NOT pg_try_advisory_xact_lock(1685349493) THEN
        RETURN 0;
    END IF;
    FOR v_marked IN
        SELECT app, campaign FROM delivery_campaign_change GROUP BY app, campaign ORDER BY min(id) LIMIT p_campaigns
    LOOP
        -- One statement, one snapshot: the marks that go are those whose changes are counted.
        WITH seen AS (
            DELETE FROM delivery_campaign_change WHERE app = v_marked.app AND campaign = v_marked.campaign
        ), counted AS MATERIALIZED (
            SELECT * FROM delivery_campaign_recount WHERE app = v_marked.app AND campaign = v_marked.campaign
        ), gone AS (
            DELETE FROM delivery_campaign
            WHERE app = v_marked.app AND campaign = v_marked.campaign AND NOT EXISTS (SELECT FROM counted)
        )
        INSERT INTO delivery_campaign (app, campaign, pending, invalid, failed, forbidden, unread, read, recounted_at)
        SELECT app, campaign, pending, invalid, failed, forbidden, unread, read, clock_timestamp() FROM counted
        ON CONFLICT (app, campaign) DO UPDATE SET
            pending = excluded.pending, invalid = excluded.invalid, failed = excluded.failed,
            forbidden = excluded.forbidden, unread = excluded.unread, read = excluded.read, recounted_at = excluded.recounted_at;
        v_recounted := v_recounted + 1;
        EXIT WHEN clock_timestamp() > v_started + make_interval(secs => p_seconds);
    END LOOP;
    RETURN v_recounted;
END
$$;

-- Comments --------------------------------------------------------------------------------------------------------------------

COMMENT ON COLUMN delivery_campaign.unread IS 'People who got it and had not read it in any task, as of the last successful poll at each; what came after is not known.';
COMMENT ON COLUMN delivery_campaign_rates.unread IS 'People who got it and had not read it in any task, as of the last successful poll at each; what came after is not known.';
COMMENT ON COLUMN delivery_campaign_recount.unread IS 'People who got it and had not read it in any task, as of the last successful poll at each; what came after is not known.';
COMMENT ON COLUMN delivery_erasure.id IS 'Internal key. A poll that has seen only an older one is not written.';
COMMENT ON COLUMN delivery_erasure.tasks IS 'In how many tasks the person was replaced since, by the command or by a poll that came first.';
COMMENT ON COLUMN delivery_poll_history.anomalies IS 'People about whom the answer said less than was known; it changed nothing.';
COMMENT ON COLUMN delivery_poll_history.app IS 'Name of the app in the worker''s configuration.';
COMMENT ON COLUMN delivery_poll_history.calls IS 'Calls of getsendresult that the poll took: 2 where the first token was refused.';
COMMENT ON COLUMN delivery_poll_history.campaign IS 'Label over tasks that the sender gave; NULL: none.';
COMMENT ON COLUMN delivery_poll_history.changed IS 'People whose row changed by the poll.';
COMMENT ON COLUMN delivery_poll_history.code IS 'DingTalk''s effective code, or the network''s; 0 is success.';
COMMENT ON COLUMN delivery_poll_history.due_at IS 'When the poll was planned for; NULL: it was not planned for a time.';
COMMENT ON COLUMN delivery_poll_history.failed IS 'People whose best state in this poll and the earlier ones is failed; NULL after a failed poll.';
COMMENT ON COLUMN delivery_poll_history.forbidden IS 'People whose best state in this poll and the earlier ones is forbidden; NULL after a failed poll.';
COMMENT ON COLUMN delivery_poll_history.invalid IS 'People whose best state in this poll and the earlier ones is invalid; NULL after a failed poll.';
COMMENT ON COLUMN delivery_poll_history.message IS 'What DingTalk or the network said; NULL: nothing.';
COMMENT ON COLUMN delivery_poll_history.outcome IS 'observed (a successful poll), or why not: empty, throttled, quota, configuration, task, call_timeout, transient.';
COMMENT ON COLUMN delivery_poll_history.pending IS 'Known people whom neither this poll nor an earlier one listed; NULL after a failed poll.';
COMMENT ON COLUMN delivery_poll_history.poll_no IS 'Number of the poll of its task, from 1.';
COMMENT ON COLUMN delivery_poll_history.problem_code IS 'What the failed poll means, as a code; NULL after a successful one.';
COMMENT ON COLUMN delivery_poll_history.read IS 'People whom this poll or an earlier one listed as read; NULL after a failed poll.';
COMMENT ON COLUMN delivery_poll_history.request_id IS 'DingTalk''s id of the request, for their support; NULL: none was given.';
COMMENT ON COLUMN delivery_poll_history.requested_at IS 'When the request was sent.';
COMMENT ON COLUMN delivery_poll_history.responded_at IS 'When the answer arrived; NULL: none did.';
COMMENT ON COLUMN delivery_poll_history.scope IS 'What the failed poll says something about: answer, task, pair (app and agent id), worker, app or dingtalk; NULL after a successful one.';
COMMENT ON COLUMN delivery_poll_history.task_id IS 'The task_id that DingTalk returned when the message was sent; digits, as text.';
COMMENT ON COLUMN delivery_poll_history.unread IS 'People whom this poll or an earlier one listed as unread, and none as read; NULL after a failed poll.';
COMMENT ON COLUMN delivery_poll.changed IS 'People whose row changed by the poll.';
COMMENT ON COLUMN delivery_poll.due_at IS 'When the poll was planned for; NULL: it was not planned for a time.';
COMMENT ON COLUMN delivery_poll.failed IS 'People whose best state in this poll and the earlier ones is failed; NULL after a failed poll.';
COMMENT ON COLUMN delivery_poll.forbidden IS 'People whose best state in this poll and the earlier ones is forbidden; NULL after a failed poll.';
COMMENT ON COLUMN delivery_poll.invalid IS 'People whose best state in this poll and the earlier ones is invalid; NULL after a failed poll.';
COMMENT ON COLUMN delivery_poll.outcome IS 'observed (a successful poll), or why not: empty, throttled, quota, configuration, task, call_timeout, transient.';
COMMENT ON COLUMN delivery_poll.pending IS 'Known people whom neither this poll nor an earlier one listed; NULL after a failed poll.';
COMMENT ON COLUMN delivery_poll.read IS 'People whom this poll or an earlier one listed as read; NULL after a failed poll.';
COMMENT ON COLUMN delivery_poll.unread IS 'People whom this poll or an earlier one listed as unread, and none as read; NULL after a failed poll.';
COMMENT ON COLUMN delivery_recipient.last_unread_at IS 'NULL for an unread person whom the last successful poll listed: then it is delivery_task.last_good_requested_at, so an unchanged poll writes no row here.';
COMMENT ON COLUMN delivery_state_changes.poll_no IS 'The poll that showed the change.';
COMMENT ON COLUMN delivery_task.scheduled_at IS 'When a worker planned the first poll; NULL: none has yet.';
COMMENT ON COLUMN delivery_task.failures_in_row IS 'Failed polls since the last good one; rate limits are not the task''s fault and are not counted.';
COMMENT ON COLUMN delivery_task.good_polls IS 'Polls that brought lists.';
COMMENT ON COLUMN delivery_task.last_good_requested_at IS 'When the last successful poll was asked for; NULL before the first.';
COMMENT ON COLUMN delivery_task.next_poll_at IS 'When the next poll is due; NULL when the task has ended.';
COMMENT ON COLUMN delivery_task.poll_no IS 'Polls made so far, good or failed. A write that names an older number changes nothing.';
COMMENT ON COLUMN delivery_task_rates.good_polls IS 'Polls that brought lists.';
COMMENT ON COLUMN delivery_task_rates.delay_reason IS 'Why the next poll is later than planned: delay_code, or the text that an earlier version stored; NULL: it is not.';
COMMENT ON COLUMN delivery_task_rates.hindrance IS 'The old name of delay_reason. Goes with the next release.';
COMMENT ON COLUMN delivery_task_rates.next_poll_at IS 'When the next poll is due; NULL when the task has ended.';
COMMENT ON COLUMN delivery_task_rates.polls IS 'Polls made so far, good or failed.';
COMMENT ON COLUMN delivery_transition.poll_no IS 'The poll that showed the change.';
COMMENT ON FUNCTION delivery_begin_erasure(p_user text, p_app text) IS 'Internal: from now on polls see that the person is erased. Returns the pseudonym.';
COMMENT ON TABLE delivery_campaign IS 'Internal: the people of a campaign, counted once each, as of recounted_at; exact where no delivery_campaign_change says otherwise. Read delivery_campaign_rates instead.';
COMMENT ON TABLE delivery_poll IS 'Every poll of a task, good or failed. Append-only. The counts are NULL after a failed poll.';
COMMENT ON VIEW delivery_poll_history IS 'A row for each poll of a task, good or failed.';
COMMENT ON VIEW delivery_looks IS 'The old name of delivery_poll_history. Goes with the next release.';
COMMENT ON VIEW delivery_read_curve IS 'A row for each successful poll: how many had read by then.';
COMMENT ON FUNCTION delivery_recount_campaigns(p_campaigns integer, p_seconds double precision) IS 'Internal: counts marked campaigns, at most p_campaigns of them and for about p_seconds, and takes their marks away. Returns how many it counted; 0 where another session counts.';
