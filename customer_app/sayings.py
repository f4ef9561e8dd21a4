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
}
