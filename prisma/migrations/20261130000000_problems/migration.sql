-- A failed poll is stored with the scope that its evidence supports. Why a task ended, why it cannot be polled now and why a poll was delayed
-- are codes with details; text is made where it is shown. Calls are counted for each task, and given back in the month in which they were reserved.

-- Tasks --------------------------------------------------------------------------------------------------------------------

ALTER TABLE "delivery_task"
    ADD COLUMN "sent_at_given" BOOLEAN NOT NULL DEFAULT true,
    ADD COLUMN "reason_code" TEXT,
    ADD COLUMN "reason_detail" JSONB,
    ADD COLUMN "problem_code" TEXT,
    ADD COLUMN "problem_detail" JSONB,
    ADD COLUMN "problem_since" TIMESTAMPTZ(3),
    ADD COLUMN "problem_polls" INTEGER NOT NULL DEFAULT 0,
    ADD COLUMN "delay_code" TEXT,
    ADD COLUMN "delay_detail" JSONB,
    ADD COLUMN "calls" INTEGER NOT NULL DEFAULT 0,
    ADD COLUMN "final_calls" INTEGER NOT NULL DEFAULT 0,
    ADD COLUMN "resumed" BOOLEAN NOT NULL DEFAULT false;

-- The senders of 0.1.0 are not known to have left the send time out, so it counts as given. Each poll of theirs was one call.
UPDATE "delivery_task" SET "calls" = "poll_no" WHERE "poll_no" > 0;
UPDATE "delivery_task" SET
    "reason_code" = CASE
        WHEN split_part("reason", ':', 1) IN ('all_read', 'all_accounted_for', 'cancelled', 'window_over', 'blind_before_deadline', 'never_observed', 'sent_too_long_ago', 'probably_too_many_recipients')
            THEN split_part("reason", ':', 1)
        ELSE 'parameters'
    END,
    "reason_detail" = jsonb_build_object('text', "reason")
WHERE "reason" IS NOT NULL;
UPDATE "delivery_task" SET "delay_code" = 'earlier_version', "delay_detail" = jsonb_build_object('text', "hindrance")
WHERE "hindrance" IS NOT NULL AND "status" = 'tracking';

-- Delayed tasks of an app: those that a repair or a lifted pause brings forward.
CREATE INDEX "delivery_task_delayed_idx" ON "delivery_task"("app", "delay_code") WHERE "status" = 'tracking' AND "delay_code" IS NOT NULL;
CREATE INDEX "delivery_task_problem_idx" ON "delivery_task"("app", "problem_code") WHERE "status" = 'tracking' AND "problem_code" IS NOT NULL;

ALTER TABLE "delivery_poll"
    ADD COLUMN "problem_code" TEXT,
    ADD COLUMN "scope" TEXT,
    ADD COLUMN "calls" INTEGER NOT NULL DEFAULT 1;

-- An assumed send time bounds nothing.
ALTER TABLE "delivery_transition" ALTER COLUMN "after_at" DROP NOT NULL;

-- Apps, pairs of app and agent id, workers -----------------------------------------------------------------------------------
-- One set of columns for a scope that can be paused. A pause needs the same problem from different tasks with no success between
-- (witness_*). While it lasts one poll at a time is a probe.

ALTER TABLE "delivery_app"
    DROP CONSTRAINT "delivery_app_pause_check",
    ADD COLUMN "pause_code" TEXT,
    ADD COLUMN "pause_detail" JSONB,
    ADD COLUMN "pause_since" TIMESTAMPTZ(3),
    ADD COLUMN "pause_set_at" TIMESTAMPTZ(3),
    ADD COLUMN "witness_code" TEXT,
    ADD COLUMN "witness_task" TEXT,
    ADD COLUMN "witness_since" TIMESTAMPTZ(3),
    ADD COLUMN "witness_polls" INTEGER NOT NULL DEFAULT 0,
    ADD COLUMN "witness_agrees" BOOLEAN NOT NULL DEFAULT false,
    ADD COLUMN "last_good_at" TIMESTAMPTZ(3),
    ADD COLUMN "resumed_at" TIMESTAMPTZ(3);

CREATE TABLE "delivery_pair" (
    "app" TEXT COLLATE "C" NOT NULL,
    "agent_id" TEXT COLLATE "C" NOT NULL,
    "pause_code" TEXT,
    "pause_detail" JSONB,
    "pause_since" TIMESTAMPTZ(3),
    "pause_set_at" TIMESTAMPTZ(3),
    "paused_until" TIMESTAMPTZ(3),
    "probing" BOOLEAN NOT NULL DEFAULT false,
    "probes" INTEGER NOT NULL DEFAULT 0,
    "witness_code" TEXT,
    "witness_task" TEXT,
    "witness_since" TIMESTAMPTZ(3),
    "witness_polls" INTEGER NOT NULL DEFAULT 0,
    "witness_agrees" BOOLEAN NOT NULL DEFAULT false,
    "last_good_at" TIMESTAMPTZ(3),
    "updated_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "delivery_pair_pkey" PRIMARY KEY ("app","agent_id"),
    CONSTRAINT "delivery_pair_until_check" CHECK (("pause_code" IS NULL) = ("paused_until" IS NULL))
);

CREATE TABLE "delivery_worker" (
    "worker_id" TEXT COLLATE "C" NOT NULL,
    "started_at" TIMESTAMPTZ(3) NOT NULL,
    "seen_at" TIMESTAMPTZ(3) NOT NULL,
    "expires_at" TIMESTAMPTZ(3) NOT NULL,
    "apps" TEXT[] NOT NULL,
    "problems" JSONB NOT NULL,

    CONSTRAINT "delivery_worker_pkey" PRIMARY KEY ("worker_id")
);

-- What is good is known from the polls that are stored.
UPDATE "delivery_app" AS app SET "last_good_at" = good.at
FROM (SELECT "app", max("last_good_requested_at") AS at FROM "delivery_task" GROUP BY "app") AS good
WHERE good.app = app.app AND good.at IS NOT NULL;
INSERT INTO "delivery_pair" ("app", "agent_id", "last_good_at")
SELECT "app", "agent_id", max("last_good_requested_at") FROM "delivery_task"
WHERE "agent_id" IS NOT NULL AND "last_good_requested_at" IS NOT NULL GROUP BY "app", "agent_id";

-- Pauses of 0.1.0 were made from one answer each: the next poll of the app finds out.
UPDATE "delivery_app" SET "pause_kind" = NULL, "pause_reason" = NULL, "paused_until" = NULL, "probing" = false, "probes" = 0
WHERE "pause_kind" IS NOT NULL;

-- Views (new columns are appended) -----------------------------------------------------------------------------------------

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
    reason_code, reason_detail, problem_code, problem_detail, problem_since, sent_at_given, calls, delay_code, delay_detail
FROM delivery_task;

CREATE OR REPLACE VIEW "delivery_recipient_status" AS
SELECT
    task.app, task.task_id, task.campaign, recipient.user_id, recipient.state, recipient.first_seen_at,
    CASE WHEN recipient.state = 'unread' THEN coalesce(recipient.last_unread_at, task.last_good_requested_at) ELSE recipient.last_unread_at END AS last_unread_at,
    recipient.first_read_at, recipient.forbidden_code, recipient.forbidden_count,
    CASE WHEN recipient.state = 'read' THEN coalesce(recipient.last_unread_at, CASE WHEN task.sent_at_given THEN task.sent_at END) END AS read_after,
    recipient.first_read_at AS read_before,
    recipient.named,
    task.last_observed_at, task.status, task.sent_at, task.deadline_at,
    CASE WHEN recipient.state = 'forbidden' THEN delivery_forbidden_reason(recipient.forbidden_code) END AS forbidden_reason,
    task.sent_at_given
FROM delivery_task AS task
JOIN delivery_recipient AS recipient ON recipient.task_pk = task.id;

CREATE OR REPLACE VIEW "delivery_looks" AS
SELECT
    task.app, task.task_id, task.campaign, poll.poll_no, poll.due_at, poll.requested_at, poll.responded_at,
    poll.outcome, poll.code, poll.message, poll.request_id,
    poll.read, poll.unread, poll.pending, poll.failed, poll.forbidden, poll.invalid, poll.changed, poll.anomalies,
    poll.problem_code, poll.scope, poll.calls
FROM delivery_poll AS poll
JOIN delivery_task AS task ON task.id = poll.task_pk;

-- A scope stays paused until a poll in it succeeds, also between two probes.
CREATE OR REPLACE VIEW "delivery_app_usage" AS
SELECT
    app,
    to_char(now() AT TIME ZONE 'Asia/Shanghai', 'YYYY-MM') AS month,
    CASE WHEN calls_month = to_char(now() AT TIME ZONE 'Asia/Shanghai', 'YYYY-MM') THEN calls_used ELSE 0 END AS calls_used,
    CASE pause_code WHEN 'rate_limit' THEN 'throttled' WHEN 'quota' THEN 'quota' WHEN 'outage' THEN 'outage' ELSE CASE WHEN pause_code IS NOT NULL THEN 'configuration' END END AS pause_kind,
    pause_code AS pause_reason,
    paused_until::timestamptz AS paused_until,
    pause_code, pause_detail, pause_since, last_good_at
FROM delivery_app;

CREATE VIEW "delivery_pair_status" AS
SELECT app, agent_id, pause_code, pause_detail, pause_since, paused_until, last_good_at
FROM delivery_pair;

CREATE VIEW "delivery_worker_status" AS
SELECT worker_id, started_at, seen_at, expires_at >= now() AS is_alive, apps, problems
FROM delivery_worker;

ALTER TABLE "delivery_task" DROP COLUMN "reason", DROP COLUMN "hindrance";
ALTER TABLE "delivery_app" DROP CONSTRAINT "delivery_app_until_check", DROP COLUMN "pause_kind", DROP COLUMN "pause_reason";
ALTER TABLE "delivery_app" ADD CONSTRAINT "delivery_app_until_check" CHECK (("pause_code" IS NULL) = ("paused_until" IS NULL));

-- Calls of an app, over all workers together --------------------------------------------------------------------------------

DROP FUNCTION "delivery_reserve_calls"(text, integer, integer, double precision, integer, double precision, double precision);

CREATE FUNCTION "delivery_reserve_calls"(
    p_app text,
    p_ordinary integer,
    p_reserved integer,
    p_forced integer,
    p_per_second double precision,
    p_budget integer,
    p_horizon_ms double precision,
    p_probe_lease_ms double precision
) RETURNS TABLE (
    kind text, ordinary integer, reserved integer, first_in_ms double precision, every_ms double precision, month text,
    until timestamptz, pause_code text, pause_detail jsonb, calls_used integer, calls_reserved integer
)
LANGUAGE plpgsql SET search_path FROM CURRENT
AS $$
#variable_conflict use_column
DECLARE
    a delivery_app%ROWTYPE;
    v_now timestamptz;
    v_month text;
    v_month_end timestamptz;
    v_paused boolean;
    v_probe boolean;
    v_left integer;
    v_kept integer := 0;
    v_ordinary integer := p_ordinary;
    v_reserved integer := p_reserved;
    v_first timestamptz;
    v_ahead_ms double precision;
    v_every_ms CONSTANT double precision := 1000 / p_per_second;
    v_room integer;
BEGIN
    LOOP
        SELECT * INTO a FROM delivery_app WHERE delivery_app.app = p_app FOR UPDATE;
        EXIT WHEN FOUND;
        INSERT INTO delivery_app (app) VALUES (p_app) ON CONFLICT DO NOTHING;
    END LOOP;
    -- The time after the lock, not that of the statement's start: a caller that waited for the row must not take slots of the past.
    v_now := clock_timestamp();
    v_month := to_char(v_now AT TIME ZONE 'UTC' + interval '8 hours', 'YYYY-MM');
    v_month_end := (date_trunc('month', v_now AT TIME ZONE 'UTC' + interval '8 hours') + interval '1 month' - interval '8 hours') AT TIME ZONE 'UTC';

    -- A pause that was set in the future was set before the clock stepped back: its end means nothing any more.
    v_paused := a.paused_until > v_now AND a.pause_set_at <= v_now + interval '1 second';
    IF v_paused THEN
        -- The first call of a final poll passes a pause: later there is nothing to be had.
        v_ordinary := 0;
        v_reserved := least(p_forced, p_reserved);
        IF v_reserved = 0 THEN
            RETURN QUERY SELECT 'paused', 0, 0, 0::double precision, v_every_ms, v_month, a.paused_until, a.pause_code, a.pause_detail, a.calls_used, 0;
            RETURN;
        END IF;
    END IF;
    v_probe := a.pause_code IS NOT NULL AND NOT v_paused;

    IF a.calls_month <> v_month THEN
        a.calls_month := v_month;
        a.calls_used := 0;
    END IF;
    IF p_budget IS NOT NULL THEN
        v_left := greatest(p_budget - a.calls_used, 0);
        v_reserved := least(v_reserved, v_left);
        IF v_ordinary > 0 THEN
            -- One call for each open task whose final poll falls in this month and has not been made.
            SELECT count(*) INTO v_kept
            FROM (
                SELECT FROM delivery_task AS task
                WHERE task.app = p_app AND task.status = 'tracking' AND task.final_calls = 0 AND task.deadline_at < v_month_end + interval '12 minutes'
                LIMIT v_left
            ) AS open_task;
            v_ordinary := greatest(least(v_ordinary, v_left - greatest(v_kept, v_reserved)), 0);
        END IF;
        IF v_ordinary + v_reserved = 0 AND p_ordinary + p_reserved > 0 THEN
            RETURN QUERY SELECT 'budget', 0, 0, 0::double precision, v_every_ms, v_month, v_month_end, NULL::text, NULL::jsonb, a.calls_used, v_kept;
            RETURN;
        END IF;
    END IF;

    -- Nothing reserves further ahead than this, so what lies further ahead was written before the clock stepped back: it means nothing any more.
    v_first := CASE WHEN a.next_call_at <= v_now + make_interval(secs => (p_horizon_ms + v_every_ms) / 1000) THEN greatest(a.next_call_at, v_now) ELSE v_now END;
    v_ahead_ms := extract(epoch FROM v_first - v_now) * 1000;
    IF v_ahead_ms > p_horizon_ms THEN
        -- Until half of the horizon is free again, so that the next answer grants a batch and not a single call.
        RETURN QUERY SELECT 'busy', 0, 0, v_ahead_ms - p_horizon_ms / 2, v_every_ms, v_month, NULL::timestamptz, NULL::text, NULL::jsonb, a.calls_used, v_kept;
        RETURN;
    END IF;
    v_room := CASE WHEN v_probe THEN 1 ELSE floor((p_horizon_ms - v_ahead_ms) / v_every_ms)::integer + 1 END;
    v_reserved := least(v_reserved, v_room);
    v_ordinary := least(v_ordinary, v_room - v_reserved);

    UPDATE delivery_app SET
        next_call_at = v_first + make_interval(secs => (v_ordinary + v_reserved) / p_per_second),
        calls_month = a.calls_month,
        calls_used = a.calls_used + v_ordinary + v_reserved,
        -- A probe whose answer never comes holds the others no longer than this.
        paused_until = CASE WHEN v_probe THEN v_now + make_interval(secs => p_probe_lease_ms / 1000) ELSE a.paused_until END,
        pause_set_at = CASE WHEN v_probe THEN v_now ELSE a.pause_set_at END,
        probing = CASE WHEN v_probe THEN true ELSE a.probing END,
        updated_at = v_now
    WHERE delivery_app.app = p_app;
    RETURN QUERY SELECT 'granted', v_ordinary, v_reserved, v_ahead_ms, v_every_ms, v_month, NULL::timestamptz, a.pause_code, NULL::jsonb,
        a.calls_used + v_ordinary + v_reserved, v_kept;
END
$$;

CREATE FUNCTION "delivery_refund_calls"(p_app text, p_month text, p_calls integer) RETURNS void
LANGUAGE sql SET search_path FROM CURRENT
AS $$
    UPDATE delivery_app SET calls_used = greatest(calls_used - p_calls, 0) WHERE app = p_app AND calls_month = p_month
$$;

-- Evidence ---------------------------------------------------------------------------------------------------------------------
-- A problem of a scope, from one failed poll. It pauses the scope once p_polls failed polls of at least p_tasks tasks agree, and no poll in the
-- scope succeeded since the first of them. In a paused scope only the answer to a probe counts: the wait before the next probe grows.
-- Two functions of one text, since the scopes are rows of two tables.

DO $migration$
DECLARE
    v_scope record;
BEGIN
    FOR v_scope IN
        SELECT * FROM (VALUES
            ('delivery_report_app', 'delivery_app', 'p_app text', 'scope.app = p_app', '(app) VALUES (p_app)', 'task.app = p_app'),
            ('delivery_report_pair', 'delivery_pair', 'p_app text, p_agent_id text', 'scope.app = p_app AND scope.agent_id = p_agent_id',
                '(app, agent_id) VALUES (p_app, p_agent_id)',
                'task.app = p_app AND (task.agent_id = p_agent_id OR (task.agent_id IS NULL AND p_agent_id = p_default_agent_id))')
        ) AS scopes (name, relation, keys, matches, fresh, tasks)
    LOOP
        EXECUTE format($function$
CREATE FUNCTION %1$I(
    %3$s, p_default_agent_id text, p_task_id text, p_code text, p_detail jsonb, p_requested_at timestamptz,
    p_polls integer, p_tasks integer, p_delays_ms double precision[], p_until timestamptz
) RETURNS boolean
LANGUAGE plpgsql SET search_path FROM CURRENT
AS $body$
#variable_conflict use_column
DECLARE
    s %2$I%%ROWTYPE;
    v_now timestamptz;
    v_probe boolean;
BEGIN
    LOOP
        SELECT * INTO s FROM %2$I AS scope WHERE %4$s FOR UPDATE;
        EXIT WHEN FOUND;
        INSERT INTO %2$I %5$s ON CONFLICT DO NOTHING;
    END LOOP;
    v_now := clock_timestamp();

    IF s.pause_code IS NOT NULL THEN
        v_probe := s.probing OR s.paused_until <= v_now;
        IF NOT v_probe AND (p_until IS NULL OR p_until <= s.paused_until) THEN
            RETURN true;
        END IF;
        UPDATE %2$I AS scope SET
            pause_code = p_code,
            pause_detail = p_detail,
            paused_until = coalesce(p_until, v_now + make_interval(secs => p_delays_ms[least(
                CASE WHEN s.pause_code = p_code THEN s.probes + 1 ELSE 1 END, cardinality(p_delays_ms))] / 1000)),
            pause_since = CASE WHEN s.pause_code = p_code THEN s.pause_since ELSE p_requested_at END,
            pause_set_at = v_now,
            probing = false,
            probes = CASE WHEN s.pause_code = p_code THEN s.probes + 1 ELSE 1 END,
            updated_at = v_now
        WHERE %4$s;
        RETURN true;
    END IF;

    -- A success since the first witness refutes it.
    IF s.witness_code IS DISTINCT FROM p_code OR EXISTS (
        SELECT FROM delivery_task AS task WHERE %6$s AND task.last_good_requested_at > s.witness_since
    ) THEN
        s.witness_code := p_code;
        s.witness_task := p_task_id;
        s.witness_since := p_requested_at;
        s.witness_polls := 0;
        s.witness_agrees := p_tasks <= 1;
    END IF;
    s.witness_polls := s.witness_polls + 1;
    s.witness_agrees := s.witness_agrees OR s.witness_task <> p_task_id;

    IF s.witness_polls >= p_polls AND s.witness_agrees THEN
        UPDATE %2$I AS scope SET
            pause_code = p_code, pause_detail = p_detail, pause_since = s.witness_since, pause_set_at = v_now,
            paused_until = coalesce(p_until, v_now + make_interval(secs => p_delays_ms[1] / 1000)),
            probing = false, probes = 1,
            witness_code = NULL, witness_task = NULL, witness_since = NULL, witness_polls = 0, witness_agrees = false, updated_at = v_now
        WHERE %4$s;
        RETURN true;
    END IF;
    UPDATE %2$I AS scope SET
        witness_code = s.witness_code, witness_task = s.witness_task, witness_since = s.witness_since,
        witness_polls = s.witness_polls, witness_agrees = s.witness_agrees, updated_at = v_now
    WHERE %4$s;
    RETURN false;
END
$body$
        $function$, v_scope.name, v_scope.relation, v_scope.keys, v_scope.matches, v_scope.fresh, v_scope.tasks);
    END LOOP;
END
$migration$;

-- A poll succeeded: it lifts what is paused around it, and no earlier failed poll is a witness any more. A rate limit and a used-up quota are
-- not refuted by the answer to a call that was under way when they began. Returns the scopes whose pause it lifted, each with the problem.
CREATE FUNCTION "delivery_report_good"(p_app text, p_agent_id text, p_requested_at timestamptz) RETURNS TABLE (scope text, problem_code text)
LANGUAGE plpgsql SET search_path FROM CURRENT
AS $$
#variable_conflict use_column
DECLARE
    v_app_paused boolean;
    v_app_code text;
    v_pair_paused boolean;
    v_pair_code text;
BEGIN
    SELECT pause_code IS NOT NULL AND (probing OR p_requested_at >= CASE WHEN pause_code IN ('rate_limit', 'quota') THEN pause_set_at ELSE pause_since END), pause_code
    INTO v_app_paused, v_app_code FROM delivery_app WHERE app = p_app FOR UPDATE;
    UPDATE delivery_app SET
        last_good_at = greatest(last_good_at, p_requested_at),
        pause_code = CASE WHEN v_app_paused THEN NULL ELSE pause_code END,
        pause_detail = CASE WHEN v_app_paused THEN NULL ELSE pause_detail END,
        pause_since = CASE WHEN v_app_paused THEN NULL ELSE pause_since END,
        pause_set_at = CASE WHEN v_app_paused THEN NULL ELSE pause_set_at END,
        paused_until = CASE WHEN v_app_paused THEN NULL ELSE paused_until END,
        probing = probing AND NOT v_app_paused,
        probes = CASE WHEN v_app_paused THEN 0 ELSE probes END,
        witness_code = CASE WHEN witness_since < p_requested_at THEN NULL ELSE witness_code END,
        updated_at = clock_timestamp()
    WHERE app = p_app;

    SELECT pause_code IS NOT NULL AND (probing OR p_requested_at >= pause_since), pause_code
    INTO v_pair_paused, v_pair_code FROM delivery_pair WHERE app = p_app AND agent_id = p_agent_id FOR UPDATE;
    IF FOUND THEN
        UPDATE delivery_pair SET
            last_good_at = greatest(last_good_at, p_requested_at),
            pause_code = CASE WHEN v_pair_paused THEN NULL ELSE pause_code END,
            pause_detail = CASE WHEN v_pair_paused THEN NULL ELSE pause_detail END,
            pause_since = CASE WHEN v_pair_paused THEN NULL ELSE pause_since END,
            pause_set_at = CASE WHEN v_pair_paused THEN NULL ELSE pause_set_at END,
            paused_until = CASE WHEN v_pair_paused THEN NULL ELSE paused_until END,
            probing = probing AND NOT v_pair_paused,
            probes = CASE WHEN v_pair_paused THEN 0 ELSE probes END,
            witness_code = CASE WHEN witness_since < p_requested_at THEN NULL ELSE witness_code END,
            updated_at = clock_timestamp()
        WHERE app = p_app AND agent_id = p_agent_id;
    ELSIF p_agent_id IS NOT NULL THEN
        INSERT INTO delivery_pair AS known (app, agent_id, last_good_at) VALUES (p_app, p_agent_id, p_requested_at)
        ON CONFLICT (app, agent_id) DO UPDATE SET last_good_at = greatest(known.last_good_at, excluded.last_good_at);
    END IF;
    RETURN QUERY SELECT 'app', v_app_code WHERE v_app_paused UNION ALL SELECT 'pair', v_pair_code WHERE v_pair_paused;
END
$$;

-- One probe of a paused pair at a time. False: another worker has it, or it is not due.
CREATE FUNCTION "delivery_claim_probe"(p_app text, p_agent_id text, p_lease_ms double precision) RETURNS boolean
LANGUAGE sql SET search_path FROM CURRENT
AS $$
    WITH claimed AS (
        UPDATE delivery_pair
        SET probing = true, pause_set_at = clock_timestamp(), paused_until = clock_timestamp() + make_interval(secs => p_lease_ms / 1000)
        WHERE app = p_app AND agent_id = p_agent_id AND pause_code IS NOT NULL
            AND (paused_until <= clock_timestamp() OR pause_set_at > clock_timestamp() + interval '1 second')
        RETURNING 1
    )
    SELECT EXISTS (SELECT FROM claimed)
$$;

-- Comments -----------------------------------------------------------------------------------------------------------------------

COMMENT ON COLUMN "delivery_task"."sent_at_given" IS 'The sender gave sent_at. False: it is the time at which the task was enqueued, and no bracket relies on it.';
COMMENT ON COLUMN "delivery_task_rates"."sent_at_given" IS 'The sender gave sent_at. False: it is the time at which the task was enqueued, and no bracket relies on it.';
COMMENT ON COLUMN "delivery_task"."reason_code" IS 'Why the task ended, as a code; NULL while it is tracked.';
COMMENT ON COLUMN "delivery_task_rates"."reason_code" IS 'Why the task ended, as a code; NULL while it is tracked.';
COMMENT ON COLUMN "delivery_task"."reason_detail" IS 'Details of reason_code; text: what an earlier version stored.';
COMMENT ON COLUMN "delivery_task_rates"."reason_detail" IS 'Details of reason_code; text: what an earlier version stored.';
COMMENT ON COLUMN "delivery_task"."problem_code" IS 'Why the task cannot be polled now, as a code; NULL: the last poll succeeded, or none was made.';
COMMENT ON COLUMN "delivery_task_rates"."problem_code" IS 'Why the task cannot be polled now, as a code; NULL: the last poll succeeded, or none was made.';
COMMENT ON COLUMN "delivery_task"."problem_detail" IS 'What DingTalk or the network answered: said (the effective code), message, scope, requestId, agentId, ip.';
COMMENT ON COLUMN "delivery_task_rates"."problem_detail" IS 'What DingTalk or the network answered: said (the effective code), message, scope, requestId, agentId, ip.';
COMMENT ON COLUMN "delivery_task"."problem_since" IS 'When the answer of the first failed poll with this problem arrived; where none did, when its request was sent.';
COMMENT ON COLUMN "delivery_task_rates"."problem_since" IS 'When the answer of the first failed poll with this problem arrived; where none did, when its request was sent.';
COMMENT ON COLUMN "delivery_task"."delay_code" IS 'Why the next poll is later than planned, as a code; NULL: it is not.';
COMMENT ON COLUMN "delivery_task_rates"."delay_code" IS 'Why the next poll is later than planned, as a code; NULL: it is not.';
COMMENT ON COLUMN "delivery_task"."delay_detail" IS 'Details of delay_code.';
COMMENT ON COLUMN "delivery_task_rates"."delay_detail" IS 'Details of delay_code.';
COMMENT ON COLUMN "delivery_task"."calls" IS 'Calls of getsendresult that were made for the task.';
COMMENT ON COLUMN "delivery_task_rates"."calls" IS 'Calls of getsendresult that were made for the task.';
COMMENT ON COLUMN "delivery_task"."problem_polls" IS 'Failed polls in a row with this problem.';
COMMENT ON COLUMN "delivery_task"."final_calls" IS 'Calls of the final poll, its retries included. From the first one on no call is reserved for the task.';
COMMENT ON COLUMN "delivery_task"."resumed" IS 'The next poll was brought forward: the job of the task is to be moved.';
COMMENT ON COLUMN "delivery_task_rates"."reason" IS 'Why the task ended: reason_code, or the text that an earlier version stored; NULL while it is tracked.';
COMMENT ON COLUMN "delivery_task_rates"."hindrance" IS 'Why the next poll is later than planned: delay_code, or the text that an earlier version stored; NULL: it is not.';
COMMENT ON COLUMN "delivery_recipient_status"."sent_at_given" IS 'The sender gave sent_at. False: it is the time at which the task was enqueued, and no bracket relies on it.';
COMMENT ON COLUMN "delivery_poll"."problem_code" IS 'What the failed poll means, as a code; NULL after a successful one.';
COMMENT ON COLUMN "delivery_looks"."problem_code" IS 'What the failed poll means, as a code; NULL after a successful one.';
COMMENT ON COLUMN "delivery_poll"."scope" IS 'What the failed poll says something about: answer, task, pair (app and agent id), worker, app or dingtalk; NULL after a successful one.';
COMMENT ON COLUMN "delivery_looks"."scope" IS 'What the failed poll says something about: answer, task, pair (app and agent id), worker, app or dingtalk; NULL after a successful one.';
COMMENT ON COLUMN "delivery_poll"."calls" IS 'Calls of getsendresult that the poll took: 2 where the first token was refused.';
COMMENT ON COLUMN "delivery_looks"."calls" IS 'Calls of getsendresult that the poll took: 2 where the first token was refused.';
COMMENT ON COLUMN "delivery_app"."pause_code" IS 'Why nothing in the scope is polled, as a code; NULL: it is not paused.';
COMMENT ON COLUMN "delivery_app"."pause_detail" IS 'What DingTalk or the network answered: said, message, scope, requestId, agentId, ip.';
COMMENT ON COLUMN "delivery_app"."pause_since" IS 'When the request of the first failed poll with this problem was sent.';
COMMENT ON COLUMN "delivery_app"."paused_until" IS 'When the next probe is due; NULL: not paused.';
COMMENT ON COLUMN "delivery_app"."last_good_at" IS 'When the request of a successful poll was sent, the latest within a minute; NULL: none was.';
COMMENT ON COLUMN "delivery_pair"."pause_code" IS 'Why nothing in the scope is polled, as a code; NULL: it is not paused.';
COMMENT ON COLUMN "delivery_pair"."pause_detail" IS 'What DingTalk or the network answered: said, message, scope, requestId, agentId, ip.';
COMMENT ON COLUMN "delivery_pair"."pause_since" IS 'When the request of the first failed poll with this problem was sent.';
COMMENT ON COLUMN "delivery_pair"."paused_until" IS 'When the next probe is due; NULL: not paused.';
COMMENT ON COLUMN "delivery_pair"."last_good_at" IS 'When the request of a successful poll was sent, the latest within a minute; NULL: none was.';
COMMENT ON COLUMN "delivery_app_usage"."pause_code" IS 'Why nothing in the scope is polled, as a code; NULL: it is not paused.';
COMMENT ON COLUMN "delivery_app_usage"."pause_detail" IS 'What DingTalk or the network answered: said, message, scope, requestId, agentId, ip.';
COMMENT ON COLUMN "delivery_app_usage"."pause_since" IS 'When the request of the first failed poll with this problem was sent.';
COMMENT ON COLUMN "delivery_app_usage"."paused_until" IS 'When the next probe is due; NULL: not paused.';
COMMENT ON COLUMN "delivery_app_usage"."last_good_at" IS 'When the request of a successful poll was sent, the latest within a minute; NULL: none was.';
COMMENT ON COLUMN "delivery_pair_status"."pause_code" IS 'Why nothing in the scope is polled, as a code; NULL: it is not paused.';
COMMENT ON COLUMN "delivery_pair_status"."pause_detail" IS 'What DingTalk or the network answered: said, message, scope, requestId, agentId, ip.';
COMMENT ON COLUMN "delivery_pair_status"."pause_since" IS 'When the request of the first failed poll with this problem was sent.';
COMMENT ON COLUMN "delivery_pair_status"."paused_until" IS 'When the next probe is due; NULL: not paused.';
COMMENT ON COLUMN "delivery_pair_status"."last_good_at" IS 'When the request of a successful poll was sent, the latest within a minute; NULL: none was.';
COMMENT ON COLUMN "delivery_app"."pause_set_at" IS 'When the pause was last set or prolonged.';
COMMENT ON COLUMN "delivery_app"."witness_code" IS 'Problem of the failed polls that may show the scope to have it; NULL: none.';
COMMENT ON COLUMN "delivery_app"."witness_task" IS 'The task of the first of them.';
COMMENT ON COLUMN "delivery_app"."witness_since" IS 'When the request of the first of them was sent.';
COMMENT ON COLUMN "delivery_app"."witness_polls" IS 'How many they are.';
COMMENT ON COLUMN "delivery_app"."witness_agrees" IS 'They are of different tasks.';
COMMENT ON COLUMN "delivery_pair"."pause_set_at" IS 'When the pause was last set or prolonged.';
COMMENT ON COLUMN "delivery_pair"."witness_code" IS 'Problem of the failed polls that may show the scope to have it; NULL: none.';
COMMENT ON COLUMN "delivery_pair"."witness_task" IS 'The task of the first of them.';
COMMENT ON COLUMN "delivery_pair"."witness_since" IS 'When the request of the first of them was sent.';
COMMENT ON COLUMN "delivery_pair"."witness_polls" IS 'How many they are.';
COMMENT ON COLUMN "delivery_pair"."witness_agrees" IS 'They are of different tasks.';
COMMENT ON COLUMN "delivery_app"."resumed_at" IS 'When somebody last lifted all pauses of the app; workers drop what they hold against it.';
COMMENT ON COLUMN "delivery_pair"."probing" IS 'A probe is under way; its answer decides.';
COMMENT ON COLUMN "delivery_pair"."probes" IS 'Failed probes in a row.';
COMMENT ON COLUMN "delivery_pair"."updated_at" IS 'When the row last changed.';
COMMENT ON COLUMN "delivery_pair"."app" IS 'Name of the app in the worker''s configuration.';
COMMENT ON COLUMN "delivery_pair"."agent_id" IS 'Agent id with which its tasks are polled.';
COMMENT ON COLUMN "delivery_pair_status"."app" IS 'Name of the app in the worker''s configuration.';
COMMENT ON COLUMN "delivery_pair_status"."agent_id" IS 'Agent id with which its tasks are polled.';
COMMENT ON TABLE "delivery_pair" IS 'An app with one agent id: whether polls succeed with it.';
COMMENT ON VIEW "delivery_pair_status" IS 'A row for each app and agent id that was polled: whether polls succeed with it.';
COMMENT ON TABLE "delivery_worker" IS 'Workers that run, and apps that one of them cannot poll.';
COMMENT ON VIEW "delivery_worker_status" IS 'A row for each worker that ran lately, and the apps that it cannot poll.';
COMMENT ON COLUMN "delivery_worker"."worker_id" IS 'Random for each start of a worker.';
COMMENT ON COLUMN "delivery_worker_status"."worker_id" IS 'Random for each start of a worker.';
COMMENT ON COLUMN "delivery_worker"."started_at" IS 'When it started.';
COMMENT ON COLUMN "delivery_worker_status"."started_at" IS 'When it started.';
COMMENT ON COLUMN "delivery_worker"."seen_at" IS 'When it last said that it runs.';
COMMENT ON COLUMN "delivery_worker_status"."seen_at" IS 'When it last said that it runs.';
COMMENT ON COLUMN "delivery_worker"."apps" IS 'The apps of its configuration.';
COMMENT ON COLUMN "delivery_worker_status"."apps" IS 'The apps of its configuration.';
COMMENT ON COLUMN "delivery_worker"."problems" IS 'By app: why this worker cannot poll it (code, detail, since).';
COMMENT ON COLUMN "delivery_worker_status"."problems" IS 'By app: why this worker cannot poll it (code, detail, since).';
COMMENT ON COLUMN "delivery_worker"."expires_at" IS 'When it counts as gone, unless it says again that it runs.';
COMMENT ON COLUMN "delivery_worker_status"."is_alive" IS 'It said so lately enough.';
COMMENT ON COLUMN "delivery_app_usage"."pause_kind" IS 'throttled, configuration, quota or outage; NULL: calls are made.';
COMMENT ON COLUMN "delivery_app_usage"."pause_reason" IS 'The same as pause_code.';
COMMENT ON COLUMN "delivery_transition"."after_at" IS 'Lower end of the bracket of the change, exclusive; NULL: not known, since the send time was assumed.';
COMMENT ON COLUMN "delivery_state_changes"."after_at" IS 'Lower end of the bracket of the change; it happened after it. NULL: not known, since the send time was assumed.';
COMMENT ON COLUMN "delivery_task"."sent_at" IS 'When the message was sent, as the sender said; where sent_at_given is false, when the task was enqueued.';
COMMENT ON COLUMN "delivery_task_rates"."sent_at" IS 'When the message was sent, as the sender said; where sent_at_given is false, when the task was enqueued.';
COMMENT ON FUNCTION "delivery_reserve_calls"(text, integer, integer, integer, double precision, integer, double precision, double precision) IS 'Internal: reserves calls of an app for the near future.';
COMMENT ON FUNCTION "delivery_refund_calls"(text, text, integer) IS 'Internal: gives calls back that were not made, in the month in which they were reserved.';
COMMENT ON FUNCTION "delivery_report_app"(text, text, text, text, jsonb, timestamptz, integer, integer, double precision[], timestamptz) IS 'Internal: a failed poll that may mean that the whole app cannot be polled. Returns whether it is paused.';
COMMENT ON FUNCTION "delivery_report_pair"(text, text, text, text, text, jsonb, timestamptz, integer, integer, double precision[], timestamptz) IS 'Internal: a failed poll that may mean that the app cannot be polled with this agent id. Returns whether the pair is paused.';
COMMENT ON FUNCTION "delivery_report_good"(text, text, timestamptz) IS 'Internal: a successful poll. Returns the scopes whose pause it lifted.';
COMMENT ON FUNCTION "delivery_claim_probe"(text, text, double precision) IS 'Internal: takes the one probe of a paused pair that is due.';
