"""A small Hugging Face Hub: the addresses that huggingface_hub asks for datasets, and no others.

Built from its documented API: a repository's info, its tree, info about paths, and files at a revision, which are sent
from another address, as by the Hub's network for large files. It is no proof of how the Hub itself behaves.
"""

import hashlib
import json
import re
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit

PAGE = 2  # entries on a page of a tree


@dataclass
class Hub:
    """Datasets with commits: `branches` of each by name, and the files of a commit by path."""

    commits: dict[str, dict[str, bytes]] = field(default_factory=dict)
    branches: dict[tuple[str, str], str] = field(default_factory=dict)
    gated: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        handler = type("Bound", (_Handler,), {"hub": self})
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def push(self, name: str, files: dict[str, bytes], branch: str = "main") -> str:
        """Make a commit of a dataset on a branch; return its SHA."""
        names = "".join(sorted(files)) + str(len(self.commits))
        sha = hashlib.sha1(f"{name} {names}".encode()).hexdigest()
        self.commits[sha] = files
        self.branches[name, branch] = sha
        return sha

    def close(self) -> None:
        """Answer nothing more."""
        self.server.shutdown()
        self.server.server_close()

    def sha(self, name: str, revision: str) -> str | None:
        """Return the commit of a branch, or the commit itself; None where there is neither."""
        return self.branches.get((name, revision)) or (revision if revision in self.commits else None)


class _Handler(BaseHTTPRequestHandler):
    hub: Hub
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        path = parts.path
        if found := re.fullmatch(r"/api/datasets/([^/]+/[^/]+?)(?:/revision/([^/]+))?", path):
            self._info(found[1], unquote(found[2] or "main"))
        elif found := re.fullmatch(r"/api/datasets/([^/]+/[^/]+)/tree/([^/]+)(?:/(.*))?", path):
            self._tree(found[1], unquote(found[2]), unquote(found[3] or ""), parse_qs(parts.query))
        elif found := re.fullmatch(r"/datasets/([^/]+/[^/]+)/resolve/([^/]+)/(.*)", path):
            sha = self._allowed(found[1], unquote(found[2]))
            if sha is not None:
                self._send(302, b"", {"Location": f"/far/{sha}/{found[3]}", "X-Repo-Commit": sha})
        elif found := re.fullmatch(r"/far/([^/]+)/(.*)", path):
            self._file(self.hub.commits[found[1]].get(unquote(found[2])))
        else:
            self._send(404, b"{}")

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"] or 0)).decode()
        found = re.fullmatch(r"/api/datasets/([^/]+/[^/]+)/paths-info/([^/]+)", urlsplit(self.path).path)
        sha = self._allowed(found[1], unquote(found[2])) if found else None
        if sha is None:
            return
        asked = json.loads(body)["paths"] if body.startswith("{") else parse_qs(body)["paths"]
        self._json([entry for path in asked for entry in _entries(self.hub.commits[sha]) if entry["path"] == path])

    def _allowed(self, name: str, revision: str) -> str | None:
        """Return the commit of a revision; answer and return None where somebody may not have it."""
        if name in self.hub.gated and self.headers.get("Authorization") != "Bearer hf_allowed":
            self._send(403, b"{}", {"X-Error-Code": "GatedRepo", "X-Error-Message": "Access to it is restricted."})
            return None
        if not any(known == name for known, _ in self.hub.branches):
            self._send(404, b"{}", {"X-Error-Code": "RepoNotFound"})
            return None
        sha = self.hub.sha(name, revision)
        if sha is None:
            self._send(404, b"{}", {"X-Error-Code": "RevisionNotFound"})
        return sha

    def _info(self, name: str, revision: str) -> None:
        sha = self._allowed(name, revision)
        if sha is not None:
            self._json({"id": name, "sha": sha, "private": False, "siblings": []})

    def _tree(self, name: str, revision: str, folder: str, query: dict[str, list[str]]) -> None:
        sha = self._allowed(name, revision)
        if sha is None:
            return
        inside = [one for one in _entries(self.hub.commits[sha]) if one["path"].rpartition("/")[0] == folder]
        if not inside:
            self._send(404, b"{}", {"X-Error-Code": "EntryNotFound"})
            return
        start = int(query.get("cursor", ["0"])[0])
        headers = {}
        if start + PAGE < len(inside):
            host = self.headers["Host"]
            path = urlsplit(self.path).path
            headers["Link"] = f'<http://{host}{path}?cursor={start + PAGE}>; rel="next"'
        self._json(inside[start : start + PAGE], headers)

    def _file(self, content: bytes | None) -> None:
        if content is None:
            self._send(404, b"", {"X-Error-Code": "EntryNotFound"})
            return
        found = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range") or "")
        if found is None:
            self._send(200, content)
            return
        start, end = int(found[1]), min(int(found[2]) + 1, len(content))
        self._send(206, content[start:end], {"Content-Range": f"bytes {start}-{end - 1}/{len(content)}"})

    def _json(self, value: object, headers: dict[str, str] | None = None) -> None:
        self._send(200, json.dumps(value).encode(), {"Content-Type": "application/json"} | (headers or {}))

    def _send(self, status: int, content: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response_only(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def _entries(files: dict[str, bytes]) -> list[dict[str, object]]:
    """Return what the tree says of files and of the folders that they lie in, sorted by path."""
    folders = {"/".join(path.split("/")[:depth]) for path in files for depth in range(1, path.count("/") + 1)}
    found: list[dict[str, object]] = [
        {"type": "directory", "oid": hashlib.sha1(path.encode()).hexdigest(), "size": 0, "path": path}
        for path in folders
    ]
    for path, content in files.items():
        digest = hashlib.sha256(content).hexdigest()
        about = {"oid": digest, "size": len(content), "pointerSize": 134}
        oid = hashlib.sha1(content).hexdigest()
        found.append({"type": "file", "oid": oid, "size": len(content), "path": path, "lfs": about})
    return sorted(found, key=lambda entry: str(entry["path"]))
