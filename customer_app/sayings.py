"""Short messages shown once after a form was sent; the address carries only their name."""

from kernel.i18n import mark

SAYINGS = {
    "signed-out": mark("You are signed out."),
    "password-changed": mark("Your password is changed."),
    "confirmed": mark("Thank you. The repair is closed."),
    "reopened": mark("Thank you for telling us. The repair is open again."),
    "amount-changed": mark("What you owe has changed meanwhile. Please look again."),
    "card-away": mark("The card provider cannot be reached just now. Nothing was charged; please try again."),
    "saved": mark("Saved."),
    "ticket-taken": mark("The ticket is yours."),
    "ticket-started": mark("Work has begun; the customers concerned were told."),
    "ticket-promised": mark("The promised time is changed."),
    "ticket-released": mark("The ticket can be taken by another crew."),
    "ticket-finished": mark("Well done. The customers were told and confirm."),
    "work-announced": mark("The work is announced; those whom it touches were told."),
    "work-changed": mark("Noted; everybody concerned sees it now."),
    "letters-printed": mark("Noted: these letters are in the post."),
    "payment-taken": mark("The payment is taken."),
    "hold-set": mark("Collection is held from now on."),
    "visit-recorded": mark("The visit is recorded."),
    "payment-cleared": mark("The payment is cleared."),
    "hold-released": mark("The hold is lifted."),
    "agreement-opened": mark("The agreement is opened."),
    "agreement-closed": mark("The agreement is closed."),
    "command-queued": mark("The order is on its way; its answer shows here."),
}
