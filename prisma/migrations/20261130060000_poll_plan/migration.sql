-- The poll plan is data of its task: when it is polled, why then, and whether the month's budget has a call for its final poll. A task that an
-- earlier version scheduled has no plan in its row and keeps the one that follows from POLLS_PER_TASK.

ALTER TABLE "delivery_task"
    ADD COLUMN "poll_offsets" INTEGER[],
    ADD COLUMN "plan" JSONB,
    ADD COLUMN "admitted" BOOLEAN NOT NULL DEFAULT true,
    ADD CONSTRAINT "delivery_task_poll_offsets_check" CHECK (cardinality("poll_offsets") <= 500 AND array_position("poll_offsets", NULL) IS NULL);

-- Offsets count from the send. Where a sender corrects it, the polls are planned anew.
CREATE FUNCTION "delivery_forget_plan"() RETURNS trigger
LANGUAGE plpgsql
AS $$
BEGIN
    NEW.poll_offsets := NULL;
    NEW.plan := NULL;
    RETURN NEW;
END
$$;
CREATE TRIGGER "delivery_task_forget_plan" BEFORE UPDATE OF "sent_at" ON "delivery_task"
    FOR EACH ROW WHEN (OLD.sent_at IS DISTINCT FROM NEW.sent_at) EXECUTE FUNCTION "delivery_forget_plan"();

-- When the recipients of an app read, as the worker learned it. The id is the version that a plan names.
CREATE TABLE "delivery_law" (
    "id" BIGSERIAL NOT NULL,
    "app" TEXT COLLATE "C" NOT NULL,
    "law" JSONB NOT NULL,
    "tasks" INTEGER NOT NULL,
    "people" INTEGER NOT NULL,
    "last_sent_at" TIMESTAMPTZ(3),
    "learned_at" TIMESTAMPTZ(3) NOT NULL DEFAULT clock_timestamp(),

    CONSTRAINT "delivery_law_pkey" PRIMARY KEY ("id")
);
CREATE INDEX "delivery_law_app_id_idx" ON "delivery_law"("app", "id");

CREATE VIEW "delivery_laws" AS
SELECT app, id AS version, tasks, people, last_sent_at, learned_at, law
FROM delivery_law;

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
    coalesce(delay_detail ->> 'text', delay_code) AS delay_reason,
    poll_offsets, plan, admitted
FROM delivery_task;

-- Calls of an app, over all workers together --------------------------------------------------------------------------------

-- How fast the calls of a month are used, those of people sync too. The last day comes first.
ALTER TABLE "delivery_app"
    ADD COLUMN "calls_day" DATE,
    ADD COLUMN "calls_by_day" INTEGER[] NOT NULL DEFAULT '{}';

-- Calls are added to a day's number. Days without calls are 0. 28 days are kept.
CREATE FUNCTION "delivery_calls_by_day"(p_days integer[], p_last date, p_today date, p_calls integer) RETURNS integer[]
LANGUAGE sql IMMUTABLE
AS $$
    SELECT (CASE
        WHEN p_last IS NULL OR cardinality(p_days) = 0 THEN ARRAY[greatest(p_calls, 0)]
        -- A clock that stepped back.
        WHEN p_today <= p_last THEN greatest(p_days[1] + p_calls, 0) || p_days[2:]
        ELSE greatest(p_calls, 0) || array_fill(0, ARRAY[least(p_today - p_last - 1, 28)]) || p_days
    END)[1:28]
$$;

-- The month of China's calendar in which a call counts, its start and its end. A clock in which time runs faster is for demos and tests: at `at` it shows
-- `shows`, and runs `scale` times as fast. NULL: the real one.
CREATE FUNCTION "delivery_call_month"(p_at timestamptz, p_clock jsonb, OUT name text, OUT starts timestamptz, OUT ends timestamptz, OUT final_ms double precision, OUT day date)
LANGUAGE plpgsql STABLE
AS $$
DECLARE
    v_scale CONSTANT double precision := coalesce((p_clock ->> 'scale')::double precision, 1);
    v_origin CONSTANT timestamptz := coalesce((p_clock ->> 'at')::timestamptz, p_at);
    v_shows CONSTANT timestamptz := coalesce((p_clock ->> 'shows')::timestamptz, p_at);
    v_local timestamp;
BEGIN
    v_local := (v_shows + (p_at - v_origin) * v_scale) AT TIME ZONE 'UTC' + interval '8 hours';
    name := to_char(v_local, 'YYYY-MM');
    day := v_local::date;
    starts := p_at - make_interval(secs => extract(epoch FROM v_local - date_trunc('month', v_local)) / v_scale);
    ends := p_at + make_interval(secs => extract(epoch FROM date_trunc('month', v_local) + interval '1 month' - v_local) / v_scale);
    -- The final poll is due at most 12 minutes before the deadline.
    final_ms := 720000 / v_scale;
END
$$;

-- Calls that are reserved: one for each open task that was admitted, whose final poll falls in a time and has not been made.
CREATE FUNCTION "delivery_reserved_calls"(p_app text, p_from timestamptz, p_before timestamptz, p_limit integer) RETURNS integer
LANGUAGE sql STABLE SET search_path FROM CURRENT
AS $$
    SELECT count(*)::integer
    FROM (
        SELECT FROM delivery_task AS task
        WHERE task.app = p_app AND task.status = 'tracking' AND task.final_calls = 0 AND task.admitted
            AND (task.scheduled_at IS NOT NULL OR task.poll_offsets IS NOT NULL)
            AND task.deadline_at >= p_from AND task.deadline_at < p_before
        LIMIT p_limit
    ) AS open_task
$$;

-- What is reserved, and a tenth more for the retries of final polls.
CREATE FUNCTION "delivery_with_retries"(p_reserved integer) RETURNS integer
LANGUAGE sql IMMUTABLE
AS $$ SELECT ceil(p_reserved * 1.1)::integer $$;

-- Locks the app's row until the transaction ends, so that what is admitted on this answer is reserved before any other call is granted.
CREATE FUNCTION "delivery_admission"(
    p_app text, p_budget integer, p_clock jsonb,
    OUT calls_left integer, OUT reserved integer, OUT reserved_next integer, OUT used integer, OUT month text, OUT month_ends timestamptz, OUT final_ms double precision
)
LANGUAGE plpgsql SET search_path FROM CURRENT
AS $$
#variable_conflict use_column
DECLARE
    a delivery_app%ROWTYPE;
    v_month record;
BEGIN
    LOOP
        SELECT * INTO a FROM delivery_app WHERE delivery_app.app = p_app FOR UPDATE;
        EXIT WHEN FOUND;
        INSERT INTO delivery_app (app) VALUES (p_app) ON CONFLICT DO NOTHING;
    END LOOP;
    SELECT * INTO v_month FROM delivery_call_month(clock_timestamp(), p_clock);
    used := CASE WHEN a.calls_month = v_month.name THEN a.calls_used ELSE 0 END;
    calls_left := greatest(p_budget - used, 0);
    month := v_month.name;
    month_ends := v_month.ends;
    final_ms := v_month.final_ms;
    reserved := delivery_reserved_calls(p_app, '-infinity', v_month.ends + v_month.final_ms * interval '1 ms', p_budget);
    reserved_next := delivery_reserved_calls(p_app, v_month.ends + v_month.final_ms * interval '1 ms', 'infinity', p_budget);
END
$$;

DROP FUNCTION "delivery_reserve_calls"(text, integer, integer, integer, double precision, integer, double precision, double precision);

CREATE FUNCTION "delivery_reserve_calls"(
    p_app text,
    p_ordinary integer,
    p_retries integer,
    p_reserved integer,
    p_forced integer,
    p_per_second double precision,
    p_budget integer,
    p_horizon_ms double precision,
    p_probe_lease_ms double precision,
    p_clock jsonb
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
    v_day date;
    v_month_end timestamptz;
    v_final_ms double precision;
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
    SELECT name, day, ends, final_ms INTO v_month, v_day, v_month_end, v_final_ms FROM delivery_call_month(v_now, p_clock);

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
            v_kept := delivery_reserved_calls(p_app, '-infinity', v_month_end + v_final_ms * interval '1 ms', v_left);
            -- Retries of final polls go first, and may use what is kept for them.
            v_ordinary := least(v_ordinary, greatest(
                least(p_retries, v_left - greatest(v_kept, v_reserved)), v_left - greatest(delivery_with_retries(v_kept), v_reserved), 0));
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
        calls_day = greatest(a.calls_day, v_day),
        calls_by_day = delivery_calls_by_day(a.calls_by_day, a.calls_day, v_day, v_ordinary + v_reserved),
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

CREATE OR REPLACE FUNCTION "delivery_refund_calls"(p_app text, p_month text, p_calls integer) RETURNS void
LANGUAGE sql SET search_path FROM CURRENT
AS $$
    UPDATE delivery_app SET
        calls_used = greatest(calls_used - p_calls, 0),
        calls_by_day = delivery_calls_by_day(calls_by_day, calls_day, calls_day, -p_calls)
    WHERE app = p_app AND calls_month = p_month
$$;

-- Temporary tables of a caller come last.
DO $migration$
DECLARE
    v_function regprocedure;
BEGIN
    FOREACH v_function IN ARRAY ARRAY[
        'delivery_reserved_calls(text, timestamptz, timestamptz, integer)'::regprocedure,
        'delivery_admission(text, integer, jsonb)'::regprocedure,
        'delivery_refund_calls(text, text, integer)'::regprocedure,
        'delivery_reserve_calls(text, integer, integer, integer, integer, double precision, integer, double precision, double precision, jsonb)'::regprocedure
    ] LOOP
        EXECUTE format('ALTER FUNCTION %s SET search_path = %I, pg_temp', v_function, current_schema());
    END LOOP;
END
$migration$;

-- Comments ------------------------------------------------------------------------------------------------------------------

COMMENT ON COLUMN "delivery_task"."poll_offsets" IS 'The poll plan: milliseconds from sent_at to each poll, the final one last. NULL: planned by an earlier version, or not yet.';
COMMENT ON COLUMN "delivery_task"."plan" IS 'Why the polls are where they are: placedBy, people, law (its version), price of a call, expected calls and width.';
COMMENT ON COLUMN "delivery_task"."admitted" IS 'False: the monthly call budget had no call left for the final poll when the task was scheduled.';
COMMENT ON COLUMN "delivery_task_rates"."poll_offsets" IS 'The poll plan: milliseconds from sent_at to each poll, the final one last. NULL: planned by an earlier version, or not yet.';
COMMENT ON COLUMN "delivery_task_rates"."plan" IS 'Why the polls are where they are: placedBy, people, law (its version), price of a call, expected calls and width.';
COMMENT ON COLUMN "delivery_task_rates"."admitted" IS 'False: the monthly call budget had no call left for the final poll when the task was scheduled.';
COMMENT ON TABLE "delivery_law" IS 'When the recipients of an app read, as the worker learned it from polls. No names.';
COMMENT ON COLUMN "delivery_law"."id" IS 'The version, which plans name.';
COMMENT ON COLUMN "delivery_law"."app" IS 'Name of the app in the worker''s configuration.';
COMMENT ON COLUMN "delivery_law"."law" IS 'Attention by hour of work days and free days, and the cumulative hazard over minutes of attention.';
COMMENT ON COLUMN "delivery_law"."tasks" IS 'From how many ended tasks it was learned.';
COMMENT ON COLUMN "delivery_law"."people" IS 'How many delivered recipients those had.';
COMMENT ON COLUMN "delivery_law"."last_sent_at" IS 'When the latest of them was sent.';
COMMENT ON COLUMN "delivery_law"."learned_at" IS 'When it was learned.';
COMMENT ON VIEW "delivery_laws" IS 'The laws by which polls are planned: when the recipients of an app read.';
COMMENT ON COLUMN "delivery_laws"."app" IS 'Name of the app in the worker''s configuration.';
COMMENT ON COLUMN "delivery_laws"."version" IS 'The version, which plans name.';
COMMENT ON COLUMN "delivery_laws"."tasks" IS 'From how many ended tasks it was learned.';
COMMENT ON COLUMN "delivery_laws"."people" IS 'How many delivered recipients those had.';
COMMENT ON COLUMN "delivery_laws"."last_sent_at" IS 'When the latest of them was sent.';
COMMENT ON COLUMN "delivery_laws"."learned_at" IS 'When it was learned.';
COMMENT ON COLUMN "delivery_laws"."law" IS 'Attention by hour of work days and free days, and the cumulative hazard over minutes of attention.';
COMMENT ON FUNCTION "delivery_forget_plan"() IS 'Internal: the polls of a task whose send time was corrected are planned anew.';
COMMENT ON FUNCTION "delivery_call_month"(timestamptz, jsonb) IS 'Internal: the month in which a call counts, its start and its end.';
COMMENT ON COLUMN "delivery_app"."calls_day" IS 'The day in China of the first number of calls_by_day.';
COMMENT ON COLUMN "delivery_app"."calls_by_day" IS 'Calls of each of the last 28 days, the latest first.';
COMMENT ON FUNCTION "delivery_calls_by_day"(integer[], date, date, integer) IS 'Internal: adds calls to those of a day.';
COMMENT ON FUNCTION "delivery_reserved_calls"(text, timestamptz, timestamptz, integer) IS 'Internal: calls that are reserved for final polls of an app.';
COMMENT ON FUNCTION "delivery_with_retries"(integer) IS 'Internal: reserved calls, and a tenth more for retries.';
COMMENT ON FUNCTION "delivery_admission"(text, integer, jsonb) IS 'Internal: what the month''s budget has left for new tasks; locks the app''s row.';
COMMENT ON FUNCTION "delivery_reserve_calls"(text, integer, integer, integer, integer, double precision, integer, double precision, double precision, jsonb) IS 'Internal: reserves calls of an app for the near future.';
