"""Scoring of whatever answers: predictors from anywhere, and answers in a file."""
