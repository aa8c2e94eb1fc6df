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
  CASE WHEN (
    OCTET_LENGTH(`uid`) < 32
  ) THEN LPAD(`uid`, 32, '0') ELSE `uid` END AS `@id`
FROM pool;

-- output
SELECT
  CASE WHEN (
    `@query/clauses` = 3
  ) THEN `@id` ELSE NULL END AS `id`,
  `@query/clauses` AS `@query/clauses`
FROM (
  SELECT
    `s`.*,
    CAST(CASE
      WHEN (
        `clip_b32_similarity_score` <= CAST(0.5e0 AS FLOAT)
      )
      THEN CASE
        WHEN (
          `clip_b32_similarity_score` >= CAST(0.0e0 AS FLOAT)
        )
        THEN CASE WHEN (
          CAST(0.0e0 AS FLOAT) = `clip_l14_similarity_score`
        ) THEN 3 ELSE 2 END
        ELSE 1
      END
      ELSE 0
    END AS INT) AS `@query/clauses`
  FROM `samples` AS `s`
);
