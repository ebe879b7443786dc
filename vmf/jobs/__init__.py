"""Files to files: fit, score, mixture, convert, sample, evaluate."""
