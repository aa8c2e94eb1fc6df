"""The server on standard input and output, and which message goes where."""

import asyncio
import functools
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from lsprotocol import types
from pygls.io_ import StdinAsyncReader, StdoutWriter, run_async
from pygls.lsp.server import LanguageServer

import dcql
from dcql.codes.__main__ import document
from dcql.lsp.session import Session
from dcql.lsp.words import uri_of
from dcql.scratch import scratch

COMPLETION = types.CompletionOptions(trigger_characters=[".", "'", "/"])
ACTIONS = types.CodeActionOptions(code_action_kinds=[types.CodeActionKind.QuickFix, types.CodeActionKind.SourceFixAll])


def serve(pool: str | None) -> int:
    """Serve until the editor leaves; return 1 where it just went. One that says so ends the process with SystemExit."""
    with scratch() as folder:
        page = folder / "errors.md"
        page.write_text(document(), encoding="utf-8")
        server = made(pool, uri_of(page))
        # Not pygls' own start_io, which takes Ctrl-C for a goodbye, and then waits for a line that never comes.
        server.protocol.set_writer(StdoutWriter(sys.stdout.buffer))
        asyncio.run(
            run_async(
                stop_event=threading.Event(),
                reader=StdinAsyncReader(sys.stdin.buffer, ThreadPoolExecutor(1)),
                protocol=server.protocol,
                error_handler=server.report_server_error,
            )
        )
        return 1


def made(pool: str | None, explained: str) -> LanguageServer:
    """Return a server for recipes, checked against a pool; `explained` is the address of the page of all codes."""
    # The whole text comes with each change: what the protocol and Python call a line are two things.
    server = LanguageServer("dcql", dcql.__version__, text_document_sync_kind=types.TextDocumentSyncKind.Full)
    session = Session(server, pool, explained)
    handlers: tuple[tuple[str, Any, Any], ...] = (
        (types.INITIALIZE, session.initialize, None),
        (types.INITIALIZED, session.initialized, None),
        (types.SHUTDOWN, session.shutdown, None),
        (types.WORKSPACE_DID_CHANGE_CONFIGURATION, session.change_configuration, None),
        (types.WORKSPACE_DID_CHANGE_WATCHED_FILES, session.watched, None),
        (types.TEXT_DOCUMENT_DID_OPEN, session.open, None),
        (types.TEXT_DOCUMENT_DID_CHANGE, session.change, None),
        (types.TEXT_DOCUMENT_DID_SAVE, session.save, None),
        (types.TEXT_DOCUMENT_DID_CLOSE, session.close, None),
        (types.TEXT_DOCUMENT_HOVER, session.hover, None),
        (types.TEXT_DOCUMENT_COMPLETION, session.complete, COMPLETION),
        (types.TEXT_DOCUMENT_DEFINITION, session.define, None),
        (types.TEXT_DOCUMENT_REFERENCES, session.refer, None),
        (types.TEXT_DOCUMENT_DOCUMENT_HIGHLIGHT, session.highlight, None),
        (types.TEXT_DOCUMENT_PREPARE_RENAME, session.prepare_rename, None),
        (types.TEXT_DOCUMENT_RENAME, session.rename, types.RenameOptions(prepare_provider=True)),
        (types.TEXT_DOCUMENT_DOCUMENT_SYMBOL, session.symbols, None),
        (types.TEXT_DOCUMENT_FORMATTING, session.format, None),
        (types.TEXT_DOCUMENT_CODE_ACTION, session.act, ACTIONS),
    )
    for method, handler, options in handlers:
        # pygls marks what it is given, which a bound method does not let it.
        server.feature(method, options)(functools.partial(handler))
    return server
