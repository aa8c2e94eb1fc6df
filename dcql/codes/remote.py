from dcql.codes.code import Code

CODES: tuple[Code, ...] = (
    # Pools behind a URL: E0740 to E0749.
    Code(
        "E0740",
        "server that cannot be reached",
        "A request for a file behind a URL failed, and failed again each time that it was repeated: no connection, no "
        "answer in time, an answer that was cut off, or a server that is too busy. What was read until then is in the "
        "cache, and what was added of a pool is kept.",
        "dcql pool add small s3://bucket/small     # while the network is down",
        "DCQL_REMOTE_ATTEMPTS=12 DCQL_REMOTE_TIMEOUT=120 dcql pool add small s3://bucket/small",
    ),
    Code(
        "E0741",
        "no access to a URL",
        "The server knows no such user, or does not let this one read the file or list its folder. Asking again would "
        "not help. Credentials are found by the package of the protocol, from its own variables and files.",
        "dcql run clip30 --pool s3://bucket/small --out s     # without credentials",
        "AWS_PROFILE=research dcql run clip30 --pool s3://bucket/small --out s",
    ),
    Code(
        "E0742",
        "package for a URL is missing",
        "A URL is opened by fsspec with the package of its protocol: s3fs for `s3://`, huggingface_hub for `hf://`. "
        "They come with extras of dcql.",
        "dcql pool add small s3://bucket/small     # where s3fs is not installed",
        "pip install 'dcql[s3]'",
    ),
    Code(
        "E0743",
        "remote file changed while it was read",
        "A file is bound to the version that its folder listed: its size and its ETag, or its commit. By now there is "
        "another one, so that a subset would be of both. Nothing was written.",
        "dcql run clip30 --pool s3://bucket/small --out s     # while files there are replaced",
        "run it again when nothing writes to the pool any more",
    ),
    Code(
        "E0744",
        "setting of remote reading that cannot be",
        "An environment variable that bounds the cache, the timeout or the attempts holds something else than a "
        "number.",
        "DCQL_CACHE_LIMIT=much dcql run clip30 --pool s3://bucket/small --out s",
        "DCQL_CACHE_LIMIT=50GB dcql run clip30 --pool s3://bucket/small --out s",
    ),
)
