-- stage 1: $q1 = q(0.5) over pool, $q2 = q(0.5) over pool
SELECT
  "clip_l14_similarity_score" AS "value1",
  "clip_b32_similarity_score" AS "value2"
FROM "samples";

-- stage 1: $cut1: LIMIT 20: numbers to order by
SELECT
  "@/cut1/0" AS "value"
FROM (
  SELECT
    "s".*,
    "score" AS "@/cut1/0"
  FROM "samples" AS "s"
);

-- stage 1: $cut1: LIMIT 20: tie hash at the cut
SELECT
  SHA256((
    UNHEX('6463716c2e7469652e763100') || UNHEX("uid")
  )) AS "tie"
FROM (
  SELECT
    "s".*,
    "score" AS "@/cut1/0"
  FROM "samples" AS "s"
)
WHERE
  (
    TRUE AND (
      "@/cut1/0" IS NOT DISTINCT FROM CAST($cut1_0 AS DOUBLE)
    )
  )
ORDER BY
  "tie" ASC
LIMIT 1
OFFSET $offset;

-- output
SELECT
  CASE WHEN "@query/upto4" THEN "@id" ELSE NULL END AS "id",
  "@query/1/clauses" AS "@query/1/clauses",
  "@query/2/clauses" AS "@query/2/clauses",
  "@query/3/clauses" AS "@query/3/clauses",
  "@query/4/clauses" AS "@query/4/clauses"
FROM (
  SELECT
    "s".*,
    (
      "@query/upto3" OR (
        "@query/4/clauses" = 1
      )
    ) AS "@query/upto4"
  FROM (
    SELECT
      "s".*,
      (
        "@query/upto2" AND (
          NOT (
            "@query/3/clauses" = 2
          )
        )
      ) AS "@query/upto3",
      CAST(CASE WHEN "@query/4/in1/cut1" THEN 1 ELSE 0 END AS USMALLINT) AS "@query/4/clauses"
    FROM (
      SELECT
        "s".*,
        (
          (
            "@query/1/clauses" = 1
          ) AND (
            "@query/2/clauses" = 1
          )
        ) AS "@query/upto2",
        CASE
          WHEN (
            NOT TRUE
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
                "@/cut1/0" > CAST($cut1_0 AS DOUBLE)
              )
              OR (
                (
                  NOT (
                    "@/cut1/0" IS NULL
                  )
                ) AND (
                  CAST($cut1_0 AS DOUBLE) IS NULL
                )
              )
            ),
            FALSE
          )
          THEN TRUE
          WHEN (
            "@/cut1/0" IS NOT DISTINCT FROM CAST($cut1_0 AS DOUBLE)
          )
          THEN (
            SHA256((
              UNHEX('6463716c2e7469652e763100') || UNHEX("uid")
            )) <= CAST($cut1_tie AS TEXT)
          )
          ELSE FALSE
        END AS "@query/4/in1/cut1"
      FROM (
        SELECT
          "s".*,
          CAST(CASE WHEN (
            "clip_l14_similarity_score" >= CAST($q1 AS REAL)
          ) THEN 1 ELSE 0 END AS USMALLINT) AS "@query/1/clauses",
          CAST(CASE WHEN (
            "clip_b32_similarity_score" >= CAST($q2 AS REAL)
          ) THEN 1 ELSE 0 END AS USMALLINT) AS "@query/2/clauses",
          CAST(CASE
            WHEN (
              "rating" < CAST(2 AS BIGINT)
            )
            THEN CASE WHEN (
              NOT "safe"
            ) THEN 2 ELSE 1 END
            ELSE 0
          END AS USMALLINT) AS "@query/3/clauses",
          "score" AS "@/cut1/0"
        FROM "samples" AS "s"
      ) AS "s"
    ) AS "s"
  ) AS "s"
);
