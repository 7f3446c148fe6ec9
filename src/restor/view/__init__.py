"""`restor view`: the studies of a store in a browser, on this machine only. Nothing here writes."""
