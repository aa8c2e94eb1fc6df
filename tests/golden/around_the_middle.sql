-- stage 1: $q1 = q(0.7, clip_b32) over pool, $q2 = q(0.5, x OF pool) over pool, $q5 = q(0.4, score OF pool) over pool
SELECT
  "clip_b32_similarity_score" AS "value1",
  "clip_l14_similarity_score" AS "value2",
  "score" AS "value3"
FROM "samples";

-- stage 2: $q4 = q(0.2, score OF rated) over rated, $q6 = q(0.9, clip_l14 OF rated) over rated
SELECT
  CASE WHEN "@rated/in" THEN "score" ELSE NULL END AS "value1",
  "@rated/in" AS "member1",
  CASE WHEN "@rated/in" THEN "clip_l14_similarity_score" ELSE NULL END AS "value2",
  "@rated/in" AS "member2"
FROM (
  SELECT
    "s".*,
    (
      "@rated/clauses" = 2
    ) AS "@rated/in"
  FROM (
    SELECT
      "s".*,
      CAST(CASE
        WHEN (
          "rating" >= CAST(1 AS BIGINT)
        )
        THEN CASE
          WHEN (
            "clip_l14_similarity_score" >= CASE
              WHEN ISFINITE((
                CAST(0.5e0 AS REAL) * CAST($q1 AS REAL)
              ))
              THEN (
                CAST(0.5e0 AS REAL) * CAST($q1 AS REAL)
              )
              ELSE NULL
            END
          )
          THEN 2
          ELSE 1
        END
        ELSE 0
      END AS USMALLINT) AS "@rated/clauses",
      COALESCE(
        (
          TRUE
          AND (
            (
              CASE
                WHEN ISFINITE((
                  CAST(0.5e0 AS REAL) * CAST($q1 AS REAL)
                ))
                THEN (
                  CAST(0.5e0 AS REAL) * CAST($q1 AS REAL)
                )
                ELSE NULL
              END IS NULL
            )
            AND (
              NOT (
                CAST($q1 AS REAL) IS NULL
              )
            )
          )
        ),
        FALSE
      ) AS "@rated/undefined"
    FROM "samples" AS "s"
  ) AS "s"
);

-- stage 2: "q3" = q(0.3, clip_b32 OF rated BY grp) over rated: counts
SELECT
  "k0" AS "k0",
  COUNT(*) AS "samples",
  COUNT("value") AS "known"
FROM (
  SELECT
    "grp" AS "k0",
    "clip_b32_similarity_score" AS "value"
  FROM (
    SELECT
      "s".*,
      (
        "@rated/clauses" = 2
      ) AS "@rated/in"
    FROM (
      SELECT
        "s".*,
        CAST(CASE
          WHEN (
            "rating" >= CAST(1 AS BIGINT)
          )
          THEN CASE
            WHEN (
              "clip_l14_similarity_score" >= CASE
                WHEN ISFINITE((
                  CAST(0.5e0 AS REAL) * CAST($q1 AS REAL)
                ))
                THEN (
                  CAST(0.5e0 AS REAL) * CAST($q1 AS REAL)
                )
                ELSE NULL
              END
            )
            THEN 2
            ELSE 1
          END
          ELSE 0
        END AS USMALLINT) AS "@rated/clauses",
        COALESCE(
          (
            TRUE
            AND (
              (
                CASE
                  WHEN ISFINITE((
                    CAST(0.5e0 AS REAL) * CAST($q1 AS REAL)
                  ))
                  THEN (
                    CAST(0.5e0 AS REAL) * CAST($q1 AS REAL)
                  )
                  ELSE NULL
                END IS NULL
              )
              AND (
                NOT (
                  CAST($q1 AS REAL) IS NULL
                )
              )
            )
          ),
          FALSE
        ) AS "@rated/undefined"
      FROM "samples" AS "s"
    ) AS "s"
  )
  WHERE
    "@rated/in"
)
GROUP BY
  "k0"
ORDER BY
  "k0" ASC NULLS FIRST;

-- stage 2: "q3" = q(0.3, clip_b32 OF rated BY grp) over rated: values
SELECT
  "k0" AS "k0",
  "value" AS "value",
  COUNT(*) AS "samples"
FROM (
  SELECT
    "grp" AS "k0",
    "clip_b32_similarity_score" AS "value"
  FROM (
    SELECT
      "s".*,
      (
        "@rated/clauses" = 2
      ) AS "@rated/in"
    FROM (
      SELECT
        "s".*,
        CAST(CASE
          WHEN (
            "rating" >= CAST(1 AS BIGINT)
          )
          THEN CASE
            WHEN (
              "clip_l14_similarity_score" >= CASE
                WHEN ISFINITE((
                  CAST(0.5e0 AS REAL) * CAST($q1 AS REAL)
                ))
                THEN (
                  CAST(0.5e0 AS REAL) * CAST($q1 AS REAL)
                )
                ELSE NULL
              END
            )
            THEN 2
            ELSE 1
          END
          ELSE 0
        END AS USMALLINT) AS "@rated/clauses",
        COALESCE(
          (
            TRUE
            AND (
              (
                CASE
                  WHEN ISFINITE((
                    CAST(0.5e0 AS REAL) * CAST($q1 AS REAL)
                  ))
                  THEN (
                    CAST(0.5e0 AS REAL) * CAST($q1 AS REAL)
                  )
                  ELSE NULL
                END IS NULL
              )
              AND (
                NOT (
                  CAST($q1 AS REAL) IS NULL
                )
              )
            )
          ),
          FALSE
        ) AS "@rated/undefined"
      FROM "samples" AS "s"
    ) AS "s"
  )
  WHERE
    "@rated/in"
)
WHERE
  (
    NOT (
      "value" IS NULL
    )
  )
GROUP BY
  "k0",
  "value"
ORDER BY
  "k0" ASC NULLS FIRST,
  "value" ASC NULLS FIRST;

-- stage 3: $cut1: LIMIT 80 PERCENT: samples
SELECT
  COUNT(*) AS "samples"
FROM (
  SELECT
    "s".*,
    CAST(CASE
      WHEN "@rated/in"
      THEN CASE
        WHEN (
          CASE
            WHEN ISFINITE(
              ABS(
                CASE
                  WHEN ISFINITE((
                    "clip_l14_similarity_score" - CAST($q2 AS REAL)
                  ))
                  THEN (
                    "clip_l14_similarity_score" - CAST($q2 AS REAL)
                  )
                  ELSE NULL
                END
              )
            )
            THEN ABS(
              CASE
                WHEN ISFINITE((
                  "clip_l14_similarity_score" - CAST($q2 AS REAL)
                ))
                THEN (
                  "clip_l14_similarity_score" - CAST($q2 AS REAL)
                )
                ELSE NULL
              END
            )
            ELSE NULL
          END < CAST(0.15000000596046448e0 AS REAL)
        )
        THEN CASE
          WHEN (
            CASE
              WHEN ISFINITE((
                "clip_b32_similarity_score" - "@/q3"
              ))
              THEN (
                "clip_b32_similarity_score" - "@/q3"
              )
              ELSE NULL
            END > CAST((
              -0.10000000149011612e0
            ) AS REAL)
          )
          THEN CASE
            WHEN (
              CASE
                WHEN "safe"
                THEN CAST($q4 AS DOUBLE)
                ELSE CASE
                  WHEN (
                    (
                      CAST($q5 AS DOUBLE) IS NULL
                    ) OR (
                      CAST(0.5e0 AS DOUBLE) IS NULL
                    )
                  )
                  THEN NULL
                  ELSE LEAST(CAST($q5 AS DOUBLE), CAST(0.5e0 AS DOUBLE))
                END
              END <= "score"
            )
            THEN 3
            ELSE 2
          END
          ELSE 1
        END
        ELSE 0
      END
      ELSE 4
    END AS USMALLINT) AS "@input/clauses",
    COALESCE(
      (
        "@rated/in"
        AND (
          (
            (
              CASE
                WHEN ISFINITE((
                  "clip_l14_similarity_score" - CAST($q2 AS REAL)
                ))
                THEN (
                  "clip_l14_similarity_score" - CAST($q2 AS REAL)
                )
                ELSE NULL
              END IS NULL
            )
            AND (
              (
                NOT (
                  "clip_l14_similarity_score" IS NULL
                )
              )
              AND (
                NOT (
                  CAST($q2 AS REAL) IS NULL
                )
              )
            )
          )
          OR (
            (
              CASE
                WHEN ISFINITE((
                  "clip_b32_similarity_score" - "@/q3"
                ))
                THEN (
                  "clip_b32_similarity_score" - "@/q3"
                )
                ELSE NULL
              END IS NULL
            )
            AND (
              NOT (
                "clip_b32_similarity_score" IS NULL
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
        "@rated/clauses" = 2
      ) AS "@rated/in"
    FROM (
      SELECT
        "s".*,
        CAST(CASE
          WHEN (
            "rating" >= CAST(1 AS BIGINT)
          )
          THEN CASE
            WHEN (
              "clip_l14_similarity_score" >= CASE
                WHEN ISFINITE((
                  CAST(0.5e0 AS REAL) * CAST($q1 AS REAL)
                ))
                THEN (
                  CAST(0.5e0 AS REAL) * CAST($q1 AS REAL)
                )
                ELSE NULL
              END
            )
            THEN 2
            ELSE 1
          END
          ELSE 0
        END AS USMALLINT) AS "@rated/clauses",
        COALESCE(
          (
            TRUE
            AND (
              (
                CASE
                  WHEN ISFINITE((
                    CAST(0.5e0 AS REAL) * CAST($q1 AS REAL)
                  ))
                  THEN (
                    CAST(0.5e0 AS REAL) * CAST($q1 AS REAL)
                  )
                  ELSE NULL
                END IS NULL
              )
              AND (
                NOT (
                  CAST($q1 AS REAL) IS NULL
                )
              )
            )
          ),
          FALSE
        ) AS "@rated/undefined",
        "q3"."value" AS "@/q3",
        CASE
          WHEN ISFINITE((
            CAST($q6 AS REAL) - "clip_l14_similarity_score"
          ))
          THEN (
            CAST($q6 AS REAL) - "clip_l14_similarity_score"
          )
          ELSE NULL
        END AS "@/cut1/0",
        "original_width" AS "@/cut1/1"
      FROM "samples" AS "s"
      LEFT JOIN "q3"
        ON (
          "q3"."k0" IS NOT DISTINCT FROM "grp"
        )
    ) AS "s"
  ) AS "s"
)
WHERE
  (
    "@input/clauses" = 3
  );

-- stage 3: $cut1: LIMIT 80 PERCENT: keys at the cut
SELECT
  "@/cut1/0" AS "key0",
  "@/cut1/1" AS "key1"
FROM (
  SELECT
    "s".*,
    CAST(CASE
      WHEN "@rated/in"
      THEN CASE
        WHEN (
          CASE
            WHEN ISFINITE(
              ABS(
                CASE
                  WHEN ISFINITE((
                    "clip_l14_similarity_score" - CAST($q2 AS REAL)
                  ))
                  THEN (
                    "clip_l14_similarity_score" - CAST($q2 AS REAL)
                  )
                  ELSE NULL
                END
              )
            )
            THEN ABS(
              CASE
                WHEN ISFINITE((
                  "clip_l14_similarity_score" - CAST($q2 AS REAL)
                ))
                THEN (
                  "clip_l14_similarity_score" - CAST($q2 AS REAL)
                )
                ELSE NULL
              END
            )
            ELSE NULL
          END < CAST(0.15000000596046448e0 AS REAL)
        )
        THEN CASE
          WHEN (
            CASE
              WHEN ISFINITE((
                "clip_b32_similarity_score" - "@/q3"
              ))
              THEN (
                "clip_b32_similarity_score" - "@/q3"
              )
              ELSE NULL
            END > CAST((
              -0.10000000149011612e0
            ) AS REAL)
          )
          THEN CASE
            WHEN (
              CASE
                WHEN "safe"
                THEN CAST($q4 AS DOUBLE)
                ELSE CASE
                  WHEN (
                    (
                      CAST($q5 AS DOUBLE) IS NULL
                    ) OR (
                      CAST(0.5e0 AS DOUBLE) IS NULL
                    )
                  )
                  THEN NULL
                  ELSE LEAST(CAST($q5 AS DOUBLE), CAST(0.5e0 AS DOUBLE))
                END
              END <= "score"
            )
            THEN 3
            ELSE 2
          END
          ELSE 1
        END
        ELSE 0
      END
      ELSE 4
    END AS USMALLINT) AS "@input/clauses",
    COALESCE(
      (
        "@rated/in"
        AND (
          (
            (
              CASE
                WHEN ISFINITE((
                  "clip_l14_similarity_score" - CAST($q2 AS REAL)
                ))
                THEN (
                  "clip_l14_similarity_score" - CAST($q2 AS REAL)
                )
                ELSE NULL
              END IS NULL
            )
            AND (
              (
                NOT (
                  "clip_l14_similarity_score" IS NULL
                )
              )
              AND (
                NOT (
                  CAST($q2 AS REAL) IS NULL
                )
              )
            )
          )
          OR (
            (
              CASE
                WHEN ISFINITE((
                  "clip_b32_similarity_score" - "@/q3"
                ))
                THEN (
                  "clip_b32_similarity_score" - "@/q3"
                )
                ELSE NULL
              END IS NULL
            )
            AND (
              NOT (
                "clip_b32_similarity_score" IS NULL
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
        "@rated/clauses" = 2
      ) AS "@rated/in"
    FROM (
      SELECT
        "s".*,
        CAST(CASE
          WHEN (
            "rating" >= CAST(1 AS BIGINT)
          )
          THEN CASE
            WHEN (
              "clip_l14_similarity_score" >= CASE
                WHEN ISFINITE((
                  CAST(0.5e0 AS REAL) * CAST($q1 AS REAL)
                ))
                THEN (
                  CAST(0.5e0 AS REAL) * CAST($q1 AS REAL)
                )
                ELSE NULL
              END
            )
            THEN 2
            ELSE 1
          END
          ELSE 0
        END AS USMALLINT) AS "@rated/clauses",
        COALESCE(
          (
            TRUE
            AND (
              (
                CASE
                  WHEN ISFINITE((
                    CAST(0.5e0 AS REAL) * CAST($q1 AS REAL)
                  ))
                  THEN (
                    CAST(0.5e0 AS REAL) * CAST($q1 AS REAL)
                  )
                  ELSE NULL
                END IS NULL
              )
              AND (
                NOT (
                  CAST($q1 AS REAL) IS NULL
                )
              )
            )
          ),
          FALSE
        ) AS "@rated/undefined",
        "q3"."value" AS "@/q3",
        CASE
          WHEN ISFINITE((
            CAST($q6 AS REAL) - "clip_l14_similarity_score"
          ))
          THEN (
            CAST($q6 AS REAL) - "clip_l14_similarity_score"
          )
          ELSE NULL
        END AS "@/cut1/0",
        "original_width" AS "@/cut1/1"
      FROM "samples" AS "s"
      LEFT JOIN "q3"
        ON (
          "q3"."k0" IS NOT DISTINCT FROM "grp"
        )
    ) AS "s"
  ) AS "s"
)
WHERE
  (
    "@input/clauses" = 3
  )
ORDER BY
  "@/cut1/0" ASC,
  "@/cut1/1" ASC
LIMIT 1
OFFSET $offset;

-- stage 3: $cut1: LIMIT 80 PERCENT: samples before them
SELECT
  COUNT(*) AS "samples"
FROM (
  SELECT
    "s".*,
    CAST(CASE
      WHEN "@rated/in"
      THEN CASE
        WHEN (
          CASE
            WHEN ISFINITE(
              ABS(
                CASE
                  WHEN ISFINITE((
                    "clip_l14_similarity_score" - CAST($q2 AS REAL)
                  ))
                  THEN (
                    "clip_l14_similarity_score" - CAST($q2 AS REAL)
                  )
                  ELSE NULL
                END
              )
            )
            THEN ABS(
              CASE
                WHEN ISFINITE((
                  "clip_l14_similarity_score" - CAST($q2 AS REAL)
                ))
                THEN (
                  "clip_l14_similarity_score" - CAST($q2 AS REAL)
                )
                ELSE NULL
              END
            )
            ELSE NULL
          END < CAST(0.15000000596046448e0 AS REAL)
        )
        THEN CASE
          WHEN (
            CASE
              WHEN ISFINITE((
                "clip_b32_similarity_score" - "@/q3"
              ))
              THEN (
                "clip_b32_similarity_score" - "@/q3"
              )
              ELSE NULL
            END > CAST((
              -0.10000000149011612e0
            ) AS REAL)
          )
          THEN CASE
            WHEN (
              CASE
                WHEN "safe"
                THEN CAST($q4 AS DOUBLE)
                ELSE CASE
                  WHEN (
                    (
                      CAST($q5 AS DOUBLE) IS NULL
                    ) OR (
                      CAST(0.5e0 AS DOUBLE) IS NULL
                    )
                  )
                  THEN NULL
                  ELSE LEAST(CAST($q5 AS DOUBLE), CAST(0.5e0 AS DOUBLE))
                END
              END <= "score"
            )
            THEN 3
            ELSE 2
          END
          ELSE 1
        END
        ELSE 0
      END
      ELSE 4
    END AS USMALLINT) AS "@input/clauses",
    COALESCE(
      (
        "@rated/in"
        AND (
          (
            (
              CASE
                WHEN ISFINITE((
                  "clip_l14_similarity_score" - CAST($q2 AS REAL)
                ))
                THEN (
                  "clip_l14_similarity_score" - CAST($q2 AS REAL)
                )
                ELSE NULL
              END IS NULL
            )
            AND (
              (
                NOT (
                  "clip_l14_similarity_score" IS NULL
                )
              )
              AND (
                NOT (
                  CAST($q2 AS REAL) IS NULL
                )
              )
            )
          )
          OR (
            (
              CASE
                WHEN ISFINITE((
                  "clip_b32_similarity_score" - "@/q3"
                ))
                THEN (
                  "clip_b32_similarity_score" - "@/q3"
                )
                ELSE NULL
              END IS NULL
            )
            AND (
              NOT (
                "clip_b32_similarity_score" IS NULL
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
        "@rated/clauses" = 2
      ) AS "@rated/in"
    FROM (
      SELECT
        "s".*,
        CAST(CASE
          WHEN (
            "rating" >= CAST(1 AS BIGINT)
          )
          THEN CASE
            WHEN (
              "clip_l14_similarity_score" >= CASE
                WHEN ISFINITE((
                  CAST(0.5e0 AS REAL) * CAST($q1 AS REAL)
                ))
                THEN (
                  CAST(0.5e0 AS REAL) * CAST($q1 AS REAL)
                )
                ELSE NULL
              END
            )
            THEN 2
            ELSE 1
          END
          ELSE 0
        END AS USMALLINT) AS "@rated/clauses",
        COALESCE(
          (
            TRUE
            AND (
              (
                CASE
                  WHEN ISFINITE((
                    CAST(0.5e0 AS REAL) * CAST($q1 AS REAL)
                  ))
                  THEN (
                    CAST(0.5e0 AS REAL) * CAST($q1 AS REAL)
                  )
                  ELSE NULL
                END IS NULL
              )
              AND (
                NOT (
                  CAST($q1 AS REAL) IS NULL
                )
              )
            )
          ),
          FALSE
        ) AS "@rated/undefined",
        "q3"."value" AS "@/q3",
        CASE
          WHEN ISFINITE((
            CAST($q6 AS REAL) - "clip_l14_similarity_score"
          ))
          THEN (
            CAST($q6 AS REAL) - "clip_l14_similarity_score"
          )
          ELSE NULL
        END AS "@/cut1/0",
        "original_width" AS "@/cut1/1"
      FROM "samples" AS "s"
      LEFT JOIN "q3"
        ON (
          "q3"."k0" IS NOT DISTINCT FROM "grp"
        )
    ) AS "s"
  ) AS "s"
)
WHERE
  (
    (
      "@input/clauses" = 3
    )
    AND (
      COALESCE(
        (
          (
            "@/cut1/0" < CAST($cut1_0 AS REAL)
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
      OR (
        (
          "@/cut1/0" IS NOT DISTINCT FROM CAST($cut1_0 AS REAL)
        )
        AND COALESCE(
          (
            (
              "@/cut1/1" < CAST($cut1_1 AS BIGINT)
            )
            OR (
              (
                NOT (
                  "@/cut1/1" IS NULL
                )
              ) AND (
                CAST($cut1_1 AS BIGINT) IS NULL
              )
            )
          ),
          FALSE
        )
      )
    )
  );

-- stage 3: $cut1: LIMIT 80 PERCENT: tie hash at the cut
SELECT
  SHA256((
    UNHEX('6463716c2e7469652e763100') || UNHEX("uid")
  )) AS "tie"
FROM (
  SELECT
    "s".*,
    CAST(CASE
      WHEN "@rated/in"
      THEN CASE
        WHEN (
          CASE
            WHEN ISFINITE(
              ABS(
                CASE
                  WHEN ISFINITE((
                    "clip_l14_similarity_score" - CAST($q2 AS REAL)
                  ))
                  THEN (
                    "clip_l14_similarity_score" - CAST($q2 AS REAL)
                  )
                  ELSE NULL
                END
              )
            )
            THEN ABS(
              CASE
                WHEN ISFINITE((
                  "clip_l14_similarity_score" - CAST($q2 AS REAL)
                ))
                THEN (
                  "clip_l14_similarity_score" - CAST($q2 AS REAL)
                )
                ELSE NULL
              END
            )
            ELSE NULL
          END < CAST(0.15000000596046448e0 AS REAL)
        )
        THEN CASE
          WHEN (
            CASE
              WHEN ISFINITE((
                "clip_b32_similarity_score" - "@/q3"
              ))
              THEN (
                "clip_b32_similarity_score" - "@/q3"
              )
              ELSE NULL
            END > CAST((
              -0.10000000149011612e0
            ) AS REAL)
          )
          THEN CASE
            WHEN (
              CASE
                WHEN "safe"
                THEN CAST($q4 AS DOUBLE)
                ELSE CASE
                  WHEN (
                    (
                      CAST($q5 AS DOUBLE) IS NULL
                    ) OR (
                      CAST(0.5e0 AS DOUBLE) IS NULL
                    )
                  )
                  THEN NULL
                  ELSE LEAST(CAST($q5 AS DOUBLE), CAST(0.5e0 AS DOUBLE))
                END
              END <= "score"
            )
            THEN 3
            ELSE 2
          END
          ELSE 1
        END
        ELSE 0
      END
      ELSE 4
    END AS USMALLINT) AS "@input/clauses",
    COALESCE(
      (
        "@rated/in"
        AND (
          (
            (
              CASE
                WHEN ISFINITE((
                  "clip_l14_similarity_score" - CAST($q2 AS REAL)
                ))
                THEN (
                  "clip_l14_similarity_score" - CAST($q2 AS REAL)
                )
                ELSE NULL
              END IS NULL
            )
            AND (
              (
                NOT (
                  "clip_l14_similarity_score" IS NULL
                )
              )
              AND (
                NOT (
                  CAST($q2 AS REAL) IS NULL
                )
              )
            )
          )
          OR (
            (
              CASE
                WHEN ISFINITE((
                  "clip_b32_similarity_score" - "@/q3"
                ))
                THEN (
                  "clip_b32_similarity_score" - "@/q3"
                )
                ELSE NULL
              END IS NULL
            )
            AND (
              NOT (
                "clip_b32_similarity_score" IS NULL
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
        "@rated/clauses" = 2
      ) AS "@rated/in"
    FROM (
      SELECT
        "s".*,
        CAST(CASE
          WHEN (
            "rating" >= CAST(1 AS BIGINT)
          )
          THEN CASE
            WHEN (
              "clip_l14_similarity_score" >= CASE
                WHEN ISFINITE((
                  CAST(0.5e0 AS REAL) * CAST($q1 AS REAL)
                ))
                THEN (
                  CAST(0.5e0 AS REAL) * CAST($q1 AS REAL)
                )
                ELSE NULL
              END
            )
            THEN 2
            ELSE 1
          END
          ELSE 0
        END AS USMALLINT) AS "@rated/clauses",
        COALESCE(
          (
            TRUE
            AND (
              (
                CASE
                  WHEN ISFINITE((
                    CAST(0.5e0 AS REAL) * CAST($q1 AS REAL)
                  ))
                  THEN (
                    CAST(0.5e0 AS REAL) * CAST($q1 AS REAL)
                  )
                  ELSE NULL
                END IS NULL
              )
              AND (
                NOT (
                  CAST($q1 AS REAL) IS NULL
                )
              )
            )
          ),
          FALSE
        ) AS "@rated/undefined",
        "q3"."value" AS "@/q3",
        CASE
          WHEN ISFINITE((
            CAST($q6 AS REAL) - "clip_l14_similarity_score"
          ))
          THEN (
            CAST($q6 AS REAL) - "clip_l14_similarity_score"
          )
          ELSE NULL
        END AS "@/cut1/0",
        "original_width" AS "@/cut1/1"
      FROM "samples" AS "s"
      LEFT JOIN "q3"
        ON (
          "q3"."k0" IS NOT DISTINCT FROM "grp"
        )
    ) AS "s"
  ) AS "s"
)
WHERE
  (
    (
      "@input/clauses" = 3
    )
    AND (
      (
        "@/cut1/0" IS NOT DISTINCT FROM CAST($cut1_0 AS REAL)
      )
      AND (
        "@/cut1/1" IS NOT DISTINCT FROM CAST($cut1_1 AS BIGINT)
      )
    )
  )
ORDER BY
  "tie" ASC
LIMIT 1
OFFSET $offset;

-- output
SELECT
  CASE WHEN "@query/cut1" THEN "@id" ELSE NULL END AS "id",
  "@rated/clauses" AS "@rated/clauses",
  "@rated/undefined" AS "@rated/undefined",
  "@query/clauses" AS "@query/clauses",
  "@query/undefined" AS "@query/undefined"
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
      WHEN (
        COALESCE(
          (
            (
              "@/cut1/0" < CAST($cut1_0 AS REAL)
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
        OR (
          (
            "@/cut1/0" IS NOT DISTINCT FROM CAST($cut1_0 AS REAL)
          )
          AND COALESCE(
            (
              (
                "@/cut1/1" < CAST($cut1_1 AS BIGINT)
              )
              OR (
                (
                  NOT (
                    "@/cut1/1" IS NULL
                  )
                ) AND (
                  CAST($cut1_1 AS BIGINT) IS NULL
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
          "@/cut1/0" IS NOT DISTINCT FROM CAST($cut1_0 AS REAL)
        )
        AND (
          "@/cut1/1" IS NOT DISTINCT FROM CAST($cut1_1 AS BIGINT)
        )
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
        WHEN "@rated/in"
        THEN CASE
          WHEN (
            CASE
              WHEN ISFINITE(
                ABS(
                  CASE
                    WHEN ISFINITE((
                      "clip_l14_similarity_score" - CAST($q2 AS REAL)
                    ))
                    THEN (
                      "clip_l14_similarity_score" - CAST($q2 AS REAL)
                    )
                    ELSE NULL
                  END
                )
              )
              THEN ABS(
                CASE
                  WHEN ISFINITE((
                    "clip_l14_similarity_score" - CAST($q2 AS REAL)
                  ))
                  THEN (
                    "clip_l14_similarity_score" - CAST($q2 AS REAL)
                  )
                  ELSE NULL
                END
              )
              ELSE NULL
            END < CAST(0.15000000596046448e0 AS REAL)
          )
          THEN CASE
            WHEN (
              CASE
                WHEN ISFINITE((
                  "clip_b32_similarity_score" - "@/q3"
                ))
                THEN (
                  "clip_b32_similarity_score" - "@/q3"
                )
                ELSE NULL
              END > CAST((
                -0.10000000149011612e0
              ) AS REAL)
            )
            THEN CASE
              WHEN (
                CASE
                  WHEN "safe"
                  THEN CAST($q4 AS DOUBLE)
                  ELSE CASE
                    WHEN (
                      (
                        CAST($q5 AS DOUBLE) IS NULL
                      ) OR (
                        CAST(0.5e0 AS DOUBLE) IS NULL
                      )
                    )
                    THEN NULL
                    ELSE LEAST(CAST($q5 AS DOUBLE), CAST(0.5e0 AS DOUBLE))
                  END
                END <= "score"
              )
              THEN 3
              ELSE 2
            END
            ELSE 1
          END
          ELSE 0
        END
        ELSE 4
      END AS USMALLINT) AS "@query/clauses",
      COALESCE(
        (
          "@rated/in"
          AND (
            (
              (
                CASE
                  WHEN ISFINITE((
                    "clip_l14_similarity_score" - CAST($q2 AS REAL)
                  ))
                  THEN (
                    "clip_l14_similarity_score" - CAST($q2 AS REAL)
                  )
                  ELSE NULL
                END IS NULL
              )
              AND (
                (
                  NOT (
                    "clip_l14_similarity_score" IS NULL
                  )
                )
                AND (
                  NOT (
                    CAST($q2 AS REAL) IS NULL
                  )
                )
              )
            )
            OR (
              (
                CASE
                  WHEN ISFINITE((
                    "clip_b32_similarity_score" - "@/q3"
                  ))
                  THEN (
                    "clip_b32_similarity_score" - "@/q3"
                  )
                  ELSE NULL
                END IS NULL
              )
              AND (
                NOT (
                  "clip_b32_similarity_score" IS NULL
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
          "@rated/clauses" = 2
        ) AS "@rated/in"
      FROM (
        SELECT
          "s".*,
          CAST(CASE
            WHEN (
              "rating" >= CAST(1 AS BIGINT)
            )
            THEN CASE
              WHEN (
                "clip_l14_similarity_score" >= CASE
                  WHEN ISFINITE((
                    CAST(0.5e0 AS REAL) * CAST($q1 AS REAL)
                  ))
                  THEN (
                    CAST(0.5e0 AS REAL) * CAST($q1 AS REAL)
                  )
                  ELSE NULL
                END
              )
              THEN 2
              ELSE 1
            END
            ELSE 0
          END AS USMALLINT) AS "@rated/clauses",
          COALESCE(
            (
              TRUE
              AND (
                (
                  CASE
                    WHEN ISFINITE((
                      CAST(0.5e0 AS REAL) * CAST($q1 AS REAL)
                    ))
                    THEN (
                      CAST(0.5e0 AS REAL) * CAST($q1 AS REAL)
                    )
                    ELSE NULL
                  END IS NULL
                )
                AND (
                  NOT (
                    CAST($q1 AS REAL) IS NULL
                  )
                )
              )
            ),
            FALSE
          ) AS "@rated/undefined",
          "q3"."value" AS "@/q3",
          CASE
            WHEN ISFINITE((
              CAST($q6 AS REAL) - "clip_l14_similarity_score"
            ))
            THEN (
              CAST($q6 AS REAL) - "clip_l14_similarity_score"
            )
            ELSE NULL
          END AS "@/cut1/0",
          "original_width" AS "@/cut1/1"
        FROM "samples" AS "s"
        LEFT JOIN "q3"
          ON (
            "q3"."k0" IS NOT DISTINCT FROM "grp"
          )
      ) AS "s"
    ) AS "s"
  ) AS "s"
);
