"""Filesystems of fsspec as they are used here: what tells versions of a file apart, and a stretch of one version.

`Store` does for any filesystem, at the price of one more question after each stretch. S3 compares the version while it
answers; of the Hub a commit is read, which never changes.
"""

import functools
import json
from typing import Any

from dcql.remote import faults, settings
from dcql.remote.attempts import attempt

Info = dict[str, Any]

# What filesystems call that which changes with the content, surest first; then times.
_SURE = ("ETag", "etag", "generation", "lfs", "xet_hash", "blob_id", "md5Hash", "content_md5", "checksum")
_TIMES = ("LastModified", "last_modified", "updated", "mtime", "modified", "modificationTime", "created")
_CONNECT_SECONDS = 10
_CONNECTIONS = 32
# Nothing of these comes over a network.
_NEAR = frozenset({"file", "local", "memory"})


class Store:
    """A filesystem of fsspec; paths are those of fsspec, without the protocol."""

    def __init__(self, protocol: str, filesystem: Any) -> None:
        self.protocol = protocol
        self.filesystem = filesystem
        self._bounded = bool(getattr(filesystem, "async_impl", False))

    @property
    def near(self) -> bool:
        """Whether files lie on this machine, so that nothing of them needs to be kept."""
        return self.protocol in _NEAR

    def fresh(self) -> "Store":
        """Return a store for one piece of work, within which branches do not move."""
        return self

    @property
    def identity(self) -> Any:
        """What stores have in common that give the same bytes for the same path."""
        return self

    def url(self, path: str) -> str:
        """Return a path as a URL."""
        return str(self.filesystem.unstrip_protocol(path))

    def info(self, path: str) -> Info:
        """Return what the server says of a path now.

        Raises FileNotFoundError where there is nothing, RunError where it cannot be asked.
        """
        return attempt(self.url(path), lambda seconds: dict(self._info(path, seconds)))

    def ls(self, path: str) -> list[Info]:
        """Return what lies in a folder now.

        Raises FileNotFoundError where there is nothing, RunError where it cannot be asked.
        """
        return attempt(self.url(path), lambda seconds: [dict(one) for one in self._ls(path, seconds)])

    def version(self, info: Info) -> str:
        """Return what tells this version of a file from others of its size, empty where the server says nothing."""
        for names in (_SURE, _TIMES):
            told = {name: str(info[name]) for name in names if info.get(name) not in (None, "")}
            if told:
                return json.dumps(told, sort_keys=True)
        return ""

    def settled(self, source: str, stated: str) -> str:
        """Return the version that `fetch` compares, of a file whose listing stated one."""
        # A listing may say less than an answer about one file, or the same in another form.
        return self.version(attempt(self.url(source), lambda seconds: dict(self._info(source, seconds))))

    def source(self, path: str) -> str:
        """Return what `fetch` is to read, for a path that was just listed."""
        return path

    def fetch(self, source: str, start: int, end: int, size: int, version: str, seconds: float) -> bytes:
        """Return a stretch of a file of this size and version, asked for once.

        Raises Changed where the file has another version now, and whatever the filesystem raises.
        """
        within = {"timeout": seconds} if self._bounded else {}
        content = bytes(self.filesystem.cat_file(source, start=start, end=end, **within))
        if len(content) == size != end - start:
            content = content[start:end]  # a server of HTTP that knows no ranges
        self._compare(source, size, version, seconds)
        return content

    def _compare(self, source: str, size: int, version: str, seconds: float) -> None:
        now = self._info(source, seconds)
        if int(now["size"]) != size:
            raise faults.Changed(f"it has {int(now['size']):,} bytes, and had {size:,}")
        if self.version(now) != version:
            raise faults.Changed("it has the same size, and another version")

    def _info(self, path: str, seconds: float) -> Any:
        self.filesystem.invalidate_cache()
        within = {"timeout": seconds} if self._bounded else {}
        return self.filesystem.info(path, **within)

    def _ls(self, path: str, seconds: float) -> Any:
        self.filesystem.invalidate_cache()
        within = {"timeout": seconds} if self._bounded else {}
        return self.filesystem.ls(path, detail=True, **within)


class S3(Store):
    """s3fs: the server refuses a stretch of another version (If-Match), and says of which it is."""

    def __init__(self, protocol: str, filesystem: Any) -> None:
        super().__init__(protocol, filesystem)
        filesystem.retries = 1  # attempts are counted in one place

    def settled(self, source: str, stated: str) -> str:
        """Return the version that was stated: listings and answers have the same ETag."""
        return stated

    def fetch(self, source: str, start: int, end: int, size: int, version: str, seconds: float) -> bytes:
        from fsspec.asyn import sync

        bucket, key, number = self.filesystem.split_path(source)
        etag = json.loads(version).get("ETag") if version else None
        asked = {"Bucket": bucket, "Key": key, "Range": f"bytes={start}-{end - 1}"}
        asked |= {"VersionId": number} if number else {}
        asked |= {"IfMatch": etag} if etag else {}

        async def answer() -> tuple[Any, bytes]:
            told = await self.filesystem._call_s3("get_object", **asked)
            try:
                return told.get("ETag"), await told["Body"].read()
            finally:
                told["Body"].close()

        try:
            now, content = sync(self.filesystem.loop, answer, timeout=seconds)
        except OSError as error:
            # 412: another version; 416: it is shorter now.
            if faults.status(error) in (412, 416):
                self._compare(source, size, version, seconds)
                raise faults.ShortAnswerError("the server refused the version that it states") from error
            raise
        if etag is None or now != etag:
            self._compare(source, size, version, seconds)
            if etag is not None:
                raise faults.ShortAnswerError("the server answered with another version than it states")
        return bytes(content)


class Hub(Store):
    """The Hugging Face Hub: files are read at the commit that the branch had when they were listed."""

    def ls(self, path: str) -> list[Info]:
        """Return what lies in a folder now.

        Raises FileNotFoundError where there is nothing, RunError where it cannot be asked.
        """
        # The package asks for each page several times by itself.
        return attempt(self.url(path), lambda seconds: [dict(one) for one in self._ls(path, seconds)], most=2)

    def settled(self, source: str, stated: str) -> str:
        """Return the digests that were stated; a file of the Hub that has no commit is asked about."""
        return stated if "://" in source else super().settled(source, stated)

    def fresh(self) -> "Store":
        """Return a store that asks anew which commits its branches have, and then keeps to them."""
        self.filesystem.invalidate_cache()  # of what was not there, too
        return Hub(self.protocol, self.filesystem)

    @property
    def identity(self) -> Any:
        """The address of the Hub: two stores of one give the same bytes."""
        return self.filesystem.endpoint

    def source(self, path: str) -> str:
        """Return the address of a path at the commit that its branch or tag has."""
        from huggingface_hub import hf_hub_url

        place = self.filesystem.resolve_path(path)
        if not hasattr(place, "repo_id"):
            return path  # a bucket of the Hub has no commits
        commit = self._commit(place)
        name, endpoint = place.path_in_repo, self.filesystem.endpoint
        return str(hf_hub_url(place.repo_id, name, repo_type=place.repo_type, revision=commit, endpoint=endpoint))

    def fetch(self, source: str, start: int, end: int, size: int, version: str, seconds: float) -> bytes:
        """Return a stretch of a file of this size, asked for once; an address with a commit is one version for ever."""
        if "://" not in source:
            return super().fetch(source, start, end, size, version, seconds)
        from huggingface_hub.utils import build_hf_headers, get_session, hf_raise_for_status

        headers = build_hf_headers(token=self.filesystem.token) | {"range": f"bytes={start}-{end - 1}"}
        # Compressed on its way, a range would be one of something else.
        headers["accept-encoding"] = "identity"
        answer = get_session().get(source, headers=headers, timeout=settings.timeout(), follow_redirects=True)
        hf_raise_for_status(answer)
        content = bytes(answer.content)
        return content[start:end] if len(content) == size != end - start else content

    def _info(self, path: str, seconds: float) -> Any:
        place = self.filesystem.resolve_path(path)
        if not hasattr(place, "repo_id"):
            return super()._info(path, seconds)
        return self._named(place, self.filesystem.info(self._at_commit(place)))

    def _ls(self, path: str, seconds: float) -> Any:
        place = self.filesystem.resolve_path(path)
        if not hasattr(place, "repo_id"):
            return super()._ls(path, seconds)
        # At the commit that is read later: a push in between would give one file the digest of another.
        return [self._named(place, one) for one in self.filesystem.ls(self._at_commit(place), detail=True)]

    def _at_commit(self, place: Any) -> str:
        prefix = {"dataset": "datasets/", "space": "spaces/"}.get(place.repo_type, "")
        return f"{prefix}{place.repo_id}@{self._commit(place)}/{place.path_in_repo}".rstrip("/")

    def _named(self, place: Any, info: Info) -> Info:
        """Return what is said of a path at a commit, under the name that the user's URL gives it."""
        within = str(info["name"]).partition(f"@{self._commit(place)}")[2]
        return {**info, "name": place.root + within}

    @functools.cached_property
    def _commits(self) -> dict[tuple[str, str, str], str]:
        return {}

    def _commit(self, place: Any) -> str:
        key = (place.repo_type, place.repo_id, place.revision)
        found = self._commits.get(key)
        if found is None:
            from huggingface_hub import HfApi

            api = HfApi(endpoint=self.filesystem.endpoint, token=self.filesystem.token)
            kind, name, revision = key

            def ask(seconds: float) -> Any:
                return api.repo_info(name, repo_type=kind, revision=revision, timeout=seconds)

            found = self._commits[key] = str(attempt(f"hf://{kind}s/{name}", ask).sha)
        return found


def connect(place: str) -> tuple[Store, str]:
    """Return the store of a URL, and the path in it; raise RunError where fsspec cannot open it."""
    import fsspec

    protocol = place.partition("://")[0]
    try:
        filesystem, path = fsspec.core.url_to_fs(place, **_options(protocol))
    except (ImportError, ValueError) as error:
        raise faults.absent(place, error) from error
    return _store(protocol, filesystem), str(path)


# fsspec makes one filesystem for the same options; two that are equal may still be others, of other surroundings.
_stores: dict[int, Store] = {}


def _store(protocol: str, filesystem: Any) -> Store:
    found = _stores.get(id(filesystem))
    if found is None:
        kind = {"s3": S3, "s3a": S3, "hf": Hub}.get(protocol, Store)
        # A store holds its filesystem, so that no other takes its id.
        found = _stores.setdefault(id(filesystem), kind(protocol, filesystem))
    return found


def _options(protocol: str) -> dict[str, Any]:
    """Return what a filesystem is made with, beside what the user's configuration of fsspec says."""
    if protocol not in ("s3", "s3a"):
        return {}
    import fsspec

    own = fsspec.config.conf.get("s3", {}).get("config_kwargs", {})
    bounds = {
        "connect_timeout": min(_CONNECT_SECONDS, settings.timeout()),
        "read_timeout": settings.timeout(),
        "retries": {"mode": "standard", "total_max_attempts": 1},
        "max_pool_connections": _CONNECTIONS,
    }
    return {"config_kwargs": bounds | own, "use_listings_cache": False}
