-- samples: what the others read
CREATE OR REPLACE TEMPORARY VIEW samples AS
SELECT
  CAST(CASE
    WHEN ISNAN(`clip_l14_similarity_score`)
    THEN NULL
    ELSE `clip_l14_similarity_score` + CAST(0 AS FLOAT)
  END AS FLOAT) AS `clip_l14_similarity_score`,
  CAST(`grp` AS BIGINT) AS `grp`,
  CAST(`rating` AS BIGINT) AS `rating`,
  CAST(`safe` AS BOOLEAN) AS `safe`,
  CAST(CASE WHEN ISNAN(`score`) THEN NULL ELSE `score` + CAST(0 AS DOUBLE) END AS DOUBLE) AS `score`,
  CASE WHEN (
    OCTET_LENGTH(`uid`) < 32
  ) THEN LPAD(`uid`, 32, '0') ELSE `uid` END AS `@id`
FROM pool;

-- stage 1: "q1" = q(0.6 BY grp) over pool: counts
SELECT
  `k0` AS `k0`,
  COUNT(*) AS `samples`,
  COUNT(`value`) AS `known`
FROM (
  SELECT
    `grp` AS `k0`,
    `clip_l14_similarity_score` AS `value`
  FROM `samples`
)
GROUP BY
  `k0`
ORDER BY
  `k0` ASC;

-- stage 1: "q1" = q(0.6 BY grp) over pool: values
SELECT
  `k0` AS `k0`,
  `value` AS `value`,
  COUNT(*) AS `samples`
FROM (
  SELECT
    `grp` AS `k0`,
    `clip_l14_similarity_score` AS `value`
  FROM `samples`
)
WHERE
  (
    NOT (
      `value` IS NULL
    )
  )
GROUP BY
  `k0`,
  `value`
ORDER BY
  `k0` ASC,
  `value` ASC;

-- stage 1: "q2" = q(0.1 BY safe, rating NULLS FIRST) over pool: counts
SELECT
  `k0` AS `k0`,
  `k1` AS `k1`,
  COUNT(*) AS `samples`,
  COUNT(`value`) AS `known`
FROM (
  SELECT
    `safe` AS `k0`,
    `rating` AS `k1`,
    `score` AS `value`
  FROM `samples`
)
GROUP BY
  `k0`,
  `k1`
ORDER BY
  `k0` ASC,
  `k1` ASC;

-- stage 1: "q2" = q(0.1 BY safe, rating NULLS FIRST) over pool: values
SELECT
  `k0` AS `k0`,
  `k1` AS `k1`,
  `value` AS `value`,
  COUNT(*) AS `samples`
FROM (
  SELECT
    `safe` AS `k0`,
    `rating` AS `k1`,
    `score` AS `value`
  FROM `samples`
)
WHERE
  (
    NOT (
      `value` IS NULL
    )
  )
GROUP BY
  `k0`,
  `k1`,
  `value`
ORDER BY
  `k0` ASC,
  `k1` ASC,
  `value` ASC;

-- output
SELECT
  CASE WHEN (
    `@query/clauses` = 1
  ) THEN `@id` ELSE NULL END AS `id`,
  `@query/clauses` AS `@query/clauses`,
  `@query/undefined` AS `@query/undefined`
FROM (
  SELECT
    `s`.*,
    CAST(CASE
      WHEN (
        (
          `clip_l14_similarity_score` >= `@/q1`
        ) OR (
          `score` < `@/q2`
        )
      )
      THEN 1
      ELSE 0
    END AS INT) AS `@query/clauses`,
    COALESCE(
      (
        TRUE AND (
          (
            `@/q1` IS NULL
          ) OR (
            `@/q2` IS NULL
          )
        )
      ),
      FALSE
    ) AS `@query/undefined`
  FROM (
    SELECT
      `s`.*,
      `q1`.`value` AS `@/q1`,
      `q2`.`value` AS `@/q2`
    FROM `samples` AS `s`
    LEFT JOIN `q1`
      ON (
        `q1`.`k0` IS NOT DISTINCT FROM `grp`
      )
    LEFT JOIN `q2`
      ON (
        (
          `q2`.`k0` IS NOT DISTINCT FROM `safe`
        )
        AND (
          `q2`.`k1` IS NOT DISTINCT FROM `rating`
        )
      )
  ) AS `s`
);
