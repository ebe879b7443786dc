"""Commands that print the accuracy and speed figures quoted in the documentation."""
