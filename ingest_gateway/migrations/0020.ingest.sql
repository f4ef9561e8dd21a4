-- Readings in: the time-series store, rollups, refused messages, senders' sequence numbers, commands, anomalies.
-- depends: 0010.registry

-- One committed batch of intake. Everything after the store (rollups, checker, screens) follows these rows.
CREATE TABLE intake_batch (
    utility_id integer NOT NULL,
    batch_id bigint NOT NULL,
    received_at timestamptz NOT NULL,    -- utility time
    source text NOT NULL CHECK (source IN ('mqtt', 'handheld', 'file', 'history')),
    meter_ids bigint[] NOT NULL,
    read_from timestamptz NOT NULL,
    read_to timestamptz NOT NULL CHECK (read_to >= read_from),
    stored integer NOT NULL CHECK (stored >= 0),
    PRIMARY KEY (utility_id, batch_id)
);
CREATE SEQUENCE intake_batch_id;
-- Batches come in the order of time, so a few pages of this index lead to a day's.
CREATE INDEX intake_batch_received ON intake_batch USING brin (received_at) WITH (pages_per_range = 16);

-- What a commit of the gateway stored, until the newest readings, the senders' numbers, the batch and its event are made of
-- it a moment later ("settled"): after a crash they are made from here. Written and deleted by the gateway alone.
CREATE TABLE intake_pending (
    utility_id integer NOT NULL,
    batch_id bigint NOT NULL,            -- of the readings stored as they came
    part integer NOT NULL,               -- which commit of the batch
    late_batch_id bigint NOT NULL,       -- of those that are not newer than what was stored of their meter
    worker text NOT NULL,
    received_at timestamptz NOT NULL,    -- utility time
    committed_at timestamptz NOT NULL DEFAULT clock_timestamp(),  -- wall time
    stored integer NOT NULL,
    duplicates integer NOT NULL,
    rejected integer NOT NULL,
    meter_ids bytea STORAGE EXTERNAL NOT NULL,       -- 64-bit integers, least byte first
    read_from timestamptz,
    read_to timestamptz,
    late_meter_ids bytea STORAGE EXTERNAL NOT NULL,
    late_from timestamptz,
    late_to timestamptz,
    numbers bytea STORAGE EXTERNAL NOT NULL,         -- the senders' numbers: msgpack, see domain.marks
    falls bytea NOT NULL,                            -- what was refused as a register that fell: the same
    PRIMARY KEY (utility_id, batch_id, part)
);

-- What became of readings, added up in the transaction that decided it: received = stored + duplicates + rejected.
-- One row for each day and worker, so that no two workers wait for one another.
CREATE TABLE intake_count (
    utility_id integer NOT NULL,         -- 0: messages that name no utility of ours
    day date NOT NULL,                   -- of the commit, by utility time in UTC
    source text NOT NULL CHECK (source IN ('mqtt', 'handheld', 'file', 'history')),
    worker text NOT NULL,                -- what took them in, such as suiden-gateway or web
    received bigint NOT NULL DEFAULT 0,
    stored bigint NOT NULL DEFAULT 0,
    duplicates bigint NOT NULL DEFAULT 0,
    rejected bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (utility_id, day, source, worker)
) WITH (fillfactor = 50);

-- As the meter counts it: the register is an integer in the meter's least digit (unit and scale stand on the meter).
-- No foreign keys: the gateway maps to known meters before COPY, and a hypertable takes rows faster without.
CREATE TABLE reading (
    utility_id integer NOT NULL,
    meter_id bigint NOT NULL,
    read_at timestamptz NOT NULL CHECK (isfinite(read_at)),  -- by the meter's clock
    batch_id bigint NOT NULL,                                -- when and how it came: intake_batch
    register bigint CHECK (register >= 0),
    export_register bigint CHECK (export_register >= 0),
    flow real CHECK (flow > '-Infinity' AND flow < 'Infinity'),                           -- L/h, or W
    pressure_kpa real CHECK (pressure_kpa > '-Infinity' AND pressure_kpa < 'Infinity'),
    voltage_1_v real CHECK (voltage_1_v > '-Infinity' AND voltage_1_v < 'Infinity'),
    voltage_2_v real CHECK (voltage_2_v > '-Infinity' AND voltage_2_v < 'Infinity'),
    voltage_3_v real CHECK (voltage_3_v > '-Infinity' AND voltage_3_v < 'Infinity'),
    battery_pct smallint CHECK (battery_pct BETWEEN 0 AND 100),
    flags integer NOT NULL DEFAULT 0,                        -- bits, see ingest_gateway.domain.flags
    PRIMARY KEY (utility_id, meter_id, read_at)
);

-- An edit of a reading is a new row that refers to it; the reading itself stays.
CREATE TABLE reading_revision (
    utility_id integer NOT NULL,
    revision_id bigint GENERATED ALWAYS AS IDENTITY,
    meter_id bigint NOT NULL,
    read_at timestamptz NOT NULL,
    register bigint NOT NULL CHECK (register >= 0),
    method text NOT NULL CHECK (method IN ('edited', 'estimated', 'customer')),
    reason text NOT NULL,
    decided_by text NOT NULL,
    decided_at timestamptz NOT NULL,
    PRIMARY KEY (utility_id, revision_id)
);

-- Newest reading of each meter, and what is known of its health. Late data never moves it back.
CREATE TABLE meter_latest (
    utility_id integer NOT NULL,
    meter_id bigint NOT NULL,
    read_at timestamptz NOT NULL,
    received_at timestamptz NOT NULL,
    register bigint,
    export_register bigint,
    flow real,
    pressure_kpa real,
    voltage_1_v real,
    voltage_2_v real,
    voltage_3_v real,
    battery_pct smallint,
    flags integer NOT NULL DEFAULT 0,
    fallen_at timestamptz,               -- the last reading since that was refused because its register is lower
    fallen_register bigint,
    fallen_readings integer,             -- how many in a row counted up to it
    PRIMARY KEY (utility_id, meter_id)
) WITH (fillfactor = 50);                -- changed all the time: with room on its page a row needs no new index entry

-- Use and extremes of one local calendar day; equal to a recount from the raw readings.
CREATE TABLE meter_day (
    utility_id integer NOT NULL,
    meter_id bigint NOT NULL,
    day date NOT NULL,
    use_units bigint NOT NULL,           -- in the meter's least digit; segments across rollover and exchange added up
    export_units bigint NOT NULL DEFAULT 0,
    opening_register bigint,
    closing_register bigint,
    readings integer NOT NULL CHECK (readings >= 0),
    flow_max real,
    flow_min real,
    pressure_min_kpa real,
    pressure_max_kpa real,
    voltage_min_v real,
    voltage_max_v real,
    PRIMARY KEY (utility_id, meter_id, day)
);

CREATE TABLE meter_hour (
    utility_id integer NOT NULL,
    meter_id bigint NOT NULL,
    hour timestamptz NOT NULL,           -- its start, UTC
    zone_id bigint,                      -- where it hung; NULL: in stock
    use_units bigint NOT NULL,
    readings integer NOT NULL,
    flow_mean real,
    pressure_min_kpa real,
    pressure_mean_kpa real,
    voltage_min_v real,
    voltage_mean_v real,
    voltage_max_v real,
    PRIMARY KEY (utility_id, meter_id, hour)
);
CREATE INDEX meter_hour_zone ON meter_hour (utility_id, zone_id, hour);

-- The hours of all meters of a zone together; equal to a recount from meter_hour. Meters of different units or nominal
-- voltages do not mix.
CREATE TABLE zone_hour (
    utility_id integer NOT NULL,
    zone_id bigint NOT NULL,
    hour timestamptz NOT NULL,           -- its start, UTC
    unit text NOT NULL,                  -- of used
    nominal_v double precision NOT NULL, -- 0: none
    meters integer NOT NULL CHECK (meters > 0),
    readings integer NOT NULL,
    used numeric NOT NULL,
    flow real,                           -- L/h or W: the meters' means added up
    pressure_meters integer NOT NULL,    -- those that tell one
    pressure_min_kpa real,
    pressure_mean_kpa real,
    voltage_min_v real,
    voltage_mean_v real,
    voltage_max_v real,
    PRIMARY KEY (utility_id, zone_id, hour, unit, nominal_v)
);
CREATE INDEX zone_hour_hour ON zone_hour (utility_id, hour, zone_id);

-- Hours of zones that are to be made anew, in the order in which they became due: each has its turn, however many are due again.
CREATE TABLE zone_due (
    utility_id integer NOT NULL,
    hour timestamptz NOT NULL,
    zone_id bigint NOT NULL,
    turn bigint GENERATED ALWAYS AS IDENTITY,
    PRIMARY KEY (utility_id, hour, zone_id)
);
CREATE INDEX zone_due_turn ON zone_due (utility_id, turn);

-- Days whose rollup is to be made anew.
CREATE TABLE rollup_due (
    utility_id integer NOT NULL,
    meter_id bigint NOT NULL,
    day date NOT NULL,
    PRIMARY KEY (utility_id, meter_id, day)
);

-- What we know of each sender's numbered messages. missing holds the numbers that never came.
CREATE TABLE sender_sequence (
    utility_id integer NOT NULL,
    sender_id bigint NOT NULL,
    through bigint NOT NULL,
    missing int8multirange NOT NULL DEFAULT '{}',
    filled bigint NOT NULL DEFAULT 0,
    boot text NOT NULL DEFAULT '',       -- the sender's name of its count; another one begins at 1
    kept_from bigint NOT NULL DEFAULT 1, -- lower numbers the sender no longer holds
    past_boots text[] NOT NULL DEFAULT '{}', -- names of counts that are over: what comes late under them says nothing of this one
    seen_at timestamptz NOT NULL,        -- utility time
    PRIMARY KEY (utility_id, sender_id)
) WITH (fillfactor = 50);                -- as meter_latest

-- What could not be accepted; the same message from the same topic is one row with a count.
CREATE TABLE rejected_message (
    reject_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    utility_id integer,                  -- NULL where the topic names no utility of ours
    topic text NOT NULL,
    payload bytea STORAGE EXTERNAL NOT NULL,  -- at most 64 KiB of it
    payload_bytes bigint NOT NULL,
    payload_hash bytea NOT NULL,
    reason text NOT NULL CHECK (reason IN ('malformed', 'too_large', 'too_deep', 'unknown_topic', 'unknown_utility', 'unknown_sender',
        'unknown_meter', 'unknown_format', 'not_this_sender', 'not_finite', 'out_of_range', 'clock_ahead', 'too_old', 'conflict',
        'register_backwards', 'unit_mismatch', 'no_register', 'unknown_command')),
    detail text NOT NULL DEFAULT '',
    first_at timestamptz NOT NULL,       -- utility time
    last_at timestamptz NOT NULL,
    times bigint NOT NULL DEFAULT 1,     -- in readings: a message that cannot be decoded counts one
    replayed_at timestamptz,
    UNIQUE (topic, payload_hash, reason)
);
CREATE INDEX rejected_message_last ON rejected_message (last_at);

-- What had to go from there to keep it bounded, so that nothing refused is ever uncounted.
CREATE TABLE rejected_dropped (
    utility_id integer NOT NULL,         -- 0: messages that name no utility of ours
    reason text NOT NULL,
    messages bigint NOT NULL,
    readings bigint NOT NULL,
    bytes bigint NOT NULL,
    last_at timestamptz NOT NULL,        -- utility time when the newest of them last came
    PRIMARY KEY (utility_id, reason)
);

-- A file of readings that was taken in; the same bytes are taken in once.
CREATE TABLE imported_file (
    utility_id integer NOT NULL REFERENCES utility,
    file_id bigint GENERATED ALWAYS AS IDENTITY,
    file_hash bytea NOT NULL CHECK (length(file_hash) = 32),  -- SHA-256 of its bytes
    name text NOT NULL,
    format text NOT NULL CHECK (format IN ('csv', 'xlsx', 'cmep')),
    bytes bigint NOT NULL,
    imported_by text NOT NULL,
    imported_at timestamptz NOT NULL,    -- utility time
    received integer NOT NULL,
    stored integer NOT NULL,
    duplicates integer NOT NULL,
    rejected integer NOT NULL,
    reasons jsonb NOT NULL,              -- refused readings by reason
    left_out jsonb NOT NULL,             -- what is no reading of a register, by what it is
    CHECK (received = stored + duplicates + rejected),
    PRIMARY KEY (utility_id, file_id),
    UNIQUE (utility_id, file_hash)
);

-- Orders to a valve or relay. The id increases and is what the meter compares; unknown is a state.
CREATE TABLE meter_command (
    utility_id integer NOT NULL,
    command_id bigint GENERATED BY DEFAULT AS IDENTITY,
    meter_id bigint NOT NULL,
    command text NOT NULL CHECK (command IN ('valve.close', 'valve.open', 'valve.trickle', 'relay.open', 'relay.close', 'backfill')),
    arguments jsonb NOT NULL DEFAULT '{}',
    purpose text NOT NULL,               -- suspension:12, restoration:12, operator, gap
    state text NOT NULL CHECK (state IN ('queued', 'sent', 'done', 'failed', 'refused', 'expired', 'cancelled', 'unknown')),
    state_detail text NOT NULL DEFAULT '',
    queued_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL CHECK (expires_at > queued_at),
    sent_at timestamptz,
    answered_at timestamptz,
    sends integer NOT NULL DEFAULT 0,
    release_proof jsonb,                 -- what the guard saw as it let the command go, or refused it
    PRIMARY KEY (utility_id, command_id),
    FOREIGN KEY (utility_id, meter_id) REFERENCES meter
);
CREATE INDEX meter_command_open ON meter_command (utility_id, meter_id) WHERE state IN ('queued', 'sent');

-- What the checker found: one row from its beginning to its end.
CREATE TABLE anomaly (
    utility_id integer NOT NULL,
    anomaly_id bigint GENERATED BY DEFAULT AS IDENTITY,
    scope text NOT NULL CHECK (scope IN ('meter', 'zone', 'gateway')),
    place_id bigint NOT NULL,            -- the meter's, the zone's or the concentrator's (sender) id
    meter_id bigint,                     -- of a meter's alone
    point_id bigint,
    zone_id bigint,
    meter_ids bigint[] NOT NULL,         -- that show it, the worst first
    service text NOT NULL CHECK (service IN ('water', 'electricity')),
    kind text NOT NULL CHECK (kind IN ('pipe_burst', 'slow_leak', 'household_leak', 'stuck_meter', 'backflow', 'tamper', 'sensor_drift',
        'pressure_sag', 'valve_closure', 'low_battery', 'silent_meter', 'voltage_sag', 'voltage_swell', 'phase_loss', 'outage', 'theft',
        'unregistered_export', 'concentrator_lost')),
    outlet text NOT NULL CHECK (outlet IN ('ticket', 'watch')),  -- people are sent out, or one looks at it first
    score double precision NOT NULL,     -- how far beyond the limit, in multiples of it
    detector text NOT NULL,              -- its name and version
    setting_id bigint NOT NULL,          -- of the newest of the utility's own parameters then; 0: none
    started_at timestamptz NOT NULL,     -- when it began, by the readings
    found_at timestamptz NOT NULL,       -- when the checker could know, by arrival
    ended_at timestamptz,
    evidence jsonb NOT NULL,             -- readings, baseline, limit, parameters
    PRIMARY KEY (utility_id, anomaly_id),
    CONSTRAINT anomaly_once UNIQUE (utility_id, kind, scope, place_id, detector, found_at),
    FOREIGN KEY (utility_id, meter_id) REFERENCES meter,
    FOREIGN KEY (utility_id, point_id) REFERENCES point,
    FOREIGN KEY (utility_id, zone_id) REFERENCES zone
);
-- Two rules may find one kind at one place: one for the watch list, one that sends people out.
CREATE UNIQUE INDEX anomaly_open_once ON anomaly (utility_id, scope, place_id, kind, split_part(detector, ' ', 1)) WHERE ended_at IS NULL;
CREATE INDEX anomaly_found ON anomaly (utility_id, found_at);

-- What the checker knows, in parts, as it was after the event at `position`.
CREATE TABLE checker_state (
    utility_id integer NOT NULL,
    part text NOT NULL,
    position bigint NOT NULL,
    state bytea STORAGE EXTERNAL NOT NULL,  -- arrays in msgpack, see ingest_gateway.domain.checking.state
    saved_at timestamptz NOT NULL,
    PRIMARY KEY (utility_id, part)
);

-- The batches that were checked since, and where only time passed: after a restart the saved state is fed them again.
CREATE TABLE checker_fed (
    utility_id integer NOT NULL,
    fed_id bigint GENERATED ALWAYS AS IDENTITY,
    position bigint NOT NULL,            -- of the last event until then
    batch_id bigint,                     -- NULL: time passed
    clock_at timestamptz NOT NULL,       -- utility time until which all that arrived was looked at
    PRIMARY KEY (utility_id, fed_id)
);

-- A utility's own parameters of the detectors. Of those that are in force for a meter the last counts; NULL is the standard again.
CREATE TABLE checker_setting (
    utility_id integer NOT NULL REFERENCES utility,
    setting_id bigint GENERATED ALWAYS AS IDENTITY,
    detector text NOT NULL,
    parameter text NOT NULL,
    value double precision,
    segment text CHECK (segment IN ('residential', 'apartment_block', 'commercial', 'bulk')),
    technology text CHECK (technology IN ('pulse', 'other')),
    interval_s integer,
    zone_id bigint,
    reason text NOT NULL,
    valid_from timestamptz NOT NULL,     -- utility time
    set_by text NOT NULL,
    PRIMARY KEY (utility_id, setting_id),
    FOREIGN KEY (utility_id, zone_id) REFERENCES zone
);

-- A reading taken by hand on the handheld; the id is made by the handheld, so that sending it twice is harmless.
CREATE TABLE handheld_entry (
    utility_id integer NOT NULL,
    entry_id uuid NOT NULL,
    meter_id bigint NOT NULL,
    read_at timestamptz NOT NULL,
    register bigint NOT NULL CHECK (register >= 0),
    note text NOT NULL DEFAULT '',
    reason_code text NOT NULL DEFAULT '',
    login_id bigint NOT NULL,
    entered_at timestamptz NOT NULL,     -- the handheld's clock
    received_at timestamptz NOT NULL,    -- utility time
    outcome text NOT NULL CHECK (outcome IN ('stored', 'duplicate', 'rejected')),
    reject_reason text,
    PRIMARY KEY (utility_id, entry_id),
    FOREIGN KEY (utility_id, meter_id) REFERENCES meter,
    FOREIGN KEY (utility_id, login_id) REFERENCES login
);

CALL append_only('reading_revision');
CALL append_only('handheld_entry');
CALL append_only('imported_file');
CALL append_only('checker_setting');
CREATE TRIGGER append_only BEFORE UPDATE ON reading FOR EACH ROW EXECUTE FUNCTION forbid_change();

-- The web stores handheld entries and replayed messages: of its own utility only. After and not before, so that COPY may
-- still write many rows at a time; the condition is false for every other role.
CREATE FUNCTION forbid_other_utility() RETURNS trigger
LANGUAGE plpgsql
AS $$
BEGIN
    RAISE EXCEPTION 'this transaction may not store readings of utility %', NEW.utility_id USING ERRCODE = 'insufficient_privilege';
END
$$;
CREATE TRIGGER own_utility AFTER INSERT ON reading FOR EACH ROW
    WHEN (current_user = 'suiden_app' AND NEW.utility_id IS DISTINCT FROM current_utility()) EXECUTE FUNCTION forbid_other_utility();

-- The raw table stays free of row-level security (COPY and compression refuse it); the web reads through this view.
CREATE VIEW own_reading WITH (security_barrier) AS
    SELECT utility_id, meter_id, read_at, batch_id, register, export_register, flow, pressure_kpa,
           voltage_1_v, voltage_2_v, voltage_3_v, battery_pct, flags
    FROM reading WHERE utility_id = current_utility();
GRANT SELECT ON own_reading TO suiden_app, suiden_gateway, suiden_worker, suiden_auditor;

DO $$
DECLARE
    target text;
BEGIN
    FOREACH target IN ARRAY ARRAY[
        'intake_batch', 'reading_revision', 'meter_latest', 'meter_day', 'meter_hour', 'zone_hour', 'zone_due', 'rollup_due', 'sender_sequence',
        'meter_command', 'anomaly', 'checker_state', 'checker_fed', 'checker_setting', 'handheld_entry', 'rejected_message',
        'rejected_dropped', 'intake_count', 'imported_file', 'intake_pending']
    LOOP
        CALL keep_utilities_apart(target::regclass);
        EXECUTE format('GRANT SELECT ON %I TO suiden_app, suiden_gateway, suiden_worker, suiden_auditor', target);
        EXECUTE format('GRANT INSERT ON %I TO suiden_app, suiden_gateway, suiden_worker', target);
    END LOOP;
    FOREACH target IN ARRAY ARRAY[
        'meter_latest', 'meter_day', 'meter_hour', 'zone_hour', 'zone_due', 'rollup_due', 'sender_sequence', 'meter_command', 'rejected_message',
        'anomaly', 'checker_state', 'rejected_dropped', 'intake_count', 'intake_batch']
    LOOP
        EXECUTE format('GRANT UPDATE ON %I TO suiden_app, suiden_gateway, suiden_worker', target);
    END LOOP;
END
$$;
GRANT SELECT, INSERT ON reading TO suiden_gateway, suiden_worker;
GRANT SELECT ON reading TO suiden_auditor;
GRANT INSERT ON reading TO suiden_app;
GRANT USAGE ON SEQUENCE intake_batch_id TO suiden_app, suiden_gateway, suiden_worker;
GRANT DELETE ON rollup_due, zone_due, meter_day, meter_hour, zone_hour, rejected_message, intake_batch, intake_pending, checker_state, checker_fed TO suiden_gateway, suiden_worker;
