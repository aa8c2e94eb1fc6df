"""Makes torchvision importable beside a torch without CUDA.

The wheel of torchvision on PyPI is built for CUDA. Beside a torch for CPUs its library cannot be loaded, which is
silent, and the import then fails because two operators are unknown. Declaring them is enough: open_clip uses neither.
"""

import importlib.util
from pathlib import Path
from typing import Any

# Declarations end with the object that made them.
_declared: Any = None


def apply() -> bool:
    """Declare what torchvision misses; return whether that was needed. Call before torchvision is first imported.

    Raises ImportError where torch or torchvision is not installed.
    """
    global _declared
    import torch

    found = importlib.util.find_spec("torchvision")
    if found is None or found.origin is None:
        raise ImportError("No module named 'torchvision'", name="torchvision")
    if _declared is not None:
        return False
    folder = Path(found.origin).parent
    for library in sorted([*folder.glob("_C*.so"), *folder.glob("_C*.pyd")]):
        try:
            torch.ops.load_library(library)
        except OSError:
            continue
        return False
    _declared = torch.library.Library("torchvision", "FRAGMENT")
    for name in ("nms", "qnms"):
        if not hasattr(torch.ops.torchvision, name):
            _declared.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    return True
