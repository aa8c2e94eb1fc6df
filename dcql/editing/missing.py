"""The error for the packages that the language server needs."""

from dcql.errors import Diagnostic, RunError


def missing(error: ImportError) -> RunError:
    """Return the error that a package of the extra `lsp` could not be imported."""
    package = (error.name or "").split(".")[0]
    reason = f"package `{package}` is not installed" if package else str(error).splitlines()[0]
    help_ = "install it: `pip install -c constraints.txt 'dcql[lsp]'`"
    return RunError(
        Diagnostic("E1551", "the language server needs packages that are not installed", None, reason, (help_,))
    )
