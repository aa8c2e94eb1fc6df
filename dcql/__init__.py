"""dcql: a declarative data-recipe compiler with a SQL frontend.

    run = dcql.run("recipes/clip30.dcql", "my_pool")
    run.hash                    # "dcql1:..."
    run.subset.save("subset.npy")
"""

from dcql.compiler import Compiled, Run, check, compile, run
from dcql.errors import DcqlError, Diagnostic
from dcql.subset import Subset

__version__ = "0.1.0"

__all__ = ["Compiled", "DcqlError", "Diagnostic", "Run", "Subset", "check", "compile", "run"]
