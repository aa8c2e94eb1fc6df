"""What is said of a node that does not see what the others do."""

import errno
import hashlib
import re
import shutil
import socket
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import pools
import pytest
from cluster.posted import Posted, posted
from features.own import own_model, recipe_file
from pools.featured import write_named

import dcql
from dcql.engine import shared_store
from dcql.engine.add import add
from dcql.engine.cluster.adding import take_in_by
from dcql.engine.cluster.doing import Cluster
from dcql.engine.cluster.features import spread_over
from dcql.engine.cluster.work import Item
from dcql.engine.features.report import Computing
from dcql.errors import RunError
from dcql.source import Source

ERRORS = Path(__file__).parent / "errors"
LENGTH = "def load(weights, assets, options):\n    return lambda texts: [len(text or '') for text in texts]\n"


def pool(tmp: Path) -> Path:
    pools.write(pools.base(60, 3), tmp / "pool", layout=pools.Layout(files=2))
    return tmp / "pool"


def only_once(do: Callable[[Item], None]) -> Callable[[Item], None]:
    done: list[Item] = []

    def before(item: Item) -> None:
        if not done:
            done.append(item)
            do(item)

    return before


def no_store(tmp: Path, patch: pytest.MonkeyPatch) -> None:
    """The node has a folder of the same name, and what a command left there at another time."""

    def another(item: Item) -> None:
        for mark in (tmp / "home" / "locks").glob(".cluster.*"):
            mark.write_text("0" * 32)

    add("p", pool(tmp), elsewhere=take_in_by(posted(another)))


def file_unseen(tmp: Path, patch: pytest.MonkeyPatch) -> None:
    folder = pool(tmp)
    patch.setattr("dcql.engine.shared_pool.current_size", lambda file: None)
    patch.setattr("dcql.engine.cluster.adding.refuse_change", lambda footer: None)  # here it is seen
    add("p", folder, elsewhere=take_in_by(posted()))


def another_file(tmp: Path, patch: pytest.MonkeyPatch) -> None:
    folder = pool(tmp)
    add("p", folder)

    def older(item: Item) -> None:
        pools.write(pools.base(61, 3), folder, layout=pools.Layout(files=2))

    compute(tmp, posted(only_once(older)))


def weights_elsewhere(tmp: Path, patch: pytest.MonkeyPatch) -> None:
    """The package with the weights is installed here, and not there."""
    add("p", pool(tmp))

    def uninstalled(item: Item) -> None:
        patch.setattr("dcql.engine.features.by_file.weights_path", lambda weights: None)

    spread = spread_over(posted(uninstalled))
    dcql.run(Source("langs", "SELECT uid FROM pool WHERE lang = 'en'"), "p", computing=Computing(spread=spread))


def assets_elsewhere(tmp: Path, patch: pytest.MonkeyPatch) -> None:
    add("p", pool(tmp))
    (tmp / "words.txt").write_text("dog\n", encoding="utf-8")
    sha256 = hashlib.sha256((tmp / "words.txt").read_bytes()).hexdigest()
    text = f"ASSET mine FROM 'words.txt' SHA256 '{sha256}';\nFEATURE dogs BOOL USING word_list(text, mine);\n"
    path = recipe_file(tmp, f"{text}SELECT uid FROM pool WHERE dogs;\n")
    spread = spread_over(posted(lambda item: (tmp / "words.txt").unlink(missing_ok=True)))
    dcql.run(path, "p", computing=Computing(spread=spread))


def no_gpu(tmp: Path, patch: pytest.MonkeyPatch) -> None:
    write_named("many_scripts", tmp / "pool")
    add("p", tmp / "pool")
    computing = Computing(device="cuda", spread=spread_over(posted()))
    dcql.run(Source("clusters", "SELECT uid FROM pool WHERE image_cluster = 1"), "p", computing=computing)


def disk_full_while_adding(tmp: Path, patch: pytest.MonkeyPatch) -> None:
    folder = pool(tmp)
    patch.setattr("dcql.engine.taking.take_in", no_space)
    add("p", folder, elsewhere=take_in_by(posted()))


def disk_full_while_computing(tmp: Path, patch: pytest.MonkeyPatch) -> None:
    add("p", pool(tmp))
    compute(tmp, posted(lambda item: patch.setattr("dcql.engine.features.files.pq.write_table", no_space)))


def no_space(*_: object, **__: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def stored_unseen(tmp: Path, patch: pytest.MonkeyPatch) -> None:
    add("p", pool(tmp))
    patch.setattr(shared_store, "_PATIENCE", 0.01)

    class Forgetful(Posted):
        def attempts(self, work, items):  # type: ignore[no-untyped-def]
            for item, attempt in super().attempts(work, items):
                shutil.rmtree(item.given.stored.folder / item.given.key)
                yield item, attempt

    compute(tmp, Cluster(Forgetful()))


def compute(tmp: Path, cluster: Cluster) -> None:
    model = own_model(tmp, "length", LENGTH, "caption TEXT", "INT")
    recipe = f"{model.statement}FEATURE long INT USING length(text);\nSELECT uid FROM pool WHERE long > 9;\n"
    computing = Computing(own_code=True, spread=spread_over(cluster), max_failures=Fraction(1))
    dcql.run(recipe_file(tmp, recipe), "p", computing=computing)


CASES = {
    "E0713_disk_full_while_computing": disk_full_while_computing,
    "E0783_disk_full_while_adding": disk_full_while_adding,
    "E0790_no_store": no_store,
    "E0791_file_unseen": file_unseen,
    "E0787_another_file": another_file,
    "E0793_weights_elsewhere": weights_elsewhere,
    "E0793_assets_elsewhere": assets_elsewhere,
    "E0794_no_gpu": no_gpu,
    "E0795_stored_unseen": stored_unseen,
}


@pytest.mark.parametrize("name", CASES)
def test_message(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, update: bool) -> None:
    monkeypatch.setenv("DCQL_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(RunError) as caught:
        CASES[name](tmp_path, monkeypatch)
    assert caught.value.diagnostics[0].code == name[:5]
    said = str(caught.value).replace(str(tmp_path), "<tmp>").replace(socket.gethostname(), "<node>") + "\n"
    said = re.sub(r"process \d+", "process <id>", said)
    said = re.sub(r"(?<=features/)[0-9a-f]{32}/\w+", "<id>/<key>", said)
    expected = ERRORS / f"{name}.txt"
    if update:
        expected.parent.mkdir(exist_ok=True)
        expected.write_text(said, encoding="utf-8", newline="\n")
    assert said == expected.read_text(encoding="utf-8")
    assert not list((tmp_path / "home" / "locks").glob(".cluster.*"))
