-- stage 1: asked1: the samples that lang is asked of
SELECT
  "@id" AS "id"
FROM (
  SELECT
    "s".*,
    (
      "@asked'1/clauses" = 1
    ) AS "@asked'1/in"
  FROM (
    SELECT
      "s".*,
      CAST(CASE WHEN (
        "original_width" >= CAST(200 AS BIGINT)
      ) THEN 1 ELSE 0 END AS USMALLINT) AS "@asked'1/clauses"
    FROM "samples" AS "s"
  ) AS "s"
)
WHERE
  "@asked'1/in";

-- stage 2: asked2: the samples that image_cluster is asked of
SELECT
  "@id" AS "id"
FROM (
  SELECT
    "s".*,
    (
      "@english/clauses" = 2
    ) AS "@english/in"
  FROM (
    SELECT
      "s".*,
      CAST(CASE
        WHEN (
          CASE WHEN "@asked'1/in" THEN "@feature/lang" ELSE NULL END = 'en'
        )
        THEN CASE WHEN (
          "original_width" >= CAST(200 AS BIGINT)
        ) THEN 2 ELSE 1 END
        ELSE 0
      END AS USMALLINT) AS "@english/clauses"
    FROM (
      SELECT
        "s".*,
        (
          "@asked'1/clauses" = 1
        ) AS "@asked'1/in"
      FROM (
        SELECT
          "s".*,
          CAST(CASE WHEN (
            "original_width" >= CAST(200 AS BIGINT)
          ) THEN 1 ELSE 0 END AS USMALLINT) AS "@asked'1/clauses"
        FROM "samples" AS "s"
      ) AS "s"
    ) AS "s"
  ) AS "s"
)
WHERE
  "@english/in";

-- stage 2: "q1" = q(0.3 BY lang) over pool: counts
SELECT
  "k0" AS "k0",
  COUNT(*) AS "samples",
  COUNT("value") AS "known"
FROM (
  SELECT
    "@feature/lang" AS "k0",
    "clip_b32_similarity_score" AS "value"
  FROM "samples"
)
GROUP BY
  "k0"
ORDER BY
  "k0" ASC NULLS FIRST;

-- stage 2: "q1" = q(0.3 BY lang) over pool: values
SELECT
  "k0" AS "k0",
  "value" AS "value",
  COUNT(*) AS "samples"
FROM (
  SELECT
    "@feature/lang" AS "k0",
    "clip_b32_similarity_score" AS "value"
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

-- stage 3: $q2 = q(0.2 OF english) over english
SELECT
  CASE
    WHEN "@english/in"
    THEN CASE WHEN "@english/in" THEN "@feature/image_cluster" ELSE NULL END
    ELSE NULL
  END AS "value1",
  "@english/in" AS "member1"
FROM (
  SELECT
    "s".*,
    (
      "@english/clauses" = 2
    ) AS "@english/in"
  FROM (
    SELECT
      "s".*,
      CAST(CASE
        WHEN (
          CASE WHEN "@asked'1/in" THEN "@feature/lang" ELSE NULL END = 'en'
        )
        THEN CASE WHEN (
          "original_width" >= CAST(200 AS BIGINT)
        ) THEN 2 ELSE 1 END
        ELSE 0
      END AS USMALLINT) AS "@english/clauses"
    FROM (
      SELECT
        "s".*,
        (
          "@asked'1/clauses" = 1
        ) AS "@asked'1/in"
      FROM (
        SELECT
          "s".*,
          CAST(CASE WHEN (
            "original_width" >= CAST(200 AS BIGINT)
          ) THEN 1 ELSE 0 END AS USMALLINT) AS "@asked'1/clauses"
        FROM "samples" AS "s"
      ) AS "s"
    ) AS "s"
  ) AS "s"
);

-- stage 3: "first1": DISTINCT ON: groups
SELECT
  "@/key0" AS "k0",
  COUNT(*) AS "samples",
  MIN("@id") AS "id",
  MAX("@/first1/0") AS "s0"
FROM (
  SELECT
    "s".*,
    CASE WHEN "@english/in" THEN "@feature/image_cluster" ELSE NULL END AS "@/key0"
  FROM (
    SELECT
      "s".*,
      (
        "@english/clauses" = 2
      ) AS "@english/in"
    FROM (
      SELECT
        "s".*,
        CAST(CASE
          WHEN (
            CASE WHEN "@asked'1/in" THEN "@feature/lang" ELSE NULL END = 'en'
          )
          THEN CASE WHEN (
            "original_width" >= CAST(200 AS BIGINT)
          ) THEN 2 ELSE 1 END
          ELSE 0
        END AS USMALLINT) AS "@english/clauses"
      FROM (
        SELECT
          "s".*,
          (
            "@asked'1/clauses" = 1
          ) AS "@asked'1/in"
        FROM (
          SELECT
            "s".*,
            CAST(CASE WHEN (
              "original_width" >= CAST(200 AS BIGINT)
            ) THEN 1 ELSE 0 END AS USMALLINT) AS "@asked'1/clauses",
            "clip_l14_similarity_score" AS "@/first1/0"
          FROM "samples" AS "s"
        ) AS "s"
      ) AS "s"
    ) AS "s"
  ) AS "s"
)
WHERE
  (
    "@english/in" AND (
      NOT (
        "@/key0" IS NULL
      )
    )
  )
GROUP BY
  "@/key0";

-- stage 3: "first1": DISTINCT ON: samples that are alone
SELECT
  "id" AS "id"
FROM "first1/groups"
WHERE
  (
    "samples" = 1
  );

-- stage 3: "first1": DISTINCT ON: first samples of the others
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
      "p"."id" AS "id",
      "p"."uid" AS "uid",
      "g"."id" AS "group"
    FROM (
      SELECT
        "@id" AS "id",
        "uid" AS "uid",
        "@/key0" AS "k0",
        "@/first1/0" AS "s0"
      FROM (
        SELECT
          "s".*,
          CASE WHEN "@english/in" THEN "@feature/image_cluster" ELSE NULL END AS "@/key0"
        FROM (
          SELECT
            "s".*,
            (
              "@english/clauses" = 2
            ) AS "@english/in"
          FROM (
            SELECT
              "s".*,
              CAST(CASE
                WHEN (
                  CASE WHEN "@asked'1/in" THEN "@feature/lang" ELSE NULL END = 'en'
                )
                THEN CASE WHEN (
                  "original_width" >= CAST(200 AS BIGINT)
                ) THEN 2 ELSE 1 END
                ELSE 0
              END AS USMALLINT) AS "@english/clauses"
            FROM (
              SELECT
                "s".*,
                (
                  "@asked'1/clauses" = 1
                ) AS "@asked'1/in"
              FROM (
                SELECT
                  "s".*,
                  CAST(CASE WHEN (
                    "original_width" >= CAST(200 AS BIGINT)
                  ) THEN 1 ELSE 0 END AS USMALLINT) AS "@asked'1/clauses",
                  "clip_l14_similarity_score" AS "@/first1/0"
                FROM "samples" AS "s"
              ) AS "s"
            ) AS "s"
          ) AS "s"
        ) AS "s"
      )
      WHERE
        (
          "@english/in" AND (
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
        )
        AND (
          (
            "g"."samples" > 1
          ) AND (
            "p"."s0" IS NOT DISTINCT FROM "g"."s0"
          )
        )
      )
  )
)
WHERE
  (
    "place" = 1
  );

-- stage 3: asked4: the samples that image_cluster is asked of
SELECT
  "@id" AS "id"
FROM (
  SELECT
    "s".*,
    (
      "@asked'2/clauses" = 1
    ) AS "@asked'2/in"
  FROM (
    SELECT
      "s".*,
      CAST(CASE WHEN (
        "clip_b32_similarity_score" >= "@/q1"
      ) THEN 1 ELSE 0 END AS USMALLINT) AS "@asked'2/clauses",
      COALESCE((
        TRUE AND (
          "@/q1" IS NULL
        )
      ), FALSE) AS "@asked'2/undefined"
    FROM (
      SELECT
        "s".*,
        "q1"."value" AS "@/q1"
      FROM "samples" AS "s"
      LEFT JOIN "q1"
        ON (
          "q1"."k0" IS NOT DISTINCT FROM "@feature/lang"
        )
    ) AS "s"
  ) AS "s"
)
WHERE
  "@asked'2/in";

-- stage 4: asked5: the samples that image_cluster is asked of
SELECT
  "@id" AS "id"
FROM (
  SELECT
    "s".*,
    (
      "@asked'3/clauses" = 2
    ) AS "@asked'3/in"
  FROM (
    SELECT
      "s".*,
      CAST(CASE
        WHEN (
          "@asked'2/clauses" = 1
        )
        THEN CASE
          WHEN (
            "@apart/in"
            OR (
              CASE WHEN "@asked'2/in" THEN "@feature/image_cluster" ELSE NULL END >= CAST($q2 AS BIGINT)
            )
          )
          THEN 2
          ELSE 1
        END
        WHEN (
          "@asked'2/clauses" = 2
        )
        THEN 3
        ELSE "@asked'2/clauses"
      END AS USMALLINT) AS "@asked'3/clauses"
    FROM (
      SELECT
        "s".*,
        "@apart/first1" AS "@apart/in"
      FROM (
        SELECT
          "s".*,
          COALESCE(
            (
              "@english/in"
              AND (
                (
                  CASE WHEN "@english/in" THEN "@feature/image_cluster" ELSE NULL END IS NULL
                )
                OR "@/first1"
              )
            ),
            FALSE
          ) AS "@apart/first1"
        FROM (
          SELECT
            "s".*,
            (
              "@english/clauses" = 2
            ) AS "@english/in"
          FROM (
            SELECT
              "s".*,
              CAST(CASE
                WHEN (
                  CASE WHEN "@asked'1/in" THEN "@feature/lang" ELSE NULL END = 'en'
                )
                THEN CASE WHEN (
                  "original_width" >= CAST(200 AS BIGINT)
                ) THEN 2 ELSE 1 END
                ELSE 0
              END AS USMALLINT) AS "@english/clauses",
              (
                "@asked'2/clauses" = 1
              ) AS "@asked'2/in"
            FROM (
              SELECT
                "s".*,
                (
                  "@asked'1/clauses" = 1
                ) AS "@asked'1/in",
                CAST(CASE WHEN (
                  "clip_b32_similarity_score" >= "@/q1"
                ) THEN 1 ELSE 0 END AS USMALLINT) AS "@asked'2/clauses",
                COALESCE((
                  TRUE AND (
                    "@/q1" IS NULL
                  )
                ), FALSE) AS "@asked'2/undefined",
                COALESCE((
                  TRUE AND (
                    "@/q1" IS NULL
                  )
                ), FALSE) AS "@asked'3/undefined"
              FROM (
                SELECT
                  "s".*,
                  CAST(CASE WHEN (
                    "original_width" >= CAST(200 AS BIGINT)
                  ) THEN 1 ELSE 0 END AS USMALLINT) AS "@asked'1/clauses",
                  "q1"."value" AS "@/q1"
                FROM "samples" AS "s"
                LEFT JOIN "q1"
                  ON (
                    "q1"."k0" IS NOT DISTINCT FROM "@feature/lang"
                  )
              ) AS "s"
            ) AS "s"
          ) AS "s"
        ) AS "s"
      ) AS "s"
    ) AS "s"
  ) AS "s"
)
WHERE
  "@asked'3/in";

-- stage 5: $cut1: LIMIT 40 PERCENT: samples
SELECT
  COUNT(*) AS "samples"
FROM (
  SELECT
    "s".*,
    CASE WHEN "@asked'3/in" THEN "@feature/image_cluster" ELSE NULL END AS "@/cut1/0"
  FROM (
    SELECT
      "s".*,
      (
        "@asked'3/clauses" = 2
      ) AS "@asked'3/in"
    FROM (
      SELECT
        "s".*,
        CAST(CASE
          WHEN (
            "@asked'2/clauses" = 1
          )
          THEN CASE
            WHEN (
              "@apart/in"
              OR (
                CASE WHEN "@asked'2/in" THEN "@feature/image_cluster" ELSE NULL END >= CAST($q2 AS BIGINT)
              )
            )
            THEN 2
            ELSE 1
          END
          WHEN (
            "@asked'2/clauses" = 2
          )
          THEN 3
          ELSE "@asked'2/clauses"
        END AS USMALLINT) AS "@input/clauses",
        CAST(CASE
          WHEN (
            "@asked'2/clauses" = 1
          )
          THEN CASE
            WHEN (
              "@apart/in"
              OR (
                CASE WHEN "@asked'2/in" THEN "@feature/image_cluster" ELSE NULL END >= CAST($q2 AS BIGINT)
              )
            )
            THEN 2
            ELSE 1
          END
          WHEN (
            "@asked'2/clauses" = 2
          )
          THEN 3
          ELSE "@asked'2/clauses"
        END AS USMALLINT) AS "@asked'3/clauses"
      FROM (
        SELECT
          "s".*,
          "@apart/first1" AS "@apart/in"
        FROM (
          SELECT
            "s".*,
            COALESCE(
              (
                "@english/in"
                AND (
                  (
                    CASE WHEN "@english/in" THEN "@feature/image_cluster" ELSE NULL END IS NULL
                  )
                  OR "@/first1"
                )
              ),
              FALSE
            ) AS "@apart/first1"
          FROM (
            SELECT
              "s".*,
              (
                "@english/clauses" = 2
              ) AS "@english/in"
            FROM (
              SELECT
                "s".*,
                CAST(CASE
                  WHEN (
                    CASE WHEN "@asked'1/in" THEN "@feature/lang" ELSE NULL END = 'en'
                  )
                  THEN CASE WHEN (
                    "original_width" >= CAST(200 AS BIGINT)
                  ) THEN 2 ELSE 1 END
                  ELSE 0
                END AS USMALLINT) AS "@english/clauses",
                (
                  "@asked'2/clauses" = 1
                ) AS "@asked'2/in"
              FROM (
                SELECT
                  "s".*,
                  (
                    "@asked'1/clauses" = 1
                  ) AS "@asked'1/in",
                  CAST(CASE WHEN (
                    "clip_b32_similarity_score" >= "@/q1"
                  ) THEN 1 ELSE 0 END AS USMALLINT) AS "@asked'2/clauses",
                  COALESCE((
                    TRUE AND (
                      "@/q1" IS NULL
                    )
                  ), FALSE) AS "@asked'2/undefined",
                  COALESCE((
                    TRUE AND (
                      "@/q1" IS NULL
                    )
                  ), FALSE) AS "@input/undefined",
                  COALESCE((
                    TRUE AND (
                      "@/q1" IS NULL
                    )
                  ), FALSE) AS "@asked'3/undefined"
                FROM (
                  SELECT
                    "s".*,
                    CAST(CASE WHEN (
                      "original_width" >= CAST(200 AS BIGINT)
                    ) THEN 1 ELSE 0 END AS USMALLINT) AS "@asked'1/clauses",
                    "q1"."value" AS "@/q1",
                    "clip_l14_similarity_score" AS "@/cut1/1"
                  FROM "samples" AS "s"
                  LEFT JOIN "q1"
                    ON (
                      "q1"."k0" IS NOT DISTINCT FROM "@feature/lang"
                    )
                ) AS "s"
              ) AS "s"
            ) AS "s"
          ) AS "s"
        ) AS "s"
      ) AS "s"
    ) AS "s"
  ) AS "s"
)
WHERE
  (
    "@input/clauses" = 2
  );

-- stage 5: $cut1: LIMIT 40 PERCENT: keys at the cut
SELECT
  "@/cut1/0" AS "key0",
  "@/cut1/1" AS "key1"
FROM (
  SELECT
    "s".*,
    CASE WHEN "@asked'3/in" THEN "@feature/image_cluster" ELSE NULL END AS "@/cut1/0"
  FROM (
    SELECT
      "s".*,
      (
        "@asked'3/clauses" = 2
      ) AS "@asked'3/in"
    FROM (
      SELECT
        "s".*,
        CAST(CASE
          WHEN (
            "@asked'2/clauses" = 1
          )
          THEN CASE
            WHEN (
              "@apart/in"
              OR (
                CASE WHEN "@asked'2/in" THEN "@feature/image_cluster" ELSE NULL END >= CAST($q2 AS BIGINT)
              )
            )
            THEN 2
            ELSE 1
          END
          WHEN (
            "@asked'2/clauses" = 2
          )
          THEN 3
          ELSE "@asked'2/clauses"
        END AS USMALLINT) AS "@input/clauses",
        CAST(CASE
          WHEN (
            "@asked'2/clauses" = 1
          )
          THEN CASE
            WHEN (
              "@apart/in"
              OR (
                CASE WHEN "@asked'2/in" THEN "@feature/image_cluster" ELSE NULL END >= CAST($q2 AS BIGINT)
              )
            )
            THEN 2
            ELSE 1
          END
          WHEN (
            "@asked'2/clauses" = 2
          )
          THEN 3
          ELSE "@asked'2/clauses"
        END AS USMALLINT) AS "@asked'3/clauses"
      FROM (
        SELECT
          "s".*,
          "@apart/first1" AS "@apart/in"
        FROM (
          SELECT
            "s".*,
            COALESCE(
              (
                "@english/in"
                AND (
                  (
                    CASE WHEN "@english/in" THEN "@feature/image_cluster" ELSE NULL END IS NULL
                  )
                  OR "@/first1"
                )
              ),
              FALSE
            ) AS "@apart/first1"
          FROM (
            SELECT
              "s".*,
              (
                "@english/clauses" = 2
              ) AS "@english/in"
            FROM (
              SELECT
                "s".*,
                CAST(CASE
                  WHEN (
                    CASE WHEN "@asked'1/in" THEN "@feature/lang" ELSE NULL END = 'en'
                  )
                  THEN CASE WHEN (
                    "original_width" >= CAST(200 AS BIGINT)
                  ) THEN 2 ELSE 1 END
                  ELSE 0
                END AS USMALLINT) AS "@english/clauses",
                (
                  "@asked'2/clauses" = 1
                ) AS "@asked'2/in"
              FROM (
                SELECT
                  "s".*,
                  (
                    "@asked'1/clauses" = 1
                  ) AS "@asked'1/in",
                  CAST(CASE WHEN (
                    "clip_b32_similarity_score" >= "@/q1"
                  ) THEN 1 ELSE 0 END AS USMALLINT) AS "@asked'2/clauses",
                  COALESCE((
                    TRUE AND (
                      "@/q1" IS NULL
                    )
                  ), FALSE) AS "@asked'2/undefined",
                  COALESCE((
                    TRUE AND (
                      "@/q1" IS NULL
                    )
                  ), FALSE) AS "@input/undefined",
                  COALESCE((
                    TRUE AND (
                      "@/q1" IS NULL
                    )
                  ), FALSE) AS "@asked'3/undefined"
                FROM (
                  SELECT
                    "s".*,
                    CAST(CASE WHEN (
                      "original_width" >= CAST(200 AS BIGINT)
                    ) THEN 1 ELSE 0 END AS USMALLINT) AS "@asked'1/clauses",
                    "q1"."value" AS "@/q1",
                    "clip_l14_similarity_score" AS "@/cut1/1"
                  FROM "samples" AS "s"
                  LEFT JOIN "q1"
                    ON (
                      "q1"."k0" IS NOT DISTINCT FROM "@feature/lang"
                    )
                ) AS "s"
              ) AS "s"
            ) AS "s"
          ) AS "s"
        ) AS "s"
      ) AS "s"
    ) AS "s"
  ) AS "s"
)
WHERE
  (
    "@input/clauses" = 2
  )
ORDER BY
  "@/cut1/0" DESC,
  "@/cut1/1" ASC
LIMIT 1
OFFSET $offset;

-- stage 5: $cut1: LIMIT 40 PERCENT: samples before them
SELECT
  COUNT(*) AS "samples"
FROM (
  SELECT
    "s".*,
    CASE WHEN "@asked'3/in" THEN "@feature/image_cluster" ELSE NULL END AS "@/cut1/0"
  FROM (
    SELECT
      "s".*,
      (
        "@asked'3/clauses" = 2
      ) AS "@asked'3/in"
    FROM (
      SELECT
        "s".*,
        CAST(CASE
          WHEN (
            "@asked'2/clauses" = 1
          )
          THEN CASE
            WHEN (
              "@apart/in"
              OR (
                CASE WHEN "@asked'2/in" THEN "@feature/image_cluster" ELSE NULL END >= CAST($q2 AS BIGINT)
              )
            )
            THEN 2
            ELSE 1
          END
          WHEN (
            "@asked'2/clauses" = 2
          )
          THEN 3
          ELSE "@asked'2/clauses"
        END AS USMALLINT) AS "@input/clauses",
        CAST(CASE
          WHEN (
            "@asked'2/clauses" = 1
          )
          THEN CASE
            WHEN (
              "@apart/in"
              OR (
                CASE WHEN "@asked'2/in" THEN "@feature/image_cluster" ELSE NULL END >= CAST($q2 AS BIGINT)
              )
            )
            THEN 2
            ELSE 1
          END
          WHEN (
            "@asked'2/clauses" = 2
          )
          THEN 3
          ELSE "@asked'2/clauses"
        END AS USMALLINT) AS "@asked'3/clauses"
      FROM (
        SELECT
          "s".*,
          "@apart/first1" AS "@apart/in"
        FROM (
          SELECT
            "s".*,
            COALESCE(
              (
                "@english/in"
                AND (
                  (
                    CASE WHEN "@english/in" THEN "@feature/image_cluster" ELSE NULL END IS NULL
                  )
                  OR "@/first1"
                )
              ),
              FALSE
            ) AS "@apart/first1"
          FROM (
            SELECT
              "s".*,
              (
                "@english/clauses" = 2
              ) AS "@english/in"
            FROM (
              SELECT
                "s".*,
                CAST(CASE
                  WHEN (
                    CASE WHEN "@asked'1/in" THEN "@feature/lang" ELSE NULL END = 'en'
                  )
                  THEN CASE WHEN (
                    "original_width" >= CAST(200 AS BIGINT)
                  ) THEN 2 ELSE 1 END
                  ELSE 0
                END AS USMALLINT) AS "@english/clauses",
                (
                  "@asked'2/clauses" = 1
                ) AS "@asked'2/in"
              FROM (
                SELECT
                  "s".*,
                  (
                    "@asked'1/clauses" = 1
                  ) AS "@asked'1/in",
                  CAST(CASE WHEN (
                    "clip_b32_similarity_score" >= "@/q1"
                  ) THEN 1 ELSE 0 END AS USMALLINT) AS "@asked'2/clauses",
                  COALESCE((
                    TRUE AND (
                      "@/q1" IS NULL
                    )
                  ), FALSE) AS "@asked'2/undefined",
                  COALESCE((
                    TRUE AND (
                      "@/q1" IS NULL
                    )
                  ), FALSE) AS "@input/undefined",
                  COALESCE((
                    TRUE AND (
                      "@/q1" IS NULL
                    )
                  ), FALSE) AS "@asked'3/undefined"
                FROM (
                  SELECT
                    "s".*,
                    CAST(CASE WHEN (
                      "original_width" >= CAST(200 AS BIGINT)
                    ) THEN 1 ELSE 0 END AS USMALLINT) AS "@asked'1/clauses",
                    "q1"."value" AS "@/q1",
                    "clip_l14_similarity_score" AS "@/cut1/1"
                  FROM "samples" AS "s"
                  LEFT JOIN "q1"
                    ON (
                      "q1"."k0" IS NOT DISTINCT FROM "@feature/lang"
                    )
                ) AS "s"
              ) AS "s"
            ) AS "s"
          ) AS "s"
        ) AS "s"
      ) AS "s"
    ) AS "s"
  ) AS "s"
)
WHERE
  (
    (
      "@input/clauses" = 2
    )
    AND (
      COALESCE(
        (
          (
            "@/cut1/0" > CAST($cut1_0 AS BIGINT)
          )
          OR (
            (
              NOT (
                "@/cut1/0" IS NULL
              )
            ) AND (
              CAST($cut1_0 AS BIGINT) IS NULL
            )
          )
        ),
        FALSE
      )
      OR (
        (
          "@/cut1/0" IS NOT DISTINCT FROM CAST($cut1_0 AS BIGINT)
        )
        AND COALESCE(
          (
            (
              "@/cut1/1" < CAST($cut1_1 AS REAL)
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

-- stage 5: $cut1: LIMIT 40 PERCENT: tie hash at the cut
SELECT
  SHA256((
    UNHEX('6463716c2e7469652e763100') || UNHEX("uid")
  )) AS "tie"
FROM (
  SELECT
    "s".*,
    CASE WHEN "@asked'3/in" THEN "@feature/image_cluster" ELSE NULL END AS "@/cut1/0"
  FROM (
    SELECT
      "s".*,
      (
        "@asked'3/clauses" = 2
      ) AS "@asked'3/in"
    FROM (
      SELECT
        "s".*,
        CAST(CASE
          WHEN (
            "@asked'2/clauses" = 1
          )
          THEN CASE
            WHEN (
              "@apart/in"
              OR (
                CASE WHEN "@asked'2/in" THEN "@feature/image_cluster" ELSE NULL END >= CAST($q2 AS BIGINT)
              )
            )
            THEN 2
            ELSE 1
          END
          WHEN (
            "@asked'2/clauses" = 2
          )
          THEN 3
          ELSE "@asked'2/clauses"
        END AS USMALLINT) AS "@input/clauses",
        CAST(CASE
          WHEN (
            "@asked'2/clauses" = 1
          )
          THEN CASE
            WHEN (
              "@apart/in"
              OR (
                CASE WHEN "@asked'2/in" THEN "@feature/image_cluster" ELSE NULL END >= CAST($q2 AS BIGINT)
              )
            )
            THEN 2
            ELSE 1
          END
          WHEN (
            "@asked'2/clauses" = 2
          )
          THEN 3
          ELSE "@asked'2/clauses"
        END AS USMALLINT) AS "@asked'3/clauses"
      FROM (
        SELECT
          "s".*,
          "@apart/first1" AS "@apart/in"
        FROM (
          SELECT
            "s".*,
            COALESCE(
              (
                "@english/in"
                AND (
                  (
                    CASE WHEN "@english/in" THEN "@feature/image_cluster" ELSE NULL END IS NULL
                  )
                  OR "@/first1"
                )
              ),
              FALSE
            ) AS "@apart/first1"
          FROM (
            SELECT
              "s".*,
              (
                "@english/clauses" = 2
              ) AS "@english/in"
            FROM (
              SELECT
                "s".*,
                CAST(CASE
                  WHEN (
                    CASE WHEN "@asked'1/in" THEN "@feature/lang" ELSE NULL END = 'en'
                  )
                  THEN CASE WHEN (
                    "original_width" >= CAST(200 AS BIGINT)
                  ) THEN 2 ELSE 1 END
                  ELSE 0
                END AS USMALLINT) AS "@english/clauses",
                (
                  "@asked'2/clauses" = 1
                ) AS "@asked'2/in"
              FROM (
                SELECT
                  "s".*,
                  (
                    "@asked'1/clauses" = 1
                  ) AS "@asked'1/in",
                  CAST(CASE WHEN (
                    "clip_b32_similarity_score" >= "@/q1"
                  ) THEN 1 ELSE 0 END AS USMALLINT) AS "@asked'2/clauses",
                  COALESCE((
                    TRUE AND (
                      "@/q1" IS NULL
                    )
                  ), FALSE) AS "@asked'2/undefined",
                  COALESCE((
                    TRUE AND (
                      "@/q1" IS NULL
                    )
                  ), FALSE) AS "@input/undefined",
                  COALESCE((
                    TRUE AND (
                      "@/q1" IS NULL
                    )
                  ), FALSE) AS "@asked'3/undefined"
                FROM (
                  SELECT
                    "s".*,
                    CAST(CASE WHEN (
                      "original_width" >= CAST(200 AS BIGINT)
                    ) THEN 1 ELSE 0 END AS USMALLINT) AS "@asked'1/clauses",
                    "q1"."value" AS "@/q1",
                    "clip_l14_similarity_score" AS "@/cut1/1"
                  FROM "samples" AS "s"
                  LEFT JOIN "q1"
                    ON (
                      "q1"."k0" IS NOT DISTINCT FROM "@feature/lang"
                    )
                ) AS "s"
              ) AS "s"
            ) AS "s"
          ) AS "s"
        ) AS "s"
      ) AS "s"
    ) AS "s"
  ) AS "s"
)
WHERE
  (
    (
      "@input/clauses" = 2
    )
    AND (
      (
        "@/cut1/0" IS NOT DISTINCT FROM CAST($cut1_0 AS BIGINT)
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
  "@id" AS "row",
  "@asked'1/in" AS "asked1",
  "@english/in" AS "asked2",
  "@asked'2/in" AS "asked4",
  "@asked'3/in" AS "asked5",
  "@english/clauses" AS "@english/clauses",
  "@query/clauses" AS "@query/clauses",
  "@query/undefined" AS "@query/undefined"
FROM (
  SELECT
    "s".*,
    CASE
      WHEN (
        NOT (
          "@query/clauses" = 2
        )
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
              "@/cut1/0" > CAST($cut1_0 AS BIGINT)
            )
            OR (
              (
                NOT (
                  "@/cut1/0" IS NULL
                )
              ) AND (
                CAST($cut1_0 AS BIGINT) IS NULL
              )
            )
          ),
          FALSE
        )
        OR (
          (
            "@/cut1/0" IS NOT DISTINCT FROM CAST($cut1_0 AS BIGINT)
          )
          AND COALESCE(
            (
              (
                "@/cut1/1" < CAST($cut1_1 AS REAL)
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
          "@/cut1/0" IS NOT DISTINCT FROM CAST($cut1_0 AS BIGINT)
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
      CASE WHEN "@asked'3/in" THEN "@feature/image_cluster" ELSE NULL END AS "@/cut1/0"
    FROM (
      SELECT
        "s".*,
        (
          "@asked'3/clauses" = 2
        ) AS "@asked'3/in"
      FROM (
        SELECT
          "s".*,
          CAST(CASE
            WHEN (
              "@asked'2/clauses" = 1
            )
            THEN CASE
              WHEN (
                "@apart/in"
                OR (
                  CASE WHEN "@asked'2/in" THEN "@feature/image_cluster" ELSE NULL END >= CAST($q2 AS BIGINT)
                )
              )
              THEN 2
              ELSE 1
            END
            WHEN (
              "@asked'2/clauses" = 2
            )
            THEN 3
            ELSE "@asked'2/clauses"
          END AS USMALLINT) AS "@query/clauses",
          CAST(CASE
            WHEN (
              "@asked'2/clauses" = 1
            )
            THEN CASE
              WHEN (
                "@apart/in"
                OR (
                  CASE WHEN "@asked'2/in" THEN "@feature/image_cluster" ELSE NULL END >= CAST($q2 AS BIGINT)
                )
              )
              THEN 2
              ELSE 1
            END
            WHEN (
              "@asked'2/clauses" = 2
            )
            THEN 3
            ELSE "@asked'2/clauses"
          END AS USMALLINT) AS "@asked'3/clauses"
        FROM (
          SELECT
            "s".*,
            "@apart/first1" AS "@apart/in"
          FROM (
            SELECT
              "s".*,
              COALESCE(
                (
                  "@english/in"
                  AND (
                    (
                      CASE WHEN "@english/in" THEN "@feature/image_cluster" ELSE NULL END IS NULL
                    )
                    OR "@/first1"
                  )
                ),
                FALSE
              ) AS "@apart/first1"
            FROM (
              SELECT
                "s".*,
                (
                  "@english/clauses" = 2
                ) AS "@english/in"
              FROM (
                SELECT
                  "s".*,
                  CAST(CASE
                    WHEN (
                      CASE WHEN "@asked'1/in" THEN "@feature/lang" ELSE NULL END = 'en'
                    )
                    THEN CASE WHEN (
                      "original_width" >= CAST(200 AS BIGINT)
                    ) THEN 2 ELSE 1 END
                    ELSE 0
                  END AS USMALLINT) AS "@english/clauses",
                  (
                    "@asked'2/clauses" = 1
                  ) AS "@asked'2/in"
                FROM (
                  SELECT
                    "s".*,
                    (
                      "@asked'1/clauses" = 1
                    ) AS "@asked'1/in",
                    CAST(CASE WHEN (
                      "clip_b32_similarity_score" >= "@/q1"
                    ) THEN 1 ELSE 0 END AS USMALLINT) AS "@asked'2/clauses",
                    COALESCE((
                      TRUE AND (
                        "@/q1" IS NULL
                      )
                    ), FALSE) AS "@asked'2/undefined",
                    COALESCE((
                      TRUE AND (
                        "@/q1" IS NULL
                      )
                    ), FALSE) AS "@query/undefined",
                    COALESCE((
                      TRUE AND (
                        "@/q1" IS NULL
                      )
                    ), FALSE) AS "@asked'3/undefined"
                  FROM (
                    SELECT
                      "s".*,
                      CAST(CASE WHEN (
                        "original_width" >= CAST(200 AS BIGINT)
                      ) THEN 1 ELSE 0 END AS USMALLINT) AS "@asked'1/clauses",
                      "q1"."value" AS "@/q1",
                      "clip_l14_similarity_score" AS "@/cut1/1"
                    FROM "samples" AS "s"
                    LEFT JOIN "q1"
                      ON (
                        "q1"."k0" IS NOT DISTINCT FROM "@feature/lang"
                      )
                  ) AS "s"
                ) AS "s"
              ) AS "s"
            ) AS "s"
          ) AS "s"
        ) AS "s"
      ) AS "s"
    ) AS "s"
  ) AS "s"
);
