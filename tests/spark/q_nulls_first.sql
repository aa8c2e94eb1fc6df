-- samples: what the others read
CREATE OR REPLACE TEMPORARY VIEW samples AS
SELECT
  CAST(CASE
    WHEN ISNAN(`clip_b32_similarity_score`)
    THEN NULL
    ELSE `clip_b32_similarity_score` + CAST(0 AS FLOAT)
  END AS FLOAT) AS `clip_b32_similarity_score`,
  CAST(CASE
    WHEN ISNAN(`clip_l14_similarity_score`)
    THEN NULL
    ELSE `clip_l14_similarity_score` + CAST(0 AS FLOAT)
  END AS FLOAT) AS `clip_l14_similarity_score`,
  CAST(CASE WHEN ISNAN(`score`) THEN NULL ELSE `score` + CAST(0 AS DOUBLE) END AS DOUBLE) AS `score`,
  CASE WHEN (
    OCTET_LENGTH(`uid`) < 32
  ) THEN LPAD(`uid`, 32, '0') ELSE `uid` END AS `@id`
FROM pool;

-- stage 1: :q1 = q(0.7 NULLS FIRST) over pool, :q2 = q(0.05 NULLS FIRST) over pool, :q3 = q(0.5 NULLS FIRST) over pool
SELECT
  `clip_l14_similarity_score` AS `value1`,
  `score` AS `value2`,
  `clip_b32_similarity_score` AS `value3`
FROM `samples`;

-- output
SELECT
  CASE WHEN (
    `@query/clauses` = 1
  ) THEN `@id` ELSE NULL END AS `id`,
  `@query/clauses` AS `@query/clauses`
FROM (
  SELECT
    `s`.*,
    CAST(CASE
      WHEN (
        (
          `clip_l14_similarity_score` >= CAST(:q1 AS FLOAT)
        )
        OR (
          (
            `score` > CAST(:q2 AS DOUBLE)
          )
          OR (
            `clip_b32_similarity_score` >= CAST(:q3 AS FLOAT)
          )
        )
      )
      THEN 1
      ELSE 0
    END AS INT) AS `@query/clauses`
  FROM `samples` AS `s`
);
