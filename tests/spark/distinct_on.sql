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
  CAST(`sha256` AS STRING) AS `sha256`,
  CAST(CASE WHEN (
    OCTET_LENGTH(`uid`) < 32
  ) THEN LPAD(`uid`, 32, '0') ELSE `uid` END AS STRING) AS `uid`,
  CASE WHEN (
    OCTET_LENGTH(`uid`) < 32
  ) THEN LPAD(`uid`, 32, '0') ELSE `uid` END AS `@id`
FROM pool;

-- stage 1: "first1": DISTINCT ON: groups
SELECT
  `@/key0` AS `k0`,
  COUNT(*) AS `samples`,
  MIN(`@id`) AS `id`,
  MAX(`@/first1/0`) AS `s0`
FROM (
  SELECT
    `s`.*,
    CAST(CASE WHEN (
      NOT (
        `clip_b32_similarity_score` IS NULL
      )
    ) THEN 1 ELSE 0 END AS INT) AS `@input/clauses`,
    `sha256` AS `@/key0`,
    `clip_l14_similarity_score` AS `@/first1/0`
  FROM `samples` AS `s`
)
WHERE
  (
    (
      `@input/clauses` = 1
    ) AND (
      NOT (
        `@/key0` IS NULL
      )
    )
  )
GROUP BY
  `@/key0`;

-- stage 1: "first1": DISTINCT ON: samples that are alone
SELECT
  `id` AS `id`
FROM `first1/groups`
WHERE
  (
    `samples` = 1
  );

-- stage 1: "first1": DISTINCT ON: first samples of the others
SELECT
  `id` AS `id`
FROM (
  SELECT
    `id` AS `id`,
    ROW_NUMBER() OVER (
      PARTITION BY `group`
      ORDER BY SHA2((
        UNHEX('6463716c2e7469652e763100') || UNHEX(`uid`)
      ), 256) ASC NULLS LAST
    ) AS `place`
  FROM (
    SELECT
      `p`.`id` AS `id`,
      `p`.`uid` AS `uid`,
      `g`.`id` AS `group`
    FROM (
      SELECT
        `@id` AS `id`,
        `uid` AS `uid`,
        `@/key0` AS `k0`,
        `@/first1/0` AS `s0`
      FROM (
        SELECT
          `s`.*,
          CAST(CASE WHEN (
            NOT (
              `clip_b32_similarity_score` IS NULL
            )
          ) THEN 1 ELSE 0 END AS INT) AS `@input/clauses`,
          `sha256` AS `@/key0`,
          `clip_l14_similarity_score` AS `@/first1/0`
        FROM `samples` AS `s`
      )
      WHERE
        (
          (
            `@input/clauses` = 1
          ) AND (
            NOT (
              `@/key0` IS NULL
            )
          )
        )
    ) AS `p`
    JOIN `first1/groups` AS `g`
      ON (
        (
          `p`.`k0` = `g`.`k0`
        )
        AND (
          (
            `g`.`samples` > 1
          ) AND (
            `p`.`s0` IS NOT DISTINCT FROM `g`.`s0`
          )
        )
      )
  )
)
WHERE
  (
    `place` = 1
  );

-- output
SELECT
  CASE WHEN `@query/first1` THEN `@id` ELSE NULL END AS `id`,
  `@query/clauses` AS `@query/clauses`
FROM (
  SELECT
    `s`.*,
    COALESCE(
      (
        (
          `@query/clauses` = 1
        )
        AND (
          (
            `sha256` IS NULL
          )
          OR (
            `@id` IN (
              SELECT
                `id`
              FROM `first1`
            )
          )
        )
      ),
      FALSE
    ) AS `@query/first1`
  FROM (
    SELECT
      `s`.*,
      CAST(CASE WHEN (
        NOT (
          `clip_b32_similarity_score` IS NULL
        )
      ) THEN 1 ELSE 0 END AS INT) AS `@query/clauses`
    FROM `samples` AS `s`
  ) AS `s`
);
