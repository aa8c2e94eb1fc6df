-- stage 1: $q1 = q(0.5 OF worded) over worded
SELECT
  CASE WHEN "@worded/in" THEN "clip_l14_similarity_score" ELSE NULL END AS "value1",
  "@worded/in" AS "member1"
FROM (
  SELECT
    "s".*,
    (
      "@worded/clauses" = 1
    ) AS "@worded/in"
  FROM (
    SELECT
      "s".*,
      CAST(CASE
        WHEN (
          CASE
            WHEN REGEXP_MATCHES(
              "text",
              '[\t\n\v\f\r\x1c-\x1f\x{85}\x{a0}\x{1680}\x{2000}-\x{200a}\x{2028}\x{2029}\x{202f}\x{205f}\x{3000}]|^ | $|  |^$'
            )
            THEN LEN(
              REGEXP_EXTRACT_ALL(
                "text",
                '[^\t\n\v\f\r\x1c-\x1f \x{85}\x{a0}\x{1680}\x{2000}-\x{200a}\x{2028}\x{2029}\x{202f}\x{205f}\x{3000}]+'
              )
            )
            ELSE STRLEN("text") - STRLEN(REPLACE("text", ' ', '')) + 1
          END >= CAST(4 AS BIGINT)
        )
        THEN 1
        ELSE 0
      END AS USMALLINT) AS "@worded/clauses"
    FROM "samples" AS "s"
  ) AS "s"
);

-- stage 2: $cut1: LIMIT 40 PERCENT: numbers to order by
SELECT
  "@/cut1/0" AS "value"
FROM (
  SELECT
    "s".*,
    CAST(CASE
      WHEN "@better/in"
      THEN CASE
        WHEN (
          (
            CASE
              WHEN ISFINITE((
                CAST("original_width" AS DOUBLE) / CAST("original_height" AS DOUBLE)
              ))
              THEN (
                CAST("original_width" AS DOUBLE) / CAST("original_height" AS DOUBLE)
              )
              ELSE NULL
            END <= CAST(3.0e0 AS DOUBLE)
          )
          AND (
            CASE
              WHEN ISFINITE((
                CAST("original_height" AS DOUBLE) / CAST("original_width" AS DOUBLE)
              ))
              THEN (
                CAST("original_height" AS DOUBLE) / CAST("original_width" AS DOUBLE)
              )
              ELSE NULL
            END <= CAST(3.0e0 AS DOUBLE)
          )
        )
        THEN 1
        ELSE 0
      END
      ELSE 2
    END AS USMALLINT) AS "@input/clauses",
    COALESCE(
      (
        "@better/in"
        AND (
          (
            (
              CASE
                WHEN ISFINITE((
                  CAST("original_width" AS DOUBLE) / CAST("original_height" AS DOUBLE)
                ))
                THEN (
                  CAST("original_width" AS DOUBLE) / CAST("original_height" AS DOUBLE)
                )
                ELSE NULL
              END IS NULL
            )
            AND (
              (
                NOT (
                  CAST("original_width" AS DOUBLE) IS NULL
                )
              )
              AND (
                NOT (
                  CAST("original_height" AS DOUBLE) IS NULL
                )
              )
            )
          )
          OR (
            (
              CASE
                WHEN ISFINITE((
                  CAST("original_height" AS DOUBLE) / CAST("original_width" AS DOUBLE)
                ))
                THEN (
                  CAST("original_height" AS DOUBLE) / CAST("original_width" AS DOUBLE)
                )
                ELSE NULL
              END IS NULL
            )
            AND (
              (
                NOT (
                  CAST("original_height" AS DOUBLE) IS NULL
                )
              )
              AND (
                NOT (
                  CAST("original_width" AS DOUBLE) IS NULL
                )
              )
            )
          )
        )
      ),
      FALSE
    ) AS "@input/undefined"
  FROM (
    SELECT
      "s".*,
      (
        "@better/clauses" = 1
      ) AS "@better/in"
    FROM (
      SELECT
        "s".*,
        CAST(CASE
          WHEN "@worded/in"
          THEN CASE WHEN (
            "clip_l14_similarity_score" >= CAST($q1 AS REAL)
          ) THEN 1 ELSE 0 END
          ELSE 2
        END AS USMALLINT) AS "@better/clauses"
      FROM (
        SELECT
          "s".*,
          (
            "@worded/clauses" = 1
          ) AS "@worded/in"
        FROM (
          SELECT
            "s".*,
            CAST(CASE
              WHEN (
                CASE
                  WHEN REGEXP_MATCHES(
                    "text",
                    '[\t\n\v\f\r\x1c-\x1f\x{85}\x{a0}\x{1680}\x{2000}-\x{200a}\x{2028}\x{2029}\x{202f}\x{205f}\x{3000}]|^ | $|  |^$'
                  )
                  THEN LEN(
                    REGEXP_EXTRACT_ALL(
                      "text",
                      '[^\t\n\v\f\r\x1c-\x1f \x{85}\x{a0}\x{1680}\x{2000}-\x{200a}\x{2028}\x{2029}\x{202f}\x{205f}\x{3000}]+'
                    )
                  )
                  ELSE STRLEN("text") - STRLEN(REPLACE("text", ' ', '')) + 1
                END >= CAST(4 AS BIGINT)
              )
              THEN 1
              ELSE 0
            END AS USMALLINT) AS "@worded/clauses",
            "clip_b32_similarity_score" AS "@/cut1/0"
          FROM "samples" AS "s"
        ) AS "s"
      ) AS "s"
    ) AS "s"
  ) AS "s"
)
WHERE
  (
    "@input/clauses" = 1
  );

-- stage 2: $cut1: LIMIT 40 PERCENT: tie hash at the cut
SELECT
  SHA256((
    UNHEX('6463716c2e7469652e763100') || UNHEX("uid")
  )) AS "tie"
FROM (
  SELECT
    "s".*,
    CAST(CASE
      WHEN "@better/in"
      THEN CASE
        WHEN (
          (
            CASE
              WHEN ISFINITE((
                CAST("original_width" AS DOUBLE) / CAST("original_height" AS DOUBLE)
              ))
              THEN (
                CAST("original_width" AS DOUBLE) / CAST("original_height" AS DOUBLE)
              )
              ELSE NULL
            END <= CAST(3.0e0 AS DOUBLE)
          )
          AND (
            CASE
              WHEN ISFINITE((
                CAST("original_height" AS DOUBLE) / CAST("original_width" AS DOUBLE)
              ))
              THEN (
                CAST("original_height" AS DOUBLE) / CAST("original_width" AS DOUBLE)
              )
              ELSE NULL
            END <= CAST(3.0e0 AS DOUBLE)
          )
        )
        THEN 1
        ELSE 0
      END
      ELSE 2
    END AS USMALLINT) AS "@input/clauses",
    COALESCE(
      (
        "@better/in"
        AND (
          (
            (
              CASE
                WHEN ISFINITE((
                  CAST("original_width" AS DOUBLE) / CAST("original_height" AS DOUBLE)
                ))
                THEN (
                  CAST("original_width" AS DOUBLE) / CAST("original_height" AS DOUBLE)
                )
                ELSE NULL
              END IS NULL
            )
            AND (
              (
                NOT (
                  CAST("original_width" AS DOUBLE) IS NULL
                )
              )
              AND (
                NOT (
                  CAST("original_height" AS DOUBLE) IS NULL
                )
              )
            )
          )
          OR (
            (
              CASE
                WHEN ISFINITE((
                  CAST("original_height" AS DOUBLE) / CAST("original_width" AS DOUBLE)
                ))
                THEN (
                  CAST("original_height" AS DOUBLE) / CAST("original_width" AS DOUBLE)
                )
                ELSE NULL
              END IS NULL
            )
            AND (
              (
                NOT (
                  CAST("original_height" AS DOUBLE) IS NULL
                )
              )
              AND (
                NOT (
                  CAST("original_width" AS DOUBLE) IS NULL
                )
              )
            )
          )
        )
      ),
      FALSE
    ) AS "@input/undefined"
  FROM (
    SELECT
      "s".*,
      (
        "@better/clauses" = 1
      ) AS "@better/in"
    FROM (
      SELECT
        "s".*,
        CAST(CASE
          WHEN "@worded/in"
          THEN CASE WHEN (
            "clip_l14_similarity_score" >= CAST($q1 AS REAL)
          ) THEN 1 ELSE 0 END
          ELSE 2
        END AS USMALLINT) AS "@better/clauses"
      FROM (
        SELECT
          "s".*,
          (
            "@worded/clauses" = 1
          ) AS "@worded/in"
        FROM (
          SELECT
            "s".*,
            CAST(CASE
              WHEN (
                CASE
                  WHEN REGEXP_MATCHES(
                    "text",
                    '[\t\n\v\f\r\x1c-\x1f\x{85}\x{a0}\x{1680}\x{2000}-\x{200a}\x{2028}\x{2029}\x{202f}\x{205f}\x{3000}]|^ | $|  |^$'
                  )
                  THEN LEN(
                    REGEXP_EXTRACT_ALL(
                      "text",
                      '[^\t\n\v\f\r\x1c-\x1f \x{85}\x{a0}\x{1680}\x{2000}-\x{200a}\x{2028}\x{2029}\x{202f}\x{205f}\x{3000}]+'
                    )
                  )
                  ELSE STRLEN("text") - STRLEN(REPLACE("text", ' ', '')) + 1
                END >= CAST(4 AS BIGINT)
              )
              THEN 1
              ELSE 0
            END AS USMALLINT) AS "@worded/clauses",
            "clip_b32_similarity_score" AS "@/cut1/0"
          FROM "samples" AS "s"
        ) AS "s"
      ) AS "s"
    ) AS "s"
  ) AS "s"
)
WHERE
  (
    (
      "@input/clauses" = 1
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
  "@worded/clauses" AS "@worded/clauses",
  "@better/clauses" AS "@better/clauses",
  "@query/clauses" AS "@query/clauses",
  "@query/undefined" AS "@query/undefined"
FROM (
  SELECT
    "s".*,
    CASE
      WHEN (
        NOT (
          "@query/clauses" = 1
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
        WHEN "@better/in"
        THEN CASE
          WHEN (
            (
              CASE
                WHEN ISFINITE((
                  CAST("original_width" AS DOUBLE) / CAST("original_height" AS DOUBLE)
                ))
                THEN (
                  CAST("original_width" AS DOUBLE) / CAST("original_height" AS DOUBLE)
                )
                ELSE NULL
              END <= CAST(3.0e0 AS DOUBLE)
            )
            AND (
              CASE
                WHEN ISFINITE((
                  CAST("original_height" AS DOUBLE) / CAST("original_width" AS DOUBLE)
                ))
                THEN (
                  CAST("original_height" AS DOUBLE) / CAST("original_width" AS DOUBLE)
                )
                ELSE NULL
              END <= CAST(3.0e0 AS DOUBLE)
            )
          )
          THEN 1
          ELSE 0
        END
        ELSE 2
      END AS USMALLINT) AS "@query/clauses",
      COALESCE(
        (
          "@better/in"
          AND (
            (
              (
                CASE
                  WHEN ISFINITE((
                    CAST("original_width" AS DOUBLE) / CAST("original_height" AS DOUBLE)
                  ))
                  THEN (
                    CAST("original_width" AS DOUBLE) / CAST("original_height" AS DOUBLE)
                  )
                  ELSE NULL
                END IS NULL
              )
              AND (
                (
                  NOT (
                    CAST("original_width" AS DOUBLE) IS NULL
                  )
                )
                AND (
                  NOT (
                    CAST("original_height" AS DOUBLE) IS NULL
                  )
                )
              )
            )
            OR (
              (
                CASE
                  WHEN ISFINITE((
                    CAST("original_height" AS DOUBLE) / CAST("original_width" AS DOUBLE)
                  ))
                  THEN (
                    CAST("original_height" AS DOUBLE) / CAST("original_width" AS DOUBLE)
                  )
                  ELSE NULL
                END IS NULL
              )
              AND (
                (
                  NOT (
                    CAST("original_height" AS DOUBLE) IS NULL
                  )
                )
                AND (
                  NOT (
                    CAST("original_width" AS DOUBLE) IS NULL
                  )
                )
              )
            )
          )
        ),
        FALSE
      ) AS "@query/undefined"
    FROM (
      SELECT
        "s".*,
        (
          "@better/clauses" = 1
        ) AS "@better/in"
      FROM (
        SELECT
          "s".*,
          CAST(CASE
            WHEN "@worded/in"
            THEN CASE WHEN (
              "clip_l14_similarity_score" >= CAST($q1 AS REAL)
            ) THEN 1 ELSE 0 END
            ELSE 2
          END AS USMALLINT) AS "@better/clauses"
        FROM (
          SELECT
            "s".*,
            (
              "@worded/clauses" = 1
            ) AS "@worded/in"
          FROM (
            SELECT
              "s".*,
              CAST(CASE
                WHEN (
                  CASE
                    WHEN REGEXP_MATCHES(
                      "text",
                      '[\t\n\v\f\r\x1c-\x1f\x{85}\x{a0}\x{1680}\x{2000}-\x{200a}\x{2028}\x{2029}\x{202f}\x{205f}\x{3000}]|^ | $|  |^$'
                    )
                    THEN LEN(
                      REGEXP_EXTRACT_ALL(
                        "text",
                        '[^\t\n\v\f\r\x1c-\x1f \x{85}\x{a0}\x{1680}\x{2000}-\x{200a}\x{2028}\x{2029}\x{202f}\x{205f}\x{3000}]+'
                      )
                    )
                    ELSE STRLEN("text") - STRLEN(REPLACE("text", ' ', '')) + 1
                  END >= CAST(4 AS BIGINT)
                )
                THEN 1
                ELSE 0
              END AS USMALLINT) AS "@worded/clauses",
              "clip_b32_similarity_score" AS "@/cut1/0"
            FROM "samples" AS "s"
          ) AS "s"
        ) AS "s"
      ) AS "s"
    ) AS "s"
  ) AS "s"
);
