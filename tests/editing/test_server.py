"""`dcql lsp` as an editor sees it: a process, spoken to by another implementation of the protocol's client side."""

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from lsprotocol import types as lsp

from dcql.compiler import check
from dcql.engine.add import add
from dcql.errors import RecipeError
from dcql.source import Source
from editing.editor import editing

# Astral signs before what is asked about, and the line ends of Windows.
TEXT = (
    "-- 😀 the pool's larger half\r\n"
    "DEFINE big AS original_width > 5; -- 😀\r\n"
    "SELECT uid FROM pool WHERE text <> '😀😀' AND big AND original_width>=q(0.8)\r\n"
)
LINE = TEXT.split("\r\n")[2]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with the pool `ten`: ten samples, whose widths are 1 to 10."""
    folder = tmp_path_factory.mktemp("ten")
    (folder / "files").mkdir()
    columns = {
        "uid": [f"{i:032x}" for i in range(1, 11)],
        "original_width": list(range(1, 11)),
        "text": ["a", None] * 5,
    }
    pq.write_table(pa.table(columns), folder / "files" / "00000000.parquet")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DCQL_HOME", str(folder / "home"))
        add("ten", folder / "files")
    return folder / "home"


def place(word: str) -> lsp.Position:
    """Return where a word starts in the last line, in units of UTF-16."""
    return lsp.Position(2, len(LINE[: LINE.index(word)].encode("utf-16-le")) // 2)


def test_a_session(home: Path, folder: Path) -> None:
    ended: list[int | None] = []
    asyncio.run(session(home, folder, ended))
    assert ended == [0]


async def session(home: Path, folder: Path, ended: list[int | None]) -> None:
    async with editing(home, {"pool": "ten"}, ended=ended) as editor:
        client = editor.client
        wrong = TEXT.replace("AND big", "AND bigg")
        uri = await editor.checked(folder / "recipe.dcql", wrong)
        named = lsp.TextDocumentIdentifier(uri)

        # The diagnostics of `dcql check`, in the editor's units; what is done of one is what it helps with.
        (told,) = editor.diagnostics[uri]
        with pytest.raises(RecipeError) as caught:
            check(Source("recipe.dcql", wrong))
        (expected,) = caught.value.diagnostics
        assert told.code == expected.code == "E0201"
        assert told.message.split("\n") == [expected.message, expected.label, f"help: {expected.helps[0]}"]
        assert told.range == lsp.Range(place("big"), lsp.Position(2, place("big").character + 4))
        assert told.code_description is not None
        page, _, line = told.code_description.href.partition("#L")
        lines = Path(page.removeprefix("file://")).read_text(encoding="utf-8").split("\n")
        assert lines[int(line) - 1].startswith("### E0201: ")
        context = lsp.CodeActionContext([told])
        actions = await client.text_document_code_action_async(lsp.CodeActionParams(named, told.range, context))
        assert actions
        (action,) = actions
        assert isinstance(action, lsp.CodeAction)
        assert action.edit is not None
        assert action.edit.changes == {uri: (lsp.TextEdit(told.range, "big"),)} or action.edit.changes == {
            uri: [lsp.TextEdit(told.range, "big")]
        }

        # A lint is a warning; its fix is offered by itself, and with all others.
        editor.change(uri, TEXT.replace("AND big", "AND big AND big"))
        await editor.until(lambda: editor.codes(uri) == ["L005"])
        (told,) = editor.diagnostics[uri]
        assert told.severity == lsp.DiagnosticSeverity.Warning
        actions = await client.text_document_code_action_async(lsp.CodeActionParams(named, told.range, context))
        assert actions is not None
        assert [one.kind for one in actions] == [lsp.CodeActionKind.QuickFix, lsp.CodeActionKind.SourceFixAll]

        editor.change(uri, TEXT)
        await editor.until(lambda: editor.diagnostics[uri] == [])

        # Hover: a definition, a column of the pool, and what the condition keeps of it.
        hover = await client.text_document_hover_async(lsp.HoverParams(named, place("big")))
        assert hover is not None
        assert isinstance(hover.contents, lsp.MarkupContent)
        assert "DEFINE big AS original_width > 5" in hover.contents.value
        assert hover.range == lsp.Range(place("big"), lsp.Position(2, place("big").character + 3))
        for _ in range(20):
            hover = await client.text_document_hover_async(lsp.HoverParams(named, place("original_width")))
            assert hover is not None
            assert isinstance(hover.contents, lsp.MarkupContent)
            if "counting on" not in hover.contents.value:
                break
        assert "On `ten`: 0 % NULL of 10 samples" in hover.contents.value
        assert "| 1 | 1 | 1 | 3 | 5 | 8 | 10 | 10 | 10 |" in hover.contents.value
        assert "keeps **30 %** of `ten`: 3 of 10 samples" in hover.contents.value

        completed = await client.text_document_completion_async(lsp.CompletionParams(named, place("big")))
        assert isinstance(completed, lsp.CompletionList)
        labels = [item.label for item in completed.items]
        assert {"big", "original_width", "contains", "english_caption"} <= set(labels)
        assert "clip_l14_similarity_score" not in labels, "the pool has no such column"

        found = await client.text_document_definition_async(lsp.DefinitionParams(named, place("big")))
        assert found == lsp.Location(uri, lsp.Range(lsp.Position(1, 7), lsp.Position(1, 10)))
        both = await client.text_document_references_async(
            lsp.ReferenceParams(lsp.ReferenceContext(True), named, place("big"))
        )
        assert both is not None
        assert [one.range.start for one in both] == [lsp.Position(1, 7), place("big")]
        renamed = await client.text_document_rename_async(lsp.RenameParams(named, place("big"), "large"))
        assert renamed is not None
        assert renamed.changes is not None
        assert [edit.new_text for edit in renamed.changes[uri]] == ["large", "large"]
        symbols = await client.text_document_document_symbol_async(lsp.DocumentSymbolParams(named))
        assert symbols is not None
        assert [(one.name, one.kind) for one in symbols] == [("big", lsp.SymbolKind.Function)]

        options = lsp.FormattingOptions(4, True)
        edits = await client.text_document_formatting_async(lsp.DocumentFormattingParams(named, options))
        assert edits
        assert "AND original_width >= q(0.8)" in edits[0].new_text
        assert edits[0].new_text.endswith("\r\n")
        editor.change(uri, TEXT + "(", 3)
        await editor.until(lambda: editor.codes(uri) != [])
        assert not await client.text_document_formatting_async(lsp.DocumentFormattingParams(named, options))

        client.text_document_did_close(lsp.DidCloseTextDocumentParams(named))
        await editor.until(lambda: editor.diagnostics[uri] == [])
        assert editor.messages == []


def test_every_error_of_a_file_and_of_its_imports(home: Path, folder: Path) -> None:
    asyncio.run(imports(home, folder))


async def imports(home: Path, folder: Path) -> None:
    (folder / "base.dcql").write_text("SELECT uid FROM pool WHERE nothing > 1;\n", encoding="utf-8")
    base = (folder / "base.dcql").as_uri()
    # A pool that is not there is told of once, and the columns of DataComp take its place.
    async with editing(home, None, ("--pool", "missing")) as editor:
        own = await editor.checked(
            folder / "recipe.dcql",
            "IMPORT './base.dcql' AS base;\nDEFINE a AS one > 1;\n"
            "SELECT uid FROM base WHERE two > 1 AND clip_l14 > 0\n",
        )
        assert len(editor.messages) == 1
        assert "no pool `missing`" in editor.messages[0]
        await editor.until(lambda: base in editor.diagnostics)
        assert editor.codes(own) == ["E0201", "E0201"]
        assert [one.range.start.line for one in editor.diagnostics[own]] == [1, 2]
        assert editor.codes(base) == ["E0201"]
        found = await editor.client.text_document_definition_async(
            lsp.DefinitionParams(lsp.TextDocumentIdentifier(own), lsp.Position(0, 12))
        )
        assert isinstance(found, lsp.Location)
        assert found.uri == base
        # Once the import is right on the disk, saving anything checks what imports it.
        (folder / "base.dcql").write_text("SELECT uid FROM pool;\n", encoding="utf-8")
        editor.client.text_document_did_save(lsp.DidSaveTextDocumentParams(lsp.TextDocumentIdentifier(own)))
        await editor.until(lambda: editor.codes(base) == [])
        assert editor.codes(own) == ["E0201", "E0201"]
        # Another pool: `ten` has no clip_l14.
        settings = {"dcql": {"pool": "ten"}}
        editor.client.workspace_did_change_configuration(lsp.DidChangeConfigurationParams(settings))
        await editor.until(lambda: len(editor.codes(own)) == 3)


def test_a_name_of_the_library_is_defined_in_its_file(home: Path, folder: Path) -> None:
    asyncio.run(library(home, folder))


async def library(home: Path, folder: Path) -> None:
    async with editing(home) as editor:
        uri = await editor.checked(folder / "recipe.dcql", "SELECT uid FROM pool WHERE english_caption")
        named = lsp.TextDocumentIdentifier(uri)
        found = await editor.client.text_document_definition_async(lsp.DefinitionParams(named, lsp.Position(0, 30)))
        assert isinstance(found, lsp.Location)
        path = Path(found.uri.removeprefix("file://"))
        line = path.read_text(encoding="utf-8").split("\n")[found.range.start.line]
        assert line.startswith("DEFINE english_caption AS")
        # The library itself has no query, and nothing is wrong with that.
        opened = await editor.checked(path, path.read_text(encoding="utf-8"))
        assert editor.codes(opened) == []
        # A text that was never saved.
        editor.client.text_document_did_open(
            lsp.DidOpenTextDocumentParams(lsp.TextDocumentItem("untitled:Untitled-1", "dcql", 1, "IMPORT 'a' AS b;"))
        )
        await editor.until(lambda: editor.codes("untitled:Untitled-1"))
        # Every question about every sign of a text that is being typed has an answer.
        for end in range(0, len(TEXT), 7):
            editor.change(uri, TEXT[:end], 2 + end)
            at = lsp.Position(TEXT[:end].count("\n"), 3)
            await editor.client.text_document_hover_async(lsp.HoverParams(named, at))
            await editor.client.text_document_completion_async(lsp.CompletionParams(named, at))
        assert editor.messages == []


def test_an_editor_that_just_goes(home: Path) -> None:
    environment = {**os.environ, "DCQL_HOME": str(home)}
    command = [sys.executable, "-m", "dcql", "lsp"]
    gone = subprocess.run(command, input=b"", capture_output=True, env=environment, check=False)
    assert (gone.returncode, gone.stdout) == (1, b"")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda number: number.name)
def test_a_server_that_is_stopped(home: Path, number: signal.Signals) -> None:
    environment = {**os.environ, "DCQL_HOME": str(home)}
    command = [sys.executable, "-m", "dcql", "lsp"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment) as server:
        assert server.stdin is not None
        assert server.stdout is not None
        # An answer says that it is there.
        message = b'{"jsonrpc": "2.0", "id": 1, "method": "shutdown"}'
        server.stdin.write(b"Content-Length: %d\r\n\r\n%b" % (len(message), message))
        server.stdin.flush()
        assert server.stdout.readline().startswith(b"Content-Length")
        server.send_signal(number)
        assert server.wait(timeout=300) == 128 + number


def test_without_the_packages_of_the_extra(tmp_path: Path) -> None:
    code = "import sys\nsys.modules['pygls'] = None\nfrom dcql.cli import main\nmain(['lsp'])"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert told.returncode == 1
    assert told.stderr == (Path(__file__).parent / "E1551_without_packages.txt").read_text(encoding="utf-8")
    assert told.stdout == ""
