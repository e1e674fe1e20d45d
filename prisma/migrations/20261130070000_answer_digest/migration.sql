-- Most answers of DingTalk are the same as the one before. A digest of the newest one is kept with its task, so that the recipients are read only
-- where an answer differs. Only the worker reads it, and no view shows it: of a list of one, the name could be guessed from it.

ALTER TABLE "delivery_task" ADD COLUMN "answer_digest" TEXT COLLATE "C";

-- It is made of the names as they were stored. Where one is replaced by a pseudonym it is forgotten, whatever replaces it.
CREATE FUNCTION "delivery_forget_digest"() RETURNS trigger
LANGUAGE plpgsql SET search_path FROM CURRENT
AS $$
BEGIN
    UPDATE delivery_task SET answer_digest = NULL WHERE id = NEW.task_pk AND answer_digest IS NOT NULL;
    RETURN NULL;
END
$$;
CREATE TRIGGER "delivery_recipient_forget_digest" AFTER UPDATE OF "user_id" ON "delivery_recipient"
    FOR EACH ROW WHEN (OLD.user_id <> NEW.user_id) EXECUTE FUNCTION "delivery_forget_digest"();

-- Temporary tables of a caller come last.
DO $migration$
BEGIN
    EXECUTE format('ALTER FUNCTION %s SET search_path = %I, pg_temp', 'delivery_forget_digest()'::regprocedure, current_schema());
END
$migration$;

-- Comments ------------------------------------------------------------------------------------------------------------------

COMMENT ON COLUMN "delivery_task"."answer_digest" IS 'Digest of the last successful poll''s answer, with its number; NULL: none, or the same answer again would change a recipient.';
COMMENT ON FUNCTION "delivery_forget_digest"() IS 'Internal: forgets the digest of a task''s last answer where a person of the task is replaced by a pseudonym.';
