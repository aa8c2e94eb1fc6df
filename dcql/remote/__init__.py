"""Files behind URLs: read in stretches, again after faults that pass, and kept in a cache of bounded size.

`dcql.files.locate` gives a `Files` for a URL; nothing else is meant for others. A file is bound to the version that its
listing stated (an ETag, a commit, a time): every byte that a process reads of it is of that version, or E0743.
fsspec finds the filesystem, and its packages speak to the server. Its own caches were looked at: `blockcache` has no
limit and is not for several processes, `readahead` fetches 24 times what a recipe reads, `filecache` whole files.

    files       what others call: listing, stretches of bytes, file objects
    objects     one file in one version: its blocks, those at hand in memory
    layouts     where blocks begin: at the column chunks of a parquet file, or at every 4 MiB
    ahead       which blocks are fetched before they are asked for
    kept        the cache on the disk
    stores      S3, the Hub, any other filesystem: how a stretch of one version is asked for
    attempts    again after faults, a bounded number of times
    faults      which faults pass, and what is told of those that do not
    settings    what a user may set
"""
