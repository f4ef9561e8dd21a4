"""What is said when the registry does not hold what was named."""


class NotInRegistry(Exception):
    """The registry of this utility holds no such row."""


class UtilityUnknown(NotInRegistry):
    """No utility has this code."""


class PartyUnknown(NotInRegistry):
    """The utility has no such party."""


class AccountUnknown(NotInRegistry):
    """The utility has no such account."""


class AgreementUnknown(NotInRegistry):
    """The utility has no such agreement."""


class PointUnknown(NotInRegistry):
    """The utility has no such point."""


class MeterUnknown(NotInRegistry):
    """The utility has no such meter."""


class LoginUnknown(NotInRegistry):
    """The utility has no such login."""


class PlannedWorkUnknown(NotInRegistry):
    """The utility has no such planned work, or it is over."""


class NoticeUnknown(NotInRegistry):
    """The party has no such notice."""


class ChannelUnknown(NotInRegistry):
    """The party has no such contact channel."""


class ZoneUnknown(NotInRegistry):
    """The utility has no such zone."""
