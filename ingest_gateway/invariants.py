"""Standing checks of intake: each query must find nothing."""

from psycopg import sql

from kernel.invariants import Invariant

RECEIVED_IS_NOT_ITS_PARTS = Invariant(
    "ingest.received_is_not_its_parts",
    sql.SQL(
        """
        SELECT 'utility ' || utility_id || ', ' || source || ' by ' || worker || ' on ' || day || ': received '
               || received || ', stored ' || stored || ', duplicate ' || duplicates || ', rejected ' || rejected
        FROM intake_count WHERE received <> stored + duplicates + rejected
        """
    ),
)
# Older days were compared when they were the newest, and their batches may be past their retention since.
STORED_IS_NOT_ITS_BATCHES = Invariant(
    "ingest.stored_is_not_its_batches",
    sql.SQL(
        """
        WITH newest AS (
            SELECT utility_id, (array_agg(DISTINCT day ORDER BY day DESC))[3] AS third, min(day) AS first
            FROM intake_count GROUP BY utility_id
        ), counted AS (
            SELECT c.utility_id, c.day, c.source, sum(c.stored) AS stored
            FROM intake_count AS c JOIN newest USING (utility_id)
            WHERE c.day >= coalesce(newest.third, newest.first) GROUP BY 1, 2, 3
        ), bounds AS (
            SELECT utility_id, source, min(day)::timestamp AT TIME ZONE 'UTC' AS start_at
            FROM counted GROUP BY utility_id, source
        ), batches AS (
            SELECT b.utility_id, (b.received_at AT TIME ZONE 'UTC')::date AS day, b.source, sum(b.stored) AS stored
            FROM bounds JOIN intake_batch AS b USING (utility_id, source)
            WHERE b.received_at >= bounds.start_at GROUP BY 1, 2, 3
        )
        SELECT 'utility ' || utility_id || ', ' || source || ' on ' || day || ': counted '
               || coalesce(counted.stored, 0) || ' stored, its batches hold ' || coalesce(batches.stored, 0)
        FROM counted FULL JOIN batches USING (utility_id, day, source)
        WHERE coalesce(counted.stored, 0) <> coalesce(batches.stored, 0)
        """
    ),
)
# The newest alone: a batch is never changed, and each was among the newest once.
BATCH_IS_NOT_ITS_READINGS = Invariant(
    "ingest.batch_is_not_its_readings",
    sql.SQL(
        """
        SELECT 'utility ' || batch.utility_id || ', batch ' || batch.batch_id || ' of ' || batch.stored || ' holds '
               || found.readings
        FROM (SELECT utility_id, batch_id, meter_ids, read_from, read_to, stored FROM intake_batch
              WHERE source <> 'history' ORDER BY batch_id DESC LIMIT 20) AS batch
        CROSS JOIN LATERAL (
            SELECT count(*) AS readings FROM unnest(batch.meter_ids) AS of_batch (meter_id)
            JOIN reading AS r ON r.utility_id = batch.utility_id AND r.meter_id = of_batch.meter_id
                AND r.read_at >= batch.read_from AND r.read_at <= batch.read_to AND r.batch_id = batch.batch_id
        ) AS found
        WHERE found.readings <> batch.stored
        """
    ),
)
# Only where messages are counted: a store of before this was counted has refused messages that nobody counted.
REJECTED_IS_NOT_KEPT = Invariant(
    "ingest.rejected_is_not_kept",
    sql.SQL(
        """
        SELECT 'counted ' || counted.readings || ' refused readings; ' || kept.readings || ' are kept and '
               || dropped.readings || ' were dropped'
        FROM (SELECT coalesce(sum(rejected), 0) AS readings FROM intake_count) AS counted,
             (SELECT coalesce(sum(times), 0) AS readings FROM rejected_message) AS kept,
             (SELECT coalesce(sum(readings), 0) AS readings FROM rejected_dropped) AS dropped
        WHERE counted.readings <> kept.readings + dropped.readings
          AND EXISTS (SELECT FROM intake_count WHERE source = 'mqtt')
        """
    ),
)

INVARIANTS = (
    RECEIVED_IS_NOT_ITS_PARTS,
    STORED_IS_NOT_ITS_BATCHES,
    BATCH_IS_NOT_ITS_READINGS,
    REJECTED_IS_NOT_KEPT,
)
