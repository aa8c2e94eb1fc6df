"""Every way to tamper with a submission is found, and what differs is named.

A row says what is tampered with, the code, and words that the message must hold; tests/runtime/submission/messages/ has
the message as it is drawn. Where a forger would go on, writing every later hash anew, the row does so too: what is
found is then found by computing it again, not by comparing two files.
"""

from . import selection, training, evaluation, entry  # isort: skip  # in the order of the chain
from .rows import ROWS, Row

__all__ = ["ROWS", "Row", "entry", "evaluation", "selection", "training"]
