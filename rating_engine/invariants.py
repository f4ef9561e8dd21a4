"""Standing checks of money and supply: each query must find nothing."""

from psycopg import sql

from kernel.invariants import Invariant

JOURNAL_UNBALANCED = Invariant(
    "rating.journal_unbalanced",
    sql.SQL(
        """
        SELECT entry.entry_key || ' sums to ' || coalesce(sum(line.amount_minor), 0)
        FROM journal_entry AS entry LEFT JOIN journal_line AS line USING (utility_id, entry_id)
        GROUP BY entry.utility_id, entry.entry_id, entry.entry_key
        HAVING coalesce(sum(line.amount_minor), 0) <> 0 OR count(line.entry_id) < 2
        """
    ),
)
BILL_IS_NOT_ITS_LINES = Invariant(
    "rating.bill_is_not_its_lines",
    sql.SQL(
        """
        SELECT 'bill ' || bill.bill_number || ' is ' || bill.total_minor || ', its lines '
               || coalesce(sum(line.amount_minor), 0)
        FROM bill LEFT JOIN bill_line AS line USING (utility_id, bill_id)
        GROUP BY bill.utility_id, bill.bill_id, bill.bill_number, bill.total_minor
        HAVING bill.total_minor <> coalesce(sum(line.amount_minor), 0)
        """
    ),
)
# What a payment settled of a bill that was cancelled since is free to be used again.
PAYMENT_OVERUSED = Invariant(
    "rating.payment_overused",
    sql.SQL(
        """
        SELECT 'payment ' || payment.payment_id || ' of ' || payment.amount_minor || ' settles '
               || sum(allocation.amount_minor)
        FROM payment JOIN payment_allocation AS allocation USING (utility_id, payment_id)
        WHERE NOT EXISTS (SELECT 1 FROM bill_cancellation AS gone
                          WHERE gone.utility_id = allocation.utility_id AND gone.bill_id = allocation.bill_id)
        GROUP BY payment.utility_id, payment.payment_id, payment.amount_minor
        HAVING sum(allocation.amount_minor) > payment.amount_minor
        """
    ),
)
BILL_OVERPAID = Invariant(
    "rating.bill_overpaid",
    sql.SQL(
        """
        SELECT 'bill ' || bill.bill_number || ' of ' || bill.total_minor || ' got ' || sum(allocation.amount_minor)
        FROM bill JOIN payment_allocation AS allocation USING (utility_id, bill_id)
        GROUP BY bill.utility_id, bill.bill_id, bill.bill_number, bill.total_minor
        HAVING sum(allocation.amount_minor) > bill.total_minor
        """
    ),
)
PAYMENT_NOT_POSTED = Invariant(
    "rating.payment_not_posted",
    sql.SQL(
        """
        SELECT 'payment ' || payment.payment_id || ' of ' || payment.amount_minor || ' is posted as '
               || coalesce(sum(line.amount_minor), 0)
        FROM payment
        LEFT JOIN journal_entry AS entry
               ON entry.utility_id = payment.utility_id AND entry.entry_key = 'payment:' || payment.payment_id
        LEFT JOIN journal_line AS line
               ON line.utility_id = entry.utility_id AND line.entry_id = entry.entry_id AND line.amount_minor > 0
        GROUP BY payment.utility_id, payment.payment_id, payment.amount_minor
        HAVING coalesce(sum(line.amount_minor), 0) <> payment.amount_minor
        """
    ),
)
# The journal says what is open on a bill; it can be no more than the bill less what payments settled, and not below
# zero once nothing was credited. Credits used for a bill have no payment, so less may be open than payments explain.
BILL_OPEN_IS_WRONG = Invariant(
    "rating.bill_open_is_wrong",
    sql.SQL(
        """
        SELECT 'bill ' || bill.bill_number || ' has ' || coalesce(owed.open_minor, 0) || ' open of '
               || bill.total_minor || ', paid ' || coalesce(paid.paid_minor, 0)
        FROM bill
        LEFT JOIN LATERAL (
            SELECT sum(amount_minor) AS open_minor FROM journal_line AS line
            WHERE line.utility_id = bill.utility_id AND line.bill_id = bill.bill_id
              AND line.ledger_account = 'receivable'
        ) AS owed ON true
        LEFT JOIN LATERAL (
            SELECT sum(amount_minor) AS paid_minor FROM payment_allocation AS allocation
            WHERE allocation.utility_id = bill.utility_id AND allocation.bill_id = bill.bill_id
        ) AS paid ON true
        WHERE bill.total_minor > 0
          AND NOT EXISTS (SELECT 1 FROM bill_cancellation AS gone
                          WHERE gone.utility_id = bill.utility_id AND gone.bill_id = bill.bill_id)
          AND (coalesce(owed.open_minor, 0) > bill.total_minor - coalesce(paid.paid_minor, 0)
               OR coalesce(owed.open_minor, 0) < 0)
        """
    ),
)
ADVANCE_BELOW_ZERO = Invariant(
    "rating.advance_below_zero",
    sql.SQL(
        """
        SELECT 'account ' || account_id || ' has ' || -sum(amount_minor) || ' paid ahead'
        FROM journal_line WHERE ledger_account = 'advance'
        GROUP BY utility_id, account_id HAVING -sum(amount_minor) < 0
        """
    ),
)
SUSPENDED_WITHOUT_NOTICES = Invariant(
    "rating.suspended_without_notices",
    sql.SQL(
        """
        SELECT 'suspension ' || suspension.suspension_id || ' enforces bill ' || enforced.bill_id
        FROM suspension CROSS JOIN LATERAL unnest(suspension.bill_ids) AS enforced (bill_id)
        WHERE (SELECT count(*) FROM collection_step AS step
               WHERE step.utility_id = suspension.utility_id AND step.bill_id = enforced.bill_id
                 AND step.notice_id IS NOT NULL AND step.taken_at < suspension.ordered_at) < 3
        """
    ),
)
# Supply that stays off with nothing left of the debt, and nobody bringing it back.
SUSPENDED_THOUGH_PAID = Invariant(
    "rating.suspended_though_paid",
    sql.SQL(
        """
        SELECT 'suspension ' || suspension.suspension_id || ' is ' || suspension.state
        FROM suspension
        WHERE suspension.state IN ('commanded', 'suspended')
          AND NOT EXISTS (
              SELECT 1 FROM journal_line AS line
              WHERE line.utility_id = suspension.utility_id AND line.bill_id = ANY(suspension.bill_ids)
                AND line.ledger_account = 'receivable'
              GROUP BY line.bill_id HAVING sum(line.amount_minor) > 0)
          AND NOT EXISTS (SELECT 1 FROM event
                          WHERE event.utility_id = suspension.utility_id
                            AND event.topic IN ('payment.received', 'bill.cancelled')
                            AND coalesce(event.position > (SELECT position FROM event_offset WHERE consumer = 'money'),
                                         true))
        """
    ),
)

INVARIANTS = (
    JOURNAL_UNBALANCED,
    BILL_IS_NOT_ITS_LINES,
    PAYMENT_OVERUSED,
    BILL_OVERPAID,
    PAYMENT_NOT_POSTED,
    BILL_OPEN_IS_WRONG,
    ADVANCE_BELOW_ZERO,
    SUSPENDED_WITHOUT_NOTICES,
    SUSPENDED_THOUGH_PAID,
)
