"""What a name can mean: types, functions, pool columns, model columns, the library."""
