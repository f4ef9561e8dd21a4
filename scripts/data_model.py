"""Write docs/data_model.md from the schema that the migrations make; `--check` fails when it differs.

Needs a migrated database: DATABASE_URL, or one is started for the purpose.
"""

import os
import sys
import tempfile
from collections import defaultdict
from pathlib import Path

import psycopg
from psycopg import Connection
from psycopg.rows import TupleRow

from kernel import migrate
from suiden.embedded.postgres import EmbeddedPostgres

ROOT = Path(__file__).resolve().parent.parent
TARGET = ROOT / "docs" / "data_model.md"
HEAD = """# Data model

Made from the schema by `python scripts/data_model.py`; do not edit by hand. Tables stand under the package that owns
them. "append-only": rows are never changed or deleted. "history": each change is kept in `master_change`, before and
after.
"""

COLUMNS = """
SELECT cls.relname, att.attname, format_type(att.atttypid, att.atttypmod), att.attnotnull,
       coalesce(array_position(pk.conkey, att.attnum) IS NOT NULL, false)
FROM pg_class AS cls
JOIN pg_namespace AS ns ON ns.oid = cls.relnamespace AND ns.nspname = 'public'
JOIN pg_attribute AS att ON att.attrelid = cls.oid AND att.attnum > 0 AND NOT att.attisdropped
LEFT JOIN pg_constraint AS pk ON pk.conrelid = cls.oid AND pk.contype = 'p'
WHERE cls.relkind IN ('r', 'p')
ORDER BY cls.relname, att.attnum
"""
REFERENCES = """
SELECT cls.relname, target.relname,
       (SELECT string_agg(att.attname, ', ' ORDER BY part.ord)
        FROM unnest(con.conkey) WITH ORDINALITY AS part (num, ord)
        JOIN pg_attribute AS att ON att.attrelid = cls.oid AND att.attnum = part.num AND att.attname <> 'utility_id')
FROM pg_constraint AS con
JOIN pg_class AS cls ON cls.oid = con.conrelid
JOIN pg_class AS target ON target.oid = con.confrelid
WHERE con.contype = 'f' AND cls.relnamespace = 'public'::regnamespace
ORDER BY cls.relname, con.conname
"""
TRIGGERS = """
SELECT cls.relname, trg.tgname FROM pg_trigger AS trg JOIN pg_class AS cls ON cls.oid = trg.tgrelid
WHERE trg.tgname IN ('append_only', 'keep_history') AND cls.relnamespace = 'public'::regnamespace
"""


def main() -> int:
    """Write the page, or compare it."""
    if os.environ.get("DATABASE_URL"):
        text = describe(os.environ["DATABASE_URL"])
    else:
        with tempfile.TemporaryDirectory(prefix="suiden-model-") as folder:
            server = EmbeddedPostgres(data_dir=Path(folder) / "postgres", durable=False)
            try:
                text = describe(server.start())
            finally:
                server.stop()
    if "--check" not in sys.argv:
        TARGET.write_text(text)
        return 0
    if TARGET.read_text() == text:
        return 0
    print(f"{TARGET} is not what the migrations make: run `python scripts/data_model.py`", file=sys.stderr)
    return 1


def describe(database_url: str) -> str:
    """Migrate the database and describe every table, package by package."""
    migrate.migrate(database_url)
    with psycopg.connect(database_url) as conn:
        return page(conn)


def page(conn: Connection[TupleRow]) -> str:
    """Describe the tables of a migrated database."""
    columns: dict[str, list[str]] = defaultdict(list)
    for table, name, type_name, is_required, is_key in conn.execute(COLUMNS).fetchall():
        mark = "**" if is_key else ""
        columns[table].append(f"{mark}{name}{mark} {type_name}{'' if is_required else '?'}")
    refers: dict[str, list[str]] = defaultdict(list)
    for table, target, through in conn.execute(REFERENCES).fetchall():
        refers[table].append(f"`{target}` ({through or 'utility_id'})")
    kept: dict[str, set[str]] = defaultdict(set)
    for table, trigger in conn.execute(TRIGGERS).fetchall():
        kept[table].add(trigger.replace("_", "-") if trigger == "append_only" else "history")
    parts = [HEAD]
    for owner in migrate.OWNERS:
        parts.append(f"\n## {owner}\n")
        for table in _tables_of(owner):
            notes = f" ({', '.join(sorted(kept[table]))})" if kept[table] else ""
            parts.append(f"\n### {table}{notes}\n\n{', '.join(columns[table])}\n")
            if refers[table]:
                parts.append(f"\nRefers to {', '.join(refers[table])}.\n")
    parts.append("\nKey columns are bold; a question mark says that a column may be empty.\n")
    return "".join(parts)


def _tables_of(owner: str) -> list[str]:
    text = "".join(path.read_text() for path in sorted((ROOT / owner / "migrations").glob("*.sql")))
    lines = [line for line in text.splitlines() if line.startswith("CREATE TABLE ")]
    return [line.removeprefix("CREATE TABLE ").split("(")[0].strip() for line in lines]


if __name__ == "__main__":
    sys.exit(main())
