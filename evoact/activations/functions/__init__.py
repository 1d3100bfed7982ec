"""Base functions: their table and expressions over it (`base_functions`), those of more than one operation
(`formulas`), those of plugins (`plugged`), and their computed properties (`properties`, by `quadrature`)."""
