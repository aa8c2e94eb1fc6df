"""Which recipes a branch changes: the answers are written down here, one scene after the other."""

import hashlib
from pathlib import Path

from ci.conftest import Scratch

from dcql.ci.changed import affected, find_repository

POOL = "SELECT uid FROM pool WHERE width > 1;\n"


def of_import(path: str) -> str:
    return f"IMPORT '{path}' AS base;\nSELECT uid FROM base;\n"


def chosen(base: str) -> set[str]:
    repository = find_repository(Path())
    return set(affected(repository, repository.changed(repository.base(base))))


def repository(scratch: Scratch) -> None:
    """Recipes of which some read others: chain.dcql reads far.dcql through near.dcql, in other folders."""
    words = hashlib.sha256(b"photo\n").hexdigest()
    scratch.write("words.txt", "photo\n")
    scratch.write("alone.dcql", POOL)
    scratch.write("of_words.dcql", f"SET w FROM 'words.txt' SHA256 '{words}';\nSELECT uid FROM pool WHERE text IN w;\n")
    scratch.write("parts/deep/far.dcql", POOL)
    scratch.write("parts/near.dcql", of_import("deep/far.dcql"))
    scratch.write("chain.dcql", of_import("./parts/near.dcql"))
    scratch.write("not_a_recipe.txt", "x")
    scratch.commit()
    scratch.git("switch", "-q", "-c", "branch")


def test_nothing_changed(scratch: Scratch) -> None:
    repository(scratch)
    assert chosen("main") == set()


def test_the_text_of_a_recipe(scratch: Scratch) -> None:
    repository(scratch)
    scratch.write("alone.dcql", POOL.replace("1", "2"))
    assert chosen("main") == {"alone.dcql"}  # not yet committed
    scratch.commit()
    assert chosen("main") == {"alone.dcql"}


def test_a_lock_alone(scratch: Scratch) -> None:
    repository(scratch)
    scratch.write("parts/near.lock", "x")
    assert chosen("main") == {"parts/near.dcql"}


def test_those_that_import_it_at_any_depth(scratch: Scratch) -> None:
    repository(scratch)
    scratch.write("parts/deep/far.dcql", POOL.replace("1", "2"))
    assert chosen("main") == {"parts/deep/far.dcql", "parts/near.dcql", "chain.dcql"}


def test_an_import_that_is_gone(scratch: Scratch) -> None:
    repository(scratch)
    scratch.git("rm", "-q", "parts/deep/far.dcql")
    assert chosen("main") == {"parts/near.dcql", "chain.dcql"}


def test_a_file_that_a_recipe_reads(scratch: Scratch) -> None:
    repository(scratch)
    scratch.write("words.txt", "drawing\n")
    scratch.write("not_a_recipe.txt", "y")
    assert chosen("main") == {"of_words.dcql"}


def test_a_new_recipe_that_git_does_not_know_yet(scratch: Scratch) -> None:
    repository(scratch)
    scratch.write("new.dcql", POOL)
    scratch.write(".gitignore", "ignored.dcql\n")
    scratch.write("ignored.dcql", POOL)
    assert chosen("main") == {"new.dcql"}


def test_one_that_cannot_be_parsed(scratch: Scratch) -> None:
    repository(scratch)
    scratch.write("alone.dcql", "SELECT\n")
    assert chosen("main") == {"alone.dcql"}


def test_what_the_base_changed_since_is_not_ours(scratch: Scratch) -> None:
    repository(scratch)
    scratch.write("alone.dcql", POOL.replace("1", "2"))
    scratch.commit()
    scratch.git("switch", "-q", "main")
    scratch.write("chain.dcql", POOL)
    scratch.commit()
    scratch.git("switch", "-q", "branch")
    assert chosen("main") == {"alone.dcql"}


def test_names_that_git_would_quote(scratch: Scratch) -> None:
    repository(scratch)
    scratch.write('a folder/é "x".dcql', POOL)
    scratch.commit()
    assert chosen("main") == {'a folder/é "x".dcql'}
