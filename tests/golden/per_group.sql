-- stage 1: "q1" = q(0.8 BY grp) over pool: counts
SELECT
  "k0" AS "k0",
  COUNT(*) AS "samples",
  COUNT("value") AS "known"
FROM (
  SELECT
    "grp" AS "k0",
    "score" AS "value"
  FROM "samples"
)
GROUP BY
  "k0"
ORDER BY
  "k0" ASC NULLS FIRST;

-- stage 1: "q1" = q(0.8 BY grp) over pool: values
SELECT
  "k0" AS "k0",
  "value" AS "value",
  COUNT(*) AS "samples"
FROM (
  SELECT
    "grp" AS "k0",
    "score" AS "value"
  FROM "samples"
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

-- output
SELECT
  CASE WHEN (
    "@query/clauses" = 1
  ) THEN "@id" ELSE NULL END AS "id",
  "@query/clauses" AS "@query/clauses",
  "@query/undefined" AS "@query/undefined"
FROM (
  SELECT
    "s".*,
    CAST(CASE
      WHEN (
        (
          "score" >= "@/q1"
        ) OR (
          (
            "grp" IS NULL
          ) AND "safe"
        )
      )
      THEN 1
      ELSE 0
    END AS USMALLINT) AS "@query/clauses",
    COALESCE((
      TRUE AND (
        "@/q1" IS NULL
      )
    ), FALSE) AS "@query/undefined"
  FROM (
    SELECT
      "s".*,
      "q1"."value" AS "@/q1"
    FROM "samples" AS "s"
    LEFT JOIN "q1"
      ON (
        "q1"."k0" IS NOT DISTINCT FROM "grp"
      )
  ) AS "s"
);
