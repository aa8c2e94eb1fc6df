-- stage 1: $q1 = q(0.6) over pool
SELECT
  "clip_l14_similarity_score" AS "value1"
FROM "samples";

-- stage 2: $cut1: LIMIT 50 PERCENT: numbers to order by
SELECT
  "@/cut1/0" AS "value"
FROM (
  SELECT
    "s".*,
    (
      "@good/clauses" = 1
    ) AS "@good/in"
  FROM (
    SELECT
      "s".*,
      CAST(CASE WHEN (
        "clip_l14_similarity_score" >= CAST($q1 AS REAL)
      ) THEN 1 ELSE 0 END AS USMALLINT) AS "@good/clauses",
      "clip_b32_similarity_score" AS "@/cut1/0"
    FROM "samples" AS "s"
  ) AS "s"
)
WHERE
  "@good/in";

-- stage 2: $cut1: LIMIT 50 PERCENT: tie hash at the cut
SELECT
  SHA256((
    UNHEX('6463716c2e7469652e763100') || UNHEX("uid")
  )) AS "tie"
FROM (
  SELECT
    "s".*,
    (
      "@good/clauses" = 1
    ) AS "@good/in"
  FROM (
    SELECT
      "s".*,
      CAST(CASE WHEN (
        "clip_l14_similarity_score" >= CAST($q1 AS REAL)
      ) THEN 1 ELSE 0 END AS USMALLINT) AS "@good/clauses",
      "clip_b32_similarity_score" AS "@/cut1/0"
    FROM "samples" AS "s"
  ) AS "s"
)
WHERE
  (
    "@good/in" AND (
      "@/cut1/0" IS NOT DISTINCT FROM CAST($cut1_0 AS REAL)
    )
  )
ORDER BY
  "tie" ASC
LIMIT 1
OFFSET $offset;

-- stage 3: $cut2: LIMIT 100: samples
SELECT
  COUNT(*) AS "samples"
FROM (
  SELECT
    "s".*,
    (
      "@good/in" OR "@best/in"
    ) AS "@input/upto2",
    (
      CASE WHEN "@good/in" THEN CAST(1 AS UBIGINT) ELSE CAST(0 AS UBIGINT) END + CASE WHEN "@best/in" THEN CAST(1 AS UBIGINT) ELSE CAST(0 AS UBIGINT) END
    ) AS "@input/upto2/copies"
  FROM (
    SELECT
      "s".*,
      "@best/cut1" AS "@best/in"
    FROM (
      SELECT
        "s".*,
        CASE
          WHEN (
            NOT "@good/in"
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
        END AS "@best/cut1"
      FROM (
        SELECT
          "s".*,
          (
            "@good/clauses" = 1
          ) AS "@good/in"
        FROM (
          SELECT
            "s".*,
            CAST(CASE WHEN (
              "clip_l14_similarity_score" >= CAST($q1 AS REAL)
            ) THEN 1 ELSE 0 END AS USMALLINT) AS "@good/clauses",
            "clip_b32_similarity_score" AS "@/cut1/0",
            "rating" AS "@/cut2/0",
            "clip_l14_similarity_score" AS "@/cut2/1"
          FROM "samples" AS "s"
        ) AS "s"
      ) AS "s"
    ) AS "s"
  ) AS "s"
)
WHERE
  "@input/upto2";

-- stage 3: $cut2: LIMIT 100: keys at the cut
SELECT
  "@/cut2/0" AS "key0",
  "@/cut2/1" AS "key1"
FROM (
  SELECT
    "s".*,
    (
      "@good/in" OR "@best/in"
    ) AS "@input/upto2",
    (
      CASE WHEN "@good/in" THEN CAST(1 AS UBIGINT) ELSE CAST(0 AS UBIGINT) END + CASE WHEN "@best/in" THEN CAST(1 AS UBIGINT) ELSE CAST(0 AS UBIGINT) END
    ) AS "@input/upto2/copies"
  FROM (
    SELECT
      "s".*,
      "@best/cut1" AS "@best/in"
    FROM (
      SELECT
        "s".*,
        CASE
          WHEN (
            NOT "@good/in"
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
        END AS "@best/cut1"
      FROM (
        SELECT
          "s".*,
          (
            "@good/clauses" = 1
          ) AS "@good/in"
        FROM (
          SELECT
            "s".*,
            CAST(CASE WHEN (
              "clip_l14_similarity_score" >= CAST($q1 AS REAL)
            ) THEN 1 ELSE 0 END AS USMALLINT) AS "@good/clauses",
            "clip_b32_similarity_score" AS "@/cut1/0",
            "rating" AS "@/cut2/0",
            "clip_l14_similarity_score" AS "@/cut2/1"
          FROM "samples" AS "s"
        ) AS "s"
      ) AS "s"
    ) AS "s"
  ) AS "s"
)
WHERE
  "@input/upto2"
ORDER BY
  "@/cut2/0" DESC,
  "@/cut2/1" ASC
LIMIT 1
OFFSET $offset;

-- stage 3: $cut2: LIMIT 100: samples before them
SELECT
  COUNT(*) AS "samples"
FROM (
  SELECT
    "s".*,
    (
      "@good/in" OR "@best/in"
    ) AS "@input/upto2",
    (
      CASE WHEN "@good/in" THEN CAST(1 AS UBIGINT) ELSE CAST(0 AS UBIGINT) END + CASE WHEN "@best/in" THEN CAST(1 AS UBIGINT) ELSE CAST(0 AS UBIGINT) END
    ) AS "@input/upto2/copies"
  FROM (
    SELECT
      "s".*,
      "@best/cut1" AS "@best/in"
    FROM (
      SELECT
        "s".*,
        CASE
          WHEN (
            NOT "@good/in"
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
        END AS "@best/cut1"
      FROM (
        SELECT
          "s".*,
          (
            "@good/clauses" = 1
          ) AS "@good/in"
        FROM (
          SELECT
            "s".*,
            CAST(CASE WHEN (
              "clip_l14_similarity_score" >= CAST($q1 AS REAL)
            ) THEN 1 ELSE 0 END AS USMALLINT) AS "@good/clauses",
            "clip_b32_similarity_score" AS "@/cut1/0",
            "rating" AS "@/cut2/0",
            "clip_l14_similarity_score" AS "@/cut2/1"
          FROM "samples" AS "s"
        ) AS "s"
      ) AS "s"
    ) AS "s"
  ) AS "s"
)
WHERE
  (
    "@input/upto2"
    AND (
      COALESCE(
        (
          (
            "@/cut2/0" > CAST($cut2_0 AS BIGINT)
          )
          OR (
            (
              NOT (
                "@/cut2/0" IS NULL
              )
            ) AND (
              CAST($cut2_0 AS BIGINT) IS NULL
            )
          )
        ),
        FALSE
      )
      OR (
        (
          "@/cut2/0" IS NOT DISTINCT FROM CAST($cut2_0 AS BIGINT)
        )
        AND COALESCE(
          (
            (
              "@/cut2/1" < CAST($cut2_1 AS REAL)
            )
            OR (
              (
                NOT (
                  "@/cut2/1" IS NULL
                )
              ) AND (
                CAST($cut2_1 AS REAL) IS NULL
              )
            )
          ),
          FALSE
        )
      )
    )
  );

-- stage 3: $cut2: LIMIT 100: tie hash at the cut
SELECT
  SHA256((
    UNHEX('6463716c2e7469652e763100') || UNHEX("uid")
  )) AS "tie"
FROM (
  SELECT
    "s".*,
    (
      "@good/in" OR "@best/in"
    ) AS "@input/upto2",
    (
      CASE WHEN "@good/in" THEN CAST(1 AS UBIGINT) ELSE CAST(0 AS UBIGINT) END + CASE WHEN "@best/in" THEN CAST(1 AS UBIGINT) ELSE CAST(0 AS UBIGINT) END
    ) AS "@input/upto2/copies"
  FROM (
    SELECT
      "s".*,
      "@best/cut1" AS "@best/in"
    FROM (
      SELECT
        "s".*,
        CASE
          WHEN (
            NOT "@good/in"
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
        END AS "@best/cut1"
      FROM (
        SELECT
          "s".*,
          (
            "@good/clauses" = 1
          ) AS "@good/in"
        FROM (
          SELECT
            "s".*,
            CAST(CASE WHEN (
              "clip_l14_similarity_score" >= CAST($q1 AS REAL)
            ) THEN 1 ELSE 0 END AS USMALLINT) AS "@good/clauses",
            "clip_b32_similarity_score" AS "@/cut1/0",
            "rating" AS "@/cut2/0",
            "clip_l14_similarity_score" AS "@/cut2/1"
          FROM "samples" AS "s"
        ) AS "s"
      ) AS "s"
    ) AS "s"
  ) AS "s"
)
WHERE
  (
    "@input/upto2"
    AND (
      (
        "@/cut2/0" IS NOT DISTINCT FROM CAST($cut2_0 AS BIGINT)
      )
      AND (
        "@/cut2/1" IS NOT DISTINCT FROM CAST($cut2_1 AS REAL)
      )
    )
  )
ORDER BY
  "tie" ASC
LIMIT 1
OFFSET $offset;

-- output
SELECT
  CASE WHEN "@query/cut2" THEN "@id" ELSE NULL END AS "id",
  CASE
    WHEN "@query/cut2"
    THEN CAST("@query/upto2/copies" AS UBIGINT)
    ELSE CAST(0 AS UBIGINT)
  END AS "copies",
  "@good/clauses" AS "@good/clauses"
FROM (
  SELECT
    "s".*,
    CASE
      WHEN (
        NOT "@query/upto2"
      )
      THEN FALSE
      WHEN (
        CAST($cut2_keep AS BIGINT) <> 1
      )
      THEN (
        CAST($cut2_keep AS BIGINT) = 2
      )
      WHEN (
        COALESCE(
          (
            (
              "@/cut2/0" > CAST($cut2_0 AS BIGINT)
            )
            OR (
              (
                NOT (
                  "@/cut2/0" IS NULL
                )
              ) AND (
                CAST($cut2_0 AS BIGINT) IS NULL
              )
            )
          ),
          FALSE
        )
        OR (
          (
            "@/cut2/0" IS NOT DISTINCT FROM CAST($cut2_0 AS BIGINT)
          )
          AND COALESCE(
            (
              (
                "@/cut2/1" < CAST($cut2_1 AS REAL)
              )
              OR (
                (
                  NOT (
                    "@/cut2/1" IS NULL
                  )
                ) AND (
                  CAST($cut2_1 AS REAL) IS NULL
                )
              )
            ),
            FALSE
          )
        )
      )
      THEN TRUE
      WHEN (
        (
          "@/cut2/0" IS NOT DISTINCT FROM CAST($cut2_0 AS BIGINT)
        )
        AND (
          "@/cut2/1" IS NOT DISTINCT FROM CAST($cut2_1 AS REAL)
        )
      )
      THEN (
        SHA256((
          UNHEX('6463716c2e7469652e763100') || UNHEX("uid")
        )) <= CAST($cut2_tie AS TEXT)
      )
      ELSE FALSE
    END AS "@query/cut2"
  FROM (
    SELECT
      "s".*,
      (
        "@good/in" OR "@best/in"
      ) AS "@query/upto2",
      (
        CASE WHEN "@good/in" THEN CAST(1 AS UBIGINT) ELSE CAST(0 AS UBIGINT) END + CASE WHEN "@best/in" THEN CAST(1 AS UBIGINT) ELSE CAST(0 AS UBIGINT) END
      ) AS "@query/upto2/copies"
    FROM (
      SELECT
        "s".*,
        "@best/cut1" AS "@best/in"
      FROM (
        SELECT
          "s".*,
          CASE
            WHEN (
              NOT "@good/in"
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
          END AS "@best/cut1"
        FROM (
          SELECT
            "s".*,
            (
              "@good/clauses" = 1
            ) AS "@good/in"
          FROM (
            SELECT
              "s".*,
              CAST(CASE WHEN (
                "clip_l14_similarity_score" >= CAST($q1 AS REAL)
              ) THEN 1 ELSE 0 END AS USMALLINT) AS "@good/clauses",
              "clip_b32_similarity_score" AS "@/cut1/0",
              "rating" AS "@/cut2/0",
              "clip_l14_similarity_score" AS "@/cut2/1"
            FROM "samples" AS "s"
          ) AS "s"
        ) AS "s"
      ) AS "s"
    ) AS "s"
  ) AS "s"
);
