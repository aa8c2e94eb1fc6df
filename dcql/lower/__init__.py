"""Plan -> program: stages of statistics and DuckDB SQL."""
