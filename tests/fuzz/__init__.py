"""What is fuzzed: the generators and checks here serve the tests and `scripts/soak` alike."""
