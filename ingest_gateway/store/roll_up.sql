-- Make meter_day and meter_hour anew from the raw readings, for one span of whole local days of each meter given.
--
-- An instant belongs to the hour and the day that it ends or lies in: (start, end]. So the use of a day is the register at
-- its end less the register at its start, where the register at an instant is that of the newest reading at or before it;
-- across a gap the use falls on the hour and day of the later reading. Bills take their registers by the same rule.
-- An installation brings its opening register, and its closing register once the meter is gone; use between two
-- installations is nobody's. The register is a ring of 10^digits: the shorter way round is the use, so a rollover counts
-- forward, and a register that truly went backwards shows as negative use.
--
-- OFFSET 0 keeps the planner from joining whole tables: whatever it believes of them, each span is sought by its key.
WITH span AS MATERIALIZED (
    SELECT meter_id, first::timestamp AT TIME ZONE %(time_zone)s AS start_at, last::timestamp AT TIME ZONE %(time_zone)s AS end_at
    FROM unnest(%(meter_ids)s::bigint[], %(firsts)s::date[], %(ends)s::date[]) AS s (meter_id, first, last)
), installed AS MATERIALIZED (
    SELECT i.installation_id, i.meter_id, p.zone_id, i.ring, i.opened_at, i.opening_register,
           coalesce(i.closed_at, 'infinity') AS closed_at, i.closing_register
    FROM unnest(%(installation_ids)s::bigint[], %(installed_meter_ids)s::bigint[], %(point_ids)s::bigint[], %(rings)s::bigint[],
                %(opened_at)s::timestamptz[], %(opening_registers)s::bigint[],
                %(closed_at)s::timestamptz[], %(closing_registers)s::bigint[])
        AS i (installation_id, meter_id, point_id, ring, opened_at, opening_register, closed_at, closing_register)
    JOIN point AS p ON p.utility_id = %(utility_id)s AND p.point_id = i.point_id
), revised AS MATERIALIZED (
    SELECT DISTINCT ON (meter_id, read_at) meter_id, read_at, register FROM reading_revision
    WHERE utility_id = %(utility_id)s AND meter_id = ANY (%(meter_ids)s)
    ORDER BY meter_id, read_at, revision_id DESC
), measured AS MATERIALIZED (
    SELECT span.meter_id, span.start_at, r.read_at, coalesce(v.register, r.register) AS register, r.export_register, r.flow,
           nullif(nullif(r.pressure_kpa, 0), 6553.5) AS pressure_kpa,
           least(r.voltage_1_v, r.voltage_2_v, r.voltage_3_v) AS low_v, greatest(r.voltage_1_v, r.voltage_2_v, r.voltage_3_v) AS high_v,
           1 AS is_reading
    FROM span
    CROSS JOIN LATERAL (
        SELECT * FROM reading AS r
        WHERE r.utility_id = %(utility_id)s AND r.meter_id = span.meter_id
            AND r.read_at > span.start_at AND r.read_at <= span.end_at AND r.read_at > %(from_at)s AND r.read_at <= %(to_at)s
        OFFSET 0
    ) AS r
    LEFT JOIN revised AS v ON v.meter_id = r.meter_id AND v.read_at = r.read_at
    UNION ALL
    -- An estimate or a customer's own reading stands where the meter sent none.
    SELECT span.meter_id, span.start_at, v.read_at, v.register, NULL, NULL, NULL, NULL, NULL, 0
    FROM span
    JOIN revised AS v ON v.meter_id = span.meter_id AND v.read_at > span.start_at AND v.read_at <= span.end_at
    WHERE NOT EXISTS (
        SELECT FROM reading AS r WHERE r.utility_id = %(utility_id)s AND r.meter_id = v.meter_id AND r.read_at = v.read_at)
), carried AS (
    -- The register with which the span begins; not sought where the span has none to compare it with.
    SELECT span.meter_id, span.start_at, newest.read_at, newest.register, newest.export_register
    FROM span
    CROSS JOIN LATERAL (
        SELECT * FROM (
            (SELECT v.read_at, v.register, (
                 SELECT r.export_register FROM reading AS r
                 WHERE r.utility_id = %(utility_id)s AND r.meter_id = v.meter_id AND r.read_at = v.read_at
             ) AS export_register, 0 AS turn FROM revised AS v
             WHERE v.meter_id = span.meter_id AND v.read_at <= span.start_at ORDER BY v.read_at DESC LIMIT 1)
            UNION ALL
            (SELECT r.read_at, r.register, r.export_register, 1 FROM reading AS r
             WHERE r.utility_id = %(utility_id)s AND r.meter_id = span.meter_id AND r.read_at <= span.start_at
                 AND r.register IS NOT NULL ORDER BY r.read_at DESC LIMIT 1)
        ) AS candidate ORDER BY read_at DESC, turn LIMIT 1
    ) AS newest
    WHERE (span.meter_id, span.start_at) IN (
        SELECT meter_id, start_at FROM measured WHERE register IS NOT NULL
        UNION ALL
        SELECT s.meter_id, s.start_at FROM span AS s
        JOIN installed AS i ON i.meter_id = s.meter_id AND i.closed_at > s.start_at AND i.closed_at <= s.end_at)
), counted AS (
    SELECT m.meter_id, m.start_at, m.read_at, 1 AS turn, m.register, m.export_register, m.flow, m.pressure_kpa, m.low_v, m.high_v,
           m.is_reading, i.installation_id, i.zone_id, i.ring
    FROM measured AS m
    LEFT JOIN installed AS i ON i.meter_id = m.meter_id AND m.read_at >= i.opened_at AND m.read_at < i.closed_at
    UNION ALL
    SELECT c.meter_id, c.start_at, c.read_at, 1, c.register, c.export_register, NULL, NULL, NULL, NULL, 0, i.installation_id, i.zone_id, i.ring
    FROM carried AS c
    JOIN installed AS i ON i.meter_id = c.meter_id AND c.read_at >= i.opened_at AND c.read_at < i.closed_at
    UNION ALL
    SELECT span.meter_id, span.start_at, i.opened_at, 0, i.opening_register, NULL, NULL, NULL, NULL, NULL, 0, i.installation_id, i.zone_id, i.ring
    FROM span JOIN installed AS i ON i.meter_id = span.meter_id AND i.opened_at <= span.end_at
    UNION ALL
    SELECT span.meter_id, span.start_at, i.closed_at, 2, i.closing_register, NULL, NULL, NULL, NULL, NULL, 0, i.installation_id, i.zone_id, i.ring
    FROM span JOIN installed AS i ON i.meter_id = span.meter_id AND i.closed_at <= span.end_at AND i.closing_register IS NOT NULL
), dated AS (
    SELECT *, ((read_at - interval '1 microsecond') AT TIME ZONE %(time_zone)s)::date AS day FROM counted
), stepped AS (
    SELECT *, lag(register) OVER ring AS before, lag(export_register) OVER ring AS export_before,
           lag(day) OVER ring AS day_before, lead(day) OVER ring AS day_after
    FROM dated WHERE register IS NOT NULL
    WINDOW ring AS (PARTITION BY meter_id, start_at, installation_id ORDER BY read_at, turn)
), used AS MATERIALIZED (
    SELECT meter_id, zone_id, day, read_at, register, flow, pressure_kpa, low_v, high_v, is_reading,
           -- Where no installation holds, nothing is carried over from the day before either.
           CASE WHEN installation_id IS NOT NULL THEN before END AS before,
           day_before IS DISTINCT FROM day AS is_first, day_after IS DISTINCT FROM day AS is_last,
           -- The shorter way round the ring, forward or back.
           CASE WHEN installation_id IS NULL OR before IS NULL THEN 0
                ELSE (register - before + ring + ring / 2) %% ring - ring / 2 END AS use_units,
           CASE WHEN installation_id IS NULL OR export_register IS NULL OR export_before IS NULL THEN 0
                ELSE (export_register - export_before + ring + ring / 2) %% ring - ring / 2 END AS export_units
    FROM stepped WHERE read_at > start_at
    UNION ALL
    SELECT meter_id, zone_id, day, read_at, NULL, flow, pressure_kpa, low_v, high_v, is_reading, NULL, false, false, 0, 0
    FROM dated WHERE register IS NULL
), days AS (
    SELECT meter_id, day, sum(use_units)::bigint AS use_units, sum(export_units)::bigint AS export_units,
           -- Two on the day of an exchange: the earliest opens it, the latest closes it.
           (min(ARRAY[extract(epoch FROM read_at) * 1000000, coalesce(before, register)]::bigint[]) FILTER (WHERE is_first))[2] AS opening_register,
           (max(ARRAY[extract(epoch FROM read_at) * 1000000, register]::bigint[]) FILTER (WHERE is_last))[2] AS closing_register,
           sum(is_reading)::integer AS readings, max(flow) AS flow_max, min(flow) AS flow_min,
           min(pressure_kpa) AS pressure_min_kpa, max(pressure_kpa) AS pressure_max_kpa,
           min(low_v) AS voltage_min_v, max(high_v) AS voltage_max_v
    FROM used GROUP BY meter_id, day
), hours AS (
    SELECT meter_id, date_trunc('hour', read_at - interval '1 microsecond', %(time_zone)s) AS hour,
           max(zone_id) AS zone_id,  -- of a meter that was moved within the hour, one
           sum(use_units)::bigint AS use_units, sum(is_reading)::integer AS readings, avg(flow ORDER BY read_at)::real AS flow_mean,
           min(pressure_kpa) AS pressure_min_kpa, avg(pressure_kpa ORDER BY read_at)::real AS pressure_mean_kpa,
           min(low_v) AS voltage_min_v, avg((low_v + high_v) / 2 ORDER BY read_at)::real AS voltage_mean_v, max(high_v) AS voltage_max_v
    FROM used WHERE read_at > %(hours_from)s GROUP BY 1, 2
), old_days AS (
    SELECT d.place, d.meter_id, d.day, d.use_units, d.export_units, d.opening_register, d.closing_register, d.readings, d.flow_max, d.flow_min,
           d.pressure_min_kpa, d.pressure_max_kpa, d.voltage_min_v, d.voltage_max_v
    FROM unnest(%(meter_ids)s::bigint[], %(firsts)s::date[], %(ends)s::date[]) AS s (meter_id, first, last)
    CROSS JOIN LATERAL (
        SELECT *, ctid AS place FROM meter_day AS d
        WHERE d.utility_id = %(utility_id)s AND d.meter_id = s.meter_id AND d.day >= s.first AND d.day < s.last OFFSET 0
    ) AS d
), old_hours AS (
    SELECT h.place, h.meter_id, h.hour, h.zone_id, h.use_units, h.readings, h.flow_mean, h.pressure_min_kpa, h.pressure_mean_kpa,
           h.voltage_min_v, h.voltage_mean_v, h.voltage_max_v
    FROM span
    CROSS JOIN LATERAL (
        SELECT *, ctid AS place FROM meter_hour AS h
        WHERE h.utility_id = %(utility_id)s AND h.meter_id = span.meter_id
            AND h.hour >= greatest(span.start_at, %(hours_from)s) AND h.hour < span.end_at
        OFFSET 0
    ) AS h
), gone_days AS (
    DELETE FROM meter_day WHERE ctid = ANY (ARRAY(
        SELECT o.place FROM old_days AS o WHERE NOT EXISTS (SELECT FROM days AS n WHERE n.meter_id = o.meter_id AND n.day = o.day)))
), gone_hours AS (
    DELETE FROM meter_hour WHERE ctid = ANY (ARRAY(
        SELECT o.place FROM old_hours AS o WHERE NOT EXISTS (SELECT FROM hours AS n WHERE n.meter_id = o.meter_id AND n.hour = o.hour)))
), changed_hours AS (
    -- Only what changed is written: a live day is made anew every second, and most of its hours stand.
    SELECT * FROM hours EXCEPT SELECT meter_id, hour, zone_id, use_units, readings, flow_mean, pressure_min_kpa, pressure_mean_kpa,
        voltage_min_v, voltage_mean_v, voltage_max_v FROM old_hours
), new_hours AS (
    INSERT INTO meter_hour (utility_id, meter_id, hour, zone_id, use_units, readings, flow_mean, pressure_min_kpa, pressure_mean_kpa,
        voltage_min_v, voltage_mean_v, voltage_max_v)
    SELECT %(utility_id)s, changed_hours.* FROM changed_hours
    ON CONFLICT (utility_id, meter_id, hour) DO UPDATE SET zone_id = excluded.zone_id, use_units = excluded.use_units,
        readings = excluded.readings, flow_mean = excluded.flow_mean, pressure_min_kpa = excluded.pressure_min_kpa,
        pressure_mean_kpa = excluded.pressure_mean_kpa, voltage_min_v = excluded.voltage_min_v,
        voltage_mean_v = excluded.voltage_mean_v, voltage_max_v = excluded.voltage_max_v
), touched_zones AS (
    -- Where a meter's hour is another now, that of its zone is too; of both zones, where it was moved.
    INSERT INTO zone_due (utility_id, hour, zone_id)
    SELECT DISTINCT %(utility_id)s, touched.hour, touched.zone_id FROM (
        SELECT hour, zone_id FROM changed_hours
        UNION ALL
        SELECT o.hour, o.zone_id FROM old_hours AS o
        WHERE NOT EXISTS (SELECT FROM hours AS n WHERE n.meter_id = o.meter_id AND n.hour = o.hour AND n.zone_id = o.zone_id)
    ) AS touched
    WHERE touched.zone_id IS NOT NULL
    ON CONFLICT DO NOTHING
)
INSERT INTO meter_day (utility_id, meter_id, day, use_units, export_units, opening_register, closing_register, readings, flow_max,
    flow_min, pressure_min_kpa, pressure_max_kpa, voltage_min_v, voltage_max_v)
SELECT %(utility_id)s, changed.* FROM (
    SELECT * FROM days EXCEPT SELECT meter_id, day, use_units, export_units, opening_register, closing_register, readings, flow_max, flow_min,
        pressure_min_kpa, pressure_max_kpa, voltage_min_v, voltage_max_v FROM old_days
) AS changed
ON CONFLICT (utility_id, meter_id, day) DO UPDATE SET use_units = excluded.use_units, export_units = excluded.export_units,
    opening_register = excluded.opening_register, closing_register = excluded.closing_register, readings = excluded.readings,
    flow_max = excluded.flow_max, flow_min = excluded.flow_min, pressure_min_kpa = excluded.pressure_min_kpa,
    pressure_max_kpa = excluded.pressure_max_kpa, voltage_min_v = excluded.voltage_min_v, voltage_max_v = excluded.voltage_max_v
