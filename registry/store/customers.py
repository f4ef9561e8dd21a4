"""Finding a customer by whatever the person at the counter knows."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Literal, LiteralString

from psycopg import Connection
from psycopg.rows import TupleRow, class_row

from registry.book import PartyKind
from registry.domain.search import SearchTerms, search_terms
from registry.store.rows import frozen_row

Matched = Literal["number", "phone", "name", "address"]
MOST_FOUND = 200


@dataclass(frozen=True, slots=True)
class CustomerMatch:
    """A party that was found: by what, and whether only by what it was before (`is_former`)."""

    party_id: int
    party_number: str
    kind: PartyKind
    name: str
    name_kana: str
    address: str
    phone: str
    point_ids: tuple[int, ...]
    point_numbers: tuple[str, ...]
    account_ids: tuple[int, ...]
    account_numbers: tuple[str, ...]
    matched: Matched
    is_former: bool


@dataclass(frozen=True, slots=True)
class _Hit:
    party_id: int
    rank: int
    matched: Matched
    is_former: bool


# Ranks: 0 the very number, 1 the very telephone or e-mail, 2 the very name, 3 a name's beginning, 4 a number's, 5 a
# telephone's, 6 an address's; then, inside: 7 a name, 8 an address, 9 a telephone; 10 every word somewhere.
# ^@ ("begins with") may use an index under row-level security; LIKE may not.
BEGINNINGS: LiteralString = """
    WITH found_points AS (
        (SELECT point_id, CASE WHEN search_number = %(code)s THEN 0 ELSE 4 END AS rank, 'number' AS matched,
                false AS is_former
         FROM point
         WHERE utility_id = %(utility_id)s AND %(code)s <> '' AND search_number ^@ %(code)s
         ORDER BY search_number, point_id LIMIT %(limit)s)
        UNION ALL
        (SELECT i.point_id, CASE WHEN m.search_serial = %(code)s THEN 0 ELSE 4 END, 'number', NOT upper_inf(i.valid)
         FROM meter m
         JOIN installation i ON i.utility_id = m.utility_id AND i.meter_id = m.meter_id
         WHERE m.utility_id = %(utility_id)s AND %(code)s <> '' AND m.search_serial ^@ %(code)s
         ORDER BY m.search_serial, i.installation_id LIMIT %(limit)s)
        UNION ALL
        (SELECT point_id, 6, 'address', false
         FROM point
         WHERE utility_id = %(utility_id)s AND %(text)s <> '' AND search_address ^@ %(text)s
         ORDER BY search_address, point_id LIMIT %(limit)s)
    ), found AS (
        (SELECT party_id, CASE WHEN split_part(search_name, '|', 1) = %(text)s THEN 2 ELSE 3 END AS rank,
                'name' AS matched, false AS is_former
         FROM party
         WHERE utility_id = %(utility_id)s AND %(text)s <> '' AND search_name ^@ %(text)s
         ORDER BY search_name, party_id LIMIT %(limit)s)
        UNION ALL
        (SELECT party_id, CASE WHEN search_kana = %(text)s THEN 2 ELSE 3 END, 'name', false
         FROM party
         WHERE utility_id = %(utility_id)s AND %(text)s <> '' AND search_kana ^@ %(text)s
         ORDER BY search_kana, party_id LIMIT %(limit)s)
        UNION ALL
        (SELECT party_id, CASE WHEN search_latin = %(text)s THEN 2 ELSE 3 END, 'name', false
         FROM party
         WHERE utility_id = %(utility_id)s AND %(text)s <> '' AND search_latin ^@ %(text)s
         ORDER BY search_latin, party_id LIMIT %(limit)s)
        UNION ALL
        (SELECT party_id, CASE WHEN search_number = %(code)s THEN 0 ELSE 4 END, 'number', false
         FROM party
         WHERE utility_id = %(utility_id)s AND %(code)s <> '' AND search_number ^@ %(code)s
         ORDER BY search_number, party_id LIMIT %(limit)s)
        UNION ALL
        (SELECT party_id, CASE WHEN search_number = %(code)s THEN 0 ELSE 4 END, 'number', closed_at IS NOT NULL
         FROM account
         WHERE utility_id = %(utility_id)s AND %(code)s <> '' AND search_number ^@ %(code)s
         ORDER BY search_number, account_id LIMIT %(limit)s)
        UNION ALL
        (SELECT party_id, CASE WHEN search_address = %(phone)s THEN 1 ELSE 5 END, 'phone', false
         FROM contact_channel
         WHERE utility_id = %(utility_id)s AND %(phone)s <> '' AND search_address ^@ %(phone)s
           AND kind IN ('phone', 'sms')
         ORDER BY search_address, channel_id LIMIT %(limit)s)
        UNION ALL
        (SELECT party_id, CASE WHEN search_address = %(email)s THEN 1 ELSE 5 END, 'phone', false
         FROM contact_channel
         WHERE utility_id = %(utility_id)s AND %(email)s <> '' AND search_address ^@ %(email)s AND kind = 'email'
         ORDER BY search_address, channel_id LIMIT %(limit)s)
        UNION ALL
        SELECT pp.party_id, p.rank, p.matched, p.is_former OR NOT upper_inf(pp.valid)
        FROM found_points p
        JOIN point_party pp ON pp.utility_id = %(utility_id)s AND pp.point_id = p.point_id
        UNION ALL
        SELECT a.party_id, p.rank, p.matched, p.is_former OR NOT upper_inf(g.valid)
        FROM found_points p
        JOIN agreement g ON g.utility_id = %(utility_id)s AND g.point_id = p.point_id
        JOIN account a ON a.utility_id = g.utility_id AND a.account_id = g.account_id
    ), best AS (
        SELECT DISTINCT ON (party_id) party_id, rank, matched, is_former FROM found
        ORDER BY party_id, rank, is_former, matched
    )
    SELECT best.party_id, best.rank, best.matched, best.is_former
    FROM best
    JOIN party p ON p.utility_id = %(utility_id)s AND p.party_id = best.party_id
    ORDER BY best.rank, best.is_former, p.search_kana, best.party_id LIMIT %(limit)s
"""

# Reads whole tables: asked only when the beginnings did not fill the list.
INSIDES: LiteralString = """
    WITH found AS (
        (SELECT party_id, 7 AS rank, 'name' AS matched, false AS is_former
         FROM party
         WHERE utility_id = %(utility_id)s AND %(text)s <> '' AND strpos(search_name, %(text)s) > 0
         ORDER BY search_name, party_id LIMIT %(limit)s)
        UNION ALL
        (SELECT pp.party_id, 8, 'address', NOT upper_inf(pp.valid)
         FROM point p
         JOIN point_party pp ON pp.utility_id = p.utility_id AND pp.point_id = p.point_id
         WHERE p.utility_id = %(utility_id)s AND %(text)s <> '' AND strpos(p.search_address, %(text)s) > 0
         ORDER BY p.search_address, p.point_id, upper_inf(pp.valid) DESC, pp.party_id LIMIT %(limit)s)
        UNION ALL
        (SELECT party_id, 9, 'phone', false
         FROM contact_channel
         WHERE utility_id = %(utility_id)s AND %(phone)s <> '' AND strpos(search_address, %(phone)s) > 0
           AND kind IN ('phone', 'sms')
         ORDER BY search_address, channel_id LIMIT %(limit)s)
        UNION ALL
        (SELECT party_id, 10, 'name', false
         FROM (
             SELECT p.party_id, word
             FROM unnest(%(words)s::text[]) AS word
             JOIN party p ON p.utility_id = %(utility_id)s AND strpos(p.search_name, word) > 0
             UNION
             SELECT pp.party_id, word
             FROM unnest(%(words)s::text[]) AS word
             JOIN point o ON o.utility_id = %(utility_id)s AND strpos(o.search_address, word) > 0
             JOIN point_party pp ON pp.utility_id = o.utility_id AND pp.point_id = o.point_id
         ) AS matches
         GROUP BY party_id HAVING count(*) = cardinality(%(words)s::text[])
         ORDER BY party_id LIMIT %(limit)s)
    ), best AS (
        SELECT DISTINCT ON (party_id) party_id, rank, matched, is_former FROM found
        WHERE party_id <> ALL(%(found_before)s::bigint[])
        ORDER BY party_id, rank, is_former, matched
    )
    SELECT best.party_id, best.rank, best.matched, best.is_former
    FROM best
    JOIN party p ON p.utility_id = %(utility_id)s AND p.party_id = best.party_id
    ORDER BY best.rank, best.is_former, p.search_kana, best.party_id LIMIT %(limit)s
"""


def find_customers(conn: Connection[TupleRow], *, utility_id: int, text: str, limit: int) -> list[CustomerMatch]:
    """Find parties by name, kana, telephone, e-mail, address, or the number of a point, meter, account or party.

    Best first; at most `limit`, and never more than 200. Hiragana, half-width kana and full-width digits are welcome.
    """
    terms = search_terms(text)
    most = max(0, min(limit, MOST_FOUND))
    if not terms.text and not terms.code:
        return []
    parameters = _parameters(terms, utility_id=utility_id, limit=most)
    hits = _hits(conn, query=BEGINNINGS, parameters=parameters)
    if len(hits) < most:
        found_before = [hit.party_id for hit in hits]
        hits += _hits(conn, query=INSIDES, parameters={**parameters, "found_before": found_before})
    return _described(conn, utility_id=utility_id, hits=hits[:most])


def _parameters(terms: SearchTerms, *, utility_id: int, limit: int) -> dict[str, Any]:
    return {
        "utility_id": utility_id,
        "limit": limit,
        "text": terms.text,
        "code": terms.code,
        "phone": terms.phone,
        "email": terms.email,
        "words": list(terms.words),
    }


def _hits(conn: Connection[TupleRow], *, query: LiteralString, parameters: Mapping[str, Any]) -> list[_Hit]:
    with conn.cursor(row_factory=class_row(_Hit)) as cursor:
        return cursor.execute(query, parameters).fetchall()


def _described(conn: Connection[TupleRow], *, utility_id: int, hits: Collection[_Hit]) -> list[CustomerMatch]:
    with conn.cursor(row_factory=frozen_row(CustomerMatch)) as cursor:
        return cursor.execute(
            """
            SELECT p.party_id, p.party_number, p.kind, p.name, p.name_kana,
                   coalesce(o.addresses[1], (
                       SELECT c.address FROM contact_channel c
                       WHERE c.utility_id = p.utility_id AND c.party_id = p.party_id AND c.kind = 'post'
                       ORDER BY c.preferred DESC, c.channel_id LIMIT 1), '') AS address,
                   coalesce((
                       SELECT c.address FROM contact_channel c
                       WHERE c.utility_id = p.utility_id AND c.party_id = p.party_id AND c.kind IN ('phone', 'sms')
                       ORDER BY c.preferred DESC, c.kind, c.channel_id LIMIT 1), '') AS phone,
                   coalesce(o.ids, '{}') AS point_ids, coalesce(o.numbers, '{}') AS point_numbers,
                   coalesce(a.ids, '{}') AS account_ids, coalesce(a.numbers, '{}') AS account_numbers,
                   h.matched, h.is_former
            FROM unnest(%(party_ids)s::bigint[], %(matched)s::text[], %(is_former)s::boolean[]) WITH ORDINALITY
                 AS h (party_id, matched, is_former, place)
            JOIN party p ON p.utility_id = %(utility_id)s AND p.party_id = h.party_id
            LEFT JOIN LATERAL (
                SELECT array_agg(mine.point_id ORDER BY t.point_number) AS ids,
                       array_agg(t.point_number ORDER BY t.point_number) AS numbers,
                       array_agg(concat_ws(' ', t.address, nullif(t.building, ''))
                                 ORDER BY mine.is_user DESC, t.point_number) AS addresses
                FROM (
                    SELECT pp.point_id, bool_or(pp.role = 'user') AS is_user FROM point_party pp
                    WHERE pp.utility_id = p.utility_id AND pp.party_id = p.party_id AND upper_inf(pp.valid)
                    GROUP BY pp.point_id
                ) AS mine
                JOIN point t ON t.utility_id = p.utility_id AND t.point_id = mine.point_id
            ) AS o ON true
            LEFT JOIN LATERAL (
                SELECT array_agg(c.account_id ORDER BY c.account_number) AS ids,
                       array_agg(c.account_number ORDER BY c.account_number) AS numbers
                FROM account c WHERE c.utility_id = p.utility_id AND c.party_id = p.party_id
            ) AS a ON true
            ORDER BY h.place
            """,
            {
                "utility_id": utility_id,
                "party_ids": [hit.party_id for hit in hits],
                "matched": [hit.matched for hit in hits],
                "is_former": [hit.is_former for hit in hits],
            },
        ).fetchall()
