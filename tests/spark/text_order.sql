-- samples: what the others read
CREATE OR REPLACE TEMPORARY VIEW samples AS
SELECT
  CAST(`sha256` AS STRING) AS `sha256`,
  CAST(`text` AS STRING) AS `text`,
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
            `text` < 'a dog'
          )
          OR (
            (
              `text` > 'z'
            ) AND (
              `text` <= '日本'
            )
          )
        )
        OR (
          (
            (
              `text` >= 'D'
            ) AND (
              `text` <= 'a'
            )
          )
          OR (
            `sha256` >= 'e'
          )
        )
      )
      THEN 1
      ELSE 0
    END AS INT) AS `@query/clauses`
  FROM `samples` AS `s`
);
