"""The one exception of the oracle."""


class OracleError(Exception):
    """Say that a recipe is refused, with the phase code the specification assigns ('E01' .. 'E08')."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
