-- What TimescaleDB adds, switched by what the database says it can do. Plain PostgreSQL keeps an ordinary table.
-- depends: 0020.ingest

-- plain: no TimescaleDB. apache: hypertables. timescale: compression and retention policies too.
CREATE FUNCTION reading_engine() RETURNS text
LANGUAGE sql STABLE
AS $$
    SELECT CASE
        WHEN NOT EXISTS (SELECT 1 FROM pg_extension WHERE extname = 'timescaledb') THEN 'plain'
        WHEN current_setting('timescaledb.license', true) = 'timescale' THEN 'timescale'
        ELSE 'apache'
    END
$$;

DO $$
BEGIN
    IF EXISTS (SELECT 1 FROM pg_available_extensions WHERE name = 'timescaledb')
       AND current_setting('shared_preload_libraries') LIKE '%timescaledb%' THEN
        CREATE EXTENSION IF NOT EXISTS timescaledb;
    END IF;
    IF reading_engine() <> 'plain' THEN
        PERFORM create_hypertable('reading', by_range('read_at', INTERVAL '7 days'), create_default_indexes => false);
    END IF;
    IF reading_engine() = 'timescale' THEN
        ALTER TABLE reading SET (timescaledb.compress, timescaledb.compress_segmentby = 'utility_id, meter_id',
                                 timescaledb.compress_orderby = 'read_at');
        PERFORM add_compression_policy('reading', INTERVAL '45 days');
    END IF;
END
$$;
