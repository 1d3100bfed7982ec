"""Base functions: their table and expressions over it (`base_functions`), what takes more than one operation
(`formulas`), and their computed properties (`properties`, by `quadrature`)."""
