-- The logins of docker-compose.yml: tracker_migrate for migrate, tracker_worker for worker, tracker_serve for serve, which also shows names, with the
-- passwords of MIGRATE_PASSWORD, WORKER_PASSWORD and SERVE_PASSWORD. Run it with psql after roles.sql. Running it again changes the passwords, and
-- nothing else.
\getenv migrate_password MIGRATE_PASSWORD
\getenv worker_password WORKER_PASSWORD
\getenv serve_password SERVE_PASSWORD

SELECT format('CREATE ROLE %I LOGIN', name)
FROM unnest(ARRAY['tracker_migrate', 'tracker_worker', 'tracker_serve']) AS name
WHERE to_regrole(name) IS NULL
\gexec

ALTER ROLE tracker_migrate PASSWORD :'migrate_password';
ALTER ROLE tracker_worker PASSWORD :'worker_password';
ALTER ROLE tracker_serve PASSWORD :'serve_password';
GRANT delivery_migrate TO tracker_migrate;
GRANT delivery_worker TO tracker_worker, tracker_serve;
GRANT delivery_names TO tracker_serve;
-- So that the role owns what it makes, and not the login.
ALTER ROLE tracker_migrate SET role = delivery_migrate;
