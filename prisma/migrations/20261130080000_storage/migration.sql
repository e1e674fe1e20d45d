-- Few bytes, and polls that change no index. The changes of people's states that a poll showed are in the row of the poll: a row of their own for each
-- had more bytes than the people themselves, and half of what a first poll wrote. What is there stays where it is; nothing is converted.

-- Changes of states -----------------------------------------------------------------------------------------------------------

ALTER TABLE "delivery_transition" RENAME TO "delivery_transition_row";
ALTER TABLE "delivery_transition_row" RENAME CONSTRAINT "delivery_transition_pkey" TO "delivery_transition_row_pkey";
ALTER TABLE "delivery_transition_row" RENAME CONSTRAINT "delivery_transition_task_pk_fkey" TO "delivery_transition_row_task_pk_fkey";
ALTER INDEX "delivery_transition_at_idx" RENAME TO "delivery_transition_row_at_idx";

-- A user id has no control character, so a line is one. One text has a fifth fewer bytes than an array of texts.
ALTER TABLE "delivery_poll"
    ADD COLUMN "moved_user_ids" TEXT COLLATE "C",
    ADD COLUMN "moved_states" SMALLINT[],
    ADD COLUMN "moved_after" TIMESTAMPTZ(3)[];

-- No index finds them by their time: building one would read every poll, and block polls for seconds where there are tens of millions.

-- Text has the collation of the table, so that the conditions of a reader reach both.
CREATE VIEW "delivery_poll_transition" AS
SELECT
    poll.task_pk,
    moved.user_id COLLATE "C" AS user_id,
    (ARRAY['pending', 'invalid', 'failed', 'forbidden', 'unread', 'read'])[state.code % 10 + 1] COLLATE "C" AS to_state,
    (ARRAY['pending', 'invalid', 'failed', 'forbidden', 'unread', 'read'])[state.code / 10 + 1] AS from_state,
    poll.moved_after[CASE WHEN cardinality(poll.moved_after) = 1 THEN 1 ELSE moved.place END] AS after_at,
    poll.responded_at AS at,
    poll.poll_no
FROM delivery_poll AS poll
CROSS JOIN LATERAL unnest(string_to_array(poll.moved_user_ids, E'\n')) WITH ORDINALITY AS moved (user_id, place)
CROSS JOIN LATERAL (SELECT poll.moved_states[CASE WHEN cardinality(poll.moved_states) = 1 THEN 1 ELSE moved.place END] AS code) AS state
WHERE poll.moved_user_ids IS NOT NULL;

CREATE VIEW "delivery_transition" AS
SELECT task_pk, user_id, to_state, from_state, after_at, at, poll_no FROM delivery_transition_row
UNION ALL
SELECT task_pk, user_id, to_state, from_state, after_at, at, poll_no FROM delivery_poll_transition;

-- Tasks are joined on both sides: the planner takes a condition on a task into each, but no join into a UNION ALL.
CREATE OR REPLACE VIEW "delivery_state_changes" AS
SELECT
    task.app, task.task_id, task.campaign, change.user_id, change.from_state, change.to_state, change.after_at, change.at, change.poll_no
FROM delivery_transition_row AS change
JOIN delivery_task AS task ON task.id = change.task_pk
UNION ALL
SELECT
    task.app, task.task_id, task.campaign, change.user_id, change.from_state, change.to_state, change.after_at, change.at, change.poll_no
FROM delivery_poll_transition AS change
JOIN delivery_task AS task ON task.id = change.task_pk;

-- Edited in their own text, so that they keep what deploy/postgres/roles.sql gave them.
DO $migration$
DECLARE
    v_edit record;
    v_old text;
    v_new text;
BEGIN
    FOR v_edit IN
        SELECT * FROM (VALUES
            ('delivery_erase_page', $text$    UPDATE delivery_transition AS change$text$, $text$    UPDATE delivery_poll AS poll SET moved_user_ids = array_to_string(array_replace(
        array_replace(string_to_array(poll.moved_user_ids, E'\n'), p_user, p_pseudonym), delivery_pseudonym(salt.salt, p_user), p_pseudonym), E'\n')
    FROM delivery_task AS task
    LEFT JOIN delivery_campaign_salt AS salt ON salt.app = task.app AND salt.campaign = task.campaign
    WHERE task.id = ANY (v_ids) AND poll.task_pk = task.id
        AND string_to_array(poll.moved_user_ids, E'\n') && ARRAY[p_user, delivery_pseudonym(salt.salt, p_user)];
    UPDATE delivery_transition_row AS change$text$),
            ('delivery_remove_names', $text$    )
    UPDATE delivery_transition AS change$text$, $text$    ), regrouped AS (
        SELECT moved.task_pk, moved.poll_no, string_agg(coalesce(renaming.pseudonym, moved.user_id), E'\n' ORDER BY moved.place) AS user_ids
        FROM (
            SELECT poll.task_pk, poll.poll_no, each.user_id COLLATE "C" AS user_id, each.place
            FROM delivery_poll AS poll
            CROSS JOIN LATERAL unnest(string_to_array(poll.moved_user_ids, E'\n')) WITH ORDINALITY AS each (user_id, place)
            WHERE poll.task_pk = ANY (v_ids)
        ) AS moved
        LEFT JOIN renaming ON renaming.task_pk = moved.task_pk AND renaming.user_id = moved.user_id
        GROUP BY moved.task_pk, moved.poll_no
    ), rewritten AS (
        UPDATE delivery_poll AS poll SET moved_user_ids = regrouped.user_ids
        FROM regrouped WHERE poll.task_pk = regrouped.task_pk AND poll.poll_no = regrouped.poll_no
    )
    UPDATE delivery_transition_row AS change$text$)
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

-- Polls that change no index --------------------------------------------------------------------------------------------------
-- An update that changes no indexed column and finds room in its page touches no index and leaves nothing to vacuum (HOT). So no index has
-- next_poll_at. What is overdue is found among the open tasks, in the order in which the reconciler wants them. Like the index that it replaces
-- it must not begin with "app": with old statistics the planner would find a task by its key through it.

CREATE INDEX "delivery_task_open_idx" ON "delivery_task"("deadline_at", "app", "task_id") WHERE "status" = 'tracking';
DROP INDEX "delivery_task_due_idx";

-- Room for the next version of each row. The first poll writes all people of a task at once, so half of a page must be free: with less, the new
-- versions go to other pages, with a second entry in the index for each, and the table grows by more than the room. Tasks of a page are polled at
-- different moments, and each finds the room of the one before.
ALTER TABLE "delivery_recipient" SET (fillfactor = 50);
ALTER TABLE "delivery_task" SET (fillfactor = 70);

-- The defaults wait for a fifth of a table to change. After months the open rows are less than that, and would be neither vacuumed nor counted.
ALTER TABLE "delivery_task" SET (autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 1000, autovacuum_analyze_scale_factor = 0.01, autovacuum_analyze_threshold = 1000);
ALTER TABLE "delivery_recipient" SET (autovacuum_vacuum_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.02);
-- Rows are only added until their names are replaced: they are frozen soon after, and never all at once.
ALTER TABLE "delivery_poll" SET (autovacuum_vacuum_insert_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.02);

-- Comments --------------------------------------------------------------------------------------------------------------------

COMMENT ON COLUMN "delivery_poll"."moved_user_ids" IS 'The people whose state changed, a line for each; NULL: none. Read delivery_state_changes instead.';
COMMENT ON COLUMN "delivery_poll"."moved_states" IS 'Of each of them ten times the state before plus the state after: 0 pending, 1 invalid, 2 failed, 3 forbidden, 4 unread, 5 read. One number where all are equal.';
COMMENT ON COLUMN "delivery_poll"."moved_after" IS 'Of each of them the lower end of the bracket of the change, exclusive; NULL: not known. One time where all are equal.';
COMMENT ON TABLE "delivery_transition_row" IS 'Changes of people''s states that earlier versions stored. Read delivery_state_changes instead.';
COMMENT ON VIEW "delivery_transition" IS 'Internal: every change of a person''s state, by the internal key of the task. Read delivery_state_changes instead.';
COMMENT ON VIEW "delivery_poll_transition" IS 'Internal: the changes of people''s states that are stored with their polls. Read delivery_state_changes instead.';
DO $migration$
DECLARE
    v_comment record;
BEGIN
    FOR v_comment IN
        SELECT format('COMMENT ON COLUMN %I.%I IS %L', view, attname, col_description(attrelid, attnum)) AS statement
        FROM pg_attribute CROSS JOIN unnest(ARRAY['delivery_poll_transition', 'delivery_transition']) AS view
        WHERE attrelid = 'delivery_transition_row'::regclass AND attnum > 0
    LOOP
        EXECUTE v_comment.statement;
    END LOOP;
END
$migration$;
