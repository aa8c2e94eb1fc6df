"""Patterns are checked when a recipe is, not when it runs."""

MAX_PATTERN = 2_000
TOO_LONG = f"longer than {MAX_PATTERN:,} characters"


def check_pattern(pattern: str) -> str | None:
    """Return what is wrong with a pattern, or None. RE2 reads it, by way of pyarrow, which carries it."""
    if len(pattern) > MAX_PATTERN:
        return TOO_LONG
    # Imported here because few recipes hold a pattern, and `dcql check` starts faster without.
    import pyarrow
    import pyarrow.compute

    try:
        pyarrow.compute.match_substring_regex(pyarrow.array([""]), pattern)
    except pyarrow.ArrowInvalid as error:
        return str(error).removeprefix("Invalid regular expression: ").splitlines()[0]
    return None
