-- Pages of people in large campaigns, and lists of tasks that ended in a rare way. Without a search the first people of each task are enough, and a search reads the roster: the people of a large
-- campaign by user id, sixty-four in a row. Both need the key of a task, in which its people are sorted.

-- Roster -----------------------------------------------------------------------------------------------------------------------
-- It says in which tasks a person may be, and no more: what is shown is read from delivery_recipient. So an entry too many does no harm, and none may be
-- missing. In every snapshot either all of a campaign's people are in its parts, or a mark says that people were added, or there is no part.

CREATE TABLE "delivery_roster_part" (
    "app" TEXT COLLATE "C" NOT NULL,
    "campaign" TEXT COLLATE "C" NOT NULL,
    "first_user_id" TEXT COLLATE "C" NOT NULL,
    "user_ids" TEXT COLLATE "C" NOT NULL,
    "has_case" BOOLEAN NOT NULL,
    "task_pks" BIGINT[] NOT NULL,

    CONSTRAINT "delivery_roster_part_pkey" PRIMARY KEY ("app","campaign","first_user_id")
);

-- A part stays in its row: reading it from elsewhere costs more than searching it.
ALTER TABLE "delivery_roster_part" SET (toast_tuple_target = 8160, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);

-- Builds what is missing, the latest campaigns first. A recount removes a roster where people were added, so a campaign waits until none were for a while.
-- The lock of the recount: the marks that say that people were added stay until this transaction has ended.
CREATE FUNCTION "delivery_keep_rosters"(p_people integer, p_unchanged interval, p_seconds double precision) RETURNS integer
LANGUAGE plpgsql SET search_path FROM CURRENT SET jit TO off
AS $$
DECLARE
    v_started CONSTANT timestamptz := clock_timestamp();
    v_due record;
    v_kept integer := 0;
BEGIN
    IF current_setting('transaction_isolation') <> 'read committed' THEN
        RAISE EXCEPTION USING ERRCODE = '25001', MESSAGE = 'delivery_keep_rosters works in READ COMMITTED transactions only.';
    END IF;
    IF NOT pg_try_advisory_xact_lock(1685349493) THEN
        RETURN 0;
    END IF;
    -- checked_at is rounded to a millisecond.
    FOR v_due IN
        SELECT kept.app, kept.campaign FROM delivery_campaign AS kept
        WHERE kept.last_sent_at > v_started - interval '30 days' AND kept.checked_at <= v_started - p_unchanged + interval '1 ms'
            AND kept.pending + kept.invalid + kept.failed + kept.forbidden + kept.unread + kept.read >= p_people
            AND NOT EXISTS (SELECT FROM delivery_roster_part AS part WHERE part.app = kept.app AND part.campaign = kept.campaign)
            AND NOT EXISTS (SELECT FROM delivery_campaign_salt AS salt WHERE salt.app = kept.app AND salt.campaign = kept.campaign)
            AND NOT EXISTS (SELECT FROM delivery_campaign_change AS change WHERE change.app = kept.app AND change.campaign = kept.campaign AND change.whole)
        ORDER BY kept.last_sent_at DESC, kept.campaign DESC, kept.app DESC
    LOOP
        -- All entries of a person are in one part.
        INSERT INTO delivery_roster_part (app, campaign, first_user_id, user_ids, has_case, task_pks)
        -- Of these characters none has another case in any locale.
        SELECT v_due.app, v_due.campaign, part.first_user_id, part.user_ids, part.user_ids ~ E'[^0-9_.@\n-]', part.task_pks
        FROM (
            SELECT
                min(entry.user_id) AS first_user_id, string_agg(entry.user_id, E'\n' ORDER BY entry.user_id, entry.task_pk) AS user_ids,
                array_agg(entry.task_pk ORDER BY entry.user_id, entry.task_pk) AS task_pks
            FROM (
                SELECT person.user_id, person.task_pk, (dense_rank() OVER (ORDER BY person.user_id) - 1) / 64 AS place
                FROM delivery_task AS task JOIN delivery_recipient AS person ON person.task_pk = task.id
                WHERE task.app = v_due.app AND task.campaign = v_due.campaign
            ) AS entry
            GROUP BY entry.place
        ) AS part;
        v_kept := v_kept + 1;
        EXIT WHEN clock_timestamp() > v_started + make_interval(secs => p_seconds);
    END LOOP;
    RETURN v_kept;
END
$$;

-- User ids that go are gone from the roster at once. A poll does not name the column, so it costs a poll nothing.
CREATE FUNCTION "delivery_forget_roster"() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT
AS $$
BEGIN
    DELETE FROM delivery_roster_part AS part USING delivery_task AS task
    WHERE task.id = OLD.task_pk AND part.app = task.app AND part.campaign = task.campaign;
    RETURN NULL;
END
$$;
CREATE TRIGGER "delivery_recipient_forget_roster" AFTER UPDATE OF "user_id" ON "delivery_recipient"
    FOR EACH ROW WHEN (OLD.user_id <> NEW.user_id) EXECUTE FUNCTION "delivery_forget_roster"();

-- Edited in their own text, so that they keep what deploy/postgres/roles.sql gave them.
DO $migration$
DECLARE
    v_edit record;
    v_old text;
    v_new text;
BEGIN
    FOR v_edit IN
        SELECT * FROM (VALUES
            ('delivery_mark_removed', $text$    DELETE FROM delivery_task_brackets$text$, $text$    DELETE FROM delivery_roster_part AS part
    USING (SELECT DISTINCT task.app, task.campaign FROM removed JOIN delivery_task AS task ON task.id = removed.task_pk) AS touched
    WHERE part.app = touched.app AND part.campaign = touched.campaign;
    DELETE FROM delivery_task_brackets$text$),
            ('delivery_mark_tasks_removed', $text$    RETURN NULL;$text$, $text$    DELETE FROM delivery_roster_part AS part USING (SELECT DISTINCT app, campaign FROM removed) AS touched
    WHERE part.app = touched.app AND part.campaign = touched.campaign;
    RETURN NULL;$text$),
            ('delivery_mark_tasks_emptied', $text$    RETURN NULL;$text$, $text$    DELETE FROM delivery_roster_part;
    RETURN NULL;$text$),
            ('delivery_mark_emptied', $text$    RETURN NULL;$text$, $text$    DELETE FROM delivery_roster_part;
    RETURN NULL;$text$),
            -- With the mark that people were added goes the roster in which they are missing.
            ('delivery_recount_campaign', $text$        DELETE FROM delivery_campaign_change WHERE app = p_app AND campaign = p_campaign
    ),$text$, $text$        DELETE FROM delivery_campaign_change WHERE app = p_app AND campaign = p_campaign RETURNING whole
    ), forgotten AS (
        DELETE FROM delivery_roster_part WHERE app = p_app AND campaign = p_campaign AND EXISTS (SELECT FROM seen WHERE whole)
    ),$text$)
        ) AS edits (name, old, new)
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

-- Views --------------------------------------------------------------------------------------------------------------------------

CREATE VIEW "delivery_task_keys" AS SELECT app, campaign, task_id, id AS task_pk FROM delivery_task;
CREATE VIEW "delivery_task_people" AS SELECT task_pk, user_id, state FROM delivery_recipient;
CREATE VIEW "delivery_rosters" AS
SELECT
    part.app, part.campaign, part.first_user_id, part.user_ids, part.has_case, part.task_pks,
    NOT EXISTS (SELECT FROM delivery_campaign_change AS change WHERE change.app = part.app AND change.campaign = part.campaign AND change.whole)
    AND NOT EXISTS (SELECT FROM delivery_campaign_salt AS salt WHERE salt.app = part.app AND salt.campaign = part.campaign) AS is_current
FROM delivery_roster_part AS part;

-- Tasks that ended in a rare way: a list of them is as short as they are few. Polls do not change the columns.
CREATE INDEX "delivery_task_rare_end_idx" ON "delivery_task"("status", "sent_at", "app", "task_id") WHERE "status" IN ('stopped', 'cancelled');

-- Names ----------------------------------------------------------------------------------------------------------------------------
-- Who has a text in their name, or is in a department, is found without reading everybody. Pairs of letters need no extension; a Chinese name is also
-- searched by one letter. In any locale a name that contains a text has all pairs of the text, after both were folded the same way.

CREATE FUNCTION "delivery_name_parts"(p_name text) RETURNS text[]
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE
AS $$
DECLARE
    v_name CONSTANT text := lower(p_name COLLATE "default");
    v_parts text[] := '{}';
BEGIN
    FOR v_place IN 1 .. length(v_name) LOOP
        v_parts := v_parts || substr(v_name, v_place, 2);
        IF ascii(substr(v_name, v_place, 1)) > 127 THEN
            v_parts := v_parts || substr(v_name, v_place, 1);
        END IF;
    END LOOP;
    RETURN v_parts;
END
$$;

CREATE INDEX "delivery_person_search_idx" ON "delivery_person" USING gin (delivery_name_parts("name"), "in_departments");

-- Rights -------------------------------------------------------------------------------------------------------------------------
-- Who reads the people of tasks reads them through these views too, also before deploy/postgres/roles.sql is run again.

DO $migration$
DECLARE
    v_function text;
    v_reader oid;
BEGIN
    FOREACH v_function IN ARRAY ARRAY['delivery_keep_rosters(integer, interval, double precision)', 'delivery_forget_roster()'] LOOP
        EXECUTE format('ALTER FUNCTION %s SET search_path = %I, pg_temp', v_function, current_schema());
    END LOOP;
    REVOKE ALL ON FUNCTION delivery_forget_roster() FROM PUBLIC;
    FOR v_reader IN
        SELECT DISTINCT given.grantee FROM pg_class AS view CROSS JOIN LATERAL aclexplode(view.relacl) AS given
        WHERE view.oid = 'delivery_recipient_status'::regclass AND given.privilege_type = 'SELECT' AND given.grantee <> view.relowner
    LOOP
        EXECUTE format('GRANT SELECT ON delivery_task_keys, delivery_task_people, delivery_rosters TO %1$s; GRANT EXECUTE ON FUNCTION delivery_name_parts(text) TO %1$s',
            CASE v_reader WHEN 0 THEN 'PUBLIC' ELSE v_reader::regrole::text END);
    END LOOP;
END
$migration$;

-- What is there already ----------------------------------------------------------------------------------------------------------
-- The worker's next count builds the rosters of the large campaigns of the last weeks.

INSERT INTO "delivery_campaign_change" (app, campaign, whole)
SELECT app, campaign, false FROM "delivery_campaign"
WHERE last_sent_at > clock_timestamp() - interval '30 days' AND pending + invalid + failed + forbidden + unread + read >= 20000;

-- Comments -----------------------------------------------------------------------------------------------------------------------

COMMENT ON TABLE "delivery_roster_part" IS 'The people of a large campaign by user id, at most 64 in a row. Kept by the worker; no row where people were added since.';
COMMENT ON COLUMN "delivery_roster_part"."app" IS 'Name of the app in the worker''s configuration.';
COMMENT ON COLUMN "delivery_roster_part"."campaign" IS 'Label over tasks that the sender gave.';
COMMENT ON COLUMN "delivery_roster_part"."first_user_id" IS 'The first of the user ids.';
COMMENT ON COLUMN "delivery_roster_part"."user_ids" IS 'User ids in their order, a line for each task that the person is in.';
COMMENT ON COLUMN "delivery_roster_part"."has_case" IS 'True: a user id has a character that is no digit and none of _ . @ -, so a search that ignores case must fold it.';
COMMENT ON COLUMN "delivery_roster_part"."task_pks" IS 'For each line the task: delivery_task.id.';
COMMENT ON VIEW "delivery_task_keys" IS 'Internal: the key of each task in delivery_task_people and delivery_rosters. Read delivery_task_rates instead.';
COMMENT ON COLUMN "delivery_task_keys"."app" IS 'Name of the app in the worker''s configuration.';
COMMENT ON COLUMN "delivery_task_keys"."campaign" IS 'Label over tasks that the sender gave; NULL: none.';
COMMENT ON COLUMN "delivery_task_keys"."task_id" IS 'The task_id that DingTalk returned when the message was sent; digits, as text.';
COMMENT ON COLUMN "delivery_task_keys"."task_pk" IS 'Internal key.';
COMMENT ON VIEW "delivery_task_people" IS 'Internal: the people of each task, sorted by an index. Read delivery_recipient_status instead.';
COMMENT ON COLUMN "delivery_task_people"."task_pk" IS 'Internal key of the task.';
COMMENT ON COLUMN "delivery_task_people"."user_id" IS 'DingTalk''s user id; text, leading zeros count.';
COMMENT ON COLUMN "delivery_task_people"."state" IS 'pending, unread, read, failed, forbidden or invalid.';
COMMENT ON VIEW "delivery_rosters" IS 'Internal: where a person of a large campaign may be found. Read delivery_campaign_people instead.';
COMMENT ON COLUMN "delivery_rosters"."app" IS 'Name of the app in the worker''s configuration.';
COMMENT ON COLUMN "delivery_rosters"."campaign" IS 'Label over tasks that the sender gave.';
COMMENT ON COLUMN "delivery_rosters"."first_user_id" IS 'The first of the user ids.';
COMMENT ON COLUMN "delivery_rosters"."user_ids" IS 'User ids in their order, a line for each task that the person is in.';
COMMENT ON COLUMN "delivery_rosters"."has_case" IS 'True: a search that ignores case must fold the user ids.';
COMMENT ON COLUMN "delivery_rosters"."task_pks" IS 'For each line the internal key of the task.';
COMMENT ON COLUMN "delivery_rosters"."is_current" IS 'True: every person of the campaign is in its parts.';
COMMENT ON FUNCTION "delivery_keep_rosters"(integer, interval, double precision) IS 'Internal: builds the rosters of campaigns with at least so many people to which none were added for so long, for about so many seconds. Returns how many.';
COMMENT ON FUNCTION "delivery_forget_roster"() IS 'Internal: removes the roster of a campaign where a user id is replaced.';
COMMENT ON FUNCTION "delivery_name_parts"(text) IS 'Internal: what the index of names has of a name: each two letters that follow one another, and each letter outside of ASCII.';
