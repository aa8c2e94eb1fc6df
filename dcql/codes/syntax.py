"""Codes of phase E01: the text of a recipe does not follow the grammar."""

from dcql.codes.code import Code

CODES: tuple[Code, ...] = (
    Code(
        code="E0101",
        title="word that does not fit",
        meaning=(
            "A word or a sign stands where the grammar allows something else. The label or the help says what "
            "may stand there; a word that looks like a keyword is shown with that keyword."
        ),
        example="SELECT uid FORM pool;",
        instead="SELECT uid FROM pool;",
    ),
    Code(
        code="E0102",
        title="statement that ends too early",
        meaning="The statement stops, at its `;` or at the end of the file, before it is complete.",
        example="SELECT uid FROM pool WHERE clip_l14 >=;",
        instead="SELECT uid FROM pool WHERE clip_l14 >= 0.3;",
    ),
    Code(
        code="E0103",
        title="text that is never closed",
        meaning=(
            "A text literal starts with `'` and no `'` closes it on the same line. Text cannot run over several "
            "lines: the line endings of a file would change what it means. A quote inside text is doubled."
        ),
        example="SELECT uid FROM pool WHERE lang = 'en;",
        instead="SELECT uid FROM pool WHERE lang = 'en';",
    ),
    Code(
        code="E0104",
        title="parenthesis that is never closed",
        meaning="A statement opens a parenthesis and ends before closing it.",
        example="SELECT uid FROM pool WHERE (width > 200 AND height > 200;",
        instead="SELECT uid FROM pool WHERE (width > 200 AND height > 200);",
    ),
    Code(
        code="E0105",
        title="parenthesis that was never opened",
        meaning="A statement closes a parenthesis that it did not open.",
        example="SELECT uid FROM pool WHERE width > 200);",
        instead="SELECT uid FROM pool WHERE width > 200;",
    ),
    Code(
        code="E0106",
        title="character or operator that does not belong",
        meaning=(
            "Recipes use few signs: names of ASCII letters, digits and `_`, numbers, text in single quotes, the "
            "operators `= <> < <= > >= + - * / %`, parentheses, commas, dots and `;`. Other characters may stand "
            "in text and comments."
        ),
        example="PARAM keep DEFAULT 0.3;\nSELECT uid FROM pool WHERE clip_l14 > $keep;",
        instead="PARAM keep DEFAULT 0.3;\nSELECT uid FROM pool WHERE clip_l14 > keep;",
    ),
    Code(
        code="E0107",
        title="malformed number",
        meaning="A number has digits, perhaps one point, perhaps an exponent, and no letters or `_`.",
        example="SELECT uid FROM pool WHERE width > 1_000;",
        instead="SELECT uid FROM pool WHERE width > 1000;",
    ),
    Code(
        code="E0108",
        title="number out of range",
        meaning=("Numbers are exact, so their size is bounded: at most 400 digits, and an exponent from -400 to 400."),
        example="SELECT uid FROM pool WHERE width < 1e999;",
        instead="SELECT uid FROM pool WHERE width < 1e9;",
    ),
    Code(
        code="E0109",
        title="missing `;`",
        meaning="A new statement begins before the last one was ended.",
        example="DEFINE wide AS width > 2 * height SELECT uid FROM pool WHERE wide;",
        instead="DEFINE wide AS width > 2 * height; SELECT uid FROM pool WHERE wide;",
    ),
    Code(
        code="E0110",
        title="text in double quotes",
        meaning=(
            "Text takes single quotes. Double quotes have no meaning here, because SQL dialects disagree whether "
            "they hold text or a name."
        ),
        example='SELECT uid FROM pool WHERE lang = "en";',
        instead="SELECT uid FROM pool WHERE lang = 'en';",
    ),
    Code(
        code="E0111",
        title="name in backquotes",
        meaning="Names are written without quotes.",
        example="SELECT uid FROM pool WHERE `width` > 200;",
        instead="SELECT uid FROM pool WHERE width > 200;",
    ),
    Code(
        code="E0112",
        title="block comment",
        meaning="Comments start with `--` and end with their line.",
        example="/* all */ SELECT uid FROM pool;",
        instead="-- all\nSELECT uid FROM pool;",
    ),
    Code(
        code="E0113",
        title="double equals sign",
        meaning="Equality is written `=`.",
        example="SELECT uid FROM pool WHERE lang == 'en';",
        instead="SELECT uid FROM pool WHERE lang = 'en';",
    ),
    Code(
        code="E0114",
        title="joining of text",
        meaning="No operator joins text: a recipe tests captions and makes none.",
        example="SELECT uid FROM pool WHERE text || url LIKE '%cat%';",
        instead="SELECT uid FROM pool WHERE text LIKE '%cat%' OR url LIKE '%cat%';",
    ),
    Code(
        code="E0115",
        title="change of type",
        meaning=(
            "There is no CAST and no `::`. A literal takes the type of the operand that it meets, and INT with "
            "FLOAT is DOUBLE."
        ),
        example="SELECT uid FROM pool WHERE CAST(width AS DOUBLE) / height > 2;",
        instead="SELECT uid FROM pool WHERE width / height > 2;",
    ),
    Code(
        code="E0116",
        title="operator for patterns of another dialect",
        meaning=(
            "Patterns are tested with LIKE, which is case-sensitive and has no escape, or with the function "
            "regexp_matches."
        ),
        example="SELECT uid FROM pool WHERE text ~ '^a';",
        instead="SELECT uid FROM pool WHERE regexp_matches(text, '^a');",
    ),
    Code(
        code="E0117",
        title="percentage as a value",
        meaning=(
            "A percentage of samples is a question about an order: q gives the value at a fraction of it, LIMIT "
            "takes a share of it. `%` is the remainder of a division."
        ),
        example="SELECT uid FROM pool WHERE clip_l14 > top 30%;",
        instead="SELECT uid FROM pool WHERE clip_l14 >= q(0.7);",
    ),
    Code(
        code="E0118",
        title="comparisons in a chain",
        meaning="A comparison is TRUE, FALSE or NULL, and is not compared again without parentheses.",
        example="SELECT uid FROM pool WHERE 0.2 < clip_l14 < 0.4;",
        instead="SELECT uid FROM pool WHERE clip_l14 > 0.2 AND clip_l14 < 0.4;",
    ),
    Code(
        code="E0119",
        title="IS with something else than NULL",
        meaning="IS asks only whether a value is NULL. A condition needs no comparison with TRUE.",
        example="SELECT uid FROM pool WHERE basic_caption IS TRUE;",
        instead="SELECT uid FROM pool WHERE basic_caption;",
    ),
    Code(
        code="E0120",
        title="CASE with a value to compare",
        meaning="CASE has one form, with a whole condition after each WHEN.",
        example="SELECT uid FROM pool WHERE CASE lang WHEN 'en' THEN width > 200 ELSE FALSE END;",
        instead="SELECT uid FROM pool WHERE CASE WHEN lang = 'en' THEN width > 200 ELSE FALSE END;",
    ),
    Code(
        code="E0121",
        title="aggregate",
        meaning=(
            "An expression speaks of one sample. The only value over many samples is the order statistic q; "
            "counts are reported for every query without being asked for."
        ),
        example="SELECT COUNT(*) FROM pool;",
        instead="SELECT uid FROM pool;",
    ),
    Code(
        code="E0122",
        title="window function",
        meaning=(
            "There are no windows. A threshold for each group is `q(p BY key)`; one sample of each group is "
            "DISTINCT ON."
        ),
        example="SELECT uid FROM pool WHERE row_number() OVER (ORDER BY clip_l14) < 10;",
        instead="SELECT uid FROM pool ORDER BY clip_l14 DESC LIMIT 9;",
    ),
    Code(
        code="E0123",
        title="SELECT *",
        meaning=(
            "A query selects samples, which are named by their uid. Their columns can be read in every stage "
            "without being selected."
        ),
        example="SELECT * FROM pool;",
        instead="SELECT uid FROM pool;",
    ),
    Code(
        code="E0124",
        title="SELECT of other columns",
        meaning=(
            "A query selects samples, which are named by their uid. Their columns can be read in every stage "
            "without being selected."
        ),
        example="SELECT uid, url FROM pool;",
        instead="SELECT uid FROM pool;",
    ),
    Code(
        code="E0125",
        title="DISTINCT without ON",
        meaning=(
            "A relation holds samples, which are already distinct. DISTINCT ON keeps the first sample of each "
            "group in the order of ORDER BY."
        ),
        example="SELECT DISTINCT uid FROM pool;",
        instead="SELECT DISTINCT ON (sha256) uid FROM pool ORDER BY clip_l14 DESC;",
    ),
    Code(
        code="E0126",
        title="GROUP BY",
        meaning=(
            "A recipe selects samples and makes no groups. One sample of each group is DISTINCT ON; a threshold "
            "for each group is `q(p BY key)`."
        ),
        example="SELECT uid FROM pool GROUP BY sha256;",
        instead="SELECT DISTINCT ON (sha256) uid FROM pool ORDER BY clip_l14 DESC;",
    ),
    Code(
        code="E0127",
        title="HAVING",
        meaning="A recipe makes no groups, so there is nothing that HAVING could test.",
        example="SELECT uid FROM pool HAVING width > 200;",
        instead="SELECT uid FROM pool WHERE width > 200;",
    ),
    Code(
        code="E0128",
        title="OFFSET",
        meaning=(
            "LIMIT takes the first samples of an order. What comes after them is a difference of two such queries."
        ),
        example="SELECT uid FROM pool ORDER BY clip_l14 DESC LIMIT 20 OFFSET 10;",
        instead=(
            "(SELECT uid FROM pool ORDER BY clip_l14 DESC LIMIT 30)\nEXCEPT (SELECT uid FROM pool ORDER BY "
            "clip_l14 DESC LIMIT 10);"
        ),
    ),
    Code(
        code="E0129",
        title="FROM with something else than one relation",
        meaning=(
            "FROM takes `pool`, a stage, a recipe that was imported, or a query in parentheses: one of them, "
            "under its own name. The pool is bound when a recipe runs, so that a recipe names no file."
        ),
        example="SELECT uid FROM pool AS p WHERE p.width > 200;",
        instead="SELECT uid FROM pool WHERE width > 200;",
    ),
    Code(
        code="E0130",
        title="statement that changes data",
        meaning="A recipe selects a subset and does nothing else. `dcql run` writes the subset.",
        example="CREATE TABLE big AS SELECT uid FROM pool;",
        instead="SELECT uid FROM pool;",
    ),
    Code(
        code="E0131",
        title="LET",
        meaning="An expression gets a name with DEFINE, a value that `--set` may change with PARAM.",
        example="LET keep = 0.3; SELECT uid FROM pool WHERE clip_l14 >= q(1 - keep);",
        instead="PARAM keep DEFAULT 0.3; SELECT uid FROM pool WHERE clip_l14 >= q(1 - keep);",
    ),
    Code(
        code="E0132",
        title="set operation after ORDER BY or LIMIT",
        meaning=(
            "ORDER BY and LIMIT end a query, after its set operations. An operand with an ORDER BY or LIMIT of "
            "its own stands in parentheses."
        ),
        example="SELECT uid FROM pool ORDER BY clip_l14 DESC LIMIT 10 UNION SELECT uid FROM pool;",
        instead="(SELECT uid FROM pool ORDER BY clip_l14 DESC LIMIT 10) UNION SELECT uid FROM pool;",
    ),
    Code(
        code="E0133",
        title="WITH inside a query",
        meaning="A recipe has one list of stages, before its final query. A stage sees the stages above it.",
        example="SELECT uid FROM (WITH big AS (SELECT uid FROM pool WHERE width > 200) SELECT uid FROM big);",
        instead="WITH big AS (SELECT uid FROM pool WHERE width > 200) SELECT uid FROM big;",
    ),
    Code(
        code="E0134",
        title="part of q after its parentheses",
        meaning=(
            "The population, the groups and the rule for NULL are part of the order statistic and stand inside "
            "its parentheses."
        ),
        example="SELECT uid FROM pool WHERE clip_l14 >= q(0.7) BY lang;",
        instead="SELECT uid FROM pool WHERE clip_l14 >= q(0.7 BY lang);",
    ),
    Code(
        code="E0135",
        title="query as a value",
        meaning="A query gives samples, and a sample is tested for being among them with IN.",
        example="SELECT uid FROM pool WHERE EXISTS (SELECT uid FROM pool);",
        instead="SELECT uid FROM pool WHERE uid IN (SELECT uid FROM pool WHERE width > 200);",
    ),
    Code(
        code="E0136",
        title="word reserved for a later version",
        meaning=(
            "The construct is planned and its words are kept free, but this version of the language does not have it."
        ),
        example="SELECT uid FROM pool SAMPLE 10 PERCENT SEED 7;",
        instead="SELECT uid FROM pool ORDER BY clip_l14 DESC LIMIT 10 PERCENT;",
    ),
    Code(
        code="E0137",
        title="definition of q",
        meaning=(
            "`q(..)` is the order statistic wherever it stands, so a definition of that name could never be "
            "used. A column called q can be read."
        ),
        example="DEFINE q(x) AS x > 2; SELECT uid FROM pool;",
        instead="DEFINE quick(x) AS x > 2; SELECT uid FROM pool;",
    ),
    Code(
        code="E0138",
        title="keyword as a name",
        meaning="Some words hold the language together and are never names, in capitals or not.",
        example="DEFINE wide(limit) AS width > limit;\nSELECT uid FROM pool WHERE wide(200);",
        instead="DEFINE wide(bound) AS width > bound;\nSELECT uid FROM pool WHERE wide(200);",
    ),
    Code(
        code="E0139",
        title="EXPECT without its query",
        meaning="EXPECT is the tail of the final query, before its `;`.",
        example="SELECT uid FROM pool; EXPECT kept BETWEEN 1 AND 100;",
        instead="SELECT uid FROM pool EXPECT kept BETWEEN 1 AND 100;",
    ),
    Code(
        code="E0140",
        title="recipe without a query",
        meaning="The value of a recipe is the subset that its final query selects.",
        example="DEFINE wide AS width > 2 * height;",
        instead="DEFINE wide AS width > 2 * height; SELECT uid FROM pool WHERE wide;",
    ),
    Code(
        code="E0141",
        title="second query",
        meaning="A recipe has one final query. A query that others read is a stage, in WITH.",
        example="SELECT uid FROM pool WHERE width > 200; SELECT uid FROM pool WHERE height > 200;",
        instead="SELECT uid FROM pool WHERE width > 200 UNION SELECT uid FROM pool WHERE height > 200;",
    ),
    Code(
        code="E0142",
        title="statement after the query",
        meaning="The final query ends a recipe; definitions come before it.",
        example="SELECT uid FROM pool WHERE wide; DEFINE wide AS width > 2 * height;",
        instead="DEFINE wide AS width > 2 * height; SELECT uid FROM pool WHERE wide;",
    ),
    Code(
        code="E0143",
        title="query in a library",
        meaning="A library holds definitions for recipes to use. A file with a query is a recipe.",
        example="DEFINE wide AS width > 2 * height; SELECT uid FROM pool;",
        instead="DEFINE wide AS width > 2 * height;",
    ),
    Code(
        code="E0144",
        title="another version of the language",
        meaning=(
            "A file may say first which version of the language it is written in: a whole number, `DCQL 1;`. The rules "
            "of a version never change, and a dcql follows those of one version. A file of another version has to be "
            "run with the dcql that speaks it, or be brought to this one."
        ),
        example="DCQL 2; SELECT uid FROM pool;",
        instead="DCQL 1; SELECT uid FROM pool;",
    ),
    Code(
        code="E0145",
        title="version that is not first",
        meaning=(
            "The version of the language decides how everything in a file is read, so it is the first statement and "
            "stands there once. An imported recipe is a file of its own, with a first line of its own."
        ),
        example="PARAM keep DEFAULT 0.3; DCQL 1; SELECT uid FROM pool WHERE clip_l14 >= q(1 - keep);",
        instead="DCQL 1; PARAM keep DEFAULT 0.3; SELECT uid FROM pool WHERE clip_l14 >= q(1 - keep);",
    ),
    Code(
        code="E0150",
        title="recipe that is too large",
        meaning=(
            "A recipe has at most 1,000,000 bytes, so that a stranger's recipe is read in bounded time. Long "
            "lists of values belong in a file of their own."
        ),
        example="SELECT uid FROM pool WHERE uid IN ('0..', '1..', ..);",
        instead="SET wanted FROM 'wanted.txt' SHA256 '9f86..'; SELECT uid FROM pool WHERE uid IN wanted;",
    ),
    Code(
        code="E0151",
        title="nesting that is too deep",
        meaning="Parentheses, CASE, NOT, signs and set operations hold each other at most 200 deep.",
        example="SELECT uid FROM pool WHERE ((( .. (width > 200) .. )));",
        instead="SELECT uid FROM pool WHERE width > 200;",
    ),
    Code(
        code="E0152",
        title="chain that is too long",
        meaning=(
            "A chain of AND, OR, `+` or `*` has at most 10,000 operands. Long lists of values belong in a file "
            "of their own."
        ),
        example="SELECT uid FROM pool WHERE image_cluster = 1 OR image_cluster = 2 OR ..;",
        instead=(
            "SET clusters FROM 'clusters.txt' SHA256 '9f86..'; SELECT uid FROM pool WHERE image_cluster IN clusters;"
        ),
    ),
    Code(
        code="E0153",
        title="control character",
        meaning=(
            "The text holds a character that is not drawn, such as NUL, or one that turns the direction of the "
            "text around it. It could make a recipe look like another one."
        ),
        example="SELECT uid FROM pool -- (a NUL byte here)",
        instead="SELECT uid FROM pool;",
    ),
    Code(
        code="E0154",
        title="text that is not UTF-8",
        meaning="A recipe is UTF-8 text, with or without a byte order mark.",
        example="(a file saved as Latin-1 or UTF-16)",
        instead="(the same file saved as UTF-8)",
    ),
    Code(
        code="E0155",
        title="file that cannot be read",
        meaning="The file is missing, is a directory, or may not be read.",
        example="dcql check no_such_file.dcql",
        instead="dcql check recipe.dcql",
    ),
)
