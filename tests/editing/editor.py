"""An editor for tests: pygls' client, speaking with a process `dcql lsp` over its standard input and output."""

import asyncio
import contextlib
import os
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

from lsprotocol import types as lsp
from pygls.lsp.client import LanguageClient

# Long enough for a machine that does much else: a server that does not answer fails a test, if late.
SECONDS = 300.0


class Editor:
    """Texts that are open, and what the server said of them."""

    def __init__(self) -> None:
        self.client = LanguageClient("editor", "1")
        self.diagnostics: dict[str, list[lsp.Diagnostic]] = {}
        self.messages: list[str] = []
        self._told = asyncio.Event()
        self.client.feature(lsp.TEXT_DOCUMENT_PUBLISH_DIAGNOSTICS)(self._published())
        self.client.feature(lsp.WINDOW_SHOW_MESSAGE)(self._shown())
        self.client.feature(lsp.WINDOW_LOG_MESSAGE)(self._shown())

    def _published(self) -> Callable[[lsp.PublishDiagnosticsParams], None]:
        def published(params: lsp.PublishDiagnosticsParams) -> None:
            self.diagnostics[params.uri] = list(params.diagnostics)
            self._told.set()

        return published

    def _shown(self) -> Callable[[Any], None]:
        def shown(params: Any) -> None:
            self.messages.append(params.message)
            self._told.set()

        return shown

    async def until(self, true: Callable[[], Any]) -> None:
        """Wait until something is so."""
        async with asyncio.timeout(SECONDS):
            while not true():
                self._told.clear()
                await self._told.wait()

    def open(self, path: Path, text: str) -> str:
        """Open a text as that of a file; return its address."""
        item = lsp.TextDocumentItem(path.as_uri(), "dcql", 1, text)
        self.client.text_document_did_open(lsp.DidOpenTextDocumentParams(item))
        return item.uri

    async def checked(self, path: Path, text: str) -> str:
        """Open a text, and wait until it was checked; return its address."""
        self.diagnostics.pop(path.as_uri(), None)
        uri = self.open(path, text)
        await self.until(lambda: uri in self.diagnostics)
        return uri

    def change(self, uri: str, text: str, version: int = 2) -> None:
        """Change a text as a whole."""
        change = lsp.TextDocumentContentChangeWholeDocument(text)
        named = lsp.VersionedTextDocumentIdentifier(version, uri)
        self.client.text_document_did_change(lsp.DidChangeTextDocumentParams(named, [change]))

    def codes(self, uri: str) -> list[Any]:
        """Return the codes of what was told of a text."""
        return [one.code for one in self.diagnostics.get(uri, [])]


@contextlib.asynccontextmanager
async def editing(
    home: Path, options: Any = None, arguments: tuple[str, ...] = (), ended: list[int | None] | None = None
) -> AsyncIterator[Editor]:
    """Give an editor whose server is ready; at the end it says goodbye, and `ended` gets the server's exit code."""
    editor = Editor()
    environment = {**os.environ, "DCQL_HOME": str(home)}
    await editor.client.start_io(sys.executable, "-m", "dcql", "lsp", *arguments, env=environment)
    capabilities = lsp.ClientCapabilities(general=lsp.GeneralClientCapabilities(position_encodings=["utf-16"]))
    async with asyncio.timeout(SECONDS):
        await editor.client.initialize_async(lsp.InitializeParams(capabilities, initialization_options=options))
        editor.client.initialized(lsp.InitializedParams())
    try:
        yield editor
        async with asyncio.timeout(SECONDS):
            await editor.client.shutdown_async(None)
        editor.client.exit(None)
        process = editor.client._server
        assert process is not None
        async with asyncio.timeout(SECONDS):
            code = await process.wait()
        if ended is not None:
            ended.append(code)
    finally:
        await editor.client.stop()
