-- What each worker knows of push services, for other workers and for whoever asks the API. No tenant's data.

CREATE TABLE push_health (
    worker uuid NOT NULL,
    provider text NOT NULL,
    service text NOT NULL,
    configured boolean NOT NULL,
    state text NOT NULL CHECK (state IN ('healthy', 'paused', 'probing', 'ramping')),
    cause text,
    reason text,
    since timestamptz,
    until timestamptz,
    round integer NOT NULL,
    waiting bigint NOT NULL,
    accepted bigint NOT NULL,
    failed bigint NOT NULL,
    seen_at timestamptz NOT NULL,
    PRIMARY KEY (worker, provider, service),
    CONSTRAINT push_health_trouble_unless_healthy CHECK (state = 'healthy' OR
        cause IS NOT NULL AND reason IS NOT NULL AND since IS NOT NULL AND until IS NOT NULL)
);
COMMENT ON TABLE push_health IS 'What each worker knows of push services: written when something changes and every ten seconds.';
COMMENT ON COLUMN push_health.worker IS 'The worker, under a name of its own for each start.';
COMMENT ON COLUMN push_health.provider IS 'The provider.';
COMMENT ON COLUMN push_health.service IS 'Which of its services: an origin for Web Push, an environment for APNs, else the provider itself.';
COMMENT ON COLUMN push_health.configured IS 'The worker has credentials for it.';
COMMENT ON COLUMN push_health.state IS 'Used, left alone, being tried, or used more and more.';
COMMENT ON COLUMN push_health.cause IS 'What kind of trouble it is in or comes out of.';
COMMENT ON COLUMN push_health.reason IS 'The service''s own word for it.';
COMMENT ON COLUMN push_health.since IS 'When the trouble began (wall clock).';
COMMENT ON COLUMN push_health.until IS 'When the service is tried again (wall clock).';
COMMENT ON COLUMN push_health.round IS 'Pauses of this trouble before this one.';
COMMENT ON COLUMN push_health.waiting IS 'Alerts that this worker put off because of it.';
COMMENT ON COLUMN push_health.accepted IS 'Messages that it took from this worker within the last hour.';
COMMENT ON COLUMN push_health.failed IS 'Messages that it did not take within the last hour.';
COMMENT ON COLUMN push_health.seen_at IS 'When the worker wrote this (wall clock).';
