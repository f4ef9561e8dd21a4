"""What an account owes, from the journal."""

from psycopg import Connection
from psycopg.rows import TupleRow

from rating_engine.store import ledger as store


def balance_of_account(conn: Connection[TupleRow], *, utility_id: int, account_id: int) -> store.AccountBalance:
    """Tell what the account owes on bills and what it has paid ahead, in minor units."""
    return store.balance_of_account(conn, utility_id=utility_id, account_id=account_id)


def open_bills(conn: Connection[TupleRow], *, utility_id: int, account_id: int) -> list[store.OpenBill]:
    """List the account's unsettled bills, the one due first first; `open_minor` is what is still owed on each."""
    return store.open_bills(conn, utility_id=utility_id, account_id=account_id)
