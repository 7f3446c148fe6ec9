"""What the answers of an arm say in a word, and the tests that it rests on."""
