"""dcql: a declarative data-recipe compiler with a SQL frontend."""
