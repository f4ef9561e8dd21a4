"""What other packages may do here; each name is made in a module of this package."""

from rating_engine.domain.allocation import Share
from rating_engine.domain.collections_policy import CollectionPolicy, HoldKind, PolicyUnusable, default_policy
from rating_engine.domain.cycles import CycleUnusable
from rating_engine.domain.ledger import EntryUnbalanced, JournalEntry, JournalLine
from rating_engine.domain.payments import Channel, PaymentRow, PaymentUnusable
from rating_engine.domain.suspension import MoveUnknown
from rating_engine.domain.yaml_reader import DocumentInvalid
from rating_engine.domain.zengin import DebitClient, FieldTooLong, KanaUnwritable, ZenginUnreadable
from rating_engine.operations.bill_runs import (
    BillRun,
    BillRunReport,
    ChunkReport,
    DueRun,
    RatingDisagrees,
    ServiceNotBilled,
    begin_run,
    bill_chunk,
    due_runs,
    finish_run,
    run_bills,
)
from rating_engine.operations.billing import Excluded
from rating_engine.operations.card_clearing import ClearingUnknown, clear_card_payment, keep_to_clear
from rating_engine.operations.card_payments import Settled, begin_card_payment, settle_card_notification
from rating_engine.operations.collections import (
    Advanced,
    HoldUnusable,
    accounts_due_for_collection,
    advance_collections,
    decide_policy,
    release_hold,
    set_hold,
)
from rating_engine.operations.corrections import BillStands, NotBillable, cancel_bill, rebill
from rating_engine.operations.debit import (
    DebitClientMissing,
    DebitRequest,
    DebitResultPosted,
    DebitResultRefused,
    load_mandates,
    place_debit_files,
    post_debit_result,
    write_debit_file,
)
from rating_engine.operations.issuing import Issued
from rating_engine.operations.ledger import post, post_all
from rating_engine.operations.payments import PaymentConflict, PaymentTaken, apply_advance, take_payment, take_payments
from rating_engine.operations.suspensions import SuspensionRefused, re_evaluate, record_visit, release_guard
from rating_engine.operations.tariffs import TariffUnknown, publish_tariff
from rating_engine.store.bills import AlreadyBilled, AlreadyCancelled, BillUnknown
from rating_engine.store.collections import HoldUnknown
from rating_engine.store.debit import Mandate, MandateOverlaps
from rating_engine.store.ledger import EntryAlreadyPosted
from rating_engine.store.payments import AccountMissing, Intent, IntentUnknown
from rating_engine.store.suspensions import SuspensionUnknown
from rating_engine.store.tariffs import VersionTaken

__all__ = [
    "AccountMissing",
    "Advanced",
    "AlreadyBilled",
    "AlreadyCancelled",
    "BillRun",
    "BillRunReport",
    "BillStands",
    "BillUnknown",
    "Channel",
    "ChunkReport",
    "ClearingUnknown",
    "CollectionPolicy",
    "CycleUnusable",
    "DebitClient",
    "DebitClientMissing",
    "DebitRequest",
    "DebitResultPosted",
    "DebitResultRefused",
    "DocumentInvalid",
    "DueRun",
    "EntryAlreadyPosted",
    "EntryUnbalanced",
    "Excluded",
    "FieldTooLong",
    "HoldKind",
    "HoldUnknown",
    "HoldUnusable",
    "Intent",
    "IntentUnknown",
    "Issued",
    "JournalEntry",
    "JournalLine",
    "KanaUnwritable",
    "Mandate",
    "MandateOverlaps",
    "MoveUnknown",
    "NotBillable",
    "PaymentConflict",
    "PaymentRow",
    "PaymentTaken",
    "PaymentUnusable",
    "PolicyUnusable",
    "RatingDisagrees",
    "ServiceNotBilled",
    "Settled",
    "Share",
    "SuspensionRefused",
    "SuspensionUnknown",
    "TariffUnknown",
    "VersionTaken",
    "ZenginUnreadable",
    "accounts_due_for_collection",
    "advance_collections",
    "apply_advance",
    "begin_card_payment",
    "begin_run",
    "bill_chunk",
    "cancel_bill",
    "clear_card_payment",
    "decide_policy",
    "default_policy",
    "due_runs",
    "finish_run",
    "keep_to_clear",
    "load_mandates",
    "place_debit_files",
    "post",
    "post_all",
    "post_debit_result",
    "publish_tariff",
    "re_evaluate",
    "rebill",
    "record_visit",
    "release_guard",
    "release_hold",
    "run_bills",
    "set_hold",
    "settle_card_notification",
    "take_payment",
    "take_payments",
    "write_debit_file",
]
