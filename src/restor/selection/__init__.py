"""How hyperparameters are chosen: what a model in training is asked, and which point of a grid is best."""
