-- output
SELECT
  CASE WHEN (
    "@query/clauses" = 4
  ) THEN "@id" ELSE NULL END AS "id",
  "@query/clauses" AS "@query/clauses",
  "@query/undefined" AS "@query/undefined"
FROM (
  SELECT
    "s".*,
    CAST(CASE
      WHEN (
        COALESCE(
          CASE WHEN "safe" THEN "clip_b32_similarity_score" ELSE CAST(0.25e0 AS REAL) END,
          CAST(0.30000001192092896e0 AS REAL)
        ) <= CAST(0.2800000011920929e0 AS REAL)
      )
      THEN CASE
        WHEN (
          (
            (
              (
                CASE
                  WHEN (
                    (
                      "original_width" IS NULL
                    ) OR (
                      "original_height" IS NULL
                    )
                  )
                  THEN NULL
                  ELSE LEAST("original_width", "original_height")
                END >= CAST(200 AS BIGINT)
              )
              AND (
                CASE
                  WHEN (
                    (
                      "original_width" IS NULL
                    ) OR (
                      "original_height" IS NULL
                    )
                  )
                  THEN NULL
                  ELSE LEAST("original_width", "original_height")
                END <= CAST(600 AS BIGINT)
              )
            )
            OR (
              (
                "grp" = CAST(1 AS BIGINT)
              ) OR (
                "grp" = CAST(2 AS BIGINT)
              )
            )
          )
          OR (
            REGEXP_MATCHES("text", '(?i)photo|dog$') OR STARTS_WITH("uid", '0')
          )
        )
        THEN CASE
          WHEN (
            CASE
              WHEN ISFINITE(
                (
                  CASE
                    WHEN ISFINITE(
                      (
                        CASE WHEN ISFINITE(ABS("score")) THEN ABS("score") ELSE NULL END * CAST(2.0e0 AS DOUBLE)
                      )
                    )
                    THEN (
                      CASE WHEN ISFINITE(ABS("score")) THEN ABS("score") ELSE NULL END * CAST(2.0e0 AS DOUBLE)
                    )
                    ELSE NULL
                  END - CAST(1.0e0 AS DOUBLE)
                )
              )
              THEN (
                CASE
                  WHEN ISFINITE(
                    (
                      CASE WHEN ISFINITE(ABS("score")) THEN ABS("score") ELSE NULL END * CAST(2.0e0 AS DOUBLE)
                    )
                  )
                  THEN (
                    CASE WHEN ISFINITE(ABS("score")) THEN ABS("score") ELSE NULL END * CAST(2.0e0 AS DOUBLE)
                  )
                  ELSE NULL
                END - CAST(1.0e0 AS DOUBLE)
              )
              ELSE NULL
            END < CAST(2.0e0 AS DOUBLE)
          )
          THEN CASE
            WHEN (
              TRY_CAST(TRY((
                CAST("rating" AS INT128) % CAST(2 AS BIGINT)
              )) AS BIGINT) <> CAST(1 AS BIGINT)
            )
            THEN 4
            ELSE 3
          END
          ELSE 2
        END
        ELSE 1
      END
      ELSE 0
    END AS USMALLINT) AS "@query/clauses",
    COALESCE(
      (
        TRUE
        AND (
          (
            (
              CASE
                WHEN ISFINITE(
                  (
                    CASE
                      WHEN ISFINITE(
                        (
                          CASE WHEN ISFINITE(ABS("score")) THEN ABS("score") ELSE NULL END * CAST(2.0e0 AS DOUBLE)
                        )
                      )
                      THEN (
                        CASE WHEN ISFINITE(ABS("score")) THEN ABS("score") ELSE NULL END * CAST(2.0e0 AS DOUBLE)
                      )
                      ELSE NULL
                    END - CAST(1.0e0 AS DOUBLE)
                  )
                )
                THEN (
                  CASE
                    WHEN ISFINITE(
                      (
                        CASE WHEN ISFINITE(ABS("score")) THEN ABS("score") ELSE NULL END * CAST(2.0e0 AS DOUBLE)
                      )
                    )
                    THEN (
                      CASE WHEN ISFINITE(ABS("score")) THEN ABS("score") ELSE NULL END * CAST(2.0e0 AS DOUBLE)
                    )
                    ELSE NULL
                  END - CAST(1.0e0 AS DOUBLE)
                )
                ELSE NULL
              END IS NULL
            )
            AND (
              NOT (
                CASE WHEN ISFINITE(ABS("score")) THEN ABS("score") ELSE NULL END IS NULL
              )
            )
          )
          OR (
            (
              TRY_CAST(TRY((
                CAST("rating" AS INT128) % CAST(2 AS BIGINT)
              )) AS BIGINT) IS NULL
            )
            AND (
              NOT (
                "rating" IS NULL
              )
            )
          )
        )
      ),
      FALSE
    ) AS "@query/undefined"
  FROM "samples" AS "s"
);
