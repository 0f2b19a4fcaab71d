"""The one exception that a user is meant to see."""


class UserError(Exception):
    """One sentence that names the file, key or value at fault and says what to do."""
