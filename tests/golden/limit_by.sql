-- stage 1: "cut1": LIMIT 10 PERCENT BY grp: samples of each group
SELECT
  "@/cut1/by0" AS "k0",
  COUNT(*) AS "samples"
FROM (
  SELECT
    "s".*,
    "clip_l14_similarity_score" AS "@/cut1/0",
    "clip_b32_similarity_score" AS "@/cut1/1",
    "grp" AS "@/cut1/by0"
  FROM "samples" AS "s"
)
GROUP BY
  "@/cut1/by0";

-- stage 1: "cut1": LIMIT 10 PERCENT BY grp: sizes
SELECT
  "samples" AS "samples"
FROM "cut1/sizes"
GROUP BY
  "samples";

-- stage 1: "cut1": LIMIT 10 PERCENT BY grp: keys at each cut
SELECT
  "p"."k0" AS "k0",
  "g"."samples" AS "samples",
  "g"."kept" AS "kept",
  "p"."first" AS "first",
  "p"."s0" AS "s0",
  "p"."s1" AS "s1"
FROM (
  SELECT
    "@/cut1/by0" AS "k0",
    "@/cut1/0" AS "s0",
    "@/cut1/1" AS "s1",
    ROW_NUMBER() OVER (PARTITION BY "@/cut1/by0" ORDER BY "@/cut1/0" DESC, "@/cut1/1" DESC) AS "place",
    RANK() OVER (PARTITION BY "@/cut1/by0" ORDER BY "@/cut1/0" DESC, "@/cut1/1" DESC) AS "first"
  FROM (
    SELECT
      "s".*,
      "clip_l14_similarity_score" AS "@/cut1/0",
      "clip_b32_similarity_score" AS "@/cut1/1",
      "grp" AS "@/cut1/by0"
    FROM "samples" AS "s"
  )
) AS "p"
JOIN (
  SELECT
    "z"."k0" AS "k0",
    "z"."samples" AS "samples",
    "n"."kept" AS "kept"
  FROM "cut1/sizes" AS "z"
  JOIN "cut1/keep" AS "n"
    ON (
      "z"."samples" = "n"."samples"
    )
) AS "g"
  ON (
    "p"."k0" IS NOT DISTINCT FROM "g"."k0"
  )
WHERE
  (
    (
      "p"."place" = "g"."kept"
    ) AND (
      "g"."kept" < "g"."samples"
    )
  );

-- stage 1: "cut1": LIMIT 10 PERCENT BY grp: cuts
SELECT
  "g"."k0" AS "k0",
  "g"."samples" AS "samples",
  "g"."kept" AS "kept",
  CASE
    WHEN (
      "g"."kept" = 0
    )
    THEN 0
    WHEN (
      "g"."kept" = "g"."samples"
    )
    THEN 2
    ELSE 1
  END AS "keep",
  "a"."s0" AS "s0",
  "a"."s1" AS "s1",
  "t"."tie" AS "tie"
FROM (
  SELECT
    "z"."k0" AS "k0",
    "z"."samples" AS "samples",
    "n"."kept" AS "kept"
  FROM "cut1/sizes" AS "z"
  JOIN "cut1/keep" AS "n"
    ON (
      "z"."samples" = "n"."samples"
    )
) AS "g"
LEFT JOIN "cut1/at" AS "a"
  ON (
    "g"."k0" IS NOT DISTINCT FROM "a"."k0"
  )
LEFT JOIN (
  SELECT
    "k0" AS "k0",
    "tie" AS "tie"
  FROM (
    SELECT
      "a"."k0" AS "k0",
      SHA256((
        UNHEX('6463716c2e7469652e763100') || UNHEX("p"."uid")
      )) AS "tie",
      ROW_NUMBER() OVER (
        PARTITION BY "a"."k0"
        ORDER BY SHA256((
          UNHEX('6463716c2e7469652e763100') || UNHEX("p"."uid")
        )) ASC
      ) AS "place",
      "a"."kept" AS "kept",
      "a"."first" AS "first"
    FROM (
      SELECT
        "@/cut1/by0" AS "k0",
        "@/cut1/0" AS "s0",
        "@/cut1/1" AS "s1",
        "uid" AS "uid"
      FROM (
        SELECT
          "s".*,
          "clip_l14_similarity_score" AS "@/cut1/0",
          "clip_b32_similarity_score" AS "@/cut1/1",
          "grp" AS "@/cut1/by0"
        FROM "samples" AS "s"
      )
    ) AS "p"
    JOIN "cut1/at" AS "a"
      ON (
        (
          "p"."k0" IS NOT DISTINCT FROM "a"."k0"
        )
        AND (
          (
            "p"."s0" IS NOT DISTINCT FROM "a"."s0"
          )
          AND (
            "p"."s1" IS NOT DISTINCT FROM "a"."s1"
          )
        )
      )
  )
  WHERE
    (
      "place" + "first" = "kept" + 1
    )
) AS "t"
  ON (
    "g"."k0" IS NOT DISTINCT FROM "t"."k0"
  );

-- stage 2: "cut2": LIMIT 20 BY safe: samples of each group
SELECT
  "@/cut2/by0" AS "k0",
  COUNT(*) AS "samples"
FROM (
  SELECT
    "s".*,
    "@best/cut1" AS "@best/in"
  FROM (
    SELECT
      "s".*,
      CASE
        WHEN (
          NOT TRUE
        )
        THEN FALSE
        WHEN (
          "@/cut1/keep" <> 1
        )
        THEN (
          "@/cut1/keep" = 2
        )
        WHEN (
          COALESCE(
            (
              (
                "@/cut1/0" > "@/cut1/at0"
              )
              OR (
                (
                  NOT (
                    "@/cut1/0" IS NULL
                  )
                ) AND (
                  "@/cut1/at0" IS NULL
                )
              )
            ),
            FALSE
          )
          OR (
            (
              "@/cut1/0" IS NOT DISTINCT FROM "@/cut1/at0"
            )
            AND COALESCE(
              (
                (
                  "@/cut1/1" > "@/cut1/at1"
                )
                OR (
                  (
                    NOT (
                      "@/cut1/1" IS NULL
                    )
                  ) AND (
                    "@/cut1/at1" IS NULL
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
            "@/cut1/0" IS NOT DISTINCT FROM "@/cut1/at0"
          )
          AND (
            "@/cut1/1" IS NOT DISTINCT FROM "@/cut1/at1"
          )
        )
        THEN (
          SHA256((
            UNHEX('6463716c2e7469652e763100') || UNHEX("uid")
          )) <= "@/cut1/tie"
        )
        ELSE FALSE
      END AS "@best/cut1"
    FROM (
      SELECT
        "s".*,
        "cut1"."keep" AS "@/cut1/keep",
        "cut1"."s0" AS "@/cut1/at0",
        "cut1"."s1" AS "@/cut1/at1",
        "cut1"."tie" AS "@/cut1/tie"
      FROM (
        SELECT
          "s".*,
          "clip_l14_similarity_score" AS "@/cut1/0",
          "clip_b32_similarity_score" AS "@/cut1/1",
          "grp" AS "@/cut1/by0",
          "score" AS "@/cut2/0",
          "safe" AS "@/cut2/by0"
        FROM "samples" AS "s"
      ) AS "s"
      LEFT JOIN "cut1"
        ON (
          "cut1"."k0" IS NOT DISTINCT FROM "@/cut1/by0"
        )
    ) AS "s"
  ) AS "s"
)
WHERE
  "@best/in"
GROUP BY
  "@/cut2/by0";

-- stage 2: "cut2": LIMIT 20 BY safe: sizes
SELECT
  "samples" AS "samples"
FROM "cut2/sizes"
GROUP BY
  "samples";

-- stage 2: "cut2": LIMIT 20 BY safe: keys at each cut
SELECT
  "p"."k0" AS "k0",
  "g"."samples" AS "samples",
  "g"."kept" AS "kept",
  "p"."first" AS "first",
  "p"."s0" AS "s0"
FROM (
  SELECT
    "@/cut2/by0" AS "k0",
    "@/cut2/0" AS "s0",
    ROW_NUMBER() OVER (PARTITION BY "@/cut2/by0" ORDER BY "@/cut2/0" DESC) AS "place",
    RANK() OVER (PARTITION BY "@/cut2/by0" ORDER BY "@/cut2/0" DESC) AS "first"
  FROM (
    SELECT
      "s".*,
      "@best/cut1" AS "@best/in"
    FROM (
      SELECT
        "s".*,
        CASE
          WHEN (
            NOT TRUE
          )
          THEN FALSE
          WHEN (
            "@/cut1/keep" <> 1
          )
          THEN (
            "@/cut1/keep" = 2
          )
          WHEN (
            COALESCE(
              (
                (
                  "@/cut1/0" > "@/cut1/at0"
                )
                OR (
                  (
                    NOT (
                      "@/cut1/0" IS NULL
                    )
                  ) AND (
                    "@/cut1/at0" IS NULL
                  )
                )
              ),
              FALSE
            )
            OR (
              (
                "@/cut1/0" IS NOT DISTINCT FROM "@/cut1/at0"
              )
              AND COALESCE(
                (
                  (
                    "@/cut1/1" > "@/cut1/at1"
                  )
                  OR (
                    (
                      NOT (
                        "@/cut1/1" IS NULL
                      )
                    ) AND (
                      "@/cut1/at1" IS NULL
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
              "@/cut1/0" IS NOT DISTINCT FROM "@/cut1/at0"
            )
            AND (
              "@/cut1/1" IS NOT DISTINCT FROM "@/cut1/at1"
            )
          )
          THEN (
            SHA256((
              UNHEX('6463716c2e7469652e763100') || UNHEX("uid")
            )) <= "@/cut1/tie"
          )
          ELSE FALSE
        END AS "@best/cut1"
      FROM (
        SELECT
          "s".*,
          "cut1"."keep" AS "@/cut1/keep",
          "cut1"."s0" AS "@/cut1/at0",
          "cut1"."s1" AS "@/cut1/at1",
          "cut1"."tie" AS "@/cut1/tie"
        FROM (
          SELECT
            "s".*,
            "clip_l14_similarity_score" AS "@/cut1/0",
            "clip_b32_similarity_score" AS "@/cut1/1",
            "grp" AS "@/cut1/by0",
            "score" AS "@/cut2/0",
            "safe" AS "@/cut2/by0"
          FROM "samples" AS "s"
        ) AS "s"
        LEFT JOIN "cut1"
          ON (
            "cut1"."k0" IS NOT DISTINCT FROM "@/cut1/by0"
          )
      ) AS "s"
    ) AS "s"
  )
  WHERE
    "@best/in"
) AS "p"
JOIN (
  SELECT
    "z"."k0" AS "k0",
    "z"."samples" AS "samples",
    "n"."kept" AS "kept"
  FROM "cut2/sizes" AS "z"
  JOIN "cut2/keep" AS "n"
    ON (
      "z"."samples" = "n"."samples"
    )
) AS "g"
  ON (
    "p"."k0" IS NOT DISTINCT FROM "g"."k0"
  )
WHERE
  (
    (
      "p"."place" = "g"."kept"
    ) AND (
      "g"."kept" < "g"."samples"
    )
  );

-- stage 2: "cut2": LIMIT 20 BY safe: cuts
SELECT
  "g"."k0" AS "k0",
  "g"."samples" AS "samples",
  "g"."kept" AS "kept",
  CASE
    WHEN (
      "g"."kept" = 0
    )
    THEN 0
    WHEN (
      "g"."kept" = "g"."samples"
    )
    THEN 2
    ELSE 1
  END AS "keep",
  "a"."s0" AS "s0",
  "t"."tie" AS "tie"
FROM (
  SELECT
    "z"."k0" AS "k0",
    "z"."samples" AS "samples",
    "n"."kept" AS "kept"
  FROM "cut2/sizes" AS "z"
  JOIN "cut2/keep" AS "n"
    ON (
      "z"."samples" = "n"."samples"
    )
) AS "g"
LEFT JOIN "cut2/at" AS "a"
  ON (
    "g"."k0" IS NOT DISTINCT FROM "a"."k0"
  )
LEFT JOIN (
  SELECT
    "k0" AS "k0",
    "tie" AS "tie"
  FROM (
    SELECT
      "a"."k0" AS "k0",
      SHA256((
        UNHEX('6463716c2e7469652e763100') || UNHEX("p"."uid")
      )) AS "tie",
      ROW_NUMBER() OVER (
        PARTITION BY "a"."k0"
        ORDER BY SHA256((
          UNHEX('6463716c2e7469652e763100') || UNHEX("p"."uid")
        )) ASC
      ) AS "place",
      "a"."kept" AS "kept",
      "a"."first" AS "first"
    FROM (
      SELECT
        "@/cut2/by0" AS "k0",
        "@/cut2/0" AS "s0",
        "uid" AS "uid"
      FROM (
        SELECT
          "s".*,
          "@best/cut1" AS "@best/in"
        FROM (
          SELECT
            "s".*,
            CASE
              WHEN (
                NOT TRUE
              )
              THEN FALSE
              WHEN (
                "@/cut1/keep" <> 1
              )
              THEN (
                "@/cut1/keep" = 2
              )
              WHEN (
                COALESCE(
                  (
                    (
                      "@/cut1/0" > "@/cut1/at0"
                    )
                    OR (
                      (
                        NOT (
                          "@/cut1/0" IS NULL
                        )
                      ) AND (
                        "@/cut1/at0" IS NULL
                      )
                    )
                  ),
                  FALSE
                )
                OR (
                  (
                    "@/cut1/0" IS NOT DISTINCT FROM "@/cut1/at0"
                  )
                  AND COALESCE(
                    (
                      (
                        "@/cut1/1" > "@/cut1/at1"
                      )
                      OR (
                        (
                          NOT (
                            "@/cut1/1" IS NULL
                          )
                        ) AND (
                          "@/cut1/at1" IS NULL
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
                  "@/cut1/0" IS NOT DISTINCT FROM "@/cut1/at0"
                )
                AND (
                  "@/cut1/1" IS NOT DISTINCT FROM "@/cut1/at1"
                )
              )
              THEN (
                SHA256((
                  UNHEX('6463716c2e7469652e763100') || UNHEX("uid")
                )) <= "@/cut1/tie"
              )
              ELSE FALSE
            END AS "@best/cut1"
          FROM (
            SELECT
              "s".*,
              "cut1"."keep" AS "@/cut1/keep",
              "cut1"."s0" AS "@/cut1/at0",
              "cut1"."s1" AS "@/cut1/at1",
              "cut1"."tie" AS "@/cut1/tie"
            FROM (
              SELECT
                "s".*,
                "clip_l14_similarity_score" AS "@/cut1/0",
                "clip_b32_similarity_score" AS "@/cut1/1",
                "grp" AS "@/cut1/by0",
                "score" AS "@/cut2/0",
                "safe" AS "@/cut2/by0"
              FROM "samples" AS "s"
            ) AS "s"
            LEFT JOIN "cut1"
              ON (
                "cut1"."k0" IS NOT DISTINCT FROM "@/cut1/by0"
              )
          ) AS "s"
        ) AS "s"
      )
      WHERE
        "@best/in"
    ) AS "p"
    JOIN "cut2/at" AS "a"
      ON (
        (
          "p"."k0" IS NOT DISTINCT FROM "a"."k0"
        )
        AND (
          "p"."s0" IS NOT DISTINCT FROM "a"."s0"
        )
      )
  )
  WHERE
    (
      "place" + "first" = "kept" + 1
    )
) AS "t"
  ON (
    "g"."k0" IS NOT DISTINCT FROM "t"."k0"
  );

-- output
SELECT
  CASE WHEN "@query/cut2" THEN "@id" ELSE NULL END AS "id",
  CASE
    WHEN "@query/cut2"
    THEN CAST(CAST(2 AS UBIGINT) AS UBIGINT)
    ELSE CAST(0 AS UBIGINT)
  END AS "copies"
FROM (
  SELECT
    "s".*,
    CASE
      WHEN (
        NOT "@best/in"
      )
      THEN FALSE
      WHEN (
        "@/cut2/keep" <> 1
      )
      THEN (
        "@/cut2/keep" = 2
      )
      WHEN COALESCE(
        (
          (
            "@/cut2/0" > "@/cut2/at0"
          )
          OR (
            (
              NOT (
                "@/cut2/0" IS NULL
              )
            ) AND (
              "@/cut2/at0" IS NULL
            )
          )
        ),
        FALSE
      )
      THEN TRUE
      WHEN (
        "@/cut2/0" IS NOT DISTINCT FROM "@/cut2/at0"
      )
      THEN (
        SHA256((
          UNHEX('6463716c2e7469652e763100') || UNHEX("uid")
        )) <= "@/cut2/tie"
      )
      ELSE FALSE
    END AS "@query/cut2"
  FROM (
    SELECT
      "s".*,
      "@best/cut1" AS "@best/in"
    FROM (
      SELECT
        "s".*,
        CASE
          WHEN (
            NOT TRUE
          )
          THEN FALSE
          WHEN (
            "@/cut1/keep" <> 1
          )
          THEN (
            "@/cut1/keep" = 2
          )
          WHEN (
            COALESCE(
              (
                (
                  "@/cut1/0" > "@/cut1/at0"
                )
                OR (
                  (
                    NOT (
                      "@/cut1/0" IS NULL
                    )
                  ) AND (
                    "@/cut1/at0" IS NULL
                  )
                )
              ),
              FALSE
            )
            OR (
              (
                "@/cut1/0" IS NOT DISTINCT FROM "@/cut1/at0"
              )
              AND COALESCE(
                (
                  (
                    "@/cut1/1" > "@/cut1/at1"
                  )
                  OR (
                    (
                      NOT (
                        "@/cut1/1" IS NULL
                      )
                    ) AND (
                      "@/cut1/at1" IS NULL
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
              "@/cut1/0" IS NOT DISTINCT FROM "@/cut1/at0"
            )
            AND (
              "@/cut1/1" IS NOT DISTINCT FROM "@/cut1/at1"
            )
          )
          THEN (
            SHA256((
              UNHEX('6463716c2e7469652e763100') || UNHEX("uid")
            )) <= "@/cut1/tie"
          )
          ELSE FALSE
        END AS "@best/cut1"
      FROM (
        SELECT
          "s".*,
          "cut1"."keep" AS "@/cut1/keep",
          "cut1"."s0" AS "@/cut1/at0",
          "cut1"."s1" AS "@/cut1/at1",
          "cut1"."tie" AS "@/cut1/tie",
          "cut2"."keep" AS "@/cut2/keep",
          "cut2"."s0" AS "@/cut2/at0",
          "cut2"."tie" AS "@/cut2/tie"
        FROM (
          SELECT
            "s".*,
            "clip_l14_similarity_score" AS "@/cut1/0",
            "clip_b32_similarity_score" AS "@/cut1/1",
            "grp" AS "@/cut1/by0",
            "score" AS "@/cut2/0",
            "safe" AS "@/cut2/by0"
          FROM "samples" AS "s"
        ) AS "s"
        LEFT JOIN "cut1"
          ON (
            "cut1"."k0" IS NOT DISTINCT FROM "@/cut1/by0"
          )
        LEFT JOIN "cut2"
          ON (
            "cut2"."k0" IS NOT DISTINCT FROM "@/cut2/by0"
          )
      ) AS "s"
    ) AS "s"
  ) AS "s"
);
