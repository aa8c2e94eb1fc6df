"""The benchmark of scale, on a pool of a few thousand samples: its recipes give what numpy alone says they do."""

import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARK = Path(__file__).parent.parent / "benchmarks" / "scale.py"


@pytest.mark.slow
def test_every_hash_is_the_oracles(tmp_path: Path) -> None:
    words = [sys.executable, str(BENCHMARK), str(tmp_path), "--rows", "5000", "7000", "--repeats", "1"]
    words += ["--dcql", f"{sys.executable} -m dcql"]
    done = subprocess.run(words, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Every hash of every run is the oracle's." in done.stdout
    predicted = subprocess.run([*words[:3], "--predict", *words[-2:]], capture_output=True, text=True)
    assert "128,000,000, predicted" in predicted.stdout
