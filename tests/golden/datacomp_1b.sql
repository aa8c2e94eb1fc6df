-- stage 1: $q1 = q(1 - datacomp_fraction(f) NULLS FIRST) over pool
SELECT
  "clip_l14_similarity_score" AS "value1"
FROM "samples";

-- stage 2: asked1: the samples that lang is asked of
SELECT
  "@id" AS "id"
FROM (
  SELECT
    "s".*,
    (
      "@asked'1/clauses" = 1
    ) AS "@asked'1/in"
  FROM (
    SELECT
      "s".*,
      CAST(CASE WHEN (
        "clip_l14_similarity_score" >= CAST($q1 AS REAL)
      ) THEN 1 ELSE 0 END AS USMALLINT) AS "@asked'1/clauses"
    FROM "samples" AS "s"
  ) AS "s"
)
WHERE
  "@asked'1/in";

-- stage 3: asked2: the samples that image_cluster is asked of
SELECT
  "@id" AS "id"
FROM (
  SELECT
    "s".*,
    (
      "@asked'2/clauses" = 1
    ) AS "@asked'2/in"
  FROM (
    SELECT
      "s".*,
      CAST(CASE
        WHEN "@asked'1/in"
        THEN CASE
          WHEN (
            (
              CASE WHEN "@asked'1/in" THEN "@feature/lang" ELSE NULL END = 'en'
            )
            AND (
              (
                LEN(REGEXP_EXTRACT_ALL("text", '[^ \t\v\f\r\x00\n]+|\n')) > CAST(1 AS BIGINT)
              )
              AND (
                LENGTH("text") > CAST(5 AS BIGINT)
              )
            )
          )
          THEN 1
          ELSE 0
        END
        ELSE 2
      END AS USMALLINT) AS "@asked'2/clauses"
    FROM (
      SELECT
        "s".*,
        (
          "@asked'1/clauses" = 1
        ) AS "@asked'1/in"
      FROM (
        SELECT
          "s".*,
          CAST(CASE WHEN (
            "clip_l14_similarity_score" >= CAST($q1 AS REAL)
          ) THEN 1 ELSE 0 END AS USMALLINT) AS "@asked'1/clauses"
        FROM "samples" AS "s"
      ) AS "s"
    ) AS "s"
  ) AS "s"
)
WHERE
  "@asked'2/in";

-- output
SELECT
  CASE WHEN (
    "@query/clauses" = 3
  ) THEN "@id" ELSE NULL END AS "id",
  "@id" AS "row",
  "@asked'1/in" AS "asked1",
  "@asked'2/in" AS "asked2",
  "@query/clauses" AS "@query/clauses"
FROM (
  SELECT
    "s".*,
    CAST(CASE
      WHEN (
        "@asked'1/clauses" = 1
      )
      THEN CASE
        WHEN (
          "@asked'2/clauses" = 1
        )
        THEN CASE
          WHEN CASE
            WHEN (
              NOT (
                CASE WHEN "@asked'2/in" THEN "@feature/image_cluster" ELSE NULL END IS NULL
              )
            )
            THEN CASE WHEN "@asked'2/in" THEN "@feature/image_cluster" ELSE NULL END IN (
              SELECT
                "value"
              FROM "set1"
            )
            ELSE NULL
          END
          THEN 3
          ELSE 2
        END
        ELSE (
          "@asked'2/clauses" + 1
        )
      END
      WHEN (
        "@asked'1/clauses" = 2
      )
      THEN 4
      ELSE "@asked'1/clauses"
    END AS USMALLINT) AS "@query/clauses"
  FROM (
    SELECT
      "s".*,
      (
        "@asked'2/clauses" = 1
      ) AS "@asked'2/in"
    FROM (
      SELECT
        "s".*,
        CAST(CASE
          WHEN "@asked'1/in"
          THEN CASE
            WHEN (
              (
                CASE WHEN "@asked'1/in" THEN "@feature/lang" ELSE NULL END = 'en'
              )
              AND (
                (
                  LEN(REGEXP_EXTRACT_ALL("text", '[^ \t\v\f\r\x00\n]+|\n')) > CAST(1 AS BIGINT)
                )
                AND (
                  LENGTH("text") > CAST(5 AS BIGINT)
                )
              )
            )
            THEN 1
            ELSE 0
          END
          ELSE 2
        END AS USMALLINT) AS "@asked'2/clauses"
      FROM (
        SELECT
          "s".*,
          (
            "@asked'1/clauses" = 1
          ) AS "@asked'1/in"
        FROM (
          SELECT
            "s".*,
            CAST(CASE WHEN (
              "clip_l14_similarity_score" >= CAST($q1 AS REAL)
            ) THEN 1 ELSE 0 END AS USMALLINT) AS "@asked'1/clauses"
          FROM "samples" AS "s"
        ) AS "s"
      ) AS "s"
    ) AS "s"
  ) AS "s"
);
