-- Work that one process at a time may do is guarded by a row with an end, not by a session's advisory lock: behind a pooler in transaction mode a
-- session belongs to nobody, and its lock is never given back. Times are the database's own.

CREATE TABLE "delivery_lease" (
    "name" TEXT COLLATE "C" NOT NULL,
    "holder" TEXT NOT NULL,
    "expires_at" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "delivery_lease_pkey" PRIMARY KEY ("name")
);

COMMENT ON TABLE "delivery_lease" IS 'Work that is done by one process at a time, and by which process now. Internal.';
COMMENT ON COLUMN "delivery_lease"."name" IS 'The work: reconcile.';
COMMENT ON COLUMN "delivery_lease"."holder" IS 'A random name of the run that holds the lease.';
COMMENT ON COLUMN "delivery_lease"."expires_at" IS 'Until when the holder has the lease, by the database''s clock; it is renewed while the work runs. From then on any process may take it.';
