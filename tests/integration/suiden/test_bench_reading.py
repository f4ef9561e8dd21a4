"""The benchmark of reading back measures what it says, on a small store."""

import psycopg

from suiden.bench import growth, reading, store


def test_each_read_finds_its_rows_and_what_is_stored_is_rolled_up(database_url: str) -> None:
    town, _, _ = reading.fill(database_url, readings=3_000, meters=60, by_day=True, say=lambda _: None)
    assert town.readings == 3_000
    days, page, zone, every = reading.measure(database_url, town=town, reads=5, seed=1, say=lambda _: None)
    assert days.rows == 27, "a day by hour, 26 days before it"
    assert 0 < page.rows <= 50
    assert zone.rows == every.rows == 24
    with psycopg.connect(database_url) as conn:
        sizes = {size.table: size for size in store.table_sizes(conn, reading.TABLES)}
    assert sizes["reading"].rows == 3_000
    assert sizes["meter_day"].rows == 60 * 27
    assert all(size.heap > 0 for size in sizes.values())


def test_a_whole_table_that_is_read_is_named(database_url: str) -> None:
    with psycopg.connect(database_url) as conn:
        conn.execute("CREATE TABLE large AS SELECT n FROM generate_series(1, 5000) AS n")
        conn.execute("ANALYZE large")
        with store.recorded(conn) as statements:
            conn.cursor().execute("SELECT n FROM large WHERE n = %(n)s", {"n": 7})
        plans = store.explain(conn, statements, large=store.large_tables(conn))
    assert plans.scanned == {"large"}


def test_a_stream_of_readings_has_every_meter_once_at_each_instant_and_registers_that_rise() -> None:
    stream = growth.Stream([1, 2, 3, 4, 5])
    first, second = stream.take(7), stream.take(8)
    seen = [*zip(first.read_at_us, first.meter_id, first.register, strict=True)]
    seen += zip(second.read_at_us, second.meter_id, second.register, strict=True)
    assert len({(at, meter) for at, meter, _ in seen}) == 15
    for meter in range(1, 6):
        own = [register for _, one, register in seen if one == meter]
        assert own == sorted(own)
        assert len(own) == 3
