"""dcql: a declarative data-recipe compiler with a SQL frontend.

run = dcql.run("recipes/clip30.dcql", "my_pool")
run.hash                    # "dcql1:..."
run.subset.save("subset.npy")
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dcql.compiler import Compiled, Run, check, compile, run
    from dcql.engine.features.report import Computing
    from dcql.errors import DcqlError, Diagnostic
    from dcql.subset import Subset

__version__ = "0.1.0"

__all__ = ["Compiled", "Computing", "DcqlError", "Diagnostic", "Run", "Subset", "check", "compile", "run"]

# Read at first use, so that the command line answers at once and one module of dcql does not import the others.
_HOMES = {
    "Computing": "dcql.engine.features.report",
    "DcqlError": "dcql.errors",
    "Diagnostic": "dcql.errors",
    "Subset": "dcql.subset",
}


def load_ipython_extension(shell: Any) -> None:
    """Add the magic `%%dcql` to IPython or Jupyter: `%load_ext dcql` calls this."""
    import_module("dcql.notebook.magic").load(shell)


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'dcql' has no attribute {name!r}")
    return getattr(import_module(_HOMES.get(name, "dcql.compiler")), name)
