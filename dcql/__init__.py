"""dcql: a declarative data-recipe compiler with a SQL frontend.

run = dcql.run("recipes/clip30.dcql", "my_pool")
run.hash                    # "dcql1:..."
run.subset.save("subset.npy")
"""

from typing import TYPE_CHECKING, Any

from dcql.compiler import Compiled, Run, check, compile, run
from dcql.errors import DcqlError, Diagnostic

if TYPE_CHECKING:
    from dcql.subset import Subset

__version__ = "0.1.0"

__all__ = ["Compiled", "DcqlError", "Diagnostic", "Run", "Subset", "check", "compile", "run"]


def __getattr__(name: str) -> Any:
    # numpy takes longer to import than a recipe takes to check.
    if name == "Subset":
        from dcql.subset import Subset

        return Subset
    raise AttributeError(f"module 'dcql' has no attribute {name!r}")
