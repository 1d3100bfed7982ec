"""Breeding: tournaments, crossover and mutation by DEAP (`breeding`), and fronts of several objectives
(`pareto`)."""
