"""The types of the language, columns and schemas."""

from enum import Enum

from dcql.dataclass import dataclass


class Type(Enum):
    """What a value can be. NULL belongs to every type; NaN and -0.0 to none (SEMANTICS §1)."""

    INT = "INT"  # 64-bit signed
    FLOAT = "FLOAT"  # IEEE binary32
    DOUBLE = "DOUBLE"  # IEEE binary64
    TEXT = "TEXT"  # Unicode code points
    BOOL = "BOOL"
    EMBEDDING = "EMBEDDING"  # a vector that a model made; only models read it
    NESTED = "NESTED"  # carried by the pool; no expression may name it

    @property
    def numeric(self) -> bool:
        """Whether order statistics and arithmetic take it."""
        return self in (Type.INT, Type.FLOAT, Type.DOUBLE)


@dataclass(frozen=True)
class Column:
    """A column of a pool."""

    name: str
    type: Type


@dataclass(frozen=True)
class Schema:
    """The columns of a pool, in file order; names are unique."""

    columns: tuple[Column, ...]

    def get(self, name: str) -> Column | None:
        """Return the column called `name`, or None."""
        return next((column for column in self.columns if column.name == name), None)

    def names(self) -> tuple[str, ...]:
        """Return the column names in order."""
        return tuple(column.name for column in self.columns)


# What DataComp's metadata holds (datacomp.md §1.2): the schema that a recipe is checked against without a pool.
DATACOMP = Schema(
    (
        Column("uid", Type.TEXT),
        Column("url", Type.TEXT),
        Column("text", Type.TEXT),
        Column("original_width", Type.INT),
        Column("original_height", Type.INT),
        Column("clip_b32_similarity_score", Type.FLOAT),
        Column("clip_l14_similarity_score", Type.FLOAT),
        Column("face_bboxes", Type.NESTED),
        Column("sha256", Type.TEXT),
    )
)
