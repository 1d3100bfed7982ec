"""evoact inside other tools: neuron types for anybody's Ray Tune trainables (`ray_tune`), runs as Optuna studies and
back (`optuna_study`)."""
