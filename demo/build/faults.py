"""Every number that shapes the pool, frozen here; the shares of faults are injected, not found in nature."""

SEED = 7

ENGLISH_CAPTIONS = 2  # of each drawing of a concept
OTHER_CAPTIONS = 2  # of each drawing, in as many different other languages

NAME_ONLY = 0.30  # of captions: the name
NAME_AND_KEYWORDS = 0.50  # of captions: the name and two keywords; the rest is three keywords

# Shares of all rows of the pool.
EXACT_DUPLICATES = 0.10  # same bytes, same caption, another url
REENCODED_DUPLICATES = 0.10  # same caption, other bytes
DUPLICATED = 0.08  # of the other rows are what the duplicates copy, so some have many copies

# Shares of the rows that are not duplicates; a duplicate has the faults of what it copies.
OFF_TOPIC = 0.25
FLAGS_OF_OFF_TOPIC = 0.60  # a country flag with captions like any other; the rest is a pattern with an advert
BOILERPLATE = 0.08
WRONG_CAPTION = 0.35  # of the rows without boilerplate: the caption of another concept, in the same language
TINY = 0.06
WIDE = 0.04  # of the rows that are not tiny: aspect above 3

TRUSTED = 0.20  # of the concepts, and of the flags: the scorers are trained on these alone

SIDE = 64  # pixels of a rendering
TINY_SIDE = (8, 16)  # pixels, both included
WIDE_ASPECT = (3.2, 4.2)
WIDE_SHORT_SIDE = (40, 64)  # pixels, both included
WEBP_QUALITY = 80
REENCODED_QUALITY = (45, 70)

SHARDS = 5
