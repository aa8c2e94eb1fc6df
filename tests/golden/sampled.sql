-- stage 1: $q1 = q(0.2 OF share) over share
SELECT
  CASE WHEN "@share/in" THEN "clip_l14_similarity_score" ELSE NULL END AS "value1",
  "@share/in" AS "member1"
FROM (
  SELECT
    "s".*,
    (
      "@share/clauses" = 2
    ) AS "@share/in"
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
          END >= CAST(2 AS BIGINT)
        )
        THEN CASE
          WHEN (
            SHA256((
              UNHEX('6463716c2e73616d706c652e763100676f6c64656e00') || UNHEX("uid")
            )) < '9999999999999999'
          )
          THEN 2
          ELSE 1
        END
        ELSE 0
      END AS USMALLINT) AS "@share/clauses"
    FROM "samples" AS "s"
  ) AS "s"
);

-- stage 2: "cut1": SAMPLE 120 ROWS SEED 7 WEIGHT BY greatest(clip_b32_similarity_score, 0): weights
SELECT
  COUNT(*) AS "samples",
  COUNT(
    CASE
      WHEN COALESCE((
        (
          "@/weight" < CAST(0 AS DOUBLE)
        ) OR ISINF("@/weight")
      ), FALSE)
      THEN 1
      ELSE NULL
    END
  ) AS "wrong",
  MIN("@/used") AS "least",
  MAX("@/used") AS "most",
  SUM("@/used") AS "total"
FROM (
  SELECT
    "s".*,
    CAST(CASE
      WHEN "@share/in"
      THEN CASE WHEN (
        "clip_l14_similarity_score" >= CAST($q1 AS REAL)
      ) THEN 1 ELSE 0 END
      ELSE 2
    END AS USMALLINT) AS "@input/clauses"
  FROM (
    SELECT
      "s".*,
      (
        "@share/clauses" = 2
      ) AS "@share/in",
      CASE
        WHEN (
          COALESCE((
            "@/weight" > CAST(0 AS DOUBLE)
          ), FALSE)
          AND (
            NOT ISINF("@/weight")
          )
        )
        THEN "@/weight"
        ELSE NULL
      END AS "@/used"
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
            END >= CAST(2 AS BIGINT)
          )
          THEN CASE
            WHEN (
              SHA256((
                UNHEX('6463716c2e73616d706c652e763100676f6c64656e00') || UNHEX("uid")
              )) < '9999999999999999'
            )
            THEN 2
            ELSE 1
          END
          ELSE 0
        END AS USMALLINT) AS "@share/clauses",
        CAST(CASE
          WHEN (
            (
              "clip_b32_similarity_score" IS NULL
            ) OR (
              CAST(0.0e0 AS REAL) IS NULL
            )
          )
          THEN NULL
          ELSE GREATEST("clip_b32_similarity_score", CAST(0.0e0 AS REAL))
        END AS DOUBLE) AS "@/weight"
      FROM "samples" AS "s"
    ) AS "s"
  ) AS "s"
)
WHERE
  (
    "@input/clauses" = 1
  )
GROUP BY
  FLOOR(LOG2("@/used") * 64);

-- stage 2: "cut1": SAMPLE 120 ROWS SEED 7 WEIGHT BY greatest(clip_b32_similarity_score, 0): the first sample with a wrong weight
SELECT
  MIN("uid") AS "uid"
FROM (
  SELECT
    "s".*,
    CAST(CASE
      WHEN "@share/in"
      THEN CASE WHEN (
        "clip_l14_similarity_score" >= CAST($q1 AS REAL)
      ) THEN 1 ELSE 0 END
      ELSE 2
    END AS USMALLINT) AS "@input/clauses"
  FROM (
    SELECT
      "s".*,
      (
        "@share/clauses" = 2
      ) AS "@share/in"
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
            END >= CAST(2 AS BIGINT)
          )
          THEN CASE
            WHEN (
              SHA256((
                UNHEX('6463716c2e73616d706c652e763100676f6c64656e00') || UNHEX("uid")
              )) < '9999999999999999'
            )
            THEN 2
            ELSE 1
          END
          ELSE 0
        END AS USMALLINT) AS "@share/clauses",
        CAST(CASE
          WHEN (
            (
              "clip_b32_similarity_score" IS NULL
            ) OR (
              CAST(0.0e0 AS REAL) IS NULL
            )
          )
          THEN NULL
          ELSE GREATEST("clip_b32_similarity_score", CAST(0.0e0 AS REAL))
        END AS DOUBLE) AS "@/weight"
      FROM "samples" AS "s"
    ) AS "s"
  ) AS "s"
)
WHERE
  (
    (
      "@input/clauses" = 1
    )
    AND COALESCE((
      (
        "@/weight" < CAST(0 AS DOUBLE)
      ) OR ISINF("@/weight")
    ), FALSE)
  );

-- stage 2: "cut1": SAMPLE 120 ROWS SEED 7 WEIGHT BY greatest(clip_b32_similarity_score, 0): what is drawn for certain, and keys near the cut
SELECT
  "@id" AS "id",
  COALESCE((
    "@/key" > CAST($high AS DOUBLE)
  ), FALSE) AS "sure",
  CASE
    WHEN (
      (
        "@/key" >= CAST($low AS DOUBLE)
      ) AND (
        "@/key" <= CAST($high AS DOUBLE)
      )
    )
    THEN "@/key"
    ELSE NULL
  END AS "key",
  CASE
    WHEN (
      (
        "@/key" >= CAST($low AS DOUBLE)
      ) AND (
        "@/key" <= CAST($high AS DOUBLE)
      )
    )
    THEN SHA256((
      UNHEX('6463716c2e7469652e763100') || UNHEX("uid")
    ))
    ELSE NULL
  END AS "tie"
FROM (
  SELECT
    "s".*,
    CASE
      WHEN (
        "@input/clauses" = 1
      )
      THEN CASE
        WHEN (
          CAST(CASE
            WHEN (
              (
                "clip_b32_similarity_score" IS NULL
              ) OR (
                CAST(0.0e0 AS REAL) IS NULL
              )
            )
            THEN NULL
            ELSE GREATEST("clip_b32_similarity_score", CAST(0.0e0 AS REAL))
          END AS DOUBLE) > CAST(0 AS DOUBLE)
        )
        THEN CAST(CASE
          WHEN (
            (
              "clip_b32_similarity_score" IS NULL
            ) OR (
              CAST(0.0e0 AS REAL) IS NULL
            )
          )
          THEN NULL
          ELSE GREATEST("clip_b32_similarity_score", CAST(0.0e0 AS REAL))
        END AS DOUBLE) / (
          CAST((
            CAST(CAST(CONCAT(
              '0x',
              LEFT(SHA256((
                UNHEX('6463716c2e73616d706c652e7631003700') || UNHEX("uid")
              )), 16)
            ) AS UBIGINT) AS INT128) + 1
          ) AS DOUBLE) / CAST(18446744073709551616e0 AS DOUBLE)
        )
        ELSE NULL
      END
      ELSE NULL
    END AS "@/key"
  FROM (
    SELECT
      "s".*,
      CAST(CASE
        WHEN "@share/in"
        THEN CASE WHEN (
          "clip_l14_similarity_score" >= CAST($q1 AS REAL)
        ) THEN 1 ELSE 0 END
        ELSE 2
      END AS USMALLINT) AS "@input/clauses"
    FROM (
      SELECT
        "s".*,
        (
          "@share/clauses" = 2
        ) AS "@share/in"
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
              END >= CAST(2 AS BIGINT)
            )
            THEN CASE
              WHEN (
                SHA256((
                  UNHEX('6463716c2e73616d706c652e763100676f6c64656e00') || UNHEX("uid")
                )) < '9999999999999999'
              )
              THEN 2
              ELSE 1
            END
            ELSE 0
          END AS USMALLINT) AS "@share/clauses"
        FROM "samples" AS "s"
      ) AS "s"
    ) AS "s"
  ) AS "s"
);

-- stage 2: "cut1": SAMPLE 120 ROWS SEED 7 WEIGHT BY greatest(clip_b32_similarity_score, 0): what is drawn, in order
SELECT
  "@id" AS "id",
  "@/key" AS "key",
  SHA256((
    UNHEX('6463716c2e7469652e763100') || UNHEX("uid")
  )) AS "tie"
FROM (
  SELECT
    "s".*,
    CASE
      WHEN (
        "@input/clauses" = 1
      )
      THEN CASE
        WHEN (
          CAST(CASE
            WHEN (
              (
                "clip_b32_similarity_score" IS NULL
              ) OR (
                CAST(0.0e0 AS REAL) IS NULL
              )
            )
            THEN NULL
            ELSE GREATEST("clip_b32_similarity_score", CAST(0.0e0 AS REAL))
          END AS DOUBLE) > CAST(0 AS DOUBLE)
        )
        THEN CAST(CASE
          WHEN (
            (
              "clip_b32_similarity_score" IS NULL
            ) OR (
              CAST(0.0e0 AS REAL) IS NULL
            )
          )
          THEN NULL
          ELSE GREATEST("clip_b32_similarity_score", CAST(0.0e0 AS REAL))
        END AS DOUBLE) / (
          CAST((
            CAST(CAST(CONCAT(
              '0x',
              LEFT(SHA256((
                UNHEX('6463716c2e73616d706c652e7631003700') || UNHEX("uid")
              )), 16)
            ) AS UBIGINT) AS INT128) + 1
          ) AS DOUBLE) / CAST(18446744073709551616e0 AS DOUBLE)
        )
        ELSE NULL
      END
      ELSE NULL
    END AS "@/key"
  FROM (
    SELECT
      "s".*,
      CAST(CASE
        WHEN "@share/in"
        THEN CASE WHEN (
          "clip_l14_similarity_score" >= CAST($q1 AS REAL)
        ) THEN 1 ELSE 0 END
        ELSE 2
      END AS USMALLINT) AS "@input/clauses"
    FROM (
      SELECT
        "s".*,
        (
          "@share/clauses" = 2
        ) AS "@share/in"
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
              END >= CAST(2 AS BIGINT)
            )
            THEN CASE
              WHEN (
                SHA256((
                  UNHEX('6463716c2e73616d706c652e763100676f6c64656e00') || UNHEX("uid")
                )) < '9999999999999999'
              )
              THEN 2
              ELSE 1
            END
            ELSE 0
          END AS USMALLINT) AS "@share/clauses"
        FROM "samples" AS "s"
      ) AS "s"
    ) AS "s"
  ) AS "s"
)
WHERE
  (
    NOT (
      "@/key" IS NULL
    )
  )
ORDER BY
  "key" DESC,
  "tie" ASC
LIMIT $kept;

-- output
SELECT
  CASE WHEN (
    "@query/sample'/clauses" = 1
  ) THEN "@id" ELSE NULL END AS "id",
  "@share/clauses" AS "@share/clauses",
  "@heavy/clauses" AS "@heavy/clauses",
  "@query/2/clauses" AS "@query/2/clauses",
  "@query/sample'/clauses" AS "@query/sample'/clauses"
FROM (
  SELECT
    "s".*,
    CAST(CASE
      WHEN "@query/upto2"
      THEN CASE
        WHEN (
          SHA256((
            UNHEX('6463716c2e73616d706c652e7631003800') || UNHEX("uid")
          )) < 'c000000000000000'
        )
        THEN 1
        ELSE 0
      END
      ELSE 2
    END AS USMALLINT) AS "@query/sample'/clauses"
  FROM (
    SELECT
      "s".*,
      (
        "@heavy/in" OR (
          "@query/2/clauses" = 1
        )
      ) AS "@query/upto2"
    FROM (
      SELECT
        "s".*,
        "@heavy/cut1" AS "@heavy/in"
      FROM (
        SELECT
          "s".*,
          (
            (
              "@heavy/clauses" = 1
            )
            AND CASE
              WHEN (
                CAST($cut1_keep AS BIGINT) = 1
              )
              THEN COALESCE("@/cut1", FALSE)
              ELSE (
                (
                  CAST($cut1_keep AS BIGINT) = 2
                )
                AND COALESCE(
                  (
                    CAST(CASE
                      WHEN (
                        (
                          "clip_b32_similarity_score" IS NULL
                        ) OR (
                          CAST(0.0e0 AS REAL) IS NULL
                        )
                      )
                      THEN NULL
                      ELSE GREATEST("clip_b32_similarity_score", CAST(0.0e0 AS REAL))
                    END AS DOUBLE) > CAST(0 AS DOUBLE)
                  ),
                  FALSE
                )
              )
            END
          ) AS "@heavy/cut1"
        FROM (
          SELECT
            "s".*,
            CAST(CASE
              WHEN "@share/in"
              THEN CASE WHEN (
                "clip_l14_similarity_score" >= CAST($q1 AS REAL)
              ) THEN 1 ELSE 0 END
              ELSE 2
            END AS USMALLINT) AS "@heavy/clauses"
          FROM (
            SELECT
              "s".*,
              (
                "@share/clauses" = 2
              ) AS "@share/in"
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
                    END >= CAST(2 AS BIGINT)
                  )
                  THEN CASE
                    WHEN (
                      SHA256((
                        UNHEX('6463716c2e73616d706c652e763100676f6c64656e00') || UNHEX("uid")
                      )) < '9999999999999999'
                    )
                    THEN 2
                    ELSE 1
                  END
                  ELSE 0
                END AS USMALLINT) AS "@share/clauses",
                CAST(CASE WHEN (
                  "rating" = CAST(3 AS BIGINT)
                ) THEN 1 ELSE 0 END AS USMALLINT) AS "@query/2/clauses"
              FROM "samples" AS "s"
            ) AS "s"
          ) AS "s"
        ) AS "s"
      ) AS "s"
    ) AS "s"
  ) AS "s"
);
