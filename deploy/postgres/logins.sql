-- The logins of docker-compose.yml: tracker_migrate for migrate, tracker_worker for worker and serve, with the passwords of MIGRATE_PASSWORD and
-- WORKER_PASSWORD. Run it with psql after roles.sql. Running it again changes the passwords, and nothing else.
\getenv migrate_password MIGRATE_PASSWORD
\getenv worker_password WORKER_PASSWORD

SELECT format('CREATE ROLE %I LOGIN', name)
FROM unnest(ARRAY['tracker_migrate', 'tracker_worker']) AS name
WHERE to_regrole(name) IS NULL
\gexec

ALTER ROLE tracker_migrate PASSWORD :'migrate_password';
ALTER ROLE tracker_worker PASSWORD :'worker_password';
GRANT delivery_migrate TO tracker_migrate;
GRANT delivery_worker TO tracker_worker;
-- So that the role owns what it makes, and not the login.
ALTER ROLE tracker_migrate SET role = delivery_migrate;
