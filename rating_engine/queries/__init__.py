"""What other packages may read here; each name is made in a module of this package."""

from rating_engine.domain.slip import Slip, SlipSettingsUnusable
from rating_engine.queries.bills import (
    BillReading,
    BillView,
    OwedBill,
    OwedPart,
    OwedSummary,
    bill_id_of_number,
    bill_view,
    billed_totals,
    bills_of_account,
    owed_by_account,
    recent_bill_runs,
)
from rating_engine.queries.collections import (
    CollectionStory,
    SupplyExplanation,
    SuspensionView,
    ageing_totals,
    arrears_list,
    collection_story,
    explain_supply,
    policy_in_force,
    visits_to_make,
)
from rating_engine.queries.explaining import ExplainedMonth, Explanation, Rerating, explain, rerate
from rating_engine.queries.labels import MESSAGES as LINE_MESSAGES
from rating_engine.queries.labels import line_message, line_text, unit_text
from rating_engine.queries.ledger import balance_of_account, open_bills
from rating_engine.queries.more_use import MoreUse, cost_of_more_use
from rating_engine.queries.payments import (
    PaymentView,
    card_intent,
    card_payments_to_clear,
    payments_of_account,
    pending_payments,
)
from rating_engine.queries.receivables import Receivable, open_bills_of_all
from rating_engine.queries.slips import slip_of_bill
from rating_engine.store.arrears import AgeRow, ArrearsRow, VisitRow
from rating_engine.store.bill_reads import BilledTotal, BillSummary
from rating_engine.store.bill_runs import BillRunRow
from rating_engine.store.bills import BillLine, BillRow, BillUnknown
from rating_engine.store.clearing import CardPaymentToClear
from rating_engine.store.ledger import AccountBalance, OpenBill
from rating_engine.store.payments import Intent, IntentUnknown

__all__ = [
    "LINE_MESSAGES",
    "AccountBalance",
    "AgeRow",
    "ArrearsRow",
    "BillLine",
    "BillReading",
    "BillRow",
    "BillRunRow",
    "BillSummary",
    "BillUnknown",
    "BillView",
    "BilledTotal",
    "CardPaymentToClear",
    "CollectionStory",
    "ExplainedMonth",
    "Explanation",
    "Intent",
    "IntentUnknown",
    "MoreUse",
    "OpenBill",
    "OwedBill",
    "OwedPart",
    "OwedSummary",
    "PaymentView",
    "Receivable",
    "Rerating",
    "Slip",
    "SlipSettingsUnusable",
    "SupplyExplanation",
    "SuspensionView",
    "VisitRow",
    "ageing_totals",
    "arrears_list",
    "balance_of_account",
    "bill_id_of_number",
    "bill_view",
    "billed_totals",
    "bills_of_account",
    "card_intent",
    "card_payments_to_clear",
    "collection_story",
    "cost_of_more_use",
    "explain",
    "explain_supply",
    "line_message",
    "line_text",
    "open_bills",
    "open_bills_of_all",
    "owed_by_account",
    "payments_of_account",
    "pending_payments",
    "policy_in_force",
    "recent_bill_runs",
    "rerate",
    "slip_of_bill",
    "unit_text",
    "visits_to_make",
]
