"""CRC-32, by which damage to a sample's bytes is noticed. It is no protection against intent: digests are."""

from isal.isal_zlib import crc32

# The same numbers as zlib's, ten times faster: a sample of 35 KB takes 0.7 µs in place of 9.
__all__ = ["crc32"]
