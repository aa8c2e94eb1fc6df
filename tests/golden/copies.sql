-- stage 1: $q1 = q(0.9 OF pool) over pool
SELECT
  "clip_l14_similarity_score" AS "value1"
FROM "samples";

-- check of copies
SELECT
  MAX("@check'0/fault") AS "check'0",
  MAX("@check'1/fault") AS "check'1"
FROM (
  SELECT
    "s".*,
    CASE
      WHEN (
        NOT (
          "@check'1/from/clauses" = 1
        )
      )
      THEN 0
      WHEN (
        "@check'1/count" IS NULL
      )
      THEN 1
      WHEN (
        "@check'1/count" < CAST(0 AS BIGINT)
      )
      THEN 2
      WHEN FALSE
      THEN 3
      WHEN (
        "@check'1/count" > CAST(4294967295 AS BIGINT)
      )
      THEN 4
      WHEN (
        (
          CAST("@rated/copies" AS UBIGINT) * CAST("@check'1/count" AS UBIGINT)
        ) > CAST(4294967295 AS UBIGINT)
      )
      THEN 5
      ELSE 0
    END AS "@check'1/fault"
  FROM (
    SELECT
      "s".*,
      CAST(CASE WHEN "@rated/in" THEN CASE WHEN "safe" THEN 1 ELSE 0 END ELSE 2 END AS USMALLINT) AS "@check'1/from/clauses"
    FROM (
      SELECT
        "s".*,
        "@rated/some" AS "@rated/in",
        "@rated/copies'" AS "@rated/copies"
      FROM (
        SELECT
          "s".*,
          (
            (
              "@rated/clauses" = 1
            )
            AND COALESCE((
              "@rated/times" > CAST(0 AS UBIGINT)
            ), FALSE)
          ) AS "@rated/some",
          "@rated/times" AS "@rated/copies'",
          CAST(CASE
            WHEN (
              "@rated/clauses" = 1
            )
            THEN CASE
              WHEN COALESCE((
                "@rated/times" > CAST(0 AS UBIGINT)
              ), FALSE)
              THEN 1
              ELSE 0
            END
            ELSE 2
          END AS USMALLINT) AS "@rated/copied"
        FROM (
          SELECT
            "s".*,
            CASE
              WHEN (
                NOT (
                  "@check'0/from/clauses" = 1
                )
              )
              THEN 0
              WHEN (
                "@check'0/count" IS NULL
              )
              THEN 1
              WHEN (
                "@check'0/count" < CAST(0 AS BIGINT)
              )
              THEN 2
              WHEN FALSE
              THEN 3
              WHEN (
                "@check'0/count" > CAST(4294967295 AS BIGINT)
              )
              THEN 4
              ELSE 0
            END AS "@check'0/fault",
            CASE
              WHEN (
                (
                  "@rated/count" >= CAST(0 AS BIGINT)
                )
                AND (
                  "@rated/count" <= CAST(4294967295 AS BIGINT)
                )
              )
              THEN CAST("@rated/count" AS UBIGINT)
              ELSE CAST(0 AS UBIGINT)
            END AS "@rated/times"
          FROM (
            SELECT
              "s".*,
              CAST(CASE
                WHEN (
                  COALESCE("rating", CAST(0 AS BIGINT)) >= CAST(0 AS BIGINT)
                )
                THEN 1
                ELSE 0
              END AS USMALLINT) AS "@check'0/from/clauses",
              COALESCE("rating", CAST(0 AS BIGINT)) AS "@check'0/count",
              CAST(CASE
                WHEN (
                  COALESCE("rating", CAST(0 AS BIGINT)) >= CAST(0 AS BIGINT)
                )
                THEN 1
                ELSE 0
              END AS USMALLINT) AS "@rated/clauses",
              COALESCE("rating", CAST(0 AS BIGINT)) AS "@rated/count",
              CASE
                WHEN (
                  "clip_l14_similarity_score" >= CAST($q1 AS REAL)
                )
                THEN CAST(3 AS BIGINT)
                ELSE CAST(1 AS BIGINT)
              END AS "@check'1/count"
            FROM "samples" AS "s"
          ) AS "s"
        ) AS "s"
      ) AS "s"
    ) AS "s"
  ) AS "s"
);

-- output
SELECT
  CASE WHEN "@query/some" THEN "@id" ELSE NULL END AS "id",
  CASE
    WHEN "@query/some"
    THEN LEAST(CAST("@query/copies'" AS UBIGINT), CAST(4294967295 AS UBIGINT))
    ELSE CAST(0 AS UBIGINT)
  END AS "copies",
  "@rated/clauses" AS "@rated/clauses",
  "@rated/copied" AS "@rated/copied",
  "@query/clauses" AS "@query/clauses",
  "@query/copied" AS "@query/copied"
FROM (
  SELECT
    "s".*,
    (
      (
        "@query/clauses" = 1
      )
      AND COALESCE((
        "@query/times" > CAST(0 AS UBIGINT)
      ), FALSE)
    ) AS "@query/some",
    CAST(CASE
      WHEN (
        "@query/clauses" = 1
      )
      THEN CASE
        WHEN COALESCE((
          "@query/times" > CAST(0 AS UBIGINT)
        ), FALSE)
        THEN 1
        ELSE 0
      END
      ELSE 2
    END AS USMALLINT) AS "@query/copied"
  FROM (
    SELECT
      "s".*,
      CAST(CASE WHEN "@rated/in" THEN CASE WHEN "safe" THEN 1 ELSE 0 END ELSE 2 END AS USMALLINT) AS "@query/clauses",
      LEAST(
        (
          CAST("@rated/copies" AS UBIGINT) * "@query/times"
        ),
        CAST(4294967296 AS UBIGINT)
      ) AS "@query/copies'"
    FROM (
      SELECT
        "s".*,
        "@rated/some" AS "@rated/in",
        "@rated/copies'" AS "@rated/copies"
      FROM (
        SELECT
          "s".*,
          (
            (
              "@rated/clauses" = 1
            )
            AND COALESCE((
              "@rated/times" > CAST(0 AS UBIGINT)
            ), FALSE)
          ) AS "@rated/some",
          "@rated/times" AS "@rated/copies'",
          CAST(CASE
            WHEN (
              "@rated/clauses" = 1
            )
            THEN CASE
              WHEN COALESCE((
                "@rated/times" > CAST(0 AS UBIGINT)
              ), FALSE)
              THEN 1
              ELSE 0
            END
            ELSE 2
          END AS USMALLINT) AS "@rated/copied"
        FROM (
          SELECT
            "s".*,
            CASE
              WHEN (
                (
                  "@rated/count" >= CAST(0 AS BIGINT)
                )
                AND (
                  "@rated/count" <= CAST(4294967295 AS BIGINT)
                )
              )
              THEN CAST("@rated/count" AS UBIGINT)
              ELSE CAST(0 AS UBIGINT)
            END AS "@rated/times",
            CAST("@query/count" AS UBIGINT) AS "@query/times"
          FROM (
            SELECT
              "s".*,
              CAST(CASE
                WHEN (
                  COALESCE("rating", CAST(0 AS BIGINT)) >= CAST(0 AS BIGINT)
                )
                THEN 1
                ELSE 0
              END AS USMALLINT) AS "@rated/clauses",
              COALESCE("rating", CAST(0 AS BIGINT)) AS "@rated/count",
              CASE
                WHEN (
                  "clip_l14_similarity_score" >= CAST($q1 AS REAL)
                )
                THEN CAST(3 AS BIGINT)
                ELSE CAST(1 AS BIGINT)
              END AS "@query/count"
            FROM "samples" AS "s"
          ) AS "s"
        ) AS "s"
      ) AS "s"
    ) AS "s"
  ) AS "s"
);
