"""From stored answers to the arms of results.json."""
