"""The bytes of a tar whose every field is given: USTAR, no times, no owners, readable by all."""

BLOCK = 512
RECORD = 20 * BLOCK  # tars end at a multiple of this

_OWNER = b"0000444\0" + b"0000000\0" * 2  # mode, uid, gid
_TIME = b"00000000000\0"
_REST = (b"0" + bytes(100) + b"ustar\00000" + bytes(64) + b"0000000\0" * 2).ljust(BLOCK - 156, b"\0")
# The sum of a header is taken as if its own eight bytes were spaces.
_FIXED = sum(_OWNER) + sum(_TIME) + sum(_REST) + 8 * ord(" ")
PADDING = tuple(bytes(-size % BLOCK) for size in range(BLOCK))


def header(name: bytes, size: int) -> bytes:
    """Return the header of a file of up to 8 GiB with a name of up to 100 bytes of ASCII."""
    length = b"%011o\0" % size
    total = _FIXED + sum(name) + sum(length)
    return b"".join((name.ljust(100, b"\0"), _OWNER, length, _TIME, b"%06o\0 " % total, _REST))


def end(size: int) -> bytes:
    """Return the blocks that close a tar of `size` bytes of files."""
    return bytes(2 * BLOCK + -(size + 2 * BLOCK) % RECORD)
