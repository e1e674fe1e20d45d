-- A database of 0.1.0, as pg_dump wrote it on 2026-11-27 10:00 UTC (without comments and headers). 0.1.0's own code wrote the rows, polling a
-- stand-in of DingTalk in simulated days; only times of the server's clock were set to those days. Its worker was stopped at 09:40 (for app
-- "branch" at 00:00). Tasks: 501 in mid-window, 502 before its final poll, 503 past its deadline, 504 delayed by a pause of its app, 505 enqueued
-- while no worker ran, 506 stopped inside its window, 507 and 508 ended.


SET statement_timeout = 0;
SET lock_timeout = 0;
SET idle_in_transaction_session_timeout = 0;
SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
SELECT pg_catalog.set_config('search_path', '', false);
SET check_function_bodies = false;
SET xmloption = content;
SET client_min_messages = warning;
SET row_security = off;

CREATE FUNCTION public.delivery_begin_erasure(p_user text, p_app text) RETURNS text
    LANGUAGE plpgsql
    SET search_path TO '$user', 'public'
    SET lock_timeout TO '5s'
    AS $$
DECLARE
    v_pseudonym text;
    v_salt text;
BEGIN
    -- Each statement below must see what was committed while it waited for the lock.
    IF current_setting('transaction_isolation') <> 'read committed' THEN
        RAISE EXCEPTION USING ERRCODE = '25001', MESSAGE = 'delivery_begin_erasure works in READ COMMITTED transactions only.';
    END IF;
    -- Waits for the looks that are being written: what they wrote is found by delivery_erase_page. Those that are written later see this erasure.
    -- They lock in ROW SHARE mode, which a backup does not.
    LOCK TABLE delivery_erasure IN EXCLUSIVE MODE;
    SELECT pseudonym INTO v_pseudonym FROM delivery_erasure WHERE digest = delivery_digest(salt, p_user) ORDER BY id DESC LIMIT 1;
    DELETE FROM delivery_erasure WHERE digest = delivery_digest(salt, p_user) AND (p_app IS NULL OR app = p_app);
    -- One salt for those that live at the same time: a look makes one digest a person, however many were erased.
    SELECT salt INTO v_salt FROM delivery_erasure LIMIT 1;
    v_salt := coalesce(v_salt, delivery_random());
    v_pseudonym := coalesce(v_pseudonym, delivery_pseudonym(delivery_random(), p_user));
    INSERT INTO delivery_erasure (app, salt, digest, pseudonym, erased_at)
    VALUES (p_app, v_salt, delivery_digest(v_salt, p_user), v_pseudonym, clock_timestamp());
    RETURN v_pseudonym;
END
$$;

CREATE FUNCTION public.delivery_digest(salt text, name text) RETURNS text
    LANGUAGE sql IMMUTABLE STRICT
    AS $$
    SELECT encode(sha256(convert_to(salt || name, 'UTF8')), 'hex')
$$;

CREATE FUNCTION public.delivery_erase_page(p_user text, p_pseudonym text, p_app text, p_after bigint, p_tasks integer, OUT last_id bigint, OUT tasks integer) RETURNS record
    LANGUAGE plpgsql
    SET search_path TO '$user', 'public'
    SET jit TO 'off'
    AS $$
DECLARE
    v_ids bigint[];
BEGIN
    -- Before any task is locked: a new erasure waits for the looks under way, and one of them may wait for a task.
    LOCK TABLE delivery_erasure IN ROW EXCLUSIVE MODE;
    SELECT max(id) INTO last_id FROM (SELECT id FROM delivery_task WHERE id > p_after ORDER BY id LIMIT p_tasks) AS page;
    -- LATERAL with LIMIT makes it a look-up by key for each task: no index has the names alone, and a scan would read everybody.
    WITH found AS MATERIALIZED (
        SELECT task.id, task.app, task.campaign
        FROM delivery_task AS task
        LEFT JOIN delivery_campaign_salt AS salt ON salt.app = task.app AND salt.campaign = task.campaign
        CROSS JOIN LATERAL (
            SELECT FROM delivery_recipient AS person
            WHERE person.task_pk = task.id AND person.user_id IN (p_user, delivery_pseudonym(salt.salt, p_user)) LIMIT 1
        ) AS listed
        WHERE task.id > p_after AND task.id <= last_id AND (p_app IS NULL OR task.app = p_app)
    )
    SELECT array_agg(id) INTO v_ids FROM (
        SELECT id FROM found
        UNION
        SELECT task.id
        FROM (SELECT DISTINCT app, campaign FROM found WHERE campaign IS NOT NULL) AS touched
        JOIN delivery_task AS task ON task.app = touched.app AND task.campaign = touched.campaign
        LEFT JOIN delivery_campaign_salt AS salt ON salt.app = task.app AND salt.campaign = task.campaign
        CROSS JOIN LATERAL (
            SELECT FROM delivery_recipient AS person
            WHERE person.task_pk = task.id AND person.user_id IN (p_user, delivery_pseudonym(salt.salt, p_user)) LIMIT 1
        ) AS listed
    ) AS every;
    tasks := 0;
    IF v_ids IS NULL THEN
        RETURN;
    END IF;
    -- In the order of their keys, as every writer does.
    PERFORM FROM delivery_task WHERE id = ANY (v_ids) ORDER BY app, task_id FOR UPDATE;
    UPDATE delivery_recipient AS person SET user_id = p_pseudonym
    FROM delivery_task AS task
    LEFT JOIN delivery_campaign_salt AS salt ON salt.app = task.app AND salt.campaign = task.campaign
    WHERE task.id = ANY (v_ids) AND person.task_pk = task.id AND person.user_id IN (p_user, delivery_pseudonym(salt.salt, p_user));
    -- Not those that were found: another session may have been first.
    GET DIAGNOSTICS tasks = ROW_COUNT;
    UPDATE delivery_transition AS change SET user_id = p_pseudonym
    FROM delivery_task AS task
    LEFT JOIN delivery_campaign_salt AS salt ON salt.app = task.app AND salt.campaign = task.campaign
    WHERE task.id = ANY (v_ids) AND change.task_pk = task.id AND change.user_id IN (p_user, delivery_pseudonym(salt.salt, p_user));
    -- Made from the names: of a list of one, the name could be guessed from it.
    UPDATE delivery_task SET listed_fingerprint = NULL, listed_since = NULL WHERE id = ANY (v_ids) AND listed_fingerprint IS NOT NULL;
    UPDATE delivery_erasure AS erasure SET tasks = erasure.tasks + delivery_erase_page.tasks WHERE erasure.pseudonym = p_pseudonym;
END
$$;

CREATE FUNCTION public.delivery_forbidden_reason(code text) RETURNS text
    LANGUAGE sql IMMUTABLE
    AS $$
    SELECT CASE
        WHEN code IN ('143105', '143205') THEN 'daily_limit'
        WHEN code IN ('143106', '143206') THEN 'duplicate_content'
        WHEN code IN ('143103', '143203') THEN 'app_rate_limit'
        WHEN code IN ('143104', '143204') THEN 'organisation_rate_limit'
        ELSE 'other'
    END
$$;

CREATE FUNCTION public.delivery_is_label(value text, longest integer) RETURNS boolean
    LANGUAGE sql IMMUTABLE
    SET search_path TO '$user', 'public'
    AS $_$
    -- The spaces that JavaScript trims.
    SELECT value <> ''
        AND delivery_utf16_length(value) <= longest
        AND value !~ '[\u0001-\u001f\u007f-\u009f]'
        AND value !~ '^[ \u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000\ufeff]'
        AND value !~ '[ \u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000\ufeff]$'
$_$;

CREATE FUNCTION public.delivery_mark_added() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_temp'
    AS $$
BEGIN
    -- LATERAL with LIMIT makes it a look-up by key for each task, whatever the planner's statistics say.
    -- FOR SHARE, here and below: a task that another transaction moves to another campaign is waited for, or the mark would go to the one it left.
    -- A look holds a stronger lock on its tasks already, and a task that was only just tracked is seen by nobody else: neither waits.
    INSERT INTO delivery_campaign_change (app, campaign)
    SELECT DISTINCT task.app, task.campaign
    FROM (SELECT DISTINCT task_pk FROM added) AS touched
    CROSS JOIN LATERAL (SELECT app, campaign FROM delivery_task AS stored WHERE stored.id = touched.task_pk LIMIT 1 FOR SHARE) AS task
    WHERE task.campaign IS NOT NULL;
    RETURN NULL;
END
$$;

CREATE FUNCTION public.delivery_mark_changed() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_temp'
    AS $$
BEGIN
    INSERT INTO delivery_campaign_change (app, campaign)
    SELECT DISTINCT task.app, task.campaign
    FROM (
        SELECT task_pk FROM (SELECT task_pk, user_id, state FROM added EXCEPT SELECT task_pk, user_id, state FROM removed) AS now_so
        UNION
        SELECT task_pk FROM (SELECT task_pk, user_id, state FROM removed EXCEPT SELECT task_pk, user_id, state FROM added) AS no_more
    ) AS touched
    CROSS JOIN LATERAL (SELECT app, campaign FROM delivery_task AS stored WHERE stored.id = touched.task_pk LIMIT 1 FOR SHARE) AS task
    WHERE task.campaign IS NOT NULL;
    RETURN NULL;
END
$$;

CREATE FUNCTION public.delivery_mark_emptied() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_temp'
    AS $$
BEGIN
    -- An older snapshot would not show what was settled since, and TRUNCATE itself heeds no snapshot.
    IF current_setting('transaction_isolation') <> 'read committed' THEN
        RAISE EXCEPTION USING ERRCODE = '25001', MESSAGE = 'TRUNCATE of delivery_recipient works in READ COMMITTED transactions only.';
    END IF;
    INSERT INTO delivery_campaign_change (app, campaign) SELECT app, campaign FROM delivery_campaign;
    RETURN NULL;
END
$$;

CREATE FUNCTION public.delivery_mark_removed() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_temp'
    AS $$
BEGIN
    INSERT INTO delivery_campaign_change (app, campaign)
    SELECT DISTINCT task.app, task.campaign
    FROM (SELECT DISTINCT task_pk FROM removed) AS touched
    CROSS JOIN LATERAL (SELECT app, campaign FROM delivery_task AS stored WHERE stored.id = touched.task_pk LIMIT 1 FOR SHARE) AS task
    WHERE task.campaign IS NOT NULL;
    RETURN NULL;
END
$$;

CREATE FUNCTION public.delivery_mark_task_moved() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_temp'
    AS $$
BEGIN
    INSERT INTO delivery_campaign_change (app, campaign)
    SELECT app, campaign FROM (VALUES (OLD.app, OLD.campaign), (NEW.app, NEW.campaign)) AS of_task (app, campaign) WHERE campaign IS NOT NULL;
    RETURN NULL;
END
$$;

CREATE FUNCTION public.delivery_mark_tasks_removed() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_temp'
    AS $$
BEGIN
    -- Their people go with them, and can no longer find their campaign.
    INSERT INTO delivery_campaign_change (app, campaign) SELECT DISTINCT app, campaign FROM removed WHERE campaign IS NOT NULL;
    RETURN NULL;
END
$$;

CREATE FUNCTION public.delivery_pseudonym(salt text, name text) RETURNS text
    LANGUAGE sql IMMUTABLE STRICT
    SET search_path TO '$user', 'public'
    AS $$
    SELECT 'anonymous:' || left(delivery_digest(salt, name), 24)
$$;

CREATE FUNCTION public.delivery_random() RETURNS text
    LANGUAGE sql
    AS $$
    SELECT replace(gen_random_uuid()::text || gen_random_uuid()::text, '-', '')
$$;

CREATE FUNCTION public.delivery_remove_names(p_before timestamp with time zone, p_tasks integer) RETURNS integer
    LANGUAGE plpgsql
    SET search_path TO '$user', 'public'
    SET jit TO 'off'
    AS $$
DECLARE
    v_ids bigint[];
BEGIN
    IF current_setting('transaction_isolation') <> 'read committed' THEN
        RAISE EXCEPTION USING ERRCODE = '25001', MESSAGE = 'delivery_remove_names works in READ COMMITTED transactions only.';
    END IF;
    -- Longest ended first.
    SELECT array_agg(id) INTO v_ids FROM (
        SELECT id FROM delivery_task WHERE finished_at < p_before AND finished_at IS NOT NULL AND names_removed_at IS NULL
        ORDER BY finished_at, id LIMIT p_tasks
    ) AS old;
    IF v_ids IS NULL THEN
        RETURN 0;
    END IF;
    PERFORM FROM delivery_task WHERE id = ANY (v_ids) ORDER BY app, task_id FOR UPDATE;
    INSERT INTO delivery_campaign_salt (app, campaign, salt)
    SELECT app, campaign, delivery_random()
    FROM (SELECT DISTINCT app, campaign FROM delivery_task WHERE id = ANY (v_ids) AND campaign IS NOT NULL ORDER BY app, campaign) AS touched
    ON CONFLICT DO NOTHING;
    -- Once for each person of a task; a task without a campaign has a salt that is kept nowhere.
    WITH salted AS MATERIALIZED (
        SELECT task.id, coalesce(salt.salt, delivery_random()) AS salt
        FROM delivery_task AS task
        LEFT JOIN delivery_campaign_salt AS salt ON salt.app = task.app AND salt.campaign = task.campaign
        WHERE task.id = ANY (v_ids)
    ), renaming AS MATERIALIZED (
        SELECT person.task_pk, person.user_id, delivery_pseudonym(salted.salt, person.user_id) AS pseudonym
        FROM salted JOIN delivery_recipient AS person ON person.task_pk = salted.id
        WHERE person.task_pk = ANY (v_ids) AND person.user_id NOT LIKE 'anonymous:%'
    ), renamed AS (
        UPDATE delivery_recipient AS person SET user_id = renaming.pseudonym
        FROM renaming WHERE person.task_pk = renaming.task_pk AND person.user_id = renaming.user_id
    )
    UPDATE delivery_transition AS change SET user_id = renaming.pseudonym
    FROM renaming WHERE change.task_pk = renaming.task_pk AND change.user_id = renaming.user_id;
    UPDATE delivery_task SET names_removed_at = clock_timestamp(), listed_fingerprint = NULL, listed_since = NULL WHERE id = ANY (v_ids);
    DELETE FROM delivery_campaign_salt AS salt
    USING (SELECT DISTINCT app, campaign FROM delivery_task WHERE id = ANY (v_ids) AND campaign IS NOT NULL) AS touched
    WHERE salt.app = touched.app AND salt.campaign = touched.campaign AND NOT EXISTS (
        SELECT FROM delivery_task AS named
        WHERE named.app = touched.app AND named.campaign = touched.campaign AND named.names_removed_at IS NULL
    );
    RETURN cardinality(v_ids);
END
$$;

CREATE FUNCTION public.delivery_reserve_calls(p_app text, p_ordinary integer, p_last integer, p_per_second double precision, p_budget integer, p_horizon_ms double precision, p_probe_lease_ms double precision) RETURNS TABLE(kind text, ordinary integer, last integer, first_in_ms double precision, every_ms double precision, until timestamp with time zone, reason text)
    LANGUAGE plpgsql
    SET search_path TO '$user', 'public'
    AS $$
#variable_conflict use_column
DECLARE
    a delivery_app%ROWTYPE;
    v_now timestamptz;
    v_china timestamp;
    v_probe boolean;
    v_left integer;
    v_kept integer := 0;
    v_ordinary integer := p_ordinary;
    v_last integer := p_last;
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
    -- The time after the lock, not that of the statement's start: whoever waited for the row must not take slots of the past.
    v_now := clock_timestamp();
    v_china := (v_now AT TIME ZONE 'UTC') + interval '8 hours';

    IF a.paused_until > v_now THEN
        RETURN QUERY SELECT 'paused', 0, 0, 0::double precision, v_every_ms, a.paused_until, a.pause_reason;
        RETURN;
    END IF;
    -- Other pauses end by themselves; a misconfigured app gets one call as a probe, whose answer decides.
    v_probe := a.pause_kind IS NOT DISTINCT FROM 'configuration';

    IF a.calls_month <> to_char(v_china, 'YYYY-MM') THEN
        a.calls_month := to_char(v_china, 'YYYY-MM');
        a.calls_used := 0;
    END IF;
    IF p_budget IS NOT NULL THEN
        v_left := greatest(p_budget - a.calls_used, 0);
        v_last := least(v_last, v_left);
        IF v_ordinary > 0 THEN
            -- One call is kept back for the last look of each open task.
            SELECT count(*) INTO v_kept
            FROM (SELECT FROM delivery_task AS task WHERE task.app = p_app AND task.status = 'tracking' LIMIT v_left) AS open_task;
            v_ordinary := least(v_ordinary, v_left - greatest(v_kept, v_last));
        END IF;
        IF v_ordinary + v_last = 0 AND p_ordinary + p_last > 0 THEN
            RETURN QUERY SELECT 'budget', 0, 0, 0::double precision, v_every_ms,
                (date_trunc('month', v_china) + interval '1 month' - interval '8 hours') AT TIME ZONE 'UTC',
                format('the monthly budget of %s calls leaves none for this: %s used in %s, %s kept back for the last looks of open tasks',
                    p_budget, a.calls_used, a.calls_month, v_kept);
            RETURN;
        END IF;
    END IF;

    v_first := greatest(a.next_call_at, v_now);
    v_ahead_ms := extract(epoch FROM v_first - v_now) * 1000;
    IF v_ahead_ms > p_horizon_ms THEN
        -- Until half of the horizon is free again, so that the next answer grants a batch and not a single call.
        RETURN QUERY SELECT 'busy', 0, 0, v_ahead_ms - p_horizon_ms / 2, v_every_ms, NULL::timestamptz, NULL::text;
        RETURN;
    END IF;
    v_room := CASE WHEN v_probe THEN 1 ELSE floor((p_horizon_ms - v_ahead_ms) / v_every_ms)::integer + 1 END;
    v_last := least(v_last, v_room);
    v_ordinary := least(v_ordinary, v_room - v_last);

    UPDATE delivery_app SET
        next_call_at = v_first + make_interval(secs => (v_ordinary + v_last) / p_per_second),
        calls_month = a.calls_month,
        calls_used = a.calls_used + v_ordinary + v_last,
        pause_kind = CASE WHEN v_probe THEN a.pause_kind END,
        pause_reason = CASE WHEN v_probe THEN a.pause_reason END,
        -- A probe that never answers must not hold the app for ever.
        paused_until = CASE WHEN v_probe THEN v_now + make_interval(secs => p_probe_lease_ms / 1000) END,
        probing = v_probe,
        probes = CASE WHEN v_probe THEN a.probes ELSE 0 END,
        updated_at = v_now
    WHERE delivery_app.app = p_app;
    RETURN QUERY SELECT 'granted', v_ordinary, v_last, v_ahead_ms, v_every_ms, NULL::timestamptz,
        CASE WHEN v_probe THEN a.pause_reason END;
END
$$;

CREATE FUNCTION public.delivery_settle_campaigns(p_campaigns integer, p_seconds double precision) RETURNS integer
    LANGUAGE plpgsql
    SET search_path TO '$user', 'public'
    SET jit TO 'off'
    AS $$
DECLARE
    v_started CONSTANT timestamptz := clock_timestamp();
    v_marked record;
    v_settled integer := 0;
BEGIN
    -- Each statement below must see all that was committed before it, or older figures could be written over newer ones.
    IF current_setting('transaction_isolation') <> 'read committed' THEN
        RAISE EXCEPTION USING ERRCODE = '25001', MESSAGE = 'delivery_settle_campaigns works in READ COMMITTED transactions only.';
    END IF;
    -- One at a time, for the same reason: whoever is next begins to read after this transaction's end.
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
        INSERT INTO delivery_campaign (app, campaign, pending, invalid, failed, forbidden, unread, read, settled_at)
        SELECT app, campaign, pending, invalid, failed, forbidden, unread, read, clock_timestamp() FROM counted
        ON CONFLICT (app, campaign) DO UPDATE SET
            pending = excluded.pending, invalid = excluded.invalid, failed = excluded.failed,
            forbidden = excluded.forbidden, unread = excluded.unread, read = excluded.read, settled_at = excluded.settled_at;
        v_settled := v_settled + 1;
        EXIT WHEN clock_timestamp() > v_started + make_interval(secs => p_seconds);
    END LOOP;
    RETURN v_settled;
END
$$;

CREATE FUNCTION public.delivery_shown(value text) RETURNS text
    LANGUAGE sql STABLE
    SET search_path TO '$user', 'public'
    AS $$
    SELECT CASE
        WHEN value IS NULL THEN 'null'
        WHEN delivery_utf16_length(shown) <= 80 THEN shown
        ELSE (
            SELECT left(shown, places) || '…'
            FROM generate_series(77, 1, -1) AS places
            WHERE delivery_utf16_length(left(shown, places)) <= 77
            LIMIT 1
        )
    END
    FROM (SELECT to_json(value)::text) AS quoted (shown)
$$;

CREATE FUNCTION public.delivery_state_at(app text, task_id text, at timestamp with time zone) RETURNS TABLE(user_id text, state text, since timestamp with time zone)
    LANGUAGE sql STABLE
    SET search_path TO '$user', 'public'
    AS $_$
    SELECT
        person.user_id,
        coalesce(latest.to_state, 'pending'),
        coalesce(latest.at, task.tracked_at)
    FROM delivery_task_rates AS task
    JOIN delivery_recipient_status AS person ON person.app = task.app AND person.task_id = task.task_id
    LEFT JOIN (
        SELECT DISTINCT ON (change.user_id) change.user_id, change.to_state, change.at
        FROM delivery_state_changes AS change
        WHERE change.app = $1 AND change.task_id = $2 AND change.at <= $3
        ORDER BY change.user_id, array_position(ARRAY['invalid', 'failed', 'forbidden', 'unread', 'read'], change.to_state) DESC
    ) AS latest ON latest.user_id = person.user_id
    WHERE task.app = $1 AND task.task_id = $2 AND task.tracked_at <= $3
        AND (person.named OR latest.to_state IS NOT NULL)
    ORDER BY person.user_id
$_$;

CREATE FUNCTION public.delivery_utf16_length(value text) RETURNS integer
    LANGUAGE sql IMMUTABLE
    AS $$
    SELECT length(value) + length(regexp_replace(value, '[^\U00010000-\U0010FFFF]', '', 'g'))
$$;

CREATE FUNCTION public.track_delivery(task_id text, agent_id text DEFAULT NULL::text, user_ids text[] DEFAULT NULL::text[], campaign text DEFAULT NULL::text, app text DEFAULT 'default'::text, sent_at timestamp with time zone DEFAULT now()) RETURNS boolean
    LANGUAGE plpgsql
    SET search_path TO '$user', 'public'
    AS $_$
#variable_conflict use_column
DECLARE
    v_task_id CONSTANT text := task_id;
    v_agent_id CONSTANT text := agent_id;
    v_user_ids CONSTANT text[] := user_ids;
    v_campaign CONSTANT text := campaign;
    v_app CONSTANT text := coalesce(app, 'default');
    v_sent_at timestamptz := coalesce(sent_at, now());
    v_people integer := 0;
    v_id bigint;
    v_bad record;
    v_is_id boolean;
BEGIN
    -- The checks and their messages are those of src/core/track-request.ts, in its order. A test compares them.
    IF v_app !~ '^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$' THEN
        RAISE EXCEPTION USING ERRCODE = '22023', COLUMN = 'app', DETAIL = 'INVALID_INPUT', MESSAGE = format(
            'app must be 1 to 64 letters, digits, "_" or "-", beginning with a letter or digit, not %s. Use the name that the app has in the worker''s configuration.',
            delivery_shown(v_app));
    END IF;

    v_is_id := v_task_id ~ '^[1-9][0-9]{0,18}$';
    IF v_is_id THEN
        v_is_id := v_task_id::numeric <= 9223372036854775807;
    END IF;
    IF v_is_id IS NOT TRUE THEN
        RAISE EXCEPTION USING ERRCODE = '22023', COLUMN = 'taskId', DETAIL = 'INVALID_INPUT', MESSAGE = format(
            'taskId must be a whole number from 1 to 9223372036854775807 in digits without leading zeros, not %s. Give the task_id that DingTalk returned when the message was sent.',
            delivery_shown(v_task_id));
    END IF;

    IF v_agent_id IS NOT NULL THEN
        v_is_id := v_agent_id ~ '^[1-9][0-9]{0,18}$';
        IF v_is_id THEN
            v_is_id := v_agent_id::numeric <= 9223372036854775807;
        END IF;
        IF NOT v_is_id THEN
            RAISE EXCEPTION USING ERRCODE = '22023', COLUMN = 'agentId', DETAIL = 'INVALID_INPUT', MESSAGE = format(
                'agentId must be a whole number from 1 to 9223372036854775807 in digits without leading zeros, not %s. Give the agent id of the app that sent the message.',
                delivery_shown(v_agent_id));
        END IF;
    END IF;

    IF v_user_ids IS NOT NULL THEN
        IF cardinality(v_user_ids) = 0 THEN
            RAISE EXCEPTION USING ERRCODE = '22023', COLUMN = 'userIds', DETAIL = 'INVALID_INPUT',
                MESSAGE = 'userIds is empty. Leave it out if the recipients are not known.';
        END IF;
        IF array_ndims(v_user_ids) > 1 THEN
            RAISE EXCEPTION USING ERRCODE = '22023', COLUMN = 'userIds', DETAIL = 'INVALID_INPUT',
                MESSAGE = 'userIds[0] must be a string, not a list: a number loses leading zeros.';
        END IF;
        SELECT given.name, given.place - 1 AS place INTO v_bad
        FROM unnest(v_user_ids) WITH ORDINALITY AS given (name, place)
        WHERE given.name IS NULL OR NOT delivery_is_label(given.name, 128)
        ORDER BY given.place LIMIT 1;
        IF FOUND AND v_bad.name IS NULL THEN
            RAISE EXCEPTION USING ERRCODE = '22023', COLUMN = 'userIds', DETAIL = 'INVALID_INPUT', MESSAGE = format(
                'userIds[%s] must be a string, not null: a number loses leading zeros.', v_bad.place);
        ELSIF FOUND THEN
            RAISE EXCEPTION USING ERRCODE = '22023', COLUMN = 'userIds', DETAIL = 'INVALID_INPUT', MESSAGE = format(
                'userIds[%s] must have 1 to 128 characters without spaces around them or control characters, not %s.',
                v_bad.place, delivery_shown(v_bad.name));
        END IF;
        SELECT count(DISTINCT given.name COLLATE "C") INTO v_people FROM unnest(v_user_ids) AS given (name);
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
    IF v_sent_at > now() + interval '15 minutes' THEN
        RAISE EXCEPTION USING ERRCODE = '22023', COLUMN = 'sentAt', DETAIL = 'INVALID_INPUT', MESSAGE = format(
            'sentAt %s is %s minutes in the future. Check the clock and the time zone of the sender.',
            to_char(v_sent_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'),
            round(extract(epoch FROM v_sent_at - now())::numeric / 60));
    END IF;
    v_sent_at := least(v_sent_at, now());

    INSERT INTO delivery_task (app, task_id, agent_id, campaign, sent_at, deadline_at, recipients_known, next_poll_at, pending)
    VALUES (v_app, v_task_id, v_agent_id, v_campaign, v_sent_at, v_sent_at + interval '24 hours', v_user_ids IS NOT NULL, now(), v_people)
    ON CONFLICT (app, task_id) DO NOTHING
    RETURNING id INTO v_id;
    IF v_id IS NULL THEN
        RETURN false;
    END IF;

    INSERT INTO delivery_recipient (task_pk, user_id, named, state)
    SELECT DISTINCT v_id, given.name COLLATE "C", true, 'pending'
    FROM unnest(v_user_ids) AS given (name)
    ORDER BY 2;
    RETURN true;
END
$_$;

SET default_tablespace = '';

SET default_table_access_method = heap;

CREATE TABLE public._prisma_migrations (
    id character varying(36) NOT NULL,
    checksum character varying(64) NOT NULL,
    finished_at timestamp with time zone,
    migration_name character varying(255) NOT NULL,
    logs text,
    rolled_back_at timestamp with time zone,
    started_at timestamp with time zone DEFAULT now() NOT NULL,
    applied_steps_count integer DEFAULT 0 NOT NULL
);

CREATE TABLE public.delivery_app (
    app text NOT NULL COLLATE pg_catalog."C",
    next_call_at timestamp(6) with time zone,
    calls_month text DEFAULT ''::text NOT NULL,
    calls_used integer DEFAULT 0 NOT NULL,
    pause_kind text,
    pause_reason text,
    paused_until timestamp(3) with time zone,
    probing boolean DEFAULT false NOT NULL,
    probes integer DEFAULT 0 NOT NULL,
    updated_at timestamp(3) with time zone DEFAULT CURRENT_TIMESTAMP NOT NULL,
    CONSTRAINT delivery_app_pause_check CHECK ((pause_kind = ANY (ARRAY['throttled'::text, 'configuration'::text, 'quota'::text]))),
    CONSTRAINT delivery_app_until_check CHECK (((pause_kind IS NULL) = (paused_until IS NULL)))
);

CREATE VIEW public.delivery_app_usage AS
 SELECT known.app,
    known.month,
        CASE
            WHEN (known.calls_month = known.month) THEN known.calls_used
            ELSE 0
        END AS calls_used,
        CASE
            WHEN known.is_paused THEN known.pause_kind
            ELSE NULL::text
        END AS pause_kind,
        CASE
            WHEN known.is_paused THEN known.pause_reason
            ELSE NULL::text
        END AS pause_reason,
        CASE
            WHEN known.is_paused THEN known.paused_until
            ELSE NULL::timestamp with time zone
        END AS paused_until
   FROM ( SELECT delivery_app.app,
            delivery_app.next_call_at,
            delivery_app.calls_month,
            delivery_app.calls_used,
            delivery_app.pause_kind,
            delivery_app.pause_reason,
            delivery_app.paused_until,
            delivery_app.probing,
            delivery_app.probes,
            delivery_app.updated_at,
            to_char((now() AT TIME ZONE 'Asia/Shanghai'::text), 'YYYY-MM'::text) AS month,
            COALESCE(((delivery_app.pause_kind = 'configuration'::text) OR (delivery_app.paused_until > now())), false) AS is_paused
           FROM public.delivery_app) known;

CREATE TABLE public.delivery_campaign (
    app text NOT NULL COLLATE pg_catalog."C",
    campaign text NOT NULL COLLATE pg_catalog."C",
    pending integer NOT NULL,
    invalid integer NOT NULL,
    failed integer NOT NULL,
    forbidden integer NOT NULL,
    unread integer NOT NULL,
    read integer NOT NULL,
    settled_at timestamp(3) with time zone NOT NULL
);

CREATE TABLE public.delivery_campaign_change (
    id bigint NOT NULL,
    app text NOT NULL COLLATE pg_catalog."C",
    campaign text NOT NULL COLLATE pg_catalog."C"
);

ALTER TABLE public.delivery_campaign_change ALTER COLUMN id ADD GENERATED BY DEFAULT AS IDENTITY (
    SEQUENCE NAME public.delivery_campaign_change_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.delivery_campaign_salt (
    app text NOT NULL COLLATE pg_catalog."C",
    campaign text NOT NULL COLLATE pg_catalog."C",
    salt text NOT NULL
);

CREATE TABLE public.delivery_recipient (
    task_pk bigint NOT NULL,
    user_id text NOT NULL COLLATE pg_catalog."C",
    named boolean NOT NULL,
    state text NOT NULL,
    first_seen_at timestamp(3) with time zone,
    last_unread_at timestamp(3) with time zone,
    first_read_at timestamp(3) with time zone,
    forbidden_code text,
    forbidden_count integer,
    CONSTRAINT delivery_recipient_bracket_check CHECK ((last_unread_at < first_read_at)),
    CONSTRAINT delivery_recipient_read_check CHECK (((state = 'read'::text) = (first_read_at IS NOT NULL))),
    CONSTRAINT delivery_recipient_state_check CHECK ((state = ANY (ARRAY['pending'::text, 'invalid'::text, 'failed'::text, 'forbidden'::text, 'unread'::text, 'read'::text])))
)
WITH (fillfactor='80');

CREATE TABLE public.delivery_task (
    id bigint NOT NULL,
    app text NOT NULL COLLATE pg_catalog."C",
    task_id text NOT NULL COLLATE pg_catalog."C",
    agent_id text,
    campaign text COLLATE pg_catalog."C",
    status text DEFAULT 'tracking'::text NOT NULL,
    reason text,
    sent_at timestamp(3) with time zone NOT NULL,
    deadline_at timestamp(3) with time zone NOT NULL,
    tracked_at timestamp(3) with time zone DEFAULT CURRENT_TIMESTAMP NOT NULL,
    adopted_at timestamp(3) with time zone,
    recipients_known boolean NOT NULL,
    poll_no integer DEFAULT 0 NOT NULL,
    next_poll_at timestamp(3) with time zone,
    last_good_requested_at timestamp(3) with time zone,
    last_observed_at timestamp(3) with time zone,
    good_polls integer DEFAULT 0 NOT NULL,
    failures_in_row integer DEFAULT 0 NOT NULL,
    timeouts_in_row integer DEFAULT 0 NOT NULL,
    listed_fingerprint text,
    listed_since timestamp(3) with time zone,
    hindrance text,
    finished_at timestamp(3) with time zone,
    pending integer DEFAULT 0 NOT NULL,
    invalid integer DEFAULT 0 NOT NULL,
    failed integer DEFAULT 0 NOT NULL,
    forbidden integer DEFAULT 0 NOT NULL,
    unread integer DEFAULT 0 NOT NULL,
    read integer DEFAULT 0 NOT NULL,
    names_removed_at timestamp(3) with time zone,
    CONSTRAINT delivery_task_end_check CHECK (((status = 'tracking'::text) = (finished_at IS NULL))),
    CONSTRAINT delivery_task_next_check CHECK (((status = 'tracking'::text) = (next_poll_at IS NOT NULL))),
    CONSTRAINT delivery_task_status_check CHECK ((status = ANY (ARRAY['tracking'::text, 'complete'::text, 'expired'::text, 'stopped'::text, 'cancelled'::text])))
);

CREATE VIEW public.delivery_recipient_status AS
 SELECT task.app,
    task.task_id,
    task.campaign,
    recipient.user_id,
    recipient.state,
    recipient.first_seen_at,
        CASE
            WHEN (recipient.state = 'unread'::text) THEN COALESCE(recipient.last_unread_at, task.last_good_requested_at)
            ELSE recipient.last_unread_at
        END AS last_unread_at,
    recipient.first_read_at,
    recipient.forbidden_code,
    recipient.forbidden_count,
        CASE
            WHEN (recipient.state = 'read'::text) THEN COALESCE(recipient.last_unread_at, task.sent_at)
            ELSE NULL::timestamp with time zone
        END AS read_after,
    recipient.first_read_at AS read_before,
    recipient.named,
    task.last_observed_at,
    task.status,
    task.sent_at,
    task.deadline_at,
        CASE
            WHEN (recipient.state = 'forbidden'::text) THEN public.delivery_forbidden_reason(recipient.forbidden_code)
            ELSE NULL::text
        END AS forbidden_reason
   FROM (public.delivery_task task
     JOIN public.delivery_recipient recipient ON ((recipient.task_pk = task.id)));

CREATE VIEW public.delivery_campaign_people AS
 SELECT of_one_kind.app,
    of_one_kind.campaign,
    of_one_kind.user_id,
    of_one_kind.state,
    of_one_kind.tasks,
    of_one_kind.task_id,
    of_one_kind.sent_at,
    of_one_kind.deadline_at,
    of_one_kind.status,
    of_one_kind.last_observed_at,
    of_one_kind.named,
    of_one_kind.first_seen_at,
    of_one_kind.last_unread_at,
    of_one_kind.first_read_at,
    of_one_kind.read_after,
    of_one_kind.read_before,
    of_one_kind.forbidden_code,
    of_one_kind.forbidden_count,
    of_one_kind.forbidden_reason
   FROM ( SELECT DISTINCT ON (known.app, known.campaign, known.user_id) known.app,
            known.campaign,
            known.user_id,
            known.state,
            (count(*) OVER (PARTITION BY known.app, known.campaign, known.user_id))::integer AS tasks,
            known.task_id,
            known.sent_at,
            known.deadline_at,
            known.status,
            known.last_observed_at,
            known.named,
            known.first_seen_at,
            known.last_unread_at,
            known.first_read_at,
            known.read_after,
            known.read_before,
            known.forbidden_code,
            known.forbidden_count,
            known.forbidden_reason
           FROM (public.delivery_recipient_status known
             LEFT JOIN public.delivery_campaign_salt salt ON (((salt.app = known.app) AND (salt.campaign = known.campaign))))
          WHERE ((known.campaign IS NOT NULL) AND (salt.salt IS NULL))
          ORDER BY known.app, known.campaign, known.user_id,
                CASE known.state
                    WHEN 'read'::text THEN 6
                    WHEN 'unread'::text THEN 5
                    WHEN 'pending'::text THEN 4
                    WHEN 'forbidden'::text THEN 3
                    WHEN 'failed'::text THEN 2
                    ELSE 1
                END DESC, known.sent_at DESC, known.task_id) of_one_kind
UNION ALL
 SELECT mixed.app,
    mixed.campaign,
    mixed.user_id,
    mixed.state,
    mixed.tasks,
    mixed.task_id,
    mixed.sent_at,
    mixed.deadline_at,
    mixed.status,
    mixed.last_observed_at,
    mixed.named,
    mixed.first_seen_at,
    mixed.last_unread_at,
    mixed.first_read_at,
    mixed.read_after,
    mixed.read_before,
    mixed.forbidden_code,
    mixed.forbidden_count,
    mixed.forbidden_reason
   FROM ( SELECT DISTINCT ON (each_task.app, each_task.campaign, each_task.person) each_task.app,
            each_task.campaign,
            each_task.user_id,
            each_task.state,
            (count(*) OVER (PARTITION BY each_task.app, each_task.campaign, each_task.person))::integer AS tasks,
            each_task.task_id,
            each_task.sent_at,
            each_task.deadline_at,
            each_task.status,
            each_task.last_observed_at,
            each_task.named,
            each_task.first_seen_at,
            each_task.last_unread_at,
            each_task.first_read_at,
            each_task.read_after,
            each_task.read_before,
            each_task.forbidden_code,
            each_task.forbidden_count,
            each_task.forbidden_reason
           FROM ( SELECT known.app,
                    known.task_id,
                    known.campaign,
                    known.user_id,
                    known.state,
                    known.first_seen_at,
                    known.last_unread_at,
                    known.first_read_at,
                    known.forbidden_code,
                    known.forbidden_count,
                    known.read_after,
                    known.read_before,
                    known.named,
                    known.last_observed_at,
                    known.status,
                    known.sent_at,
                    known.deadline_at,
                    known.forbidden_reason,
                        CASE
                            WHEN (known.user_id ~~ 'anonymous:%'::text) THEN known.user_id
                            ELSE ('anonymous:'::text || "left"(encode(sha256(convert_to((salt.salt || known.user_id), 'UTF8'::name)), 'hex'::text), 24))
                        END AS person
                   FROM (public.delivery_campaign_salt salt
                     CROSS JOIN LATERAL ( SELECT status.app,
                            status.task_id,
                            status.campaign,
                            status.user_id,
                            status.state,
                            status.first_seen_at,
                            status.last_unread_at,
                            status.first_read_at,
                            status.forbidden_code,
                            status.forbidden_count,
                            status.read_after,
                            status.read_before,
                            status.named,
                            status.last_observed_at,
                            status.status,
                            status.sent_at,
                            status.deadline_at,
                            status.forbidden_reason
                           FROM public.delivery_recipient_status status
                          WHERE ((status.app = salt.app) AND (status.campaign = salt.campaign))
                         OFFSET 0) known)) each_task
          ORDER BY each_task.app, each_task.campaign, each_task.person,
                CASE each_task.state
                    WHEN 'read'::text THEN 6
                    WHEN 'unread'::text THEN 5
                    WHEN 'pending'::text THEN 4
                    WHEN 'forbidden'::text THEN 3
                    WHEN 'failed'::text THEN 2
                    ELSE 1
                END DESC, each_task.sent_at DESC, each_task.task_id) mixed;

CREATE VIEW public.delivery_campaign_recount AS
 SELECT person.app,
    person.campaign,
    (count(*) FILTER (WHERE (person.best = 4)))::integer AS pending,
    (count(*) FILTER (WHERE (person.best = 1)))::integer AS invalid,
    (count(*) FILTER (WHERE (person.best = 2)))::integer AS failed,
    (count(*) FILTER (WHERE (person.best = 3)))::integer AS forbidden,
    (count(*) FILTER (WHERE (person.best = 5)))::integer AS unread,
    (count(*) FILTER (WHERE (person.best = 6)))::integer AS read
   FROM ( SELECT task.app,
            task.campaign,
            max(
                CASE recipient.state
                    WHEN 'read'::text THEN 6
                    WHEN 'unread'::text THEN 5
                    WHEN 'pending'::text THEN 4
                    WHEN 'forbidden'::text THEN 3
                    WHEN 'failed'::text THEN 2
                    ELSE 1
                END) AS best
           FROM ((public.delivery_task task
             JOIN public.delivery_recipient recipient ON ((recipient.task_pk = task.id)))
             LEFT JOIN public.delivery_campaign_salt salt ON (((salt.app = task.app) AND (salt.campaign = task.campaign))))
          WHERE (task.campaign IS NOT NULL)
          GROUP BY task.app, task.campaign,
                CASE
                    WHEN ((salt.salt IS NULL) OR (recipient.user_id ~~ 'anonymous:%'::text)) THEN recipient.user_id
                    ELSE ('anonymous:'::text || "left"(encode(sha256(convert_to((salt.salt || recipient.user_id), 'UTF8'::name)), 'hex'::text), 24))
                END) person
  GROUP BY person.app, person.campaign;

CREATE VIEW public.delivery_campaign_rates AS
 SELECT tasks.app,
    tasks.campaign,
    tasks.tasks,
    tasks.open_tasks,
    tasks.first_sent_at,
    tasks.last_deadline_at,
    (((((people.read + people.unread) + people.pending) + people.failed) + people.forbidden) + people.invalid) AS targeted,
    (people.read + people.unread) AS delivered,
    people.read,
    people.unread,
    people.pending,
    people.failed,
    people.forbidden,
    people.invalid,
    ((people.read)::double precision / (NULLIF((people.read + people.unread), 0))::double precision) AS read_rate,
    ((people.read)::double precision / (NULLIF((((((people.read + people.unread) + people.pending) + people.failed) + people.forbidden) + people.invalid), 0))::double precision) AS read_rate_of_targeted,
    tasks.last_observed_at,
    tasks.last_sent_at,
    tasks.names_removed_at
   FROM (((( SELECT delivery_task.app,
            delivery_task.campaign,
            (count(*))::integer AS tasks,
            (count(*) FILTER (WHERE (delivery_task.status = 'tracking'::text)))::integer AS open_tasks,
            min(delivery_task.sent_at) AS first_sent_at,
            max(delivery_task.deadline_at) AS last_deadline_at,
            max(delivery_task.last_observed_at) AS last_observed_at,
            max(delivery_task.sent_at) AS last_sent_at,
            max(delivery_task.names_removed_at) AS names_removed_at
           FROM public.delivery_task
          WHERE (delivery_task.campaign IS NOT NULL)
          GROUP BY delivery_task.app, delivery_task.campaign) tasks
     LEFT JOIN ( SELECT marked.app,
            marked.campaign,
            recount.pending,
            recount.invalid,
            recount.failed,
            recount.forbidden,
            recount.unread,
            recount.read
           FROM (( SELECT delivery_campaign_change.app,
                    delivery_campaign_change.campaign
                   FROM public.delivery_campaign_change
                  GROUP BY delivery_campaign_change.app, delivery_campaign_change.campaign
                 HAVING (((count(*) >= 1) AND (count(*) <= '9223372036854775807'::bigint)) AND ((min(delivery_campaign_change.id) >= '-9223372036854775808'::bigint) AND (min(delivery_campaign_change.id) <= '9223372036854775807'::bigint)))) marked
             LEFT JOIN LATERAL ( SELECT counted.app,
                    counted.campaign,
                    counted.pending,
                    counted.invalid,
                    counted.failed,
                    counted.forbidden,
                    counted.unread,
                    counted.read
                   FROM public.delivery_campaign_recount counted
                  WHERE ((counted.app = marked.app) AND (counted.campaign = marked.campaign))
                 OFFSET 0) recount ON (true))) fresh ON (((fresh.app = tasks.app) AND (fresh.campaign = tasks.campaign))))
     LEFT JOIN public.delivery_campaign settled ON (((settled.app = tasks.app) AND (settled.campaign = tasks.campaign) AND (fresh.app IS NULL))))
     CROSS JOIN LATERAL ( SELECT COALESCE(fresh.pending, settled.pending, 0) AS pending,
            COALESCE(fresh.invalid, settled.invalid, 0) AS invalid,
            COALESCE(fresh.failed, settled.failed, 0) AS failed,
            COALESCE(fresh.forbidden, settled.forbidden, 0) AS forbidden,
            COALESCE(fresh.unread, settled.unread, 0) AS unread,
            COALESCE(fresh.read, settled.read, 0) AS read) people);

CREATE TABLE public.delivery_erasure (
    id bigint NOT NULL,
    app text COLLATE pg_catalog."C",
    salt text NOT NULL,
    digest text NOT NULL COLLATE pg_catalog."C",
    pseudonym text NOT NULL COLLATE pg_catalog."C",
    erased_at timestamp(3) with time zone NOT NULL,
    tasks integer DEFAULT 0 NOT NULL
);

ALTER TABLE public.delivery_erasure ALTER COLUMN id ADD GENERATED BY DEFAULT AS IDENTITY (
    SEQUENCE NAME public.delivery_erasure_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.delivery_poll (
    task_pk bigint NOT NULL,
    poll_no integer NOT NULL,
    due_at timestamp(3) with time zone,
    requested_at timestamp(3) with time zone NOT NULL,
    responded_at timestamp(3) with time zone,
    outcome text NOT NULL,
    code text NOT NULL,
    message text,
    request_id text,
    pending integer,
    invalid integer,
    failed integer,
    forbidden integer,
    unread integer,
    read integer,
    changed integer NOT NULL,
    anomalies integer NOT NULL,
    CONSTRAINT delivery_poll_outcome_check CHECK ((outcome = ANY (ARRAY['observed'::text, 'empty'::text, 'throttled'::text, 'quota'::text, 'configuration'::text, 'task'::text, 'call_timeout'::text, 'transient'::text])))
);

CREATE VIEW public.delivery_looks AS
 SELECT task.app,
    task.task_id,
    task.campaign,
    poll.poll_no,
    poll.due_at,
    poll.requested_at,
    poll.responded_at,
    poll.outcome,
    poll.code,
    poll.message,
    poll.request_id,
    poll.read,
    poll.unread,
    poll.pending,
    poll.failed,
    poll.forbidden,
    poll.invalid,
    poll.changed,
    poll.anomalies
   FROM (public.delivery_poll poll
     JOIN public.delivery_task task ON ((task.id = poll.task_pk)));

CREATE VIEW public.delivery_read_curve AS
 SELECT task.app,
    task.task_id,
    task.campaign,
    poll.responded_at AS at,
    (poll.read + poll.unread) AS delivered,
    poll.read,
    ((poll.read)::double precision / (NULLIF((poll.read + poll.unread), 0))::double precision) AS read_rate,
    poll.poll_no,
    poll.unread,
    poll.pending,
    poll.failed,
    poll.forbidden,
    poll.invalid
   FROM (public.delivery_poll poll
     JOIN public.delivery_task task ON ((task.id = poll.task_pk)))
  WHERE (poll.outcome = 'observed'::text);

CREATE TABLE public.delivery_transition (
    task_pk bigint NOT NULL,
    user_id text NOT NULL COLLATE pg_catalog."C",
    to_state text NOT NULL COLLATE pg_catalog."C",
    from_state text NOT NULL,
    after_at timestamp(3) with time zone NOT NULL,
    at timestamp(3) with time zone NOT NULL,
    poll_no integer NOT NULL
);

CREATE VIEW public.delivery_state_changes AS
 SELECT task.app,
    task.task_id,
    task.campaign,
    change.user_id,
    change.from_state,
    change.to_state,
    change.after_at,
    change.at,
    change.poll_no
   FROM (public.delivery_transition change
     JOIN public.delivery_task task ON ((task.id = change.task_pk)));

ALTER TABLE public.delivery_task ALTER COLUMN id ADD GENERATED BY DEFAULT AS IDENTITY (
    SEQUENCE NAME public.delivery_task_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE VIEW public.delivery_task_rates AS
 SELECT delivery_task.app,
    delivery_task.task_id,
    delivery_task.agent_id,
    delivery_task.campaign,
    delivery_task.status,
    delivery_task.reason,
    delivery_task.sent_at,
    delivery_task.deadline_at,
    delivery_task.last_observed_at,
    delivery_task.finished_at,
    delivery_task.poll_no AS polls,
    (((((delivery_task.read + delivery_task.unread) + delivery_task.pending) + delivery_task.failed) + delivery_task.forbidden) + delivery_task.invalid) AS targeted,
    (delivery_task.read + delivery_task.unread) AS delivered,
    delivery_task.read,
    delivery_task.unread,
    delivery_task.pending,
    delivery_task.failed,
    delivery_task.forbidden,
    delivery_task.invalid,
    ((delivery_task.read)::double precision / (NULLIF((delivery_task.read + delivery_task.unread), 0))::double precision) AS read_rate,
    ((delivery_task.read)::double precision / (NULLIF((((((delivery_task.read + delivery_task.unread) + delivery_task.pending) + delivery_task.failed) + delivery_task.forbidden) + delivery_task.invalid), 0))::double precision) AS read_rate_of_targeted,
    delivery_task.tracked_at,
    delivery_task.next_poll_at,
    delivery_task.hindrance,
    delivery_task.good_polls,
    delivery_task.recipients_known,
    delivery_task.names_removed_at
   FROM public.delivery_task;

INSERT INTO public._prisma_migrations VALUES
	('402f95ba-ab83-4541-b7dc-4b05855e6a80', 'db54c7bfec7d23960bde27ced17c5a9ac6e1cc3d6cc72da54da0593bae713d38', '2026-11-30 06:23:26.504584+00', '20261123000000_delivery', NULL, NULL, '2026-11-30 06:23:26.368161+00', 1),
	('0a7fdc7b-dd7c-4f12-a237-b0f7380fcf4d', '7bca7e61d0ec0964cede574eafeb1778234f05973c097d4e5d9afef95a3289be', '2026-11-30 06:23:26.654381+00', '20261124000000_read_rates', NULL, NULL, '2026-11-30 06:23:26.515518+00', 1),
	('f494d428-6de9-4e3c-8635-e56a8dc38978', '1d3c1443dcaffbc3e88541c044ce5373218185118b28d3408b5fd2a4703942c4', '2026-11-30 06:23:26.800665+00', '20261126000000_personal_data', NULL, NULL, '2026-11-30 06:23:26.677078+00', 1);

INSERT INTO public.delivery_app VALUES
	('default', '2026-11-27 09:40:00+00', '2026-11', 71, NULL, NULL, NULL, false, 0, '2026-11-27 09:40:00+00'),
	('branch', '2026-11-27 09:40:00+00', '2026-11', 22, NULL, NULL, NULL, false, 0, '2026-11-27 09:40:00+00'),
	('shop', '2026-11-27 09:40:00+00', '2026-11', 12, 'configuration', 'grant the app the permission qyapi_base (basic permission to call enterprise APIs) in the developer console (DingTalk said: 60011 应用尚未开通所需的权限)', '2026-11-27 11:00:00+00', false, 1, '2026-11-27 09:40:00+00');

INSERT INTO public.delivery_campaign VALUES
	('default', 'payroll-11', 3, 1, 0, 1, 2, 1, '2026-11-27 09:40:00+00'),
	('default', 'payroll-10', 0, 0, 0, 0, 1, 3, '2026-11-27 09:40:00+00');

INSERT INTO public.delivery_poll VALUES
	(1, 1, '2026-11-27 04:02:25.565+00', '2026-11-27 04:02:25.568+00', '2026-11-27 04:02:25.767+00', 'observed', '0', NULL, 'r2828', 1, 1, 0, 1, 3, 0, 5, 0),
	(1, 2, '2026-11-27 04:05:56.517+00', '2026-11-27 04:05:56.52+00', '2026-11-27 04:05:56.793+00', 'observed', '0', NULL, 'r4347', 1, 1, 0, 1, 3, 0, 0, 0),
	(1, 3, '2026-11-27 04:10:12.325+00', '2026-11-27 04:10:12.328+00', '2026-11-27 04:10:12.523+00', 'observed', '0', NULL, 'r857', 1, 1, 0, 1, 3, 0, 0, 0),
	(1, 4, '2026-11-27 04:15:22.526+00', '2026-11-27 04:15:22.529+00', '2026-11-27 04:15:22.719+00', 'observed', '0', NULL, 'r1895', 1, 1, 0, 1, 3, 0, 0, 0),
	(1, 5, '2026-11-27 04:21:38.685+00', '2026-11-27 04:21:38.688+00', '2026-11-27 04:21:38.871+00', 'observed', '0', NULL, 'r9053', 1, 1, 0, 1, 3, 0, 0, 0),
	(1, 6, '2026-11-27 04:29:14.829+00', '2026-11-27 04:29:14.832+00', '2026-11-27 04:29:15.065+00', 'observed', '0', NULL, 'r6439', 1, 1, 0, 1, 3, 0, 0, 0),
	(1, 7, '2026-11-27 04:38:27.965+00', '2026-11-27 04:38:27.968+00', '2026-11-27 04:38:28.243+00', 'observed', '0', NULL, 'r1087', 1, 1, 0, 1, 3, 0, 0, 0),
	(1, 8, '2026-11-27 04:49:38.715+00', '2026-11-27 04:49:38.718+00', '2026-11-27 04:49:38.988+00', 'observed', '0', NULL, 'r3646', 1, 1, 0, 1, 2, 1, 1, 0),
	(1, 9, '2026-11-27 05:03:12.089+00', '2026-11-27 05:03:12.092+00', '2026-11-27 05:03:12.294+00', 'observed', '0', NULL, 'r9207', 1, 1, 0, 1, 2, 1, 0, 0),
	(1, 10, '2026-11-27 05:19:38.414+00', '2026-11-27 05:19:38.417+00', '2026-11-27 05:19:38.648+00', 'observed', '0', NULL, 'r8205', 1, 1, 0, 1, 2, 1, 0, 0),
	(1, 11, '2026-11-27 05:39:34.464+00', '2026-11-27 05:39:34.467+00', '2026-11-27 05:39:34.738+00', 'observed', '0', NULL, 'r7495', 1, 1, 0, 1, 2, 1, 0, 0),
	(1, 12, '2026-11-27 06:03:44.835+00', '2026-11-27 06:03:44.838+00', '2026-11-27 06:03:45.039+00', 'observed', '0', NULL, 'r1808', 1, 1, 0, 1, 2, 1, 0, 0),
	(1, 13, '2026-11-27 06:33:03.602+00', '2026-11-27 06:33:03.605+00', '2026-11-27 06:33:03.866+00', 'observed', '0', NULL, 'r5327', 1, 1, 0, 1, 2, 1, 0, 0),
	(1, 14, '2026-11-27 07:08:36.342+00', '2026-11-27 07:08:36.345+00', '2026-11-27 07:08:36.607+00', 'observed', '0', NULL, 'r3845', 1, 1, 0, 1, 2, 1, 0, 0),
	(1, 15, '2026-11-27 07:51:42.574+00', '2026-11-27 07:51:42.577+00', '2026-11-27 07:51:42.76+00', 'observed', '0', NULL, 'r7070', 1, 1, 0, 1, 2, 1, 0, 0),
	(1, 16, '2026-11-27 08:43:58.725+00', '2026-11-27 08:43:58.728+00', '2026-11-27 08:43:58.955+00', 'observed', '0', NULL, 'r1726', 1, 1, 0, 1, 2, 1, 0, 0),
	(2, 1, '2026-11-26 10:04:56.538+00', '2026-11-26 10:04:56.541+00', '2026-11-26 10:04:56.758+00', 'observed', '0', NULL, 'r8760', 0, 0, 0, 0, 2, 0, 2, 0),
	(2, 2, '2026-11-26 10:08:34.076+00', '2026-11-26 10:08:34.079+00', '2026-11-26 10:08:34.263+00', 'observed', '0', NULL, 'r6892', 0, 0, 0, 0, 2, 0, 0, 0),
	(2, 3, '2026-11-26 10:12:57.87+00', '2026-11-26 10:12:57.873+00', '2026-11-26 10:12:58.108+00', 'observed', '0', NULL, 'r1415', 0, 0, 0, 0, 2, 0, 0, 0),
	(2, 4, '2026-11-26 10:18:17.755+00', '2026-11-26 10:18:17.758+00', '2026-11-26 10:18:17.972+00', 'observed', '0', NULL, 'r2164', 0, 0, 0, 0, 2, 0, 0, 0),
	(2, 5, '2026-11-26 10:24:45.659+00', '2026-11-26 10:24:45.662+00', '2026-11-26 10:24:45.877+00', 'observed', '0', NULL, 'r1121', 0, 0, 0, 0, 2, 0, 0, 0),
	(2, 6, '2026-11-26 10:32:36.044+00', '2026-11-26 10:32:36.047+00', '2026-11-26 10:32:36.294+00', 'observed', '0', NULL, 'r2775', 0, 0, 0, 0, 2, 0, 0, 0),
	(2, 7, '2026-11-26 10:42:06.448+00', '2026-11-26 10:42:06.451+00', '2026-11-26 10:42:06.645+00', 'observed', '0', NULL, 'r4718', 0, 0, 0, 0, 2, 0, 0, 0),
	(2, 8, '2026-11-26 10:53:38.139+00', '2026-11-26 10:53:38.142+00', '2026-11-26 10:53:38.417+00', 'observed', '0', NULL, 'r8272', 0, 0, 0, 0, 2, 0, 0, 0),
	(2, 9, '2026-11-26 11:07:36.907+00', '2026-11-26 11:07:36.91+00', '2026-11-26 11:07:37.097+00', 'observed', '0', NULL, 'r9308', 0, 0, 0, 0, 2, 0, 0, 0),
	(2, 10, '2026-11-26 11:24:34.025+00', '2026-11-26 11:24:34.028+00', '2026-11-26 11:24:34.288+00', 'observed', '0', NULL, 'r9180', 0, 0, 0, 0, 2, 0, 0, 0),
	(2, 11, '2026-11-26 11:45:07.416+00', '2026-11-26 11:45:07.419+00', '2026-11-26 11:45:07.618+00', 'observed', '0', NULL, 'r5919', 0, 0, 0, 0, 2, 0, 0, 0),
	(2, 12, '2026-11-26 12:10:03.067+00', '2026-11-26 12:10:03.07+00', '2026-11-26 12:10:03.277+00', 'observed', '0', NULL, 'r5620', 0, 0, 0, 0, 2, 0, 0, 0),
	(2, 13, '2026-11-26 12:40:16.743+00', '2026-11-26 12:40:16.746+00', '2026-11-26 12:40:17.02+00', 'observed', '0', NULL, 'r4210', 0, 0, 0, 0, 2, 0, 0, 0),
	(2, 14, '2026-11-26 13:16:56.067+00', '2026-11-26 13:16:56.07+00', '2026-11-26 13:16:56.29+00', 'observed', '0', NULL, 'r9474', 0, 0, 0, 0, 1, 1, 1, 0),
	(2, 15, '2026-11-26 14:01:23.041+00', '2026-11-26 14:01:23.044+00', '2026-11-26 14:01:23.32+00', 'observed', '0', NULL, 'r3684', 0, 0, 0, 0, 1, 1, 0, 0),
	(2, 16, '2026-11-26 14:55:17.103+00', '2026-11-26 14:55:17.106+00', '2026-11-26 14:55:17.367+00', 'observed', '0', NULL, 'r6494', 0, 0, 0, 0, 1, 1, 0, 0),
	(2, 17, '2026-11-26 16:00:38.833+00', '2026-11-26 16:00:38.836+00', '2026-11-26 16:00:39.02+00', 'observed', '0', NULL, 'r8835', 0, 0, 0, 0, 1, 1, 0, 0),
	(2, 18, '2026-11-26 17:19:54.455+00', '2026-11-26 17:19:54.458+00', '2026-11-26 17:19:54.645+00', 'observed', '0', NULL, 'r7336', 0, 0, 0, 0, 1, 1, 0, 0),
	(2, 19, '2026-11-26 18:56:01.28+00', '2026-11-26 18:56:01.283+00', '2026-11-26 18:56:01.548+00', 'observed', '0', NULL, 'r9767', 0, 0, 0, 0, 1, 1, 0, 0),
	(2, 20, '2026-11-26 20:52:34.325+00', '2026-11-26 20:52:34.328+00', '2026-11-26 20:52:34.52+00', 'observed', '0', NULL, 'r1766', 0, 0, 0, 0, 1, 1, 0, 0),
	(2, 21, '2026-11-26 23:13:54.324+00', '2026-11-26 23:13:54.327+00', '2026-11-26 23:13:54.584+00', 'observed', '0', NULL, 'r4715', 0, 0, 0, 0, 1, 1, 0, 0),
	(2, 22, '2026-11-27 02:05:17.454+00', '2026-11-27 02:05:17.457+00', '2026-11-27 02:05:17.68+00', 'observed', '0', NULL, 'r5682', 0, 0, 0, 0, 1, 1, 0, 0),
	(2, 23, '2026-11-27 05:33:07.12+00', '2026-11-27 05:33:07.123+00', '2026-11-27 05:33:07.371+00', 'observed', '0', NULL, 'r9098', 0, 0, 0, 0, 1, 1, 0, 0),
	(3, 1, '2026-11-26 04:02:37.462+00', '2026-11-26 04:02:37.465+00', '2026-11-26 04:02:37.664+00', 'observed', '0', NULL, 'r851', 0, 0, 0, 0, 2, 0, 2, 0),
	(3, 2, '2026-11-26 04:06:10.944+00', '2026-11-26 04:06:10.947+00', '2026-11-26 04:06:11.131+00', 'observed', '0', NULL, 'r4900', 0, 0, 0, 0, 2, 0, 0, 0),
	(3, 3, '2026-11-26 04:10:29.82+00', '2026-11-26 04:10:29.823+00', '2026-11-26 04:10:30.087+00', 'observed', '0', NULL, 'r4478', 0, 0, 0, 0, 2, 0, 0, 0),
	(3, 4, '2026-11-26 04:15:43.74+00', '2026-11-26 04:15:43.743+00', '2026-11-26 04:15:43.938+00', 'observed', '0', NULL, 'r9235', 0, 0, 0, 0, 2, 0, 0, 0),
	(3, 5, '2026-11-26 04:22:04.411+00', '2026-11-26 04:22:04.414+00', '2026-11-26 04:22:04.652+00', 'observed', '0', NULL, 'r959', 0, 0, 0, 0, 2, 0, 0, 0),
	(3, 6, '2026-11-26 04:29:46.025+00', '2026-11-26 04:29:46.028+00', '2026-11-26 04:29:46.257+00', 'observed', '0', NULL, 'r3815', 0, 0, 0, 0, 2, 0, 0, 0),
	(3, 7, '2026-11-26 04:39:05.794+00', '2026-11-26 04:39:05.797+00', '2026-11-26 04:39:06.008+00', 'observed', '0', NULL, 'r5096', 0, 0, 0, 0, 2, 0, 0, 0),
	(3, 8, '2026-11-26 04:50:24.588+00', '2026-11-26 04:50:24.591+00', '2026-11-26 04:50:24.79+00', 'observed', '0', NULL, 'r5726', 0, 0, 0, 0, 2, 0, 0, 0),
	(3, 9, '2026-11-26 05:04:07.716+00', '2026-11-26 05:04:07.719+00', '2026-11-26 05:04:07.904+00', 'observed', '0', NULL, 'r1095', 0, 0, 0, 0, 2, 0, 0, 0),
	(3, 10, '2026-11-26 05:20:45.869+00', '2026-11-26 05:20:45.872+00', '2026-11-26 05:20:46.08+00', 'observed', '0', NULL, 'r1948', 0, 0, 0, 0, 2, 0, 0, 0),
	(3, 11, '2026-11-26 05:40:56.262+00', '2026-11-26 05:40:56.265+00', '2026-11-26 05:40:56.5+00', 'observed', '0', NULL, 'r5608', 0, 0, 0, 0, 2, 0, 0, 0),
	(3, 12, '2026-11-26 06:05:24.026+00', '2026-11-26 06:05:24.029+00', '2026-11-26 06:05:24.224+00', 'observed', '0', NULL, 'r7341', 0, 0, 0, 0, 1, 1, 1, 0),
	(3, 13, '2026-11-26 06:35:03.884+00', '2026-11-26 06:35:03.887+00', '2026-11-26 06:35:04.087+00', 'observed', '0', NULL, 'r2032', 0, 0, 0, 0, 1, 1, 0, 0),
	(3, 14, '2026-11-26 07:11:02.2+00', '2026-11-26 07:11:02.203+00', '2026-11-26 07:11:02.469+00', 'observed', '0', NULL, 'r6180', 0, 0, 0, 0, 1, 1, 0, 0),
	(3, 15, '2026-11-26 07:54:39.447+00', '2026-11-26 07:54:39.45+00', '2026-11-26 07:54:39.709+00', 'observed', '0', NULL, 'r528', 0, 0, 0, 0, 1, 1, 0, 0),
	(3, 16, '2026-11-26 08:47:33.206+00', '2026-11-26 08:47:33.209+00', '2026-11-26 08:47:33.484+00', 'observed', '0', NULL, 'r2873', 0, 0, 0, 0, 1, 1, 0, 0),
	(3, 17, '2026-11-26 09:51:41.814+00', '2026-11-26 09:51:41.817+00', '2026-11-26 09:51:42.031+00', 'observed', '0', NULL, 'r1903', 0, 0, 0, 0, 1, 1, 0, 0),
	(3, 18, '2026-11-26 11:09:28.763+00', '2026-11-26 11:09:28.766+00', '2026-11-26 11:09:28.968+00', 'observed', '0', NULL, 'r1488', 0, 0, 0, 0, 1, 1, 0, 0),
	(3, 19, '2026-11-26 12:43:48.061+00', '2026-11-26 12:43:48.064+00', '2026-11-26 12:43:48.293+00', 'observed', '0', NULL, 'r6095', 0, 0, 0, 0, 1, 1, 0, 0),
	(3, 20, '2026-11-26 14:38:10.715+00', '2026-11-26 14:38:10.718+00', '2026-11-26 14:38:10.948+00', 'observed', '0', NULL, 'r7325', 0, 0, 0, 0, 1, 1, 0, 0),
	(3, 21, '2026-11-26 16:56:52.598+00', '2026-11-26 16:56:52.601+00', '2026-11-26 16:56:52.793+00', 'observed', '0', NULL, 'r1753', 0, 0, 0, 0, 1, 1, 0, 0),
	(3, 22, '2026-11-26 19:45:03.99+00', '2026-11-26 19:45:03.993+00', '2026-11-26 19:45:04.182+00', 'observed', '0', NULL, 'r469', 0, 0, 0, 0, 1, 1, 0, 0),
	(3, 23, '2026-11-26 23:09:01.15+00', '2026-11-26 23:09:01.153+00', '2026-11-26 23:09:01.37+00', 'observed', '0', NULL, 'r758', 0, 0, 0, 0, 1, 1, 0, 0),
	(4, 1, '2026-11-27 05:02:58.16+00', '2026-11-27 05:02:58.163+00', '2026-11-27 05:02:58.404+00', 'observed', '0', NULL, 'r5251', 0, 0, 0, 0, 1, 0, 1, 0),
	(4, 2, '2026-11-27 05:06:36.043+00', '2026-11-27 05:06:36.046+00', '2026-11-27 05:06:36.308+00', 'observed', '0', NULL, 'r3728', 0, 0, 0, 0, 1, 0, 0, 0),
	(4, 3, '2026-11-27 05:11:00.254+00', '2026-11-27 05:11:00.257+00', '2026-11-27 05:11:00.502+00', 'observed', '0', NULL, 'r8641', 0, 0, 0, 0, 1, 0, 0, 0),
	(4, 4, '2026-11-27 05:16:20.647+00', '2026-11-27 05:16:20.65+00', '2026-11-27 05:16:20.897+00', 'observed', '0', NULL, 'r9898', 0, 0, 0, 0, 1, 0, 0, 0),
	(4, 5, '2026-11-27 05:22:49.165+00', '2026-11-27 05:22:49.168+00', '2026-11-27 05:22:49.351+00', 'observed', '0', NULL, 'r9469', 0, 0, 0, 0, 1, 0, 0, 0),
	(4, 6, '2026-11-27 05:30:40.295+00', '2026-11-27 05:30:40.298+00', '2026-11-27 05:30:40.482+00', 'observed', '0', NULL, 'r1895', 0, 0, 0, 0, 1, 0, 0, 0),
	(4, 7, '2026-11-27 05:40:11.603+00', '2026-11-27 05:40:11.606+00', '2026-11-27 05:40:11.865+00', 'observed', '0', NULL, 'r4742', 0, 0, 0, 0, 1, 0, 0, 0),
	(4, 8, '2026-11-27 05:51:44.391+00', '2026-11-27 05:51:44.394+00', '2026-11-27 05:51:44.667+00', 'observed', '0', NULL, 'r9393', 0, 0, 0, 0, 1, 0, 0, 0),
	(4, 9, '2026-11-27 06:05:44.488+00', '2026-11-27 06:05:44.491+00', '2026-11-27 06:05:44.744+00', 'observed', '0', NULL, 'r1785', 0, 0, 0, 0, 1, 0, 0, 0),
	(4, 10, '2026-11-27 06:22:43.218+00', '2026-11-27 06:22:43.221+00', '2026-11-27 06:22:43.413+00', 'observed', '0', NULL, 'r3269', 0, 0, 0, 0, 1, 0, 0, 0),
	(4, 11, '2026-11-27 06:43:18.563+00', '2026-11-27 06:43:18.566+00', '2026-11-27 06:43:18.808+00', 'observed', '0', NULL, 'r1962', 0, 0, 0, 0, 1, 0, 0, 0),
	(4, 12, '2026-11-27 07:08:16.585+00', '2026-11-27 07:08:16.588+00', '2026-11-27 07:08:16.784+00', 'configuration', '60011', '应用尚未开通所需的权限', 'r1', NULL, NULL, NULL, NULL, NULL, NULL, 0, 0),
	(4, 13, '2026-11-27 07:09:16.588+00', '2026-11-27 07:09:16.591+00', '2026-11-27 07:09:16.844+00', 'configuration', '60011', '应用尚未开通所需的权限', 'r1', NULL, NULL, NULL, NULL, NULL, NULL, 0, 0),
	(4, 14, '2026-11-27 07:11:17.357+00', '2026-11-27 07:11:17.36+00', '2026-11-27 07:11:17.617+00', 'configuration', '60011', '应用尚未开通所需的权限', 'r1', NULL, NULL, NULL, NULL, NULL, NULL, 0, 0),
	(4, 15, '2026-11-27 07:15:18.126+00', '2026-11-27 07:15:18.129+00', '2026-11-27 07:15:18.401+00', 'configuration', '60011', '应用尚未开通所需的权限', 'r1', NULL, NULL, NULL, NULL, NULL, NULL, 0, 0),
	(4, 16, '2026-11-27 07:23:18.895+00', '2026-11-27 07:23:18.898+00', '2026-11-27 07:23:19.11+00', 'configuration', '60011', '应用尚未开通所需的权限', 'r1', NULL, NULL, NULL, NULL, NULL, NULL, 0, 0),
	(4, 17, '2026-11-27 07:38:19.664+00', '2026-11-27 07:38:19.667+00', '2026-11-27 07:38:19.906+00', 'configuration', '60011', '应用尚未开通所需的权限', 'r1', NULL, NULL, NULL, NULL, NULL, NULL, 0, 0),
	(4, 18, '2026-11-27 07:53:20.433+00', '2026-11-27 07:53:20.436+00', '2026-11-27 07:53:20.702+00', 'configuration', '60011', '应用尚未开通所需的权限', 'r1', NULL, NULL, NULL, NULL, NULL, NULL, 0, 0),
	(4, 19, '2026-11-27 08:08:21.202+00', '2026-11-27 08:08:21.205+00', '2026-11-27 08:08:21.401+00', 'configuration', '60011', '应用尚未开通所需的权限', 'r1', NULL, NULL, NULL, NULL, NULL, NULL, 0, 0),
	(4, 20, '2026-11-27 08:23:21.971+00', '2026-11-27 08:23:21.974+00', '2026-11-27 08:23:22.197+00', 'configuration', '60011', '应用尚未开通所需的权限', 'r1', NULL, NULL, NULL, NULL, NULL, NULL, 0, 0),
	(4, 21, '2026-11-27 08:38:22.74+00', '2026-11-27 08:38:22.743+00', '2026-11-27 08:38:22.993+00', 'configuration', '60011', '应用尚未开通所需的权限', 'r1', NULL, NULL, NULL, NULL, NULL, NULL, 0, 0),
	(4, 22, '2026-11-27 08:53:23.509+00', '2026-11-27 08:53:23.512+00', '2026-11-27 08:53:23.692+00', 'configuration', '60011', '应用尚未开通所需的权限', 'r1', NULL, NULL, NULL, NULL, NULL, NULL, 0, 0),
	(4, 23, '2026-11-27 09:08:24.278+00', '2026-11-27 09:08:24.281+00', '2026-11-27 09:08:24.488+00', 'configuration', '60011', '应用尚未开通所需的权限', 'r1', NULL, NULL, NULL, NULL, NULL, NULL, 0, 0),
	(4, 24, '2026-11-27 09:23:25.047+00', '2026-11-27 09:23:25.05+00', '2026-11-27 09:23:25.284+00', 'configuration', '60011', '应用尚未开通所需的权限', 'r1', NULL, NULL, NULL, NULL, NULL, NULL, 0, 0),
	(4, 25, '2026-11-27 09:38:25.816+00', '2026-11-27 09:38:25.819+00', '2026-11-27 09:38:26.08+00', 'configuration', '60011', '应用尚未开通所需的权限', 'r1', NULL, NULL, NULL, NULL, NULL, NULL, 0, 0),
	(5, 1, '2026-11-27 07:02:50.194+00', '2026-11-27 07:02:50.197+00', '2026-11-27 07:02:50.407+00', 'task', '400002', '无效的参数', 'r1', NULL, NULL, NULL, NULL, NULL, NULL, 0, 0),
	(6, 1, '2026-11-25 08:02:34.988+00', '2026-11-25 08:02:34.991+00', '2026-11-25 08:02:35.234+00', 'observed', '0', NULL, 'r3437', 0, 0, 0, 0, 2, 0, 2, 0),
	(6, 2, '2026-11-25 08:06:07.944+00', '2026-11-25 08:06:07.947+00', '2026-11-25 08:06:08.134+00', 'observed', '0', NULL, 'r6960', 0, 0, 0, 0, 2, 0, 0, 0),
	(6, 3, '2026-11-25 08:10:26.181+00', '2026-11-25 08:10:26.184+00', '2026-11-25 08:10:26.394+00', 'observed', '0', NULL, 'r5899', 0, 0, 0, 0, 2, 0, 0, 0),
	(6, 4, '2026-11-25 08:15:39.328+00', '2026-11-25 08:15:39.331+00', '2026-11-25 08:15:39.572+00', 'observed', '0', NULL, 'r9883', 0, 0, 0, 0, 2, 0, 0, 0),
	(6, 5, '2026-11-25 08:21:59.061+00', '2026-11-25 08:21:59.064+00', '2026-11-25 08:21:59.283+00', 'observed', '0', NULL, 'r669', 0, 0, 0, 0, 2, 0, 0, 0),
	(6, 6, '2026-11-25 08:29:39.537+00', '2026-11-25 08:29:39.54+00', '2026-11-25 08:29:39.776+00', 'observed', '0', NULL, 'r2387', 0, 0, 0, 0, 2, 0, 0, 0),
	(6, 7, '2026-11-25 08:38:57.926+00', '2026-11-25 08:38:57.929+00', '2026-11-25 08:38:58.125+00', 'observed', '0', NULL, 'r2288', 0, 0, 0, 0, 2, 0, 0, 0),
	(6, 8, '2026-11-25 08:50:15.047+00', '2026-11-25 08:50:15.05+00', '2026-11-25 08:50:15.307+00', 'observed', '0', NULL, 'r1245', 0, 0, 0, 0, 2, 0, 0, 0),
	(6, 9, '2026-11-25 09:03:56.147+00', '2026-11-25 09:03:56.15+00', '2026-11-25 09:03:56.402+00', 'observed', '0', NULL, 'r4559', 0, 0, 0, 0, 1, 1, 1, 0),
	(6, 10, '2026-11-25 09:20:31.84+00', '2026-11-25 09:20:31.843+00', '2026-11-25 09:20:32.083+00', 'observed', '0', NULL, 'r2952', 0, 0, 0, 0, 1, 1, 0, 0),
	(6, 11, '2026-11-25 09:40:39.25+00', '2026-11-25 09:40:39.253+00', '2026-11-25 09:40:39.447+00', 'observed', '0', NULL, 'r3629', 0, 0, 0, 0, 1, 1, 0, 0),
	(6, 12, '2026-11-25 10:05:03.397+00', '2026-11-25 10:05:03.4+00', '2026-11-25 10:05:03.623+00', 'observed', '0', NULL, 'r1745', 0, 0, 0, 0, 1, 1, 0, 0),
	(6, 13, '2026-11-25 10:34:38.869+00', '2026-11-25 10:34:38.872+00', '2026-11-25 10:34:39.079+00', 'observed', '0', NULL, 'r2023', 0, 0, 0, 0, 1, 1, 0, 0),
	(6, 14, '2026-11-25 11:10:31.866+00', '2026-11-25 11:10:31.869+00', '2026-11-25 11:10:32.061+00', 'observed', '0', NULL, 'r852', 0, 0, 0, 0, 1, 1, 0, 0),
	(6, 15, '2026-11-25 11:54:02.662+00', '2026-11-25 11:54:02.665+00', '2026-11-25 11:54:02.898+00', 'observed', '0', NULL, 'r8695', 0, 0, 0, 0, 1, 1, 0, 0),
	(6, 16, '2026-11-25 12:46:48.6+00', '2026-11-25 12:46:48.603+00', '2026-11-25 12:46:48.791+00', 'observed', '0', NULL, 'r3219', 0, 0, 0, 0, 1, 1, 0, 0),
	(6, 17, '2026-11-25 13:50:47.723+00', '2026-11-25 13:50:47.726+00', '2026-11-25 13:50:47.971+00', 'observed', '0', NULL, 'r2737', 0, 0, 0, 0, 0, 2, 1, 0),
	(7, 1, '2026-11-25 09:02:29.309+00', '2026-11-25 09:02:29.312+00', '2026-11-25 09:02:29.541+00', 'observed', '0', NULL, 'r7478', 0, 0, 0, 0, 2, 0, 2, 0),
	(7, 2, '2026-11-25 09:06:01.058+00', '2026-11-25 09:06:01.061+00', '2026-11-25 09:06:01.288+00', 'observed', '0', NULL, 'r9794', 0, 0, 0, 0, 2, 0, 0, 0),
	(7, 3, '2026-11-25 09:10:17.831+00', '2026-11-25 09:10:17.834+00', '2026-11-25 09:10:18.075+00', 'observed', '0', NULL, 'r7269', 0, 0, 0, 0, 2, 0, 0, 0),
	(7, 4, '2026-11-25 09:15:29.202+00', '2026-11-25 09:15:29.205+00', '2026-11-25 09:15:29.447+00', 'observed', '0', NULL, 'r9477', 0, 0, 0, 0, 2, 0, 0, 0),
	(7, 5, '2026-11-25 09:21:46.782+00', '2026-11-25 09:21:46.785+00', '2026-11-25 09:21:46.986+00', 'observed', '0', NULL, 'r8083', 0, 0, 0, 0, 2, 0, 0, 0),
	(7, 6, '2026-11-25 09:29:24.647+00', '2026-11-25 09:29:24.65+00', '2026-11-25 09:29:24.876+00', 'observed', '0', NULL, 'r7190', 0, 0, 0, 0, 2, 0, 0, 0),
	(7, 7, '2026-11-25 09:38:39.87+00', '2026-11-25 09:38:39.873+00', '2026-11-25 09:38:40.094+00', 'observed', '0', NULL, 'r3925', 0, 0, 0, 0, 2, 0, 0, 0),
	(7, 8, '2026-11-25 09:49:53.152+00', '2026-11-25 09:49:53.155+00', '2026-11-25 09:49:53.381+00', 'observed', '0', NULL, 'r9016', 0, 0, 0, 0, 2, 0, 0, 0),
	(7, 9, '2026-11-25 10:03:29.596+00', '2026-11-25 10:03:29.599+00', '2026-11-25 10:03:29.82+00', 'observed', '0', NULL, 'r7674', 0, 0, 0, 0, 2, 0, 0, 0),
	(7, 10, '2026-11-25 10:19:59.643+00', '2026-11-25 10:19:59.646+00', '2026-11-25 10:19:59.835+00', 'observed', '0', NULL, 'r421', 0, 0, 0, 0, 2, 0, 0, 0),
	(7, 11, '2026-11-25 10:40:00.207+00', '2026-11-25 10:40:00.21+00', '2026-11-25 10:40:00.394+00', 'observed', '0', NULL, 'r4225', 0, 0, 0, 0, 2, 0, 0, 0),
	(7, 12, '2026-11-25 11:04:16.051+00', '2026-11-25 11:04:16.054+00', '2026-11-25 11:04:16.306+00', 'observed', '0', NULL, 'r4011', 0, 0, 0, 0, 2, 0, 0, 0),
	(7, 13, '2026-11-25 11:33:41.456+00', '2026-11-25 11:33:41.459+00', '2026-11-25 11:33:41.716+00', 'observed', '0', NULL, 'r4195', 0, 0, 0, 0, 2, 0, 0, 0),
	(7, 14, '2026-11-25 12:09:22.246+00', '2026-11-25 12:09:22.249+00', '2026-11-25 12:09:22.506+00', 'observed', '0', NULL, 'r790', 0, 0, 0, 0, 2, 0, 0, 0),
	(7, 15, '2026-11-25 12:52:38.238+00', '2026-11-25 12:52:38.241+00', '2026-11-25 12:52:38.479+00', 'observed', '0', NULL, 'r3802', 0, 0, 0, 0, 2, 0, 0, 0),
	(7, 16, '2026-11-25 13:45:06.225+00', '2026-11-25 13:45:06.228+00', '2026-11-25 13:45:06.415+00', 'observed', '0', NULL, 'r321', 0, 0, 0, 0, 2, 0, 0, 0),
	(7, 17, '2026-11-25 14:48:43.579+00', '2026-11-25 14:48:43.582+00', '2026-11-25 14:48:43.785+00', 'observed', '0', NULL, 'r7989', 0, 0, 0, 0, 2, 0, 0, 0),
	(7, 18, '2026-11-25 16:05:52.629+00', '2026-11-25 16:05:52.632+00', '2026-11-25 16:05:52.851+00', 'observed', '0', NULL, 'r9567', 0, 0, 0, 0, 2, 0, 0, 0),
	(7, 19, '2026-11-25 17:39:25.97+00', '2026-11-25 17:39:25.973+00', '2026-11-25 17:39:26.24+00', 'observed', '0', NULL, 'r8109', 0, 0, 0, 0, 2, 0, 0, 0),
	(7, 20, '2026-11-25 19:32:52.895+00', '2026-11-25 19:32:52.898+00', '2026-11-25 19:32:53.115+00', 'observed', '0', NULL, 'r3475', 0, 0, 0, 0, 1, 1, 1, 0),
	(7, 21, '2026-11-25 21:50:27.199+00', '2026-11-25 21:50:27.202+00', '2026-11-25 21:50:27.411+00', 'observed', '0', NULL, 'r135', 0, 0, 0, 0, 1, 1, 0, 0),
	(7, 22, '2026-11-26 00:37:16.643+00', '2026-11-26 00:37:16.646+00', '2026-11-26 00:37:16.869+00', 'observed', '0', NULL, 'r6660', 0, 0, 0, 0, 1, 1, 0, 0),
	(7, 23, '2026-11-26 03:59:34.428+00', '2026-11-26 03:59:34.431+00', '2026-11-26 03:59:34.635+00', 'observed', '0', NULL, 'r7304', 0, 0, 0, 0, 1, 1, 0, 0),
	(7, 24, '2026-11-26 08:49:01.948+00', '2026-11-26 08:49:01.951+00', '2026-11-26 08:49:02.213+00', 'observed', '0', NULL, 'r1858', 0, 0, 0, 0, 1, 1, 0, 0);

INSERT INTO public.delivery_recipient VALUES
	(1, 'cid', true, 'pending', NULL, NULL, NULL, NULL, NULL),
	(1, '0042', true, 'unread', '2026-11-27 04:02:25.767+00', NULL, NULL, NULL, NULL),
	(1, 'bob', true, 'unread', '2026-11-27 04:02:25.767+00', NULL, NULL, NULL, NULL),
	(1, 'dan', true, 'invalid', '2026-11-27 04:02:25.767+00', NULL, NULL, NULL, NULL),
	(1, 'eve', true, 'forbidden', '2026-11-27 04:02:25.767+00', NULL, NULL, '143106', 1),
	(1, 'ann', true, 'read', '2026-11-27 04:02:25.767+00', '2026-11-27 04:38:27.968+00', '2026-11-27 04:49:38.988+00', NULL, NULL),
	(2, 'bob', true, 'unread', '2026-11-26 10:04:56.758+00', NULL, NULL, NULL, NULL),
	(2, 'ann', true, 'read', '2026-11-26 10:04:56.758+00', '2026-11-26 12:40:16.746+00', '2026-11-26 13:16:56.29+00', NULL, NULL),
	(3, 'hal', false, 'unread', '2026-11-26 04:02:37.664+00', NULL, NULL, NULL, NULL),
	(3, 'gus', false, 'read', '2026-11-26 04:02:37.664+00', '2026-11-26 05:40:56.265+00', '2026-11-26 06:05:24.224+00', NULL, NULL),
	(4, 'ida', true, 'unread', '2026-11-27 05:02:58.404+00', NULL, NULL, NULL, NULL),
	(5, 'ken', true, 'pending', NULL, NULL, NULL, NULL, NULL),
	(6, 'ann', true, 'read', '2026-11-25 08:02:35.234+00', '2026-11-25 08:50:15.05+00', '2026-11-25 09:03:56.402+00', NULL, NULL),
	(6, 'bob', true, 'read', '2026-11-25 08:02:35.234+00', '2026-11-25 12:46:48.603+00', '2026-11-25 13:50:47.971+00', NULL, NULL),
	(7, 'dan', true, 'unread', '2026-11-25 09:02:29.541+00', NULL, NULL, NULL, NULL),
	(7, 'cid', true, 'read', '2026-11-25 09:02:29.541+00', '2026-11-25 17:39:25.973+00', '2026-11-25 19:32:53.115+00', NULL, NULL),
	(8, 'lea', true, 'pending', NULL, NULL, NULL, NULL, NULL),
	(8, 'mia', true, 'pending', NULL, NULL, NULL, NULL, NULL);

INSERT INTO public.delivery_task VALUES
	(1, 'default', '256271667501', '836390886', 'payroll-11', 'tracking', NULL, '2026-11-27 04:00:00+00', '2026-11-28 04:00:00+00', '2026-11-27 04:00:01+00', '2026-11-27 04:00:02+00', true, 16, '2026-11-27 09:47:21.726+00', '2026-11-27 08:43:58.728+00', '2026-11-27 08:43:58.955+00', 16, 0, 0, '1rqy0mdklaa', '2026-11-27 04:02:25.568+00', NULL, NULL, 1, 1, 0, 1, 2, 1, NULL),
	(2, 'default', '256271667502', '836390886', 'payroll-11', 'tracking', NULL, '2026-11-26 10:02:00+00', '2026-11-27 10:02:00+00', '2026-11-26 10:02:01+00', '2026-11-26 10:02:02+00', true, 23, '2026-11-27 09:56:19.619+00', '2026-11-27 05:33:07.123+00', '2026-11-27 05:33:07.371+00', 23, 0, 0, '12d19tfgag5', '2026-11-26 10:04:56.541+00', NULL, NULL, 0, 0, 0, 0, 1, 1, NULL),
	(3, 'branch', '256271667503', '836390886', NULL, 'tracking', NULL, '2026-11-26 04:00:00+00', '2026-11-27 04:00:00+00', '2026-11-26 04:00:01+00', '2026-11-26 04:00:02+00', false, 23, '2026-11-27 03:50:37.067+00', '2026-11-26 23:09:01.153+00', '2026-11-26 23:09:01.37+00', 23, 0, 0, 'ckvylty3zq', '2026-11-26 04:02:37.465+00', NULL, NULL, 0, 0, 0, 0, 1, 1, NULL),
	(4, 'shop', '256271667504', '836390886', NULL, 'tracking', NULL, '2026-11-27 05:00:00+00', '2026-11-28 05:00:00+00', '2026-11-27 05:00:01+00', '2026-11-27 05:00:02+00', true, 25, '2026-11-27 09:53:26.585+00', '2026-11-27 06:43:18.566+00', '2026-11-27 06:43:18.808+00', 11, 14, 0, 'oebby0q2zo', '2026-11-27 05:02:58.163+00', 'grant the app the permission qyapi_base (basic permission to call enterprise APIs) in the developer console (DingTalk said: 60011 应用尚未开通所需的权限)', NULL, 0, 0, 0, 0, 1, 0, NULL),
	(5, 'default', '256271667506', '836390886', NULL, 'stopped', 'refused: DingTalk refused the parameters: check that task id and agent id belong together and that the task was sent by this app (DingTalk said: 400002 无效的参数)', '2026-11-27 07:00:00+00', '2026-11-28 07:00:00+00', '2026-11-27 07:00:01+00', '2026-11-27 07:00:02+00', true, 1, NULL, NULL, NULL, 0, 1, 0, NULL, NULL, NULL, '2026-11-27 07:02:50.447+00', 1, 0, 0, 0, 0, 0, NULL),
	(6, 'default', '256271667507', '836390886', 'payroll-10', 'complete', 'all_read: every recipient has read', '2026-11-25 08:00:00+00', '2026-11-26 08:00:00+00', '2026-11-25 08:00:01+00', '2026-11-25 08:00:02+00', true, 17, NULL, '2026-11-25 13:50:47.726+00', '2026-11-25 13:50:47.971+00', 17, 0, 0, '12d19tfgag5', '2026-11-25 08:02:34.991+00', NULL, '2026-11-25 13:50:47.976+00', 0, 0, 0, 0, 0, 2, NULL),
	(7, 'default', '256271667508', '836390886', 'payroll-10', 'expired', 'window_over: the 24 hours in which DingTalk answers have passed', '2026-11-25 09:00:00+00', '2026-11-26 09:00:00+00', '2026-11-25 09:00:01+00', '2026-11-25 09:00:02+00', true, 24, NULL, '2026-11-26 08:49:01.951+00', '2026-11-26 08:49:02.213+00', 24, 0, 0, '1clj8qc9gto', '2026-11-25 09:02:29.312+00', NULL, '2026-11-26 09:00:00.253+00', 0, 0, 0, 0, 1, 1, NULL),
	(8, 'default', '256271667505', '836390886', 'payroll-11', 'tracking', NULL, '2026-11-27 09:59:00+00', '2026-11-28 09:59:00+00', '2026-11-27 09:59:01+00', NULL, true, 0, '2026-11-27 09:59:00+00', NULL, NULL, 0, 0, 0, NULL, NULL, NULL, NULL, 2, 0, 0, 0, 0, 0, NULL);

INSERT INTO public.delivery_transition VALUES
	(1, '0042', 'unread', 'pending', '2026-11-27 04:00:00+00', '2026-11-27 04:02:25.767+00', 1),
	(1, 'ann', 'unread', 'pending', '2026-11-27 04:00:00+00', '2026-11-27 04:02:25.767+00', 1),
	(1, 'bob', 'unread', 'pending', '2026-11-27 04:00:00+00', '2026-11-27 04:02:25.767+00', 1),
	(1, 'dan', 'invalid', 'pending', '2026-11-27 04:00:00+00', '2026-11-27 04:02:25.767+00', 1),
	(1, 'eve', 'forbidden', 'pending', '2026-11-27 04:00:00+00', '2026-11-27 04:02:25.767+00', 1),
	(1, 'ann', 'read', 'unread', '2026-11-27 04:38:27.968+00', '2026-11-27 04:49:38.988+00', 8),
	(2, 'ann', 'unread', 'pending', '2026-11-26 10:02:00+00', '2026-11-26 10:04:56.758+00', 1),
	(2, 'bob', 'unread', 'pending', '2026-11-26 10:02:00+00', '2026-11-26 10:04:56.758+00', 1),
	(2, 'ann', 'read', 'unread', '2026-11-26 12:40:16.746+00', '2026-11-26 13:16:56.29+00', 14),
	(3, 'gus', 'unread', 'pending', '2026-11-26 04:00:00+00', '2026-11-26 04:02:37.664+00', 1),
	(3, 'hal', 'unread', 'pending', '2026-11-26 04:00:00+00', '2026-11-26 04:02:37.664+00', 1),
	(3, 'gus', 'read', 'unread', '2026-11-26 05:40:56.265+00', '2026-11-26 06:05:24.224+00', 12),
	(4, 'ida', 'unread', 'pending', '2026-11-27 05:00:00+00', '2026-11-27 05:02:58.404+00', 1),
	(6, 'ann', 'unread', 'pending', '2026-11-25 08:00:00+00', '2026-11-25 08:02:35.234+00', 1),
	(6, 'bob', 'unread', 'pending', '2026-11-25 08:00:00+00', '2026-11-25 08:02:35.234+00', 1),
	(6, 'ann', 'read', 'unread', '2026-11-25 08:50:15.05+00', '2026-11-25 09:03:56.402+00', 9),
	(6, 'bob', 'read', 'unread', '2026-11-25 12:46:48.603+00', '2026-11-25 13:50:47.971+00', 17),
	(7, 'cid', 'unread', 'pending', '2026-11-25 09:00:00+00', '2026-11-25 09:02:29.541+00', 1),
	(7, 'dan', 'unread', 'pending', '2026-11-25 09:00:00+00', '2026-11-25 09:02:29.541+00', 1),
	(7, 'cid', 'read', 'unread', '2026-11-25 17:39:25.973+00', '2026-11-25 19:32:53.115+00', 20);

SELECT pg_catalog.setval('public.delivery_campaign_change_id_seq', 14, true);

SELECT pg_catalog.setval('public.delivery_erasure_id_seq', 1, false);

SELECT pg_catalog.setval('public.delivery_task_id_seq', 8, true);

ALTER TABLE ONLY public._prisma_migrations
    ADD CONSTRAINT _prisma_migrations_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.delivery_app
    ADD CONSTRAINT delivery_app_pkey PRIMARY KEY (app);

ALTER TABLE ONLY public.delivery_campaign_change
    ADD CONSTRAINT delivery_campaign_change_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.delivery_campaign
    ADD CONSTRAINT delivery_campaign_pkey PRIMARY KEY (app, campaign);

ALTER TABLE ONLY public.delivery_campaign_salt
    ADD CONSTRAINT delivery_campaign_salt_pkey PRIMARY KEY (app, campaign);

ALTER TABLE ONLY public.delivery_erasure
    ADD CONSTRAINT delivery_erasure_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.delivery_poll
    ADD CONSTRAINT delivery_poll_pkey PRIMARY KEY (task_pk, poll_no);

ALTER TABLE ONLY public.delivery_recipient
    ADD CONSTRAINT delivery_recipient_pkey PRIMARY KEY (task_pk, user_id);

ALTER TABLE ONLY public.delivery_task
    ADD CONSTRAINT delivery_task_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.delivery_transition
    ADD CONSTRAINT delivery_transition_pkey PRIMARY KEY (task_pk, user_id, to_state);

CREATE INDEX delivery_campaign_change_app_campaign_idx ON public.delivery_campaign_change USING btree (app, campaign);

CREATE UNIQUE INDEX delivery_task_app_task_id_key ON public.delivery_task USING btree (app, task_id);

CREATE INDEX delivery_task_campaign_app_idx ON public.delivery_task USING btree (campaign, app);

CREATE INDEX delivery_task_due_idx ON public.delivery_task USING btree (next_poll_at, app) WHERE (status = 'tracking'::text);

CREATE INDEX delivery_task_named_idx ON public.delivery_task USING btree (finished_at, id) WHERE ((finished_at IS NOT NULL) AND (names_removed_at IS NULL));

CREATE INDEX delivery_task_nameless_idx ON public.delivery_task USING btree (finished_at, id) WHERE (names_removed_at IS NOT NULL);

CREATE INDEX delivery_task_sent_at_app_task_id_idx ON public.delivery_task USING btree (sent_at, app, task_id);

CREATE INDEX delivery_task_unadopted_idx ON public.delivery_task USING btree (id) WHERE ((adopted_at IS NULL) AND (status = 'tracking'::text));

CREATE INDEX delivery_transition_at_idx ON public.delivery_transition USING brin (at);

CREATE TRIGGER delivery_recipient_added AFTER INSERT ON public.delivery_recipient REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION public.delivery_mark_added();

CREATE TRIGGER delivery_recipient_changed AFTER UPDATE ON public.delivery_recipient REFERENCING OLD TABLE AS removed NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION public.delivery_mark_changed();

CREATE TRIGGER delivery_recipient_emptied AFTER TRUNCATE ON public.delivery_recipient FOR EACH STATEMENT EXECUTE FUNCTION public.delivery_mark_emptied();

CREATE TRIGGER delivery_recipient_removed AFTER DELETE ON public.delivery_recipient REFERENCING OLD TABLE AS removed FOR EACH STATEMENT EXECUTE FUNCTION public.delivery_mark_removed();

CREATE TRIGGER delivery_task_moved AFTER UPDATE OF app, campaign ON public.delivery_task FOR EACH ROW WHEN (((old.app IS DISTINCT FROM new.app) OR (old.campaign IS DISTINCT FROM new.campaign))) EXECUTE FUNCTION public.delivery_mark_task_moved();

CREATE TRIGGER delivery_task_removed AFTER DELETE ON public.delivery_task REFERENCING OLD TABLE AS removed FOR EACH STATEMENT EXECUTE FUNCTION public.delivery_mark_tasks_removed();

ALTER TABLE ONLY public.delivery_poll
    ADD CONSTRAINT delivery_poll_task_pk_fkey FOREIGN KEY (task_pk) REFERENCES public.delivery_task(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.delivery_recipient
    ADD CONSTRAINT delivery_recipient_task_pk_fkey FOREIGN KEY (task_pk) REFERENCES public.delivery_task(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.delivery_transition
    ADD CONSTRAINT delivery_transition_task_pk_fkey FOREIGN KEY (task_pk) REFERENCES public.delivery_task(id) ON DELETE CASCADE;

