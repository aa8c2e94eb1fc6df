"""E02xx: what a name stands for, and the files that a recipe names."""

from dcql.codes.code import SCORES, Code

CODES: tuple[Code, ...] = (
    Code(
        code="E0201",
        title="unknown name",
        meaning=(
            "A name is neither a column of the pool, nor anything that the recipe, its imports or the library "
            "define. A stage is known only to the stages below it; names are case-sensitive, keywords are not."
        ),
        example="SELECT uid FROM pool WHERE clip_l41 >= 0.3;",
        instead="SELECT uid FROM pool WHERE clip_l14 >= 0.3;",
    ),
    Code(
        code="E0202",
        title="name defined twice",
        meaning=(
            "Columns, DEFINEs, PARAMs, SETs, stages and imported recipes share one space of names, and `pool` "
            "belongs to it. Which of two was meant could not be told."
        ),
        example=("DEFINE text AS 'photo';\nSELECT uid FROM pool WHERE starts_with(caption, text);"),
        instead=("DEFINE word AS 'photo';\nSELECT uid FROM pool WHERE starts_with(caption, word);"),
    ),
    Code(
        code="E0203",
        title="name of another kind",
        meaning=(
            "The name is known, but it stands for something that does not fit here: a set where a value belongs, a "
            "column where FROM needs a relation, a PARAM where IN needs a set."
        ),
        example="SELECT uid FROM width;",
        instead="SELECT uid FROM pool WHERE width >= 200;",
    ),
    Code(
        code="E0204",
        title="unknown function",
        meaning=(
            "No function and no DEFINE has this name. A function is usable because a row of dcql's own table gives "
            "its exact meaning; everything else is denied, whatever the SQL engine below may know."
        ),
        example="SELECT uid FROM pool WHERE startswith(caption, 'photo');",
        instead="SELECT uid FROM pool WHERE starts_with(caption, 'photo');",
    ),
    Code(
        code="E0205",
        title="DEFINE in a circle",
        meaning=(
            "A DEFINE is replaced by its body wherever its name stands. One that needs itself, directly or through "
            "others, would never end."
        ),
        example=("DEFINE good AS clip_l14 >= 0.3 AND good;\nSELECT uid FROM pool WHERE good;"),
        instead=("DEFINE good AS clip_l14 >= 0.3 AND width >= 200;\nSELECT uid FROM pool WHERE good;"),
    ),
    Code(
        code="E0206",
        title="name with two meanings",
        meaning=(
            "The pool has a column with a name that the library or a model gives as well. Either could be meant, and "
            "the choice would change the subset, so the recipe says which."
        ),
        example="SELECT uid FROM pool WHERE lang = 'en';",
        instead="SELECT uid FROM pool WHERE pool.lang = 'en';",
    ),
    Code(
        code="E0207",
        title="import in a circle",
        meaning="A recipe imports itself, directly or through other recipes.",
        example=("IMPORT './recipe.dcql' AS base;\nSELECT uid FROM base;"),
        instead=("IMPORT './base.dcql' AS base;\nSELECT uid FROM base;"),
    ),
    Code(
        code="E0208",
        title="file not found",
        meaning=(
            "IMPORT or SET names a file that does not exist. A relative path starts at the folder of the recipe that "
            "names it."
        ),
        example=("IMPORT './bse.dcql' AS base;\nSELECT uid FROM base;"),
        instead=("IMPORT './base.dcql' AS base;\nSELECT uid FROM base;"),
    ),
    Code(
        code="E0209",
        title="file outside the recipe's folder",
        meaning=(
            "A recipe reads the files in the folder of the recipe that is run and below it, and nothing else: "
            "somebody else's recipe can be compiled without a look at what it might open. Symbolic links are "
            "followed first."
        ),
        example=("IMPORT '../base.dcql' AS base;\nSELECT uid FROM base;"),
        instead=("IMPORT './base.dcql' AS base;\nSELECT uid FROM base;"),
    ),
    Code(
        code="E0210",
        title="file with another SHA-256",
        meaning=(
            "The file that SET names is not the one that the recipe was written for: its digest differs. With "
            "another file the recipe would select another subset."
        ),
        example=(
            "SET widths FROM 'widths.txt' SHA256 '0000000000000000000000000000000000000000000000000000000000000000';\n"
            "SELECT uid FROM pool WHERE width IN widths;"
        ),
        instead=(
            "SET widths FROM 'widths.txt' SHA256 'c7736ea07611df594eb69ce9ae5fdbd8971a01c5a5443c034ddc334157ec2230';\n"
            "SELECT uid FROM pool WHERE width IN widths;"
        ),
    ),
    Code(
        code="E0211",
        title="unusable set file",
        meaning=(
            "A set is a UTF-8 text file with one value on each line, or a subset's .npy. Every value has the "
            "type of what the set is compared with."
        ),
        example=(
            "SET words FROM 'words.txt' SHA256 '63b2a05781baa567cdcf208bf0b6d1347e198f34ca92dc2aa2e6dd14b7e0a293';\n"
            "SELECT uid FROM pool WHERE width IN words;"
        ),
        instead=(
            "SET words FROM 'words.txt' SHA256 '63b2a05781baa567cdcf208bf0b6d1347e198f34ca92dc2aa2e6dd14b7e0a293';\n"
            "SELECT uid FROM pool WHERE text IN words;"
        ),
    ),
    Code(
        code="E0212",
        title="unknown PARAM",
        meaning=(
            "`--set` and `IMPORT .. WITH` give values to PARAMs that the recipe declares. `--set` reaches the recipe "
            "that is run, not its imports."
        ),
        example=("IMPORT './base.dcql' AS base WITH kept = 0.2;\nSELECT uid FROM base;"),
        instead=("IMPORT './base.dcql' AS base WITH keep = 0.2;\nSELECT uid FROM base;"),
    ),
    Code(
        code="E0213",
        title="unreadable value for a PARAM",
        meaning="The value of `--set` is a number, TRUE, FALSE, or text in single quotes.",
        example="dcql run recipe.dcql --set start=photo",
        instead="dcql run recipe.dcql --set \"start='photo'\"",
    ),
    Code(
        code="E0214",
        title="column held more than once",
        meaning=(
            "A joined table has a column of the same name as the pool or as another joined table. Which one was "
            "meant could not be told, so both are written with the name of their table before them: "
            "`scores.text`, `pool.text`."
        ),
        example=(SCORES + "SELECT uid FROM pool JOIN scores USING (uid) WHERE text <> '';"),
        instead=(SCORES + "SELECT uid FROM pool JOIN scores USING (uid) WHERE pool.text <> '';"),
    ),
    Code(
        code="E0215",
        title="column of a table that nothing joins",
        meaning=(
            "A TABLE says where a file is. Its columns are readable once a FROM of the recipe joins it, which "
            "says by which key a sample finds its row."
        ),
        example=(SCORES + "SELECT uid FROM pool WHERE scores.score > 0.5;"),
        instead=(SCORES + "SELECT uid FROM pool JOIN scores USING (uid) WHERE scores.score > 0.5;"),
    ),
    Code(
        code="E0216",
        title="unknown column of a table",
        meaning=(
            "The file of the table has no column of this name, or it is the key: by USING, the key is the column "
            "of the pool."
        ),
        example=(SCORES + "SELECT uid FROM pool JOIN scores USING (uid) WHERE scores.scor > 0.5;"),
        instead=(SCORES + "SELECT uid FROM pool JOIN scores USING (uid) WHERE scores.score > 0.5;"),
    ),
    Code(
        code="E0217",
        title="table joined in two ways",
        meaning=(
            "A sample has one row of a table, or none: a table has one key in a recipe, and stands once in a FROM."
        ),
        example=(SCORES + "SELECT uid FROM pool JOIN scores USING (uid) JOIN scores USING (uid);"),
        instead=(SCORES + "SELECT uid FROM pool JOIN scores USING (uid);"),
    ),
    Code(
        code="E0218",
        title="what cannot be joined",
        meaning=(
            "JOIN takes a TABLE that the recipe declares, for its columns. The samples of a stage or of another "
            "recipe are tested with `uid IN name`."
        ),
        example=("WITH wide AS (SELECT uid FROM pool WHERE width > 300)\nSELECT uid FROM pool JOIN wide USING (uid);"),
        instead=("WITH wide AS (SELECT uid FROM pool WHERE width > 300)\nSELECT uid FROM pool WHERE uid IN wide;"),
    ),
    Code(
        code="E0219",
        title="unknown table",
        meaning=(
            "A JOIN names a table that the recipe does not declare. What a recipe reads is declared with its "
            "SHA-256, so that it is the same file everywhere."
        ),
        example=(SCORES + "SELECT uid FROM pool JOIN score USING (uid);"),
        instead=(SCORES + "SELECT uid FROM pool JOIN scores USING (uid);"),
    ),
    Code(
        code="E0220",
        title="key that one side lacks",
        meaning=(
            "USING names a column by which a sample of the pool finds its row in the table: both have it, under "
            "one name."
        ),
        example=(SCORES + "SELECT uid FROM pool JOIN scores USING (sha256);"),
        instead=(SCORES + "SELECT uid FROM pool JOIN scores USING (uid);"),
    ),
)
