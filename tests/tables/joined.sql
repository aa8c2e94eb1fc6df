-- table1
SELECT
  CAST(CASE WHEN (
    STRLEN("key") < 32
  ) THEN LPAD("key", 32, '0') ELSE "key" END AS TEXT) AS "key",
  CASE WHEN ISNAN("c0") THEN NULL ELSE "c0" + CAST(0 AS DOUBLE) END AS "c0",
  "c1" AS "c1"
FROM "@values"
WHERE
  (
    NOT (
      "key" IS NULL
    )
  );

-- table1
SELECT
  CAST(CASE WHEN (
    STRLEN("uid") < 32
  ) THEN LPAD("uid", 32, '0') ELSE "uid" END AS TEXT) AS "key",
  "file_index" AS "file",
  "file_row_number" AS "row"
FROM READ_PARQUET($files, can_have_nan = TRUE, file_row_number = TRUE);

-- table1
SELECT
  NOT (
    "@table"."key" IS NULL
  ) AS "in",
  "@table"."c0" AS "c0",
  "@table"."c1" AS "c1"
FROM "samples"
LEFT JOIN "table1" AS "@table"
  ON (
    "samples"."key" = "@table"."key"
  )
ORDER BY
  "samples"."file" ASC,
  "samples"."row" ASC;

-- table2
SELECT
  CAST("key" AS TEXT) AS "key",
  "c0" AS "c0",
  CASE WHEN ISNAN("c1") THEN NULL ELSE "c1" + CAST(0 AS REAL) END AS "c1"
FROM "@values"
WHERE
  (
    NOT (
      "key" IS NULL
    )
  );

-- table2
SELECT
  CAST("sha256" AS TEXT) AS "key",
  "file_index" AS "file",
  "file_row_number" AS "row"
FROM READ_PARQUET($files, can_have_nan = TRUE, file_row_number = TRUE);

-- table2
SELECT
  NOT (
    "@table"."key" IS NULL
  ) AS "in",
  "@table"."c0" AS "c0",
  "@table"."c1" AS "c1"
FROM "samples"
LEFT JOIN "table2" AS "@table"
  ON (
    "samples"."key" = "@table"."key"
  )
ORDER BY
  "samples"."file" ASC,
  "samples"."row" ASC;

-- samples
SELECT
  CAST(CASE
    WHEN (
      STRLEN("@pool"."uid") < 32
    )
    THEN LPAD("@pool"."uid", 32, '0')
    ELSE "@pool"."uid"
  END AS TEXT) AS "uid",
  "@table1"."in" AS "@/table1",
  "@table1"."c0" AS "@/table1/score",
  "@table1"."c1" AS "@/table1/word",
  "@table2"."in" AS "@/table2",
  "@table2"."c0" AS "@/table2/bytes",
  "@table2"."c1" AS "@/table2/score",
  TRUE AS "@id"
FROM READ_PARQUET($files, can_have_nan = TRUE) AS "@pool"
  POSITIONAL JOIN READ_PARQUET($table1) AS "@table1"
  POSITIONAL JOIN READ_PARQUET($table2) AS "@table2";

-- stage 1: $q1 = q(0.7 OF pool) over pool
SELECT
  "@/table1/score" AS "value1"
FROM "samples";

-- stage 2: $cut1: LIMIT 30: numbers to order by
SELECT
  "@/cut1/0" AS "value"
FROM (
  SELECT
    "s".*,
    CAST(CASE
      WHEN "@scored/in"
      THEN CASE
        WHEN (
          "@/table1/score" >= CAST($q1 AS DOUBLE)
        )
        THEN CASE
          WHEN (
            (
              "@/table2/bytes" > CAST(10 AS BIGINT)
            ) OR (
              "@/table2/bytes" IS NULL
            )
          )
          THEN CASE WHEN (
            "@/table1/word" <> 'a'
          ) THEN 3 ELSE 2 END
          ELSE 1
        END
        ELSE 0
      END
      ELSE 4
    END AS USMALLINT) AS "@input/clauses"
  FROM (
    SELECT
      "s".*,
      (
        "@scored/clauses" = 1
      ) AS "@scored/in"
    FROM (
      SELECT
        "s".*,
        CAST(CASE WHEN "@/table1" THEN 1 ELSE 0 END AS USMALLINT) AS "@scored/clauses",
        "@/table2/score" AS "@/cut1/0"
      FROM "samples" AS "s"
    ) AS "s"
  ) AS "s"
)
WHERE
  (
    "@input/clauses" = 3
  );

-- stage 2: $cut1: LIMIT 30: tie hash at the cut
SELECT
  SHA256((
    UNHEX('6463716c2e7469652e763100') || UNHEX("uid")
  )) AS "tie"
FROM (
  SELECT
    "s".*,
    CAST(CASE
      WHEN "@scored/in"
      THEN CASE
        WHEN (
          "@/table1/score" >= CAST($q1 AS DOUBLE)
        )
        THEN CASE
          WHEN (
            (
              "@/table2/bytes" > CAST(10 AS BIGINT)
            ) OR (
              "@/table2/bytes" IS NULL
            )
          )
          THEN CASE WHEN (
            "@/table1/word" <> 'a'
          ) THEN 3 ELSE 2 END
          ELSE 1
        END
        ELSE 0
      END
      ELSE 4
    END AS USMALLINT) AS "@input/clauses"
  FROM (
    SELECT
      "s".*,
      (
        "@scored/clauses" = 1
      ) AS "@scored/in"
    FROM (
      SELECT
        "s".*,
        CAST(CASE WHEN "@/table1" THEN 1 ELSE 0 END AS USMALLINT) AS "@scored/clauses",
        "@/table2/score" AS "@/cut1/0"
      FROM "samples" AS "s"
    ) AS "s"
  ) AS "s"
)
WHERE
  (
    (
      "@input/clauses" = 3
    )
    AND (
      "@/cut1/0" IS NOT DISTINCT FROM CAST($cut1_0 AS REAL)
    )
  )
ORDER BY
  "tie" ASC
LIMIT 1
OFFSET $offset;

-- output
SELECT
  CASE WHEN "@query/cut1" THEN "@id" ELSE NULL END AS "id",
  "@scored/clauses" AS "@scored/clauses",
  "@query/clauses" AS "@query/clauses"
FROM (
  SELECT
    "s".*,
    CASE
      WHEN (
        NOT (
          "@query/clauses" = 3
        )
      )
      THEN FALSE
      WHEN (
        CAST($cut1_keep AS BIGINT) <> 1
      )
      THEN (
        CAST($cut1_keep AS BIGINT) = 2
      )
      WHEN COALESCE(
        (
          (
            "@/cut1/0" > CAST($cut1_0 AS REAL)
          )
          OR (
            (
              NOT (
                "@/cut1/0" IS NULL
              )
            ) AND (
              CAST($cut1_0 AS REAL) IS NULL
            )
          )
        ),
        FALSE
      )
      THEN TRUE
      WHEN (
        "@/cut1/0" IS NOT DISTINCT FROM CAST($cut1_0 AS REAL)
      )
      THEN (
        SHA256((
          UNHEX('6463716c2e7469652e763100') || UNHEX("uid")
        )) <= CAST($cut1_tie AS TEXT)
      )
      ELSE FALSE
    END AS "@query/cut1"
  FROM (
    SELECT
      "s".*,
      CAST(CASE
        WHEN "@scored/in"
        THEN CASE
          WHEN (
            "@/table1/score" >= CAST($q1 AS DOUBLE)
          )
          THEN CASE
            WHEN (
              (
                "@/table2/bytes" > CAST(10 AS BIGINT)
              ) OR (
                "@/table2/bytes" IS NULL
              )
            )
            THEN CASE WHEN (
              "@/table1/word" <> 'a'
            ) THEN 3 ELSE 2 END
            ELSE 1
          END
          ELSE 0
        END
        ELSE 4
      END AS USMALLINT) AS "@query/clauses"
    FROM (
      SELECT
        "s".*,
        (
          "@scored/clauses" = 1
        ) AS "@scored/in"
      FROM (
        SELECT
          "s".*,
          CAST(CASE WHEN "@/table1" THEN 1 ELSE 0 END AS USMALLINT) AS "@scored/clauses",
          "@/table2/score" AS "@/cut1/0"
        FROM "samples" AS "s"
      ) AS "s"
    ) AS "s"
  ) AS "s"
);
