"""Faults of a network and of servers: which may pass, and what is told of those that do not."""

import errno
import http.client
from collections.abc import Iterator
from typing import Any

from dcql.errors import Diagnostic, RunError

_PASSING_STATUS = frozenset({408, 425, 429, 500, 502, 503, 504, 509})
_REFUSED_STATUS = frozenset({401, 403})
_PASSING_ERRNO = frozenset(
    {errno.EBUSY, errno.ECONNRESET, errno.EPIPE, errno.ETIMEDOUT, errno.ENETUNREACH, errno.EHOSTUNREACH, errno.EAGAIN}
    | {getattr(errno, "EREMOTEIO", errno.EIO)}  # what s3fs makes of status 500
)
# By name, as the packages are those of extras: of botocore, aiohttp and httpx.
_PASSING_NAMES = frozenset(
    {"HTTPClientError", "EndpointConnectionError", "ConnectTimeoutError", "ResponseParserError"}
    | {"ClientConnectionError", "ClientPayloadError", "TransportError"}
)
_REFUSED_NAMES = frozenset(
    {"NoCredentialsError", "PartialCredentialsError", "CredentialRetrievalError", "ProfileNotFound"}
    | {"TokenRetrievalError", "GatedRepoError", "DisabledRepoError", "LocalTokenNotFoundError"}
)

_EXTRAS = {"s3": "s3", "s3a": "s3", "hf": "hf"}
_PACKAGES = {"gs": "gcsfs", "gcs": "gcsfs", "az": "adlfs", "abfs": "adlfs", "http": "aiohttp", "https": "aiohttp"}
_ACCESS = {
    "s3": (
        "say who you are: AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
        "for a public bucket, set FSSPEC_S3_ANON=true",
    ),
    "hf": (
        "log in with `hf auth login`, or set HF_TOKEN",
        "for a gated dataset, accept its terms on its page first",
    ),
}


class ShortAnswerError(Exception):
    """A server sent fewer bytes than were asked for, or others."""


class Changed(Exception):  # noqa: N818 (it is no error of the caller's, and told by `changed`)
    """A file is no longer of the version that it is bound to."""


def passes(error: BaseException) -> bool:
    """Return whether a fault may be gone when the same is asked again."""
    if refused(error):
        return False
    return any(_own_status(one) in _PASSING_STATUS or _passes(one) for one in _chain(error))


def refused(error: BaseException) -> bool:
    """Return whether a server knows nobody, or lets nobody in."""
    return any(
        isinstance(one, PermissionError) or _own_status(one) in _REFUSED_STATUS or _named(one, _REFUSED_NAMES)
        for one in _chain(error)
    )


def final(place: str, error: BaseException) -> Diagnostic:
    """Return what is told of a fault that does not pass, of a URL."""
    protocol = place.partition("://")[0]
    if refused(error):
        advice = _ACCESS.get({"s3a": "s3"}.get(protocol, protocol), ("check the credentials and the address",))
        return Diagnostic("E0741", f"no access to `{place}`", None, said(error), advice)
    return Diagnostic(
        "E0712", f"cannot read `{place}`", None, said(error), ("check the address, and what the server says",)
    )


def unreachable(place: str, error: BaseException, attempts: int) -> Diagnostic:
    """Return what is told of a fault that did not pass."""
    return Diagnostic(
        "E0740",
        f"cannot reach `{place}`",
        None,
        f"tried {attempts} times, at last: {said(error)}",
        (
            "check the network, and run the same command again: what was read is in the cache",
            "a slow or busy server may need more: DCQL_REMOTE_ATTEMPTS=12, DCQL_REMOTE_TIMEOUT=120",
        ),
    )


def absent(place: str, error: Exception) -> RunError:
    """Return the error that fsspec lacks the package for a URL, or knows nothing of its kind."""
    protocol = place.partition("://")[0].partition("::")[0]
    if not isinstance(error, ImportError):
        advice = "name a folder, or a URL such as `s3://bucket/folder` or `hf://datasets/owner/name`"
        return RunError(Diagnostic("E0712", f"cannot read `{place}`", None, said(error), (advice,)))
    extra, package = _EXTRAS.get(protocol), _PACKAGES.get(protocol)
    if extra is not None:
        advice = f"install it: `pip install -c constraints.txt 'dcql[{extra}]'`"
    else:
        advice = f"install it: `pip install {package}`" if package is not None else said(error)
    label = f"`{protocol}://` needs a package that is not installed"
    return RunError(Diagnostic("E0742", f"cannot open `{place}`", None, label, (advice,)))


def changed(place: str, reason: str) -> RunError:
    """Return the error that a file is no longer what it was when it was listed."""
    return RunError(
        Diagnostic(
            "E0743",
            f"`{place}` changed while it was read",
            None,
            reason,
            (
                "run it again when nothing writes to the pool any more",
                "for a pool that was added, run `dcql pool add` first",
            ),
        )
    )


def said(error: BaseException) -> str:
    """Return what an error says in one line; errors that say nothing are told by their kind."""
    text = str(getattr(error, "strerror", None) or error).strip() or str(error.__cause__ or "").strip()
    if isinstance(error, TimeoutError) and not text:
        text = "no answer in time"
    return (text or type(error).__name__).splitlines()[0][:200]


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__


def status(error: BaseException) -> int | None:
    """Return the status of the answer that an error or its cause is about, None where there was none."""
    return next((found for one in _chain(error) if (found := _own_status(one)) is not None), None)


def _own_status(error: BaseException) -> int | None:
    answer: Any = getattr(error, "response", None)
    if isinstance(answer, dict):  # botocore's
        found = answer.get("ResponseMetadata", {}).get("HTTPStatusCode")
    else:
        found = getattr(answer, "status_code", None) or getattr(error, "status", None) or getattr(error, "code", None)
    return found if isinstance(found, int) else None


def _passes(error: BaseException) -> bool:
    if isinstance(error, TimeoutError | ConnectionError | ShortAnswerError | http.client.IncompleteRead):
        return True
    return (isinstance(error, OSError) and error.errno in _PASSING_ERRNO) or _named(error, _PASSING_NAMES)


def _named(error: BaseException, names: frozenset[str]) -> bool:
    return any(kind.__name__ in names for kind in type(error).__mro__)
