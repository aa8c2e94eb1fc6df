-- samples: what the others read
CREATE OR REPLACE TEMPORARY VIEW samples AS
SELECT
  CAST(CASE
    WHEN ISNAN(`clip_b32_similarity_score`)
    THEN NULL
    ELSE `clip_b32_similarity_score` + CAST(0 AS FLOAT)
  END AS FLOAT) AS `clip_b32_similarity_score`,
  CAST(`grp` AS BIGINT) AS `grp`,
  CAST(`rating` AS BIGINT) AS `rating`,
  CAST(CASE WHEN ISNAN(`score`) THEN NULL ELSE `score` + CAST(0 AS DOUBLE) END AS DOUBLE) AS `score`,
  CAST(`text` AS STRING) AS `text`,
  CAST(`url` AS STRING) AS `url`,
  CASE WHEN (
    OCTET_LENGTH(`uid`) < 32
  ) THEN LPAD(`uid`, 32, '0') ELSE `uid` END AS `@id`
FROM pool;

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
          (
            `grp` IN (
              SELECT
                `value`
              FROM `set1`
            )
          )
          OR (
            `clip_b32_similarity_score` IN (
              SELECT
                `value`
              FROM `set2`
            )
          )
        )
        OR (
          (
            `score` IN (
              SELECT
                `value`
              FROM `set3`
            )
          )
          OR (
            (
              (
                `text` IN (
                  SELECT
                    `value`
                  FROM `set4`
                )
              )
              AND (
                NOT (
                  `url` IN (
                    SELECT
                      `value`
                    FROM `set4`
                  )
                )
              )
            )
            OR (
              `rating` IN (
                SELECT
                  `value`
                FROM `set1`
              )
            )
          )
        )
      )
      THEN 1
      ELSE 0
    END AS INT) AS `@query/clauses`
  FROM `samples` AS `s`
);
