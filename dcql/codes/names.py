"""E02xx: what a name stands for, and the files that a recipe names."""

from dcql.codes.code import Code

CODES: tuple[Code, ...] = (
    Code(
        "E0201",
        "unknown name",
        "A name is neither a column of the pool, nor anything that the recipe, its imports or the library define. "
        "A stage is known only to the stages below it; names are case-sensitive, keywords are not.",
        "SELECT uid FROM pool WHERE clip_l41 >= 0.3;",
        "SELECT uid FROM pool WHERE clip_l14 >= 0.3;",
    ),
    Code(
        "E0202",
        "name defined twice",
        "Columns, DEFINEs, PARAMs, SETs, stages and imported recipes share one space of names, and `pool` belongs to it. "
        "A second meaning would silently replace the first one.",
        "DEFINE text AS 'photo';\nSELECT uid FROM pool WHERE starts_with(caption, text);",
        "DEFINE word AS 'photo';\nSELECT uid FROM pool WHERE starts_with(caption, word);",
    ),
    Code(
        "E0203",
        "name of another kind",
        "The name is known, but it stands for something that does not fit here: a set where a value belongs, a column "
        "where FROM needs a relation, a PARAM where IN needs a set.",
        "SELECT uid FROM width;",
        "SELECT uid FROM pool WHERE width >= 200;",
    ),
    Code(
        "E0204",
        "unknown function",
        "No function and no DEFINE has this name. A function is usable because a row of dcql's own table gives its exact "
        "meaning; everything else is denied, whatever the SQL engine below may know.",
        "SELECT uid FROM pool WHERE startswith(caption, 'photo');",
        "SELECT uid FROM pool WHERE starts_with(caption, 'photo');",
    ),
    Code(
        "E0205",
        "DEFINE in a circle",
        "A DEFINE is replaced by its body wherever its name stands. One that needs itself, directly or through others, "
        "would never end.",
        "DEFINE good AS clip_l14 >= 0.3 AND good;\nSELECT uid FROM pool WHERE good;",
        "DEFINE good AS clip_l14 >= 0.3 AND width >= 200;\nSELECT uid FROM pool WHERE good;",
    ),
    Code(
        "E0206",
        "name with two meanings",
        "The pool has a column with a name that the library or a model gives as well. Either could be meant, and the choice "
        "would change the subset, so the recipe says which.",
        "SELECT uid FROM pool WHERE lang = 'en';",
        "SELECT uid FROM pool WHERE pool.lang = 'en';",
    ),
    Code(
        "E0207",
        "import in a circle",
        "A recipe imports itself, directly or through other recipes.",
        "IMPORT './recipe.dcql' AS base;\nSELECT uid FROM base;",
        "IMPORT './base.dcql' AS base;\nSELECT uid FROM base;",
    ),
    Code(
        "E0208",
        "file not found",
        "IMPORT or SET names a file that does not exist. A relative path starts at the folder of the recipe that names it.",
        "IMPORT './bse.dcql' AS base;\nSELECT uid FROM base;",
        "IMPORT './base.dcql' AS base;\nSELECT uid FROM base;",
    ),
    Code(
        "E0209",
        "file outside the recipe's folder",
        "A recipe reads the files in the folder of the recipe that is run and below it, and nothing else: somebody else's "
        "recipe can be compiled without a look at what it might open. Symbolic links are followed first.",
        "IMPORT '../base.dcql' AS base;\nSELECT uid FROM base;",
        "IMPORT './base.dcql' AS base;\nSELECT uid FROM base;",
    ),
    Code(
        "E0210",
        "file with another SHA-256",
        "The file that SET names is not the one that the recipe was written for: its digest differs. With another file the "
        "recipe would select another subset.",
        "SET widths FROM 'widths.txt' SHA256 '0000000000000000000000000000000000000000000000000000000000000000';\n"
        "SELECT uid FROM pool WHERE width IN widths;",
        "SET widths FROM 'widths.txt' SHA256 'c7736ea07611df594eb69ce9ae5fdbd8971a01c5a5443c034ddc334157ec2230';\n"
        "SELECT uid FROM pool WHERE width IN widths;",
    ),
    Code(
        "E0211",
        "unusable set file",
        "A set is a UTF-8 text file with one value on each line, or a .npy file of uids. Every value has the type of what "
        "the set is compared with.",
        "SET widths FROM 'widths.txt' SHA256 'c7736ea07611df594eb69ce9ae5fdbd8971a01c5a5443c034ddc334157ec2230';\n"
        "SELECT uid FROM pool WHERE uid IN widths;",
        "SET widths FROM 'widths.txt' SHA256 'c7736ea07611df594eb69ce9ae5fdbd8971a01c5a5443c034ddc334157ec2230';\n"
        "SELECT uid FROM pool WHERE width IN widths;",
    ),
    Code(
        "E0212",
        "unknown PARAM",
        "`--set` and `IMPORT .. WITH` give values to PARAMs that the recipe declares. `--set` reaches the recipe that is "
        "run, not its imports.",
        "IMPORT './base.dcql' AS base WITH kept = 0.2;\nSELECT uid FROM base;",
        "IMPORT './base.dcql' AS base WITH keep = 0.2;\nSELECT uid FROM base;",
    ),
    Code(
        "E0213",
        "unreadable value for a PARAM",
        "The value of `--set` is a number, TRUE, FALSE, or text in single quotes.",
        "dcql run recipe.dcql --set start=photo",
        "dcql run recipe.dcql --set \"start='photo'\"",
    ),
)
