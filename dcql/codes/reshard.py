"""E10xx: resharding, and training shards that are read."""

from dcql.codes.code import Code

CODES: tuple[Code, ...] = (
    # Training shards that are read: E1001 to E1005.
    Code(
        code="E1001",
        title="no training shards",
        meaning=(
            "Training shards are what `dcql reshard` writes. shards.json is written last, so a folder without it holds "
            "none, or a reshard that was stopped."
        ),
        example="dcql train runs/mine --scale demo --shards runs/mine      # the run, not its shards",
        instead="dcql reshard runs/mine --shards ./small",
    ),
    Code(
        code="E1002",
        title="training shards that cannot be used",
        meaning=(
            "shards.json or index.parquet cannot be read, was written by another version of dcql, or contradicts "
            "itself: counts that do not add up, or columns that are not those of an index."
        ),
        example="shards.json, cut off in a copy",
        instead="dcql reshard runs/mine --shards ./small --out shards/mine",
    ),
    Code(
        code="E1003",
        title="training shards with another digest",
        meaning=(
            "The digest of shards binds the subset, the policy and the bytes of every shard. What lies there gives "
            "another one: it was changed or damaged, or belongs to other shards. Nothing is trained on it."
        ),
        example="a shard whose captions were edited",
        instead="dcql reshard runs/mine --shards ./small --out shards/mine",
    ),
    Code(
        code="E1004",
        title="a tar that is gone or has another size",
        meaning=(
            "shards.json states the size of every tar that samples are read from. One is missing or was cut off. "
            "With --no-copy these are the pool's own tars, which have to stay where they are."
        ),
        example="00000003.tar, cut off in a copy",
        instead="the whole file, or `dcql reshard` into a new folder",
    ),
    Code(
        code="E1005",
        title="a sample that changed since the shards were made",
        meaning=(
            "The index holds a CRC-32 of each image and caption, and every sample that is read is held against it. "
            "The disk gave other bytes, or somebody wrote over the tar."
        ),
        example="a byte of an image that a failing disk changed",
        instead="dcql reshard runs/mine --shards ./small --out shards/mine",
    ),
    # What a reshard reads: E1006, E1010 to E1013.
    Code(
        code="E1006",
        title="a damaged tar",
        meaning=(
            "A tar of the pool cannot be read to its end: it was cut off in a download, or is no tar. What would "
            "follow is unknown, so nothing is made of it."
        ),
        example="shards/00000003.tar, half downloaded",
        instead="download it again, or move it away and give --allow-missing",
    ),
    Code(
        code="E1007",
        title="output folder of a reshard that is something else",
        meaning=(
            "The output folder is to be new, or to hold what the same command left. It holds other files, the shards "
            "of another subset or policy, or an unfinished reshard of something else."
        ),
        example="dcql reshard runs/mine --shards ./small --out ./small/shards",
        instead="dcql reshard runs/mine --shards ./small --out shards/mine",
    ),
    Code(
        code="E1008",
        title="two reshards into one folder",
        meaning="Another process writes shards into this folder now.",
        example="dcql reshard runs/mine --shards ./small & dcql reshard runs/mine --shards ./small",
        instead="dcql reshard runs/mine --shards ./small --workers 2",
    ),
    Code(
        code="E1009",
        title="training shards that cannot be written",
        meaning=(
            "The disk is full, or the folder may not be written to. Whole shards are kept: the same command goes on "
            "from them."
        ),
        example="dcql reshard runs/mine --shards ./small --out /full/disk",
        instead="dcql reshard runs/mine --shards ./small --no-copy",
    ),
    Code(
        code="E1010",
        title="a tar that changed while it was resharded",
        meaning=(
            "Samples are found first and read afterwards. Where one was found lies something else now, so the tar was "
            "replaced in between."
        ),
        example="img2dataset, still writing to the folder that is resharded",
        instead="dcql reshard runs/mine --shards ./small     # once the download is done",
    ),
    Code(
        code="E1011",
        title="nothing to reshard",
        meaning=(
            "The subset is empty, or none of its uids is in the tars that were named: it was selected from another "
            "pool, or these are the tars of another one."
        ),
        example="dcql reshard runs/mine --shards ./other",
        instead="dcql reshard runs/mine --shards ./small",
    ),
    Code(
        code="E1012",
        title="uids of the subset that no tar holds",
        meaning=(
            "An image whose download failed is in no tar. To train on fewer samples than a subset has is another "
            "training, so it happens only when it is asked for, and shards.json records how many were missing. A "
            "recipe that asks for what is `available` selects none of them."
        ),
        example="dcql reshard runs/mine --shards ./small",
        instead="dcql reshard runs/mine --shards ./small --allow-missing",
    ),
    Code(
        code="E1013",
        title="a process of a reshard ended",
        meaning="A reshard works in several processes. One was killed or crashed; whole shards are kept.",
        example="the system kills a process for its memory",
        instead="dcql reshard runs/mine --shards ./small --workers 1",
    ),
    # Blurring: E1014, E1015.
    Code(
        code="E1014",
        title="faces that are not known",
        meaning=(
            "With --blur apply, each sample says where its faces are: `face_bboxes` of its .json, or of its row in the "
            "pool's parquet files, which may be an empty list. Of one sample nothing is said, or no list of boxes."
        ),
        example="dcql reshard runs/mine --shards ./small --blur apply",
        instead="dcql reshard runs/mine --shards ./small --blur apply --boxes ./small",
    ),
    Code(
        code="E1015",
        title="an image that cannot be blurred",
        meaning=(
            "An image with faces cannot be decoded. It is neither left as it is, for others may decode it, nor left "
            "out, for the shards would no longer hold the subset."
        ),
        example="SELECT uid FROM pool",
        instead="SELECT uid FROM pool WHERE uid NOT IN ('00a0eddfd0a4b7fd9abe5e2ca3cb2d30')",
    ),
)
