-- samples: what the others read
CREATE OR REPLACE TEMPORARY VIEW samples AS
SELECT
  CAST(CASE
    WHEN ISNAN(`clip_b32_similarity_score`)
    THEN NULL
    ELSE `clip_b32_similarity_score` + CAST(0 AS FLOAT)
  END AS FLOAT) AS `clip_b32_similarity_score`,
  CAST(`rating` AS BIGINT) AS `rating`,
  CAST(CASE WHEN (
    OCTET_LENGTH(`uid`) < 32
  ) THEN LPAD(`uid`, 32, '0') ELSE `uid` END AS STRING) AS `uid`,
  CASE WHEN (
    OCTET_LENGTH(`uid`) < 32
  ) THEN LPAD(`uid`, 32, '0') ELSE `uid` END AS `@id`
FROM pool;

-- stage 1: :cut1: LIMIT 33.3 PERCENT: samples
SELECT
  COUNT(*) AS `samples`
FROM (
  SELECT
    `s`.*,
    CAST(CASE WHEN (
      `rating` >= CAST(2 AS BIGINT)
    ) THEN 1 ELSE 0 END AS INT) AS `@input/clauses`,
    `rating` AS `@/cut1/0`,
    `clip_b32_similarity_score` AS `@/cut1/1`
  FROM `samples` AS `s`
)
WHERE
  (
    `@input/clauses` = 1
  );

-- stage 1: :cut1: LIMIT 33.3 PERCENT: keys at the cut
SELECT
  `@/cut1/0` AS `key0`,
  `@/cut1/1` AS `key1`
FROM (
  SELECT
    `s`.*,
    CAST(CASE WHEN (
      `rating` >= CAST(2 AS BIGINT)
    ) THEN 1 ELSE 0 END AS INT) AS `@input/clauses`,
    `rating` AS `@/cut1/0`,
    `clip_b32_similarity_score` AS `@/cut1/1`
  FROM `samples` AS `s`
)
WHERE
  (
    `@input/clauses` = 1
  )
ORDER BY
  `@/cut1/0` ASC NULLS LAST,
  `@/cut1/1` DESC
LIMIT 1
OFFSET :offset;

-- stage 1: :cut1: LIMIT 33.3 PERCENT: samples before them
SELECT
  COUNT(*) AS `samples`
FROM (
  SELECT
    `s`.*,
    CAST(CASE WHEN (
      `rating` >= CAST(2 AS BIGINT)
    ) THEN 1 ELSE 0 END AS INT) AS `@input/clauses`,
    `rating` AS `@/cut1/0`,
    `clip_b32_similarity_score` AS `@/cut1/1`
  FROM `samples` AS `s`
)
WHERE
  (
    (
      `@input/clauses` = 1
    )
    AND (
      COALESCE(
        (
          (
            `@/cut1/0` < CAST(:cut1_0 AS BIGINT)
          )
          OR (
            (
              NOT (
                `@/cut1/0` IS NULL
              )
            ) AND (
              CAST(:cut1_0 AS BIGINT) IS NULL
            )
          )
        ),
        FALSE
      )
      OR (
        (
          `@/cut1/0` IS NOT DISTINCT FROM CAST(:cut1_0 AS BIGINT)
        )
        AND COALESCE(
          (
            (
              `@/cut1/1` > CAST(:cut1_1 AS FLOAT)
            )
            OR (
              (
                NOT (
                  `@/cut1/1` IS NULL
                )
              ) AND (
                CAST(:cut1_1 AS FLOAT) IS NULL
              )
            )
          ),
          FALSE
        )
      )
    )
  );

-- stage 1: :cut1: LIMIT 33.3 PERCENT: tie hash at the cut
SELECT
  SHA2((
    UNHEX('6463716c2e7469652e763100') || UNHEX(`uid`)
  ), 256) AS `tie`
FROM (
  SELECT
    `s`.*,
    CAST(CASE WHEN (
      `rating` >= CAST(2 AS BIGINT)
    ) THEN 1 ELSE 0 END AS INT) AS `@input/clauses`,
    `rating` AS `@/cut1/0`,
    `clip_b32_similarity_score` AS `@/cut1/1`
  FROM `samples` AS `s`
)
WHERE
  (
    (
      `@input/clauses` = 1
    )
    AND (
      (
        `@/cut1/0` IS NOT DISTINCT FROM CAST(:cut1_0 AS BIGINT)
      )
      AND (
        `@/cut1/1` IS NOT DISTINCT FROM CAST(:cut1_1 AS FLOAT)
      )
    )
  )
ORDER BY
  `tie` ASC NULLS LAST
LIMIT 1
OFFSET :offset;

-- output
SELECT
  CASE WHEN `@query/cut1` THEN `@id` ELSE NULL END AS `id`,
  `@query/clauses` AS `@query/clauses`
FROM (
  SELECT
    `s`.*,
    CASE
      WHEN (
        NOT (
          `@query/clauses` = 1
        )
      )
      THEN FALSE
      WHEN (
        CAST(:cut1_keep AS BIGINT) <> 1
      )
      THEN (
        CAST(:cut1_keep AS BIGINT) = 2
      )
      WHEN (
        COALESCE(
          (
            (
              `@/cut1/0` < CAST(:cut1_0 AS BIGINT)
            )
            OR (
              (
                NOT (
                  `@/cut1/0` IS NULL
                )
              ) AND (
                CAST(:cut1_0 AS BIGINT) IS NULL
              )
            )
          ),
          FALSE
        )
        OR (
          (
            `@/cut1/0` IS NOT DISTINCT FROM CAST(:cut1_0 AS BIGINT)
          )
          AND COALESCE(
            (
              (
                `@/cut1/1` > CAST(:cut1_1 AS FLOAT)
              )
              OR (
                (
                  NOT (
                    `@/cut1/1` IS NULL
                  )
                ) AND (
                  CAST(:cut1_1 AS FLOAT) IS NULL
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
          `@/cut1/0` IS NOT DISTINCT FROM CAST(:cut1_0 AS BIGINT)
        )
        AND (
          `@/cut1/1` IS NOT DISTINCT FROM CAST(:cut1_1 AS FLOAT)
        )
      )
      THEN (
        SHA2((
          UNHEX('6463716c2e7469652e763100') || UNHEX(`uid`)
        ), 256) <= CAST(:cut1_tie AS STRING)
      )
      ELSE FALSE
    END AS `@query/cut1`
  FROM (
    SELECT
      `s`.*,
      CAST(CASE WHEN (
        `rating` >= CAST(2 AS BIGINT)
      ) THEN 1 ELSE 0 END AS INT) AS `@query/clauses`,
      `rating` AS `@/cut1/0`,
      `clip_b32_similarity_score` AS `@/cut1/1`
    FROM `samples` AS `s`
  ) AS `s`
);
