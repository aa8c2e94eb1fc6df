"""The error for packages that come with an extra of dcql and are not installed."""

from dcql.errors import Diagnostic, RunError


def missing(model: str, extra: str, error: ImportError) -> RunError:
    """Return the error that `model` needs the packages of `extra`, of which one could not be imported.

    `extra` is empty for those that dcql itself comes with.
    """
    wanted = f"dcql[{extra}]" if extra else "dcql"
    reason = f"package `{error.name}` is not installed" if error.name else str(error).splitlines()[0]
    return RunError(
        Diagnostic(
            "E0640",
            f"`{model}` needs packages that are not installed",
            None,
            reason,
            (f"install them: `pip install -c constraints.txt '{wanted}'`",),
        )
    )
