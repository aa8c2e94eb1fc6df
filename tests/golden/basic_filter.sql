-- output
SELECT
  CASE WHEN (
    "@query/clauses" = 3
  ) THEN "@id" ELSE NULL END AS "id",
  "@query/clauses" AS "@query/clauses",
  "@query/undefined" AS "@query/undefined"
FROM (
  SELECT
    "s".*,
    CAST(CASE
      WHEN (
        (
          CASE
            WHEN REGEXP_MATCHES(
              "text",
              '[\t\n\v\f\r\x1c-\x1f\x{85}\x{a0}\x{1680}\x{2000}-\x{200a}\x{2028}\x{2029}\x{202f}\x{205f}\x{3000}]|^ | $|  |^$'
            )
            THEN LEN(
              REGEXP_EXTRACT_ALL(
                "text",
                '[^\t\n\v\f\r\x1c-\x1f \x{85}\x{a0}\x{1680}\x{2000}-\x{200a}\x{2028}\x{2029}\x{202f}\x{205f}\x{3000}]+'
              )
            )
            ELSE STRLEN("text") - STRLEN(REPLACE("text", ' ', '')) + 1
          END > CAST(2 AS BIGINT)
        )
        AND (
          LENGTH("text") > CAST(5 AS BIGINT)
        )
      )
      THEN CASE
        WHEN (
          (
            CASE
              WHEN (
                (
                  "original_width" IS NULL
                ) OR (
                  "original_height" IS NULL
                )
              )
              THEN NULL
              ELSE LEAST("original_width", "original_height")
            END >= CAST(200 AS BIGINT)
          )
          AND (
            LIST_EXTRACT(
              LIST_TRANSFORM(
                [
                  (
                    CAST(CASE
                      WHEN (
                        (
                          "original_width" IS NULL
                        ) OR (
                          "original_height" IS NULL
                        )
                      )
                      THEN NULL
                      ELSE GREATEST("original_width", "original_height")
                    END AS DOUBLE) / CAST(CASE
                      WHEN (
                        (
                          "original_width" IS NULL
                        ) OR (
                          "original_height" IS NULL
                        )
                      )
                      THEN NULL
                      ELSE LEAST("original_width", "original_height")
                    END AS DOUBLE)
                  )
                ],
                LAMBDA "@value" : CASE WHEN ISFINITE("@value") THEN "@value" ELSE NULL END
              ),
              1
            ) <= CAST(3.0e0 AS DOUBLE)
          )
        )
        THEN CASE WHEN (
          NOT (
            "text" LIKE '%for sale%'
          )
        ) THEN 3 ELSE 2 END
        ELSE 1
      END
      ELSE 0
    END AS USMALLINT) AS "@query/clauses",
    COALESCE(
      (
        TRUE
        AND (
          (
            LIST_EXTRACT(
              LIST_TRANSFORM(
                [
                  (
                    CAST(CASE
                      WHEN (
                        (
                          "original_width" IS NULL
                        ) OR (
                          "original_height" IS NULL
                        )
                      )
                      THEN NULL
                      ELSE GREATEST("original_width", "original_height")
                    END AS DOUBLE) / CAST(CASE
                      WHEN (
                        (
                          "original_width" IS NULL
                        ) OR (
                          "original_height" IS NULL
                        )
                      )
                      THEN NULL
                      ELSE LEAST("original_width", "original_height")
                    END AS DOUBLE)
                  )
                ],
                LAMBDA "@value" : CASE WHEN ISFINITE("@value") THEN "@value" ELSE NULL END
              ),
              1
            ) IS NULL
          )
          AND (
            (
              NOT (
                CAST(CASE
                  WHEN (
                    (
                      "original_width" IS NULL
                    ) OR (
                      "original_height" IS NULL
                    )
                  )
                  THEN NULL
                  ELSE GREATEST("original_width", "original_height")
                END AS DOUBLE) IS NULL
              )
            )
            AND (
              NOT (
                CAST(CASE
                  WHEN (
                    (
                      "original_width" IS NULL
                    ) OR (
                      "original_height" IS NULL
                    )
                  )
                  THEN NULL
                  ELSE LEAST("original_width", "original_height")
                END AS DOUBLE) IS NULL
              )
            )
          )
        )
      ),
      FALSE
    ) AS "@query/undefined"
  FROM "samples" AS "s"
);
