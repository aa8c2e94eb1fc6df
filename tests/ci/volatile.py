"""A recipe with a model of its own that answers otherwise each time it is asked."""

import hashlib

from ci.conftest import Scratch

MODEL = """
import time


def load(weights, assets, options):
    def answer(uids, texts):
        return [time.monotonic_ns() // 1000 % 251 for uid in uids]

    return answer
"""


def volatile(scratch: Scratch, path: str) -> None:
    """Write the model and a recipe that selects by it, formatted."""
    from dcql.source import Source
    from dcql.syntax.formatter import formatted

    scratch.write("moment.py", MODEL)
    digest = hashlib.sha256(MODEL.encode()).hexdigest()
    model = f"MODEL moment(uid TEXT, caption TEXT) RETURNS INT VERSION 1 FROM 'moment.py' SHA256 '{digest}';"
    text = f"{model}\nFEATURE now INT USING moment(uid, text);\nSELECT uid FROM pool WHERE now >= q(0.5);"
    scratch.write(path, formatted(Source(path, text)))
