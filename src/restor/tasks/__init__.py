"""Kinds of work: one file is one kind, such as training the clean model, unlearning, asking or judging."""
