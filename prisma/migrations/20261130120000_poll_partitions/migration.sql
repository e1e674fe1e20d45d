-- Polls in partitions by time. The id of a task grows with time, so a range of ids is a period: retention drops a period whole instead of deleting its
-- polls one by one. Every read of polls goes through a task, so the primary key and the foreign key stay as they are, and no query needs a time.

-- Functions ---------------------------------------------------------------------------------------------------------------------

-- delivery_poll_first has the smallest ids, delivery_poll_from_N those from N on, and delivery_poll_default what is in no range.
CREATE FUNCTION "delivery_poll_ranges"(OUT name text, OUT from_id bigint, OUT to_id bigint) RETURNS SETOF record
LANGUAGE sql STABLE SET search_path FROM CURRENT
AS $$
    -- A bound is text: FOR VALUES FROM (MINVALUE) TO ('200001').
    SELECT
        part.relname::text, substring(bound.text FROM 'FROM \(''?(-?[0-9]+)')::bigint, substring(bound.text FROM 'TO \(''?(-?[0-9]+)')::bigint
    FROM pg_inherits AS link
    JOIN pg_class AS part ON part.oid = link.inhrelid
    CROSS JOIN LATERAL (SELECT pg_get_expr(part.relpartbound, part.oid) AS text) AS bound
    WHERE link.inhparent = 'delivery_poll'::regclass AND bound.text <> 'DEFAULT'
    ORDER BY 2 NULLS FIRST
$$;

-- Reading and writing through delivery_poll needs no right on a partition. So only the owner has one, whatever default privileges gave.
CREATE FUNCTION "delivery_close_partition"(p_name text) RETURNS void
LANGUAGE plpgsql SET search_path FROM CURRENT
AS $$
DECLARE
    v_grantee oid;
BEGIN
    FOR v_grantee IN
        SELECT DISTINCT given.grantee
        FROM pg_class AS part CROSS JOIN LATERAL aclexplode(part.relacl) AS given
        WHERE part.oid = to_regclass(quote_ident(p_name)) AND given.grantee <> part.relowner
    LOOP
        EXECUTE format('REVOKE ALL ON %I FROM %s', p_name, CASE v_grantee WHEN 0 THEN 'PUBLIC' ELSE v_grantee::regrole::text END);
    END LOOP;
    EXECUTE format('COMMENT ON TABLE %I IS %L', p_name, 'Internal: a partition of delivery_poll. Read delivery_poll, which has all of them.');
END
$$;

CREATE FUNCTION "delivery_make_partition"(p_name text, p_bound text) RETURNS void
LANGUAGE plpgsql SET search_path FROM CURRENT
AS $$
BEGIN
    -- Rows are only added until their names are replaced: they are frozen soon after, and never all at once.
    EXECUTE format(
        'CREATE TABLE %I (LIKE delivery_poll INCLUDING ALL) WITH (autovacuum_vacuum_insert_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.02)',
        p_name
    );
    PERFORM delivery_close_partition(p_name);
    -- Attached, since PARTITION OF would lock out all reads and writes of polls.
    EXECUTE format('ALTER TABLE delivery_poll ATTACH PARTITION %I %s', p_name, p_bound);
END
$$;

-- Makes the next partition when less than half of the last one is left. Safe to call from many workers at once. A lock that is not free within half a
-- second is left to the next call: there is room until then, and after that the default partition.
CREATE FUNCTION "delivery_add_poll_partition"() RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT SET lock_timeout TO '500ms' SET jit TO off
AS $$
DECLARE
    -- A plan considers each partition, so they are few: one for years where little is sent, and some thirty where much is.
    v_smallest CONSTANT bigint := 100000;
    v_most CONSTANT integer := 32;
    v_given CONSTANT bigint := coalesce(pg_sequence_last_value(pg_get_serial_sequence('delivery_task', 'id')::regclass), 0);
    v_last record;
    v_size bigint;
    v_from bigint;
BEGIN
    SELECT each.to_id, coalesce(each.to_id - each.from_id, v_smallest) AS size INTO v_last
    FROM delivery_poll_ranges() AS each ORDER BY each.to_id DESC LIMIT 1;
    IF v_last.to_id - v_given > v_last.size / 2 THEN
        RETURN false;
    END IF;
    -- A new range is compared with all rows of the default partition, while no one can read it. With many rows it stays as it is.
    IF pg_relation_size('delivery_poll_default') > 256 * 1024 * 1024 THEN
        RETURN false;
    END IF;
    SELECT greatest(
        v_smallest,
        (SELECT count(*) FROM delivery_task WHERE sent_at > now() - interval '1 day'),
        (v_given - (SELECT min(id) FROM delivery_task)) / v_most
    ) INTO v_size;
    -- One at a time. The default partition comes first: what waits for a long read of it must not hold up writes of tasks.
    LOCK TABLE ONLY delivery_poll IN SHARE UPDATE EXCLUSIVE MODE;
    IF v_last.to_id IS DISTINCT FROM (SELECT max(each.to_id) FROM delivery_poll_ranges() AS each) THEN
        RETURN false;
    END IF;
    LOCK TABLE delivery_poll_default IN ACCESS EXCLUSIVE MODE;
    -- Behind the tasks, it begins after those whose polls may be in the default partition.
    v_from := CASE WHEN v_last.to_id > v_given THEN v_last.to_id ELSE v_given + 1 + v_size / 10 END;
    PERFORM delivery_make_partition('delivery_poll_from_' || v_from, format('FOR VALUES FROM (%s) TO (%s)', v_from, v_from + v_size));
    RETURN true;
EXCEPTION
    WHEN lock_not_available OR deadlock_detected OR check_violation THEN
        RETURN false;
END
$$;

-- Drops the first partition where all of its tasks ended before p_before and have no names any more. The tasks themselves are removed afterwards, by
-- delivery_remove_tasks. No poll can come meanwhile: it needs an open task, and a task whose deadline has passed is opened by nothing.
-- true: dropped. false: there is none, so far. NULL: a lock was not free within half a second.
CREATE FUNCTION "delivery_drop_poll_partition"(p_before timestamptz) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT SET lock_timeout TO '500ms' SET jit TO off SET enable_seqscan TO off
AS $$
DECLARE
    v_first record;
    v_newest record;
BEGIN
    SELECT * INTO v_first FROM delivery_poll_ranges() LIMIT 1;
    -- Later ids are given out, so no new task comes into the range.
    IF v_first.to_id IS NULL OR v_first.to_id > coalesce((SELECT max(id) FROM delivery_task), 0) THEN
        RETURN false;
    END IF;
    -- The newest task of a range is nearly always the last one to be old: mostly its row is enough.
    SELECT task.finished_at < p_before AND task.names_removed_at IS NOT NULL AND task.deadline_at < now() AS is_old INTO v_newest
    FROM delivery_task AS task
    WHERE task.id < v_first.to_id AND task.id >= coalesce(v_first.from_id, -9223372036854775808) ORDER BY task.id DESC LIMIT 1;
    IF FOUND AND v_newest.is_old IS NOT TRUE THEN
        RETURN false;
    END IF;
    IF EXISTS (
        SELECT FROM delivery_task AS task
        WHERE task.id < v_first.to_id AND task.id >= coalesce(v_first.from_id, -9223372036854775808)
            AND (task.finished_at < p_before AND task.names_removed_at IS NOT NULL AND task.deadline_at < now()) IS NOT TRUE
    ) THEN
        RETURN false;
    END IF;
    LOCK TABLE ONLY delivery_poll IN ACCESS EXCLUSIVE MODE;
    -- Another worker may have been faster.
    IF v_first.name IS DISTINCT FROM (SELECT each.name FROM delivery_poll_ranges() AS each LIMIT 1) THEN
        RETURN false;
    END IF;
    EXECUTE format('DROP TABLE %I', v_first.name);
    RETURN true;
EXCEPTION
    WHEN lock_not_available OR deadlock_detected THEN
        RETURN NULL;
END
$$;

-- Deletes tasks that ended before p_before and have no names any more, longest ended first; first those whose polls were dropped with their partition.
-- Their recipients, polls and transitions are deleted with them, and campaigns are recounted. A task waits where its partition will be dropped soon
-- enough: two days at most, or the twentieth part of its age where that is more. One day of that is what the tasks of one moment may need to end.
CREATE FUNCTION "delivery_remove_tasks"(p_before timestamptz, p_tasks integer) RETURNS integer
LANGUAGE plpgsql SET search_path FROM CURRENT SET jit TO off SET enable_seqscan TO off
AS $$
DECLARE
    v_wait CONSTANT interval := greatest(interval '2 days', (now() - p_before) / 20);
    v_before timestamptz := p_before;
    v_first record;
    v_span interval;
    v_ids bigint[];
BEGIN
    SELECT * INTO v_first FROM delivery_poll_ranges() LIMIT 1;
    v_ids := ARRAY(
        SELECT id FROM delivery_task WHERE id < v_first.from_id AND finished_at < p_before AND names_removed_at IS NOT NULL ORDER BY id LIMIT p_tasks
    );
    IF cardinality(v_ids) = 0 THEN
        IF v_first.to_id <= (SELECT max(id) FROM delivery_task) THEN
            v_span := (SELECT tracked_at FROM delivery_task WHERE id < v_first.to_id ORDER BY id DESC LIMIT 1)
                - (SELECT tracked_at FROM delivery_task WHERE id < v_first.to_id ORDER BY id LIMIT 1);
            IF v_span <= v_wait - interval '1 day' THEN
                v_before := p_before - v_wait;
            END IF;
        END IF;
        v_ids := ARRAY(
            SELECT id FROM delivery_task WHERE finished_at < v_before AND names_removed_at IS NOT NULL ORDER BY finished_at, id LIMIT p_tasks
        );
    END IF;
    -- Rows are locked in the order of their keys, as every writer does.
    PERFORM FROM delivery_task WHERE id = ANY (v_ids) ORDER BY app, task_id FOR UPDATE;
    DELETE FROM delivery_task WHERE id = ANY (v_ids);
    GET DIAGNOSTICS p_tasks = ROW_COUNT;
    RETURN p_tasks;
END
$$;

DO $migration$
DECLARE
    v_function regprocedure;
BEGIN
    FOREACH v_function IN ARRAY ARRAY[
        'delivery_poll_ranges()'::regprocedure, 'delivery_close_partition(text)'::regprocedure, 'delivery_make_partition(text, text)'::regprocedure,
        'delivery_add_poll_partition()'::regprocedure, 'delivery_drop_poll_partition(timestamptz)'::regprocedure,
        'delivery_remove_tasks(timestamptz, integer)'::regprocedure
    ] LOOP
        EXECUTE format('ALTER FUNCTION %s SET search_path = %I, pg_temp', v_function, current_schema());
        EXECUTE format('REVOKE ALL ON FUNCTION %s FROM PUBLIC', v_function);
    END LOOP;
END
$migration$;

-- The table that is there becomes the first partition -----------------------------------------------------------------------------

-- In the order in which a poll locks them, so that the two do not wait for each other.
LOCK TABLE "delivery_task" IN ACCESS EXCLUSIVE MODE;
LOCK TABLE "delivery_poll" IN ACCESS EXCLUSIVE MODE;
ALTER TABLE "delivery_poll" RENAME TO "delivery_poll_first";
ALTER TABLE "delivery_poll_first" RENAME CONSTRAINT "delivery_poll_pkey" TO "delivery_poll_first_pkey";
ALTER TABLE "delivery_poll_first" RENAME CONSTRAINT "delivery_poll_task_pk_fkey" TO "delivery_poll_first_task_pk_fkey";

-- A CHECK keeps its name: that is how the one of a partition is found to be the one of its table.
CREATE TABLE "delivery_poll" (LIKE "delivery_poll_first" INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING STORAGE INCLUDING COMMENTS)
    PARTITION BY RANGE ("task_pk");
ALTER TABLE "delivery_poll" ADD CONSTRAINT "delivery_poll_pkey" PRIMARY KEY ("task_pk", "poll_no");
-- Before the rows come: the foreign key of the partition, which holds already, becomes a part of this one, and is not checked again.
ALTER TABLE "delivery_poll" ADD CONSTRAINT "delivery_poll_task_pk_fkey"
    FOREIGN KEY ("task_pk") REFERENCES "delivery_task"("id") ON DELETE CASCADE ON UPDATE NO ACTION;

-- What reads the table would go on reading the first partition alone: views are made again from their own text, and keep their owner and rights. What cannot be
-- made again here is named.
DO $migration$
DECLARE
    v_old CONSTANT regclass := 'delivery_poll_first';
    v_each record;
    v_text text;
    v_given bigint;
BEGIN
    FOR v_each IN
        SELECT DISTINCT reader.oid, reader.oid::regclass AS name, reader.relkind, reader.relowner, reader.reloptions
        FROM pg_depend AS needed
        JOIN pg_rewrite AS rule ON rule.oid = needed.objid
        JOIN pg_class AS reader ON reader.oid = rule.ev_class
        WHERE needed.classid = 'pg_rewrite'::regclass AND needed.refclassid = 'pg_class'::regclass AND needed.refobjid = v_old AND reader.oid <> v_old
        ORDER BY reader.oid
    LOOP
        IF v_each.relkind <> 'v' OR NOT pg_has_role(v_each.relowner, 'USAGE') THEN
            RAISE EXCEPTION USING ERRCODE = '2BP01', MESSAGE = format(
                'delivery_poll gets partitions, and %s, which reads it, cannot be made again by this role. Drop it, run migrate, and create it again.', v_each.name);
        END IF;
        v_text := regexp_replace(pg_get_viewdef(v_each.oid), '\mdelivery_poll_first\M', 'delivery_poll', 'g');
        EXECUTE format('CREATE OR REPLACE VIEW %s %s AS %s', v_each.name, 'WITH (' || array_to_string(v_each.reloptions, ', ') || ')', v_text);
    END LOOP;
    FOR v_each IN
        SELECT given.grantee, given.privilege_type, given.is_grantable
        FROM pg_class AS known CROSS JOIN LATERAL aclexplode(known.relacl) AS given
        WHERE known.oid = v_old AND given.grantee <> known.relowner
        ORDER BY 1, 2
    LOOP
        EXECUTE format(
            'GRANT %s ON delivery_poll TO %s%s', v_each.privilege_type, CASE v_each.grantee WHEN 0 THEN 'PUBLIC' ELSE v_each.grantee::regrole::text END,
            CASE WHEN v_each.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END);
    END LOOP;
    EXECUTE format('COMMENT ON TABLE delivery_poll IS %L', obj_description(v_old, 'pg_class'));
    PERFORM delivery_close_partition('delivery_poll_first');
    v_text := (
        SELECT format('ALTER TABLE delivery_poll OWNER TO %s', known.relowner::regrole)
        FROM pg_class AS known CROSS JOIN pg_class AS made
        WHERE known.oid = v_old AND made.oid = 'delivery_poll'::regclass AND known.relowner <> made.relowner
    );
    IF v_text IS NOT NULL THEN
        EXECUTE v_text;
    END IF;
    -- All polls are read once, to see that they are in the range. Tasks of the next hours belong to it too.
    v_given := greatest(
        pg_sequence_last_value(pg_get_serial_sequence('delivery_task', 'id')::regclass), (SELECT max(id) FROM delivery_task),
        (SELECT max(task_pk) FROM delivery_poll_first), 0
    );
    EXECUTE format('ALTER TABLE delivery_poll ATTACH PARTITION delivery_poll_first FOR VALUES FROM (MINVALUE) TO (%s)', v_given + 100001);
    PERFORM delivery_make_partition('delivery_poll_default', 'DEFAULT');
END
$migration$;

-- Comments ------------------------------------------------------------------------------------------------------------------------

COMMENT ON FUNCTION "delivery_poll_ranges"() IS 'Internal: the partitions of delivery_poll with the ids of their tasks, from_id included and to_id not; from_id NULL: the smallest. Without the default partition.';
COMMENT ON FUNCTION "delivery_close_partition"(text) IS 'Internal: takes all rights on a partition from all but its owner, and gives it a comment.';
COMMENT ON FUNCTION "delivery_make_partition"(text, text) IS 'Internal: makes a partition of delivery_poll.';
COMMENT ON FUNCTION "delivery_add_poll_partition"() IS 'Internal: makes the next partition of delivery_poll where one will be needed. Returns whether it made one.';
COMMENT ON FUNCTION "delivery_drop_poll_partition"(timestamptz) IS 'Internal: drops the first partition of delivery_poll where all of its tasks ended before that time and have no names any more. Returns whether it dropped one; NULL: a lock was not free.';
COMMENT ON FUNCTION "delivery_remove_tasks"(timestamptz, integer) IS 'Internal: deletes at most so many tasks that ended before that time and have no names any more. Returns how many.';
