"""`dcql pool coverage`: what the shards of a pool really hold, tar by tar, then file by file of the pool."""
