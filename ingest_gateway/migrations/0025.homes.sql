-- Customers who let their own Home Assistant see their meters.
-- depends: 0020.ingest

-- A login on the broker, suiden-home-{home_id}, that reads what is published for this party and nothing else. Closed: it
-- reads nothing any more; the row stays as the record of who saw what when.
CREATE TABLE home_login (
    utility_id integer NOT NULL,
    home_id bigint GENERATED ALWAYS AS IDENTITY,
    party_id bigint NOT NULL,
    password_hash text NOT NULL CHECK (password_hash LIKE '$7$%'),  -- as Mosquitto keeps it
    opened_at timestamptz NOT NULL,      -- utility time
    closed_at timestamptz CHECK (closed_at >= opened_at),
    PRIMARY KEY (utility_id, home_id)
);
CREATE UNIQUE INDEX home_login_open_once ON home_login (utility_id, party_id) WHERE closed_at IS NULL;

CALL keep_utilities_apart('home_login');
GRANT SELECT ON home_login TO suiden_app, suiden_gateway, suiden_worker, suiden_auditor;
GRANT INSERT, UPDATE ON home_login TO suiden_app, suiden_worker;
