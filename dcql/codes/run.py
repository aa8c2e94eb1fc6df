from dcql.codes.code import Code

CODES: tuple[Code, ...] = (
    # Pools: E0701 to E0719.
    Code(
        "E0701",
        "no such pool",
        "A pool is named by the name it was added under, or by the path of a folder, a .parquet file or a URL. "
        "Nothing of that name was added and nothing lies at that path.",
        "dcql run recipe.dcql --pool datacmp-small",
        "dcql run recipe.dcql --pool datacomp-small",
    ),
    Code(
        "E0702",
        "folder without parquet files",
        "A pool's samples lie in PATH/metadata/*.parquet, or in PATH/*.parquet where there is no such folder; "
        "the files of part_*/ folders inside are taken too. None was found.",
        "dcql pool add small ./shards",
        "dcql pool add small ./small     # holds metadata/*.parquet",
    ),
    Code(
        "E0703",
        "not a whole parquet file",
        "A file of the pool cannot be read as parquet: it is truncated, damaged, or something else under that name.",
        "dcql pool add small ./small     # metadata/0a.parquet was cut off while it was copied",
        "copy or download that file again, then: dcql pool add small ./small",
    ),
    Code(
        "E0704",
        "files of a pool differ in their columns",
        "All files of a pool have the same columns of the same types, in any order; only the width of whole numbers "
        "may differ. A file lacks a column, has one more, or has another type for it.",
        "a.parquet has `text` as string, b.parquet has `text` as int64",
        "write the files anew with one schema, or add them as two pools",
    ),
    Code(
        "E0705",
        "pool without a uid column",
        "A sample is named by its uid, so that every file of a pool has a column `uid`.",
        "a.parquet has the columns id, url, text",
        "a.parquet has the columns uid, url, text",
    ),
    Code(
        "E0706",
        "uid is not text",
        "The column `uid` holds text of 32 hex digits, as DataComp's metadata does.",
        "a.parquet has `uid` as int64",
        "a.parquet has `uid` as string",
    ),
    Code(
        "E0707",
        "pool changed since it was added",
        "What `dcql pool add` recorded (the names, sizes and footers of the files) no longer holds: "
        "a file changed, vanished or is new. A run on it could select other samples under the old fingerprint.",
        "dcql run recipe.dcql --pool small     # after a file was replaced",
        "dcql pool add small ./small",
    ),
    Code(
        "E0708",
        "not a name for a pool",
        "A pool's name begins with a letter or digit and goes on with letters, digits, dots, underscores and hyphens.",
        "dcql pool add my/pool ./small",
        "dcql pool add my-pool ./small",
    ),
    Code(
        "E0709",
        "pool is being added",
        "Another process adds or removes the pool of this name right now.",
        "dcql pool add small ./small     # twice at once",
        "wait for the other process to end, then try again",
    ),
    Code(
        "E0710",
        "damaged record of a pool",
        "What `dcql pool add` wrote about the pool cannot be read, is incomplete, or is of another version of dcql.",
        "dcql run recipe.dcql --pool small     # after files under ~/.dcql were deleted",
        "dcql pool add small ./small",
    ),
    Code(
        "E0711",
        "column name used twice",
        "Two columns of a file have the same name, so that the name does not say which is meant.",
        "a.parquet has the columns uid, text, text",
        "a.parquet has the columns uid, text, text_2",
    ),
    Code(
        "E0712",
        "pool cannot be read",
        "The folder, URL or file of the pool exists or may exist, but reading it fails.",
        "dcql pool add small ./small     # a folder of somebody else",
        "ask for the permission to read it, or name another folder",
    ),
    Code(
        "E0713",
        "store cannot be written",
        "`dcql pool add` keeps its work under $DCQL_HOME (~/.dcql where it is not set), and writing there failed. "
        "The version of the pool that was added before is still there.",
        "dcql pool add small ./small     # on a full disk",
        "DCQL_HOME=/large/disk dcql pool add small ./small",
    ),
    Code(
        "E0714",
        "file changed while it was added",
        "A file's size or footer at the end of `dcql pool add` is not what it was at the start.",
        "dcql pool add small ./small     # while the download still runs",
        "add the pool when its files are complete",
    ),
    Code(
        "E0715",
        "whole number too large",
        "INT is a signed 64-bit number; a column of unsigned numbers holds a value above 9223372036854775807.",
        "a.parquet has `seed` as uint64 with the value 18446744073709551615",
        "store such a column as text",
    ),
    Code(
        "E0716",
        "column type without a canonical form",
        "The fingerprint of a pool commits to every value, and for this type of column no canonical bytes are defined.",
        "a.parquet has `extra` as month_day_nano_interval",
        "leave the column out, or store it as text or numbers",
    ),
    Code(
        "E0717",
        "pool was not added",
        "This needs what `dcql pool add` records about a pool; a raw folder has none of it.",
        "dcql pool describe ./small",
        "dcql pool add small ./small, then: dcql pool describe small",
    ),
    Code(
        "E0718",
        "text is not UTF-8",
        "A column of text holds bytes that are no UTF-8, so that functions of text have no meaning on it.",
        "a.parquet has `text` with the bytes ff fe",
        "write the column anew as UTF-8, or as binary",
    ),
    # Uids: E0720 to E0729.
    Code(
        "E0720",
        "not a uid",
        "A uid is 32 lower-case hex digits; a shorter one is padded with 0 on the left, as DataComp does. "
        "The row named has something else.",
        "9B2D5F00-53A1-4C0E-9C68-000000000001",
        "9b2d5f0053a14c0e9c68000000000001",
    ),
    Code(
        "E0721",
        "two samples with one uid",
        "A uid names one sample. Two rows of the pool have the same, so that a subset could not say which it means.",
        "a.parquet and a copy of it, b.parquet, in one pool",
        "remove one of the two rows or files",
    ),
    Code(
        "E0725",
        "copies that are NULL",
        "`n AS copies` says how often each sample is taken, and for the sample named n is NULL. It is the one with the "
        "smallest uid of all for which that is so.",
        "SELECT uid, weight AS copies FROM pool;     -- weight is NULL for some samples",
        "SELECT uid, coalesce(weight, 1) AS copies FROM pool;",
    ),
    Code(
        "E0726",
        "copies below 0",
        "A sample is taken 0 times or more; 0 copies drop it. For the sample named, the number is negative.",
        "SELECT uid, weight - 1 AS copies FROM pool;     -- weight is 0 for some samples",
        "SELECT uid, greatest(weight - 1, 0) AS copies FROM pool;",
    ),
    Code(
        "E0727",
        "copies that are not whole",
        "A sample is taken a whole number of times. For the sample named, the number has a fraction; 2.0 is whole.",
        "SELECT uid, clip_l14 * 10 AS copies FROM pool;",
        "SELECT uid, CASE WHEN clip_l14 >= 0.3 THEN 3 ELSE 1 END AS copies FROM pool;",
    ),
    Code(
        "E0728",
        "too many copies",
        "A subset holds each of its samples at most 4294967295 times, and so does every relation of a recipe. `AS "
        "copies` multiplies what the relation before it has, and UNION ALL adds: for the sample named, that is more.",
        "SELECT uid FROM many UNION ALL SELECT uid FROM many",
        "SELECT uid FROM many UNION SELECT uid FROM many",
    ),
    Code(
        "E0722",
        "weight that is negative or infinite",
        "SAMPLE .. WEIGHT BY takes a number, 0 or more, of every sample: one without a weight (NULL), or with 0, is "
        "never drawn. The sample named, the first of them in the order of uids, has another weight.",
        "SELECT uid FROM pool SAMPLE 1000 ROWS SEED 7 WEIGHT BY clip_l14 - 0.3;",
        "SELECT uid FROM pool SAMPLE 1000 ROWS SEED 7 WEIGHT BY greatest(clip_l14 - 0.3, 0);",
    ),
    # Subset files: E0730 to E0739.
    Code(
        "E0730",
        "not a subset file",
        "A subset file is a .npy of dtype u8,u8 (or the same uids without a header); this file is neither.",
        "Subset.load('notes.txt')",
        "Subset.load('clip30.npy')",
    ),
    Code(
        "E0731",
        "subset file of another dtype",
        "The .npy holds other data than uids, which are pairs of unsigned 64-bit numbers.",
        "numpy.save('s.npy', numpy.arange(10))",
        "numpy.save('s.npy', numpy.array([(0, 1)], 'u8,u8'))",
    ),
    Code(
        "E0732",
        "subset file of another shape",
        "A subset file holds one row of uids, shape (n,).",
        "numpy.save('s.npy', numpy.zeros((2, 3), 'u8,u8'))",
        "numpy.save('s.npy', numpy.zeros(6, 'u8,u8'))",
    ),
    Code(
        "E0733",
        "subset file is not sorted",
        "The uids of a subset file ascend; DataComp's tools look them up by bisection and would miss some here.",
        "numpy.save('s.npy', numpy.array([(2, 0), (1, 0)], 'u8,u8'))",
        "numpy.save('s.npy', numpy.array([(1, 0), (2, 0)], 'u8,u8'))",
    ),
    Code(
        "E0734",
        "truncated subset file",
        "The file is shorter or longer than its header says, as after a broken copy.",
        "Subset.load('clip30.npy')     # half of it was copied",
        "copy the file again",
    ),
    Code(
        "E0735",
        "number of copies out of range",
        "A subset holds each of its samples 1 to 4294967295 times.",
        "a sample with 0 copies",
        "a subset without that sample",
    ),
    Code(
        "E0736",
        "subset cannot be written",
        "Writing the subset file failed; no half of it was left.",
        "dcql run recipe.dcql --out /nowhere/s.npy",
        "dcql run recipe.dcql --out s.npy",
    ),
    Code(
        "E0737",
        "subset cannot be read",
        "Reading the subset file failed.",
        "dcql diff a.npy missing.npy",
        "dcql diff a.npy b.npy",
    ),
    # Running: E0750 to E0756.
    Code(
        "E0750",
        "not enough memory",
        "DuckDB needed more memory than it may use, and what it could move to disk was not enough; or a file that is "
        "added to a pool, or a table that is joined, needs more memory than there is.",
        "dcql run recipe.dcql --pool small --out s --memory 10MB",
        "dcql run recipe.dcql --pool small --out s --memory 1GB",
    ),
    Code(
        "E0751",
        "file of the pool cannot be read",
        "A file of the pool was there when the run began, and reading its samples failed: it was truncated, deleted, "
        "damaged inside, or the network failed.",
        "dcql run recipe.dcql --pool ./small --out s     # while ./small is still copied",
        "copy or download that file again, then run the recipe again",
    ),
    Code(
        "E0752",
        "promise of the recipe does not hold",
        "EXPECT says how many samples the recipe keeps, and it keeps another number of this pool. Nothing was written.",
        "SELECT uid FROM pool WHERE clip_l14 >= 0.5\nEXPECT kept BETWEEN 25 PERCENT AND 35 PERCENT;",
        "SELECT uid FROM pool WHERE clip_l14 >= q(0.7)\nEXPECT kept BETWEEN 25 PERCENT AND 35 PERCENT;",
    ),
    Code(
        "E0754",
        "uids that come more than once",
        "Two of the samples that the recipe keeps have the same uid, so that the subset could not say which it means.",
        "dcql run recipe.dcql --pool ./small --out s     # ./small holds a file and a copy of it",
        "dcql pool add small ./small     # says which rows share a uid",
    ),
    Code(
        "E0756",
        "files of the pool do not fit its record",
        "A file of the pool holds more or fewer samples than `dcql pool add` recorded, though its footer is the same.",
        "dcql run recipe.dcql --pool small --out s     # a sidecar under ~/.dcql was replaced",
        "dcql pool add small ./small",
    ),
    # Run folders and what is made of them: E0757 to E0769.
    Code(
        "E0757",
        "output folder is something else",
        "`--out` names a file, or a folder with files that no run wrote. A run replaces only what an earlier run "
        "wrote, so that a mistyped path destroys nothing.",
        "dcql run recipe.dcql --out .",
        "dcql run recipe.dcql --out runs/clip30",
    ),
    Code(
        "E0758",
        "output cannot be written",
        "Writing the result failed. No half of it was left, and what lay at that path before is unchanged.",
        "dcql run recipe.dcql --out /full/disk/clip30",
        "dcql run recipe.dcql --out /other/disk/clip30",
    ),
    Code(
        "E0759",
        "not a run folder",
        "A run folder is what `dcql run --out` writes: it holds manifest.json and subset.npy.",
        "dcql export ./small --columns url",
        "dcql export runs/clip30 --columns url",
    ),
    Code(
        "E0760",
        "damaged run folder",
        "What lies in the run folder does not fit together: the manifest cannot be read, or the subset does not have "
        "the hash that the manifest states.",
        "dcql diff runs/a runs/b     # runs/b/subset.npy was replaced by hand",
        "run the recipe again, or name the .npy file itself",
    ),
    Code(
        "E0761",
        "pool is not the one of the run",
        "The run's manifest names the pool by its fingerprint, and the pool that was opened has another one. Its rows "
        "may not be those that the recipe saw.",
        "dcql export runs/clip30 --pool medium     # a run over `small`",
        "dcql export runs/clip30 --pool small",
    ),
    Code(
        "E0762",
        "no such column to export",
        "`--columns` names columns of the pool, separated by commas; the pool has none of that name.",
        "dcql export runs/clip30 --columns url,caption",
        "dcql export runs/clip30 --columns url,text",
    ),
    Code(
        "E0763",
        "samples that the pool lacks",
        "The subset holds uids that are in no file of the pool: it was selected from another pool, or the pool lost "
        "rows.",
        "dcql export clip30.npy --pool medium     # a subset of `small`",
        "dcql export clip30.npy --pool small",
    ),
    Code(
        "E0764",
        "demo pool cannot be made",
        "Without `--pool` a recipe runs on the demo pool, which is unpacked under $DCQL_HOME (~/.dcql where it is not "
        "set) on first use. Its bytes are missing or damaged, or the disk is full.",
        "dcql run clip30 --out s     # where the package's data was deleted",
        "dcql run clip30 --out s --pool ./small",
    ),
    Code(
        "E0765",
        "output folder holds results of another subset",
        "What `dcql reshard` and `dcql train` made of a run lies in its folder. The same run may be written there "
        "again, and they stay; a run with another subset would part them from what they were made of.",
        "dcql run recipe.dcql --set keep=0.2 --out runs/mine      # runs/mine was trained with keep=0.3",
        "dcql run recipe.dcql --set keep=0.2 --out runs/mine_20",
    ),
    Code(
        code="E0770",
        title="key that comes twice",
        meaning=(
            "A sample has one row of a joined table, or none. Where the table has a key in several rows, which of "
            "them counts would depend on their order."
        ),
        example=("SELECT uid FROM pool JOIN scores USING (uid);      -- scores has a uid in two rows"),
        instead=("frame.drop_duplicates('uid').to_parquet('scores.parquet')"),
    ),
    Code(
        code="E0771",
        title="not a table",
        meaning=(
            "A table is a parquet file. Of text, such as CSV, nothing says whether `1` is a number or `01` a "
            "name; parquet has a type for each column."
        ),
        example=("TABLE scores FROM 'scores.csv' SHA256 '9f86..';"),
        instead=("python -c \"import pandas; pandas.read_csv('scores.csv').to_parquet('scores.parquet')\""),
    ),
    Code(
        code="E0772",
        title="table that cannot be read",
        meaning=(
            "The footer of the file is whole, and the values below it are not. The SHA-256 is the one that the "
            "recipe states, so the file was damaged before it was written down."
        ),
        example=("dcql run recipe.dcql --pool small       # scores.parquet is cut off inside"),
        instead=("sha256sum scores.parquet                # of the file written anew, for the recipe"),
    ),
    Code(
        code="E0773",
        title="text of a table that is not UTF-8",
        meaning=("Text is compared by its code points, and the bytes of this one spell none."),
        example=("SELECT uid FROM pool JOIN scores USING (uid) WHERE word = 'é';   -- written as Latin-1"),
        instead=("frame['word'] = frame['word'].str.decode('latin-1')"),
    ),
    Code(
        "E0774",
        "key of a table that is no uid",
        "A table that is joined by `uid` holds uids as pools do: text of up to 32 lower-case hex digits. Another text "
        "is no sample's, so that the table would silently lack what it was made for.",
        "dcql run recipe.dcql --pool small       # scores.parquet has uids as UUIDs, with strokes",
        "frame['uid'] = frame['uid'].str.replace('-', '').str.lower()",
    ),
)
