-- A dump of the data alone (pg_dump --data-only) is restored into tables whose triggers are at work. They marked what the dump has counted already, with
-- ids that the dump has too, and refused recipients that come before their tasks. Each restore of PostgreSQL sets check_function_bodies to off, so that
-- what it creates may come in any order; nothing else of it can be seen from here. Triggers on what is added now keep out of a restore: the dump is one
-- snapshot, in which recipients have their tasks and kept figures are right.

DROP TRIGGER "delivery_task_added" ON "delivery_task";
CREATE TRIGGER "delivery_task_added" AFTER INSERT ON "delivery_task"
    REFERENCING NEW TABLE AS added FOR EACH STATEMENT
    WHEN (pg_catalog.current_setting('check_function_bodies') <> 'off') EXECUTE FUNCTION delivery_mark_tasks_added();

DROP TRIGGER "delivery_recipient_added" ON "delivery_recipient";
CREATE TRIGGER "delivery_recipient_added" AFTER INSERT ON "delivery_recipient"
    REFERENCING NEW TABLE AS added FOR EACH STATEMENT
    WHEN (pg_catalog.current_setting('check_function_bodies') <> 'off') EXECUTE FUNCTION delivery_mark_added();

-- A sender chooses the settings of its session, and not which figures are kept.
ALTER FUNCTION "delivery_track"(jsonb) SET check_function_bodies TO on;
ALTER FUNCTION "delivery_add_task"(text, text, text, text, timestamptz, boolean, text[]) SET check_function_bodies TO on;
