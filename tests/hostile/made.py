"""Hostile cases that no text file could hold: each makes its files in a folder and returns the arguments of `dcql`.

What the command says is in messages/, under the name of the function. POOL is the pool's folder, SECRET that of what
nobody may read.
"""

import io
import json
import os
import pickle
import struct
import tarfile
import zipfile
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import numpy as np
from pool.samples import uid

from dcql.subset import UID

from .made_pools import POOLS, on_own, pool_of
from .made_tables import TABLES

Arguments = list[str]
COUNT: Arguments = ["count", "recipe.dcql", "--pool", "POOL"]
NPY = b"\x93NUMPY\x01\x00"


def recipe(folder: Path, text: str) -> Arguments:
    """Write recipe.dcql; return the arguments that count it on the pool."""
    (folder / "recipe.dcql").write_text(text, encoding="utf-8", newline="\n")
    return [*COUNT]


def set_of(folder: Path, content: bytes) -> Arguments:
    """Write a set of uids of this content, and a recipe with its right digest."""
    (folder / "s.npy").write_bytes(content)
    digest = sha256(content).hexdigest()
    return recipe(folder, f"SET s FROM 's.npy' SHA256 '{digest}';\nSELECT uid FROM pool WHERE uid IN s;\n")


def model(*lines: str) -> str:
    """Return the code of a model whose answer is these lines; `given` are its inputs."""
    body = "\n        ".join(lines)
    return f"def load(weights, assets, options):\n    def answer(given):\n        {body}\n    return answer\n"


def npy(described: str, values: bytes = b"") -> bytes:
    """Return a .npy with this text as its header."""
    text = described.encode("latin1")
    text += b" " * (-(len(NPY) + 2 + len(text) + 1) % 64) + b"\n"
    return NPY + struct.pack("<H", len(text)) + text + values


# --- text that is too much --------------------------------------------------------------------------------------------


def two_megabytes(folder: Path) -> Arguments:
    return recipe(folder, "-- " + "a" * 2_000_000 + "\nSELECT uid FROM pool;\n")


def list_of_values(folder: Path) -> Arguments:
    values = ", ".join(map(str, range(60_000)))
    return recipe(folder, f"SELECT uid FROM pool WHERE width IN ({values});\n")


def chain_of_operands(folder: Path) -> Arguments:
    return recipe(folder, "SELECT uid FROM pool WHERE " + " OR ".join(["width = 1"] * 20_000) + ";\n")


def many_thresholds(folder: Path) -> Arguments:
    thresholds = " OR ".join(f"clip_l14 >= q({number}/1000)" for number in range(1, 1000))
    return recipe(folder, f"SELECT uid FROM pool WHERE {thresholds};\n")


def many_signs(folder: Path) -> Arguments:
    return recipe(folder, "SELECT uid FROM pool WHERE " + "- " * 1000 + "width > 0;\n")


def many_parentheses(folder: Path) -> Arguments:
    return recipe(folder, "SELECT uid FROM pool WHERE " + "(" * 400_000 + ";\n")


def pattern_that_is_long(folder: Path) -> Arguments:
    return recipe(folder, "SELECT uid FROM pool WHERE caption LIKE '" + "%_" * 10_000 + "';\n")


def set_with_a_long_name(folder: Path) -> Arguments:
    return recipe(folder, f"SET s FROM '{'a' * 300}' SHA256 '{'0' * 64}';\nSELECT uid FROM pool WHERE caption IN s;\n")


def nul_in_the_text(folder: Path) -> Arguments:
    return recipe(folder, "SELECT uid FROM pool WHERE caption = 'a\0b';\n")


def not_utf_8(folder: Path) -> Arguments:
    (folder / "recipe.dcql").write_bytes(b"SELECT uid FROM pool WHERE caption = '\xff\xfe';\n")
    return [*COUNT]


def imports_that_double(folder: Path) -> Arguments:
    for number in range(40):
        twice = "".join(f"IMPORT 'r{number + 1}.dcql' AS {name};\n" for name in "ab")
        (folder / f"r{number}.dcql").write_text(twice + "SELECT uid FROM a UNION SELECT uid FROM b;\n")
    (folder / "r40.dcql").write_text("SELECT uid FROM pool;\n")
    return recipe(folder, "IMPORT 'r8.dcql' AS a;\nSELECT uid FROM a;\n")


def imports_that_are_deep(folder: Path) -> Arguments:
    for number in range(40):
        (folder / f"r{number}.dcql").write_text(f"IMPORT 'r{number + 1}.dcql' AS a;\nSELECT uid FROM a;\n")
    (folder / "r40.dcql").write_text("SELECT uid FROM pool;\n")
    return recipe(folder, "IMPORT 'r0.dcql' AS a;\nSELECT uid FROM a;\n")


# --- arrays that lie --------------------------------------------------------------------------------------------------


class _Evil:
    """What a pickle of it would do."""

    def __reduce__(self) -> tuple[Callable[[str], int], tuple[str]]:
        return os.system, ("touch pickled",)


def set_that_is_pickled(folder: Path) -> Arguments:
    header = npy("{'descr': '|O', 'fortran_order': False, 'shape': (1,), }")
    return set_of(folder, header + pickle.dumps([_Evil()]))


def set_of_more_than_it_holds(folder: Path) -> Arguments:
    described = "{'descr': [('f0', '<u8'), ('f1', '<u8')], 'fortran_order': False, 'shape': (1152921504606846976,), }"
    return set_of(folder, npy(described, bytes(16)))


def set_of_less_than_nothing(folder: Path) -> Arguments:
    described = "{'descr': [('f0', '<u8'), ('f1', '<u8')], 'fortran_order': False, 'shape': (-1,), }"
    return set_of(folder, npy(described, bytes(16)))


def set_of_many_dimensions(folder: Path) -> Arguments:
    shape = ", ".join(["1"] * 60)
    described = f"{{'descr': [('f0', '<u8'), ('f1', '<u8')], 'fortran_order': False, 'shape': ({shape}), }}"
    return set_of(folder, npy(described, bytes(16)))


def set_in_fortran_order(folder: Path) -> Arguments:
    described = "{'descr': [('f0', '<u8'), ('f1', '<u8')], 'fortran_order': True, 'shape': (2, 2), }"
    return set_of(folder, npy(described, bytes(64)))


def set_whose_header_is_code(folder: Path) -> Arguments:
    return set_of(folder, npy("__import__('os').system('touch executed')", bytes(16)))


def set_whose_header_is_deep(folder: Path) -> Arguments:
    return set_of(folder, npy("(" * 3000 + ")" * 3000, bytes(16)))


def set_whose_header_is_long(folder: Path) -> Arguments:
    return set_of(folder, npy("{'descr': '<u8', 'shape': (" + "1," * 30_000 + ")}"))


def set_of_another_version(folder: Path) -> Arguments:
    return set_of(folder, b"\x93NUMPY\x09\x00" + bytes(100))


def set_out_of_order(folder: Path) -> Arguments:
    held = np.zeros(2, UID)
    held["f0"] = (5, 3)
    stream = io.BytesIO()
    np.save(stream, held)
    return set_of(folder, stream.getvalue())


def set_of_a_nested_type(folder: Path) -> Arguments:
    described = (
        "{'descr': [('a', [('b', [('c', '<u8', (1000, 1000, 1000))])])], 'fortran_order': False, 'shape': (1,), }"
    )
    return set_of(folder, npy(described, bytes(16)))


def asset_of_more_than_it_holds(folder: Path) -> Arguments:
    content = npy("{'descr': '<f4', 'fortran_order': False, 'shape': (1000000000, 1000000000), }", bytes(64))
    return _asset(folder, content)


def asset_that_is_pickled(folder: Path) -> Arguments:
    return _asset(folder, npy("{'descr': '|O', 'fortran_order': False, 'shape': (1,), }") + pickle.dumps([_Evil()]))


def asset_of_numbers_without_end(folder: Path) -> Arguments:
    (folder / "a.txt").write_text("9" * 5000 + "\n")
    digest = sha256((folder / "a.txt").read_bytes()).hexdigest()
    text = f"ASSET a FROM 'a.txt' SHA256 '{digest}';\nFEATURE f TEXT USING fasttext_lid(caption);\n"
    return recipe(folder, text + "SELECT uid FROM pool WHERE width IN a;\n")


def _asset(folder: Path, content: bytes) -> Arguments:
    (folder / "a.npy").write_bytes(content)
    digest = sha256(content).hexdigest()
    return recipe(folder, f"ASSET a FROM 'a.npy' SHA256 '{digest}';\nSELECT uid FROM pool WHERE width IN a;\n")


# --- embeddings and tars of a pool ------------------------------------------------------------------------------------


def pool_whose_embeddings_are_compressed(folder: Path) -> Arguments:
    """A zip of ten thousand bytes that unpacks to ten million."""
    path = pool_of(folder)
    np.savez_compressed(path.with_suffix(".npz"), l14_img=np.zeros((200, 50_000), np.float32))
    return _embedded(folder)


def pool_whose_embeddings_lie(folder: Path) -> Arguments:
    """The zip's directory says that an array has 2^40 rows."""
    path = pool_of(folder)
    with zipfile.ZipFile(path.with_suffix(".npz"), "w") as archive:
        described = "{'descr': '<f2', 'fortran_order': False, 'shape': (1099511627776, 768), }"
        archive.writestr("l14_img.npy", npy(described, bytes(1536)))
        archive.writestr("../../../secret/planted.npy", b"")
    return _embedded(folder)


def pool_whose_embeddings_are_pickled(folder: Path) -> Arguments:
    path = pool_of(folder)
    np.savez(path.with_suffix(".npz"), l14_img=np.array([_Evil()] * 200, dtype=object))
    return _embedded(folder)


def _embedded(folder: Path) -> Arguments:
    np.save(folder / "a.npy", np.eye(4, 768, dtype=np.float32))
    digest = sha256((folder / "a.npy").read_bytes()).hexdigest()
    text = f"ASSET a FROM 'a.npy' SHA256 '{digest}';\nFEATURE f INT USING nearest(l14_img, a);\n"
    return on_own(folder, text + "SELECT uid FROM pool WHERE f = 1;\n")


def tar_that_leaves_its_folder(folder: Path) -> Arguments:
    members = [
        ("../../../secret/planted.jpg", b"jpg"),
        ("../../../secret/planted.json", b'{"uid": "%s"}' % uid(0).encode()),
    ]
    return _imaged(folder, _tar(members))


def tar_with_links(folder: Path) -> Arguments:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as tar:
        for name, target in (("0.jpg", "../../../secret/secret.txt"), ("0.json", "/etc/passwd")):
            link = tarfile.TarInfo(name)
            link.type, link.linkname = tarfile.SYMTYPE, target
            tar.addfile(link)
    return _imaged(folder, stream.getvalue())


def tar_that_states_a_terabyte(folder: Path) -> Arguments:
    content = bytearray(_tar([("0.jpg", b"jpg")]))
    content[124:136] = b"\x80" + (1 << 40).to_bytes(11, "big")
    content[148:156] = b" " * 8
    content[148:156] = b"%06o\0 " % sum(content[:512])
    return _imaged(folder, bytes(content))


def _tar(members: list[tuple[str, bytes]]) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as tar:
        for name, content in members:
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return stream.getvalue()


def _imaged(folder: Path, tar: bytes) -> Arguments:
    """Return the arguments of a recipe that runs the author's own model on images of this tar."""
    pool_of(folder)
    (folder / "own" / "0.tar").write_bytes(tar)
    code = model("return [None if one is None else len(one) for one in given]")
    (folder / "m.py").write_text(code)
    digest = sha256(code.encode()).hexdigest()
    text = f"MODEL m(image IMAGE) RETURNS INT VERSION 1 FROM 'm.py' SHA256 '{digest}';\nFEATURE f INT USING m(image);\n"
    return [*on_own(folder, text + "SELECT uid FROM pool WHERE f > 0;\n"), "--own-code", "--max-failures", "100"]


# --- models -----------------------------------------------------------------------------------------------------------


def failures_that_draw(folder: Path) -> Arguments:
    """What a model says of a sample is text of a stranger."""
    code = model("raise ValueError('\\x1b[2J\\u202e<b>' + 'x')")
    return _own_model(folder, code)


def model_that_never_ends(folder: Path) -> Arguments:
    code = model("while True: pass")
    return [*_own_model(folder, code), "--limits", "time=2"]


def model_that_takes_memory(folder: Path) -> Arguments:
    """Each process has the bound of the command: what the model asks for fails in the model."""
    code = model("return [len(bytearray(2 * 10**9)) for one in given]")
    return [*_own_model(folder, code), "--limits", "time=60,memory=300MB"]


def _own_model(folder: Path, code: str) -> Arguments:
    (folder / "m.py").write_text(code)
    digest = sha256(code.encode()).hexdigest()
    text = (
        f"MODEL m(caption TEXT) RETURNS INT VERSION 1 FROM 'm.py' SHA256 '{digest}';\nFEATURE f INT USING m(caption);\n"
    )
    return [*recipe(folder, text + "SELECT uid FROM pool WHERE f > 0;\n"), "--own-code"]


# --- what is recorded -------------------------------------------------------------------------------------------------


def run_folder_that_names_a_device(folder: Path) -> Arguments:
    return _recorded(folder, "/dev/zero")


def run_folder_that_is_a_pipe(folder: Path) -> Arguments:
    (folder / "run").mkdir()
    os.mkfifo(folder / "run" / "manifest.json")
    return ["verify", "run"]


def run_folder_that_is_deep(folder: Path) -> Arguments:
    (folder / "run").mkdir()
    (folder / "run" / "manifest.json").write_text("[" * 100_000)
    return ["verify", "run"]


def lock_with_a_number_without_end(folder: Path) -> Arguments:
    return _recorded(folder, "recipe.dcql", keep=f"{'9' * 5000}/7")


def lock_that_divides_by_nothing(folder: Path) -> Arguments:
    return _recorded(folder, "recipe.dcql", keep="1/0")


def _recorded(folder: Path, name: str, keep: str = "3/10") -> Arguments:
    text = "PARAM keep DEFAULT 0.3;\nSELECT uid FROM pool WHERE clip_l14 >= q(1 - keep);\n"
    manifest = {
        "recipe": {"name": name, "text": text},
        "parameters": {"keep": keep},
        "pool": {"name": "small", "fingerprint": None},
        "hash": "dcql1:0", "distinct": 0, "total": 0, "effect": "exact", "thresholds": [],
        "versions": {"semantics": 1, "duckdb": "0", "dcql": "0"},
    }  # fmt: skip
    (folder / "run").mkdir()
    (folder / "run" / "manifest.json").write_text(json.dumps(manifest))
    return ["verify", "run"]


CASES = TABLES | POOLS | {
    name: case
    for name, case in globals().items()
    if callable(case) and not name.startswith("_") and getattr(case, "__module__", "") == __name__
    and name not in ("recipe", "set_of", "model", "npy")
}  # fmt: skip
