-- What did not come: stretches without readings, and how far meters' clocks are off.
-- depends: 0020.ingest

-- A stretch in which a meter's readings are missing, by its interval, as it was found. What comes late lowers `missing`
-- and fills it at 0; the row stays. lost: the meter no longer has them, or nobody ever answered.
CREATE TABLE reading_gap (
    utility_id integer NOT NULL,
    meter_id bigint NOT NULL,
    after_at timestamptz NOT NULL,       -- the reading before it
    before_at timestamptz CHECK (before_at > after_at),  -- the reading that ends it; NULL: the meter is silent since
    expected integer NOT NULL CHECK (expected > 0),      -- readings that were missing
    missing integer NOT NULL CHECK (missing BETWEEN 0 AND expected),
    state text NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'filled', 'lost')),
    found_at timestamptz NOT NULL,       -- utility time
    closed_at timestamptz CHECK ((state = 'open') = (closed_at IS NULL)),
    asks integer NOT NULL DEFAULT 0,     -- how often the meter was asked for it
    denials integer NOT NULL DEFAULT 0,  -- how often it answered and did not send it
    next_ask_at timestamptz,             -- not before; NULL: never asked yet
    command_id bigint,                   -- the last backfill
    PRIMARY KEY (utility_id, meter_id, after_at)
);
CREATE INDEX reading_gap_open ON reading_gap (utility_id, meter_id) WHERE state = 'open';
CREATE UNIQUE INDEX reading_gap_silent_once ON reading_gap (utility_id, meter_id) WHERE before_at IS NULL AND state = 'open';
CREATE INDEX reading_gap_closed ON reading_gap (utility_id, closed_at) WHERE state <> 'open';

-- How far a meter's clock is ahead of ours, from its newest readings as they came: ingest_gateway.domain.clock_offset.
CREATE TABLE meter_clock (
    utility_id integer NOT NULL,
    meter_id bigint NOT NULL,
    offset_s double precision NOT NULL,
    is_steady boolean NOT NULL,          -- several stretches agree
    maxima_s double precision[] NOT NULL,
    block_from timestamptz NOT NULL,
    block_max_s double precision NOT NULL,
    block_samples integer NOT NULL,
    last_s double precision NOT NULL,
    sampled_at timestamptz NOT NULL,     -- utility time
    PRIMARY KEY (utility_id, meter_id)
);

CALL keep_utilities_apart('reading_gap');
CALL keep_utilities_apart('meter_clock');
GRANT SELECT ON reading_gap, meter_clock TO suiden_app, suiden_gateway, suiden_worker, suiden_auditor;
GRANT INSERT, UPDATE ON reading_gap, meter_clock TO suiden_gateway, suiden_worker;
GRANT DELETE ON reading_gap TO suiden_worker;
