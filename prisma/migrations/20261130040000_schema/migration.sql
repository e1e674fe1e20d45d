-- Every function that uses a name of ours finds it in its own schema, for every caller and every search path: until now the path of the session
-- that ran the migrations was kept, in which "$user" means the caller. Temporary tables of the caller come last. Owners, rights and SECURITY DEFINER
-- stay. Functions without a search path name nothing of ours, and PostgreSQL can inline them.
DO $migration$
DECLARE
    v_function record;
BEGIN
    FOR v_function IN
        SELECT routine.oid::regprocedure AS signature, place.nspname
        FROM pg_proc AS routine JOIN pg_namespace AS place ON place.oid = routine.pronamespace
        WHERE place.nspname = current_schema() AND (routine.proname LIKE 'delivery\_%' OR routine.proname = 'track_delivery')
            AND EXISTS (SELECT FROM unnest(routine.proconfig) AS setting WHERE setting LIKE 'search\_path=%')
        ORDER BY routine.oid
    LOOP
        EXECUTE format('ALTER FUNCTION %s SET search_path = %I, pg_temp', v_function.signature, v_function.nspname);
    END LOOP;
END
$migration$;
