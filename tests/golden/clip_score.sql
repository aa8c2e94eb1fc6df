-- stage 1: $q1 = q(1 - datacomp_fraction(f) NULLS FIRST) over pool
SELECT
  "clip_l14_similarity_score" AS "value1"
FROM "samples";

-- output
SELECT
  CASE WHEN (
    "@query/clauses" = 1
  ) THEN "@id" ELSE NULL END AS "id",
  "@query/clauses" AS "@query/clauses"
FROM (
  SELECT
    "s".*,
    CAST(CASE WHEN (
      "clip_l14_similarity_score" >= CAST($q1 AS REAL)
    ) THEN 1 ELSE 0 END AS USMALLINT) AS "@query/clauses"
  FROM "samples" AS "s"
);
