-- stage 1: "first1": DISTINCT ON: groups
SELECT
  "@/key0" AS "k0",
  COUNT(*) AS "samples",
  MIN("@id") AS "id"
FROM (
  SELECT
    "s".*,
    CAST(CASE
      WHEN (
        "clip_l14_similarity_score" > CAST(0.15000000596046448e0 AS REAL)
      )
      THEN 1
      ELSE 0
    END AS USMALLINT) AS "@input/clauses",
    "sha256" AS "@/key0",
    "clip_l14_similarity_score" AS "@/first1/0",
    "clip_b32_similarity_score" AS "@/first1/1"
  FROM "samples" AS "s"
)
WHERE
  (
    (
      "@input/clauses" = 1
    ) AND (
      NOT (
        "@/key0" IS NULL
      )
    )
  )
GROUP BY
  "@/key0";

-- stage 1: "first1": DISTINCT ON: samples that are alone
SELECT
  "id" AS "id"
FROM "first1/groups"
WHERE
  (
    "samples" = 1
  );

-- stage 1: "first1": DISTINCT ON: first samples of the others
SELECT
  "id" AS "id"
FROM (
  SELECT
    "id" AS "id",
    ROW_NUMBER() OVER (
      PARTITION BY "group"
      ORDER BY SHA256((
        UNHEX('6463716c2e7469652e763100') || UNHEX("uid")
      )) ASC
    ) AS "place"
  FROM (
    SELECT
      "id" AS "id",
      "uid" AS "uid",
      "group" AS "group"
    FROM (
      SELECT
        "p"."id" AS "id",
        "p"."uid" AS "uid",
        "g"."id" AS "group",
        RANK() OVER (PARTITION BY "g"."id" ORDER BY "p"."s0" DESC, "p"."s1" DESC) AS "place"
      FROM (
        SELECT
          "@id" AS "id",
          "uid" AS "uid",
          "@/key0" AS "k0",
          "@/first1/0" AS "s0",
          "@/first1/1" AS "s1"
        FROM (
          SELECT
            "s".*,
            CAST(CASE
              WHEN (
                "clip_l14_similarity_score" > CAST(0.15000000596046448e0 AS REAL)
              )
              THEN 1
              ELSE 0
            END AS USMALLINT) AS "@input/clauses",
            "sha256" AS "@/key0",
            "clip_l14_similarity_score" AS "@/first1/0",
            "clip_b32_similarity_score" AS "@/first1/1"
          FROM "samples" AS "s"
        )
        WHERE
          (
            (
              "@input/clauses" = 1
            ) AND (
              NOT (
                "@/key0" IS NULL
              )
            )
          )
      ) AS "p"
      JOIN "first1/groups" AS "g"
        ON (
          (
            "p"."k0" = "g"."k0"
          ) AND (
            "g"."samples" > 1
          )
        )
    )
    WHERE
      (
        "place" = 1
      )
  )
)
WHERE
  (
    "place" = 1
  );

-- stage 2: $cut1: LIMIT 250: samples
SELECT
  COUNT(*) AS "samples"
FROM (
  SELECT
    "s".*,
    COALESCE(
      (
        (
          "@input/clauses" = 1
        ) AND (
          (
            "sha256" IS NULL
          ) OR "@/first1"
        )
      ),
      FALSE
    ) AS "@input/first1"
  FROM (
    SELECT
      "s".*,
      CAST(CASE
        WHEN (
          "clip_l14_similarity_score" > CAST(0.15000000596046448e0 AS REAL)
        )
        THEN 1
        ELSE 0
      END AS USMALLINT) AS "@input/clauses",
      "clip_l14_similarity_score" AS "@/cut1/0",
      "clip_b32_similarity_score" AS "@/cut1/1"
    FROM "samples" AS "s"
  ) AS "s"
)
WHERE
  "@input/first1";

-- stage 2: $cut1: LIMIT 250: keys at the cut
SELECT
  "@/cut1/0" AS "key0",
  "@/cut1/1" AS "key1"
FROM (
  SELECT
    "s".*,
    COALESCE(
      (
        (
          "@input/clauses" = 1
        ) AND (
          (
            "sha256" IS NULL
          ) OR "@/first1"
        )
      ),
      FALSE
    ) AS "@input/first1"
  FROM (
    SELECT
      "s".*,
      CAST(CASE
        WHEN (
          "clip_l14_similarity_score" > CAST(0.15000000596046448e0 AS REAL)
        )
        THEN 1
        ELSE 0
      END AS USMALLINT) AS "@input/clauses",
      "clip_l14_similarity_score" AS "@/cut1/0",
      "clip_b32_similarity_score" AS "@/cut1/1"
    FROM "samples" AS "s"
  ) AS "s"
)
WHERE
  "@input/first1"
ORDER BY
  "@/cut1/0" DESC,
  "@/cut1/1" DESC
LIMIT 1
OFFSET $offset;

-- stage 2: $cut1: LIMIT 250: samples before them
SELECT
  COUNT(*) AS "samples"
FROM (
  SELECT
    "s".*,
    COALESCE(
      (
        (
          "@input/clauses" = 1
        ) AND (
          (
            "sha256" IS NULL
          ) OR "@/first1"
        )
      ),
      FALSE
    ) AS "@input/first1"
  FROM (
    SELECT
      "s".*,
      CAST(CASE
        WHEN (
          "clip_l14_similarity_score" > CAST(0.15000000596046448e0 AS REAL)
        )
        THEN 1
        ELSE 0
      END AS USMALLINT) AS "@input/clauses",
      "clip_l14_similarity_score" AS "@/cut1/0",
      "clip_b32_similarity_score" AS "@/cut1/1"
    FROM "samples" AS "s"
  ) AS "s"
)
WHERE
  (
    "@input/first1"
    AND (
      COALESCE(
        (
          (
            "@/cut1/0" > CAST($cut1_0 AS REAL)
          )
          OR (
            (
              NOT (
                "@/cut1/0" IS NULL
              )
            ) AND (
              CAST($cut1_0 AS REAL) IS NULL
            )
          )
        ),
        FALSE
      )
      OR (
        (
          "@/cut1/0" IS NOT DISTINCT FROM CAST($cut1_0 AS REAL)
        )
        AND COALESCE(
          (
            (
              "@/cut1/1" > CAST($cut1_1 AS REAL)
            )
            OR (
              (
                NOT (
                  "@/cut1/1" IS NULL
                )
              ) AND (
                CAST($cut1_1 AS REAL) IS NULL
              )
            )
          ),
          FALSE
        )
      )
    )
  );

-- stage 2: $cut1: LIMIT 250: tie hash at the cut
SELECT
  SHA256((
    UNHEX('6463716c2e7469652e763100') || UNHEX("uid")
  )) AS "tie"
FROM (
  SELECT
    "s".*,
    COALESCE(
      (
        (
          "@input/clauses" = 1
        ) AND (
          (
            "sha256" IS NULL
          ) OR "@/first1"
        )
      ),
      FALSE
    ) AS "@input/first1"
  FROM (
    SELECT
      "s".*,
      CAST(CASE
        WHEN (
          "clip_l14_similarity_score" > CAST(0.15000000596046448e0 AS REAL)
        )
        THEN 1
        ELSE 0
      END AS USMALLINT) AS "@input/clauses",
      "clip_l14_similarity_score" AS "@/cut1/0",
      "clip_b32_similarity_score" AS "@/cut1/1"
    FROM "samples" AS "s"
  ) AS "s"
)
WHERE
  (
    "@input/first1"
    AND (
      (
        "@/cut1/0" IS NOT DISTINCT FROM CAST($cut1_0 AS REAL)
      )
      AND (
        "@/cut1/1" IS NOT DISTINCT FROM CAST($cut1_1 AS REAL)
      )
    )
  )
ORDER BY
  "tie" ASC
LIMIT 1
OFFSET $offset;

-- output
SELECT
  CASE WHEN "@query/cut1" THEN "@id" ELSE NULL END AS "id",
  "@query/clauses" AS "@query/clauses"
FROM (
  SELECT
    "s".*,
    CASE
      WHEN (
        NOT "@query/first1"
      )
      THEN FALSE
      WHEN (
        CAST($cut1_keep AS BIGINT) <> 1
      )
      THEN (
        CAST($cut1_keep AS BIGINT) = 2
      )
      WHEN (
        COALESCE(
          (
            (
              "@/cut1/0" > CAST($cut1_0 AS REAL)
            )
            OR (
              (
                NOT (
                  "@/cut1/0" IS NULL
                )
              ) AND (
                CAST($cut1_0 AS REAL) IS NULL
              )
            )
          ),
          FALSE
        )
        OR (
          (
            "@/cut1/0" IS NOT DISTINCT FROM CAST($cut1_0 AS REAL)
          )
          AND COALESCE(
            (
              (
                "@/cut1/1" > CAST($cut1_1 AS REAL)
              )
              OR (
                (
                  NOT (
                    "@/cut1/1" IS NULL
                  )
                ) AND (
                  CAST($cut1_1 AS REAL) IS NULL
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
          "@/cut1/0" IS NOT DISTINCT FROM CAST($cut1_0 AS REAL)
        )
        AND (
          "@/cut1/1" IS NOT DISTINCT FROM CAST($cut1_1 AS REAL)
        )
      )
      THEN (
        SHA256((
          UNHEX('6463716c2e7469652e763100') || UNHEX("uid")
        )) <= CAST($cut1_tie AS TEXT)
      )
      ELSE FALSE
    END AS "@query/cut1"
  FROM (
    SELECT
      "s".*,
      COALESCE(
        (
          (
            "@query/clauses" = 1
          ) AND (
            (
              "sha256" IS NULL
            ) OR "@/first1"
          )
        ),
        FALSE
      ) AS "@query/first1"
    FROM (
      SELECT
        "s".*,
        CAST(CASE
          WHEN (
            "clip_l14_similarity_score" > CAST(0.15000000596046448e0 AS REAL)
          )
          THEN 1
          ELSE 0
        END AS USMALLINT) AS "@query/clauses",
        "clip_l14_similarity_score" AS "@/cut1/0",
        "clip_b32_similarity_score" AS "@/cut1/1"
      FROM "samples" AS "s"
    ) AS "s"
  ) AS "s"
);
