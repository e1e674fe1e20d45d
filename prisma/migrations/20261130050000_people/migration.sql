-- People: a name and departments for a user id, so that a report can be read by a person who knows colleagues and not their ids. Optional: without
-- rows in delivery_person every view shows what it showed before. Who may see names is a right of its own: SELECT on delivery_people. The views with
-- recipients have the columns for every role, and NULL in them for a role without that right.

-- A path begins with the highest department, and its names are separated by "/". A person counts in every department above their own ones.

-- Without a subquery, so that the check of a row costs microseconds.
CREATE FUNCTION "delivery_valid_departments"(departments text[]) RETURNS boolean
LANGUAGE sql IMMUTABLE
AS $$
    SELECT cardinality(departments) <= 50 AND array_position(departments, NULL) IS NULL
        AND array_to_string(departments, '/') !~ '[[:cntrl:]]'
        AND (cardinality(departments) = 0 OR '/' || array_to_string(departments, '/') || '/' !~ '/( |/)| /')
        -- No path is longer than 500. A bound of a regular expression is 255 at most.
        AND (length(array_to_string(departments, '/')) <= 500 OR array_to_string(departments, chr(10)) !~ '[^\n]{250}[^\n]{251}')
$$;

-- A loop takes a fifth of the time of a query that does the same.
CREATE FUNCTION "delivery_departments_above"(departments text[]) RETURNS text[]
LANGUAGE plpgsql IMMUTABLE
AS $$
DECLARE
    v_above text[] := '{}';
    v_path text;
    v_name text;
    v_part text;
BEGIN
    FOREACH v_path IN ARRAY departments LOOP
        v_part := NULL;
        FOREACH v_name IN ARRAY string_to_array(v_path, '/') LOOP
            v_part := concat_ws('/', v_part, v_name);
            IF v_part <> ALL (v_above) THEN
                v_above := v_above || v_part;
            END IF;
        END LOOP;
    END LOOP;
    RETURN v_above;
END
$$;

CREATE TABLE "delivery_person" (
    "app" TEXT COLLATE "C" NOT NULL,
    "user_id" TEXT COLLATE "C" NOT NULL,
    "name" TEXT,
    "departments" TEXT[] NOT NULL DEFAULT '{}',
    "manager_user_id" TEXT COLLATE "C",
    "updated_at" TIMESTAMPTZ(3) NOT NULL DEFAULT clock_timestamp(),
    "seen_at" TIMESTAMPTZ(3) NOT NULL DEFAULT clock_timestamp(),
    -- Kept with the row, so that a count by department does not take paths apart.
    "in_departments" TEXT[] NOT NULL GENERATED ALWAYS AS (delivery_departments_above("departments")) STORED,

    CONSTRAINT "delivery_person_pkey" PRIMARY KEY ("app","user_id"),
    CONSTRAINT "delivery_person_user_id_check" CHECK (user_id <> '' AND length(user_id) <= 128 AND user_id = btrim(user_id) AND user_id !~ '[[:cntrl:]]'),
    CONSTRAINT "delivery_person_name_check" CHECK (name <> '' AND length(name) <= 200 AND name = btrim(name) AND name !~ '[[:cntrl:]]'),
    CONSTRAINT "delivery_person_departments_check" CHECK (delivery_valid_departments(departments)),
    CONSTRAINT "delivery_person_manager_check" CHECK (manager_user_id <> '' AND length(manager_user_id) <= 128 AND manager_user_id !~ '[[:cntrl:]]')
);

-- Retention: who was named longest ago comes first.
CREATE INDEX "delivery_person_seen_at_idx" ON "delivery_person"("seen_at");

CREATE VIEW "delivery_people" AS
SELECT
    app, user_id, name, nullif(array_to_string(departments, '; '), '') AS department, departments, in_departments, manager_user_id, updated_at, seen_at
FROM delivery_person;

-- The same for every reader: without the right to names it has no row, as where no person is known, and no statement fails.
CREATE VIEW "delivery_known_people" AS
SELECT * FROM delivery_people WHERE (SELECT has_table_privilege('delivery_people'::regclass, 'SELECT'));

-- Writing ------------------------------------------------------------------------------------------------------------------------

-- A key that is left out keeps what is stored; null or an empty list removes it.
-- It runs with the rights of its owner, so that its callers need none on the tables, and all of them leave out who was erased.
CREATE FUNCTION "delivery_put_people"(p_people jsonb, p_app text DEFAULT 'default', p_only_compare boolean DEFAULT false,
    OUT created integer, OUT changed integer, OUT unchanged integer, OUT erased integer)
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT SET jit TO off
AS $$
DECLARE
    v_twice text;
BEGIN
    -- The statement below must see the erasures that were committed while it waited for the lock.
    IF current_setting('transaction_isolation') <> 'read committed' THEN
        RAISE EXCEPTION USING ERRCODE = '25001', MESSAGE = 'delivery_put_people works in READ COMMITTED transactions only.';
    END IF;
    IF p_app IS NULL OR p_app !~ '^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$' THEN
        RAISE EXCEPTION USING ERRCODE = '22023', MESSAGE = format('app must be a name of letters, digits, "_" and "-", not %s.', coalesce(quote_literal(p_app), 'NULL'));
    END IF;
    IF jsonb_typeof(p_people) IS DISTINCT FROM 'array' THEN
        RAISE EXCEPTION USING ERRCODE = '22023', MESSAGE = 'people must be a JSON array of objects with userId, name, departments and managerUserId.';
    END IF;
    SELECT person ->> 'userId' INTO v_twice FROM jsonb_array_elements(p_people) AS person GROUP BY person ->> 'userId' HAVING count(*) > 1 LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION USING ERRCODE = '22023', MESSAGE = 'people has a userId twice. Give each person once, with all departments in one list.';
    END IF;
    -- An erasure that begins now waits until these rows are committed, and then finds them.
    LOCK TABLE delivery_erasure IN ROW SHARE MODE;
    -- Sorted, as every writer of several rows does.
    WITH live AS MATERIALIZED (
        SELECT salt, digest FROM delivery_erasure WHERE app IS NULL OR app = p_app
    ), salts AS MATERIALIZED (
        -- One digest a user id, however many were erased.
        SELECT DISTINCT salt FROM live
    ), given AS MATERIALIZED (
        SELECT
            person ->> 'userId' AS user_id, person ? 'name' AS has_name, person ->> 'name' AS name,
            person ? 'departments' AS has_departments,
            CASE jsonb_typeof(person -> 'departments')
                WHEN 'array' THEN ARRAY(SELECT path FROM jsonb_array_elements_text(person -> 'departments') AS path)
                ELSE '{}'
            END AS departments,
            person ? 'managerUserId' AS has_manager,
            -- An erased manager stays unknown to the people below them.
            CASE
                WHEN NOT EXISTS (SELECT FROM salts WHERE delivery_digest(salt, person ->> 'managerUserId') IN (SELECT digest FROM live))
                THEN person ->> 'managerUserId'
            END AS manager_user_id,
            EXISTS (SELECT FROM salts WHERE delivery_digest(salt, person ->> 'userId') IN (SELECT digest FROM live)) AS is_erased
        FROM jsonb_array_elements(p_people) AS person
        ORDER BY person ->> 'userId' COLLATE "C"
    ), compared AS MATERIALIZED (
        SELECT
            given.user_id, given.is_erased, stored.user_id IS NULL AS is_new,
            CASE WHEN has_name THEN given.name ELSE stored.name END AS name,
            CASE WHEN has_departments THEN given.departments ELSE coalesce(stored.departments, '{}') END AS departments,
            CASE WHEN has_manager THEN given.manager_user_id ELSE stored.manager_user_id END AS manager_user_id,
            stored.name AS old_name, stored.departments AS old_departments, stored.manager_user_id AS old_manager, stored.seen_at
        FROM given
        -- By key: without LIMIT a batch of an import may read the whole table.
        LEFT JOIN LATERAL (
            SELECT * FROM delivery_person AS person WHERE person.app = p_app AND person.user_id = given.user_id LIMIT 1
        ) AS stored ON true
    ), marked AS MATERIALIZED (
        SELECT *, NOT is_new AND (name, departments, manager_user_id) IS DISTINCT FROM (old_name, old_departments, old_manager) AS is_changed
        FROM compared
    ), written AS (
        INSERT INTO delivery_person AS person (app, user_id, name, departments, manager_user_id)
        SELECT p_app, user_id, name, departments, manager_user_id FROM marked
        -- Retention counts days: who was seen today and is as before is not written again.
        WHERE NOT p_only_compare AND NOT is_erased AND (is_new OR is_changed OR seen_at < clock_timestamp() - interval '1 day')
        ORDER BY user_id
        ON CONFLICT (app, user_id) DO UPDATE SET
            name = excluded.name, departments = excluded.departments, manager_user_id = excluded.manager_user_id, seen_at = excluded.seen_at,
            updated_at = CASE
                WHEN (person.name, person.departments, person.manager_user_id) IS DISTINCT FROM (excluded.name, excluded.departments, excluded.manager_user_id)
                THEN excluded.updated_at ELSE person.updated_at
            END
    )
    SELECT
        count(*) FILTER (WHERE is_new AND NOT is_erased), count(*) FILTER (WHERE is_changed AND NOT is_erased),
        count(*) FILTER (WHERE NOT is_new AND NOT is_changed AND NOT is_erased), count(*) FILTER (WHERE is_erased)
    INTO created, changed, unchanged, erased FROM marked;
END
$$;

-- Part of an erasure, which a role without the right to names may begin: the function runs with the rights of its owner.
CREATE FUNCTION "delivery_forget_person"(p_user text, p_app text) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT
AS $$
DECLARE
    v_people integer;
BEGIN
    -- In one statement, and in the order of the keys, as every writer of several rows does.
    WITH found AS MATERIALIZED (
        SELECT person.app, person.user_id FROM delivery_person AS person
        WHERE (person.user_id = p_user OR person.manager_user_id = p_user) AND (p_app IS NULL OR person.app = p_app)
        ORDER BY person.user_id, person.app FOR UPDATE
    ), removed AS (
        DELETE FROM delivery_person AS person USING found
        WHERE person.app = found.app AND person.user_id = found.user_id AND person.user_id = p_user
    ), freed AS (
        UPDATE delivery_person AS person SET manager_user_id = NULL FROM found
        WHERE person.app = found.app AND person.user_id = found.user_id AND person.user_id <> p_user
    )
    SELECT count(*) INTO v_people FROM found;
    RETURN v_people;
END
$$;

-- Retention: people whom no import or sync has named since then.
CREATE FUNCTION "delivery_forget_people"(p_before timestamptz, p_people integer) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT SET jit TO off
AS $$
DECLARE
    v_people integer;
BEGIN
    WITH old AS MATERIALIZED (
        SELECT app, user_id FROM delivery_person WHERE seen_at < p_before ORDER BY seen_at LIMIT p_people
    ), locked AS MATERIALIZED (
        -- A row that an import has just locked is being named again.
        SELECT person.app, person.user_id FROM delivery_person AS person JOIN old ON old.app = person.app AND old.user_id = person.user_id
        WHERE person.seen_at < p_before FOR UPDATE OF person SKIP LOCKED
    )
    DELETE FROM delivery_person AS person USING locked WHERE person.app = locked.app AND person.user_id = locked.user_id;
    GET DIAGNOSTICS v_people = ROW_COUNT;
    RETURN v_people;
END
$$;

-- Reading ------------------------------------------------------------------------------------------------------------------------
-- The name is joined outside of everything else: a page of people ends where it is full, and a reader who selects no name joins nothing.

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
    task.sent_at_given,
    person.name, nullif(array_to_string(person.departments, '; '), '') AS department
FROM delivery_task AS task
JOIN delivery_recipient AS recipient ON recipient.task_pk = task.id
LEFT JOIN delivery_person AS person ON person.app = task.app AND person.user_id = recipient.user_id
    AND (SELECT has_table_privilege('delivery_people'::regclass, 'SELECT'));

CREATE OR REPLACE VIEW "delivery_campaign_people" AS
SELECT
    people.*, person.name, nullif(array_to_string(person.departments, '; '), '') AS department
FROM (
    SELECT * FROM (
        SELECT DISTINCT ON (known.app, known.campaign, known.user_id)
            known.app, known.campaign, known.user_id, known.state,
            (count(*) OVER (PARTITION BY known.app, known.campaign, known.user_id))::integer AS tasks,
            task_id, sent_at, deadline_at, status, last_observed_at, named, first_seen_at, last_unread_at, first_read_at, read_after, read_before,
            forbidden_code, forbidden_count, forbidden_reason
        FROM delivery_recipient_status AS known
        LEFT JOIN delivery_campaign_salt AS salt ON salt.app = known.app AND salt.campaign = known.campaign
        WHERE known.campaign IS NOT NULL AND salt.salt IS NULL
        ORDER BY known.app, known.campaign, known.user_id, CASE state WHEN 'read' THEN 6 WHEN 'unread' THEN 5 WHEN 'pending' THEN 4 WHEN 'forbidden' THEN 3 WHEN 'failed' THEN 2 ELSE 1 END DESC, sent_at DESC, task_id
    ) AS of_one_kind
    UNION ALL
    SELECT * FROM (
        SELECT DISTINCT ON (app, campaign, person)
            app, campaign, user_id, state,
            (count(*) OVER (PARTITION BY app, campaign, person))::integer AS tasks,
            task_id, sent_at, deadline_at, status, last_observed_at, named, first_seen_at, last_unread_at, first_read_at, read_after, read_before,
            forbidden_code, forbidden_count, forbidden_reason
        FROM (
            SELECT
                known.app, known.campaign, known.user_id, known.state, known.task_id, known.sent_at, known.deadline_at, known.status,
                known.last_observed_at, known.named, known.first_seen_at, known.last_unread_at, known.first_read_at, known.read_after,
                known.read_before, known.forbidden_code, known.forbidden_count, known.forbidden_reason,
                CASE
                    WHEN known.user_id LIKE 'anonymous:%' THEN known.user_id
                    ELSE 'anonymous:' || left(encode(sha256(convert_to(salt.salt || known.user_id, 'UTF8')), 'hex'), 24)
                END AS person
            FROM delivery_campaign_salt AS salt
            -- From the salt to the people: where there is none, no person is read.
            CROSS JOIN LATERAL (
                SELECT * FROM delivery_recipient_status AS status WHERE status.app = salt.app AND status.campaign = salt.campaign OFFSET 0
            ) AS known
        ) AS each_task
        ORDER BY app, campaign, person, CASE state WHEN 'read' THEN 6 WHEN 'unread' THEN 5 WHEN 'pending' THEN 4 WHEN 'forbidden' THEN 3 WHEN 'failed' THEN 2 ELSE 1 END DESC, sent_at DESC, task_id
    ) AS mixed
) AS people
LEFT JOIN delivery_person AS person ON person.app = people.app AND person.user_id = people.user_id
    AND (SELECT has_table_privilege('delivery_people'::regclass, 'SELECT'));

-- A row for each department that has a person of the campaign, with its sub-departments in it; department NULL: people without a known one.
-- A person counts once in a department, and in each department that they are in. A role without the right to names gets the row with NULL only.
CREATE VIEW "delivery_department_rates" AS
SELECT
    app, campaign, department, targeted,
    read + unread AS delivered,
    read, unread, pending, failed, forbidden, invalid,
    read::double precision / nullif(read + unread, 0) AS read_rate,
    read::double precision / nullif(targeted, 0) AS read_rate_of_targeted
FROM (
    SELECT
        people.app, people.campaign, part.department COLLATE "C" AS department,
        count(*)::integer AS targeted,
        (count(*) FILTER (WHERE people.state = 'read'))::integer AS read,
        (count(*) FILTER (WHERE people.state = 'unread'))::integer AS unread,
        (count(*) FILTER (WHERE people.state = 'pending'))::integer AS pending,
        (count(*) FILTER (WHERE people.state = 'failed'))::integer AS failed,
        (count(*) FILTER (WHERE people.state = 'forbidden'))::integer AS forbidden,
        (count(*) FILTER (WHERE people.state = 'invalid'))::integer AS invalid
    FROM delivery_campaign_people AS people
    LEFT JOIN delivery_person AS person ON person.app = people.app AND person.user_id = people.user_id
        AND (SELECT has_table_privilege('delivery_people'::regclass, 'SELECT'))
    CROSS JOIN LATERAL unnest(coalesce(nullif(person.in_departments, '{}'), ARRAY[NULL::text])) AS part (department)
    GROUP BY people.app, people.campaign, part.department COLLATE "C"
) AS counted;

ALTER TABLE "delivery_erasure" ADD COLUMN "people" INTEGER NOT NULL DEFAULT 0;

-- Erasure begins with the name: from then on no view shows it. delivery_put_people leaves out who is being erased.
CREATE OR REPLACE FUNCTION "delivery_begin_erasure"(p_user text, p_app text) RETURNS text
LANGUAGE plpgsql SET search_path FROM CURRENT SET lock_timeout TO '5s'
AS $$
DECLARE
    v_pseudonym text;
    v_salt text;
    v_people integer;
BEGIN
    -- Each statement below must see what was committed while it waited for the lock.
    IF current_setting('transaction_isolation') <> 'read committed' THEN
        RAISE EXCEPTION USING ERRCODE = '25001', MESSAGE = 'delivery_begin_erasure works in READ COMMITTED transactions only.';
    END IF;
    -- Waits for the polls that are being written: what they wrote is found by delivery_erase_page. Those that are written later see this erasure.
    -- They lock in ROW SHARE mode, which a backup does not.
    LOCK TABLE delivery_erasure IN EXCLUSIVE MODE;
    SELECT pseudonym INTO v_pseudonym FROM delivery_erasure WHERE digest = delivery_digest(salt, p_user) ORDER BY id DESC LIMIT 1;
    DELETE FROM delivery_erasure WHERE digest = delivery_digest(salt, p_user) AND (p_app IS NULL OR app = p_app);
    -- One salt for those that live at the same time: a poll makes one digest a person, however many were erased.
    SELECT salt INTO v_salt FROM delivery_erasure LIMIT 1;
    v_salt := coalesce(v_salt, delivery_random());
    v_pseudonym := coalesce(v_pseudonym, delivery_pseudonym(delivery_random(), p_user));
    v_people := delivery_forget_person(p_user, p_app);
    INSERT INTO delivery_erasure (app, salt, digest, pseudonym, erased_at, people)
    VALUES (p_app, v_salt, delivery_digest(v_salt, p_user), v_pseudonym, clock_timestamp(), v_people);
    RETURN v_pseudonym;
END
$$;

-- Rights -------------------------------------------------------------------------------------------------------------------------
-- Where deploy/postgres/roles.sql was run, new tables are granted to the worker at once. Names are not among what it needs.

DO $migration$
DECLARE
    v_function text;
BEGIN
    FOREACH v_function IN ARRAY ARRAY[
        'delivery_put_people(jsonb, text, boolean)', 'delivery_forget_person(text, text)', 'delivery_forget_people(timestamptz, integer)',
        'delivery_begin_erasure(text, text)'
    ] LOOP
        EXECUTE format('ALTER FUNCTION %s SET search_path = %I, pg_temp', v_function, current_schema());
    END LOOP;
    REVOKE ALL ON FUNCTION
        delivery_put_people(jsonb, text, boolean), delivery_forget_person(text, text), delivery_forget_people(timestamptz, integer) FROM PUBLIC;
    IF to_regrole('delivery_worker') IS NOT NULL THEN
        REVOKE ALL ON delivery_person, delivery_people FROM delivery_worker;
        REVOKE ALL ON FUNCTION delivery_put_people(jsonb, text, boolean) FROM delivery_worker;
    END IF;
END
$migration$;

-- Comments -----------------------------------------------------------------------------------------------------------------------

COMMENT ON TABLE "delivery_person" IS 'Names and departments for user ids. Filled by people import, PUT /v1/people, people sync or delivery_put_people.';
COMMENT ON COLUMN "delivery_person"."app" IS 'Name of the app in the worker''s configuration: a user id belongs to an organisation.';
COMMENT ON COLUMN "delivery_person"."user_id" IS 'DingTalk''s user id; text, leading zeros count.';
COMMENT ON COLUMN "delivery_person"."name" IS 'The name that reports show; NULL: the user id is shown.';
COMMENT ON COLUMN "delivery_person"."departments" IS 'Paths of departments, highest first, such as {Headquarters/Sales/North}.';
COMMENT ON COLUMN "delivery_person"."manager_user_id" IS 'User id of the manager; NULL: not known.';
COMMENT ON COLUMN "delivery_person"."updated_at" IS 'When name, departments or manager last changed.';
COMMENT ON COLUMN "delivery_person"."seen_at" IS 'When an import or a sync last named the person, to a day. Retention counts from it.';
COMMENT ON COLUMN "delivery_person"."in_departments" IS 'The departments and all above them: where the person counts.';
COMMENT ON VIEW "delivery_people" IS 'A row for each person whose name or department is known. A role that may SELECT here sees names in all views.';
COMMENT ON COLUMN "delivery_people"."app" IS 'Name of the app in the worker''s configuration.';
COMMENT ON COLUMN "delivery_people"."user_id" IS 'DingTalk''s user id; text, leading zeros count.';
COMMENT ON COLUMN "delivery_people"."name" IS 'Name; NULL: not known.';
COMMENT ON COLUMN "delivery_people"."department" IS 'Paths of departments, separated by "; "; NULL: none is known.';
COMMENT ON COLUMN "delivery_people"."departments" IS 'Paths of departments, highest first.';
COMMENT ON COLUMN "delivery_people"."in_departments" IS 'The departments and all above them: where the person counts.';
COMMENT ON COLUMN "delivery_people"."manager_user_id" IS 'User id of the manager; NULL: not known.';
COMMENT ON COLUMN "delivery_people"."updated_at" IS 'When name, departments or manager last changed.';
COMMENT ON COLUMN "delivery_people"."seen_at" IS 'When an import or a sync last named the person, to a day.';
COMMENT ON VIEW "delivery_known_people" IS 'Internal: delivery_people for every reader. It has no row for a role that may not see names.';
COMMENT ON COLUMN "delivery_known_people"."app" IS 'Name of the app in the worker''s configuration.';
COMMENT ON COLUMN "delivery_known_people"."user_id" IS 'DingTalk''s user id; text, leading zeros count.';
COMMENT ON COLUMN "delivery_known_people"."name" IS 'Name; NULL: not known.';
COMMENT ON COLUMN "delivery_known_people"."department" IS 'Paths of departments, separated by "; "; NULL: none is known.';
COMMENT ON COLUMN "delivery_known_people"."departments" IS 'Paths of departments, highest first.';
COMMENT ON COLUMN "delivery_known_people"."in_departments" IS 'The departments and all above them: where the person counts.';
COMMENT ON COLUMN "delivery_known_people"."manager_user_id" IS 'User id of the manager; NULL: not known.';
COMMENT ON COLUMN "delivery_known_people"."updated_at" IS 'When name, departments or manager last changed.';
COMMENT ON COLUMN "delivery_known_people"."seen_at" IS 'When an import or a sync last named the person.';
COMMENT ON COLUMN "delivery_erasure"."people" IS 'How many rows of delivery_person named the person, as themselves or as a manager.';
COMMENT ON COLUMN "delivery_recipient_status"."name" IS 'Name of the person; NULL: not known, or the role may not see names.';
COMMENT ON COLUMN "delivery_recipient_status"."department" IS 'Departments of the person, separated by "; "; NULL: not known, or the role may not see names.';
COMMENT ON COLUMN "delivery_campaign_people"."name" IS 'Name of the person; NULL: not known, or the role may not see names.';
COMMENT ON COLUMN "delivery_campaign_people"."department" IS 'Departments of the person, separated by "; "; NULL: not known, or the role may not see names.';
COMMENT ON VIEW "delivery_department_rates" IS 'People of a campaign by department, sub-departments folded in. A person of several departments counts once in each, so rows add up to more than the campaign.';
COMMENT ON COLUMN "delivery_department_rates"."app" IS 'Name of the app in the worker''s configuration.';
COMMENT ON COLUMN "delivery_department_rates"."campaign" IS 'Label over tasks that the sender gave.';
COMMENT ON COLUMN "delivery_department_rates"."department" IS 'Path of the department, highest first; NULL: people whose department is not known.';
COMMENT ON COLUMN "delivery_department_rates"."targeted" IS 'All people of the campaign in the department.';
COMMENT ON COLUMN "delivery_department_rates"."delivered" IS 'read + unread.';
COMMENT ON COLUMN "delivery_department_rates"."read" IS 'People who read.';
COMMENT ON COLUMN "delivery_department_rates"."unread" IS 'People who were listed as unread and not as read.';
COMMENT ON COLUMN "delivery_department_rates"."pending" IS 'People who were not listed yet.';
COMMENT ON COLUMN "delivery_department_rates"."failed" IS 'People whom the message did not reach.';
COMMENT ON COLUMN "delivery_department_rates"."forbidden" IS 'People for whom DingTalk refused the message.';
COMMENT ON COLUMN "delivery_department_rates"."invalid" IS 'User ids that DingTalk does not know.';
COMMENT ON COLUMN "delivery_department_rates"."read_rate" IS 'read / delivered; NULL where nothing was delivered.';
COMMENT ON COLUMN "delivery_department_rates"."read_rate_of_targeted" IS 'read / targeted; NULL where no person is targeted.';
COMMENT ON FUNCTION "delivery_valid_departments"(text[]) IS 'Internal: whether these are paths of departments.';
COMMENT ON FUNCTION "delivery_departments_above"(text[]) IS 'Internal: the departments and all above them.';
COMMENT ON FUNCTION "delivery_put_people"(jsonb, text, boolean) IS 'Stores people: [{"userId", "name", "departments", "managerUserId"}]; a key that is left out keeps what is stored. Returns how many were created, changed, unchanged, and left out because they were erased. With p_only_compare it stores nothing.';
COMMENT ON FUNCTION "delivery_forget_person"(text, text) IS 'Internal: removes a person from delivery_person, also as the manager of others. Part of an erasure. Returns in how many rows.';
COMMENT ON FUNCTION "delivery_forget_people"(timestamptz, integer) IS 'Internal: removes people who were named last before then, at most so many. Returns how many.';
